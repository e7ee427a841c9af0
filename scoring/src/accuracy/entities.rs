//! Figures over keys, and intervals that know that what goes wrong on one key goes wrong together.

use floodmark_contracts::accuracy::Entities;

use super::Ground;
use crate::{
    bootstrap::{MIN_RESAMPLES, Resampling, bootstrap_each},
    incident::f_beta,
    intervals::CONFIDENCE,
    parts::Part,
};

/// Keys above which no intervals are drawn: they would take longer than all else, and Wilson's are as good by then.
const MOST_KEYS: usize = 50_000;

/// The seed of the resampling: the same record has the same result.
const SEED: u64 = 1;

/// Labels, detected labels and merged false alerts of one key.
pub(super) type Counts = [u64; 3];

/// Shares over keys, with their intervals.
pub(super) fn score(ground: &Ground<'_>) -> Entities {
    let counts = counts(ground);
    let figures = |of: Counts| [recall(of), precision(of), f1(of)];
    let rules = Resampling {
        resamples: MIN_RESAMPLES,
        confidence: CONFIDENCE,
        seed: SEED,
    };
    (ground.watcher)(Part::Levels);
    let [recall_interval, precision_interval, f1_interval] = if counts.len() <= MOST_KEYS {
        bootstrap_each(&counts, rules, figures)
    } else {
        [None; 3]
    };
    (ground.watcher)(Part::Bootstrap);
    Entities {
        recall_interval,
        precision_interval,
        f1_interval,
        resamples: MIN_RESAMPLES,
        seed: SEED,
        ..shares(&counts)
    }
}

/// What was counted on each key, by what it is: the numbers of keys depend on the order in which alerts came.
pub(super) fn counts(ground: &Ground<'_>) -> Vec<Counts> {
    let mut counts = by_key(ground);
    // Keys of neither a label nor a false alert count nowhere.
    counts.retain(|of| *of != Counts::default());
    counts.sort_unstable();
    counts
}

/// Shares over keys alone.
pub(super) fn shares(counts: &[Counts]) -> Entities {
    let labelled: Vec<&Counts> = counts.iter().filter(|of| of[0] > 0).collect();
    let hit = labelled.iter().filter(|of| of[1] > 0).count() as u64;
    let mean = |values: Vec<f64>| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Entities {
        labelled: labelled.len() as u64,
        hit,
        hit_share: (!labelled.is_empty()).then(|| hit as f64 / labelled.len() as f64),
        macro_recall: mean(labelled.iter().filter_map(|of| recall(**of)).collect()),
        macro_precision: mean(labelled.iter().filter_map(|of| precision(**of)).collect()),
        ..Entities::default()
    }
}

fn by_key(ground: &Ground<'_>) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); ground.scope.n_keys()];
    for (position, _) in ground.scope.kept_labels() {
        let number = u32::try_from(position).unwrap_or(u32::MAX);
        let of = &mut counts[ground.key_of(number) as usize];
        of[0] += 1;
        of[1] += u64::from(ground.is_detected[position]);
    }
    for run in ground.false_runs.runs() {
        counts[run.key as usize][2] += run.cost;
    }
    counts
}

fn recall([labels, detected, _]: Counts) -> Option<f64> {
    (labels > 0).then(|| detected as f64 / labels as f64)
}

fn precision([_, detected, false_merged]: Counts) -> Option<f64> {
    let said = detected + false_merged;
    (said > 0).then(|| detected as f64 / said as f64)
}

fn f1(counts: Counts) -> Option<f64> {
    Some(f_beta(precision(counts)?, recall(counts)?, 1.0))
}
