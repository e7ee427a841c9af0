//! One partition, read back from its first record to its last.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    audit::{Difference, Differences, PartitionAudit},
    stream::Stream,
};
use floodmark_generator::{
    Event as Planned, Events, Form, SchemaIds, Share, closing_events, events,
};
use floodmark_kafka::{
    Batch, BatchConsumer, ConsumerSettings, TopicPartition,
    consumer::{Event, Message, StartOffset},
};

use super::{
    EXAMPLES, Request,
    sequence::{Expected, Found, Matcher, Odd, WINDOW},
};
use crate::run::files::micros;

/// Records taken at once.
const BATCH: usize = 4096;

/// Keys of records out of place that are remembered for examples: one that fits nowhere is one only later.
const KEYS: usize = 1000;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(50);

/// How long a broker may say nothing before the audit goes without the rest.
const SILENCE: Duration = Duration::from_secs(30);

/// Why a partition was not compared to its end: a signal came, or another one could not be read.
pub(super) const GIVEN_UP: &str = "comparing was given up";

/// A partition to compare.
pub(super) struct PartitionJob {
    pub(super) stream: Stream,
    /// Its number among the partitions of all of the stream's topics.
    pub(super) lane: u32,
    pub(super) bounds: PartitionAudit,
}

/// What was found in it.
pub(super) struct Outcome {
    pub(super) compared: u64,
    pub(super) found: Differences,
    pub(super) examples: Vec<Difference>,
}

impl PartitionJob {
    /// Records that are there.
    pub(super) fn records(&self) -> u64 {
        u64::try_from(self.bounds.high - self.bounds.low).unwrap_or(0)
    }

    /// Compares the partition with the plan. `done` counts records; gives up when `given_up` is set.
    pub(super) fn run(
        &self,
        request: &Request<'_>,
        done: &AtomicU64,
        given_up: &AtomicBool,
    ) -> Result<Outcome, String> {
        let log = PlanLog::new(request, self).ok_or("the plan has no such partition")?;
        let frame_len = log.frame_len();
        let gone = usize::try_from(self.bounds.low - self.bounds.from).unwrap_or(0);
        // What was deleted in front is taken to have been as planned: nobody can tell any more.
        let mut matcher = Matcher::new(log.skip(gone), WINDOW, EXAMPLES);
        let mut keys = Vec::new();
        self.read(request, given_up, &mut |message| {
            let (key, value) = (message.key().unwrap_or_default(), body(message, frame_len));
            let (hash, key_hash) = hashes(key, value);
            let found = Found {
                hash,
                key: key_hash,
                offset: message.offset(),
            };
            if !matcher.take(found) && keys.len() < KEYS {
                keys.push((found.offset, String::from_utf8(key.to_vec()).ok()));
            }
            done.fetch_add(1, Ordering::Relaxed);
        })?;
        let (compared, found, odd) = matcher.finish();
        let examples = odd.iter().map(|odd| self.example(request, *odd, &keys));
        Ok(Outcome {
            compared,
            found,
            examples: examples.collect(),
        })
    }

