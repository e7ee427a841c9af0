//! Everything that makes a stream's records arrive other than in order, once each and sound.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::quantity::{EitherDuration, EventDuration, WallDuration};

/// A delay of arrival for a share of the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDelay {
    /// Share of the events that are delayed, above 0, at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub share: f64,
    /// How long: event time for `disorder` and `lateness`, wall time for `jitter` and `duplicates`.
    pub delay: RawDistribution,
}

/// A distribution of durations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawDistribution {
    /// Evenly between two bounds.
    Uniform(RawUniform),
    /// Exponential with a mean, cut at a maximum.
    Exponential(RawExponential),
    /// Log-normal with a median and a shape, cut at a maximum: the delays of networks.
    LogNormal(RawLogNormal),
    /// Pareto with a least value and an exponent, cut at a maximum: few, but very long.
    Pareto(RawPareto),
}

/// Bounds of a uniform distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawUniform {
    /// The shortest.
    #[schemars(with = "EitherDuration", example = "0s")]
    pub min: String,
    /// The longest.
    #[schemars(with = "EitherDuration", example = "2s")]
    pub max: String,
}

/// Parameters of an exponential distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExponential {
    /// The mean before the cut.
    #[schemars(with = "EitherDuration", example = "500ms")]
    pub mean: String,
    /// Nothing is longer than this.
    #[schemars(with = "EitherDuration", example = "2s")]
    pub max: String,
}

/// Parameters of a log-normal distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLogNormal {
    /// Half of the delays are longer.
    #[schemars(with = "EitherDuration", example = "200ms")]
    pub median: String,
    /// Standard deviation of the logarithm, above 0, at most 4.
    #[schemars(range(max = 4.0), extend("exclusiveMinimum" = 0))]
    pub sigma: f64,
    /// Nothing is longer than this.
    #[schemars(with = "EitherDuration", example = "30s")]
    pub max: String,
}

/// Parameters of a Pareto distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPareto {
    /// The shortest delay.
    #[schemars(with = "EitherDuration", example = "10ms")]
    pub min: String,
    /// Exponent of the tail, above 0, at most 20; the smaller, the heavier.
    #[schemars(range(max = 20.0), extend("exclusiveMinimum" = 0))]
    pub alpha: f64,
    /// Nothing is longer than this.
    #[schemars(with = "EitherDuration", example = "60s")]
    pub max: String,
}

/// Devices that lose their connection: what they record meanwhile comes in one batch when they are
/// back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOffline {
    /// Share of the entities that are offline once in each span of `every`, above 0, at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub share: f64,
    /// Event time between two chances to go offline.
    #[schemars(with = "EventDuration", example = "10m")]
    pub every: String,
    /// Event time without a connection, at most `every`.
    #[schemars(with = "EventDuration", example = "3m")]
    pub length: String,
}

/// Producers whose clocks are wrong: the timestamps of all their events are off by the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClockSkew {
    /// Share of the entities with such a clock, above 0, at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub share: f64,
    /// How far off, in event time; at most ten minutes.
    pub offset: RawDistribution,
    /// Share of those clocks that are ahead; the others are behind. 0 to 1.
    #[serde(default = "half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ahead: f64,
}

fn half() -> f64 {
    0.5
}

/// Records that are sent twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDuplicates {
    /// Share of the events that are followed by a second record, above 0, at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub share: f64,
    /// Share of the second records that have an id of their own, as from a producer that made a new
    /// one for its retry; the others equal the first byte by byte. 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub new_ids: f64,
    /// Wall time from the first record to the second.
    pub delay: RawDistribution,
}

/// Records that no reader accepts, each sent beside a sound one: shares of the events.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RawMalformed {
    /// JSON that does not parse.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub bad_json: f64,
    /// JSON in which a field is missing.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub missing_field: f64,
    /// JSON in which a field has another type.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub wrong_type: f64,
    /// Avro with a schema id that the registry does not know.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub unknown_schema: f64,
    /// A record that ends too early, JSON or Avro.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub truncated: f64,
}

/// A partition on which nothing is sent for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawIdle {
    /// Its number, from 0.
    pub partition: u32,
    /// Wall time from the start of the run.
    #[schemars(with = "WallDuration", example = "30s")]
    pub from: String,
    /// How long, in wall time.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "20s")]
    pub length: String,
}
