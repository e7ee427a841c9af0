//! `history.json`: metrics over many stored results, and where they changed; and `detectors.json`: two
//! detectors on the same labels.
//!
//! Undefined is `null`, never 0 and never NaN. Neither is part of any gate. `docs/compare.md` has the methods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::WallTime, result::Direction};

/// Version of the shape of `history.json` and of `detectors.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Metrics over stored results, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that made it.
    pub floodmark_version: String,
    /// The results, in the order of all values.
    pub points: Vec<HistoryPoint>,
    /// Per metric.
    pub metrics: Vec<MetricHistory>,
    /// Things that a reader should know.
    pub warnings: Vec<String>,
}

/// One stored result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPoint {
    /// Its folder, or another short name.
    pub name: String,
    /// Wall time of the run's start, microseconds since the Unix epoch.
    pub started_at: WallTime,
}

/// A metric over stored results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricHistory {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// Its values, `null` where undefined.
    pub values: Vec<Option<f64>>,
    /// Where it changed, oldest first.
    pub changes: Vec<ChangePoint>,
}

/// A change between two results.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangePoint {
    /// Position, among the points, of the first result after it.
    pub at: u32,
    /// p of there being no change in the stretch in which it was found.
    pub p: f64,
    /// Median from the change before it, or from the beginning.
    pub before: f64,
    /// Median up to the change after it, or to the end.
    pub after: f64,
}

/// Two detectors, held against the same labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectorComparison {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that compared them.
    pub floodmark_version: String,
    /// Labels that count, of which
    pub labels: u64,
    /// both detectors found,
    pub both: u64,
    /// only the base found,
    pub only_base: u64,
    /// only the candidate found,
    pub only_cand: u64,
    /// and neither found.
    pub neither: u64,
    /// Exact McNemar: p of both finding equally much; `null` where they differ on no label.
    pub p: Option<f64>,
    /// Recall, precision and F1.
    pub figures: Vec<DetectorFigure>,
    /// Seed of the resampling.
    pub seed: u64,
    /// Number of resamples behind every interval.
    pub resamples: u32,
}

/// A figure of both detectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectorFigure {
    /// `recall`, `precision` or `f1`.
    pub name: String,
    /// Of the base.
    pub base: Option<f64>,
    /// Of the candidate.
    pub cand: Option<f64>,
    /// `cand - base`.
    pub difference: Option<f64>,
    /// 95 % bootstrap interval of the difference, labels drawn for both at once.
    pub interval: Option<[f64; 2]>,
}
