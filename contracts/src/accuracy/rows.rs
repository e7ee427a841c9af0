//! Detectors that score every event, not only those that they alert on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::VolumeFigures;
use crate::{clock::EventTime, key::TypedKey};

/// The score of one event: one line of a file of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredRow {
    /// What the event is about.
    pub key: TypedKey,
    /// Its event time, milliseconds since the Unix epoch.
    pub time: EventTime,
    /// Higher is more anomalous; any scale, but one scale for all rows.
    pub score: f64,
}

/// What the scores of all events are worth. A row is true if an incident that lists its key lasts at its time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RowScores {
    /// Rows with a score.
    pub rows: u64,
    /// Rows that were left out, as their score is no number.
    pub without_score: u64,
    /// Rows that are true.
    pub true_rows: u64,
    /// Keys of rows.
    pub keys: u64,
    /// Those of them with a true row.
    pub labelled_keys: u64,
    /// Incidents that last at no row of their keys, and are therefore nowhere in these figures.
    pub labels_without_rows: u64,
    /// Share of the rows that are true: the average precision of random scores. That of ROC AUC is 0.5.
    pub prevalence: Option<f64>,
    /// Average precision over the rows of all keys together; `null` without a true row, as those below.
    pub average_precision: Option<f64>,
    /// Area under the ROC curve over the rows of all keys together; `null` unless there are both true rows and others.
    pub roc_auc: Option<f64>,
    /// The highest F1 over rows at any one threshold for all keys: chosen with the labels in hand, so an oracle's.
    pub oracle_f1: Option<f64>,
    /// The threshold at which it is.
    pub oracle_threshold: Option<f64>,
    /// Volumes under the surfaces of each key with a true row, averaged over those keys.
    pub volume: VolumeFigures,
    /// The widest soft border of the volumes, rows.
    pub volume_width: u64,
    /// Thresholds of the volumes, for each key.
    pub volume_thresholds: u64,
    /// The score of the Numenta Anomaly Benchmark by its profiles, averaged over keys.
    pub nab: Vec<NabRowScore>,
}

/// The score by one of the benchmark's profiles, at the threshold at which it is highest, as the benchmark has it: one
/// threshold for all keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NabRowScore {
    /// `standard`, `reward_low_FP_rate` or `reward_low_FN_rate`.
    pub profile: String,
    /// Mean over the keys with a window behind the probation: 0 for silence, 100 for the first row of each window alone;
    /// `null` without any.
    pub score: Option<f64>,
    /// Rows with this score or more are detections; `null` where silence scores highest.
    pub threshold: Option<f64>,
}
