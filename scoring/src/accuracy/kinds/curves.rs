//! The scores of the alerts of each kind: a label has the highest of those that say its kind, a pair of two kinds and a
//! merged run of false alarms the highest within it.

use super::Table;
use crate::{
    accuracy::{
        Ground,
        sweep::{self, Step, Summary},
    },
    scope::Claim,
};

/// By column, with the steps of its mistakes; nothing where an alert of the column has no score.
pub(super) fn of(ground: &Ground<'_>, table: &Table, mut steps: Vec<Vec<Step>>) -> Vec<Summary> {
    let score_of = |alert| sweep::score_of(ground, alert);
    let n_columns = table.kinds.len() + 1;
    let mut is_scored = vec![true; n_columns];
    for (alert, _) in ground.counted() {
        let column = table.column(ground.scope.alerts[alert as usize].claim);
        if let Some(column) = column {
            is_scored[column] &= score_of(alert).is_some();
        }
    }
    for (label, score) in best_scores(ground) {
        let kind = ground.scope.outlines[label as usize].kind;
        if let Some(column) = table.column(Claim::Known(kind)) {
            steps[column].push((score, 1, 0));
        }
    }
    let columns = steps.into_iter().zip(is_scored).enumerate();
    columns
        .map(|(column, (steps, is_scored))| {
            let n_labels = table.confusion.support(column);
            if is_scored {
                sweep::summary(steps, usize::try_from(n_labels).unwrap_or(usize::MAX))
            } else {
                Summary::default()
            }
        })
        .collect()
}

/// Positions of labels that alerts of their kind found, each with the best score among those.
fn best_scores(ground: &Ground<'_>) -> Vec<(u32, f64)> {
    let outlines = &ground.scope.outlines;
    let mut best: Vec<Option<f64>> = vec![None; outlines.len()];
    for pairs in ground.found.pairs.chunk_by(|a, b| a.0 == b.0) {
        let alert = pairs[0].0;
        let claim = ground.scope.alerts[alert as usize].claim;
        let score = sweep::score_of(ground, alert).unwrap_or(f64::MIN);
        let is_of_it = |label: u32| Claim::Known(outlines[label as usize].kind) == claim;
        for (_, label) in pairs.iter().filter(|it| is_of_it(it.1)) {
            let best = best[*label as usize].get_or_insert(score);
            *best = best.max(score);
        }
    }
    let scores = (0u32..).zip(best);
    scores
        .filter_map(|(label, score)| Some((label, score?)))
        .collect()
}
