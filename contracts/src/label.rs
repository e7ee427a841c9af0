//! Ground truth: one record per injected incident or decoy.
//!
//! All times are event time, or microseconds since the start of the run, so that the file depends on
//! plan and seed alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{EventTime, RunMicros},
    key::TypedKey,
    kind::Kind,
    stream::Stream,
};

/// An injected incident: one line of `labels.ndjson`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Unique within the run, stable for plan and seed.
    pub id: String,
    /// The stream into which the incident was injected.
    pub stream: Stream,
    /// Other streams over which the incident extends; their events are among `event_ids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_streams: Vec<Stream>,
    /// The kind of anomaly, or of decoy.
    pub kind: Kind,
    /// True for a decoy: what looks like an incident and is none. An alert on it is false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub benign: bool,
    /// Strength of this incident, as the profile's `magnitude` counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnitude: Option<f64>,
    /// Signal to noise: by how many standard deviations of its ordinary value the kind's telling
    /// statistic is off. The anomaly catalogue defines the statistic of each kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snr: Option<f64>,
    /// Every key that identifies the incident.
    pub keys: Vec<TypedKey>,
    /// Event time of the incident's start.
    pub start: EventTime,
    /// Event time of the incident's end, inclusive.
    pub end: EventTime,
    /// Fields of the records in which the incident shows, per stream, by the names under which the profile has
    /// them written; fields that it leaves out are left out here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<Stream, Vec<String>>,
    /// Ids of the affected events, in order of event time. Empty for an incident that consists of
    /// missing events.
    pub event_ids: Vec<String>,
    /// Intended send time of each affected event, in the order of `event_ids`. Empty where whoever wrote the file does
    /// not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_sent: Vec<RunMicros>,
    /// How the affected events came among the others. Absent where there are none, and where whoever wrote the file does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<EventOrder>,
    /// Intended send time of the first affected event (of the start, if there is none).
    pub first_sent: RunMicros,
    /// Intended send time of the last affected event (of the end, if there is none).
    pub last_sent: RunMicros,
    /// The first instant of event time at which a detector could know.
    pub detectable_at: EventTime,
}

/// How the affected events of a label came among all events of their partitions.
///
/// An event lies *behind* if one of a later event time is to be sent to its partition before it: the meaning of `behind`
/// in the facts of a stream ([`DisorderFacts`](crate::record::DisorderFacts)). In a replay, partitions are the lanes of the
/// recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventOrder {
    /// Affected events that do not lie behind.
    pub on_time: u64,
    /// The farthest that an affected event lies behind the newest event time of its partition, milliseconds of event
    /// time; 0 if all are on time. A watermark whose bound is at least this finds none of them late.
    pub behind_ms: u64,
}
