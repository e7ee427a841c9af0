//! A cluster that is already running: looked at, never stopped.

use std::time::Duration;

use super::{BrokerError, Holder, RunningBroker, StartContext, accepts};

/// How long a cluster that should be up may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn look(
    servers: &str,
    context: &StartContext<'_>,
) -> Result<RunningBroker, BrokerError> {
    let started = context.clock.monotonic_us();
    // One server that accepts is enough: the client learns the others from it.
    while !servers.split(',').any(accepts) {
        if context.clock.monotonic_us() - started > LIMIT.as_micros() as i64 {
            return Err(BrokerError::Unreachable {
                choice: servers.to_owned(),
                address: servers.to_owned(),
                waited: LIMIT,
                remedy: "start it, correct the address, or use `--broker embedded`".to_owned(),
            });
        }
        context.clock.sleep(Duration::from_millis(200));
    }
    Ok(RunningBroker {
        kind: "external",
        bootstrap: servers.to_owned(),
        registry: None,
        behind_proxy: None,
        holder: Holder::Nothing,
    })
}
