//! The incident level: recall, deduplicated precision and F1, over all labels and per kind.
//!
//! With `N` labels, `D` of them with a candidate alert, and false alerts of one key and kind merged
//! where their gap is under `g`, each merged run counting once per started `g` of its length, `F` in
//! all:
//! ```text
//! recall = D / N      precision = D / (D + F)      F1 = 2 P R / (P + R)
//! ```
//! Repeated true alerts neither help nor hurt this precision; a detector that is always on pays for
//! all the time it is on. `alert precision = true alerts / alerts` stands beside it only because
//! repeated true alerts raise it.
//!
//! Per kind, an alert counts for the kind that it names: a wrong kind is a miss of the one and a false
//! alarm of the other. An alert that names no kind counts for recall per kind and nowhere in
//! precision per kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use floodmark_contracts::{kind::Kind, result::Scores};

use crate::{
    confusion::share,
    delays::quantile,
    difficulty::Detected,
    intervals::{CONFIDENCE, wilson},
    matching::Found,
    scope::{Claim, Scope},
};

/// What the incident level says.
pub(crate) struct Incident {
    pub(crate) overall: Scores,
    pub(crate) per_kind: BTreeMap<Kind, Scores>,
    /// The labels that were found.
    pub(crate) detected: Detected,
    /// Alerts that are candidates of more than one label.
    pub(crate) shared_alerts: u64,
    /// Alerts that are candidates only of labels that were left out.
    pub(crate) ignored: u64,
}

/// Scores what was found.
pub(crate) fn score(scope: &Scope<'_>, found: &Found, merge_gap_ms: i64) -> Incident {
    let mut labels_of = vec![0u32; scope.alerts.len()];
    for (alert, _) in &found.pairs {
        labels_of[*alert as usize] += 1;
    }
    let ignored = |i: usize| labels_of[i] == 0 && found.touches_left_out[i];
    let kinds: BTreeSet<Kind> = scope
        .labels
        .iter()
        .filter(|label| !label.benign)
        .map(|label| label.kind)
        .chain(scope.alerts.iter().filter_map(|alert| match alert.claim {
            Claim::Known(kind) => Some(kind),
            Claim::Silent | Claim::Foreign(_) => None,
        }))
        .collect();
    let overall = Level::overall(scope, found);
    let levels: BTreeMap<Kind, Level> = kinds
        .into_iter()
        .map(|kind| (kind, Level::of_kind(scope, found, kind)))
        .collect();
    let detected = |level: &Level| level.delays.keys().map(|i| *i as usize).collect();
    Incident {
        detected: Detected {
            overall: detected(&overall),
            per_kind: levels
                .iter()
                .map(|(kind, level)| (*kind, detected(level)))
                .collect(),
        },
        overall: overall.scores(scope, merge_gap_ms),
        per_kind: levels
            .into_iter()
            .map(|(kind, level)| (kind, level.scores(scope, merge_gap_ms)))
            .collect(),
        shared_alerts: labels_of.iter().filter(|n| **n > 1).count() as u64,
        ignored: (0..labels_of.len()).filter(|i| ignored(*i)).count() as u64,
    }
}

/// The counts behind one line of scores.
struct Level {
    n_labels: u64,
    /// Per detected label: the first candidate's event time less the label's start.
    delays: BTreeMap<u32, i64>,
    /// Detected labels that count for precision.
    detected_by_claim: u64,
    n_true: u64,
    false_alerts: Vec<u32>,
    /// False where no alert says a kind, so that precision per kind has no meaning.
    has_precision: bool,
}

impl Level {
    fn overall(scope: &Scope<'_>, found: &Found) -> Self {
        let mut is_true = vec![false; scope.alerts.len()];
        let mut delays = BTreeMap::new();
        for &(alert, label) in &found.pairs {
            is_true[alert as usize] = true;
            note_delay(&mut delays, scope, alert, label);
        }
        Self {
            n_labels: scope.kept_labels().count() as u64,
            detected_by_claim: delays.len() as u64,
            delays,
            n_true: is_true.iter().filter(|t| **t).count() as u64,
            false_alerts: false_alerts(found, &is_true, |_| true),
            has_precision: true,
        }
    }

