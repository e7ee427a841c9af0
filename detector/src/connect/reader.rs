//! The thread of a connector: a consumer in front of a destination.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use floodmark_contracts::{clock::Clock, subject::SinkFacts};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, PartitionOffset, TopicPartition,
    consumer::{CommitMode, Event, StartOffset},
};

use super::{Destination, Ending, Record, SinkError, Taken, Tally, Which, Written};
use crate::{restarts::chain, watch::Watch};

/// Records taken at once.
const BATCH: usize = 1024;

/// Longest wait for records.
const WAIT: Duration = Duration::from_millis(50);

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connector goes on at the end, to write what is in the topic.
const LONGEST_DRAIN_US: i64 = 10_000_000;

/// Pauses after a failure: the first, doubled each time up to the last.
const FIRST_PAUSE_US: i64 = 100_000;
const LONGEST_PAUSE_US: i64 = 10_000_000;

/// How often what is shown of a connector is brought up to date.
const SHOWN_EVERY_US: i64 = 250_000;

/// Fetched ahead, KiB. A connector needs no more, and there may be several of them.
const QUEUE_KIB: u32 = 8 * 1024;

/// What a connector is made of.
pub(super) struct Reader<'a> {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) topics: Vec<String>,
    pub(super) client: &'a ClientSettings,
    pub(super) watch: &'a Watch,
    pub(super) clock: &'a dyn Clock,
    pub(super) ending: &'a Ending,
    pub(super) tally: Tally,
}

impl Reader<'_> {
    /// Reads and writes until it is told to end. Whatever fails is tried again from the start.
    pub(super) fn run(
        self,
        open: &dyn Fn() -> Result<Box<dyn Destination>, SinkError>,
    ) -> SinkFacts {
        let mut pause = Pause::default();
        while !self.is_over() {
            let before = self.tally.written.load(Ordering::Relaxed);
            match self.session(open) {
                Ok(()) => break,
                Err(error) => {
                    if self.tally.written.load(Ordering::Relaxed) > before {
                        pause = Pause::default();
                    }
                    let until = pause.after_failure(self.clock.monotonic_us());
                    self.failed(&error);
                    self.wait(until);
                }
            }
        }
        self.tally.facts()
    }

    fn session(
        &self,
        open: &dyn Fn() -> Result<Box<dyn Destination>, SinkError>,
    ) -> Result<(), SinkError> {
        let destination = open()?;
        let mut settings = ConsumerSettings::in_group(&self.group);
        settings.report_ends = true;
        let queue = "queued.max.messages.kbytes";
        if !self.client.properties.contains_key(queue) {
            settings.queue_kib = Some(QUEUE_KIB);
        }
        let mut consumer = BatchConsumer::new(self.client, &settings).map_err(in_topic)?;
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(in_topic)?;
        let session = Session {
            reader: self,
            consumer,
            destination,
            places: BTreeMap::new(),
            assigned: false,
            failing: None,
            shown_us: i64::MIN,
        };
        session.work()
    }

    fn is_over(&self) -> bool {
        self.ending.now.load(Ordering::Relaxed) || self.ending.drain.load(Ordering::Relaxed)
    }

    fn failed(&self, error: &SinkError) {
        count(&self.tally.failures, 1);
        let reason = chain(error);
        tracing::warn!(sink = self.name, reason, "a sink failed; trying again");
        self.watch.sink(&self.name, |of| {
            of.failures += 1;
            of.failing = true;
            of.last_failure = Some(reason);
        });
    }

    fn wait(&self, until_us: i64) {
        while self.clock.monotonic_us() < until_us && !self.is_over() {
            self.clock.sleep(WAIT);
        }
    }
}

/// Growing pauses.
#[derive(Debug, Default)]
struct Pause {
    last_us: i64,
}

impl Pause {
    /// When to try again after a failure now.
    fn after_failure(&mut self, now_us: i64) -> i64 {
        self.last_us = (self.last_us * 2).clamp(FIRST_PAUSE_US, LONGEST_PAUSE_US);
        now_us + self.last_us
    }
}

/// How far a partition is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The next record; nothing as long as none was seen and the log's beginning is not known.
    next: Option<i64>,
    /// Where the partition's end was last seen. Behind the last record there may be marks of transactions.
    end: i64,
}

struct Session<'a> {
    reader: &'a Reader<'a>,
    consumer: BatchConsumer,
    destination: Box<dyn Destination>,
    places: BTreeMap<TopicPartition, Place>,
    /// The group has answered, though perhaps with nothing.
    assigned: bool,
    /// The destination does not take anything: the pauses, and when to try again.
    failing: Option<(Pause, i64)>,
    /// When it was shown last how far it is.
    shown_us: i64,
}

