use floodmark_contracts::{result::ValidityReason, stream::Stream};

use super::*;

const LIMITS: SearchLimits = SearchLimits {
    precision: 0.05,
    lag_growth: 0.01,
    lag_p99_s: 2.0,
    alert_p99_us: None,
    recall: 0.8,
};

/// Ten seconds at 1000 events a second, of which two are warm-up, with the lag at the end of each.
fn series(lag: impl Fn(i64) -> f64) -> Vec<SeriesRow> {
    let row = |t: i64, metric: &str, value: f64| SeriesRow {
        t,
        metric: metric.to_owned(),
        stream: Some(Stream::Sensors),
        process: None,
        value,
    };
    (1..=12)
        .flat_map(|t| {
            [
                row(t, "due", if t <= 10 { 1000.0 } else { 0.0 }),
                row(t, "lag", lag(t)),
                row(t, "consumed", 1000.0 - (lag(t) - lag(t - 1))),
            ]
        })
        .collect()
}

fn validity(codes: &[&str]) -> Validity {
    let reasons = codes.iter().map(|code| ValidityReason {
        code: (*code).to_owned(),
        status: ValidityStatus::Invalid,
        message: "so it is".to_owned(),
        seconds: Vec::new(),
    });
    Validity {
        status: if codes.is_empty() {
            ValidityStatus::Valid
        } else {
            ValidityStatus::Invalid
        },
        reasons: reasons.collect(),
    }
}

struct Case {
    limits: SearchLimits,
    series: Vec<SeriesRow>,
    codes: &'static [&'static str],
    alert_p99_us: Option<u64>,
    recall: Option<f64>,
}

impl Case {
    fn of(lag: impl Fn(i64) -> f64) -> Self {
        Self {
            limits: LIMITS,
            series: series(lag),
            codes: &[],
            alert_p99_us: None,
            recall: Some(0.9),
        }
    }

    fn judge(&self) -> Judgement {
        let seen = Observed {
            rate: 1000.0,
            warm_up_s: 2.0,
            duration_s: 10.0,
            series: &self.series,
            validity: &validity(self.codes),
            alert_p99_us: self.alert_p99_us,
            recall: (self.recall, None),
        };
        judge(&self.limits, &seen)
    }

    fn check(&self, expected: &str) {
        let found = self.judge();
        let clear = if found.clear { " clear" } else { "" };
        let text = format!("{:?}{clear} {}", found.verdict, found.reasons.join("; "));
        assert_eq!(text.trim_end(), expected);
    }
}

#[test]
fn lag_that_stands_is_sustained_and_lag_that_grows_is_not() {
    Case::of(|_| 100.0).check("Sustained clear");
    Case::of(|t| 100.0 + 9.0 * t as f64).check("Sustained clear");
    let grows = Case::of(|t| 20.0 * t as f64);
    grows.check("NotSustained lag grows by 2.0 % of the rate (± 0.0 %; at most 1 %)");
    // What is consumed while lag grows is where to look next.
    assert_eq!(grows.judge().saturated_at, Some(980.0));
    assert_eq!(Case::of(|_| 100.0).judge().saturated_at, None);
}

#[test]
fn what_is_consumed_over_a_second_without_a_sample_counts_for_both() {
    // Second 5 is missing: what was committed in it is in the next row, spread over both.
    assert_eq!(
        over_time(&[[3.0, 900.0], [4.0, 1000.0], [6.0, 1000.0], [7.0, 1300.0]]),
        Some((1000.0 + 2.0 * 1000.0 + 1300.0) / 4.0)
    );
    assert_eq!(over_time(&[[3.0, 900.0]]), None);
}

#[test]
fn the_warm_up_and_the_drain_are_not_judged() {
    let case = Case::of(|t| if (3..=10).contains(&t) { 50.0 } else { 9_000.0 });
    case.check("Sustained clear");
    assert_eq!(case.judge().figures.offered, 1000.0);
    assert_eq!(case.judge().figures.lag_p99_s, Some(0.05));
}

#[test]
fn a_slope_within_its_error_does_not_decide_alone() {
    // A subject that commits every other second: lag goes up and down by much.
    Case::of(|t| 600.0 * (t % 2) as f64).check("Sustained");
}

