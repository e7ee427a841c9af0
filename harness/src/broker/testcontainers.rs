//! A real Apache Kafka in a container, through testcontainers.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use nix::sys::signal::Signal;
use testcontainers_modules::{
    kafka::apache::{KAFKA_PORT, Kafka},
    testcontainers::{Container as Running, ImageExt, TestcontainersError, runners::SyncRunner},
};

use super::{BrokerError, Holder, RunningBroker, disturbed::Deed, free_port};

/// A container; dropping it removes it.
pub(super) type Container = Running<Kafka>;

const CHOICE: &str = "testcontainers";

pub(super) fn start() -> Result<RunningBroker, BrokerError> {
    let missing = |missing: String| BrokerError::Missing {
        choice: CHOICE.to_owned(),
        missing,
        remedy:
            "start Docker, and have the image `apache/kafka` at hand where it cannot be pulled \
                 (`ci/images` builds one)"
                .to_owned(),
    };
    // Docker gives a container that is started again another port, unless it has one of its own.
    let port = free_port().map_err(|error| missing(format!("no port is free: {error}")))?;
    let container = Kafka::default()
        .with_jvm_image()
        .with_mapped_port(port, KAFKA_PORT)
        .start()
        .map_err(|error| missing(format!("the container could not be started: {error}")))?;
    let port = container
        .get_host_port_ipv4(KAFKA_PORT)
        .map_err(|error| missing(format!("the container has no port for Kafka: {error}")))?;
    Ok(RunningBroker {
        kind: CHOICE,
        bootstrap: format!("127.0.0.1:{port}"),
        registry: None,
        behind_proxy: None,
        holder: Holder::Container(Box::new(container)),
    })
}

/// Seconds that a container has to end after it was asked to.
const GRACE_S: i32 = 10;

/// Does something to a container that faults are about.
pub(super) fn disturb(container: &Container, deed: Deed) -> Result<(), TestcontainersError> {
    match deed {
        Deed::Pause => at_once(container.pause()),
        Deed::GoOn => at_once(container.unpause()),
        // Docker asks, and insists at once.
        Deed::TakeDown(Signal::SIGKILL) => container.stop_with_timeout(Some(0)),
        Deed::TakeDown(_) => container.stop_with_timeout(Some(GRACE_S)),
        Deed::StartAgain => container.start(),
    }
}

/// The outcome of what is asynchronous by its signature alone: it waits within, on a runtime of its own.
fn at_once(
    future: impl Future<Output = Result<(), TestcontainersError>>,
) -> Result<(), TestcontainersError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(TestcontainersError::other(
            "the container did not answer at once",
        )),
    }
}
