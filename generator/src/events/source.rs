//! What fills the slots of a stream.

use floodmark_contracts::stream::Stream;

use super::lanes::Placed;
use crate::{
    banking::Customers,
    clickstream::Visitors,
    content::Content,
    crowd::{Crowd, CrowdSize, Visits},
    draw::Draws,
    plan::{Capture, Plan, SINGLES, StreamPlan},
    sensors::Sensors,
    share::Share,
};

/// What a slot holds, for one of several workers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Filling {
    /// An event, and its lane: its partition among those of all topics.
    Event(Content, u32),
    /// An event that another worker makes.
    Others,
    /// Nothing: its sensor is silent, or all partitions are idle. One worker says so, the others
    /// [`Filling::Others`].
    Silence,
}

/// What fills the slots. There are few of these, so their size does not matter.
pub(super) enum Source<'a> {
    Clickstream(Taken<'a>, Crowd<Visitors<'a>>),
    Banking(Taken<'a>, Crowd<Customers<'a>>),
    Sensors(Sensors<'a>),
}

/// The slots that incidents take, with the place of the next one.
pub(super) struct Taken<'a> {
    captures: &'a [Capture],
    next: usize,
}

/// A slot, and when its event arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) slot: u64,
    pub(super) wall_ns: i64,
    pub(super) offset_ms: i64,
}

impl<'a> Source<'a> {
    pub(super) fn new(plan: &'a Plan, stream: &'a StreamPlan, share: Share) -> Self {
        let size = CrowdSize {
            stream: stream.stream,
            entities: stream.entities,
            skew: stream.skew,
            partitions: stream.partitions,
            partition_skew: stream.partition_skew,
            drift_ms: stream.drift_ms,
            events_per_ms: stream.events_per_ms() * (1.0 - SINGLES),
        };
        let taken = Taken {
            captures: &stream.captures,
            next: 0,
        };
        match stream.stream {
            Stream::Clickstream => {
                let visitors = Visitors::new(plan.book(), stream.key);
                Self::Clickstream(taken, Crowd::new(visitors, size, share, stream.key))
            }
            Stream::Banking => {
                let customers = Customers::new(plan.book(), stream.entities, stream.key);
                Self::Banking(taken, Crowd::new(customers, size, share, stream.key))
            }
            Stream::Sensors => Self::Sensors(Sensors::new(stream, share)),
        }
    }

    /// Where the event of a slot is, without making it; none if the slot holds nothing. Whoever asks need not own the slot.
    pub(super) fn placed(&self, plan: &StreamPlan, slot: u64) -> Option<Placed> {
        match self {
            Self::Clickstream(taken, crowd) => taken.placed(plan, slot, crowd),
            Self::Banking(taken, crowd) => taken.placed(plan, slot, crowd),
            Self::Sensors(sensors) => {
                let (sensor, lane) = sensors.placed(plan, slot)?;
                Some(Placed {
                    lane,
                    entity: Some(sensor),
                })
            }
        }
    }

    /// What the slot holds.
    pub(super) fn fill(&mut self, plan: &StreamPlan, arrival: Arrival) -> Filling {
        match self {
            Self::Clickstream(taken, crowd) => taken.fill(plan, arrival, crowd),
            Self::Banking(taken, crowd) => taken.fill(plan, arrival, crowd),
            Self::Sensors(sensors) => sensors.fill(plan, arrival.slot, arrival.wall_ns),
        }
    }
}

impl Taken<'_> {
    fn placed<V: Visits>(&self, plan: &StreamPlan, slot: u64, crowd: &Crowd<V>) -> Option<Placed> {
        let mut draws: Draws = plan.slot_draws(slot);
        let idle = |partition| {
            // The time of a slot may take a while to work out, and most streams are never idle.
            !plan.idle.is_empty() && plan.idle.covers(partition, plan.schedule.arrival_ns(slot))
        };
        if !StreamPlan::is_single(&mut draws) {
            let lane = crowd.lane_of_next(&mut draws, idle)?;
            return Some(Placed { lane, entity: None });
        }
        let capture = self
            .captures
            .binary_search_by_key(&slot, |capture| capture.slot);
        let (entity, lane) = match capture {
            Ok(index) => {
                let entity = self.captures[index].content.entity();
                (entity, plan.lane_of(entity))
            }
            Err(_) => crowd.user_of_single(&mut draws, idle)?,
        };
        Some(Placed {
            lane,
            entity: Some(entity),
        })
    }

    fn fill<V: Visits>(
        &mut self,
        plan: &StreamPlan,
        arrival: Arrival,
        crowd: &mut Crowd<V>,
    ) -> Filling {
        let mut draws: Draws = plan.slot_draws(arrival.slot);
        let idle = |partition| plan.idle.covers(partition, arrival.wall_ns);
        if !StreamPlan::is_single(&mut draws) {
            return crowd.next(arrival.offset_ms, &mut draws, idle);
        }
        match self.captures.get(self.next) {
            Some(capture) if capture.slot == arrival.slot => {
                self.next += 1;
                crowd.owned(capture.content)
            }
            _ => crowd.single(&mut draws, idle),
        }
    }
}
