//! Collecting alerts: all of them, in a file, and nothing that is no alert.

use std::{path::Path, sync::Arc, time::Duration};

use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_harness::{
    collect::{AlertSource, Collector},
    run::read_alerts,
};

use crate::cluster::{Cluster, PATIENCE, alert};

fn start(cluster: &Cluster, file: &Path) -> Collector {
    let clock = Arc::new(SystemClock::new());
    Collector::start(
        &cluster.client(),
        &[AlertSource::ours("anomalies")],
        file,
        clock,
    )
    .unwrap()
}

fn lines(ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|id| serde_json::to_string(&alert(&format!("a{id}"))).unwrap())
        .collect()
}

#[test]
fn every_alert_that_was_written_before_the_end_is_in_the_file() {
    let cluster = Cluster::start();
    cluster.make("anomalies", 2, "LogAppendTime");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.ndjson");
    let collector = start(&cluster, &file);
    cluster.write("anomalies", &lines(0..500));
    let facts = collector.finish().unwrap();
    assert_eq!((facts.alerts, facts.garbage), (500, 0));
    let alerts = read_alerts(&file).unwrap();
    let ids: Vec<String> = alerts.iter().map(|found| found.alert.id.clone()).collect();
    assert_eq!(ids, (0..500).map(|id| format!("a{id}")).collect::<Vec<_>>());
    for (offset, found) in alerts.iter().enumerate() {
        assert_eq!((found.partition, found.offset), (0, offset as i64));
        // The broker's time is in whole milliseconds, and cut.
        assert!(found.appended_at.0 <= found.seen_at.0, "{found:?}");
    }
}

#[test]
fn alerts_are_in_the_file_while_the_run_goes_on() {
    let cluster = Cluster::start();
    cluster.make("anomalies", 1, "LogAppendTime");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.ndjson");
    let collector = start(&cluster, &file);
    cluster.write("anomalies", &lines(0..3));
    let clock = SystemClock::new();
    while collector.alerts() < 3 {
        assert!(
            clock.monotonic_us() < PATIENCE.as_micros() as i64,
            "no alerts were seen"
        );
        clock.sleep(Duration::from_millis(5));
    }
    assert_eq!(read_alerts(&file).unwrap().len(), 3);
}

#[test]
fn what_is_no_alert_is_counted_with_an_example_and_harms_nobody() {
    let cluster = Cluster::start();
    cluster.make("anomalies", 1, "LogAppendTime");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.ndjson");
    let collector = start(&cluster, &file);
    let mut values = lines(0..1);
    values.extend(["not json".to_owned(), "{}".to_owned(), String::new()]);
    values.extend(lines(1..2));
    cluster.write("anomalies", &values);
    let facts = collector.finish().unwrap();
    assert_eq!((facts.alerts, facts.garbage), (2, 3));
    assert!(
        facts.garbage_examples[0].starts_with("anomalies[0] offset 1: "),
        "{facts:?}"
    );
}

#[test]
fn a_topic_that_is_not_there_is_an_error_at_the_start() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let file = dir.path().join("alerts.ndjson");
    assert!(
        Collector::start(
            &cluster.client(),
            &[AlertSource::ours("nowhere")],
            &file,
            clock
        )
        .is_err()
    );
}
