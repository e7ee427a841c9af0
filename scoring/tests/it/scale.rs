//! Many alerts against many labels: nothing may grow faster than `n log n`.

use std::cell::RefCell;

use floodmark_contracts::{alert::Alert, kind::Kind};
use floodmark_scoring::{parts::Part, score, score_files, score_files_watched};

use crate::support::{Run, alert_of, label};

/// One label lies over all the others of its key, so that a scan from the start of the run would touch
/// every label for every alert: 40,000 times 20,000 steps would not end in the time of a test run.
#[test]
fn a_long_incident_among_many_does_not_make_matching_quadratic() {
    let spacing = 200_000;
    let (n_labels, n_alerts) = (20_000i64, 40_000i64);
    let mut run = Run::new();
    run.record.event_time_end.0 = n_labels * spacing + 10_000_000;
    run.labels.push(label(
        "long",
        Kind::SensorSpike,
        "s1",
        0,
        n_labels * spacing,
    ));
    run.labels.extend((0..n_labels).map(|i| {
        label(
            &format!("L{i}"),
            Kind::SensorSpike,
            "s1",
            i * spacing,
            i * spacing + 1_000,
        )
    }));
    run.alerts = (0..n_alerts)
        .map(|i| {
            let at = i * spacing / 2 + 500;
            alert_of(Kind::SensorSpike, &format!("A{i}"), "s1", at, at)
        })
        .collect();
    let overall = score(&run.record, &run.labels, &run.alerts, &[])
        .unwrap()
        .detection
        .overall;
    assert_eq!(overall.detected, overall.labels);
    assert_eq!(overall.true_alerts, n_alerts.unsigned_abs());
}

/// Whoever measures adds up the parts: each has to end, the last one at the end, and the result is that without a watcher.
#[test]
fn a_watcher_sees_every_part_end_and_changes_nothing() {
    let labels = [label("L", Kind::SensorSpike, "s1", 0, 1_000)];
    let alerts: Vec<Alert> = [500, 900_000]
        .map(|at| alert_of(Kind::SensorSpike, &format!("A{at}"), "s1", at, at).alert)
        .to_vec();
    let ended = RefCell::new(Vec::new());
    let section = Default::default();
    let watched = score_files_watched(&labels, &alerts, &section, None, &|part| {
        ended.borrow_mut().push(part);
    });
    let ended = ended.into_inner();
    assert!(
        Part::ALL.iter().all(|part| ended.contains(part)),
        "{ended:?}"
    );
    assert_eq!((ended[0], ended.last()), (Part::Scope, Some(&Part::Rest)));
    let alone = score_files(&labels, &alerts, &section, None).unwrap();
    assert_eq!(watched.unwrap(), alone);
}

/// A label of a year has half a million windows of a minute: thousands of them must not be written out.
#[test]
fn labels_of_a_year_take_no_memory_for_each_minute() {
    let year_ms = 365 * 86_400_000;
    let labels: Vec<_> = (0..3_000)
        .map(|i| label(&format!("L{i}"), Kind::Drift, &format!("s{i}"), 0, year_ms))
        .collect();
    let alerts = [alert_of(Kind::Drift, "A", "s7", 60_000, 60_000).alert];
    let detection = score_files(&labels, &alerts, &Default::default(), None).unwrap();
    let windows = detection.accuracy.windows.counted;
    assert_eq!((windows.truth, windows.both), (3_000 * 525_601, 1));
}
