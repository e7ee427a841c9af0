//! The profile as users write it: raw sections that mirror the file.
//!
//! Every crate validates its own section into types that cannot hold nonsense, and reports every
//! problem at once (see [`crate::problem`]). Durations are texts with a unit; whether a duration is
//! wall time or event time is said at each field.

/// Incidents and decoys.
pub mod anomalies;
/// The bundled detector.
pub mod detector;
/// Delays, clocks, copies and malformed records.
pub mod disorder;
/// What is broken on purpose.
pub mod faults;
/// Rates that change.
pub mod phases;
/// Headers and transactions.
pub mod producer;
/// What a text is a quantity of.
pub mod quantity;
/// Matching and gates.
pub mod scoring;
/// The search for the highest sustained rate.
pub mod search;
/// Fields, encoding and key of records.
pub mod shape;
/// The streams.
pub mod streams;
/// The detector under test.
pub mod subject;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::quantity::WallDuration;
use crate::audit::AuditMode;

pub use self::{
    anomalies::{RawAnomaly, RawDecoy, RawIncidents, RawMagnitudes},
    detector::DetectorSection,
    disorder::RawDelay,
    faults::FaultSection,
    producer::ProducerSection,
    scoring::{GateSection, ScoringSection},
    search::SearchSection,
    streams::{StreamSection, StreamsSection},
    subject::SubjectSection,
};

/// A profile: one workload, the detector under test and what is asked of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name of the workload: a noun for what the data does, such as `seasonal-spike`.
    pub name: String,
    /// What the workload is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Seed of everything that is drawn. Same plan and seed, same bytes.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Wall time during which events are due.
    #[schemars(with = "WallDuration", example = "20s")]
    pub duration: String,
    /// Wall time at the start whose labels and alerts are not scored.
    #[serde(default = "default_warm_up")]
    #[schemars(with = "WallDuration", example = "2s")]
    pub warm_up: String,
    /// Wall time after the last event within which alerts may still arrive. The run
    /// goes on as soon as the subject has read everything and no alert has come for a while.
    #[serde(default = "default_drain")]
    #[schemars(with = "WallDuration", example = "10s")]
    pub drain: String,
    /// Wall time after which a run of `bench` ends however far it is, from its first step; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub time_limit: Option<String>,
    /// The clock of the events.
    #[serde(default)]
    pub event_time: EventTimeSection,
    /// `embedded`, `kafka-home:DIR`, `testcontainers` or `HOST:PORT,…`.
    #[serde(default = "default_broker")]
    pub broker: String,
    /// URL of a schema registry; by default the embedded broker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Put in front of every topic and group name; required to run beside others on one cluster.
    #[serde(default)]
    pub topic_prefix: String,
    /// Settings of the client library, as `key: value`, for every client of the run.
    #[serde(default, deserialize_with = "quantity::properties")]
    #[schemars(with = "BTreeMap<String, quantity::PropertyValue>")]
    pub client: BTreeMap<String, String>,
    /// The streams to generate; at least one.
    pub streams: StreamsSection,
    /// How the generator's producers write.
    #[serde(default, skip_serializing_if = "ProducerSection::is_default")]
    pub producer: ProducerSection,
    /// Where the run's other topics are.
    #[serde(default)]
    pub topics: TopicsSection,
    /// The detector under test.
    #[serde(default)]
    pub subject: SubjectSection,
    /// Settings of the bundled detector.
    #[serde(default)]
    pub detector: DetectorSection,
    /// How closely the input topics are looked at after the run. By default `full` up to five million records, and `counts`
    /// beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditMode>,
    /// What is broken on purpose while events are generated, such as `broker-pause: { at: 20s, for: 2s }`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSection>,
    /// How alerts are matched with labels.
    #[serde(default)]
    pub scoring: ScoringSection,
    /// Conditions that the run must meet, such as `detection.recall >= 0.8`.
    #[serde(default)]
    pub gates: Vec<GateSection>,
    /// How `floodmark search` looks for the highest sustained rate.
    #[serde(default, skip_serializing_if = "SearchSection::is_default")]
    pub search: SearchSection,
}

fn default_seed() -> u64 {
    1
}

fn default_warm_up() -> String {
    "0s".to_owned()
}

fn default_drain() -> String {
    "10s".to_owned()
}

fn default_broker() -> String {
    "embedded".to_owned()
}

/// The clock of the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventTimeSection {
    /// Seconds of event time per second of wall time; above 0, at most 3600.
    #[schemars(range(max = 3600.0), extend("exclusiveMinimum" = 0))]
    pub speed: f64,
    /// Event time at the start of the run: RFC 3339, such as `2025-06-10T05:00:00Z`.
    pub origin: String,
}

impl Default for EventTimeSection {
    fn default() -> Self {
        Self {
            speed: 1.0,
            origin: "2025-06-10T05:00:00Z".to_owned(),
        }
    }
}

/// Names of the run's output topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsSection {
    /// Topic of the alerts, as JSON.
    pub anomalies: String,
    /// Topic of the banking sessions that are flagged, as lines `sessionId,score`.
    pub fraud_flags: String,
    /// Topic of the records that could not be decoded, with the reason in a header.
    pub dead_letters: String,
    /// Partitions of the topic of alerts, 1 to 1000.
    #[schemars(range(min = 1, max = 1_000))]
    pub anomalies_partitions: u32,
    /// Set to a name to have the labels written to a topic as well, after the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground_truth: Option<String>,
}

impl Default for TopicsSection {
    fn default() -> Self {
        Self {
            anomalies: "anomalies".to_owned(),
            fraud_flags: "fraud-flags".to_owned(),
            dead_letters: "dead-letters".to_owned(),
            anomalies_partitions: 1,
            ground_truth: None,
        }
    }
}
