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

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{kind::Kind, result::Scores};

use crate::{
    confusion::share,
    delays::quantile,
    difficulty::Detected,
    intervals::{CONFIDENCE, wilson},
    matching::Found,
    merged::{FalseRuns, each_run},
    scope::{Claim, Outline, Scope},
};

/// What the incident level says.
pub(crate) struct Incident {
    pub(crate) overall: Scores,
    pub(crate) per_kind: BTreeMap<Kind, Scores>,
    /// The labels that were found.
    pub(crate) detected: Detected,
    /// False alerts, merged.
    pub(crate) false_runs: FalseRuns,
    /// Alerts that are candidates of more than one label.
    pub(crate) shared_alerts: u64,
    /// Alerts that are candidates only of labels that were left out.
    pub(crate) ignored: u64,
}

/// Scores what was found.
pub(crate) fn score(scope: &Scope<'_>, found: &Found, merge_gap_ms: i64) -> Incident {
    let hits = Hits::new(scope, found);
    let mut overall = Level {
        has_precision: true,
        ..Level::default()
    };
    let mut levels = levels(scope);
    for (position, label) in scope.kept_labels() {
        let level = levels.entry(label.kind).or_default();
        let by_claim = hits.by_claim[position];
        overall.add_label(hits.delays[position], hits.delays[position].is_some());
        level.add_label(hits.own_delays[position], by_claim);
    }
    let mut position = 0;
    for of_kind in scope.alerts.chunk_by(|a, b| a.claim == b.claim) {
        let mut own = match of_kind[0].claim {
            Claim::Known(kind) => Some(levels.entry(kind).or_default()),
            Claim::Silent | Claim::Foreign(_) => None,
        };
        for at in position..position + of_kind.len() {
            let ignored = found.touches_left_out[at];
            overall.add_alert(found.is_true[at], ignored);
            if let Some(level) = &mut own {
                level.add_alert(hits.is_of_its_kind[at], ignored);
            }
        }
        position += of_kind.len();
    }
    let false_runs = false_runs(scope, found, &hits, merge_gap_ms, &mut levels);
    overall.false_merged = false_runs.cost();
    Incident {
        overall: overall.scores(),
        per_kind: levels
            .into_iter()
            .map(|(kind, level)| (kind, level.scores()))
            .collect(),
        detected: Detected {
            overall: hits.delays.iter().map(Option::is_some).collect(),
            of_its_kind: hits.own_delays.iter().map(Option::is_some).collect(),
        },
        false_runs,
        shared_alerts: shared_alerts(found),
        ignored: found
            .is_true
            .iter()
            .zip(&found.touches_left_out)
            .filter(|(is_true, ignored)| !**is_true && **ignored)
            .count() as u64,
    }
}

/// A level for each kind of which there is an incident, or an alert.
fn levels(scope: &Scope<'_>) -> BTreeMap<Kind, Level> {
    let has_precision = scope.alerts.is_empty()
        || scope
            .alerts
            .iter()
            .any(|alert| alert.claim != Claim::Silent);
    let labels = scope.labels.iter().filter(|label| !label.benign);
    let claims = scope.alerts.chunk_by(|a, b| a.claim == b.claim);
    let claims = claims.filter_map(|alerts| match alerts[0].claim {
        Claim::Known(kind) => Some(kind),
        Claim::Silent | Claim::Foreign(_) => None,
    });
    let kinds: BTreeSet<Kind> = labels.map(|label| label.kind).chain(claims).collect();
    let level = |kind| {
        let level = Level {
            has_precision,
            ..Level::default()
        };
        (kind, level)
    };
    kinds.into_iter().map(level).collect()
}

/// Merges false alerts over all kinds, and for each level those that name its kind.
fn false_runs(
    scope: &Scope<'_>,
    found: &Found,
    hits: &Hits,
    merge_gap_ms: i64,
    levels: &mut BTreeMap<Kind, Level>,
) -> FalseRuns {
    let is_wrong = |position: u32| {
        let at = position as usize;
        let is_known = matches!(scope.alerts[at].claim, Claim::Known(_));
        let is_right = if is_known {
            hits.is_of_its_kind[at]
        } else {
            found.is_true[at]
        };
        !is_right && !found.touches_left_out[at]
    };
    each_run(scope, is_wrong, merge_gap_ms, |run, _| {
        if let Claim::Known(kind) = run.claim {
            levels.entry(kind).or_default().false_merged += run.cost;
        }
    });
    let is_false = |position: u32| {
        let at = position as usize;
        !found.is_true[at] && !found.touches_left_out[at]
    };
    FalseRuns::new(scope, is_false, merge_gap_ms)
}

