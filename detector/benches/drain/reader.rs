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
        detector::{
            DeliverySection, ExactlyOnceSection, SensorRules, SinkSection, WindowReport,
            sinks::{ClickFilesSection, RollSection},
        },
    },
    row::{Row, RowKind},
    status::CheckpointStatus,
    stream::Stream,
};
use floodmark_detector::{Progress, Watch};
use floodmark_kafka::{Admin, ClientSettings, admin::NewTopic};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::{bare::Bare, records::PARTITIONS, setting, streams::Inputs};

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
    /// All rules over sensors, exactly once, with a snapshot a second.
    ExactlyOnce,
    /// All rules over the clickstream, with counts of pages, countries and sessions as rows.
    Clickstream,
    /// All rules over the clickstream, counts of pages by the minute, and each event with its window in files.
    Pages,
    /// All rules over banking, with look-ups and the model.
    Banking,
}

impl Reader {
    /// Those that are compared over a stream, beginning with the one that all others are held against.
    pub fn over(stream: Stream) -> &'static [Self] {
        match stream {
            Stream::Sensors => &[
                Self::Batch,
                Self::Poll,
                Self::Windows,
                Self::Readings,
                Self::AllRules,
                Self::ExactlyOnce,
            ],
            Stream::Clickstream => &[Self::Batch, Self::Poll, Self::Pages, Self::Clickstream],
            Stream::Banking => &[Self::Batch, Self::Poll, Self::Banking],
        }
    }

    const ALL: [Self; 9] = [
        Self::Batch,
        Self::Poll,
        Self::Windows,
        Self::Readings,
        Self::AllRules,
        Self::ExactlyOnce,
        Self::Pages,
        Self::Clickstream,
        Self::Banking,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "bare-batch",
            Self::Poll => "bare-poll",
            Self::Windows => "detector-windows",
            Self::Readings => "detector-readings",
            Self::AllRules => "detector-all-rules",
            Self::ExactlyOnce => "detector-exactly-once",
            Self::Pages => "detector-pages-and-files",
            Self::Clickstream => "detector-clickstream",
            Self::Banking => "detector-banking",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reader| reader.name() == name)
    }

    /// Reads `events` records, and says what that cost.
    pub fn read(self, inputs: &Inputs, events: u64) -> Result<Cost, Box<dyn Error>> {
        let (bootstrap, topic) = (&inputs.bootstrap, &inputs.topic);
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
            _ => detect(inputs, self.stream(), self.section(inputs)?),
        }
    }

    fn stream(self) -> Stream {
        match self {
            Self::Pages | Self::Clickstream => Stream::Clickstream,
            Self::Banking => Stream::Banking,
            _ => Stream::Sensors,
        }
    }

    /// The detector's settings.
    fn section(self, inputs: &Inputs) -> Result<DetectorSection, Box<dyn Error>> {
        let mut section = DetectorSection {
            watermark_bound: inputs.watermark_bound.clone(),
            ..DetectorSection::default()
        };
        let usual = section.state.memory_mib.into();
        section.state.memory_mib = setting("FLOODMARK_BENCH_STATE_MIB", usual)?.try_into()?;
        match self {
            Self::Windows => {
                section.sensor_rules = SensorRules::Window;
                section.sensor_window.report = WindowReport::Windows;
            }
            Self::Readings => section.sensor_rules = SensorRules::Window,
            Self::ExactlyOnce => {
                section.sensor_rules = SensorRules::Window;
                section.delivery = DeliverySection::ExactlyOnce(ExactlyOnceSection {
                    snapshots: inputs.folder.display().to_string(),
                    snapshot_interval: "1s".to_owned(),
                });
            }
            Self::Pages => {
                section.rows.enabled = true;
                section.rows.kinds = vec![RowKind::PageMinute];
                // Files that are there already would not be written again.
                let folder = format!("clicks-{}", std::process::id());
                let files = SinkSection::ClickFiles(ClickFilesSection {
                    folder: inputs.folder.join(folder).display().to_string(),
                    window: "5m".to_owned(),
                    watermark_bound: "10m".to_owned(),
                    roll: RollSection::default(),
                });
                section.sinks.insert("lake".to_owned(), files);
            }
            Self::Clickstream => section.rows.enabled = true,
            _ => {}
        }
        Ok(section)
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
    /// Snapshots of state, if there were any.
    pub snapshots: Option<Snapshots>,
}

