//! Recall over difficulty: which labels fall where, and which alerts find them.

use floodmark_contracts::{
    kind::Kind,
    label::Label,
    result::{RecallBin, RecallCurve},
};
use floodmark_scoring::score;

use super::support::{Run, alert_of, label};

/// A label of this difficulty on a sensor of its own.
fn hard(number: i64, kind: Kind, snr: Option<f64>, magnitude: Option<f64>) -> Label {
    let start = 100_000 + number * 20_000;
    Label {
        snr,
        magnitude,
        ..label(
            &format!("{kind}-{number}"),
            kind,
            &format!("s{number}"),
            start,
            start + 5_000,
        )
    }
}

fn found(number: i64, kind: Kind) -> floodmark_contracts::alert::CollectedAlert {
    let at = 102_000 + number * 20_000;
    alert_of(kind, &format!("a{number}"), &format!("s{number}"), at, at)
}

fn bins(bins: &[RecallBin]) -> Vec<(f64, u64, u64)> {
    let line = |bin: &RecallBin| (bin.from, bin.detected, bin.labels);
    bins.iter().map(line).collect()
}

#[test]
fn strong_incidents_are_found_and_weak_ones_are_not() {
    let run = Run::new()
        .labels([
            hard(0, Kind::SensorSpike, Some(0.7), Some(0.1)),
            hard(1, Kind::SensorSpike, Some(0.9), Some(0.1)),
            hard(2, Kind::SensorSpike, Some(5.0), Some(1.0)),
            hard(3, Kind::SensorSpike, Some(7.9), Some(1.0)),
            hard(4, Kind::StuckValue, Some(6.0), None),
            hard(5, Kind::StuckValue, None, None),
        ])
        .alerts([1, 2, 3].map(|number| found(number, Kind::SensorSpike)));
    let difficulty = score(&run.record, &run.labels, &run.alerts, &[])
        .unwrap()
        .detection
        .difficulty;
    let RecallCurve {
        overall,
        per_kind,
        unstated,
    } = &difficulty.snr;
    assert_eq!(bins(overall), [(0.5, 1, 2), (4.0, 2, 3)]);
    assert_eq!(*unstated, 1);
    assert_eq!(
        bins(&per_kind[&Kind::SensorSpike]),
        [(0.5, 1, 2), (4.0, 2, 2)]
    );
    assert_eq!(bins(&per_kind[&Kind::StuckValue]), [(4.0, 0, 1)]);
    // 0 of 1: Wilson's interval reaches to 0.79, which is what one label can say.
    let [low, high] = per_kind[&Kind::StuckValue][0].interval.unwrap();
    assert!(low == 0.0 && (high - 0.793).abs() < 0.001, "{low} {high}");
    let magnitudes = &difficulty.magnitude;
    assert_eq!(bins(&magnitudes.overall), [(0.0625, 1, 2), (1.0, 2, 2)]);
    assert_eq!(magnitudes.unstated, 2);
}

#[test]
fn an_alert_of_another_kind_finds_for_all_kinds_together_and_not_for_the_kind() {
    let run = Run::new()
        .labels([hard(0, Kind::SensorSpike, Some(3.0), None)])
        .alerts([found(0, Kind::StuckValue)]);
    let snr = score(&run.record, &run.labels, &run.alerts, &[])
        .unwrap()
        .detection
        .difficulty
        .snr;
    assert_eq!(bins(&snr.overall), [(2.0, 1, 1)]);
    assert_eq!(bins(&snr.per_kind[&Kind::SensorSpike]), [(2.0, 0, 1)]);
}

#[test]
fn what_is_not_scored_is_in_no_range() {
    let mut run = Run::new().labels([
        hard(0, Kind::SensorSpike, Some(3.0), None),
        hard(1, Kind::Recalibration, Some(3.0), None),
    ]);
    // One passes the end of the run, the other is a decoy.
    run.labels[0].end = run.record.event_time_end;
    let detection = score(&run.record, &run.labels, &run.alerts, &[])
        .unwrap()
        .detection;
    assert_eq!((detection.truncated, detection.decoys.decoys), (1, 1));
    assert_eq!(detection.difficulty.snr, RecallCurve::default());
}
