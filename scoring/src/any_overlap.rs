//! Any-overlap event scoring with tolerances, as the SzCORE framework defines it for seizures:
//! a published score, comparable with other people's, beside the incident level.
//!
//! Dan et al., *SzCORE: seizure community open-source research evaluation*, Epilepsia 2024. Order:
//! 1. truth and alerts that are nearer than `min_gap` are merged;
//! 2. events longer than `max_length` are split;
//! 3. truth is extended by the tolerances;
//! 4. truth is found when alerts cover more than `min_overlap` of its extended length;
//! 5. an alert is false when it touches no *found* extended truth.

/// Start and end, in any one unit.
pub type Span = [f64; 2];

/// Parameters, in the unit of the spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnyOverlap {
    /// How long before its start truth may be found.
    pub early: f64,
    /// How long after its end truth may be found.
    pub late: f64,
    /// Share of the extended truth that must be covered, exclusive.
    pub min_overlap: f64,
    /// Longer events are split.
    pub max_length: f64,
    /// Nearer events are merged.
    pub min_gap: f64,
}

/// Counts of the score, after merging and splitting.
#[derive(Debug, Clone, PartialEq)]
pub struct AnyOverlapScore {
    /// True events.
    pub truth: Vec<Span>,
    /// Alerts.
    pub alerts: Vec<Span>,
    /// True events that were found.
    pub found: u64,
    /// Alerts that are false.
    pub false_alerts: u64,
}

impl AnyOverlapScore {
    /// Found over true events; `None` without any.
    #[must_use]
    pub fn sensitivity(&self) -> Option<f64> {
        crate::confusion::share(self.found, self.truth.len() as u64)
    }

    /// Found events over found events and false alerts; `None` where both are zero.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        crate::confusion::share(self.found, self.found + self.false_alerts)
    }

    /// `2 TP / (2 TP + FP + FN)`; `None` where all are zero.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        crate::confusion::share(
            2 * self.found,
            self.found + self.false_alerts + self.truth.len() as u64,
        )
    }
}

/// Scores `alerts` against `truth`, both in any order.
#[must_use]
pub fn score(truth: &[Span], alerts: &[Span], rules: AnyOverlap) -> AnyOverlapScore {
    let truth = split(merge(truth, rules.min_gap), rules.max_length);
    let alerts = split(merge(alerts, rules.min_gap), rules.max_length);
    let found: Vec<Span> = truth
        .iter()
        .map(|[start, end]| [start - rules.early, end + rules.late])
        .filter(|extended| {
            let covered: f64 = alerts.iter().map(|alert| overlap(*alert, *extended)).sum();
            covered / (extended[1] - extended[0]) > rules.min_overlap
        })
        .collect();
    let false_alerts = alerts
        .iter()
        .filter(|alert| !found.iter().any(|truth| overlap(**alert, *truth) > 0.0))
        .count() as u64;
    AnyOverlapScore {
        found: found.len() as u64,
        truth,
        alerts,
        false_alerts,
    }
}

fn overlap(a: Span, b: Span) -> f64 {
    (a[1].min(b[1]) - a[0].max(b[0])).max(0.0)
}

fn merge(spans: &[Span], min_gap: f64) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut merged: Vec<Span> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match merged.last_mut() {
            Some(last) if span[0] - last[1] < min_gap => last[1] = last[1].max(span[1]),
            _ => merged.push(span),
        }
    }
    merged
}

fn split(spans: Vec<Span>, max_length: f64) -> Vec<Span> {
    let mut pieces = Vec::with_capacity(spans.len());
    for [mut start, end] in spans {
        while max_length > 0.0 && end - start > max_length {
            pieces.push([start, start + max_length]);
            start += max_length;
        }
        pieces.push([start, end]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: AnyOverlap = AnyOverlap {
        early: 0.0,
        late: 0.0,
        min_overlap: 0.0,
        max_length: 100.0,
        min_gap: 10.0,
    };

    #[test]
    fn an_alert_longer_than_the_limit_pays_for_each_piece() {
        let score = score(&[], &[[0.0, 250.0]], RULES);
        assert_eq!(score.alerts, [[0.0, 100.0], [100.0, 200.0], [200.0, 250.0]]);
        assert_eq!(score.false_alerts, 3);
        assert_eq!((score.sensitivity(), score.precision()), (None, Some(0.0)));
    }

    #[test]
    fn nothing_at_all_is_undefined() {
        let score = score(&[], &[], RULES);
        assert_eq!((score.precision(), score.f1()), (None, None));
    }
}
