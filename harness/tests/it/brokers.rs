//! Finding and starting brokers.

use std::path::Path;

use floodmark_contracts::clock::SystemClock;
use floodmark_harness::broker::{BrokerChoice, RunningBroker, StartContext};

use crate::cluster::Cluster;

/// Starts a broker, with `true` in place of floodmark's own program.
fn start(choice: &str, dir: &Path) -> Result<RunningBroker, String> {
    let clock = SystemClock::new();
    let context = StartContext {
        exe: Path::new("/bin/true"),
        dir,
        clock: &clock,
        proxy: None,
    };
    RunningBroker::start(&choice.parse().unwrap(), &context).map_err(|error| error.to_string())
}

#[test]
fn a_cluster_that_answers_is_used_and_not_owned() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let mut broker = start(&cluster.bootstrap(), dir.path()).unwrap();
    assert_eq!(broker.bootstrap(), cluster.bootstrap());
    assert!(!broker.is_own());
    assert!(broker.check().is_ok());
    broker.stop(&SystemClock::new());
    // It is still there: what was not started here is not stopped here.
    assert!(start(&cluster.bootstrap(), dir.path()).is_ok());
}

#[test]
fn nobody_at_an_address_is_told_with_the_address() {
    let dir = tempfile::tempdir().unwrap();
    let error = start("127.0.0.1:1", dir.path()).err().unwrap();
    assert!(error.contains("127.0.0.1:1"), "{error}");
}

#[test]
fn an_embedded_broker_that_ends_at_once_is_an_error_and_no_wait() {
    let dir = tempfile::tempdir().unwrap();
    let error = start("embedded", dir.path()).err().unwrap();
    assert!(error.contains("embedded"), "{error}");
}

#[test]
fn a_folder_without_kafka_is_told_with_what_would_help() {
    let dir = tempfile::tempdir().unwrap();
    let choice = BrokerChoice::KafkaHome(dir.path().to_owned()).to_string();
    let error = start(&choice, dir.path()).err().unwrap();
    assert!(error.contains("ci/kafka"), "{error}");
}
