//! The scores of the alerts of each kind: a label has the highest of those that say its kind, a pair of two kinds and a
//! merged run of false alarms the highest within it.

use std::collections::BTreeMap;

use super::Table;
use crate::{
    accuracy::{
        Ground,
        sweep::{self, Step, Summary},
    },
    scope::Claim,
};

/// By column; nothing where an alert of the column has no score.
pub(super) fn of(ground: &Ground<'_>, table: &Table) -> Vec<Summary> {
    let score_of = |alert| sweep::score_of(ground, alert);
    let n_columns = table.kinds.len() + 1;
    let mut is_scored = vec![true; n_columns];
    for (alert, _) in ground.counted() {
        let column = table.column(ground.scope.alerts[alert as usize].claim);
        if let Some(column) = column {
            is_scored[column] &= score_of(alert).is_some();
        }
    }
    let mut steps: Vec<Vec<Step>> = table.mistakes.clone();
    for (label, score) in best_scores(ground) {
        let kind = ground.scope.labels[label as usize].kind;
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

/// By position of the label: the best score among the alerts that say its kind.
fn best_scores(ground: &Ground<'_>) -> BTreeMap<u32, f64> {
    let mut scores: BTreeMap<u32, f64> = BTreeMap::new();
    for &(alert, label) in &ground.found.pairs {
        let kind = ground.scope.labels[label as usize].kind;
        if ground.scope.alerts[alert as usize].claim == Claim::Known(kind) {
            let score = sweep::score_of(ground, alert).unwrap_or(f64::MIN);
            let best = scores.entry(label).or_insert(score);
            *best = best.max(score);
        }
    }
    scores
}
