//! The same labels and alerts, counted in other ways than by incidents.

use floodmark_contracts::{
    accuracy::{Accuracy, Counted},
    kind::Kind,
};
use floodmark_scoring::score;

use crate::support::{Run, alert, label};

const SPIKE: Kind = Kind::SensorSpike;

fn accuracy(run: &Run) -> Accuracy {
    let result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
    result.detection.accuracy
}

fn counts(of: Counted) -> (u64, u64, u64) {
    (of.truth, of.said, of.both)
}

/// Two spikes on one sensor, one on another.
fn three() -> Run {
    Run::new().labels([
        label("L0", SPIKE, "a", 100_000, 110_000),
        label("L1", SPIKE, "a", 300_000, 310_000),
        label("L2", SPIKE, "b", 500_000, 510_000),
    ])
}

#[test]
fn a_perfect_detector_is_perfect_at_every_level() {
    let mut run = three();
    for (number, label) in run.labels.iter_mut().enumerate() {
        label.event_ids = vec![format!("e{number}")];
    }
    let run = run.alerts((0..3).map(|number| {
        let (key, at) = [("a", 105_000), ("a", 305_000), ("b", 505_000)][number];
        let mut alert = alert(&format!("A{number}"), key, at, at);
        alert.alert.score = Some(1.0);
        alert.alert.event_ids = vec![format!("e{number}")];
        alert
    }));
    let found = accuracy(&run);
    for level in [
        found.one_to_one,
        found.windows.counted,
        found.events.unwrap(),
    ] {
        assert_eq!(
            (level.precision, level.recall, level.f1),
            (Some(1.0), Some(1.0), Some(1.0))
        );
    }
    let entities = found.entities;
    assert_eq!((entities.labelled, entities.hit), (2, 2));
    assert_eq!(
        (entities.macro_recall, entities.macro_precision),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(entities.f1_interval, Some([1.0, 1.0]));
    assert_eq!(found.thresholds.average_precision, Some(1.0));
    let event = found.time_to_detect.event_ms;
    assert_eq!(
        (event.found, event.censored, event.p50),
        (3, 0, Some(5_000.0))
    );
    assert_eq!(found.fatigue.redundancy, Some(0.0));
    assert_eq!(found.fatigue.false_per_million_events, Some(0.0));
}

#[test]
fn each_level_counts_what_it_says_it_counts() {
    let run = three().alerts([
        // Two alerts on the first incident, in one window; one of them could stand for nothing else.
        alert("A0", "a", 102_000, 102_000),
        alert("A1", "a", 108_000, 108_000),
        // Two false ones in one window of another sensor, near each other.
        alert("A2", "c", 700_000, 700_000),
        alert("A3", "c", 710_000, 710_000),
    ]);
    let found = accuracy(&run);
    assert_eq!(counts(found.one_to_one), (3, 4, 1));
    // 100 to 110 s lies in one window of a minute, 300 to 310 s and 500 to 510 s in one each.
    assert_eq!(counts(found.windows.counted), (3, 2, 1));
    assert_eq!(found.events, None, "no alert lists any");
    let entities = found.entities;
    assert_eq!(
        (entities.labelled, entities.hit, entities.macro_recall),
        (2, 1, Some(0.25))
    );
    // Sensor `b` has neither a detected label nor a false alert: there is no precision to take the mean of.
    assert_eq!(entities.macro_precision, Some(1.0));
    let fatigue = found.fatigue;
    assert_eq!(
        (fatigue.alerts_per_incident, fatigue.redundancy),
        (Some(2.0), Some(0.5))
    );
    assert_eq!(fatigue.alarming_precision, Some(0.5));
    assert_eq!(fatigue.worst_hour, 4);
    assert_eq!(fatigue.false_share_of_top_keys, Some(1.0));
    let event = found.time_to_detect.event_ms;
    assert_eq!((event.found, event.censored), (1, 2));
    assert_eq!(
        (event.found_p50, event.p50),
        (Some(2_000.0), None),
        "two of three were never found"
    );
}

#[test]
fn a_threshold_is_swept_over_merged_false_alerts() {
    let scored = |id: &str, key: &str, at: i64, score: f64| {
        let mut alert = alert(id, key, at, at);
        alert.alert.score = Some(score);
        alert
    };
    let run = three().alerts([
        scored("A0", "a", 105_000, 0.9),
        // One run of false alerts: its score is the higher one.
        scored("A1", "c", 700_000, 0.2),
        scored("A2", "c", 710_000, 0.8),
        scored("A3", "a", 305_000, 0.5),
    ]);
    let found = accuracy(&run).thresholds;
    let points: Vec<(f64, f64, f64)> = found
        .curve
        .iter()
        .map(|point| (point.threshold, point.precision, point.recall))
        .collect();
    let third = 1.0 / 3.0;
    assert_eq!(
        points,
        [
            (0.9, 1.0, third),
            (0.8, 0.5, third),
            (0.5, 2.0 / 3.0, 2.0 / 3.0)
        ]
    );
    let expected = third + third * 2.0 / 3.0;
    assert!((found.average_precision.unwrap() - expected).abs() < 1e-12);
    assert_eq!((found.scored, found.unscored), (4, 0));

    // One alert without a score, and there is no average precision.
    let mut run = run;
    run.alerts[0].alert.score = None;
    let found = accuracy(&run).thresholds;
    assert_eq!(
        (found.scored, found.unscored, found.average_precision),
        (3, 1, None)
    );
}

#[test]
fn without_alerts_or_labels_nothing_is_invented() {
    let found = accuracy(&Run::new());
    assert_eq!(counts(found.one_to_one), (0, 0, 0));
    assert_eq!(
        (found.one_to_one.precision, found.one_to_one.recall),
        (None, None)
    );
    assert_eq!(found.entities.hit_share, None);
    assert_eq!(found.thresholds.average_precision, None);
    assert_eq!(found.time_to_detect.event_ms.p50, None);
    assert_eq!(found.fatigue.alerts_per_incident, None);
    let silent = accuracy(&three());
    assert_eq!(
        (silent.one_to_one.precision, silent.one_to_one.recall),
        (None, Some(0.0))
    );
    assert_eq!(silent.time_to_detect.event_ms.censored, 3);
}
