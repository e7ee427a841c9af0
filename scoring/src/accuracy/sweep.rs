//! Precision and recall over the scores of alerts.
//!
//! False alerts are merged first, as on the incident level, and each merged run has the highest score within it: merged
//! anew at every threshold, recall would not rise with falling thresholds. A label has the highest score of its candidates.
//!
//! ```text
//! D(t) = labels with a score of t or more        F(t) = cost of merged false runs with a score of t or more
//! P(t) = D / (D + F)    R(t) = D / labels        AP = sum over t, high to low, of (R_n - R_(n-1)) P_n
//! ```
//! Equal scores enter as one block.

use floodmark_contracts::accuracy::{ThresholdPoint, Thresholds};

use super::Ground;
use crate::{incident::f_beta, parts::Part};

/// Points of the curve that a result keeps.
const MOST_POINTS: usize = 200;

/// A score, the labels that have it, and the cost of the false runs that have it.
pub(super) type Step = (f64, u64, u64);

/// What comes of a curve.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    pub(super) average_precision: Option<f64>,
    pub(super) oracle_f1: Option<f64>,
    pub(super) oracle_threshold: Option<f64>,
    curve: Vec<ThresholdPoint>,
}

/// The score of the alert at a position in `scope.alerts`, if it has one.
pub(super) fn score_of(ground: &Ground<'_>, position: u32) -> Option<f64> {
    ground.scope.alerts[position as usize].score()
}

pub(super) fn sweep(ground: &Ground<'_>) -> Thresholds {
    (ground.watcher)(Part::Levels);
    let thresholds = thresholds(ground);
    (ground.watcher)(Part::Sweep);
    thresholds
}

fn thresholds(ground: &Ground<'_>) -> Thresholds {
    let score_of = |position: u32| score_of(ground, position);
    let (mut scored, mut unscored) = (0, 0);
    for (alert, _) in ground.counted() {
        match score_of(alert) {
            Some(_) => scored += 1,
            None => unscored += 1,
        }
    }
    let n_labels = ground.scope.kept_labels().count();
    let counts = Thresholds {
        scored,
        unscored,
        ..Thresholds::default()
    };
    if scored == 0 || unscored > 0 || n_labels == 0 {
        return counts;
    }
    let mut labels: Vec<Option<f64>> = vec![None; ground.scope.labels.len()];
    for pairs in ground.found.pairs.chunk_by(|a, b| a.0 == b.0) {
        let score = score_of(pairs[0].0).unwrap_or(f64::MIN);
        for (_, label) in pairs {
            let best = labels[*label as usize].get_or_insert(score);
            *best = best.max(score);
        }
    }
    let runs = ground.false_runs.runs().iter().map(|run| {
        let alerts = ground.false_runs.alerts_of(run).iter();
        let scores = alerts.map(|it| score_of(*it).unwrap_or(f64::MIN));
        (scores.fold(f64::MIN, f64::max), run.cost)
    });
    // A block of each score: detected labels and the cost of false runs.
    let mut steps: Vec<Step> = labels
        .into_iter()
        .flatten()
        .map(|score| (score, 1, 0))
        .collect();
    steps.extend(runs.map(|(score, cost)| (score, 0, cost)));
    let summary = summary(steps, n_labels);
    Thresholds {
        average_precision: summary.average_precision,
        oracle_f1: summary.oracle_f1,
        oracle_threshold: summary.oracle_threshold,
        curve: thinned(&summary.curve, MOST_POINTS),
        ..counts
    }
}

/// The curve over the steps with its area and its best point; nothing without steps or labels.
pub(super) fn summary(mut steps: Vec<Step>, n_labels: usize) -> Summary {
    if steps.is_empty() || n_labels == 0 {
        return Summary::default();
    }
    steps.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let curve = curve(&steps, n_labels);
    let mut before = 0.0;
    let mut area = 0.0;
    for point in &curve {
        area += (point.recall - before) * point.precision;
        before = point.recall;
    }
    let f1 = |point: &ThresholdPoint| f_beta(point.precision, point.recall, 1.0);
    // Of equals the lowest threshold.
    let oracle = curve.iter().max_by(|a, b| f1(a).total_cmp(&f1(b)));
    Summary {
        average_precision: Some(area),
        oracle_f1: oracle.map(f1),
        oracle_threshold: oracle.map(|point| point.threshold),
        curve,
    }
}

fn curve(steps: &[(f64, u64, u64)], n_labels: usize) -> Vec<ThresholdPoint> {
    let (mut detected, mut wrong) = (0, 0);
    let blocks = steps.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq());
    blocks
        .map(|block| {
            for (_, labels, cost) in block {
                detected += labels;
                wrong += cost;
            }
            ThresholdPoint {
                threshold: block[0].0,
                precision: detected as f64 / (detected + wrong) as f64,
                recall: detected as f64 / n_labels as f64,
            }
        })
        .collect()
}

/// At most `most` of the values, evenly, the first and the last among them.
pub(super) fn thinned<T: Copy>(values: &[T], most: usize) -> Vec<T> {
    if values.len() <= most {
        return values.to_vec();
    }
    let last = values.len() - 1;
    (0..most).map(|n| values[n * last / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_takes_equal_scores_as_one_block() {
        // Two labels and a false run of cost 2 between them; the second label shares its score with another run.
        let steps = [(0.9, 1, 0), (0.5, 0, 2), (0.1, 1, 0), (0.1, 0, 1)];
        let points: Vec<(f64, f64, f64)> = curve(&steps, 2)
            .iter()
            .map(|point| (point.threshold, point.precision, point.recall))
            .collect();
        assert_eq!(
            points,
            [(0.9, 1.0, 0.5), (0.5, 1.0 / 3.0, 0.5), (0.1, 0.4, 1.0)]
        );
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let values: Vec<u32> = (0..1000).collect();
        let kept = thinned(&values, 200);
        assert_eq!((kept.len(), kept[0], kept[199]), (200, 0, 999));
        assert_eq!(thinned(&values[..3], 200), [0, 1, 2]);
    }
}