    fn of_kind(scope: &Scope<'_>, found: &Found, kind: Kind) -> Self {
        let claims = |alert: u32| scope.alerts[alert as usize].claim;
        let mut is_true = vec![false; scope.alerts.len()];
        let mut delays = BTreeMap::new();
        let mut by_claim = BTreeSet::new();
        for &(alert, label) in &found.pairs {
            if scope.labels[label as usize].kind != kind {
                continue;
            }
            match claims(alert) {
                Claim::Known(claimed) if claimed == kind => {
                    is_true[alert as usize] = true;
                    by_claim.insert(label);
                    note_delay(&mut delays, scope, alert, label);
                }
                Claim::Silent => note_delay(&mut delays, scope, alert, label),
                Claim::Known(_) | Claim::Foreign(_) => {}
            }
        }
        Self {
            n_labels: scope
                .kept_labels()
                .filter(|(_, label)| label.kind == kind)
                .count() as u64,
            detected_by_claim: by_claim.len() as u64,
            delays,
            n_true: is_true.iter().filter(|t| **t).count() as u64,
            false_alerts: false_alerts(found, &is_true, |a| claims(a) == Claim::Known(kind)),
            has_precision: scope.alerts.is_empty()
                || scope
                    .alerts
                    .iter()
                    .any(|alert| alert.claim != Claim::Silent),
        }
    }

    fn scores(self, scope: &Scope<'_>, merge_gap_ms: i64) -> Scores {
        let false_merged = merged(scope, &self.false_alerts, merge_gap_ms);
        let detected = self.delays.len() as u64;
        let n_alerts = self.n_true + self.false_alerts.len() as u64;
        let claimed = self.detected_by_claim + false_merged;
        let recall = share(detected, self.n_labels);
        let precision = share(self.detected_by_claim, claimed).filter(|_| self.has_precision);
        let mut delays: Vec<f64> = self.delays.values().map(|ms| *ms as f64).collect();
        delays.sort_by(f64::total_cmp);
        Scores {
            labels: self.n_labels,
            detected,
            alerts: n_alerts,
            true_alerts: self.n_true,
            false_merged,
            recall,
            recall_interval: wilson(detected, self.n_labels, CONFIDENCE),
            precision,
            precision_interval: precision
                .and_then(|_| wilson(self.detected_by_claim, claimed, CONFIDENCE)),
            alert_precision: share(self.n_true, n_alerts),
            f1: precision.zip(recall).map(|(p, r)| f_beta(p, r, 1.0)),
            delay_median_ms: quantile(&delays, 0.5),
        }
    }
}

/// `F_b = (1 + b²) P R / (b² P + R)`, and 0 where both are 0. Van Rijsbergen, *Information Retrieval*,
/// 1979.
pub(crate) fn f_beta(precision: f64, recall: f64, beta: f64) -> f64 {
    let b2 = beta * beta;
    let below = b2 * precision + recall;
    if below == 0.0 {
        return 0.0;
    }
    (1.0 + b2) * precision * recall / below
}

fn note_delay(delays: &mut BTreeMap<u32, i64>, scope: &Scope<'_>, alert: u32, label: u32) {
    // The first in event time, not in arrival: event time depends on plan and seed alone.
    let delay = scope.alerts[alert as usize].end - scope.labels[label as usize].start.0;
    delays
        .entry(label)
        .and_modify(|d| *d = delay.min(*d))
        .or_insert(delay);
}

fn false_alerts(found: &Found, is_true: &[bool], counts: impl Fn(u32) -> bool) -> Vec<u32> {
    (0u32..)
        .zip(is_true.iter().zip(&found.touches_left_out))
        .filter(|(i, (is_true, ignored))| !**is_true && !**ignored && counts(*i))
        .map(|(i, _)| i)
        .collect()
}

/// Number of false alerts after merging.
fn merged(scope: &Scope<'_>, false_alerts: &[u32], gap_ms: i64) -> u64 {
    merged_by_key(scope, false_alerts, gap_ms).values().sum()
}

/// Number of false alerts after merging, by the number of their key.
pub(crate) fn merged_by_key(
    scope: &Scope<'_>,
    false_alerts: &[u32],
    gap_ms: i64,
) -> BTreeMap<u32, u64> {
    let mut merged = BTreeMap::new();
    for run in merged_runs_of(scope, false_alerts, gap_ms) {
        let key = scope.alerts[run.alerts[0] as usize].key;
        *merged.entry(key).or_default() += run.cost;
    }
    merged
}

