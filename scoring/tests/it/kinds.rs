//! Kinds against kinds.

use floodmark_contracts::{
    accuracy::{Kinds, Rates},
    alert::CollectedAlert,
    kind::Kind,
};
use floodmark_scoring::score;

use crate::support::{Run, alert, alert_of, label};

const SPIKE: Kind = Kind::SensorSpike;

fn kinds(run: &Run) -> Kinds {
    let result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
    result.detection.accuracy.kinds
}

fn cells(kinds: &Kinds) -> Vec<(&str, &str, u64)> {
    let pairs = kinds.pairs.iter();
    pairs
        .map(|pair| (pair.actual.as_str(), pair.alerted.as_str(), pair.count))
        .collect()
}

fn foreign(id: &str, key: &str, at: i64) -> CollectedAlert {
    let mut made = alert(id, key, at, at);
    made.alert.kind = Some("of-its-own".to_owned());
    made
}

#[test]
fn a_wrong_kind_is_a_miss_and_a_false_alarm_and_counts_once() {
    let run = Run::new()
        .labels([
            label("L0", SPIKE, "a", 100_000, 110_000),
            label("L1", Kind::LevelShift, "a", 300_000, 310_000),
            label("L2", SPIKE, "b", 500_000, 510_000),
            label("L3", Kind::DropOut, "d", 700_000, 710_000),
        ])
        .alerts([
            alert_of(SPIKE, "A0", "a", 105_000, 105_000),
            // Twice the same mistake about one incident.
            alert_of(Kind::Drift, "A1", "a", 305_000, 305_000),
            alert_of(Kind::Drift, "A2", "a", 307_000, 307_000),
            alert_of(SPIKE, "A3", "c", 800_000, 800_000),
            foreign("A4", "b", 505_000),
        ]);
    let found = kinds(&run);
    assert_eq!(
        cells(&found),
        [
            ("drop-out", "none", 1),
            ("level-shift", "drift", 1),
            ("none", "sensor-spike", 1),
            ("sensor-spike", "foreign", 1),
            ("sensor-spike", "sensor-spike", 1),
        ]
    );
    let of = |kind| {
        let rates = found.per_kind[&kind];
        (rates.precision, rates.recall, rates.f1)
    };
    assert_eq!(of(SPIKE), (Some(0.5), Some(0.5), Some(0.5)));
    assert_eq!(of(Kind::LevelShift), (None, Some(0.0), Some(0.0)));
    assert_eq!(of(Kind::Drift), (Some(0.0), None, Some(0.0)));
    assert_eq!(
        (found.micro.precision, found.micro.recall),
        (Some(0.25), Some(0.25))
    );
    // Of precision three kinds: the spike, the drift and what the catalogue does not have.
    let close = |found: Option<f64>, expected: f64| {
        assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
    };
    close(found.macro_average.precision, 0.5 / 3.0);
    close(found.macro_average.recall, 0.5 / 3.0);
    close(found.macro_average.f1, 0.1);
}

#[test]
fn repeated_false_alarms_are_merged_and_a_right_alert_beside_a_wrong_one_leaves_both() {
    let run = Run::new()
        .labels([label("L0", SPIKE, "a", 100_000, 110_000)])
        .alerts([
            alert_of(SPIKE, "A0", "a", 105_000, 105_000),
            alert_of(Kind::Drift, "A1", "a", 106_000, 106_000),
            alert_of(Kind::Drift, "A2", "c", 500_000, 500_000),
            alert_of(Kind::Drift, "A3", "c", 510_000, 510_000),
        ]);
    assert_eq!(
        cells(&kinds(&run)),
        [("none", "drift", 2), ("sensor-spike", "sensor-spike", 1)]
    );
}

#[test]
fn a_mistaken_alert_is_held_against_the_incident_that_it_fits_best() {
    let mut labels = [
        label("L0", SPIKE, "a", 100_000, 200_000),
        label("L1", Kind::LevelShift, "a", 150_000, 250_000),
    ];
    labels[0].event_ids = vec!["e0".to_owned(), "e1".to_owned()];
    let check = |at: i64, ids: &[&str], expected: &str| {
        let mut alert = alert_of(Kind::Drift, "A0", "a", at, at);
        alert.alert.event_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let run = Run::new().labels(labels.clone()).alerts([alert]);
        let found = kinds(&run);
        let pair = found.pairs.iter().find(|pair| pair.alerted == "drift");
        assert_eq!(pair.unwrap().actual, expected, "at {at} with {ids:?}");
    };
    check(160_000, &[], "level-shift");
    check(120_000, &[], "sensor-spike");
    check(160_000, &["e0", "e1"], "sensor-spike");
    // In the tolerance of the one and inside of the other, whose start is further away.
    check(205_000, &[], "level-shift");
}

#[test]
fn alerts_without_a_kind_count_for_recall_alone() {
    let labels = [
        label("L0", SPIKE, "a", 100_000, 110_000),
        label("L1", SPIKE, "b", 300_000, 310_000),
    ];
    let silent = Run::new().labels(labels.clone()).alerts([
        alert("A0", "a", 105_000, 105_000),
        alert("A1", "c", 700_000, 700_000),
    ]);
    let found = kinds(&silent);
    assert_eq!(
        cells(&found),
        [("sensor-spike", "none", 1), ("sensor-spike", "unnamed", 1)]
    );
    let expected = Rates {
        precision: None,
        recall: Some(0.5),
        f1: None,
    };
    assert_eq!((found.micro, found.macro_average), (expected, expected));
    let mixed = silent.alerts([alert_of(SPIKE, "A2", "b", 305_000, 305_000)]);
    let found = kinds(&mixed);
    assert_eq!(
        (found.micro.precision, found.micro.recall),
        (Some(1.0), Some(1.0))
    );
}

#[test]
fn average_precision_of_a_kind_knows_only_the_alerts_that_say_it() {
    let scored = |kind: Kind, id: &str, key: &str, at: i64, score: f64| {
        let mut made = alert_of(kind, id, key, at, at);
        made.alert.score = Some(score);
        made
    };
    let mut run = Run::new()
        .labels([
            label("L0", SPIKE, "a", 100_000, 110_000),
            label("L1", SPIKE, "b", 300_000, 310_000),
            label("L2", Kind::Drift, "d", 300_000, 310_000),
        ])
        .alerts([
            scored(SPIKE, "A0", "a", 105_000, 0.9),
            scored(SPIKE, "A1", "c", 700_000, 0.5),
            scored(SPIKE, "A2", "b", 305_000, 0.3),
            // A spike's alert on a drift is a false one of its kind, and the drift's own do not matter.
            scored(SPIKE, "A3", "d", 305_000, 0.95),
            scored(Kind::Drift, "A4", "d", 306_000, 0.1),
        ]);
    let found = kinds(&run);
    let spike = found.per_kind[&SPIKE];
    let expected = 0.5 * 0.5 + 0.5 * 0.5;
    assert!((spike.average_precision.unwrap() - expected).abs() < 1e-12);
    assert_eq!(found.per_kind[&Kind::Drift].average_precision, Some(1.0));
    run.alerts[4].alert.score = None;
    let found = kinds(&run);
    assert_eq!(found.per_kind[&Kind::Drift].average_precision, None);
    assert_eq!(
        found.per_kind[&SPIKE].average_precision,
        spike.average_precision
    );
}
