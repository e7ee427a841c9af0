//! Settings of the bundled detector.

mod fraud;
mod reach;
pub mod sinks;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    profile::quantity::{EventDuration, WallDuration},
    row::RowKind,
};

pub use self::fraud::{FraudSection, LookUpSection, RedisSection, ScorerSection, ServiceSection};
pub use reach::{S3Section, SecretSection, TlsSection};
pub use sinks::SinkSection;

/// Settings of the bundled detector. Defaults are those of the pipelines that people run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorSection {
    /// How far an event may lag behind the newest of its partition without being late, in event
    /// time; at least 50 ms of wall time, that is `speed` times `50ms`.
    #[schemars(with = "EventDuration")]
    pub watermark_bound: String,
    /// Wall time without a record after which a partition no longer holds the watermark back.
    #[schemars(with = "WallDuration")]
    pub idleness: String,
    /// Event time for which a closed window still takes late events and corrects its result.
    #[schemars(with = "EventDuration")]
    pub allowed_lateness: String,
    /// Wall time between commits of offsets and output.
    #[schemars(with = "WallDuration")]
    pub commit_interval: String,
    /// Whether what a crash interrupts is repeated, or kept exact by transactions and snapshots.
    pub delivery: DeliverySection,
    /// How often the detector begins again after a failure that may pass, before it gives up. Ten minutes
    /// without one give all of them back.
    pub restarts: u32,
    /// What may be fetched ahead over all partitions, in KiB. When it is full, nothing is fetched.
    pub read_ahead_kib: u32,
    /// Event time that a partition may be ahead of the slowest of its stream. One that is further ahead is
    /// paused.
    #[schemars(with = "EventDuration")]
    pub max_ahead: String,
    /// Where what is known of keys is held.
    #[serde(skip_serializing_if = "StateSection::is_default")]
    pub state: StateSection,
    /// Also print sensor anomalies as `ANOMALY → sensor_1: value=150.0, avg=59.21` on standard output.
    pub print_anomalies: bool,
    /// The sensor rule of the field's demos.
    pub sensor_window: SensorWindowSection,
    /// The rule for series of which nothing is known.
    pub adaptive: AdaptiveSection,
    /// Which rules look at sensors.
    pub sensor_rules: SensorRules,
    /// Scores and flags of banking sessions.
    pub fraud: FraudSection,
    /// Counts over the clickstream, as rows on the topic `<group>.rows`.
    #[serde(skip_serializing_if = "RowsSection::is_default")]
    pub rows: RowsSection,
    /// The service behind places that begin with `s3://`.
    #[serde(skip_serializing_if = "S3Section::is_default")]
    pub s3: S3Section,
    /// Where events and rows go besides, by a name that the consumer group `<group>-<name>` carries.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, SinkSection>,
    /// The rule for readings that are far from the median of the last ones; off unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robust_z: Option<RobustZSection>,
    /// The rule for groups whose sensors no longer go together; off unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_distance: Option<GroupDistanceSection>,
}

impl DetectorSection {
    /// Places at which it leaves something behind: folders, or addresses that begin with a scheme.
    pub fn places_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let snapshots = match &mut self.delivery {
            DeliverySection::ExactlyOnce(section) => Some(&mut section.snapshots),
            DeliverySection::AtLeastOnce => None,
        };
        let sinks = self.sinks.values_mut().filter_map(|sink| match sink {
            SinkSection::ClickFiles(section) => Some(&mut section.folder),
            SinkSection::RowFiles(section) => Some(&mut section.folder),
            SinkSection::Redis(_) | SinkSection::Postgres(_) | SinkSection::BigQuery(_) => None,
        });
        let state = self.state.folder.as_mut();
        snapshots.into_iter().chain(state).chain(sinks)
    }
}

impl Default for DetectorSection {
    fn default() -> Self {
        Self {
            watermark_bound: "5s".to_owned(),
            idleness: "1s".to_owned(),
            allowed_lateness: "0s".to_owned(),
            commit_interval: "100ms".to_owned(),
            delivery: DeliverySection::default(),
            restarts: 3,
            read_ahead_kib: 65_536,
            max_ahead: "1h".to_owned(),
            state: StateSection::default(),
            print_anomalies: false,
            sensor_window: SensorWindowSection::default(),
            adaptive: AdaptiveSection::default(),
            sensor_rules: SensorRules::default(),
            fraud: FraudSection::default(),
            rows: RowsSection::default(),
            s3: S3Section::default(),
            sinks: BTreeMap::new(),
            robust_z: None,
            group_distance: None,
        }
    }
}

