//! The collecting thread.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    clock::{Clock, WallTime},
    record::CollectorFacts,
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, TopicPartition,
    consumer::{Event, Message, StartOffset},
};

use super::{
    AlertShape, AlertSource, CollectError, Found, LAST_READ, Origin, RecentAlert, Shared, TIMEOUT,
};

/// Records taken at once.
const BATCH: usize = 4096;

/// How long one poll waits: the time within which a finish is noticed.
const POLL: Duration = Duration::from_millis(20);

/// Reasons for garbage that are kept.
const EXAMPLES: usize = 5;

/// Characters of a reason that are kept: a record can be megabytes of anything.
const EXAMPLE_CHARS: usize = 200;

/// Alerts that are written to the file at most, a stated limit: a detector that floods must not fill the disk, nor the
/// memory of whoever scores. Those beyond are counted.
const KEPT: u64 = 5_000_000;

/// A reader of the alert topics.
pub(super) struct Reader {
    consumer: BatchConsumer,
    admin: Admin,
    topics: Vec<String>,
    /// What the records of each topic look like, in the order of `topics`.
    shapes: Vec<AlertShape>,
    /// Per partition, the offset up to which it has been read to its end.
    ends: BTreeMap<TopicPartition, i64>,
    file: BufWriter<File>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    facts: CollectorFacts,
    /// Those of the batch at hand that say when they end.
    recent: Vec<RecentAlert>,
}