/// The merged runs of false alerts: what each costs, and the highest score within it.
pub(crate) fn scored_runs(
    scope: &Scope<'_>,
    false_alerts: &[u32],
    gap_ms: i64,
    score_of: impl Fn(u32) -> f64,
) -> Vec<(f64, u64)> {
    let runs = merged_runs_of(scope, false_alerts, gap_ms).into_iter();
    runs.map(|run| {
        let scores = run.alerts.iter().map(|alert| score_of(*alert));
        (scores.fold(f64::MIN, f64::max), run.cost)
    })
    .collect()
}

/// False alerts of one key and kind that are close to each other.
struct Run {
    /// Positions in `scope.alerts`; not empty.
    alerts: Vec<u32>,
    /// Started gaps of its length.
    cost: u64,
}

fn merged_runs_of(scope: &Scope<'_>, false_alerts: &[u32], gap_ms: i64) -> Vec<Run> {
    let alert = |position: u32| &scope.alerts[position as usize];
    let mut sorted = false_alerts.to_vec();
    sorted.sort_unstable_by_key(|it| {
        let alert = alert(*it);
        (alert.key, alert.claim, alert.start, alert.end, *it)
    });
    let same = |a: &u32, b: &u32| {
        let (a, b) = (alert(*a), alert(*b));
        (a.key, a.claim) == (b.key, b.claim)
    };
    let mut all = Vec::new();
    for group in sorted.chunk_by(same) {
        let spans: Vec<(i64, i64)> = group
            .iter()
            .map(|it| (alert(*it).start, alert(*it).end))
            .collect();
        all.extend(runs(&spans, gap_ms).into_iter().map(|(span, places)| Run {
            alerts: group[places].to_vec(),
            cost: started(span, gap_ms),
        }));
    }
    all
}

/// Number of started `gap_ms` in the merged runs of `spans`, which are sorted by start.
pub(crate) fn merged_runs(spans: &[(i64, i64)], gap_ms: i64) -> u64 {
    let runs = runs(spans, gap_ms).into_iter();
    runs.map(|(span, _)| started(span, gap_ms)).sum()
}

/// Spans that are closer than `gap_ms`, put together: what each covers, and the places of its parts. `spans` are sorted by
/// start.
fn runs(spans: &[(i64, i64)], gap_ms: i64) -> Vec<((i64, i64), Range<usize>)> {
    let mut runs: Vec<((i64, i64), Range<usize>)> = Vec::new();
    for (place, &(start, end)) in spans.iter().enumerate() {
        match runs.last_mut() {
            Some(((_, until), places)) if start - *until < gap_ms => {
                *until = (*until).max(end);
                places.end = place + 1;
            }
            _ => runs.push(((start, end), place..place + 1)),
        }
    }
    runs
}

fn started((from, until): (i64, i64), gap_ms: i64) -> u64 {
    (until - from)
        .max(1)
        .unsigned_abs()
        .div_ceil(gap_ms.max(1).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_false_alerts_are_one_and_a_long_run_pays_for_its_length() {
        for (spans, expected, why) in [
            (&[(0, 0)][..], 1, "a point"),
            (&[(0, 0), (59, 59)], 1, "a gap under the limit"),
            (&[(0, 0), (60, 60)], 2, "a gap at the limit"),
            (&[(0, 60)], 1, "as long as the gap"),
            (&[(0, 61)], 2, "one longer than the gap"),
            (&[(0, 60), (60, 120), (120, 180)], 3, "always on"),
            (&[(0, 600), (10, 20), (601, 601)], 11, "one inside another"),
        ] {
            assert_eq!(merged_runs(spans, 60), expected, "{why}");
        }
    }

    #[test]
    fn f_beta_is_harmonic_at_one_and_defined_at_nothing() {
        assert_eq!(f_beta(0.5, 1.0, 1.0), 2.0 / 3.0);
        assert_eq!(f_beta(0.0, 0.0, 1.0), 0.0);
        assert!(f_beta(0.5, 1.0, 2.0) > f_beta(0.5, 1.0, 1.0));
    }
}
