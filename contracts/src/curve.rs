//! `curve.json`: recall, precision and latency over one axis.
//!
//! Undefined is `null`, never 0 and never NaN.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::WallTime, record::Environment, result::ValidityStatus};

/// Version of the shape of `curve.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// A curve, as far as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurveResult {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that made it.
    pub floodmark_version: String,
    /// Name of the profile.
    pub profile: String,
    /// The command that makes the curve again.
    pub reproduce: String,
    /// The broker.
    pub broker: String,
    /// The detector under test.
    pub subject: String,
    /// Wall time of the start, microseconds since the Unix epoch.
    pub started_at: WallTime,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Event time per wall time in the runs. Latencies above 1 are shortened waits.
    pub speed: f64,
    /// What was varied.
    pub axis: Axis,
    /// One point for each of its values, in the order in which they were asked for.
    pub points: Vec<CurvePoint>,
    /// True if a signal ended it before the last point.
    pub interrupted: bool,
    /// The machine.
    pub environment: Environment,
}

/// What a curve is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Events per second of all streams together.
    Rate,
    /// Share of the events that are late.
    Lateness,
    /// Magnitude of the incidents: the less, the harder.
    Difficulty,
}

impl Axis {
    /// The name as it is written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Lateness => "lateness",
            Self::Difficulty => "difficulty",
        }
    }
}

/// The runs at one value, put together: counts are added up, percentiles are not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// The value on the axis.
    pub value: f64,
    /// The runs.
    pub runs: Vec<CurveRun>,
    /// Incidents of all runs that count.
    pub labels: u64,
    /// Those that were detected.
    pub detected: u64,
    /// False alerts, merged per key and kind where they are close.
    pub false_merged: u64,
    /// `detected / labels`.
    pub recall: Option<f64>,
    /// Its 95 % Wilson interval.
    pub recall_interval: Option<[f64; 2]>,
    /// `detected / (detected + false_merged)`.
    pub precision: Option<f64>,
    /// Its 95 % Wilson interval.
    pub precision_interval: Option<[f64; 2]>,
    /// Median over the runs of the latency of alerts (p99; of under a hundred the longest), microseconds.
    pub alert_p99_us: Option<u64>,
    /// The lowest and the highest of the runs.
    pub alert_p99_range_us: Option<[u64; 2]>,
}

/// One run of a curve. Invalid runs are listed and do not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurveRun {
    /// Its seed.
    pub seed: u64,
    /// Its folder, from that of the curve.
    pub folder: String,
    /// Whether its figures can be trusted.
    pub status: ValidityStatus,
    /// Codes of what speaks against them.
    pub codes: Vec<String>,
    /// Latency of its alerts (p99; of under a hundred the longest), microseconds; `null` without alerts.
    pub alert_p99_us: Option<u64>,
}
