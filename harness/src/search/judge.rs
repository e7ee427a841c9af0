//! What a trial says of its subject: lag, latency, recall, and whether the load was sound at all.
//!
//! Lag `y` at the seconds `x` after the warm-up is put through a line by least squares:
//!
//! ```text
//! slope = Sxy / Sxx      error = sqrt( (Syy - slope Sxy) / (n - 2) / Sxx )
//! Sxx = sum (x - mean x)²    Sxy = sum (x - mean x)(y - mean y)    Syy = sum (y - mean y)²
//! ```
//! The slope is in records per second, so over the rate it is the share of the load that is left behind. A
//! mean or a maximum of lag would not do: both grow with how seldom a subject commits.

use std::collections::BTreeMap;

use floodmark_contracts::{
    record::SeriesRow,
    result::{Validity, ValidityStatus},
    search::{SearchLimits, TrialFigures, TrialVerdict},
};

/// Seconds with a lag below which there is no slope with an error.
const LEAST_SECONDS: usize = 3;

/// Errors by which the slope must be under its limit so that a trial decides alone.
const ERRORS: f64 = 2.0;

/// The share of a limit up to which a lag or a latency is far from it.
const FAR: f64 = 0.8;

/// Reasons of an invalid run that are the subject's doing. All others speak of the load or the machine.
const OF_THE_SUBJECT: [&str; 2] = ["events-do-not-reconcile", "drain-too-short"];

/// Events that are sent late, by more than is good for a latency. Where none is judged they do no harm: that all were
/// sent at the rate that was asked for is what `rate-error` watches over.
const LATE: &str = "generator-late";

/// Beginnings of further such codes.
const OF_THE_SUBJECT_AS_WELL: [&str; 2] = ["subject-", "alerts-"];

/// What is known of a trial that has been run and scored.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The rate that was asked for.
    pub rate: f64,
    /// Wall time at the start that is not judged, seconds.
    pub warm_up_s: f64,
    /// Wall time during which events were due, seconds.
    pub duration_s: f64,
    /// The run's time series.
    pub series: &'a [SeriesRow],
    /// What the run says of its own figures.
    pub validity: &'a Validity,
    /// Latency of its alerts (p99, or the maximum where there are too few), microseconds.
    pub alert_p99_us: Option<u64>,
    /// Recall with its interval.
    pub recall: (Option<f64>, Option<[f64; 2]>),
}

/// What a trial says.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: TrialVerdict,
    /// Whether it decides alone.
    pub clear: bool,
    /// Why.
    pub reasons: Vec<String>,
    /// The figures.
    pub figures: TrialFigures,
    /// What was consumed, if the subject fell behind.
    pub saturated_at: Option<f64>,
}

/// Judges a trial.
#[must_use]
pub fn judge(limits: &SearchLimits, seen: &Observed<'_>) -> Judgement {
    let figures = measure(seen);
    let void = what_is_wrong_with_the_load(limits, seen, &figures);
    if !void.is_empty() {
        return Judgement {
            verdict: TrialVerdict::Void,
            clear: false,
            reasons: void,
            figures,
            saturated_at: None,
        };
    }
    let mut exceeded = Exceeded::default();
    exceeded.hold(limits, &figures);
    let grows = figures
        .lag_growth
        .is_some_and(|growth| growth > limits.lag_growth);
    let unread = invalid_codes(seen.validity).filter(|(code, _)| is_of_the_subject(code));
    exceeded
        .reasons
        .extend(unread.map(|(code, text)| format!("[{code}] {text}")));
    let failed = !exceeded.reasons.is_empty();
    Judgement {
        verdict: if failed {
            TrialVerdict::NotSustained
        } else {
            TrialVerdict::Sustained
        },
        clear: !failed && !exceeded.is_close,
        reasons: exceeded.reasons,
        figures,
        // What is not left behind is consumed. The offsets that are committed tell the same, but only to the
        // second.
        saturated_at: figures
            .lag_growth
            .filter(|_| grows)
            .map(|growth| figures.offered * (1.0 - growth)),
    }
}

