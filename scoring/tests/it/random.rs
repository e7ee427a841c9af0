//! The baselines beside the ways to count: alerts placed at random.

use floodmark_contracts::{kind::Kind, result::Detection};
use floodmark_scoring::score;

use crate::support::{Run, alert, alert_of, label};

const SPIKE: Kind = Kind::SensorSpike;

fn detection(run: &Run) -> Detection {
    score(&run.record, &run.labels, &run.alerts, &[])
        .unwrap()
        .detection
}

/// So many labels and alerts, spread over so many sensors.
fn spread(n_labels: i64, n_alerts: i64, n_sensors: i64) -> Run {
    let labels = (0..n_labels).map(|i| {
        let at = (i * 7_919) % 950_000;
        let key = format!("s{}", i % n_sensors);
        label(&format!("L{i}"), SPIKE, &key, at, at + 5_000)
    });
    let alerts = (0..n_alerts).map(|i| {
        let at = (i * 104_729) % 1_000_000;
        let key = format!("s{}", (i * 31) % n_sensors);
        let mut made = alert_of(SPIKE, &format!("A{i}"), &key, at, at);
        made.alert.score = Some(f64::from(i32::try_from(i % 10).unwrap()) / 10.0);
        made
    });
    Run::new().labels(labels).alerts(alerts)
}

fn near(found: Option<f64>, expected: Option<f64>, tolerance: f64) {
    let (found, expected) = (found.unwrap(), expected.unwrap());
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} is not near {expected}"
    );
}

#[test]
fn alerts_placed_anew_get_what_the_formulas_of_the_incident_level_say() {
    let run = spread(100, 300, 50);
    let found = detection(&run);
    let baseline = found.random_baseline;
    let accuracy = found.accuracy;
    assert_eq!(
        (accuracy.random.labels_share, accuracy.random.thinned),
        (1.0, false)
    );
    assert_eq!(accuracy.random.repetitions, 100);
    assert_eq!(accuracy.random.alerts, 30_000);
    // With few alerts in any one window each finds a label of its own.
    let recall = accuracy.one_to_one.random.recall;
    near(recall, baseline.recall, 0.02);
    near(accuracy.kinds.random_micro.recall, baseline.recall, 0.02);
    near(
        accuracy.kinds.random_micro.precision,
        baseline.deduplicated_precision,
        0.02,
    );
    // Sensors have two labels each, so the mean over sensors is that over labels.
    near(accuracy.entities.random.macro_recall, baseline.recall, 0.02);
    for random in [
        accuracy.thresholds.random_average_precision,
        accuracy.kinds.per_kind[&SPIKE].random_average_precision,
        accuracy.published.range.random.f1,
        accuracy.published.affiliation.random.recall,
        accuracy.published.random_nab.standard,
    ] {
        assert!(random.is_some(), "{accuracy:?}");
    }
}

#[test]
fn of_a_run_too_large_a_part_is_placed_at_the_same_rate() {
    let run = spread(5_000, 250_000, 5_000);
    let found = detection(&run);
    let random = found.accuracy.random;
    assert!((0.2..0.27).contains(&random.labels_share), "{random:?}");
    assert_eq!((random.repetitions, random.thinned), (1, false));
    assert!((50_000..70_000).contains(&random.alerts), "{random:?}");
    near(
        found.accuracy.kinds.random_micro.recall,
        found.random_baseline.recall,
        0.05,
    );
    near(
        found.accuracy.kinds.random_micro.precision,
        found.random_baseline.deduplicated_precision,
        0.05,
    );
}

#[test]
fn random_events_are_affected_as_often_as_any() {
    let mut run = Run::new().labels([label("L0", SPIKE, "a", 100_000, 110_000)]);
    run.labels[0].event_ids = (0..20).map(|i| format!("e{i}")).collect();
    let mut made = alert("A0", "a", 105_000, 105_000);
    made.alert.event_ids = (10..50).map(|i| format!("e{i}")).collect();
    let found = detection(&run.alerts([made])).accuracy;
    let random = found.events.unwrap().random;
    // 20 of the run's 2,000 events are affected, 40 are said.
    assert_eq!((random.precision, random.recall), (Some(0.01), Some(0.02)));
}

#[test]
fn without_labels_or_alerts_there_is_nothing_to_place() {
    let label = label("L0", SPIKE, "a", 100_000, 110_000);
    let alert = alert("A0", "a", 105_000, 105_000);
    for run in [
        Run::new(),
        Run::new().labels([label]),
        Run::new().alerts([alert]),
    ] {
        let found = detection(&run).accuracy;
        assert_eq!((found.random.repetitions, found.random.alerts), (0, 0));
        assert_eq!(found.one_to_one.random, Default::default());
    }
}
