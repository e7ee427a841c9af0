//! What a child process is told: a resolved plan in a file of its own.
//!
//! The detector's file holds neither seed nor labels nor their paths.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{RunMicros, WallTime},
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
    /// Full names of each stream's topics, in the plan's order.
    pub topics: BTreeMap<Stream, Vec<String>>,
    /// Where `labels.ndjson`, `enrichment.ndjson` and `generator.json` go. The first worker writes labels
    /// and enrichment data.
    pub out: PathBuf,
    /// Whether events wait for their due times.
    #[serde(default)]
    pub pace: Pace,
    /// Which part of the events this process sends.
    #[serde(default)]
    pub worker: WorkerShare,
    /// Threads for each stream.
    #[serde(default = "one_thread")]
    pub threads: u32,
    /// When due time 0 is.
    #[serde(default)]
    pub start: Start,
    /// File into which it writes what it has done so far, a [`crate::counts::Counts`], several times a second.
    #[serde(default)]
    pub counts: Option<PathBuf>,
    /// When the clock from which records get their timestamps is wrong. Of several workers only one has such a clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skews: Vec<ClockSkew>,
}

/// A clock that is wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockSkew {
    /// Due time of the first record with such a timestamp.
    pub from: RunMicros,
    /// Due time of the first behind it.
    pub until: RunMicros,
    /// How far the clock is ahead, milliseconds; negative behind.
    pub by_ms: i64,
}

fn one_thread() -> u32 {
    1
}

/// Whether events wait for their due times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Each event is sent when it is due.
    #[default]
    Schedule,
    /// The same events as fast as the sink takes them; each is due when it is sent.
    Max,
}

/// A worker's share of the events: those of the partitions whose number leaves `index` when divided by
/// `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerShare {
    /// Which worker, from 0.
    pub index: u32,
    /// Number of workers, 1 or more.
    pub of: u32,
}

impl Default for WorkerShare {
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

/// When due time 0 is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// As soon as everything is ready.
    #[default]
    Ready,
    /// As soon as everything is ready; this file then holds the start, in microseconds since the Unix epoch, for whoever
    /// watches.
    Said(PathBuf),
    /// At this instant, the same for all workers.
    At(WallTime),
    /// At the instant that somebody writes into a file, once all workers have said that they are ready.
    Told(StartFiles),
}

/// Files by which workers on one machine start together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartFiles {
    /// The worker makes this file when it is ready.
    pub ready: PathBuf,
    /// This file then holds the start, in microseconds since the Unix epoch.
    pub go: PathBuf,
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
    /// Which of the group's processes this is, from 0: the next one in the same slot ends what this one
    /// leaves undone. For delivery exactly once.
    #[serde(default)]
    pub slot: u32,
    /// Full names of each stream's topics.
    pub inputs: BTreeMap<Stream, Vec<String>>,
    /// Full name of the topic for alerts.
    pub anomalies: String,
    /// Full name of the topic for `sessionId,score`.
    pub fraud_flags: String,
    /// Full name of the topic for records that could not be decoded.
    pub dead_letters: String,
    /// Enrichment data: a file of [`crate::enrichment::Enrichment`] lines.
    pub enrichment: Option<PathBuf>,
    /// Where the detector writes its own figures (a `SubjectFacts` JSON) when it ends, or the next of [`facts_files`] that is free.
    pub facts: Option<PathBuf>,
    /// Where it shows what it is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PagePlace>,
}

/// Where a page is served, and where its address is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagePlace {
    /// Host and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// The file that the URL is written into.
    pub url_file: PathBuf,
}

impl DetectorJob {
    /// Full name of the detector's own topic for what is put together from several partitions. All processes
    /// of the group share it.
    #[must_use]
    pub fn exchange(&self) -> String {
        exchange_of(&self.group)
    }
}

/// Full name of the topic through which the bundled detector's processes of a group put together what lies in
/// several partitions.
#[must_use]
pub fn exchange_of(group: &str) -> String {
    format!("{group}-exchange")
}

/// The files in which processes that follow one another in a slot leave their figures: `first`, such as `facts.json`, then
/// `facts.1.json` and so on.
pub fn facts_files(first: &Path) -> impl Iterator<Item = PathBuf> {
    let later = (1u32..).map(|number| first.with_extension(format!("{number}.json")));
    std::iter::once(first.to_owned()).chain(later)
}