/// What was exceeded, and whether anything came close.
#[derive(Debug, Default)]
struct Exceeded {
    reasons: Vec<String>,
    is_close: bool,
}

impl Exceeded {
    fn hold(&mut self, limits: &SearchLimits, figures: &TrialFigures) {
        let growth = figures.lag_growth.unwrap_or(0.0);
        let error = figures.lag_growth_error.unwrap_or(0.0);
        self.is_close |= growth + ERRORS * error > limits.lag_growth;
        if growth > limits.lag_growth {
            self.reasons.push(format!(
                "lag grows by {:.1} % of the rate (± {:.1} %; at most {} %)",
                growth * 100.0,
                error * 100.0,
                limits.lag_growth * 100.0
            ));
        }
        let lag = figures.lag_p99_s.unwrap_or(0.0);
        self.is_close |= lag > limits.lag_p99_s * FAR;
        if lag > limits.lag_p99_s {
            let limit = limits.lag_p99_s;
            self.reasons
                .push(format!("lag (p99) is {lag:.2} s (at most {limit} s)"));
        }
        if let Some(limit) = limits.alert_p99_us {
            self.hold_alerts(figures.alert_p99_us, limit);
        }
        if let Some(recall) = figures.recall.filter(|recall| *recall < limits.recall) {
            let limit = limits.recall;
            self.reasons
                .push(format!("recall is {recall:.3} (at least {limit})"));
        }
    }

    fn hold_alerts(&mut self, found: Option<u64>, limit: u64) {
        let Some(found) = found else {
            let text = "no alert came, so that their latency cannot be held against its limit";
            self.reasons.push(text.to_owned());
            return;
        };
        self.is_close |= found as f64 > limit as f64 * FAR;
        if found > limit {
            self.reasons.push(format!(
                "latency of alerts (p99) is {:.1} ms (at most {} ms)",
                found as f64 / 1e3,
                limit as f64 / 1e3
            ));
        }
    }
}

/// Reasons for which a trial says nothing of its subject.
fn what_is_wrong_with_the_load(
    limits: &SearchLimits,
    seen: &Observed<'_>,
    figures: &TrialFigures,
) -> Vec<String> {
    let matters = |code: &str| code != LATE || limits.alert_p99_us.is_some();
    let others =
        invalid_codes(seen.validity).filter(|(code, _)| !is_of_the_subject(code) && matters(code));
    let mut found: Vec<String> = others
        .map(|(code, text)| format!("[{code}] {text}"))
        .collect();
    // A subject that died after a second has no slope of lag, and did not sustain anything.
    if invalid_codes(seen.validity).any(|(code, _)| is_of_the_subject(code)) {
        return found;
    }
    if figures.lag_growth.is_none() {
        found.push(format!(
            "lag is known of fewer than {LEAST_SECONDS} seconds; allow longer trials, or let the subject commit its offsets"
        ));
    }
    if limits.recall > 0.0 && figures.recall.is_none() {
        let text = "no incident can be scored in so short a trial; allow longer ones, or do without `recall`";
        found.push(text.to_owned());
    }
    found
}

fn invalid_codes(validity: &Validity) -> impl Iterator<Item = (&str, &str)> {
    let reasons = validity.reasons.iter();
    reasons
        .filter(|reason| reason.status == ValidityStatus::Invalid)
        .map(|reason| (reason.code.as_str(), reason.message.as_str()))
}

fn is_of_the_subject(code: &str) -> bool {
    let mut beginnings = OF_THE_SUBJECT_AS_WELL.iter();
    OF_THE_SUBJECT.contains(&code) || beginnings.any(|start| code.starts_with(start))
}

