//! The events of a stream, in the order in which they are due.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use floodmark_contracts::{clock::EventTime, record::DisorderFacts, site::Site, stream::Stream};
use floodmark_kafka::producer::partition_for_key;

use crate::{
    banking::Customers,
    clickstream::Visitors,
    content::{Content, Encoder, entity_name},
    crowd::{Crowd, CrowdSize},
    delay::Delayed,
    fingerprint::Fingerprint,
    plan::{Plan, SINGLES, StreamPlan},
    schedule,
    sensors::Sensors,
    shape::SchemaIds,
};

/// An event, ready to be sent. Reused from one event to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its slot.
    pub slot: u64,
    /// When it is to be sent, in nanoseconds of wall time since the start of the run.
    pub due_ns: i64,
    /// Its event time.
    pub event_time: EventTime,
    /// Its partition: the key's, as Java's clients choose it.
    pub partition: i32,
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

/// The events of one stream of a plan. Pure: the same plan gives the same events.
pub struct Events<'a> {
    plan: &'a StreamPlan,
    source: Source<'a>,
    encoder: Encoder<'a>,
    arrivals: schedule::Cursor<'a>,
    /// The first event that has arrived and waits for those that are due before it.
    arrived: Option<Pending>,
    delayed: BinaryHeap<Reverse<Pending>>,
}

/// What fills the slots. There are few of these, so their size does not matter.
enum Source<'a> {
    Clickstream(Taken<'a>, Crowd<Visitors<'a>>),
    Banking(Taken<'a>, Crowd<Customers<'a>>),
    Sensors(Sensors<'a>),
}

/// The slots that incidents take, with the place of the next one.
struct Taken<'a> {
    captures: &'a [crate::plan::Capture],
    next: usize,
}

/// An event without its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pending {
    due_ns: i64,
    slot: u64,
    offset_ms: i64,
    content: Content,
    delayed: Delayed,
    delay_us: i64,
}

impl Eq for Pending {}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due_ns, self.slot).cmp(&(other.due_ns, other.slot))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The events of a stream, in the order of their due times; none if the plan does not have the stream.
#[must_use]
pub fn events(plan: &Plan, stream: Stream) -> Option<Events<'_>> {
    let stream_plan = plan.stream(stream)?;
    Some(Events {
        plan: stream_plan,
        source: Source::new(plan, stream_plan),
        encoder: encoder(plan, stream_plan),
        arrivals: stream_plan.schedule.cursor(),
        arrived: None,
        delayed: BinaryHeap::new(),
    })
}

