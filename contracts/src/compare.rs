//! `comparison.json`: how a candidate differs from a base, one verdict per metric; and
//! `noise-floor.json`: how much two runs of the same differ on a machine.
//!
//! Undefined is `null`, never 0 and never NaN. Changes are relative to the base: 0.05 is 5 % more.
//! `docs/compare.md` has the method.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::WallTime, record::Environment, result::Direction};

/// Version of the shape of `comparison.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Version of the shape of `noise-floor.json`.
pub const NOISE_FLOOR_SCHEMA_VERSION: u32 = 1;

/// Two sides, held against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that compared them.
    pub floodmark_version: String,
    /// How the figures came about.
    pub design: Design,
    /// What is held against.
    pub base: Side,
    /// What is judged.
    pub cand: Side,
    /// Chance that is taken of calling any gated metric different when none is.
    pub alpha: f64,
    /// The part of `alpha` that one look may spend; all of it where no further look was planned.
    pub alpha_per_look: f64,
    /// Seed of the resampling.
    pub seed: u64,
    /// Number of resamples behind every interval.
    pub resamples: u32,
    /// Rounds in the order in which they were made; empty for stored runs.
    pub rounds: Vec<Round>,
    /// Every metric that either side has, gated ones first.
    pub metrics: Vec<MetricComparison>,
    /// Over all gated metrics: regressed if any is, else improved if any is, else inconclusive if any is
    /// not known, else equivalent.
    pub verdict: Verdict,
    /// Why the verdict is only advisory, and must not fail anything; empty if it is not.
    pub advisory: Vec<String>,
    /// Things that a reader should know.
    pub warnings: Vec<String>,
}

/// How figures came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// Both sides ran in every round, one right after the other.
    PairedRounds,
    /// Runs that were made some other time, and not in pairs.
    StoredRuns,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// A short name.
    pub name: String,
    /// The command that was run, or the folder that was read.
    pub what: String,
    /// Version of floodmark that made its runs.
    pub floodmark_version: String,
    /// The machine; of several runs, that of the first.
    pub environment: Environment,
}

/// One round: a run of each side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// Number, from 1 on.
    pub number: u32,
    /// What it was made for.
    pub look: Look,
    /// Whether the base ran first.
    pub base_first: bool,
    /// Why it does not count; `null` if it does.
    pub void: Option<String>,
}

/// What rounds are made for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// The first look, at these rounds.
    First,
    /// The one further look, at these rounds and those of the first together.
    Second,
    /// To see, at these rounds alone, whether what a look found is there again.
    Confirmation,
}

/// One metric on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricComparison {
    /// Its name, as in `result.json`.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// Whether its verdict counts towards that of the comparison.
    pub gated: bool,
    /// What `effect`, `interval`, `margin` and `noise_floor` are.
    pub scale: EffectScale,
    /// Values of the base: per round, `null` where that is void or the metric undefined; or per stored run.
    pub base: Vec<Option<f64>>,
    /// Values of the candidate, in the same order.
    pub cand: Vec<Option<f64>>,
    /// Rounds that `effect`, `interval`, `p` and `agree` rest on; of stored runs, those of the smaller side.
    pub n: u32,
    /// Median of the base over those.
    pub base_median: Option<f64>,
    /// Median of the candidate over those.
    pub cand_median: Option<f64>,
    /// Median change, on `scale`: of the rounds; of stored runs, of all pairs of one from each side.
    pub effect: Option<f64>,
    /// 95 % bootstrap interval of `effect`.
    pub interval: Option<[f64; 2]>,
    /// Two-sided p of no change.
    pub p: Option<f64>,
    /// The same after Holm over the gated metrics; what is held against `alpha_per_look`.
    pub p_adjusted: Option<f64>,
    /// The least change that matters, on `scale`. A change down counts from `1 / (1 + margin) - 1` on where
    /// changes are relative.
    pub margin: Option<f64>,
    /// The part of the margin that this machine's noise makes, before it is doubled; `null` if not measured.
    pub noise_floor: Option<f64>,
    /// Share of the rounds that changed the way that `effect` did.
    pub agree: Option<f64>,
    /// Numbers of the rounds (from 1 on) that are far from the others. They count all the same.
    pub outliers: Vec<u32>,
    /// What fresh rounds said, where any were made for this metric.
    pub confirmation: Option<Confirmation>,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why, as a sentence.
    pub reason: String,
}

/// What a change is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectScale {
    /// Relative to the base: from logarithms of ratios.
    Relative,
    /// In the metric's unit: from differences, as a value was 0 or negative.
    Difference,
    /// In the metric's unit: the seed determines the value, so that nothing was left to chance.
    Exact,
}

/// What fresh rounds said of a change that a look had found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    /// Rounds.
    pub n: u32,
    /// Median change in them.
    pub effect: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub interval: Option<[f64; 2]>,
    /// One-sided p of no change the way it was found, after Holm over what was to be confirmed.
    pub p_adjusted: Option<f64>,
    /// Share of them that changed the way it was found.
    pub agree: Option<f64>,
    /// Whether the change was there again.
    pub confirmed: bool,
}

/// What a metric, or a comparison, comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Worse, by the margin or more.
    Regressed,
    /// Better, by the margin or more.
    Improved,
    /// Neither better nor worse by the margin.
    Equivalent,
    /// The rounds do not tell.
    Inconclusive,
    /// Too many rounds were void.
    Invalid,
    /// There is nothing to compare.
    NotCompared,
}

/// How much two runs of the same differ on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseFloor {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that measured it.
    pub floodmark_version: String,
    /// Wall time at which it was measured, microseconds since the Unix epoch.
    pub measured_at: WallTime,
    /// The machine.
    pub environment: Environment,
    /// Name of the profile that was run.
    pub profile: String,
    /// Checksum of the profile's values but for its seed, broker and topics: the noise of another rate is another.
    pub settings: String,
    /// The broker: `embedded`, `kafka-home`, `testcontainers` or `external`.
    pub broker: String,
    /// The subject that was held against itself.
    pub subject: String,
    /// Rounds that count.
    pub rounds: u32,
    /// Rounds of a comparison that `floor` and `detectable` are for.
    pub for_rounds: u32,
    /// Per metric.
    pub metrics: Vec<MetricNoise>,
    /// Things that a reader should know.
    pub warnings: Vec<String>,
}

/// How much a metric differs from itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricNoise {
    /// Its name.
    pub name: String,
    /// `ln(second / first)` per round, of the run that came second over the one that came first; `null`
    /// where that is undefined.
    pub ln_ratios: Vec<Option<f64>>,
    /// Their standard deviation about 0; `null` of fewer than two.
    pub sd: Option<f64>,
    /// Standard error of the median of `for_rounds` rounds, as a relative change.
    pub floor: Option<f64>,
    /// The smallest relative change that one look at `for_rounds` rounds would find in nine of ten.
    pub detectable: Option<f64>,
}
