//! Published scores of runs: each key on a line of event time.

use floodmark_contracts::{accuracy::Published, kind::Kind};
use floodmark_scoring::{
    published::nab::{STANDARD, Series, normalised},
    score,
};

use crate::support::{Run, alert, label};

const SPIKE: Kind = Kind::SensorSpike;

fn published(run: &Run) -> Published {
    let result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
    result.detection.accuracy.published
}

fn close(found: Option<f64>, expected: f64) {
    assert!(
        (found.unwrap() - expected).abs() < 1e-12,
        "{found:?} is not {expected}"
    );
}

/// Rows 300 to 309 of a sensor, one alert at row 302.
fn one() -> Run {
    Run::new()
        .labels([label("L0", SPIKE, "a", 300_000, 309_999)])
        .alerts([alert("A0", "a", 302_500, 302_500)])
}

#[test]
fn ranges_are_rated_by_rows_of_event_time() {
    let found = published(&one());
    assert_eq!(
        (found.resolution_ms, found.rows, found.keys),
        (1_000, 1_001, 1)
    );
    close(found.range.precision, 1.0);
    close(found.range.recall, 0.1);
    close(found.range.f1, 0.2 / 1.1);
    close(found.range_front.recall, 8.0 / 55.0);
    close(found.range_back.recall, 3.0 / 55.0);
    close(found.affiliation.precision, 1.0);
    assert!(found.affiliation.recall.unwrap() > 0.98);
    assert_eq!(found.volume, None);
}

#[test]
fn rows_that_follow_each_other_are_one_range() {
    // Rows 302 to 304 in one range of which all is true, and 600 in another of which nothing is.
    let run = one().alerts([
        alert("A1", "a", 303_000, 303_000),
        alert("A2", "a", 304_900, 304_900),
        alert("A3", "a", 600_000, 600_000),
    ]);
    let found = published(&run);
    close(found.range.precision, 0.5);
    close(found.range.recall, 0.3);
}

#[test]
fn keys_count_alike_and_those_without_a_label_do_not() {
    let run = one()
        .labels([label("L1", SPIKE, "b", 500_000, 500_000)])
        .alerts([alert("A1", "c", 700_000, 700_000)]);
    let found = published(&run);
    // The second sensor has no alert: no precision, and a recall of nothing.
    close(found.range.precision, 1.0);
    close(found.range.recall, 0.05);
    close(found.affiliation.precision, 1.0);
    assert_eq!(found.keys, 2);
}

#[test]
fn the_benchmark_of_numenta_has_the_tolerance_in_its_windows() {
    let run = one().alerts([alert("A1", "a", 700_000, 700_000)]);
    let late = usize::try_from(SPIKE.late_ms() / 1_000).unwrap();
    let series = Series::new(1_001, &[[300, 309 + late]]);
    let raw = series.score(&[302, 700], STANDARD).raw;
    let found = published(&run).nab;
    assert_eq!(found.standard, normalised(raw, 1, STANDARD));
    assert!(found.reward_low_fp_rate < found.standard);
}

#[test]
fn a_window_that_begins_in_the_probation_is_left_out_with_its_alerts() {
    let early = label("L1", SPIKE, "a", 149_000, 160_000);
    let alert_on_it = alert("A1", "a", 155_000, 155_000);
    let both = one().labels([early.clone()]).alerts([alert_on_it.clone()]);
    assert_eq!(published(&both).nab, published(&one()).nab);
    let alone = Run::new().labels([early]).alerts([alert_on_it]);
    assert_eq!(published(&alone).nab.standard, None);
    assert!(published(&alone).range.recall.is_some());
}

#[test]
fn rows_are_longer_in_long_runs() {
    for (end, resolution_ms, rows) in [
        (4_999_999, 1_000, 5_000),
        (5_000_000, 2_000, 2_501),
        (86_400_000, 18_000, 4_801),
    ] {
        let mut run = one();
        run.record.event_time_end.0 = end;
        let found = published(&run);
        assert_eq!((found.resolution_ms, found.rows), (resolution_ms, rows));
    }
}

#[test]
fn the_length_of_a_row_is_a_setting() {
    let mut run = one();
    run.record.scoring.resolution = Some("10s".to_owned());
    let found = published(&run);
    assert_eq!((found.resolution_ms, found.rows), (10_000, 101));
    // Row 30 holds the whole incident and the alert.
    close(found.range.recall, 1.0);
}

#[test]
fn without_labels_nothing_is_defined() {
    let run = Run::new().alerts([alert("A0", "a", 302_500, 302_500)]);
    let found = published(&run);
    assert_eq!(
        (found.keys, found.range, found.nab),
        (0, Default::default(), Default::default())
    );
}