/// What snapshots took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Snapshots {
    /// How many.
    pub number: u64,
    /// The longest one.
    pub longest_s: f64,
    /// The longest time for which one let no record be read.
    pub longest_stop_s: f64,
    /// Bytes of the largest one.
    pub mib: f64,
}

impl Snapshots {
    /// What has been seen so far, and the last one that was taken while records were read.
    fn seen(before: Option<Self>, status: &CheckpointStatus) -> Option<Self> {
        let before = before.unwrap_or(Self {
            number: 0,
            longest_s: 0.0,
            longest_stop_s: 0.0,
            mib: 0.0,
        });
        let mib = status.snapshot_bytes as f64 / f64::from(1 << 20);
        (status.snapshots > 0).then(|| Self {
            number: status.snapshots,
            longest_s: before.longest_s.max(status.last_snapshot_us as f64 / 1e6),
            longest_stop_s: (before.longest_stop_s).max(status.last_snapshot_stop_us as f64 / 1e6),
            mib: before.mib.max(mib),
        })
    }
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
            snapshots: None,
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
    inputs: &Inputs,
    stream: Stream,
    section: DetectorSection,
) -> Result<Cost, Box<dyn Error>> {
    let clock = SystemClock::new();
    let (bootstrap, topic) = (inputs.bootstrap.as_str(), inputs.topic.as_str());
    let id = format!("{topic}-{}", std::process::id());
    let output = |what: &str| format!("{id}-{what}");
    let job = DetectorJob {
        section,
        connection: Connection {
            bootstrap: bootstrap.to_owned(),
            properties: BTreeMap::new(),
            registry: inputs.registry.clone(),
        },
        group: id.clone(),
        slot: 0,
        inputs: BTreeMap::from([(stream, vec![topic.to_owned()])]),
        anomalies: output("anomalies"),
        fraud_flags: output("flags"),
        dead_letters: output("letters"),
        enrichment: inputs.enrichment.clone(),
        facts: None,
        page: None,
    };
    let outputs = [&job.anomalies, &job.fraud_flags, &job.dead_letters];
    let topics = outputs.map(|topic| NewTopic::new(topic, 1));
    Admin::new(&ClientSettings::plain(bootstrap), PATIENCE)?.create_topics(&topics)?;
    let stop = AtomicBool::new(false);
    let (mut assigned, mut first_alert, mut snapshots) = (None, None, None);
    let (watch, mut nowhere) = (Watch::new(), std::io::sink());
    let mut progress = |progress| match progress {
        Progress::Assigned { .. } => assigned = Some(clock.monotonic_us()),
        Progress::FirstAlert => first_alert = Some(clock.monotonic_us()),
        Progress::CaughtUp => stop.store(true, Ordering::Relaxed),
        // The last one, at the end, is taken when nothing is left to read, and not looked at.
        Progress::Position { .. } => {
            snapshots = Snapshots::seen(snapshots, &watch.status().checkpoints);
        }
    };
    let facts =
        floodmark_detector::run_watched(&job, &watch, &clock, &stop, &mut nowhere, &mut progress)?;
    let first_alert_s = first_alert
        .zip(assigned)
        .map(|(alert, assigned): (i64, i64)| (alert - assigned) as f64 / 1e6);
    let events: u64 = facts.consumed.values().sum();
    for (name, sink) in &facts.sinks {
        let taken = sink.written + sink.invalid + sink.late;
        if taken != events {
            return Err(format!(
                "the sink `{name}` has taken {taken} of {events} records: {sink:?}"
            )
            .into());
        }
    }
    let mut cost = Cost::now(events, clock.monotonic_us(), first_alert_s, facts.alerts)?;
    cost.snapshots = snapshots;
    delete(bootstrap, &outputs.map(String::as_str))?;
    delete_own(bootstrap, &job.exchange())?;
    delete_own(bootstrap, &Row::topic_of(&job.group))?;
    Ok(cost)
}

/// Deletes one of the detector's own topics, where its settings want it.
fn delete_own(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
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