    /// Reads what is there, up to where the partition ended when it was counted.
    fn read(
        &self,
        request: &Request<'_>,
        given_up: &AtomicBool,
        take: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), String> {
        let bounds = &self.bounds;
        let place = TopicPartition::new(&bounds.topic, bounds.partition);
        let failed = |error: floodmark_kafka::Error| format!("{place} could not be read: {error}");
        // Records of a transaction that was aborted were never sent: the default isolation.
        let settings = ConsumerSettings {
            report_ends: true,
            ..ConsumerSettings::default()
        };
        let mut consumer = BatchConsumer::new(request.client, &settings).map_err(failed)?;
        let from = StartOffset::At(bounds.low);
        consumer
            .assign(&[(place.clone(), from)], SILENCE)
            .map_err(failed)?;
        let mut batch = Batch::with_capacity(BATCH);
        let mut position = bounds.low;
        let mut last_news = request.clock.monotonic_us();
        while position < bounds.high {
            if given_up.load(Ordering::Relaxed) {
                return Err(GIVEN_UP.to_owned());
            }
            consumer.poll(&mut batch, POLL).map_err(failed)?;
            let before = position;
            for message in batch.messages() {
                if message.offset() < bounds.high {
                    take(&message);
                }
                position = message.offset() + 1;
            }
            for event in batch.events() {
                match event {
                    // The last offsets may be a transaction's markers, which nobody gets to see.
                    Event::EndOfPartition { offset, .. } => position = position.max(*offset),
                    Event::DataLost { detail, .. } => {
                        return Err(format!(
                            "records of {place} were deleted meanwhile: {detail}"
                        ));
                    }
                    Event::Error { detail, .. } => tracing::debug!(%detail, "reading back"),
                    _ => {}
                }
            }
            let now = request.clock.monotonic_us();
            if position > before {
                last_news = now;
            } else if now - last_news > micros(SILENCE) {
                return Err(format!(
                    "nothing more of {place} came within {SILENCE:?} at offset {position} of {}",
                    bounds.high
                ));
            }
        }
        Ok(())
    }

    fn example(
        &self,
        request: &Request<'_>,
        odd: Odd,
        keys: &[(i64, Option<String>)],
    ) -> Difference {
        let key = |found: Found| {
            let known = keys.iter().find(|(offset, _)| *offset == found.offset);
            known.and_then(|(_, key)| key.clone())
        };
        let event_id = |expected: Expected| {
            let plan = request.plan;
            plan.event_id(self.stream, expected.slot, expected.new_id)
        };
        Difference {
            what: odd.what,
            topic: self.bounds.topic.clone(),
            partition: self.bounds.partition,
            offset: odd.found.map(|found| found.offset),
            slot: odd.expected.map(|expected| expected.slot),
            event_id: odd.expected.and_then(event_id),
            key: odd.found.and_then(key),
        }
    }
}

/// A partition's log as the plan has it: its share of the events, then the one that closes it.
struct PlanLog<'a> {
    events: Events<'a>,
    event: Planned,
    lane: u32,
    closing: std::vec::IntoIter<Planned>,
}

impl<'a> PlanLog<'a> {
    fn new(request: &Request<'a>, job: &PartitionJob) -> Option<Self> {
        let plan = request.plan;
        let share = if plan.shares_are_partitions(job.stream) {
            Share::new(job.lane, plan.lanes(job.stream))?
        } else {
            Share::WHOLE
        };
        // Ids of schemas are the registry's affair: the frame around a value is not compared.
        let mut closing = closing_events(plan, job.stream, SchemaIds::default());
        closing.retain(|event| event.lane == job.lane);
        Some(Self {
            events: events(plan, job.stream, share)?,
            event: Planned::default(),
            lane: job.lane,
            closing: closing.into_iter(),
        })
    }

    /// Bytes in front of the body of every value.
    fn frame_len(&self) -> usize {
        self.closing
            .as_slice()
            .first()
            .map_or(0, |event| event.frame_len)
    }
}

impl Iterator for PlanLog<'_> {
    type Item = Expected;

    fn next(&mut self) -> Option<Expected> {
        while self.events.next_into(&mut self.event) {
            if self.event.lane == self.lane {
                return Some(expected(&self.event));
            }
        }
        self.closing.next().map(|event| expected(&event))
    }
}

fn expected(event: &Planned) -> Expected {
    let (hash, key) = hashes(&event.key, event.body());
    Expected {
        hash,
        key,
        slot: event.slot,
        new_id: event.form == Form::NewId,
    }
}

fn body<'a>(message: &Message<'a>, frame_len: usize) -> &'a [u8] {
    let value = message.payload().unwrap_or_default();
    value.get(frame_len..).unwrap_or_default()
}

/// Hashes of a record and of its key. The keys of the hash are fixed: both sides are this process.
fn hashes(key: &[u8], body: &[u8]) -> (u64, u64) {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    (hasher.hash_one((key, body)), hasher.hash_one(key))
}
