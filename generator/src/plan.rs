//! The plan: everything that a run generates, worked out from the profile and the seed alone.
//!
//! A stream is a row of slots. Slot `k` arrives `a(k)` after the start of the run and carries the event
//! time `origin + speed * a(k)`; the event is due at `a(k)` plus its delay. Four slots in five carry on a
//! visit (see the crowd); the fifth is a visit by itself, drawn from the slot alone. Incidents take slots
//! of the second sort, so all other events are the same with and without them.

mod anomalies;
mod capture;
mod place;
mod resolve;

use std::{sync::Arc, time::Duration};

use floodmark_contracts::{
    clock::{EventTime, RunMicros, Timeline},
    job::GeneratorSection,
    problem::Problem,
    profile::shape::RawFormat,
    stream::Stream,
};

pub(crate) use self::{
    capture::{Capture, Planned, take_slots},
    place::{Claim, Entity, Magnitudes, Occupied, Spec},
};
use crate::{
    address::AddressBook,
    crowd::partition_of,
    delay::{Delay, Delays},
    draw::{Draws, Key},
    extras::Extras,
    fault::Effect,
    ids::EventIds,
    incident::Incident,
    schedule::Schedule,
    sensors::SensorTypes,
    shape::{Shape, Source, default_schema, own_fields},
    skew::{ClockSkew, Idle},
};

/// Share of the slots that are visits by themselves, which incidents may take.
pub(crate) const SINGLES: f64 = 0.2;

/// Event time from the end of the run to the closing events: longer than any window.
const CLOSING_AFTER_MS: i64 = 15 * 60_000;

/// A validated plan. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Plan {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    section: GeneratorSection,
    duration_ns: i64,
    warm_up_ns: i64,
    timeline: Timeline,
    transactions: Option<Duration>,
    book: AddressBook,
    streams: Vec<StreamPlan>,
}

/// The plan of one stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamPlan {
    pub(crate) stream: Stream,
    /// One, unless types of sensors have their own.
    pub(crate) topics: Vec<String>,
    /// Of each topic.
    pub(crate) partitions: u32,
    /// Events per second of wall time, over the whole run.
    pub(crate) rate: f64,
    pub(crate) entities: u32,
    pub(crate) skew: f64,
    pub(crate) partition_skew: f64,
    pub(crate) drift_ms: Option<i64>,
    /// How far the noise of the sensors of a group correlates, 0 to 1; nothing to other streams.
    pub(crate) correlation: f64,
    /// The types of sensors; none for other streams.
    pub(crate) types: SensorTypes,
    /// True if clicks say where their visitor was before.
    pub(crate) referrer: bool,
    pub(crate) schedule: Schedule,
    pub(crate) timeline: Timeline,
    pub(crate) delays: Delays,
    pub(crate) extras: Option<Extras>,
    pub(crate) clock_skew: Option<ClockSkew>,
    pub(crate) idle: Idle,
    pub(crate) key: Key,
    pub(crate) ids: EventIds,
    /// The shape of the records, where it is not the stream's own.
    pub(crate) shape: Option<Shape>,
    pub(crate) format: RawFormat,
    slots: Key,
    pub(crate) incidents: Vec<Incident>,
    /// Slots taken by incidents, in order; none for sensors.
    pub(crate) captures: Vec<Capture>,
    /// What incidents do to readings, by sensor and first reading; none for other streams.
    pub(crate) effects: Vec<Effect>,
}

impl Plan {
    /// Validates the profile's sections and places the incidents. No input or output.
    ///
    /// # Errors
    /// Every problem of the sections, each with its path in the profile and what would work.
    pub fn resolve(section: &GeneratorSection) -> Result<Self, Vec<Problem>> {
        resolve::resolve(section).map(|inner| Self {
            inner: Arc::new(inner),
        })
    }

    /// The sections that the plan was made from.
    #[must_use]
    pub fn section(&self) -> &GeneratorSection {
        &self.inner.section
    }

