//! Sections of the streams: rate, arrivals, population, disorder, anomalies and decoys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    anomalies::{RawAnomaly, RawDecoy},
    disorder::{RawClockSkew, RawDelay, RawDuplicates, RawIdle, RawMalformed, RawOffline},
    phases::RawPhase,
    shape::{RawFields, RawFormat},
};
use crate::{
    profile::quantity::{EventDuration, EventRate, WallDuration},
    stream::Stream,
};

/// The streams to generate. A stream that is left out is not generated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamsSection {
    /// Page views and clicks of a web site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clickstream: Option<StreamSection>,
    /// User-interface events of a bank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banking: Option<StreamSection>,
    /// Sensor readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensors: Option<StreamSection>,
}

impl StreamsSection {
    /// The section of `stream`, if the profile has it.
    #[must_use]
    pub fn get(&self, stream: Stream) -> Option<&StreamSection> {
        match stream {
            Stream::Clickstream => self.clickstream.as_ref(),
            Stream::Banking => self.banking.as_ref(),
            Stream::Sensors => self.sensors.as_ref(),
        }
    }

    /// The section of `stream` to change, if the profile has it.
    pub fn get_mut(&mut self, stream: Stream) -> Option<&mut StreamSection> {
        match stream {
            Stream::Clickstream => self.clickstream.as_mut(),
            Stream::Banking => self.banking.as_mut(),
            Stream::Sensors => self.sensors.as_mut(),
        }
    }

    /// The streams that the profile has, with their sections.
    pub fn iter(&self) -> impl Iterator<Item = (Stream, &StreamSection)> {
        Stream::ALL
            .into_iter()
            .filter_map(|stream| Some((stream, self.get(stream)?)))
    }
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamSection {
    /// Events per second of wall time. Either this or `phases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventRate>", example = "2k/s")]
    pub rate: Option<String>,
    /// A rate that changes over time, in phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<RawPhase>,
    /// How due times are spaced.
    #[serde(default)]
    pub arrivals: RawArrivals,
    /// The topic, before the prefix; by default `clickstream-events`, `banking-ui-events` or
    /// `sensor-data_2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Partitions of the topic, or of each of them where types of sensors have their own; 1 to 1000.
    #[serde(default = "default_partitions")]
    #[schemars(range(min = 1, max = 1_000))]
    pub partitions: u32,
    /// The field whose value is the record's key, by our name: `user_id` (of `sensors`: `sensor_id`) by
    /// default, another field that holds a text, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Fields that are renamed, left out or added.
    #[serde(default, skip_serializing_if = "RawFields::is_default")]
    pub fields: RawFields,
    /// Encoding; by default `avro` for `banking` and `json` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<RawFormat>,
    /// Least size of a record's value in bytes, 1 to 1,000,000: a field `padding` makes up for what is
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pad_bytes: Option<u32>,
    /// Shares of the versions of the schema that are written side by side, such as `[0.7, 0.3]`; up to
    /// four. Each version has one optional field more than the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Vec<f64>>,
    /// Wall time from which on every event is made with a new, compatible version of the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>", example = "30s")]
    pub evolve_at: Option<String>,
    /// Who makes the events.
    #[serde(default)]
    pub population: RawPopulation,
    /// Exponent of a Zipf law over the partitions: 0 leaves them as the keys fall, 1 gives the first
    /// twice the second's events; 0 to 3. Not for sensors, which report at equal rates.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0.0, max = 3.0))]
    pub partition_skew: f64,
    /// Partitions on which nothing is sent for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<RawIdle>,
    /// Arrival jitter: delay between producer and broker, in wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<RawDelay>,
    /// Out-of-orderness within the bound: delay of an event's arrival behind its event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disorder: Option<RawDelay>,
    /// Lateness: a further, longer delay, for a small share of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<RawDelay>,
    /// Devices that lose their connection and send a batch when they are back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<RawOffline>,
    /// Producers whose clocks are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<RawClockSkew>,
    /// Records that are sent twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<RawDuplicates>,
    /// Records that no reader accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<RawMalformed>,
    /// Whether events of `clickstream` have the field `referrer`: where the visitor came from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub referrer: bool,
    /// Anomalies to inject.
    #[serde(default)]
    pub anomalies: Vec<RawAnomaly>,
    /// Benign look-alikes to inject: labelled, and false alarms to alert on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoys: Vec<RawDecoy>,
}

impl StreamSection {
    /// Encoding of the records of `stream`, whose section this is.
    #[must_use]
    pub fn encoding(&self, stream: Stream) -> RawFormat {
        self.format.unwrap_or(match stream {
            Stream::Banking => RawFormat::Avro,
            Stream::Clickstream | Stream::Sensors => RawFormat::Json,
        })
    }