/// Digest of all events of a stream, as it stands in `generator.json` after a whole run; none if the
/// plan does not have the stream.
#[must_use]
pub fn fingerprint(plan: &Plan, stream: Stream) -> Option<String> {
    let mut events = events(plan, stream)?;
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

    /// Replaces `event` by the next one. False, with `event` as it was, after the last.
    pub fn next_into(&mut self, event: &mut Event) -> bool {
        let Some(pending) = self.next_pending() else {
            return false;
        };
        event.slot = pending.slot;
        event.due_ns = pending.due_ns;
        event.event_time = self.plan.timeline.origin.plus_ms(pending.offset_ms);
        event.delayed = pending.delayed;
        event.delay_us = pending.delay_us;
        let place = (pending.slot, event.event_time);
        self.encoder
            .encode(&pending.content, place, &mut event.key, &mut event.value);
        event.partition = self
            .encoder
            .partition(&event.key, pending.slot, self.plan.partitions);
        event.frame_len = self.encoder.frame_len();
        true
    }

    fn next_pending(&mut self) -> Option<Pending> {
        loop {
            if self.arrived.is_none() {
                self.arrived = self.next_arrival();
            }
            let Some(arrived) = self.arrived else {
                return self.delayed.pop().map(|Reverse(pending)| pending);
            };
            if self
                .delayed
                .peek()
                .is_some_and(|Reverse(first)| *first < arrived)
            {
                return self.delayed.pop().map(|Reverse(pending)| pending);
            }
            self.arrived = None;
            if arrived.delay_us == 0 {
                return Some(arrived);
            }
            // The delay moves it back among those that wait; none that arrives later than its due
            // time can pass it there.
            let due_ns = self.plan.due_ns(arrived.due_ns, arrived.delay_us);
            self.delayed.push(Reverse(Pending { due_ns, ..arrived }));
        }
    }

    /// The event of the next slot, as it arrives: due at its arrival, its delay not yet applied.
    fn next_arrival(&mut self) -> Option<Pending> {
        loop {
            let (slot, arrival_ns) = self.arrivals.next()?;
            let offset_ms = self.plan.offset_ms(arrival_ns);
            if let Some(content) = self.source.fill(self.plan, slot, offset_ms) {
                let (delay_us, delayed) = self.plan.delay(slot);
                let due_ns = arrival_ns;
                return Some(Pending {
                    due_ns,
                    slot,
                    offset_ms,
                    content,
                    delayed,
                    delay_us,
                });
            }
        }
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

impl<'a> Source<'a> {
    fn new(plan: &'a Plan, stream: &'a StreamPlan) -> Self {
        let size = CrowdSize {
            stream: stream.stream,
            entities: stream.entities,
            skew: stream.skew,
            partitions: stream.partitions,
            events_per_ms: stream.events_per_ms() * (1.0 - SINGLES),
        };
        let taken = Taken {
            captures: &stream.captures,
            next: 0,
        };
        match stream.stream {
            Stream::Clickstream => {
                let visitors = Visitors::new(plan.book(), stream.key);
                Self::Clickstream(taken, Crowd::new(visitors, size, stream.key))
            }
            Stream::Banking => {
                let customers = Customers::new(plan.book(), stream.entities, stream.key);
                Self::Banking(taken, Crowd::new(customers, size, stream.key))
            }
            Stream::Sensors => {
                Self::Sensors(Sensors::new(stream.entities, &stream.effects, stream.key))
            }
        }
    }

    /// What the event of a slot says; nothing for a silent sensor's.
    fn fill(&mut self, plan: &StreamPlan, slot: u64, offset_ms: i64) -> Option<Content> {
        match self {
            Self::Clickstream(taken, crowd) => Some(fill_from(taken, plan, slot, offset_ms, crowd)),
            Self::Banking(taken, crowd) => Some(fill_from(taken, plan, slot, offset_ms, crowd)),
            Self::Sensors(sensors) => {
                let reading = sensors.reading(slot, |slot| plan.event_time(slot).0)?;
                Some(Content::Reading(reading))
            }
        }
    }
}

fn fill_from<V: crate::crowd::Visits>(
    taken: &mut Taken<'_>,
    plan: &StreamPlan,
    slot: u64,
    offset_ms: i64,
    crowd: &mut Crowd<V>,
) -> Content {
    let mut draws = plan.slot_draws(slot);
    if !StreamPlan::is_single(&mut draws) {
        return crowd.next(offset_ms, &mut draws);
    }
    match taken.captures.get(taken.next) {
        Some(capture) if capture.slot == slot => {
            taken.next += 1;
            capture.content
        }
        _ => crowd.single(&mut draws),
    }
}

/// The closing events of a stream: for each partition one ordinary event, long enough after the end
/// of the run in event time to close every window. Sent after the last event and counted apart.
#[must_use]
pub fn closing_events(plan: &Plan, stream: Stream, schema_ids: SchemaIds) -> Vec<Event> {
    let Some(stream_plan) = plan.stream(stream) else {
        return Vec::new();
    };
    let mut encoder = encoder(plan, stream_plan);
    encoder.schema_ids = schema_ids;
    let at = plan.closing_time();
    let count = stream_plan.partitions;
    (0..count)
        .map(|number| {
            let wanted = i32::try_from(number).unwrap_or_default();
            let slot = stream_plan.schedule.count() + u64::from(number);
            let entity = entity_of_partition(stream_plan, wanted);
            let content = ordinary(plan, stream_plan, entity, slot, at);
            let mut event = Event {
                slot,
                due_ns: plan.duration().0 * 1000,
                event_time: at,
                partition: wanted,
                frame_len: encoder.frame_len(),
                ..Event::default()
            };
            encoder.encode(&content, (slot, at), &mut event.key, &mut event.value);
            event
        })
        .collect()
}

/// An entity whose key belongs to this partition; any, where none does.
fn entity_of_partition(plan: &StreamPlan, wanted: i32) -> u32 {
    let belongs = |entity: &u32| {
        partition(
            entity_name(plan.stream, *entity).as_bytes(),
            plan.partitions,
        ) == wanted
    };
    // With a thousand partitions, nearly every partition has one among the first 20,000.
    (0..plan.entities.min(20_000))
        .find(belongs)
        .unwrap_or(wanted.unsigned_abs() % plan.entities)
}

fn ordinary(plan: &Plan, stream: &StreamPlan, entity: u32, slot: u64, at: EventTime) -> Content {
    use crate::crowd::Visits as _;
    let mut draws = stream.slot_draws(slot);
    match stream.stream {
        Stream::Clickstream => Visitors::new(plan.book(), stream.key).single(entity, &mut draws),
        Stream::Banking => {
            Customers::new(plan.book(), stream.entities, stream.key).single(entity, &mut draws)
        }
        Stream::Sensors => {
            let sensors = Sensors::new(stream.entities, &[], stream.key);
            let cycle = slot / u64::from(stream.entities) + 1;
            let slot = sensors.rota.slot(entity, cycle);
            let reading = sensors.reading(slot, |_| at.0);
            Content::Reading(reading.unwrap_or(crate::content::Reading {
                sensor: entity,
                value: 0.0,
            }))
        }
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
    }
}

fn partition(key: &[u8], partitions: u32) -> i32 {
    partition_for_key(key, i32::try_from(partitions).unwrap_or(i32::MAX))
}

/// Counts disorder as it comes out.
pub(crate) fn count_disorder(facts: &mut DisorderFacts, event: &Event) {
    match event.delayed {
        Delayed::No => return,
        Delayed::Disordered => facts.disordered += 1,
        Delayed::Late => facts.late += 1,
    }
    // Rounded up: a bound that is reported must hold.
    facts.max_delay_ms = facts.max_delay_ms.max((event.delay_us + 999) / 1000);
}
