//! The detector under test: ours, somebody else's program, or one that is running already.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    key::KeyType,
    profile::quantity::{EventDuration, WallDuration},
    stream::Stream,
};

/// The detector under test.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectSection {
    /// floodmark's own detector, as a child process.
    #[default]
    Bundled,
    /// Nothing: recall must be 0. Checks the checker.
    None,
    /// Alerts on every key in every window: scores must be near the random baseline. Checks the
    /// checker.
    Always,
    /// Any program, started for the run.
    Command(RawCommand),
    /// A detector that is running already.
    External(RawExternal),
}

impl SubjectSection {
    /// The name that stands in results: that of the section, of its program, or its kind.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Bundled => "bundled".to_owned(),
            Self::None => "none".to_owned(),
            Self::Always => "always".to_owned(),
            Self::Command(raw) => raw.name.clone().unwrap_or_else(|| {
                let program = raw.run.first().map_or("command", String::as_str);
                let file = program.rsplit('/').next().unwrap_or(program);
                file.to_owned()
            }),
            Self::External(raw) => raw.name.clone().unwrap_or_else(|| "external".to_owned()),
        }
    }

    /// Where its alerts are; empty for those of our own, which write to the topic of anomalies.
    #[must_use]
    pub fn alerts(&self) -> &[RawAlerts] {
        match self {
            Self::Command(raw) => &raw.alerts,
            Self::External(raw) => &raw.alerts,
            Self::Bundled | Self::None | Self::Always => &[],
        }
    }

    /// The bound of its watermark as it stands in the section; the bundled detector's stands in its own.
    #[must_use]
    pub fn watermark_bound(&self) -> Option<&str> {
        match self {
            Self::Command(raw) => raw.watermark_bound.as_deref(),
            Self::External(raw) => raw.watermark_bound.as_deref(),
            Self::Bundled | Self::None | Self::Always => None,
        }
    }

    /// Whether the offsets that its group commits tell what it has consumed.
    #[must_use]
    pub fn commits(&self) -> bool {
        match self {
            Self::Command(raw) => raw.commits,
            Self::External(raw) => raw.commits && raw.group.is_some(),
            Self::Bundled | Self::Always => true,
            Self::None => false,
        }
    }
}

/// A program that is started for the run. It learns what it must know from environment variables
/// (`docs/bring-your-own-detector.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCommand {
    /// The program and its arguments, such as `[python3, detector.py]`.
    pub run: Vec<String>,
    /// Its name in results; by default the program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The folder in which it runs; by default the one in which floodmark was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Environment variables besides ours. They stand in the run's record: nothing secret belongs here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How many processes of it run, 1 to 64; they share the group.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub processes: u32,
    /// What says that it is ready.
    #[serde(default)]
    pub ready: RawReady,
    /// How long it may take until it is, wall time.
    #[serde(default = "ready_within")]
    #[schemars(with = "WallDuration")]
    pub ready_within: String,
    /// Whether its group's committed offsets tell what it has consumed. Without them there is no lag, and
    /// whether every event was consumed is not known.
    #[serde(default = "yes")]
    pub commits: bool,
    /// The bound of its watermark, event time, so that waiting for it is not held against the detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>")]
    pub watermark_bound: Option<String>,
    /// Where its alerts are and what they look like; by default our own schema in the topic of anomalies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<RawAlerts>,
}

/// A detector that is running already and reads the run's topics, which the profile names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExternal {
    /// Its name in results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its consumer group; without one there is no lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What says that it is ready. Without a group this must be a URL.
    #[serde(default)]
    pub ready: RawReady,
    /// How long it may take until it is, wall time.
    #[serde(default = "ready_within")]
    #[schemars(with = "WallDuration")]
    pub ready_within: String,
    /// Whether its group's committed offsets tell what it has consumed.
    #[serde(default = "yes")]
    pub commits: bool,
    /// The bound of its watermark, event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>")]
    pub watermark_bound: Option<String>,
    /// Where its alerts are and what they look like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<RawAlerts>,
}

/// What says that a detector is ready for events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawReady {
    /// Its consumer group has every partition of the run's inputs.
    #[default]
    Group,
    /// This URL answers with a status from 200 to 299.
    Url(String),
}

/// A topic with alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAlerts {
    /// The topic, without the prefix; by default that of anomalies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What its records look like.
    #[serde(default)]
    pub shape: RawAlertShape,
}

/// What the records of a topic with alerts look like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawAlertShape {
    /// JSON by `docs/schema/alert.json`.
    #[default]
    Floodmark,
    /// The detector's own shape, from which an alert is put together.
    Mapping(Box<RawMapping>),
}

/// How an alert is put together. Texts are templates: `{a.b.0}` is the value at that path of the record, `{$key}`,
/// `{$topic}`, `{$partition}` and `{$offset}` are what Kafka says of it, `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMapping {
    /// How records are read.
    #[serde(default)]
    pub format: RawRecordFormat,
    /// What the alert is about.
    pub key: RawKey,
    /// Last instant of event time that the alert is about; by default the event time at which the broker got
    /// the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// First instant of it; by default `end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// How instants are written.
    #[serde(default)]
    pub time: RawTimeFormat,
    /// Unique per alert; by default topic, partition and offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the rule; by default the subject's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
    /// The kind of anomaly; by default none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Names of the catalogue for the detector's own kinds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, String>,
    /// The stream in which it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// How anomalous it is, a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// Records with a score below this are no alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_at_least: Option<String>,
}

/// What a foreign alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKey {
    /// What the id names.
    #[serde(rename = "type")]
    pub key_type: KeyType,
    /// The id, a template, exactly as it stands in the events.
    pub id: String,
}

/// How records with foreign alerts are read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawRecordFormat {
    /// JSON.
    #[default]
    Json,
    /// A line of columns.
    Columns(RawColumns),
}

/// A line of columns, such as `sessionId,score`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawColumns {
    /// Names of the columns from left to right. The first takes what separators are left over.
    pub names: Vec<String>,
    /// What stands between them.
    #[serde(default = "comma")]
    pub separator: String,
}

/// How instants of event time are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawTimeFormat {
    /// Milliseconds since the Unix epoch.
    #[default]
    Millis,
    /// Seconds since the Unix epoch, with or without decimals.
    Seconds,
    /// Microseconds since the Unix epoch.
    Micros,
    /// RFC 3339, such as `2025-06-10T05:00:00Z`.
    Rfc3339,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn comma() -> String {
    ",".to_owned()
}

fn ready_within() -> String {
    "60s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_by_its_file_unless_it_has_a_name() {
        let command = |text: &str| -> SubjectSection { serde_json::from_str(text).unwrap() };
        let plain = command(r#"{"command":{"run":["/opt/tools/detect.sh","-v"]}}"#);
        assert_eq!(plain.name(), "detect.sh");
        let named = command(r#"{"command":{"run":["python3","d.py"],"name":"mine"}}"#);
        assert_eq!(named.name(), "mine");
        assert_eq!(SubjectSection::Always.name(), "always");
    }

    #[test]
    fn without_a_group_nothing_is_known_of_what_was_consumed() {
        let external = |text: &str| -> SubjectSection { serde_json::from_str(text).unwrap() };
        assert!(!external(r#"{"external":{"ready":{"url":"http://h/ready"}}}"#).commits());
        assert!(external(r#"{"external":{"group":"g"}}"#).commits());
    }
}