    /// The topic of `stream`, whose section this is, before the prefix; types of sensors may have others.
    #[must_use]
    pub fn own_topic(&self, stream: Stream) -> &str {
        self.topic.as_deref().unwrap_or(stream.default_topic())
    }

    /// The topics of `stream`, whose section this is, before the prefix and each once: that of the
    /// stream, or those of its types of sensors in the order of their names.
    #[must_use]
    pub fn topics(&self, stream: Stream) -> Vec<&str> {
        let own = self.own_topic(stream);
        let types = self.population.types.values();
        let mut topics: Vec<&str> = Vec::new();
        for topic in types.map(|kind| kind.topic.as_deref().unwrap_or(own)) {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        if topics.is_empty() {
            topics.push(own);
        }
        topics
    }
}

fn default_partitions() -> u32 {
    4
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// How due times are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawArrivals {
    /// Evenly.
    #[default]
    Constant,
    /// With exponential gaps, at the same mean rate.
    Poisson,
}

/// Who makes the events. Each stream uses the fields that it has a use for: users and pages for
/// `clickstream`, users (accounts) for `banking`, sensors for `sensors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawPopulation {
    /// Number of users, accounts or sensors, 1 to 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub entities: u32,
    /// Exponent of the Zipf law of their activity: 0 makes all alike, 1 is common; 0 to 3. Sensors
    /// report at equal rates, whatever stands here.
    #[schemars(range(min = 0.0, max = 3.0))]
    pub skew: f64,
    /// Event time after which other users are the most active ones; by default they stay
    /// the same. Not for sensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>", example = "10m")]
    pub drift: Option<String>,
    /// How far the noise of the sensors of a group correlates: 0 (each for itself) to 1 (all alike), 0.4
    /// by default. For sensors only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub correlation: Option<f64>,
    /// Types of sensors by name, whose shares add up to 1. Records then have the field `sensor_type`.
    /// Without any, all sensors are of one kind. For sensors only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, RawSensorType>,
}

/// A type of sensors: how many there are, where their readings go, and what they show. Each sensor draws its
/// own values evenly from the ranges, which are `[least, most]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSensorType {
    /// Share of the groups of eight whose sensors are of this type, above 0.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub share: f64,
    /// The topic of their readings, before the prefix; by default the stream's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Level around which the values lie.
    #[serde(default = "default_level")]
    pub level: [f64; 2],
    /// Amplitude of the daily season.
    #[serde(default = "default_daily")]
    pub daily: [f64; 2],
    /// Amplitude of the hourly season, above 0.
    #[serde(default = "default_hourly")]
    pub hourly: [f64; 2],
    /// Standard deviation of the noise, above 0.
    #[serde(default = "default_noise")]
    pub noise: [f64; 2],
}

impl Default for RawSensorType {
    /// The sensors of a stream without types.
    fn default() -> Self {
        Self {
            share: 1.0,
            topic: None,
            level: default_level(),
            daily: default_daily(),
            hourly: default_hourly(),
            noise: default_noise(),
        }
    }
}

fn default_level() -> [f64; 2] {
    [20.0, 80.0]
}

fn default_daily() -> [f64; 2] {
    [2.0, 8.0]
}

fn default_hourly() -> [f64; 2] {
    [1.0, 4.0]
}

fn default_noise() -> [f64; 2] {
    [0.8, 2.0]
}

impl Default for RawPopulation {
    fn default() -> Self {
        Self {
            entities: 1000,
            skew: 0.8,
            drift: None,
            correlation: None,
            types: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_named_once_and_the_streams_own_only_where_a_type_uses_it() {
        let typed = |topic: Option<&str>| RawSensorType {
            topic: topic.map(str::to_owned),
            ..RawSensorType::default()
        };
        let topics = |types: &[(&str, Option<&str>)]| -> Vec<String> {
            let mut section: StreamSection = serde_json::from_str("{}").unwrap();
            section.population.types = types
                .iter()
                .map(|(name, topic)| ((*name).to_owned(), typed(*topic)))
                .collect();
            let topics = section.topics(Stream::Sensors);
            topics.into_iter().map(str::to_owned).collect()
        };
        assert_eq!(topics(&[]), ["sensor-data_2"]);
        assert_eq!(topics(&[("a", None), ("b", None)]), ["sensor-data_2"]);
        assert_eq!(
            topics(&[("a", Some("x")), ("b", None), ("c", Some("x"))]),
            ["x", "sensor-data_2"]
        );
        assert_eq!(topics(&[("b", Some("y")), ("a", Some("x"))]), ["x", "y"]);
    }
}
