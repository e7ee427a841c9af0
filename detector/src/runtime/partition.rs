//! The task that owns one input partition: decodes, judges lateness, puts events into order and
//! drives the pipeline's logic.

use floodmark_contracts::{clock::EventTime, status::StateSize};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    exchange::{Part, Source, Standing},
    order::OrderBuffer,
    saved::{Frozen, Reader, Saved, SavedError, encoded, together},
    watermark::{TimeSettings, Watermark},
};

/// Event times from 1970 up to the year 2200 are believed. One record from a broken clock beyond
/// that would make every later event of its partition late.
const PLAUSIBLE_MS: std::ops::Range<i64> = 0..7_258_118_400_000;

/// The event time itself, if it can be one.
///
/// # Errors
/// What is wrong with it, for the dead-letter topic.
pub fn plausible(at: EventTime) -> Result<EventTime, String> {
    if PLAUSIBLE_MS.contains(&at.0) {
        return Ok(at);
    }
    Err(format!(
        "field `timestamp` is `{}`; expected milliseconds since 1970, before the year 2200",
        at.0
    ))
}

/// What a pipeline does with the events of one partition. Its state is its own; there is one
/// instance per partition.
pub trait Logic: Saved {
    /// A decoded event, small: many of them wait in memory.
    type Event: Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What goes on to a [`Merger`].
    type Partial: Part;
    /// What leaves the pipeline.
    type Output;

    /// Reads a record's value: the event's time, which must be [`plausible`], and the event.
    ///
    /// # Errors
    /// Why the value is not an event; it goes to the dead-letter topic with this reason.
    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Self::Event), String>;

    /// Takes an event. Events come in event-time order, each not before the last
    /// [`advance`](Self::advance).
    fn event(
        &mut self,
        at: EventTime,
        event: Self::Event,
        emit: &mut Emit<Self::Partial, Self::Output>,
    );

    /// Takes an event that came behind the watermark, but within the allowed lateness.
    fn late_event(
        &mut self,
        at: EventTime,
        event: Self::Event,
        emit: &mut Emit<Self::Partial, Self::Output>,
    );

    /// No event before `to` will come any more, but for late ones: windows close, deadlines pass.
    fn advance(&mut self, to: EventTime, emit: &mut Emit<Self::Partial, Self::Output>);

    /// How much state there is, for whoever watches.
    fn size(&self) -> StateSize {
        StateSize::default()
    }
}

/// What a pipeline does with what its partitions found.
pub trait Merger: Saved {
    /// What comes from the partitions.
    type Partial;
    /// What leaves the pipeline.
    type Output;

    /// Takes a partial result of `source`. False if it came too late to count.
    fn accept(
        &mut self,
        source: Source,
        partial: Self::Partial,
        out: &mut Vec<Self::Output>,
    ) -> bool;

    /// Every source that is not idle has passed `to`.
    fn advance(&mut self, to: EventTime, out: &mut Vec<Self::Output>);
}

/// Where a pipeline's logic puts its results.
#[derive(Debug)]
pub struct Emit<P, O> {
    /// For the pipeline's merger.
    pub partials: Vec<P>,
    /// For the world.
    pub outputs: Vec<O>,
}

