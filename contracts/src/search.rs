//! `search.json`: the highest rate that a subject sustains, with every trial that says so.
//!
//! Undefined is `null`, never 0 and never NaN. Rates are events per second of all streams together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::WallTime, record::Environment, result::Validity};

/// Version of the shape of `search.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// A search that has ended, one way or another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchResult {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that searched.
    pub floodmark_version: String,
    /// Name of the profile.
    pub profile: String,
    /// Seed of every trial.
    pub seed: u64,
    /// The command that makes the search again.
    pub reproduce: String,
    /// The broker.
    pub broker: String,
    /// The detector under test.
    pub subject: String,
    /// Wall time of the search's start, microseconds since the Unix epoch.
    pub started_at: WallTime,
    /// How long it took, seconds.
    pub seconds: f64,
    /// What a trial is held against.
    pub limits: SearchLimits,
    /// The highest rate that was sustained; `null` if none was.
    pub sustained: Option<f64>,
    /// The lowest rate above it that was not; `null` if none was found.
    pub not_sustained: Option<f64>,
    /// What keeps rates from being higher, where that was found.
    pub limited_by: Option<SearchLimit>,
    /// How it ended.
    pub ended: SearchEnd,
    /// All trials in their order.
    pub trials: Vec<TrialFacts>,
    /// The machine.
    pub environment: Environment,
}

/// What a trial is held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchLimits {
    /// Wanted: `not_sustained` at most this share above `sustained`.
    pub precision: f64,
    /// The fastest growth of lag, as a share of the rate.
    pub lag_growth: f64,
    /// The longest lag (p99), seconds.
    pub lag_p99_s: f64,
    /// The longest latency of alerts (p99), microseconds; `null` if not judged.
    pub alert_p99_us: Option<u64>,
    /// The least recall; 0 if not judged.
    pub recall: f64,
}

/// What keeps rates from being higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SearchLimit {
    /// The subject does not sustain more.
    Subject,
    /// This machine, or its broker, does not offer more; what the subject would sustain is not known.
    Machine,
    /// The profile makes no sense at a higher rate.
    Profile,
    /// The search was told not to look further.
    Range,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SearchEnd {
    /// Both ends are as close to each other as was asked for, or the highest rate that may be tried is
    /// sustained.
    Found,
    /// Not even the lowest rate that may be tried is sustained.
    NothingSustained,
    /// The load could not be made at any rate, so that nothing is known of the subject.
    NothingOffered,
    /// Time ran out; the interval is wider than asked for.
    TimeLimit,
    /// A signal ended it; the interval is wider than asked for.
    Interrupted,
    /// Trials failed one after another, such as on a broker that is gone; the interval is wider than asked for.
    Failed,
}

/// One trial: a run at one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialFacts {
    /// The rate that was asked for.
    pub rate: f64,
    /// What it says.
    pub verdict: TrialVerdict,
    /// Whether every figure is so far from its limit that this trial decides alone.
    pub clear: bool,
    /// Why, in words: what was exceeded or what was wrong with the load.
    pub reasons: Vec<String>,
    /// The figures.
    pub figures: TrialFigures,
    /// What the run itself says of its figures.
    pub validity: Validity,
    /// The trial's folder, from that of the search.
    pub folder: String,
    /// How long it took, seconds, from its broker's start to its end.
    pub seconds: f64,
}

/// What a trial says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialVerdict {
    /// The subject sustains the rate.
    Sustained,
    /// It does not.
    NotSustained,
    /// Nothing of the subject: the load was not what was asked for.
    Void,
}

/// The figures of a trial after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrialFigures {
    /// Events per second that were due.
    pub offered: f64,
    /// Events per second that the subject consumed meanwhile; `null` where it does not tell.
    pub consumed: Option<f64>,
    /// Growth of lag as a share of `offered`: the slope of a line by least squares.
    pub lag_growth: Option<f64>,
    /// Standard error of that.
    pub lag_growth_error: Option<f64>,
    /// Lag (p99 over the seconds), seconds.
    pub lag_p99_s: Option<f64>,
    /// Latency of alerts (p99), microseconds.
    pub alert_p99_us: Option<u64>,
    /// Recall; `null` without incidents.
    pub recall: Option<f64>,
    /// Its 95 % Wilson interval.
    pub recall_interval: Option<[f64; 2]>,
}
