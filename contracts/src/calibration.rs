//! What a machine was found to send: `calibration.json`, kept between runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::WallTime, stream::Stream};

/// All calibrations that are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibrations {
    /// The newest for each machine and sink.
    pub entries: Vec<Calibration>,
}

/// What one machine can send into one sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The machine: its name, processor and number of processors.
    pub machine: String,
    /// `null`, or a broker as profiles name it.
    pub sink: String,
    /// When it was measured.
    pub at: WallTime,
    /// Version of floodmark that measured it.
    pub floodmark_version: String,
    /// Acknowledged events per second of each stream alone, from one thread.
    pub streams: BTreeMap<Stream, f64>,
    /// All of these streams at once: the sum, over them, of the share of its rate alone that each reached.
    /// 1 where they only take from one another, their number where each has a processor of its own.
    pub together: f64,
}
