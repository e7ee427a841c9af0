//! Scores as others define them, so that figures can be held against published ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rates;

/// Scores of the literature, per key on a line of event time, then averaged over the keys with a label. False alerts on
/// keys without one do not count. A key for which a figure is undefined is left out of that figure's mean.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Published {
    /// Length of a row, milliseconds of event time: rows are steps of event time, as a run has none of its own.
    pub resolution_ms: i64,
    /// Rows of each key, from `from` to `until`.
    pub rows: u64,
    /// Keys with a label.
    pub keys: u64,
    /// Range-based precision and recall with every row of a range alike. `alpha` is 0, `gamma` 1.
    pub range: BesideRandom,
    /// The same where the first rows weigh most: early detection is worth more.
    pub range_front: BesideRandom,
    /// The same where the last rows weigh most: for alerts that come when an incident is over.
    pub range_back: BesideRandom,
    /// Affiliation precision and recall.
    pub affiliation: BesideRandom,
    /// The score of the Numenta Anomaly Benchmark.
    pub nab: NabFigures,
    /// What randomly placed alerts get for `nab`.
    pub random_nab: NabFigures,
    /// Volumes under the surfaces: `null`, as they need a score for every event and a run has alerts alone.
    pub volume: Option<VolumeFigures>,
}

/// Rates, and what randomly placed alerts get.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BesideRandom {
    /// Mean over the keys with a label and an alert; `null` if there are none.
    pub precision: Option<f64>,
    /// Mean over the keys with a label.
    pub recall: Option<f64>,
    /// Harmonic mean of the two means.
    pub f1: Option<f64>,
    /// The same figures of randomly placed alerts.
    pub random: Rates,
}

impl BesideRandom {
    /// The rates without those of random alerts.
    #[must_use]
    pub fn rates(&self) -> Rates {
        Rates {
            precision: self.precision,
            recall: self.recall,
            f1: self.f1,
        }
    }
}

/// Scores by the three profiles of the Numenta Anomaly Benchmark: 0 for silence, 100 for an alert at the start of each
/// window and nowhere else; can be below 0. Means over keys; `null` without windows behind the probation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NabFigures {
    /// Profile `standard`.
    pub standard: Option<f64>,
    /// Profile `reward_low_FP_rate`.
    pub reward_low_fp_rate: Option<f64>,
    /// Profile `reward_low_FN_rate`.
    pub reward_low_fn_rate: Option<f64>,
}

/// Volumes under the ROC and precision-recall surfaces.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VolumeFigures {
    /// VUS-ROC, mean over keys.
    pub roc: Option<f64>,
    /// VUS-PR, mean over keys.
    pub precision_recall: Option<f64>,
}
