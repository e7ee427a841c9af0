//! What `replay --score` writes: the score of the Numenta Anomaly Benchmark over a folder of series.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::detector::AdaptiveSection;

/// A detector's score over a folder of series, one threshold for all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NabResult {
    /// Version of floodmark that made it.
    pub floodmark_version: String,
    /// Settings of the rule that is scored.
    pub settings: AdaptiveSection,
    /// Name of the rule that is scored, as alerts bear it.
    pub rule: String,
    /// Scores over all series, by the benchmark's profiles.
    pub scores: Vec<NabScore>,
    /// Rows that count: those outside of probation.
    pub rows: u64,
    /// Labelled windows.
    pub windows: u64,
    /// Windows with an alert in them.
    pub found: u64,
    /// Alerts at rows that count.
    pub alerts: u64,
    /// Those outside of windows.
    pub false_alerts: u64,
    /// Each series, by name.
    pub series: Vec<NabSeries>,
    /// Alerts of other rules, which are not scored.
    pub not_scored: BTreeMap<String, u64>,
    /// Rows that came too late for the detector's watermark.
    pub late: u64,
}

/// The score by one of the benchmark's profiles: 0 for silence, 100 for an alert at the start of each window and
/// nowhere else; can be below 0. `null` without windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NabScore {
    /// `standard`, `reward_low_FP_rate` or `reward_low_FN_rate`.
    pub profile: String,
    /// The detector's score.
    pub score: Option<f64>,
    /// The score to be expected of alerts at the same rate that come at regular intervals, whatever the data.
    pub blind: Option<f64>,
    /// The same at the best of eleven intervals from 100 to 1000 rows.
    pub best_blind: Option<f64>,
}

/// What became of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NabSeries {
    /// Its name, `CATEGORY/NAME`.
    pub name: String,
    /// All its rows.
    pub rows: u64,
    /// Rows at its start at which nothing counts.
    pub probation: u64,
    /// Labelled windows.
    pub windows: u64,
    /// Windows with an alert in them.
    pub found: u64,
    /// Alerts at rows that count.
    pub alerts: u64,
    /// Those outside of windows.
    pub false_alerts: u64,
    /// Rows of all alerts, from 0, probation included.
    pub alert_rows: Vec<u64>,
    /// Scores by profile, each over this series alone.
    pub scores: BTreeMap<String, Option<f64>>,
}
