//! In which lanes the events of slots are, without the events.

use super::source::Source;
use crate::{
    plan::{Plan, StreamPlan},
    share::Share,
};

/// Finds the lane of any slot's event alone. Not for streams whose records are keyed by another field than their entity: the
/// lanes of those follow from what the events say.
pub(crate) struct Lanes<'a> {
    plan: &'a StreamPlan,
    source: Source<'a>,
}

/// Where a slot's event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The lane: its partition among those of all topics.
    pub(crate) lane: u32,
    /// Whose it is. None where it belongs to a visit, of which only the whole crowd knows whose turn it is.
    pub(crate) entity: Option<u32>,
}

impl<'a> Lanes<'a> {
    pub(crate) fn new(plan: &'a Plan, stream: &'a StreamPlan) -> Self {
        Self {
            plan: stream,
            source: Source::new(plan, stream, Share::NONE),
        }
    }

    /// Where the event of a slot is; none if the slot holds nothing.
    pub(crate) fn of(&self, slot: u64) -> Option<Placed> {
        let own = self.source.placed(self.plan, slot)?;
        let shape = self.plan.shape.as_ref();
        let partitions = self.plan.partitions;
        let without_key = shape.and_then(|shape| shape.partition(slot, partitions));
        Some(match without_key {
            None => own,
            Some(drawn) => Placed {
                lane: own.lane / partitions * partitions + drawn.unsigned_abs(),
                ..own
            },
        })
    }
}
