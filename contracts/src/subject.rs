//! What a detector tells of itself, in the file that its plan names.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{histogram::EncodedHistogram, stream::Stream};

/// What the subject told of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SubjectFacts {
    /// Records consumed per stream, where the subject tells or its committed offsets do.
    pub consumed: BTreeMap<Stream, u64>,
    /// Events that were later than the watermark and the allowed lateness, per stream.
    pub late: BTreeMap<Stream, u64>,
    /// Records sent to the dead-letter topic.
    pub dead_letters: u64,
    /// Of those, records that were no events, per stream, where the subject tells.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<Stream, u64>,
    /// Alerts written.
    pub alerts: u64,
    /// Rows written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// From the timestamp of each record, which is its due time, until the subject had it, microseconds; empty where
    /// the subject does not tell.
    #[serde(default, skip_serializing_if = "EncodedHistogram::is_empty")]
    pub due_to_consumed: EncodedHistogram,
    /// What each sink did, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, SinkFacts>,
    /// A process of the subject was killed and told nothing: all but `consumed` are lower bounds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Times that it began again after a failure, over its processes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u64,
    /// What made it begin again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Commits that were refused, or transactions that it aborted; what was in them was done again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_commits: u64,
}

/// What a sink did with the records of its topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SinkFacts {
    /// Records read.
    pub read: u64,
    /// Of those, what stands in the destination.
    pub written: u64,
    /// Of those, what was no event or row.
    pub invalid: u64,
    /// Of those, what was later than the watermark.
    pub late: u64,
    /// Attempts to write that failed; each was made again.
    pub failures: u64,
}

impl SinkFacts {
    /// Whether every record was one that belongs in the destination, and no attempt to write failed.
    #[must_use]
    pub fn is_without_trouble(&self) -> bool {
        self.invalid + self.late + self.failures == 0
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands references over"
)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
