//! Warm-up, steady state and drain, with the figures of each.
//!
//! The steady state is looked for, not assumed: it begins at the first second behind the profile's warm-up from which on, to
//! the end of generation,
//! ```text
//! lag does not grow        slope of lag over time (least squares) - 1.96 * its standard error <= 1 % of the rate sent
//! consumption keeps up     |consumed/sent of the first half - of the second half| <= 5 %
//! ```
//! and that is at least a quarter of the time behind the warm-up, and five seconds, long. A run without such a time has
//! no steady state, and its result says so.

use floodmark_contracts::{
    alert::CollectedAlert,
    histogram::{self, HistogramError, empty},
    record::{RunRecord, SeriesRow},
    result::{PhaseFigures, Steady},
};
use hdrhistogram::Histogram;

use crate::{
    latency::{RESOLUTION_US, since_end},
    throughput::due_seconds,
};

/// Growth of lag that is tolerated, as a share of the rate sent.
const TOLERATED_GROWTH: f64 = 0.01;

/// Difference of consumed per sent that is tolerated between the halves of a steady state.
const TOLERATED_DRIFT: f64 = 0.05;

/// Seconds that a steady state lasts at least.
const LEAST_SECONDS: i64 = 5;

/// Alerts behind a p99, and behind a median.
const ENOUGH: (u64, u64) = (100, 1);

/// What is summed over all streams in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Second {
    sent: f64,
    consumed: Option<f64>,
    lag: Option<f64>,
}

/// Looks for the steady state.
pub(crate) fn steady(record: &RunRecord, series: &[SeriesRow]) -> Steady {
    let Some(total) = due_seconds(record) else {
        return Steady::default();
    };
    let seconds = by_second(series, total as i64);
    let warm_up = record.timeline.run_micros(record.warm_up_until).0 / 1_000_000;
    let until = seconds.len() as i64;
    if seconds.iter().all(|second| second.lag.is_none()) {
        return Steady {
            reason: "the subject commits no offsets, so that nothing says how far it is".to_owned(),
            ..Steady::default()
        };
    }
    let least = LEAST_SECONDS.max((until - warm_up) / 4);
    let mut last = Verdict::default();
    for from in warm_up..=(until - least) {
        last = judge(&seconds[usize::try_from(from).unwrap_or(0)..]);
        if last.is_steady() {
            return Steady {
                detected: Some(true),
                from: Some(from),
                lag_slope: last.slope,
                reason: format!("lag does not grow and consumption keeps up from second {from} on"),
            };
        }
    }
    let reason = if until - warm_up < least {
        format!("{until} s with {warm_up} s of warm-up are too short to tell")
    } else if !last.flat {
        "lag grows until the end".to_owned()
    } else {
        "consumption drifts until the end".to_owned()
    };
    Steady {
        detected: Some(false),
        from: None,
        lag_slope: last.slope,
        reason,
    }
}

/// What speaks for a steady state.
#[derive(Debug, Default)]
struct Verdict {
    flat: bool,
    even: bool,
    slope: Option<f64>,
}

impl Verdict {
    fn is_steady(&self) -> bool {
        self.flat && self.even
    }
}

fn judge(seconds: &[Second]) -> Verdict {
    let points: Vec<(f64, f64)> = seconds
        .iter()
        .enumerate()
        .filter_map(|(t, second)| Some((t as f64, second.lag?)))
        .collect();
    let rate = seconds.iter().map(|second| second.sent).sum::<f64>() / seconds.len().max(1) as f64;
    let line = slope(&points);
    let (first, second) = seconds.split_at(seconds.len() / 2);
    let drift = share(first).zip(share(second)).map(|(a, b)| (a - b).abs());
    Verdict {
        flat: line.is_some_and(|(slope, error)| slope - 1.96 * error <= TOLERATED_GROWTH * rate),
        even: drift.is_some_and(|drift| drift <= TOLERATED_DRIFT),
        slope: line.map(|(slope, _)| slope),
    }
}

/// Consumed for each event sent.
fn share(seconds: &[Second]) -> Option<f64> {
    let sent: f64 = seconds.iter().map(|second| second.sent).sum();
    let consumed: f64 = seconds.iter().filter_map(|second| second.consumed).sum();
    (sent > 0.0).then_some(consumed / sent)
}

