//! The events of a stream, in the order in which they are due.

mod closing;
mod lanes;
mod source;

use std::{cmp::Reverse, collections::BinaryHeap};

use floodmark_contracts::{clock::EventTime, site::Site, stream::Stream};

pub use self::closing::closing_events;
use self::source::{Arrival, Source};
pub(crate) use self::{
    lanes::{Lanes, Placed},
    source::Filling,
};
use crate::{
    content::{Content, Encoder, Place},
    delay::{Delay, Delayed},
    extras::{Form, malform},
    fingerprint::Fingerprint,
    plan::{Plan, StreamPlan},
    schedule,
    shape::SchemaIds,
    share::Share,
};

/// A record, ready to be sent. Reused from one to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its slot.
    pub slot: u64,
    /// What it is to its slot: the event itself, a second copy, or a malformed record.
    pub form: Form,
    /// When it is to be sent, in nanoseconds of wall time since the start of the run.
    pub due_ns: i64,
    /// Its event time, as its producer's clock says.
    pub event_time: EventTime,
    /// Number of its topic among the stream's.
    pub topic: u32,
    /// Its partition: the key's, as Java's clients choose it.
    pub partition: i32,
    /// Its partition among those of all topics: [`Plan::lanes`].
    pub lane: u32,
    /// The record's key.
    pub key: Vec<u8>,
    /// The record's value.
    pub value: Vec<u8>,
    /// Bytes of the value in front of its body: the frame of an Avro record.
    pub frame_len: usize,
    /// How it was delayed.
    pub delayed: Delayed,
    /// How long it was delayed, in microseconds of event time.
    pub delay_us: i64,
}

impl Event {
    /// The value without what differs between registries: the frame of an Avro record.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.value.get(self.frame_len..).unwrap_or_default()
    }
}

/// The events of one stream of a plan that one worker makes. Pure: the same plan gives the same events.
pub struct Events<'a> {
    plan: &'a StreamPlan,
    source: Source<'a>,
    encoder: Encoder<'a>,
    arrivals: schedule::Cursor<'a>,
    /// The next slot and when it arrives.
    upcoming: Option<(u64, i64)>,
    /// Records that are due later than they arrived, or once more.
    waiting: Waiting,
    silent: u64,
}

/// A record without its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pending {
    due_ns: i64,
    slot: u64,
    form: Form,
    offset_ms: i64,
    content: Content,
    lane: u32,
    delay: Delay,
}

/// Records that wait for their due times. The heap holds no more of them than what orders them: a record
/// is several times as large, and would be moved at every step down the heap.
#[derive(Debug, Default)]
struct Waiting {
    heap: BinaryHeap<Reverse<Turn>>,
    records: Vec<Pending>,
    free: Vec<u32>,
}

/// The place of a record in the order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    due_ns: i64,
    slot: u64,
    form: Form,
    /// Where it waits; no two records have all of the above in common.
    at: u32,
}

impl Waiting {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer than 2^32 records fit into memory"
    )]
    fn push(&mut self, record: Pending) {
        let at = self.free.pop().unwrap_or(self.records.len() as u32);
        match self.records.get_mut(at as usize) {
            Some(place) => *place = record,
            None => self.records.push(record),
        }
        let Pending {
            due_ns, slot, form, ..
        } = record;
        self.heap.push(Reverse(Turn {
            due_ns,
            slot,
            form,
            at,
        }));
    }

    /// The first record, if it comes before the slot that arrives next.
    fn pop_before(&mut self, upcoming: Option<(u64, i64)>) -> Option<&Pending> {
        let Reverse(first) = self.heap.peek()?;
        if upcoming.is_some_and(|(slot, at)| (first.due_ns, first.slot) >= (at, slot)) {
            return None;
        }
        let Reverse(first) = self.heap.pop()?;
        self.free.push(first.at);
        self.records.get(first.at as usize)
    }
}

/// The events of a stream in the partitions that `share` owns, in the order of their due times; none
/// if the plan does not have the stream.
///
/// The events of all shares together are those of [`Share::WHOLE`], and each partition's are the same
/// in the same order.
#[must_use]
pub fn events(plan: &Plan, stream: Stream, share: Share) -> Option<Events<'_>> {
    let stream_plan = plan.stream(stream)?;
    let mut arrivals = stream_plan.schedule.cursor();
    Some(Events {
        plan: stream_plan,
        source: Source::new(plan, stream_plan, share),
        encoder: encoder(plan, stream_plan),
        upcoming: arrivals.next(),
        arrivals,
        waiting: Waiting::default(),
        silent: 0,
    })
}

