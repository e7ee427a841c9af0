//! What a detector tells of itself, in the file that its plan names.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stream::Stream;

/// What the subject told of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SubjectFacts {
    /// Records consumed per stream, where the subject tells or its committed offsets do.
    pub consumed: BTreeMap<Stream, u64>,
    /// Events that were later than the watermark and the allowed lateness, per stream.
    pub late: BTreeMap<Stream, u64>,
    /// Records sent to the dead-letter topic.
    pub dead_letters: u64,
    /// Alerts written.
    pub alerts: u64,
}
