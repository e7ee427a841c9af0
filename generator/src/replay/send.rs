//! Sending a recording on schedule.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    histogram::{EncodedHistogram, up_to},
    record::{GeneratorFacts, StreamFacts},
};
use floodmark_kafka::{
    Admin, ClientSettings, Delivery, Producer, ProducerSettings, Record, SendError,
    producer::{Outcome, Topic, partition_for_key},
};
use hdrhistogram::Histogram;

use super::{Due, Pace, Recorded, Recording, ReplayError, live::Live};
use crate::fingerprint::Fingerprint;

/// The longest sleep: reports, signals and progress wait no longer than this.
const LONGEST_SLEEP_US: i64 = 5_000;
/// How long a full queue is left alone before the next try.
const FULL_SLEEP: Duration = Duration::from_micros(100);
/// How long the cluster may take to answer, and reports after the last record.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two reports of progress.
const PROGRESS_US: i64 = 250_000;
/// The longest time that histograms can hold: an hour.
const HIGHEST_US: u64 = 3_600_000_000;

/// Where a replay goes.
#[derive(Debug, Clone)]
pub enum ReplaySink {
    /// A topic.
    Topic {
        /// The cluster.
        client: ClientSettings,
        /// The topic; it must exist.
        topic: String,
    },
    /// Standard output, one value a line.
    Stdout,
    /// A file `STREAM.ndjson` in a folder, one value a line.
    Files(PathBuf),
    /// Nowhere: everything is scheduled and counted.
    Null,
}

/// What to replay, how fast, where to.
#[derive(Debug)]
pub struct ReplayJob<'a> {
    /// The records and their labels.
    pub recording: &'a Recording,
    /// How fast.
    pub pace: Pace,
    /// Where the records go.
    pub sink: &'a ReplaySink,
    /// Where `labels.ndjson` and `generator.json` go.
    pub out: &'a Path,
    /// File into which it writes what it has done so far, several times a second: see
    /// [`MetricsServer`](crate::metrics::MetricsServer).
    pub counts: Option<&'a Path>,
}

/// How far a replay has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Time since the start.
    pub elapsed: RunMicros,
    /// When the last record is due.
    pub duration: RunMicros,
    /// Records sent.
    pub sent: usize,
    /// Records in all.
    pub total: usize,
}

/// Sends a recording. The labels are written before the first record, the figures after the last, in the
/// same files and forms as those of a generated run, so that `score` reads them.
///
/// Setting `stop` ends it early; what was sent until then is in the figures.
///
/// # Errors
/// If a file cannot be written, or the topic is missing or refuses a record.
pub fn replay(
    job: &ReplayJob<'_>,
    clock: &dyn Clock,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(ReplayProgress),
) -> Result<GeneratorFacts, ReplayError> {
    let schedule = job.pace.schedule(job.recording);
    let mut out = Out::open(job.sink, job.recording)?;
    write_labels(job, &schedule)?;
    let live = Live::new(job.counts, job.recording.stream, job.pace);
    let mut tally = Tally::new(out.name(), live)?;
    let started_at = clock.now();
    let started_us = clock.monotonic_us();
    let now = || clock.monotonic_us() - started_us;
    let duration = schedule.last().map_or(RunMicros(0), |due| due.at);
    let mut told_us = 0;
    let mut next = 0;
    while let Some(due) = schedule.get(next)
        && !stop.load(Ordering::Relaxed)
    {
        let now_us = now();
        if now_us - told_us >= PROGRESS_US {
            told_us = now_us;
            tally.show(&schedule[next..], now_us)?;
            progress(ReplayProgress {
                elapsed: RunMicros(now_us),
                duration,
                sent: next,
                total: schedule.len(),
            });
        }
        out.poll(&mut tally, now_us);
        if due.at.0 > now_us {
            let span = (due.at.0 - now_us).min(LONGEST_SLEEP_US);
            clock.sleep(Duration::from_micros(span.unsigned_abs()));
            continue;
        }
        let record = &job.recording.lanes[due.lane][due.row];
        // At `max` all are due at once; the record bears the time at which it is sent.
        let at = match job.pace {
            Pace::Max => RunMicros(now_us),
            Pace::Speed(_) | Pace::Rate(_) => due.at,
        };
        if out.send(record, started_at.at(at), next, now_us)? {
            tally.sent(record, at, now_us);
            if !matches!(job.sink, ReplaySink::Topic { .. }) {
                tally.acknowledged(0);
            }
            next += 1;
        } else {
            tally.facts.queue_full += 1;
            clock.sleep(FULL_SLEEP);
        }
    }
    out.finish(&mut tally, &now)?;
    // What was due when a signal came and was not sent counts as due.
    let unsent = &schedule[next..];
    tally.facts.due += unsent.partition_point(|due| due.at.0 <= now()) as u64;
    tally.show(&[], now())?;
    let facts = GeneratorFacts {
        started_at,
        streams: BTreeMap::from([(job.recording.stream, tally.facts()?)]),
        interrupted: !unsent.is_empty(),
        scored: job.recording.scored(),
    };
    write_facts(job, &facts)?;
    Ok(facts)
}