/// The figures of the seconds after the warm-up.
fn measure(seen: &Observed<'_>) -> TrialFigures {
    let offered = mean(&by_second(seen, "due")).unwrap_or(seen.rate);
    let lag = by_second(seen, "lag");
    let line = regress(&lag);
    let share = |records: f64| records / offered.max(f64::MIN_POSITIVE);
    // Where the harness knows how old the first unread record is, that is the lag in seconds.
    let told = latest(seen, "lag_s");
    let lag_s: Vec<f64> = if told.is_empty() {
        lag.iter().map(|[_, records]| share(*records)).collect()
    } else {
        told
    };
    TrialFigures {
        offered,
        consumed: over_time(&by_second(seen, "consumed")),
        lag_growth: line.map(|(slope, _)| share(slope)),
        lag_growth_error: line.map(|(_, error)| share(error)),
        lag_p99_s: p99(lag_s),
        alert_p99_us: seen.alert_p99_us,
        recall: seen.recall.0,
        recall_interval: seen.recall.1,
    }
}

/// The values of a metric in the seconds that count, added up over the streams; seconds in which one of
/// them is missing are left out.
fn by_second(seen: &Observed<'_>, metric: &str) -> Vec<[f64; 2]> {
    let mut sums: BTreeMap<i64, (f64, usize)> = BTreeMap::new();
    for row in rows(seen, metric) {
        let (sum, streams) = sums.entry(row.t).or_default();
        *sum += row.value;
        *streams += 1;
    }
    let all = sums.values().map(|(_, streams)| *streams).max();
    sums.into_iter()
        .filter(|(_, (_, streams))| Some(*streams) == all)
        .map(|(t, (sum, _))| [t as f64, sum])
        .collect()
}

/// The largest value of a metric in each second that counts.
fn latest(seen: &Observed<'_>, metric: &str) -> Vec<f64> {
    let mut most: BTreeMap<i64, f64> = BTreeMap::new();
    for row in rows(seen, metric) {
        let most = most.entry(row.t).or_insert(row.value);
        *most = most.max(row.value);
    }
    most.into_values().collect()
}

/// A row stands for the second that ends at its time.
fn rows<'a>(seen: &Observed<'a>, metric: &str) -> impl Iterator<Item = &'a SeriesRow> {
    let (from, to) = (seen.warm_up_s, seen.duration_s);
    seen.series.iter().filter(move |row| {
        row.metric == metric && (row.t - 1) as f64 >= from && row.t as f64 <= to + 1e-9
    })
}

fn mean(points: &[[f64; 2]]) -> Option<f64> {
    let sum: f64 = points.iter().map(|[_, y]| y).sum();
    (!points.is_empty()).then(|| sum / points.len() as f64)
}

/// The mean of rates that each stand for the time since the one before: seconds without a sample are part of
/// the next one's.
fn over_time(points: &[[f64; 2]]) -> Option<f64> {
    let spans = points.windows(2).map(|pair| {
        let span = pair[1][0] - pair[0][0];
        [span, span * pair[1][1]]
    });
    let [time, all] = spans.fold([0.0; 2], |sum, span| [sum[0] + span[0], sum[1] + span[1]]);
    (time > 0.0).then(|| all / time)
}

/// The largest of the values that at most a hundredth is above: of under a hundred, the largest.
fn p99(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let index = (values.len() * 99).div_ceil(100).checked_sub(1)?;
    values.get(index).copied()
}

/// Slope and its standard error.
fn regress(points: &[[f64; 2]]) -> Option<(f64, f64)> {
    if points.len() < LEAST_SECONDS {
        return None;
    }
    let n = points.len() as f64;
    let [mean_x, mean_y] = [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / n);
    let [mut sxx, mut sxy, mut syy] = [0.0; 3];
    for [x, y] in points {
        let (dx, dy) = (x - mean_x, y - mean_y);
        sxx += dx * dx;
        sxy += dx * dy;
        syy += dy * dy;
    }
    let slope = sxy / sxx;
    let unexplained = (syy - slope * sxy).max(0.0);
    Some((slope, (unexplained / (n - 2.0) / sxx).sqrt()))
}

#[cfg(test)]
mod tests;
