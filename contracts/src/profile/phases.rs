//! Sections of a schedule that changes over time: phases, one after the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::quantity::{EventRate, WallDuration};

/// A stretch of the run with a shape of its own. All durations are wall time. The phases of a stream
/// together last as long as the run; the last one may leave out `for` and takes what is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawPhase {
    /// One rate.
    Constant(RawConstant),
    /// From one rate to another in a straight line.
    Ramp(RawRamp),
    /// A stair of rates.
    Steps(RawSteps),
    /// A base rate with bursts at regular times.
    Burst(RawBurst),
    /// A sine, such as the course of a day.
    Diurnal(RawDiurnal),
    /// Bursts within bursts on all time scales (b-model).
    SelfSimilar(RawSelfSimilar),
    /// What was recorded elsewhere.
    Trace(RawTrace),
}

/// One rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawConstant {
    /// Events per second; `0/s` is a pause.
    #[schemars(with = "EventRate")]
    pub rate: String,
    /// How long the phase lasts; the last phase of a stream takes what is left of the run by default.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>", example = "20s")]
    pub span: Option<String>,
}

/// From one rate to another in a straight line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRamp {
    /// Events per second at the start.
    #[schemars(with = "EventRate")]
    pub from: String,
    /// Events per second at the end.
    #[schemars(with = "EventRate")]
    pub to: String,
    /// How long the phase lasts; the last phase of a stream takes what is left of the run by default.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub span: Option<String>,
}

/// A stair of rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSteps {
    /// Events per second of each step.
    #[schemars(with = "Vec<EventRate>")]
    pub rates: Vec<String>,
    /// How long each step lasts.
    #[schemars(with = "WallDuration")]
    pub each: String,
}

/// A base rate with bursts at regular times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBurst {
    /// Events per second between bursts.
    #[schemars(with = "EventRate")]
    pub base: String,
    /// Events per second in a burst.
    #[schemars(with = "EventRate")]
    pub peak: String,
    /// From the start of the phase to the end of its first burst, and from one burst's end to the next's.
    #[schemars(with = "WallDuration")]
    pub every: String,
    /// How long a burst lasts.
    #[schemars(with = "WallDuration")]
    pub length: String,
    /// How long the phase lasts; the last phase of a stream takes what is left of the run by default.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub span: Option<String>,
}

/// A sine: `mean * (1 + amplitude * sin(2 pi (t / period + offset)))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDiurnal {
    /// Events per second in the middle.
    #[schemars(with = "EventRate")]
    pub mean: String,
    /// How far the rate swings, as a share of the mean: 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub amplitude: f64,
    /// From one peak to the next.
    #[schemars(with = "WallDuration")]
    pub period: String,
    /// Where in the period the phase begins, 0 to 1: 0 in the middle and rising, 0.75 at the lowest.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub offset: f64,
    /// How long the phase lasts; the last phase of a stream takes what is left of the run by default.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub span: Option<String>,
}

/// The b-model: each stretch of time gives a share `bias` of its events to one of its halves, drawn by
/// the seed, and so on down to `bin`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSelfSimilar {
    /// Events per second over the whole phase.
    #[schemars(with = "EventRate")]
    pub mean: String,
    /// Share of the busier half: 0.5 (even) to 0.95; real traffic is around 0.7.
    #[schemars(range(min = 0.5, max = 0.95))]
    pub bias: f64,
    /// Longest stretch of one rate.
    #[schemars(with = "WallDuration", example = "100ms")]
    pub bin: String,
    /// How long the phase lasts; the last phase of a stream takes what is left of the run by default.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub span: Option<String>,
}

/// What was recorded elsewhere: events per bin, or the arrival of each event.
///
/// The file holds one number a line; empty lines and lines that begin with `#` are left out. Its numbers
/// take the place of `file` when the profile is read, so that a plan needs no other file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTrace {
    /// A file of numbers, from the profile's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The numbers themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<f64>,
    /// Length of a bin: the numbers are events per bin. Without it they are arrivals in seconds, in
    /// order, of which the first is at the start of the phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub bin: Option<String>,
    /// The recorded rate times this.
    #[serde(default = "one")]
    pub scale: f64,
    /// How long: the trace is cut, or begins again. By default as long as the trace.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub span: Option<String>,
}

fn one() -> f64 {
    1.0
}
