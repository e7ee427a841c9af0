//! What a child process is told: a resolved plan in a file of its own.
//!
//! The detector's file holds neither seed nor labels nor their paths.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    profile::{DetectorSection, EventTimeSection, ProducerSection, StreamsSection},
    stream::Stream,
};

/// How to reach the broker and the registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Bootstrap servers: `HOST:PORT,…`.
    pub bootstrap: String,
    /// Settings of the client library. They may hold secrets, so they are left out of `Debug`.
    pub properties: BTreeMap<String, String>,
    /// URL of the schema registry, where one is there.
    pub registry: Option<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("bootstrap", &self.bootstrap)
            .field("properties", &self.properties.keys())
            .field("registry", &self.registry)
            .finish()
    }
}

/// What to generate: the profile's sections that the generator validates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratorSection {
    /// Name of the profile.
    pub name: String,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Wall time during which events are due.
    pub duration: String,
    /// Wall time at the start in which no incident begins.
    pub warm_up: String,
    /// The clock of the events.
    pub event_time: EventTimeSection,
    /// The streams.
    pub streams: StreamsSection,
    /// How the producers write.
    #[serde(default, skip_serializing_if = "ProducerSection::is_default")]
    pub producer: ProducerSection,
}

impl From<&crate::profile::Profile> for GeneratorSection {
    fn from(profile: &crate::profile::Profile) -> Self {
        Self {
            name: profile.name.clone(),
            seed: profile.seed,
            duration: profile.duration.clone(),
            warm_up: profile.warm_up.clone(),
            event_time: profile.event_time.clone(),
            streams: profile.streams.clone(),
            producer: profile.producer.clone(),
        }
    }
}

/// The generator's plan file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratorJob {
    /// What to generate.
    pub section: GeneratorSection,
    /// Where to.
    pub connection: Connection,
    /// Full name of each stream's topic.
    pub topics: BTreeMap<Stream, String>,
    /// Where `labels.ndjson`, `enrichment.ndjson` and `generator.json` go.
    pub out: PathBuf,
}

/// The bundled detector's plan file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectorJob {
    /// Settings of the detector.
    pub section: DetectorSection,
    /// Where the events are and the alerts go.
    pub connection: Connection,
    /// Consumer group.
    pub group: String,
    /// Full name of each input topic.
    pub inputs: BTreeMap<Stream, String>,
    /// Full name of the topic for alerts.
    pub anomalies: String,
    /// Full name of the topic for `sessionId,score`.
    pub fraud_flags: String,
    /// Full name of the topic for records that could not be decoded.
    pub dead_letters: String,
    /// Enrichment data: a file of [`crate::enrichment::Enrichment`] lines.
    pub enrichment: Option<PathBuf>,
    /// Where the detector writes its own figures (a `SubjectFacts` JSON) when it ends.
    pub facts: Option<PathBuf>,
}