impl Reader {
    pub(super) fn new(
        client: &ClientSettings,
        admin: Admin,
        sources: &[AlertSource],
        partitions: Vec<TopicPartition>,
        out: &Path,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Result<Self, CollectError> {
        // Alerts of a transaction that was aborted were never raised: the default isolation.
        let settings = ConsumerSettings {
            report_ends: true,
            ..ConsumerSettings::default()
        };
        let mut consumer = BatchConsumer::new(client, &settings).map_err(CollectError::Cluster)?;
        let places: Vec<(TopicPartition, StartOffset)> = partitions
            .iter()
            .map(|partition| (partition.clone(), StartOffset::Beginning))
            .collect();
        consumer
            .assign(&places, TIMEOUT)
            .map_err(CollectError::Cluster)?;
        let topics: Vec<String> = consumer.topics().into_iter().map(str::to_owned).collect();
        let shape_of = |topic: &String| {
            let source = sources.iter().find(|source| source.topic == *topic);
            source.map_or(AlertShape::Floodmark, |source| source.shape.clone())
        };
        let shapes = topics.iter().map(shape_of).collect();
        let file = File::create(out).map_err(|source| CollectError::File {
            path: out.to_owned(),
            source,
        })?;
        Ok(Self {
            consumer,
            admin,
            topics,
            shapes,
            ends: partitions
                .into_iter()
                .map(|partition| (partition, -1))
                .collect(),
            file: BufWriter::with_capacity(1 << 18, file),
            path: out.to_owned(),
            clock,
            shared,
            facts: CollectorFacts::default(),
            recent: Vec::new(),
        })
    }

    /// Reads until the owner wants to finish and everything that is there then has been read. A failure is a fact: what
    /// was read until then stands, and so does the rest of the run.
    pub(super) fn run(mut self) -> CollectorFacts {
        if let Err(error) = self.read() {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            let failure = format!("{error}{}", source.unwrap_or_default());
            tracing::error!(failure, "alerts are not read any more");
            self.facts.failure = Some(failure);
        }
        self.facts
    }

    fn read(&mut self) -> Result<(), CollectError> {
        let mut batch = Batch::with_capacity(BATCH);
        while !self.shared.finishing.load(Ordering::Acquire) {
            self.step(&mut batch)?;
        }
        let highs = self.highs()?;
        let begun = self.clock.monotonic_us();
        loop {
            let behind = highs
                .iter()
                .filter(|(partition, high)| self.ends.get(partition) < Some(high));
            let partitions = behind.count();
            if partitions == 0 {
                break;
            }
            if self.clock.monotonic_us() - begun > LAST_READ.as_micros() as i64 {
                self.facts.unread_partitions = partitions as u64;
                break;
            }
            self.step(&mut batch)?;
        }
        self.flush()
    }

    /// One batch.
    fn step(&mut self, batch: &mut Batch) -> Result<(), CollectError> {
        self.consumer
            .poll(batch, POLL)
            .map_err(CollectError::Cluster)?;
        let seen_at = self.clock.now();
        let before = self.facts.alerts;
        for message in batch.messages() {
            match self.read_alert(&message) {
                Ok(Found::Alert(alert)) => self.write(alert, &message, seen_at, false)?,
                Ok(Found::Untimed(alert)) => self.write(alert, &message, seen_at, true)?,
                Ok(Found::Nothing) => {}
                Err(reason) => self.note_garbage(&message, &reason),
            }
        }
        if self.facts.alerts > before {
            // What has been counted is in the file: a run that is cut short loses nothing.
            self.flush()?;
            self.shared
                .last_seen
                .store(self.clock.monotonic_us(), Ordering::Relaxed);
            self.shared
                .alerts
                .store(self.facts.alerts, Ordering::Relaxed);
            self.shared.add_recent(&mut self.recent);
        }
        for event in batch.events() {
            match event {
                Event::EndOfPartition { partition, offset } => {
                    self.ends.insert(partition.clone(), *offset);
                }
                // A broker that came back with less: its alerts come again.
                Event::DataLost {
                    partition,
                    resume: resume @ StartOffset::At(_),
                    detail,
                } => {
                    tracing::warn!(%partition, detail, "a log of alerts was cut off; going on at its end");
                    let start = [(partition.clone(), *resume)];
                    self.consumer
                        .seek(&start, TIMEOUT)
                        .map_err(CollectError::Cluster)?;
                }
                Event::DataLost {
                    partition, detail, ..
                } => {
                    self.flush()?;
                    return Err(CollectError::Lost {
                        topic: partition.topic.clone(),
                        partition: partition.partition,
                        detail: detail.clone(),
                    });
                }
                Event::Error { detail, .. } => tracing::debug!(%detail, "collecting alerts"),
                _ => {}
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        alert: Alert,
        message: &Message<'_>,
        seen_at: WallTime,
        untimed: bool,
    ) -> Result<(), CollectError> {
        if self.facts.alerts >= KEPT {
            self.facts.alerts += 1;
            self.facts.not_kept += 1;
            return Ok(());
        }
        let collected = CollectedAlert {
            alert,
            topic: self.topic_of(message).to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            appended_at: message
                .timestamp()
                .map_or(seen_at, |stamp| WallTime(stamp.millis.saturating_mul(1000))),
            seen_at,
            untimed,
        };
        if !untimed {
            self.recent.push(RecentAlert {
                seen_at,
                appended_at: collected.appended_at,
                end: collected.alert.end,
            });
        }
        serde_json::to_writer(&mut self.file, &collected)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|source| self.file_error(source))?;
        self.facts.alerts += 1;
        Ok(())
    }

    /// What a record says, or why it is no alert.
    fn read_alert(&self, message: &Message<'_>) -> Result<Found, String> {
        let origin = Origin {
            topic: self.topic_of(message),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().and_then(|key| std::str::from_utf8(key).ok()),
        };
        let payload = message.payload().ok_or("the record has no value")?;
        let shape = self.shapes.get(message.topic_index());
        shape
            .unwrap_or(&AlertShape::Floodmark)
            .read(payload, &origin)
    }

    fn note_garbage(&mut self, message: &Message<'_>, reason: &str) {
        self.facts.garbage += 1;
        if self.facts.garbage_examples.len() < EXAMPLES {
            let reason: String = reason.chars().take(EXAMPLE_CHARS).collect();
            let at = format!(
                "{}[{}] offset {}: {reason}",
                self.topic_of(message),
                message.partition(),
                message.offset()
            );
            self.facts.garbage_examples.push(at);
        }
    }

    fn topic_of(&self, message: &Message<'_>) -> &str {
        self.topics
            .get(message.topic_index())
            .map_or("", String::as_str)
    }

    /// The end of each partition now.
    fn highs(&self) -> Result<Vec<(TopicPartition, i64)>, CollectError> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let bounds = self
            .admin
            .watermarks(&names)
            .map_err(CollectError::Cluster)?;
        Ok(bounds
            .into_iter()
            .map(|bound| (bound.partition, bound.high))
            .collect())
    }

    fn flush(&mut self) -> Result<(), CollectError> {
        self.file.flush().map_err(|source| self.file_error(source))
    }

    fn file_error(&self, source: std::io::Error) -> CollectError {
        CollectError::File {
            path: self.path.clone(),
            source,
        }
    }
}

/// The alert in a record's value, or why there is none.
///
/// # Errors
/// What is wrong with it.
pub fn alert_in(payload: &[u8]) -> Result<Alert, String> {
    let alert: Alert = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    check_span(&alert)?;
    Ok(alert)
}

/// Refuses an alert that ends before it starts.
pub(super) fn check_span(alert: &Alert) -> Result<(), String> {
    if alert.end < alert.start {
        return Err(format!(
            "`end` {} is before `start` {}",
            alert.end.0, alert.start.0
        ));
    }
    Ok(())
}