/// The slope of a line through the points by least squares, and its standard error:
/// `sqrt(sum of squared residuals / (n - 2) / sum of squared deviations of x)`. `None` below three points.
fn slope(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let joint: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let slope = joint / spread;
    let residuals = points
        .iter()
        .map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2));
    let error = (residuals.sum::<f64>() / (n - 2.0) / spread).sqrt();
    Some((slope, error))
}

/// The series by seconds of generation, from the first on.
fn by_second(series: &[SeriesRow], total: i64) -> Vec<Second> {
    let mut seconds = vec![Second::default(); usize::try_from(total).unwrap_or(0)];
    for row in series.iter().filter(|row| row.stream.is_some()) {
        // A row stands at the end of its second.
        let second = usize::try_from(row.t - 1)
            .ok()
            .and_then(|at| seconds.get_mut(at));
        let Some(second) = second else { continue };
        match row.metric.as_str() {
            "sent" => second.sent += row.value,
            "consumed" => *second.consumed.get_or_insert(0.0) += row.value,
            "lag" => *second.lag.get_or_insert(0.0) += row.value,
            _ => {}
        }
    }
    seconds
}

/// The figures of warm-up, steady state and drain.
///
/// # Errors
/// [`HistogramError`] if the library fails.
pub(crate) fn figures(
    record: &RunRecord,
    alerts: &[CollectedAlert],
    series: &[SeriesRow],
    steady: &Steady,
) -> Result<Vec<PhaseFigures>, HistogramError> {
    let Some(total) = due_seconds(record) else {
        return Ok(Vec::new());
    };
    let warm_up = record.timeline.run_micros(record.warm_up_until).0 as f64 / 1e6;
    let from = steady.from.map_or(warm_up, |from| from as f64);
    let drained = record.phases.iter().find(|phase| phase.name == "drain");
    let end = drained.map_or(total, |phase| (phase.to.0 as f64 / 1e6).max(total));
    // Without a steady state what lies behind the warm-up is called what it is.
    let middle = match steady.detected {
        Some(true) => "steady",
        _ => "measured",
    };
    let spans = [
        ("warm-up", 0.0, from),
        (middle, from, total),
        ("drain", total, end),
    ];
    spans
        .into_iter()
        .filter(|(_, from, until)| until > from)
        .map(|(name, from, until)| phase(record, alerts, series, name, from, until))
        .collect()
}

fn phase(
    record: &RunRecord,
    alerts: &[CollectedAlert],
    series: &[SeriesRow],
    name: &str,
    from: f64,
    until: f64,
) -> Result<PhaseFigures, HistogramError> {
    // A row is about the second up to `t`; one that lies across the border of two phases is shared between them.
    let share = |row: &SeriesRow| (row.t as f64).min(until) - (row.t as f64 - 1.0).max(from);
    let within = |row: &&SeriesRow| row.stream.is_some() && share(row) > 0.0;
    let rows: Vec<&SeriesRow> = series.iter().filter(within).collect();
    let rate = |metric: &str| {
        let mut values = rows.iter().filter(|row| row.metric == metric).peekable();
        values.peek()?;
        let sum: f64 = values.map(|row| row.value * share(row)).sum();
        Some(sum / (until - from))
    };
    let lags = lag_by_second(&rows);
    let (latencies, ahead) = latencies(record, alerts, from, until)?;
    let count = latencies.len();
    let at = |q: f64, needed: u64| (count >= needed).then(|| latencies.value_at_quantile(q));
    Ok(PhaseFigures {
        name: name.to_owned(),
        from_s: from,
        until_s: until,
        sent: rate("sent"),
        consumed: rate("consumed"),
        lag_mean: (!lags.is_empty()).then(|| lags.iter().sum::<f64>() / lags.len() as f64),
        lag_max: lags.iter().copied().reduce(f64::max),
        alerts: count + ahead,
        ahead,
        alert_p50_us: at(0.5, ENOUGH.1),
        alert_p99_us: at(0.99, ENOUGH.0),
    })
}

