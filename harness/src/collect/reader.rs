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

use super::{CollectError, LAST_READ, Shared, TIMEOUT};

/// Records taken at once.
const BATCH: usize = 4096;

/// How long one poll waits: the time within which a finish is noticed.
const POLL: Duration = Duration::from_millis(20);

/// Reasons for garbage that are kept.
const EXAMPLES: usize = 5;

/// Characters of a reason that are kept: a record can be megabytes of anything.
const EXAMPLE_CHARS: usize = 200;

/// A reader of the alert topics.
pub(super) struct Reader {
    consumer: BatchConsumer,
    admin: Admin,
    topics: Vec<String>,
    /// Per partition, the offset up to which it has been read to its end.
    ends: BTreeMap<TopicPartition, i64>,
    file: BufWriter<File>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    facts: CollectorFacts,
}

impl Reader {
    pub(super) fn new(
        client: &ClientSettings,
        admin: Admin,
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
        let topics = consumer.topics().into_iter().map(str::to_owned).collect();
        let file = File::create(out).map_err(|source| CollectError::File {
            path: out.to_owned(),
            source,
        })?;
        Ok(Self {
            consumer,
            admin,
            topics,
            ends: partitions
                .into_iter()
                .map(|partition| (partition, -1))
                .collect(),
            file: BufWriter::with_capacity(1 << 18, file),
            path: out.to_owned(),
            clock,
            shared,
            facts: CollectorFacts::default(),
        })
    }

    /// Reads until the owner wants to finish and everything that is there then has been read.
    pub(super) fn run(mut self) -> Result<CollectorFacts, CollectError> {
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
                self.flush()?;
                return Err(CollectError::NotRead {
                    partitions,
                    waited: LAST_READ,
                });
            }
            self.step(&mut batch)?;
        }
        self.flush()?;
        Ok(self.facts)
    }

    /// One batch.
    fn step(&mut self, batch: &mut Batch) -> Result<(), CollectError> {
        self.consumer
            .poll(batch, POLL)
            .map_err(CollectError::Cluster)?;
        let seen_at = self.clock.now();
        let before = self.facts.alerts;
        for message in batch.messages() {
            match read_alert(&message) {
                Ok(alert) => self.write(alert, &message, seen_at)?,
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
        }
        for event in batch.events() {
            match event {
                Event::EndOfPartition { partition, offset } => {
                    self.ends.insert(partition.clone(), *offset);
                }
                Event::DataLost { partition, detail } => {
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
    ) -> Result<(), CollectError> {
        let collected = CollectedAlert {
            alert,
            topic: self.topic_of(message).to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            appended_at: message
                .timestamp()
                .map_or(seen_at, |stamp| WallTime(stamp.millis.saturating_mul(1000))),
            seen_at,
        };
        serde_json::to_writer(&mut self.file, &collected)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|source| self.file_error(source))?;
        self.facts.alerts += 1;
        Ok(())
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

/// The alert in a record, or why it is none.
fn read_alert(message: &Message<'_>) -> Result<Alert, String> {
    alert_in(message.payload().ok_or("the record has no value")?)
}

/// The alert in a record's value, or why there is none.
///
/// # Errors
/// What is wrong with it.
pub fn alert_in(payload: &[u8]) -> Result<Alert, String> {
    let alert: Alert = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    if alert.end < alert.start {
        return Err(format!(
            "`end` {} is before `start` {}",
            alert.end.0, alert.start.0
        ));
    }
    Ok(alert)
}