impl Session<'_> {
    fn work(mut self) -> Result<(), SinkError> {
        let mut batch = Batch::with_capacity(BATCH);
        let mut drain: Option<Drain> = None;
        while !self.reader.ending.now.load(Ordering::Relaxed) {
            self.consumer.poll(&mut batch, WAIT).map_err(in_topic)?;
            self.take(&batch);
            for event in batch.events() {
                self.handle(event)?;
            }
            let now_us = self.reader.clock.monotonic_us();
            self.write(Which::Due(now_us), now_us)?;
            if now_us >= self.shown_us.saturating_add(SHOWN_EVERY_US) {
                self.shown_us = now_us;
                self.show();
            }
            if !self.reader.ending.drain.load(Ordering::Relaxed) {
                continue;
            }
            let drain = match &mut drain {
                Some(drain) => drain,
                None => drain.insert(self.drain(now_us)?),
            };
            if drain.is_done(&self.places, self.assigned) {
                self.write(Which::All, now_us)?;
            }
            let written = drain.is_done(&self.places, self.assigned) && self.failing.is_none();
            if written || now_us >= drain.deadline_us {
                break;
            }
        }
        self.show();
        self.consumer.close().map_err(in_topic)
    }

    /// Shows how far it is.
    fn show(&self) {
        let facts = self.reader.tally.facts();
        // Behind the last record there may be marks of transactions, which nobody reads.
        let lag = self.places.iter().map(|(partition, place)| {
            let end = self.consumer.known_end(partition)?;
            let read = place.next.map_or(place.end, |next| next.max(place.end));
            u64::try_from(end - read).ok().or(Some(0))
        });
        // While it fails nothing is fetched, so that nobody here hears of new ends.
        let is_known = self.assigned && self.failing.is_none();
        let lag = lag.sum::<Option<u64>>().filter(|_| is_known);
        self.reader.watch.sink(&self.reader.name, |of| {
            (of.read, of.written, of.lag) = (facts.read, facts.written, lag);
            of.failing = self.failing.is_some();
        });
    }

    /// What is there at the end has to be written.
    fn drain(&self, now_us: i64) -> Result<Drain, SinkError> {
        let admin = Admin::new(self.reader.client, PATIENCE).map_err(in_topic)?;
        let names: Vec<&str> = self.reader.topics.iter().map(String::as_str).collect();
        let marks = admin.watermarks(&names).map_err(in_topic)?;
        let ends = marks.into_iter().filter(|mark| mark.high > mark.low);
        Ok(Drain {
            ends: ends.map(|mark| (mark.partition, mark.high)).collect(),
            deadline_us: now_us + LONGEST_DRAIN_US,
        })
    }

    fn take(&mut self, batch: &Batch) {
        let now_us = self.reader.clock.monotonic_us();
        let tally = &self.reader.tally;
        let mut at = TopicPartition::new("", 0);
        for message in batch.messages() {
            let Some(topic) = self.reader.topics.get(message.topic_index()) else {
                continue;
            };
            // Records of a partition come one after the other: its name is written once for all of them.
            if at.partition != message.partition() || at.topic != *topic {
                at = TopicPartition::new(topic, message.partition());
            }
            let Some(place) = self.places.get_mut(&at) else {
                continue;
            };
            // What was on its way when a partition was paused can come again.
            if place.next.is_some_and(|next| message.offset() < next) {
                continue;
            }
            place.next = Some(message.offset() + 1);
            let record = Record {
                at: &at,
                offset: message.offset(),
                written_ms: message.timestamp().map(|time| time.millis),
                key: message.key(),
                value: message.payload().unwrap_or_default(),
            };
            count(&tally.read, 1);
            match self.destination.take(&record, now_us) {
                Taken::Kept | Taken::Passed => {}
                Taken::Invalid => count(&tally.invalid, 1),
                Taken::Late => count(&tally.late, 1),
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::Assigned { partitions } => self.assign(partitions)?,
            Event::Revoked { partitions, lost } => {
                if !lost && self.failing.is_none() {
                    let now_us = self.reader.clock.monotonic_us();
                    self.write(Which::All, now_us)?;
                }
                for partition in partitions {
                    self.places.remove(partition);
                    self.destination.give_up(partition);
                }
            }
            Event::EndOfPartition { partition, offset } => {
                if let Some(place) = self.places.get_mut(partition) {
                    place.end = *offset;
                }
            }
            Event::DataLost {
                partition,
                resume,
                detail,
            } => {
                if let Some(place) = self.places.get_mut(partition) {
                    place.next = None;
                }
                let sink = &self.reader.name;
                tracing::warn!(sink, %partition, detail, "records are gone; going on with those that are there");
                let start = [(partition.clone(), *resume)];
                self.consumer.seek(&start, PATIENCE).map_err(in_topic)?;
            }
            other => tracing::debug!(sink = self.reader.name, ?other, "the consumer reports"),
        }
        Ok(())
    }

    /// Takes partitions on where the destination says, or else where the group has committed.
    fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        let committed = self
            .consumer
            .committed(partitions, PATIENCE)
            .map_err(in_topic)?;
        let mut starts = Vec::new();
        for partition in partitions {
            let found = committed
                .iter()
                .find(|at| at.topic_partition() == *partition);
            let start = self
                .destination
                .take_on(partition, found.map(|at| at.offset))?;
            let place = Place {
                next: start,
                end: 0,
            };
            self.places.insert(partition.clone(), place);
            let start = start.map_or(StartOffset::Beginning, StartOffset::At);
            starts.push((partition.clone(), start));
        }
        self.consumer.accept(&starts, PATIENCE).map_err(in_topic)?;
        if self.failing.is_some() {
            self.consumer.pause(partitions).map_err(in_topic)?;
        }
        self.assigned = true;
        Ok(())
    }

    /// Lets the destination write, unless it has failed just now. As long as it fails nothing is read, but the
    /// group is kept content.
    fn write(&mut self, which: Which, now_us: i64) -> Result<(), SinkError> {
        if self
            .failing
            .as_ref()
            .is_some_and(|(_, again)| now_us < *again)
        {
            return Ok(());
        }
        match self.destination.write(which) {
            Ok(written) => {
                if self.failing.take().is_some() {
                    self.resume()?;
                }
                self.commit(&written)
            }
            Err(error) if error.start_over => Err(error),
            Err(error) => {
                self.reader.failed(&error);
                let mut pause = match self.failing.take() {
                    Some((pause, _)) => pause,
                    None => {
                        let partitions: Vec<TopicPartition> = self.places.keys().cloned().collect();
                        self.consumer.pause(&partitions).map_err(in_topic)?;
                        Pause::default()
                    }
                };
                let again = pause.after_failure(now_us);
                self.failing = Some((pause, again));
                Ok(())
            }
        }
    }

    /// Goes on after a pause, behind the last record that was taken: the client's own position can be ahead
    /// of it by what it dropped when it was paused.
    fn resume(&mut self) -> Result<(), SinkError> {
        let partitions: Vec<TopicPartition> = self.places.keys().cloned().collect();
        let places: Vec<(TopicPartition, StartOffset)> = self
            .places
            .iter()
            .map(|(partition, place)| {
                let at = place.next.map_or(StartOffset::Beginning, StartOffset::At);
                (partition.clone(), at)
            })
            .collect();
        if !places.is_empty() {
            self.consumer.seek(&places, PATIENCE).map_err(in_topic)?;
        }
        self.consumer.resume(&partitions).map_err(in_topic)
    }

    /// A commit that fails is no harm: what is read again is written in the same place.
    fn commit(&mut self, written: &Written) -> Result<(), SinkError> {
        count(&self.reader.tally.written, written.records);
        let offsets: &[PartitionOffset] = &written.offsets;
        if offsets.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.consumer.commit(offsets, CommitMode::Wait) {
            if error.is_fatal() {
                return Err(in_topic(error));
            }
            tracing::debug!(sink = self.reader.name, %error, "offsets cannot be committed");
        }
        Ok(())
    }
}

/// What has to be read before the end.
struct Drain {
    ends: BTreeMap<TopicPartition, i64>,
    deadline_us: i64,
}

impl Drain {
    fn is_done(&self, places: &BTreeMap<TopicPartition, Place>, assigned: bool) -> bool {
        // What other members have is theirs to write.
        let read = |(partition, place): (&TopicPartition, &Place)| {
            self.ends
                .get(partition)
                .is_none_or(|end| place.next.max(Some(place.end)) >= Some(*end))
        };
        assigned && places.iter().all(read)
    }
}

fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

fn in_topic(error: floodmark_kafka::Error) -> SinkError {
    SinkError::new("read the sink's topics", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut pause = Pause::default();
        let pauses: Vec<i64> = (0..9).map(|_| pause.after_failure(0) / 1000).collect();
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
    }
}