/// What is known of sensors, accounts and sessions: in memory up to a bound, beyond it on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StateSection {
    /// What it may take in memory over all partitions, in MiB; beyond it what was not used for long is on disk. Windows
    /// and events that wait for the watermark are not in it.
    pub memory_mib: u32,
    /// Folder for the file with the rest, which has no name and goes with the process; the system's folder for temporary
    /// files, if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

impl Default for StateSection {
    fn default() -> Self {
        Self {
            memory_mib: 1024,
            folder: None,
        }
    }
}

impl StateSection {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A rule for any series of readings: what is rare among a sensor's own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveSection {
    /// Whether it runs, and how much it looks at.
    pub variant: AdaptiveVariant,
    /// How rare a reading has to be: 2 is one in a hundred, 3 one in a thousand of the sensor's own.
    pub threshold: f64,
    /// Readings of the sensor from one alert to the next, at least.
    pub cool_down: u32,
}

impl Default for AdaptiveSection {
    fn default() -> Self {
        Self {
            variant: AdaptiveVariant::None,
            threshold: 2.2,
            cool_down: 100,
        }
    }
}

/// Single readings by robust deviations: median and median absolute deviation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RobustZSection {
    /// Deviations from the median from which on a reading is reported.
    pub threshold: f64,
    /// Readings of the sensor that one is compared with, 15 to 1000.
    #[schemars(range(min = 15, max = 1_000))]
    pub readings: u32,
}

impl Default for RobustZSection {
    fn default() -> Self {
        Self {
            threshold: 8.0,
            readings: 61,
        }
    }
}

/// Steps of a group's sensors by their running Mahalanobis distance, minute by minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupDistanceSection {
    /// Normal deviations from which on a minute is reported.
    pub threshold: f64,
}

impl Default for GroupDistanceSection {
    fn default() -> Self {
        Self { threshold: 5.0 }
    }
}

/// How much of a series the adaptive rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdaptiveVariant {
    /// The rule does not run.
    #[default]
    None,
    /// Spread, level and prediction: about a hundred operations a reading, 17 KiB a sensor.
    Light,
    /// Steps and shapes as well: up to 7,500 operations a reading, up to 37 KiB a sensor.
    Full,
}

/// Counts over the clickstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RowsSection {
    /// Whether they are made at all.
    pub enabled: bool,
    /// Which of them; all if none is named. What is not named is not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<RowKind>,
    /// A pause of a user of this length, in event time, ends the session.
    #[schemars(with = "EventDuration")]
    pub session_gap: String,
}

impl Default for RowsSection {
    fn default() -> Self {
        Self {
            enabled: false,
            kinds: Vec::new(),
            session_gap: "30m".to_owned(),
        }
    }
}

impl RowsSection {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which rules look at sensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SensorRules {
    /// All of them.
    #[default]
    All,
    /// That of `sensor_window` alone, as the demos have it.
    Window,
}

/// What the sensor rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowReport {
    /// Each reading that deviates, once.
    #[default]
    Readings,
    /// Each window that holds one, once; windows overlap, so that a reading can be in several.
    Windows,
}

/// What becomes of output and state when a detector ends without warning.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliverySection {
    /// Alerts leave at once; after a crash some come again under the same ids, and state is learnt anew.
    #[default]
    AtLeastOnce,
    /// Alerts leave with a transaction every `commit_interval`; after a crash none is lost or repeated, and
    /// state is that of before.
    ExactlyOnce(ExactlyOnceSection),
}

/// Where and how often state is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExactlyOnceSection {
    /// Folder of the snapshots, or `s3://BUCKET/PREFIX`; all processes of a group share it.
    pub snapshots: String,
    /// Wall time between snapshots: after a crash that much input is read again, at most.
    #[serde(default = "thirty_seconds")]
    #[schemars(with = "WallDuration")]
    pub snapshot_interval: String,
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

/// A reading that lies more than `deviation` from the average of its window, which includes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SensorWindowSection {
    /// Length of the sliding window, in event time.
    #[schemars(with = "EventDuration")]
    pub size: String,
    /// Distance between the starts of two windows, in event time.
    #[schemars(with = "EventDuration")]
    pub slide: String,
    /// The distance from the average above which a reading is an anomaly, in the sensor's unit.
    pub deviation: f64,
    /// Whether each deviating reading is reported, or each window with one.
    pub report: WindowReport,
}

impl Default for SensorWindowSection {
    fn default() -> Self {
        Self {
            size: "10s".to_owned(),
            slide: "5s".to_owned(),
            deviation: 50.0,
            report: WindowReport::default(),
        }
    }
}