impl<P, O> Default for Emit<P, O> {
    fn default() -> Self {
        Self {
            partials: Vec::new(),
            outputs: Vec::new(),
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fed {
    /// An event in time, or within the allowed lateness.
    Taken,
    /// An event later than that; dropped.
    Late,
    /// Not an event; the reason.
    Malformed(String),
}

/// One input partition.
#[derive(Debug)]
pub struct Partition<L: Logic> {
    logic: L,
    watermark: Watermark,
    buffer: OrderBuffer<L::Event>,
    lateness_ms: i64,
    last_record_us: i64,
    at_end: bool,
    idle: bool,
}

impl<L: Logic> Partition<L> {
    /// A partition without events, assigned at `wall_us`.
    pub fn new(settings: &TimeSettings, logic: L, wall_us: i64) -> Self {
        Self {
            logic,
            watermark: Watermark::new(settings),
            buffer: OrderBuffer::new(settings.grain_ms()),
            lateness_ms: settings.lateness_ms,
            last_record_us: wall_us,
            at_end: false,
            idle: false,
        }
    }

    /// Judges whether the partition is idle: it has been read to its end, and has had no record since
    /// `since_us`. A partition with records left to read is slow: to go on without it would lose them.
    pub fn judge_idle(&mut self, since_us: i64) -> bool {
        self.idle = self.at_end && self.last_record_us <= since_us;
        self.idle
    }

    /// Lets the silence begin anew at `wall_us`: until then nobody could have heard anything.
    pub fn restart_silence(&mut self, wall_us: i64) {
        self.last_record_us = self.last_record_us.max(wall_us);
        self.idle = false;
    }

    /// How far the partition is. It is idle from when that was last judged until its next record.
    pub fn standing(&self) -> Standing {
        Standing {
            watermark: self.watermark.current(),
            idle: self.idle,
        }
    }

    /// When the last record came, for a partition that is idle.
    pub fn silent_since_us(&self) -> Option<i64> {
        self.idle.then_some(self.last_record_us)
    }

    /// Takes note that the log has no further record now.
    pub fn reached_end(&mut self) {
        self.at_end = true;
    }

    /// How much is held: the logic's state and the events that wait.
    pub fn size(&self) -> StateSize {
        let mut size = self.logic.size();
        let waiting = self.buffer.len() as u64;
        size.add(StateSize {
            keys: 0,
            waiting,
            bytes: waiting * size_of::<(EventTime, L::Event)>() as u64,
            ..StateSize::default()
        });
        size
    }

    /// The pipeline's logic, to look at.
    #[cfg(test)]
    pub fn logic(&self) -> &L {
        &self.logic
    }

    /// Takes a record of the log.
    pub fn feed(
        &mut self,
        value: &[u8],
        wall_us: i64,
        emit: &mut Emit<L::Partial, L::Output>,
    ) -> Fed {
        self.last_record_us = wall_us;
        (self.at_end, self.idle) = (false, false);
        let (at, event) = match self.logic.decode(value) {
            Ok(decoded) => decoded,
            Err(reason) => return Fed::Malformed(reason),
        };
        // The watermark before this record decides, and it is this partition's own: whether an
        // event is late can be read off the log.
        let watermark = self.watermark.current();
        if at < watermark {
            if at < watermark.plus_ms(-self.lateness_ms) {
                return Fed::Late;
            }
            self.logic.late_event(at, event, emit);
            return Fed::Taken;
        }
        self.buffer.push(at, event);
        if self.watermark.observe(at) {
            self.release(emit);
        }
        Fed::Taken
    }

    /// Moves the watermark to `to` without an event, if that is ahead: the one way in which wall
    /// time changes state. Who calls it can record it, and apply it again at the same place of the
    /// log.
    pub fn advance(&mut self, to: EventTime, emit: &mut Emit<L::Partial, L::Output>) {
        if self.watermark.advance(to) {
            self.release(emit);
        }
    }

    /// The task's state as it is now, to be encoded later and elsewhere. When the partition last had a record is no
    /// part of it: that is wall time, of this process.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let watermark = encoded(&self.watermark)?;
        let (events, logic) = (self.buffer.freeze(), self.logic.freeze()?);
        Ok(together([watermark, events, logic]))
    }

    /// Takes the state of another task over that had the same settings.
    ///
    /// # Errors
    /// If the bytes are no task's.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.watermark, self.buffer) = from.get()?;
        self.logic.load(from)
    }

    fn release(&mut self, emit: &mut Emit<L::Partial, L::Output>) {
        let watermark = self.watermark.current();
        let mut reached = None;
        while let Some(mut bucket) = self.buffer.pop(watermark) {
            for (at, event) in bucket.drain(..) {
                // Deadlines and windows before this event come first, however far the watermark
                // jumped: results must not depend on the size of its steps.
                if reached != Some(at) {
                    self.logic.advance(at, emit);
                    reached = Some(at);
                }
                self.logic.event(at, event, emit);
            }
            self.buffer.recycle(bucket);
        }
        self.logic.advance(watermark, emit);
    }
}
