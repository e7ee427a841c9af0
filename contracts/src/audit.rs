//! What a run's topics hold, against what they should.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stream::Stream;

/// How closely the input topics are looked at after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// Not at all.
    #[default]
    None,
    /// Records are counted, by the offsets of each partition.
    Counts,
    /// Every record is read back and compared with what the plan says, in order.
    Full,
}

/// What the audit found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AuditFacts {
    /// What was done.
    pub mode: AuditMode,
    /// Why it was less than a comparison of every record, where it was.
    pub reason: Option<String>,
    /// Wall time that it took, seconds.
    pub seconds: f64,
    /// The input topics, by stream.
    pub streams: BTreeMap<Stream, StreamAudit>,
    /// The topic of alerts.
    pub alerts: AlertAudit,
}

/// Ways in which a log differs from what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Differences {
    /// Records that should be there and are not.
    pub lost: u64,
    /// Records that are there more often than they should.
    pub doubled: u64,
    /// Records that stand behind one that should come after them.
    pub reordered: u64,
    /// Records with other bytes than they should have.
    pub altered: u64,
    /// Records that nobody sent.
    pub foreign: u64,
}

impl Differences {
    /// Takes more of them in.
    pub fn add(&mut self, more: Self) {
        self.lost += more.lost;
        self.doubled += more.doubled;
        self.reordered += more.reordered;
        self.altered += more.altered;
        self.foreign += more.foreign;
    }
}

/// A stream's topics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StreamAudit {
    /// Records that should have been appended: acknowledged ones and those that close the run.
    pub expected: u64,
    /// Records that were handed over and not acknowledged: they may be there or not.
    pub unacknowledged: u64,
    /// Offsets that were given out; with transactions, their markers are among them.
    pub appended: u64,
    /// Records that were read back and compared.
    pub compared: u64,
    /// Records that were deleted before they could be: nothing is said of those.
    pub trimmed: u64,
    /// What was found, if records were compared.
    pub found: Differences,
    /// The first few differences.
    pub examples: Vec<Difference>,
    /// Each partition.
    pub partitions: Vec<PartitionAudit>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PartitionAudit {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The offset at which the run began to write.
    pub from: i64,
    /// The oldest offset that was still there.
    pub low: i64,
    /// The offset that the next record would have got.
    pub high: i64,
    /// Records compared.
    pub compared: u64,
    /// What was found.
    pub found: Differences,
}

/// A way in which one record differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// It is not there.
    Lost,
    /// It is there too often.
    Doubled,
    /// It comes too late.
    Reordered,
    /// Its bytes differ.
    Altered,
    /// Nobody sent it.
    Foreign,
}

impl DifferenceKind {
    /// The word that files use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Altered => "altered",
            Self::Foreign => "foreign",
        }
    }
}

/// One record that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// How.
    pub what: DifferenceKind,
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Where it stands, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Its place in the stream's plan, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// Its event's id, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Its key, if it is there and the key is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The topic of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AlertAudit {
    /// Alerts collected.
    pub collected: u64,
    /// Alerts that the subject says it wrote, where it tells.
    pub written: Option<u64>,
    /// Alerts under an id that was there before.
    pub doubled: u64,
    /// Alerts that the broker appended before the one in front of them in their partition.
    pub reordered: u64,
    /// The first few of both.
    pub examples: Vec<AlertDifference>,
}

/// An alert that came twice or out of order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertDifference {
    /// How.
    pub what: DifferenceKind,
    /// Its id.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}
