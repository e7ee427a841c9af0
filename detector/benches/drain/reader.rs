//! The readers that are compared, and what each costs.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    job::{Connection, DetectorJob},
    profile::{
        DetectorSection,
        detector::{SensorRules, SensorWindowSection, WindowReport},
    },
    stream::Stream,
};
use floodmark_detector::Progress;
use floodmark_kafka::{Admin, ClientSettings, admin::NewTopic};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::{bare::Bare, records::PARTITIONS};

const PATIENCE: Duration = Duration::from_secs(30);

/// One of the readers, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// A loop around `rd_kafka_consume_batch_queue`.
    Batch,
    /// A loop around `rd_kafka_consumer_poll`.
    Poll,
    /// The window rule alone, a report of each window with a deviating reading.
    Windows,
    /// The window rule alone, a report of each deviating reading.
    Readings,
    /// All rules over sensors.
    AllRules,
}

impl Reader {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Batch,
        Self::Poll,
        Self::Windows,
        Self::Readings,
        Self::AllRules,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "bare-batch",
            Self::Poll => "bare-poll",
            Self::Windows => "detector-windows",
            Self::Readings => "detector-readings",
            Self::AllRules => "detector-all-rules",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reader| reader.name() == name)
    }

    /// Reads `events` records, and says what that cost.
    pub fn read(self, bootstrap: &str, topic: &str, events: u64) -> Result<Cost, Box<dyn Error>> {
        let clock = SystemClock::new();
        match self {
            Self::Batch | Self::Poll => {
                let bare = Bare::new(bootstrap, topic, PARTITIONS)?;
                let bytes = match self {
                    Self::Batch => bare.batches(events)?,
                    _ => bare.polls(events)?,
                };
                drop(bare);
                if bytes < events {
                    return Err("the values are empty".into());
                }
                Cost::now(events, clock.monotonic_us(), None, 0)
            }
            Self::Windows => detect(bootstrap, topic, SensorRules::Window, WindowReport::Windows),
            Self::Readings => detect(
                bootstrap,
                topic,
                SensorRules::Window,
                WindowReport::Readings,
            ),
            Self::AllRules => detect(bootstrap, topic, SensorRules::All, WindowReport::Readings),
        }
    }
}

/// What a reader used, as the kernel tells at its end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cost {
    /// Records read.
    pub events: u64,
    /// Wall time.
    pub seconds: f64,
    /// User and system time.
    pub cpu_s: f64,
    /// Peak resident memory.
    pub peak_mib: f64,
    /// From the assignment to the first alert.
    pub first_alert_s: Option<f64>,
    /// Alerts written.
    pub alerts: u64,
}

impl Cost {
    /// CPU-seconds for a million events.
    pub fn per_million(&self) -> f64 {
        self.cpu_s * 1e6 / self.events as f64
    }

    fn now(
        events: u64,
        elapsed_us: i64,
        first_alert_s: Option<f64>,
        alerts: u64,
    ) -> Result<Self, Box<dyn Error>> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let micros =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(Self {
            events,
            seconds: elapsed_us as f64 / 1e6,
            cpu_s: micros(usage.user_time()) + micros(usage.system_time()),
            peak_mib: peak_kib()? / 1024.0,
            first_alert_s,
            alerts,
        })
    }
}

/// The peak of this program alone: `getrusage` also knows that of whoever started it.
fn peak_kib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let text = line.ok_or("the kernel tells no peak of memory")?;
    Ok(text.trim().trim_end_matches("kB").trim().parse()?)
}

/// Runs the detector until it has read everything.
fn detect(
    bootstrap: &str,
    topic: &str,
    sensor_rules: SensorRules,
    report: WindowReport,
) -> Result<Cost, Box<dyn Error>> {
    let clock = SystemClock::new();
    let id = format!("{topic}-{}", std::process::id());
    let output = |what: &str| format!("{id}-{what}");
    let job = DetectorJob {
        section: DetectorSection {
            watermark_bound: "1s".to_owned(),
            sensor_window: SensorWindowSection {
                report,
                ..SensorWindowSection::default()
            },
            sensor_rules,
            ..DetectorSection::default()
        },
        connection: Connection {
            bootstrap: bootstrap.to_owned(),
            properties: BTreeMap::new(),
            registry: None,
        },
        group: id.clone(),
        slot: 0,
        inputs: BTreeMap::from([(Stream::Sensors, vec![topic.to_owned()])]),
        anomalies: output("anomalies"),
        fraud_flags: output("flags"),
        dead_letters: output("letters"),
        enrichment: None,
        facts: None,
        page: None,
    };
    let outputs = [&job.anomalies, &job.fraud_flags, &job.dead_letters];
    let topics = outputs.map(|topic| NewTopic::new(topic, 1));
    Admin::new(&ClientSettings::plain(bootstrap), PATIENCE)?.create_topics(&topics)?;
    let stop = AtomicBool::new(false);
    let (mut assigned, mut first_alert) = (None, None);
    let mut progress = |progress| match progress {
        Progress::Assigned { .. } => assigned = Some(clock.monotonic_us()),
        Progress::FirstAlert => first_alert = Some(clock.monotonic_us()),
        Progress::CaughtUp => stop.store(true, Ordering::Relaxed),
        _ => {}
    };
    let facts = floodmark_detector::run(&job, &clock, &stop, &mut std::io::sink(), &mut progress)?;
    let first_alert_s = first_alert
        .zip(assigned)
        .map(|(alert, assigned): (i64, i64)| (alert - assigned) as f64 / 1e6);
    let events = facts.consumed.values().sum();
    let cost = Cost::now(events, clock.monotonic_us(), first_alert_s, facts.alerts);
    delete(bootstrap, &outputs.map(String::as_str))?;
    delete_exchange(bootstrap, &job.exchange())?;
    cost
}

/// Deletes the detector's own topic, where its settings want one.
fn delete_exchange(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    if Admin::new(&ClientSettings::plain(bootstrap), PATIENCE)?
        .topic(topic)?
        .is_some()
    {
        delete(bootstrap, &[topic])?;
    }
    Ok(())
}

/// Deletes topics.
pub fn delete(bootstrap: &str, topics: &[&str]) -> Result<(), Box<dyn Error>> {
    Admin::new(&ClientSettings::plain(bootstrap), PATIENCE)?.delete_topics(topics)?;
    Ok(())
}
