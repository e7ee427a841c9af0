//! The broker's clock against the harness's, and how long the way there and back takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::histogram::EncodedHistogram;

/// What small records of the harness's own told, about ten a second over the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClockFacts {
    /// Records sent.
    pub sent: u64,
    /// Records acknowledged and read back: those that told something.
    pub told: u64,
    /// Errors of the client on the way.
    pub failures: u64,
    /// Bounds of how far the broker's clock is ahead of the harness's, microseconds: what every record allows,
    /// or where they contradict each other, all that any of them allows. `null` without a record.
    pub offset_us: Option<[i64; 2]>,
    /// Times that the offset was seen to have changed.
    pub drifts: u64,
    /// Hand-over to the broker's append time, microseconds, with the offset taken out where it is known not to
    /// be 0. The append time is in whole milliseconds: its middle is taken.
    pub to_append: EncodedHistogram,
    /// Append time to being read back, microseconds, likewise.
    pub to_seen: EncodedHistogram,
    /// Of both, those that were negative by more than a millisecond, and stand as 0.
    pub negative: u64,
}
