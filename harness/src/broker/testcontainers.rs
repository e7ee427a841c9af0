//! A real Apache Kafka in a container, through testcontainers.

use testcontainers_modules::{
    kafka::apache::{KAFKA_PORT, Kafka},
    testcontainers::{Container as Running, runners::SyncRunner},
};

use super::{BrokerError, Holder, RunningBroker};

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
    let container = Kafka::default()
        .with_jvm_image()
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