fn write_facts(job: &ReplayJob<'_>, facts: &GeneratorFacts) -> Result<(), ReplayError> {
    let path = job.out.join("generator.json");
    let text = serde_json::to_vec_pretty(facts).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&path, text))
        .map_err(|source| ReplayError::Write { path, source })
}

fn write_labels(job: &ReplayJob<'_>, schedule: &[Due]) -> Result<(), ReplayError> {
    let path = job.out.join("labels.ndjson");
    let write = || {
        std::fs::create_dir_all(job.out)?;
        let mut file = BufWriter::new(File::create(&path)?);
        for label in super::truth::labels(job.recording, schedule) {
            serde_json::to_writer(&mut file, &label)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    write().map_err(|source| ReplayError::Write {
        path: path.clone(),
        source,
    })
}

/// The way out.
enum Out {
    Topic {
        producer: Producer,
        topic: Topic,
        partitions: i32,
    },
    Lines {
        path: PathBuf,
        out: Box<dyn Write>,
    },
    Null,
}

impl Out {
    fn open(sink: &ReplaySink, recording: &Recording) -> Result<Self, ReplayError> {
        Ok(match sink {
            ReplaySink::Topic { client, topic } => {
                let admin = Admin::new(client, PATIENCE)?;
                admin.wait_until_reachable(PATIENCE)?;
                let found = admin.topic(topic)?;
                let partitions = found.map_or(0, |found| found.partitions);
                if partitions == 0 {
                    return Err(ReplayError::NoTopic {
                        topic: topic.clone(),
                    });
                }
                let producer = Producer::new(client, &ProducerSettings::default())?;
                Self::Topic {
                    topic: producer.topic(topic)?,
                    producer,
                    partitions,
                }
            }
            ReplaySink::Stdout => Self::Lines {
                path: PathBuf::from("standard output"),
                out: Box::new(BufWriter::new(std::io::stdout())),
            },
            ReplaySink::Files(folder) => {
                let path = folder.join(format!("{}.ndjson", recording.stream));
                let file = std::fs::create_dir_all(folder).and_then(|()| File::create(&path));
                let file = file.map_err(|source| ReplayError::Write {
                    path: path.clone(),
                    source,
                })?;
                Self::Lines {
                    path,
                    out: Box::new(BufWriter::new(file)),
                }
            }
            ReplaySink::Null => Self::Null,
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Topic { topic, .. } => topic.name().to_owned(),
            Self::Lines { path, .. } => path.display().to_string(),
            Self::Null => "null".to_owned(),
        }
    }

    /// Hands a record over. False if there is no room now.
    fn send(
        &mut self,
        recorded: &Recorded,
        at: WallTime,
        number: usize,
        now_us: i64,
    ) -> Result<bool, ReplayError> {
        match self {
            Self::Null => Ok(true),
            Self::Lines { path, out } => {
                let written = out
                    .write_all(&recorded.value)
                    .and_then(|()| out.write_all(b"\n"));
                written.map_err(|source| ReplayError::Write {
                    path: path.clone(),
                    source,
                })?;
                Ok(true)
            }
            Self::Topic {
                producer,
                topic,
                partitions,
            } => {
                let headers: Vec<(&str, Option<&[u8]>)> = recorded
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_deref()))
                    .collect();
                let mut record = Record::new(topic, &recorded.value)
                    .partition(partition(recorded, number, *partitions))
                    .timestamp_ms(at.as_millis())
                    .headers(&headers);
                if !recorded.key.is_empty() {
                    record = record.key(&recorded.key);
                }
                match producer.send(&record, now_us.unsigned_abs()) {
                    Ok(()) => Ok(true),
                    Err(SendError::QueueFull) => Ok(false),
                    Err(source) => Err(ReplayError::Refused { number, source }),
                }
            }
        }
    }

    fn poll(&mut self, tally: &mut Tally<'_>, now_us: i64) {
        if let Self::Topic { producer, .. } = self {
            producer.poll(Duration::ZERO, &mut |delivery| {
                tally.report(delivery, now_us)
            });
        }
    }

    fn finish(&mut self, tally: &mut Tally<'_>, now: &dyn Fn() -> i64) -> Result<(), ReplayError> {
        match self {
            Self::Null => Ok(()),
            Self::Lines { path, out } => out.flush().map_err(|source| ReplayError::Write {
                path: path.clone(),
                source,
            }),
            Self::Topic { producer, .. } => {
                Ok(producer.flush(PATIENCE, &mut |delivery| tally.report(delivery, now()))?)
            }
        }
    }
}

/// The partition that a record had, if the topic has it; else its key's; else they take turns.
fn partition(recorded: &Recorded, number: usize, partitions: i32) -> i32 {
    match recorded.partition {
        Some(partition) if partition < partitions => partition,
        _ if !recorded.key.is_empty() => partition_for_key(&recorded.key, partitions),
        _ => i32::try_from(number % usize::try_from(partitions.max(1)).unwrap_or(1)).unwrap_or(0),
    }
}

/// What is counted on the way.
struct Tally<'a> {
    facts: StreamFacts,
    lateness: Histogram<u64>,
    latency: Histogram<u64>,
    fingerprint: Fingerprint,
    live: Live<'a>,
}