    /// How event time runs against wall time.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        self.inner.timeline
    }

    /// Wall time during which events arrive. Delayed ones are due later: see [`Plan::longest_delay`].
    #[must_use]
    pub fn duration(&self) -> RunMicros {
        RunMicros(self.inner.duration_ns / 1000)
    }

    /// The longest delay of any stream's records in wall time.
    #[must_use]
    pub fn longest_delay(&self) -> RunMicros {
        let longest = self
            .inner
            .streams
            .iter()
            .map(|stream| {
                let extras = stream.extras.as_ref();
                stream.delays.longest_us() + extras.map_or(0, Extras::longest_us)
            })
            .max();
        RunMicros(longest.unwrap_or(0))
    }

    /// Event time at the end of the run: no event but the closing ones lies at or after it.
    #[must_use]
    pub fn event_time_end(&self) -> EventTime {
        self.inner.timeline.event_time(self.duration())
    }

    /// Event time of the closing events.
    #[must_use]
    pub fn closing_time(&self) -> EventTime {
        self.event_time_end().plus_ms(CLOSING_AFTER_MS)
    }

    /// Event time before which no incident begins.
    #[must_use]
    pub fn warm_up_until(&self) -> EventTime {
        self.inner
            .timeline
            .event_time(RunMicros(self.inner.warm_up_ns / 1000))
    }

    /// The streams that the plan generates.
    pub fn streams(&self) -> impl Iterator<Item = Stream> + '_ {
        self.inner.streams.iter().map(|plan| plan.stream)
    }

    /// The topics of a stream, without a prefix, and the number of partitions of each. It is one topic,
    /// unless types of sensors have their own.
    #[must_use]
    pub fn topics(&self, stream: Stream) -> Option<(&[String], u32)> {
        let plan = self.stream(stream)?;
        Some((&plan.topics, plan.partitions))
    }

    /// Number of a stream's lanes: the partitions of all its topics. Workers own whole lanes.
    #[must_use]
    pub fn lanes(&self, stream: Stream) -> u32 {
        self.stream(stream).map_or(0, StreamPlan::lanes)
    }

    /// Time between commits where the producers write in transactions.
    #[must_use]
    pub fn transactions(&self) -> Option<Duration> {
        self.inner.transactions
    }

    /// Encoding of a stream's records; none if the plan does not have the stream.
    #[must_use]
    pub fn format(&self, stream: Stream) -> Option<RawFormat> {
        self.stream(stream).map(|plan| plan.format)
    }

    /// The Avro schemas that a stream's records are written with, by version; none for JSON.
    #[must_use]
    pub fn schemas(&self, stream: Stream) -> Vec<String> {
        match self.stream(stream).map(|plan| &plan.shape) {
            Some(Some(shape)) => shape.schemas().to_vec(),
            Some(None) if self.format(stream) == Some(RawFormat::Avro) => {
                vec![default_schema(stream).to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// Names of the fields of a stream's records, in their order. Further versions of the schema have
    /// more.
    #[must_use]
    pub fn field_names(&self, stream: Stream) -> Vec<String> {
        match self.stream(stream).map(|plan| &plan.shape) {
            Some(Some(shape)) => shape.names().map(str::to_owned).collect(),
            Some(None) => self
                .own_fields(stream)
                .map(|(name, _)| name.to_owned())
                .collect(),
            None => Vec::new(),
        }
    }

    /// The name under which a field of ours, such as `user_id`, is written; none if the stream does not
    /// have it or the profile leaves it out. Whatever names a field to people asks here.
    #[must_use]
    pub fn field_name(&self, stream: Stream, ours: &str) -> Option<&str> {
        let (name, source) = self.own_fields(stream).find(|(name, _)| *name == ours)?;
        match &self.stream(stream)?.shape {
            Some(shape) => shape.name_of(source),
            None => Some(name),
        }
    }

    fn own_fields(&self, stream: Stream) -> impl Iterator<Item = (&'static str, Source)> {
        let section = self.inner.section.streams.get(stream);
        let fields = section.map_or(&[][..], |section| own_fields(stream, section));
        fields.iter().copied()
    }

    /// Number of versions of a stream's schema over the run.
    #[must_use]
    pub fn version_count(&self, stream: Stream) -> usize {
        let shape = self.stream(stream).and_then(|plan| plan.shape.as_ref());
        shape.map_or(1, Shape::version_count)
    }

    /// Number of slots of a stream: of its events, but for the readings that drop-outs take away.
    #[must_use]
    pub fn slots(&self, stream: Stream) -> u64 {
        self.stream(stream).map_or(0, |plan| plan.schedule.count())
    }

    /// Number of records to expect of a stream: its slots, and the extra records beside the events.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run has far fewer than 2^53 slots"
    )]
    pub fn expected_records(&self, stream: Stream) -> u64 {
        let Some(plan) = self.stream(stream) else {
            return 0;
        };
        let extra = plan.extras.as_ref().map_or(0.0, Extras::per_event);
        (plan.schedule.count() as f64 * (1.0 + extra)).round() as u64
    }

    /// Events of a stream that are expected to arrive in the second of wall time that begins `second` after
    /// the start: what a Poisson process has on average.
    #[must_use]
    pub fn expected_in(&self, stream: Stream, second: i64) -> f64 {
        self.stream(stream)
            .map_or(0.0, |plan| plan.schedule.expected_in(second))
    }

    /// The shortest run in which at least `count` slots of all streams together arrive, in nanoseconds of
    /// wall time; none if the plan has fewer.
    #[must_use]
    pub fn duration_of_slots(&self, count: u64) -> Option<i64> {
        let before = |at_ns: i64| -> u64 {
            let plans = self.inner.streams.iter();
            plans.map(|plan| plan.schedule.first_at(at_ns)).sum()
        };
        let (mut low, mut high) = (0, self.inner.duration_ns);
        if before(high) < count {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle) < count {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    /// Turns an event's id back into its stream and slot: the audit of lost and doubled events.
    /// `None` for an id that is not of this plan. Readings have no such id.
    #[must_use]
    pub fn slot_of(&self, event_id: &str) -> Option<(Stream, u64)> {
        let id = uuid::Uuid::try_parse(event_id).ok()?;
        let (stream, slot) = EventIds::new(self.inner.section.seed).slot(id.as_u128())?;
        let plan = self.stream(stream)?;
        // A closing event's slot stands behind the last one.
        let end = plan.schedule.count() + u64::from(plan.lanes());
        (slot < end).then_some((stream, slot))
    }

    /// The id of a slot's event, or of its second copy under an id of its own; none of a reading, which has none.
    #[must_use]
    pub fn event_id(&self, stream: Stream, slot: u64, second: bool) -> Option<String> {
        if stream == Stream::Sensors {
            return None;
        }
        let ids = EventIds::new(self.inner.section.seed);
        let id = if second {
            ids.new_id(stream, slot)
        } else {
            ids.id(stream, slot)
        };
        Some(uuid::Uuid::from_u128(id).to_string())
    }

    /// Whether a partition's records are one share's: not where a profile asks for another key than the stream's
    /// entity, or for none.
    #[must_use]
    pub fn shares_are_partitions(&self, stream: Stream) -> bool {
        let shape = self.stream(stream).and_then(|plan| plan.shape.as_ref());
        shape.is_none_or(Shape::is_keyed_by_entity)
    }

    pub(crate) fn stream(&self, stream: Stream) -> Option<&StreamPlan> {
        self.inner.streams.iter().find(|plan| plan.stream == stream)
    }

    pub(crate) fn stream_plans(&self) -> &[StreamPlan] {
        &self.inner.streams
    }

    pub(crate) fn book(&self) -> &AddressBook {
        &self.inner.book
    }
}

impl StreamPlan {
    /// Event time of an arrival, which is never before the start, as an offset from the origin in
    /// milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a run is far shorter than i64 milliseconds"
    )]
    pub(crate) fn offset_ms(&self, arrival_ns: i64) -> i64 {
        (arrival_ns as f64 * self.timeline.speed / 1e6) as i64
    }

    /// Event time of a slot.
    pub(crate) fn event_time(&self, slot: u64) -> EventTime {
        self.timeline
            .origin
            .plus_ms(self.offset_ms(self.schedule.arrival_ns(slot)))
    }

    /// The first slot whose event time is at least this offset from the origin.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a run is far shorter than i64 nanoseconds"
    )]
    pub(crate) fn first_slot_at(&self, offset_ms: f64) -> u64 {
        self.schedule
            .first_at((offset_ms * 1e6 / self.timeline.speed).ceil() as i64)
    }

    /// Events per millisecond of event time, over the whole run.
    pub(crate) fn events_per_ms(&self) -> f64 {
        self.rate / self.timeline.speed / 1000.0
    }

    /// Number of lanes: the partitions of all topics.
    pub(crate) fn lanes(&self) -> u32 {
        u32::try_from(self.topics.len()).unwrap_or(1) * self.partitions
    }

    /// The lane of an entity's records: the number of its topic times the partitions of each, and its
    /// partition there.
    pub(crate) fn lane_of(&self, entity: u32) -> u32 {
        let partition = partition_of(self.stream, entity, self.partitions);
        self.types.topic(entity) * self.partitions + partition
    }

    /// True if an entity's event in this slot would fall into a time in which its partition is idle.
    pub(crate) fn is_idle(&self, slot: u64, entity: u32) -> bool {
        !self.idle.is_empty()
            && self.idle.covers(
                partition_of(self.stream, entity, self.partitions),
                self.schedule.arrival_ns(slot),
            )
    }

    /// The draws for what a slot says.
    pub(crate) fn slot_draws(&self, slot: u64) -> Draws {
        self.slots.draws(slot)
    }

    /// True if the slot is a visit by itself.
    pub(crate) fn is_single(draws: &mut Draws) -> bool {
        draws.chance(SINGLES)
    }

    /// The timestamp of an entity's event at this offset from the origin: event time as its
    /// producer's clock says.
    pub(crate) fn stamp(&self, offset_ms: i64, entity: u32) -> EventTime {
        let skew_ms = self
            .clock_skew
            .map_or(0, |clock_skew| clock_skew.offset_ms(entity));
        self.timeline.origin.plus_ms(offset_ms + skew_ms)
    }

    /// The timestamp of a slot's event, which is `entity`'s.
    pub(crate) fn stamp_of_slot(&self, slot: u64, entity: u32) -> EventTime {
        self.stamp(self.offset_ms(self.schedule.arrival_ns(slot)), entity)
    }

    /// The delay of a slot's event, which is `entity`'s, at this offset from the origin.
    pub(crate) fn delay(&self, slot: u64, entity: u32, offset_ms: i64) -> Delay {
        self.delays.of(slot, entity, offset_ms)
    }

    /// Intended send time of a slot's event, which is `entity`'s.
    pub(crate) fn sent(&self, slot: u64, entity: u32) -> RunMicros {
        let arrival_ns = self.schedule.arrival_ns(slot);
        let delay = self.delay(slot, entity, self.offset_ms(arrival_ns));
        RunMicros((arrival_ns + delay.wall_ns) / 1000)
    }
}

/// The keys of a stream's draws.
pub(crate) fn stream_key(seed: u64, stream: Stream) -> Key {
    Key::root(seed).child(stream as u64)
}
