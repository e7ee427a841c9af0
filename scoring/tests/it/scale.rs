//! Many alerts against many labels: nothing may grow faster than `n log n`.

use floodmark_contracts::kind::Kind;
use floodmark_scoring::score;

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