/// The latencies of the alerts whose end was due in a phase, and how many of them came before their own end.
///
/// Those have none: behind the last event the generator's closing events bring event time forward at once, and with it
/// windows to their ends that wall time reaches only later. As 0 they would make the drain look instant.
fn latencies(
    record: &RunRecord,
    alerts: &[CollectedAlert],
    from: f64,
    until: f64,
) -> Result<(Histogram<u64>, u64), HistogramError> {
    let mut latencies = empty()?;
    let mut ahead = 0;
    for collected in alerts {
        let due = record.timeline.run_micros(collected.alert.end).0 as f64 / 1e6;
        if due < from || due >= until {
            continue;
        }
        let latency = since_end(&record.timeline, record.started_at, collected);
        if latency < -RESOLUTION_US {
            ahead += 1;
        } else {
            histogram::record(&mut latencies, u64::try_from(latency).unwrap_or(0))?;
        }
    }
    Ok((latencies, ahead))
}

/// The lag of all streams in each second that has one.
fn lag_by_second(rows: &[&SeriesRow]) -> Vec<f64> {
    let mut lags = std::collections::BTreeMap::new();
    for row in rows.iter().filter(|row| row.metric == "lag") {
        *lags.entry(row.t).or_insert(0.0) += row.value;
    }
    lags.into_values().collect()
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{clock::RunMicros, record::Phase};

    use super::*;

    /// Seconds of a subject that is sent 1000 events each, with the lag at their ends.
    fn run(lags: &[f64]) -> Vec<Second> {
        let mut before = lags.first().copied().unwrap_or(0.0);
        let second = |lag: &f64| {
            let consumed = 1000.0 + before - lag;
            before = *lag;
            Second {
                sent: 1000.0,
                consumed: Some(consumed),
                lag: Some(*lag),
            }
        };
        lags.iter().map(second).collect()
    }

    #[test]
    fn a_lag_that_stays_is_steady_and_one_that_grows_is_not() {
        let wavy: Vec<f64> = (0..20).map(|t| f64::from(t % 3) * 40.0).collect();
        assert!(judge(&run(&wavy)).is_steady());
        let growing: Vec<f64> = (0..20)
            .map(|t| f64::from(t) * 100.0 + f64::from(t % 3))
            .collect();
        let verdict = judge(&run(&growing));
        assert!(!verdict.flat, "{verdict:?}");
        assert!((verdict.slope.unwrap() - 100.0).abs() < 1.0);
    }

    #[test]
    fn growth_within_a_hundredth_of_the_rate_is_tolerated() {
        let slow: Vec<f64> = (0..20).map(|t| f64::from(t) * 9.0).collect();
        assert!(judge(&run(&slow)).is_steady());
        let faster: Vec<f64> = (0..20).map(|t| f64::from(t) * 12.0).collect();
        assert!(!judge(&run(&faster)).is_steady());
    }

    #[test]
    fn a_subject_that_catches_up_is_not_steady_yet() {
        // It consumes twice the rate for the first half: lag falls, and consumption is uneven.
        let lags: Vec<f64> = (0..20)
            .map(|t| f64::from((9 - t).max(0)) * 1000.0)
            .collect();
        let verdict = judge(&run(&lags));
        assert!(verdict.flat && !verdict.even, "{verdict:?}");
        assert!(judge(&run(&lags)[10..]).is_steady());
    }

    #[test]
    fn the_slope_is_that_of_a_line_and_noise_widens_its_error() {
        let line: Vec<(f64, f64)> = (0..10)
            .map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0))
            .collect();
        let (found, error) = slope(&line).unwrap();
        assert!((found - 3.0).abs() < 1e-9 && error < 1e-9);
        // Residuals of 1 around a flat line of four points: error = sqrt(4 / 2 / 5).
        let noisy = [(0.0, 1.0), (1.0, -1.0), (2.0, -1.0), (3.0, 1.0)];
        let (found, error) = slope(&noisy).unwrap();
        assert!(found.abs() < 1e-9 && (error - (4.0f64 / 2.0 / 5.0).sqrt()).abs() < 1e-9);
        assert_eq!(slope(&line[..2]), None);
    }

    /// Rows of a run of 20 s at 100 events a second, with the lag at the end of each second.
    fn rows(lag: impl Fn(i64) -> f64) -> Vec<SeriesRow> {
        let row = |t: i64, metric: &str, value: f64| SeriesRow {
            t,
            metric: metric.to_owned(),
            stream: Some(floodmark_contracts::stream::Stream::Sensors),
            process: None,
            value,
        };
        (1..=20)
            .flat_map(|t| {
                let consumed = 100.0 + lag(t - 1) - lag(t);
                [
                    row(t, "sent", 100.0),
                    row(t, "consumed", consumed),
                    row(t, "lag", lag(t)),
                ]
            })
            .collect()
    }

    #[test]
    fn the_steady_state_begins_where_the_subject_has_caught_up() {
        let run = crate::support::Run::new();
        // Six seconds until the first 600 events are worked off.
        let series = rows(|t| (6 - t).max(0) as f64 * 100.0);
        let found = steady(&run.record, &series);
        assert_eq!(found.detected, Some(true), "{found:?}");
        assert!((1..=6).contains(&found.from.unwrap()), "{found:?}");
        let figures = figures(&run.record, &[], &series, &found).unwrap();
        let names: Vec<&str> = figures.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names, ["warm-up", "steady", "drain"]);
        assert_eq!(figures[1].sent, Some(100.0));
        assert!(figures[0].consumed > figures[1].consumed);
        assert_eq!(figures[1].alert_p50_us, None, "there were no alerts");
    }

    #[test]
    fn a_second_across_the_border_of_two_phases_counts_for_each_by_its_share() {
        let mut run = crate::support::Run::new();
        let at = RunMicros(2_500_000);
        run.record.warm_up_until = run.record.timeline.event_time(at);
        let found = Steady::default();
        let series: Vec<SeriesRow> = rows(|_| 0.0)
            .into_iter()
            .map(|mut row| {
                row.value *= if row.t <= 2 { 0.0 } else { 1.0 };
                row
            })
            .collect();
        let figures = figures(&run.record, &[], &series, &found).unwrap();
        let sent: Vec<Option<f64>> = figures.iter().map(|phase| phase.sent).collect();
        // Half of the third second of 100 events lies in the 2.5 s of warm-up.
        assert_eq!(sent[..2], [Some(20.0), Some(100.0)]);
    }

    #[test]
    fn an_alert_before_its_own_end_has_no_latency_and_not_one_of_nothing() {
        let mut run = crate::support::Run::new();
        run.record.phases.retain(|phase| phase.name != "drain");
        run.record.phases.push(Phase {
            name: "drain".to_owned(),
            from: RunMicros(20_000_000),
            to: RunMicros(30_000_000),
        });
        let drain = |alerts: &[CollectedAlert]| {
            let found = figures(&run.record, alerts, &rows(|_| 0.0), &Steady::default()).unwrap();
            let drain = found.into_iter().find(|phase| phase.name == "drain");
            let drain = drain.unwrap();
            (drain.alerts, drain.ahead, drain.alert_p50_us)
        };
        // Of windows that end at 25 s and were closed by the end of the events, at 20.5 s.
        let early = |id: &str| {
            let mut early = crate::support::alert(id, "s1", 24_000, 25_000);
            early.appended_at = run.record.started_at.at(RunMicros(20_500_000));
            early
        };
        assert_eq!(drain(&[early("a"), early("b")]), (2, 2, None));
        let (alerts, ahead, p50_us) =
            drain(&[early("a"), crate::support::alert("c", "s1", 0, 20_500)]);
        assert_eq!((alerts, ahead), (2, 1));
        assert!(p50_us.unwrap().abs_diff(1_000_000) < 2_000, "{p50_us:?}");
        // The broker cuts its stamps to whole milliseconds.
        let mut close = crate::support::alert("d", "s1", 0, 21_000);
        close.appended_at = run.record.started_at.at(RunMicros(20_999_000));
        assert_eq!(drain(&[close]), (1, 0, Some(0)));
    }

    #[test]
    fn a_lag_that_grows_until_the_end_has_no_steady_state() {
        let run = crate::support::Run::new();
        let series = rows(|t| t as f64 * 20.0);
        let found = steady(&run.record, &series);
        assert_eq!(found.detected, Some(false));
        assert_eq!(found.reason, "lag grows until the end");
        assert!((found.lag_slope.unwrap() - 20.0).abs() < 1.0, "{found:?}");
        let figures = figures(&run.record, &[], &series, &found).unwrap();
        assert!(figures.iter().any(|phase| phase.name == "measured"));
    }

    #[test]
    fn without_offsets_nothing_is_said() {
        let run = crate::support::Run::new();
        let series: Vec<SeriesRow> = rows(|_| 0.0)
            .into_iter()
            .filter(|row| row.metric == "sent")
            .collect();
        assert_eq!(steady(&run.record, &series).detected, None);
    }
}