impl<'a> Tally<'a> {
    fn new(topic: String, live: Live<'a>) -> Result<Self, ReplayError> {
        Ok(Self {
            facts: StreamFacts {
                topics: vec![topic],
                ..StreamFacts::default()
            },
            lateness: up_to(HIGHEST_US)?,
            latency: up_to(HIGHEST_US)?,
            fingerprint: Fingerprint::default(),
            live,
        })
    }

    fn sent(&mut self, record: &Recorded, due: RunMicros, now_us: i64) {
        let late = (now_us - due.0).max(0).unsigned_abs();
        self.lateness.saturating_record(late);
        self.live.send_lateness.record(late);
        self.fingerprint.add(&record.key, &record.value);
        self.facts.due += 1;
        self.facts.sent += 1;
        self.facts.bytes += (record.key.len() + record.value.len()) as u64;
    }

    fn acknowledged(&mut self, after_us: u64) {
        self.facts.acknowledged += 1;
        self.latency.saturating_record(after_us);
        self.live.acknowledgement.record(after_us);
    }

    fn report(&mut self, delivery: Delivery, now_us: i64) {
        match delivery.outcome {
            Outcome::Delivered { .. } => {
                self.acknowledged(now_us.unsigned_abs().saturating_sub(delivery.tag));
            }
            Outcome::Failed { code, .. } => {
                self.facts.failed += 1;
                *self.facts.failures.entry(format!("{code:?}")).or_default() += 1;
            }
        }
    }

    /// Shows what has been done until now, with what is left of the schedule.
    fn show(&mut self, left: &[Due], now_us: i64) -> Result<(), ReplayError> {
        self.live.write(&self.facts, left, now_us)
    }

    fn facts(mut self) -> Result<StreamFacts, ReplayError> {
        self.facts.send_lateness = EncodedHistogram::of(&self.lateness)?;
        self.facts.acknowledge_latency = EncodedHistogram::of(&self.latency)?;
        self.facts.fingerprint = self.fingerprint.to_string();
        Ok(self.facts)
    }
}
