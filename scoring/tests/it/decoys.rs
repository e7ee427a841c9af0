//! Decoys: an alert on one is false, and results say how often that was.

use floodmark_contracts::{kind::Kind, result::RunResult};
use floodmark_scoring::{
    matching::{self, Fate, LabelFate},
    score,
};

use super::support::{Run, alert_of, label};

fn scored(run: &Run) -> RunResult {
    score(&run.record, &run.labels, &run.alerts, &[]).unwrap()
}

/// A shift on one sensor and planned checks on two others.
fn run() -> Run {
    Run::new().labels([
        label("level-shift-1", Kind::LevelShift, "s1", 100_000, 110_000),
        label(
            "recalibration-1",
            Kind::Recalibration,
            "s2",
            100_000,
            110_000,
        ),
        label(
            "recalibration-2",
            Kind::Recalibration,
            "s3",
            200_000,
            210_000,
        ),
    ])
}

fn alert(id: &str, sensor: &str, at: i64) -> floodmark_contracts::alert::CollectedAlert {
    alert_of(Kind::LevelShift, id, sensor, at, at)
}

#[test]
fn an_alert_on_a_decoy_is_false_and_told() {
    let run = run().alerts([
        alert("a", "s1", 105_000),
        alert("b", "s2", 105_000),
        alert("c", "s2", 106_000),
    ]);
    let result = scored(&run);
    let overall = &result.detection.overall;
    assert_eq!(
        (overall.labels, overall.detected, overall.false_merged),
        (1, 1, 1)
    );
    assert_eq!((overall.recall, overall.precision), (Some(1.0), Some(0.5)));
    let decoys = result.detection.decoys;
    assert_eq!((decoys.decoys, decoys.alerted, decoys.alerts), (2, 1, 2));
    assert_eq!(decoys.share, Some(0.5));
    assert_eq!(
        result.detection.decoys_per_kind[&Kind::Recalibration],
        decoys
    );
    for name in [
        "detection.decoys_alerted",
        "detection.decoys_alerted.recalibration",
    ] {
        let metric = &result.metrics[name];
        assert_eq!((metric.value, metric.unit.as_str()), (Some(0.5), "ratio"));
        assert!(metric.interval.is_some());
    }
    let matching = matching::of(&result.detection, &run.labels, &run.alerts);
    assert_eq!(matching.alerts, [Fate::True, Fate::False, Fate::False]);
    let fates = [
        LabelFate::Detected,
        LabelFate::DecoyAlerted,
        LabelFate::DecoySpared,
    ];
    assert_eq!(matching.labels, fates);
    assert_eq!(matching.pairs.len(), 1);
}

#[test]
fn decoys_that_are_left_alone_change_nothing() {
    let alerts = [alert("a", "s1", 105_000), alert("b", "s9", 300_000)];
    let with = scored(&run().alerts(alerts.clone())).detection;
    let mut without = run().alerts(alerts);
    without.labels.truncate(1);
    let without = scored(&without).detection;
    assert_eq!(with.overall, without.overall);
    assert_eq!(with.per_kind, without.per_kind);
    assert_eq!(with.random_baseline, without.random_baseline);
    assert_eq!((with.decoys.alerted, with.decoys.share), (0, Some(0.0)));
    assert_eq!((without.decoys.decoys, without.decoys.share), (0, None));
    assert!(with.missed.is_empty());
}

#[test]
fn an_alert_that_finds_an_incident_does_not_fall_for_a_decoy_beside_it() {
    let mut run = run().alerts([alert("a", "s1", 105_000)]);
    run.labels[1].keys = run.labels[0].keys.clone();
    let decoys = scored(&run).detection.decoys;
    assert_eq!((decoys.decoys, decoys.alerted, decoys.alerts), (2, 0, 0));
}

#[test]
fn alerts_on_decoys_outside_of_what_is_scored_are_false_all_the_same() {
    let mut run = run().alerts([alert("a", "s3", 205_000)]);
    let end = run.record.event_time_end.0;
    run.labels[2].end.0 = end;
    let detection = scored(&run).detection;
    assert_eq!((detection.decoys.decoys, detection.decoys.alerts), (1, 0));
    assert_eq!((detection.overall.false_merged, detection.ignored), (1, 0));
    assert_eq!((detection.truncated, detection.warm_up.labels), (0, 0));
}