/// Digest of all records of a stream, as it stands in `generator.json` after a whole run; none if the
/// plan does not have the stream.
#[must_use]
pub fn fingerprint(plan: &Plan, stream: Stream) -> Option<String> {
    let mut events = events(plan, stream, Share::WHOLE)?;
    let (mut digest, mut event) = (Fingerprint::default(), Event::default());
    while events.next_into(&mut event) {
        digest.add(&event.key, event.body());
    }
    Some(digest.to_string())
}

impl Events<'_> {
    /// Sets the schema ids that Avro values carry: the registry's.
    #[must_use]
    pub fn with_schema_ids(mut self, schema_ids: SchemaIds) -> Self {
        self.encoder.schema_ids = schema_ids;
        self
    }

    /// Slots so far that hold nothing: their sensor was silent, or all partitions idle. Together with
    /// the events they account for every slot.
    #[must_use]
    pub fn silent(&self) -> u64 {
        self.silent
    }

    /// Replaces `event` by the next one. False, with `event` as it was, after the last.
    pub fn next_into(&mut self, event: &mut Event) -> bool {
        let Some(pending) = self.next_pending() else {
            return false;
        };
        event.slot = pending.slot;
        event.form = pending.form;
        event.due_ns = pending.due_ns;
        event.event_time = self.plan.stamp(pending.offset_ms, pending.content.entity());
        event.delayed = pending.delay.class;
        event.delay_us = pending.delay.event_us;
        let place = Place {
            slot: pending.slot,
            at: event.event_time,
            new_id: pending.form == Form::NewId,
        };
        self.encoder
            .encode(&pending.content, place, &mut event.key, &mut event.value);
        if let Form::Malformed(kind) = pending.form {
            malform(kind, &mut event.value, self.plan.key, pending.slot);
        }
        self.put_in_lane(pending, event);
        event.frame_len = self.encoder.frame_len();
        true
    }

    /// Which topic and partition a record goes to, now that its key is known.
    fn put_in_lane(&self, pending: Pending, event: &mut Event) {
        let (mut own, partitions) = (pending.lane, self.plan.partitions);
        // Nearly all streams have one topic, and divisions are slow.
        event.topic = 0;
        if self.plan.topics.len() > 1 {
            (event.topic, own) = (own / partitions, own % partitions);
        }
        let slot = pending.slot;
        event.partition = self.encoder.partition(&event.key, slot, own, partitions);
        event.lane = event.topic * partitions + event.partition.unsigned_abs();
    }

    fn next_pending(&mut self) -> Option<Pending> {
        loop {
            if let Some(first) = self.waiting.pop_before(self.upcoming) {
                return Some(*first);
            }
            let (slot, wall_ns) = self.upcoming?;
            self.upcoming = self.arrivals.next();
            let Some(arrived) = self.arrival(slot, wall_ns) else {
                continue;
            };
            self.add_extras(arrived);
            if arrived.due_ns == wall_ns {
                return Some(arrived);
            }
            // The delay moves it back among those that wait; none that arrives later than its due
            // time can pass it there.
            self.waiting.push(arrived);
        }
    }

    fn add_extras(&mut self, event: Pending) {
        if let Some(extras) = &self.plan.extras {
            extras.of(event.slot, |form, after_ns| {
                let due_ns = event.due_ns + after_ns;
                self.waiting.push(Pending {
                    due_ns,
                    form,
                    ..event
                });
            });
        }
    }

    /// The event of a slot with its delay; none if the slot is another worker's or holds nothing.
    fn arrival(&mut self, slot: u64, wall_ns: i64) -> Option<Pending> {
        let offset_ms = self.plan.offset_ms(wall_ns);
        let arrival = Arrival {
            slot,
            wall_ns,
            offset_ms,
        };
        let (content, lane) = match self.source.fill(self.plan, arrival) {
            Filling::Event(content, lane) => (content, lane),
            Filling::Others => return None,
            Filling::Silence => {
                self.silent += 1;
                return None;
            }
        };
        let delay = self.plan.delay(slot, content.entity(), offset_ms);
        Some(Pending {
            due_ns: wall_ns + delay.wall_ns,
            slot,
            form: Form::Event,
            offset_ms,
            content,
            lane,
            delay,
        })
    }
}

impl Iterator for Events<'_> {
    type Item = Event;

    /// The next event in bytes of its own; [`Events::next_into`] reuses them.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        self.next_into(&mut event).then_some(event)
    }
}

fn encoder<'a>(plan: &'a Plan, stream: &'a StreamPlan) -> Encoder<'a> {
    Encoder {
        ids: stream.ids,
        book: plan.book(),
        site: Site::published(),
        shape: stream.shape.as_ref(),
        format: stream.format,
        schema_ids: SchemaIds::default(),
        referrer: stream.referrer,
        types: &stream.types,
    }
}