/// Number of alerts that are candidates of more than one label; pairs come by alert.
fn shared_alerts(found: &Found) -> u64 {
    let of_one = found.pairs.chunk_by(|a, b| a.0 == b.0);
    of_one.filter(|pairs| pairs.len() > 1).count() as u64
}

/// What pairs say of each label and alert, by position.
struct Hits {
    /// The first candidate's event time less the label's start.
    delays: Vec<Option<i64>>,
    /// The same of candidates that do not name another kind.
    own_delays: Vec<Option<i64>>,
    /// Whether a candidate of the label names its kind.
    by_claim: Vec<bool>,
    /// Whether the alert is a candidate of a label of the kind that it names.
    is_of_its_kind: Vec<bool>,
}

impl Hits {
    fn new(scope: &Scope<'_>, found: &Found) -> Self {
        let n_labels = scope.labels.len();
        let mut hits = Self {
            delays: vec![None; n_labels],
            own_delays: vec![None; n_labels],
            by_claim: vec![false; n_labels],
            is_of_its_kind: vec![false; scope.alerts.len()],
        };
        for &(position, label) in &found.pairs {
            let alert = &scope.alerts[position as usize];
            let label = label as usize;
            let Outline { kind, start, .. } = scope.outlines[label];
            // The first in event time, not in arrival: event time depends on plan and seed alone.
            let delay = alert.end - start;
            note_delay(&mut hits.delays[label], delay);
            match alert.claim {
                Claim::Known(claimed) if claimed == kind => {
                    hits.is_of_its_kind[position as usize] = true;
                    hits.by_claim[label] = true;
                    note_delay(&mut hits.own_delays[label], delay);
                }
                Claim::Silent => note_delay(&mut hits.own_delays[label], delay),
                Claim::Known(_) | Claim::Foreign(_) => {}
            }
        }
        hits
    }
}

fn note_delay(known: &mut Option<i64>, delay: i64) {
    *known = Some(known.map_or(delay, |known| known.min(delay)));
}

/// The counts behind one line of scores.
#[derive(Default)]
struct Level {
    n_labels: u64,
    /// Of detected labels.
    delays: Vec<f64>,
    /// Detected labels that count for precision.
    detected_by_claim: u64,
    n_true: u64,
    n_false: u64,
    false_merged: u64,
    /// False where no alert says a kind, so that precision per kind has no meaning.
    has_precision: bool,
}

impl Level {
    fn add_label(&mut self, delay_ms: Option<i64>, by_claim: bool) {
        self.n_labels += 1;
        self.delays.extend(delay_ms.map(|ms| ms as f64));
        self.detected_by_claim += u64::from(by_claim);
    }

    fn add_alert(&mut self, is_true: bool, is_ignored: bool) {
        self.n_true += u64::from(is_true);
        self.n_false += u64::from(!is_true && !is_ignored);
    }

    fn scores(mut self) -> Scores {
        let detected = self.delays.len() as u64;
        let n_alerts = self.n_true + self.n_false;
        let claimed = self.detected_by_claim + self.false_merged;
        let recall = share(detected, self.n_labels);
        let precision = share(self.detected_by_claim, claimed).filter(|_| self.has_precision);
        self.delays.sort_by(f64::total_cmp);
        Scores {
            labels: self.n_labels,
            detected,
            alerts: n_alerts,
            true_alerts: self.n_true,
            false_merged: self.false_merged,
            recall,
            recall_interval: wilson(detected, self.n_labels, CONFIDENCE),
            precision,
            precision_interval: precision
                .and_then(|_| wilson(self.detected_by_claim, claimed, CONFIDENCE)),
            alert_precision: share(self.n_true, n_alerts),
            f1: precision.zip(recall).map(|(p, r)| f_beta(p, r, 1.0)),
            delay_median_ms: quantile(&self.delays, 0.5),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_beta_is_harmonic_at_one_and_defined_at_nothing() {
        assert_eq!(f_beta(0.5, 1.0, 1.0), 2.0 / 3.0);
        assert_eq!(f_beta(0.0, 0.0, 1.0), 0.0);
        assert!(f_beta(0.5, 1.0, 2.0) > f_beta(0.5, 1.0, 1.0));
    }
}
