//! Scores for every event: what a detector that says a number of each row is worth.
//!
//! A key's rows are its events in order of event time. A row is true if an incident that lists its key lasts at its time,
//! bounds included; decoys are no incidents. Average precision, ROC AUC and the best F1 are over the rows of all keys
//! together, with one threshold for all; volumes under the surfaces are of each key, averaged over the keys that have a
//! true row. The score of the Numenta benchmark is averaged over keys, too, at the one threshold that makes the mean
//! highest, as the benchmark itself chooses it; a window reaches to the end of the incident's tolerance.

mod nab;

use std::collections::{BTreeMap, HashMap};

use floodmark_contracts::{
    accuracy::{RowScores, ScoredRow, VolumeFigures},
    key::TypedKey,
    label::Label,
};

use crate::{
    published::{
        Rows, merged,
        volume::{Volume, volume},
    },
    thresholds::{average_precision, oracle_f1, roc_auc},
};

/// How the volumes under the surfaces are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRules {
    /// The widest soft border around incidents, rows.
    pub volume_width: usize,
    /// Thresholds, for each key.
    pub volume_thresholds: usize,
}

impl Default for RowRules {
    /// As the code of the volumes' authors has it for series without a period of their own.
    fn default() -> Self {
        Self {
            volume_width: 100,
            volume_thresholds: 250,
        }
    }
}

/// The rows of one key.
struct Series {
    times: Vec<i64>,
    scores: Vec<f64>,
    is_true: Vec<bool>,
    /// Rows at which incidents last; sorted, those that share a row are one.
    truth: Vec<Rows>,
    /// The same with tolerances.
    windows: Vec<Rows>,
}

/// Scores rows against labels. The order of rows changes nothing.
///
/// ```
/// use floodmark_scoring::rows::{RowRules, score};
///
/// let found = score(&[], &[], RowRules::default());
/// assert_eq!((found.rows, found.average_precision), (0, None));
/// ```
#[must_use]
pub fn score(rows: &[ScoredRow], labels: &[Label], rules: RowRules) -> RowScores {
    let series = series(rows, labels);
    let pooled: Vec<(f64, bool)> = series
        .values()
        .flat_map(|one| one.scores.iter().copied().zip(one.is_true.iter().copied()))
        .collect();
    let n_true = pooled.iter().filter(|(_, is_true)| *is_true).count() as u64;
    let oracle = oracle_f1(&pooled);
    let labelled = series.values().filter(|one| !one.truth.is_empty());
    let volumes: Vec<Volume> = labelled
        .clone()
        .filter_map(|one| {
            let (width, thresholds) = (rules.volume_width, rules.volume_thresholds);
            volume(&one.truth, &one.scores, width, thresholds)
        })
        .collect();
    let mean = |pick: fn(&Volume) -> f64| {
        let sum: f64 = volumes.iter().map(pick).sum();
        (!volumes.is_empty()).then(|| sum / volumes.len() as f64)
    };
    RowScores {
        rows: pooled.len() as u64,
        without_score: (rows.len() - pooled.len()) as u64,
        true_rows: n_true,
        keys: series.len() as u64,
        labelled_keys: labelled.count() as u64,
        labels_without_rows: without_rows(labels, &series),
        prevalence: (!pooled.is_empty()).then(|| n_true as f64 / pooled.len() as f64),
        average_precision: average_precision(&pooled),
        roc_auc: roc_auc(&pooled),
        oracle_f1: oracle.map(|(f1, _)| f1),
        oracle_threshold: oracle.map(|(_, threshold)| threshold),
        volume: VolumeFigures {
            roc: mean(|volume| volume.roc),
            precision_recall: mean(|volume| volume.precision_recall),
        },
        volume_width: rules.volume_width as u64,
        volume_thresholds: rules.volume_thresholds as u64,
        nab: nab::scores(&series.values().collect::<Vec<_>>()),
    }
}

/// The rows of each key, in the order of keys.
fn series<'a>(rows: &'a [ScoredRow], labels: &[Label]) -> BTreeMap<&'a TypedKey, Series> {
    let mut by_key: BTreeMap<&TypedKey, Vec<(i64, f64)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.score.is_finite()) {
        let of_key = by_key.entry(&row.key).or_default();
        of_key.push((row.time.0, row.score));
    }
    let mut incidents: HashMap<&TypedKey, Vec<&Label>> = HashMap::new();
    for label in labels.iter().filter(|label| !label.benign) {
        for key in &label.keys {
            incidents.entry(key).or_default().push(label);
        }
    }
    by_key
        .into_iter()
        .map(|(key, mut rows)| {
            rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let labels = incidents.get(key).map_or(&[][..], Vec::as_slice);
            (key, Series::new(&rows, labels))
        })
        .collect()
}

impl Series {
    fn new(rows: &[(i64, f64)], labels: &[&Label]) -> Self {
        let times: Vec<i64> = rows.iter().map(|(at, _)| *at).collect();
        let truth = labels.iter().map(|label| (label.start.0, label.end.0));
        let truth = spans(&times, truth);
        let windows = labels.iter().map(|label| {
            let until = label.end.0.saturating_add(label.kind.late_ms());
            (label.start.0, until)
        });
        let mut is_true = vec![false; rows.len()];
        for [first, last] in &truth {
            is_true[*first..=*last].fill(true);
        }
        Self {
            scores: rows.iter().map(|(_, score)| *score).collect(),
            is_true,
            windows: spans(&times, windows),
            truth,
            times,
        }
    }
}

/// Rows from each start to each end; those that share a row are one, those without a row are left out.
fn spans(times: &[i64], of: impl Iterator<Item = (i64, i64)>) -> Vec<Rows> {
    let spans = of.filter_map(|(start, end)| {
        let first = times.partition_point(|at| *at < start);
        let behind = times.partition_point(|at| *at <= end);
        (first < behind).then(|| [first, behind - 1])
    });
    merged(spans.collect())
}

/// Incidents at which none of their keys has a row.
fn without_rows(labels: &[Label], series: &BTreeMap<&TypedKey, Series>) -> u64 {
    let has_row = |label: &Label| {
        let mut of_keys = label.keys.iter().filter_map(|key| series.get(key));
        of_keys.any(|one| {
            let first = one.times.partition_point(|at| *at < label.start.0);
            let first = one.times.get(first);
            first.is_some_and(|at| *at <= label.end.0)
        })
    };
    let incidents = labels.iter().filter(|label| !label.benign);
    incidents.filter(|label| !has_row(label)).count() as u64
}
