//! Event-wise scores and timing quality of the ESA Anomaly Detection Benchmark.
//!
//! Kotowski et al., *European Space Agency benchmark for anomaly detection in satellite telemetry*,
//! 2024; the correction for alerted normal time is by Sehili and Zhang, 2023:
//! ```text
//! recall             = touched incidents / incidents
//! precision          = touched / (touched + alerts that touch none) * (1 - alerted normal time / normal time)
//! alarming precision = touched / (touched + further alerts on touched segments)
//! timing             = mean over touched incidents of q(x), x = start of the first alert - start,
//!                      a = min(length, time since the incident before it started), b = length:
//!     q(x) = ((x + a) / a)^e for -a < x <= 0,  1 / (1 + (x / (b - x))^e) for 0 < x < b,  else 0
//! ```
//! Segments of incidents are closed, alerts are half open.

use crate::{any_overlap::Span, confusion::share};

/// What the benchmark reports of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventWise {
    /// Touched incidents over incidents.
    pub recall: Option<f64>,
    /// Corrected by the share of normal time that was alerted.
    pub precision: Option<f64>,
    /// What several alerts on one segment cost.
    pub alarming_precision: Option<f64>,
    /// Touched incidents whose first alert began before they did.
    pub before: u64,
    /// Touched incidents whose first alert began at their start or later.
    pub after: u64,
    /// Mean timing quality of the touched incidents.
    pub timing: Option<f64>,
}

impl EventWise {
    /// `(1 + b^2) P R / (b^2 P + R)`; `None` where it divides by zero.
    #[must_use]
    pub fn f_beta(&self, beta: f64) -> Option<f64> {
        let (precision, recall) = self.precision.zip(self.recall)?;
        let below = beta * beta * precision + recall;
        (below > 0.0).then(|| (1.0 + beta * beta) * precision * recall / below)
    }
}

/// Scores `alerts` within `range`. An incident is its segments, in order; alerts that overlap are one.
#[must_use]
pub fn score(incidents: &[Vec<Span>], alerts: &[Span], range: Span) -> EventWise {
    let alerts = merged(alerts);
    let segments = || incidents.iter().flatten();
    let touches = |alert: &Span, [start, end]: &Span| alert[0] <= *end && alert[1] > *start;
    let further: u64 = segments()
        .map(|segment| alerts.iter().filter(|a| touches(a, segment)).count() as u64)
        .map(|n| n.saturating_sub(1))
        .sum();
    let stray = alerts
        .iter()
        .filter(|alert| !segments().any(|segment| touches(alert, segment)));
    let stray = stray.count() as u64;
    let firsts: Vec<Option<f64>> = incidents
        .iter()
        .map(|incident| {
            let mut touching = alerts.iter();
            let first = touching.find(|alert| incident.iter().any(|s| touches(alert, s)));
            first.map(|alert| alert[0])
        })
        .collect();
    let touched = firsts.iter().flatten().count() as u64;
    let qualities = qualities(incidents, &firsts);
    let before = qualities.iter().filter(|(delay, _)| *delay < 0.0).count() as u64;
    let sum: f64 = qualities.iter().map(|(_, quality)| quality).sum();
    let normal = normal_share(
        &merged(&segments().copied().collect::<Vec<_>>()),
        &alerts,
        range,
    );
    EventWise {
        recall: share(touched, incidents.len() as u64),
        precision: share(touched, touched + stray).map(|precision| precision * normal),
        alarming_precision: share(touched, touched + further),
        before,
        after: touched - before,
        timing: (touched > 0).then(|| sum / touched as f64),
    }
}

/// Delay and timing quality of the touched incidents.
fn qualities(incidents: &[Vec<Span>], firsts: &[Option<f64>]) -> Vec<(f64, f64)> {
    let bounds = |incident: &Vec<Span>| Some([incident.first()?[0], incident.last()?[1]]);
    let starts: Vec<f64> = incidents.iter().filter_map(bounds).map(|b| b[0]).collect();
    let quality = |(incident, first): (&Vec<Span>, &Option<f64>)| {
        let [start, end] = bounds(incident)?;
        let delay = (*first)? - start;
        let earlier = starts.iter().copied().filter(|other| *other < start);
        let since = start - earlier.fold(f64::NEG_INFINITY, f64::max);
        let length = end - start;
        Some((delay, timing_quality(delay, since.min(length), length)))
    };
    incidents.iter().zip(firsts).filter_map(quality).collect()
}

fn timing_quality(delay: f64, before: f64, length: f64) -> f64 {
    let exponent = std::f64::consts::E;
    if delay == 0.0 {
        1.0
    } else if delay <= -before || delay >= length {
        0.0
    } else if delay < 0.0 {
        ((delay + before) / before).powf(exponent)
    } else {
        1.0 / (1.0 + (delay / (length - delay)).powf(exponent))
    }
}

/// The share of normal time in which nothing was alerted; 1 if there is no normal time.
fn normal_share(truth: &[Span], alerts: &[Span], range: Span) -> f64 {
    let length = |spans: &[Span]| -> f64 {
        let inside = |[from, to]: &Span| (to.min(range[1]) - from.max(range[0])).max(0.0);
        spans.iter().map(inside).sum()
    };
    let normal = range[1] - range[0] - length(truth);
    let covered: Vec<Span> = alerts
        .iter()
        .flat_map(|a| truth.iter().map(|t| [a[0].max(t[0]), a[1].min(t[1])]))
        .filter(|[from, to]| from < to)
        .collect();
    let alerted = length(alerts) - length(&covered);
    if normal > 0.0 {
        1.0 - alerted / normal
    } else {
        1.0
    }
}

fn merged(spans: &[Span]) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut merged: Vec<Span> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match merged.last_mut() {
            Some(last) if span[0] <= last[1] => last[1] = last[1].max(span[1]),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_that_begin_with_their_incidents_are_perfect() {
        let incidents = [vec![[10.0, 20.0]], vec![[40.0, 45.0], [47.0, 50.0]]];
        let found = score(&incidents, &[[10.0, 12.0], [40.0, 50.0]], [0.0, 100.0]);
        assert_eq!((found.recall, found.timing), (Some(1.0), Some(1.0)));
        // Two of 82 normal seconds were alerted, between the segments of the second.
        assert_eq!(found.precision, Some(1.0 - 2.0 / 82.0));
        assert_eq!((found.before, found.after), (0, 2));
    }

    #[test]
    fn without_alerts_there_is_recall_and_nothing_else() {
        let silent = score(&[vec![[10.0, 20.0]]], &[], [0.0, 100.0]);
        assert_eq!(silent.recall, Some(0.0));
        assert_eq!(
            (silent.precision, silent.alarming_precision, silent.timing),
            (None, None, None)
        );
        assert_eq!(silent.f_beta(0.5), None);
    }
}
