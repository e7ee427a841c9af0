//! Detectors that score every event.

use floodmark_contracts::{
    accuracy::{RowScores, ScoredRow},
    clock::EventTime,
    key::{KeyType, TypedKey},
    kind::Kind,
    label::Label,
};
use floodmark_scoring::rows::{RowRules, score};
use proptest::prelude::*;

use crate::support::label;

const SPIKE: Kind = Kind::SensorSpike;
const RULES: RowRules = RowRules {
    volume_width: 4,
    volume_thresholds: 50,
};

fn row(sensor: &str, second: i64, score: f64) -> ScoredRow {
    ScoredRow {
        key: TypedKey::new(KeyType::Sensor, sensor),
        time: EventTime(second * 1_000),
        score,
    }
}

/// Two hundred seconds of two sensors, one with an incident from 100 to 109 s.
fn rows(score: impl Fn(&str, i64) -> f64) -> Vec<ScoredRow> {
    let sensors = ["a", "b"].into_iter();
    sensors
        .flat_map(|sensor| (0..200).map(move |second| (sensor, second)))
        .map(|(sensor, second)| row(sensor, second, score(sensor, second)))
        .collect()
}

fn labels() -> [Label; 1] {
    [label("L0", SPIKE, "a", 100_000, 109_000)]
}

fn is_true(sensor: &str, second: i64) -> bool {
    sensor == "a" && (100..=109).contains(&second)
}

fn check(rows: &[ScoredRow], labels: &[Label]) -> RowScores {
    score(rows, labels, RULES)
}

#[test]
fn scores_that_know_the_truth_are_perfect() {
    let rows = rows(|sensor, second| f64::from(u8::from(is_true(sensor, second))));
    let found = check(&rows, &labels());
    assert_eq!((found.rows, found.true_rows), (400, 10));
    assert_eq!((found.keys, found.labelled_keys), (2, 1));
    assert_eq!(found.prevalence, Some(0.025));
    assert_eq!(found.average_precision, Some(1.0));
    assert_eq!(found.roc_auc, Some(1.0));
    assert_eq!(
        (found.oracle_f1, found.oracle_threshold),
        (Some(1.0), Some(1.0))
    );
    assert!(found.volume.roc.unwrap() > 0.9, "{found:?}");
    assert!(found.volume.precision_recall.unwrap() > 0.9, "{found:?}");
    for nab in &found.nab {
        assert_eq!((nab.score, nab.threshold), (Some(100.0), Some(1.0)));
    }
}

#[test]
fn one_threshold_stands_for_all_keys() {
    // The quiet sensor's noise is as high as what the other shows in its incident.
    let rows = rows(|sensor, second| match sensor {
        "a" if is_true(sensor, second) => 1.0,
        "b" => 1.0,
        _ => 0.0,
    });
    let found = check(&rows, &labels());
    assert_eq!(found.average_precision, Some(10.0 / 210.0));
    // On its own key the incident stands out all the same.
    assert!(found.volume.roc.unwrap() > 0.9, "{found:?}");
}

#[test]
fn what_cannot_be_scored_is_counted_apart() {
    let mut rows = rows(|_, second| second as f64);
    rows[3].score = f64::NAN;
    let [known] = labels();
    let labels = [
        known,
        // No row of that sensor, and a time of which the other has none.
        label("L1", SPIKE, "c", 100_000, 110_000),
        label("L2", SPIKE, "b", 50_200, 50_800),
        label("D0", Kind::Recalibration, "b", 20_000, 30_000),
    ];
    let found = check(&rows, &labels);
    assert_eq!((found.rows, found.without_score), (399, 1));
    assert_eq!(found.labels_without_rows, 2);
    assert_eq!(found.true_rows, 10, "a decoy is no incident");
}

#[test]
fn without_incidents_nothing_is_defined() {
    let found = check(&rows(|_, second| second as f64), &[]);
    assert_eq!(found.prevalence, Some(0.0));
    assert_eq!((found.average_precision, found.roc_auc), (None, None));
    assert_eq!(found.volume, Default::default());
    assert!(found.nab.iter().all(|nab| nab.score.is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// forall scores: the order in which rows come changes nothing.
    #[test]
    fn permuting_rows_changes_nothing(scores in prop::collection::vec(0u8..20, 400), seed: u64) {
        let mut at = scores.into_iter();
        let mut rows = rows(|_, _| 0.0);
        rows.iter_mut().for_each(|row| row.score = f64::from(at.next().unwrap()));
        let before = check(&rows, &labels());
        rows.sort_by_key(|row| (row.time.0 ^ seed.cast_signed()).wrapping_mul(0x9e37_79b9));
        prop_assert_eq!(check(&rows, &labels()), before);
    }
}