#[test]
fn slope_and_error_are_those_of_the_textbook() {
    // Draper and Smith's formulas by hand: y = 1, 3, 2, 5 at x = 1..4.
    let (slope, error) = regress(&[[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [4.0, 5.0]]).unwrap();
    assert!((slope - 1.1).abs() < 1e-12);
    assert!(
        (error - (2.7f64 / 2.0 / 5.0).sqrt()).abs() < 1e-12,
        "{error}"
    );
    assert_eq!(regress(&[[1.0, 1.0], [2.0, 3.0]]), None);
}

#[test]
fn long_lag_late_alerts_and_lost_recall_are_named() {
    Case::of(|_| 3000.0).check("NotSustained lag (p99) is 3.00 s (at most 2 s)");
    Case::of(|_| 1700.0).check("Sustained");
    let alerts = |p99: Option<u64>| Case {
        limits: SearchLimits {
            alert_p99_us: Some(500_000),
            ..LIMITS
        },
        alert_p99_us: p99,
        ..Case::of(|_| 0.0)
    };
    alerts(Some(100_000)).check("Sustained clear");
    alerts(Some(450_000)).check("Sustained");
    alerts(Some(600_000))
        .check("NotSustained latency of alerts (p99) is 600.0 ms (at most 500 ms)");
    alerts(None).check(
        "NotSustained no alert came, so that their latency cannot be held against its limit",
    );
    let recall = Case {
        recall: Some(0.5),
        ..Case::of(|_| 0.0)
    };
    recall.check("NotSustained recall is 0.500 (at least 0.8)");
}

#[test]
fn a_load_that_was_not_what_was_asked_for_says_nothing_of_the_subject() {
    let load = Case {
        codes: &["rate-error", "drain-too-short"],
        ..Case::of(|t| 500.0 * t as f64)
    };
    load.check("Void [rate-error] so it is");
    let unread = Case {
        codes: &["drain-too-short"],
        ..Case::of(|_| 0.0)
    };
    unread.check("NotSustained [drain-too-short] so it is");
    let died = Case {
        codes: &["subject-died"],
        series: Vec::new(),
        recall: None,
        ..Case::of(|_| 0.0)
    };
    died.check("NotSustained [subject-died] so it is");
}

#[test]
fn a_load_that_came_late_matters_where_a_latency_is_judged() {
    let mut late = Case {
        codes: &["generator-late"],
        alert_p99_us: Some(100_000),
        ..Case::of(|_| 0.0)
    };
    late.check("Sustained clear");
    late.limits.alert_p99_us = Some(500_000);
    late.check("Void [generator-late] so it is");
}

#[test]
fn what_cannot_be_judged_is_not_taken_for_good() {
    let blind = Case {
        recall: None,
        ..Case::of(|_| 0.0)
    };
    blind.check(
        "Void no incident can be scored in so short a trial; allow longer ones, or do without `recall`",
    );
    let unjudged = Case {
        limits: SearchLimits {
            recall: 0.0,
            ..LIMITS
        },
        recall: None,
        ..Case::of(|_| 0.0)
    };
    unjudged.check("Sustained clear");
    let silent = Case {
        series: Vec::new(),
        ..Case::of(|_| 0.0)
    };
    assert_eq!(silent.judge().verdict, TrialVerdict::Void);
}

#[test]
fn lag_of_several_streams_is_added_up_where_all_are_known() {
    let mut case = Case::of(|_| 100.0);
    let mut second = series(|_| 50.0);
    for row in &mut second {
        row.stream = Some(Stream::Banking);
    }
    second.retain(|row| row.metric != "lag" || row.t != 5);
    case.series.extend(second);
    let figures = case.judge().figures;
    assert_eq!(figures.offered, 2000.0);
    // Without the fifth second, in which one of them is missing, the sum stands.
    assert_eq!(figures.lag_growth, Some(0.0));
    assert_eq!(figures.lag_p99_s, Some(0.075));
}

#[test]
fn the_age_of_the_first_unread_record_is_taken_where_it_is_known() {
    let mut case = Case::of(|_| 0.0);
    case.series.extend((1..=10).map(|t| SeriesRow {
        t,
        metric: "lag_s".to_owned(),
        stream: Some(Stream::Sensors),
        process: None,
        value: 2.5,
    }));
    case.check("NotSustained lag (p99) is 2.50 s (at most 2 s)");
}
