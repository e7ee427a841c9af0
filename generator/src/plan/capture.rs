//! Slots for the events of incidents.

use std::collections::BTreeMap;

use super::{SINGLES, StreamPlan};
use crate::content::Content;

/// An event that an incident wants at about an event time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    /// Offset from the origin in milliseconds of event time.
    pub(crate) at_ms: f64,
    pub(crate) content: Content,
    /// False for what leads up to an incident and is ordinary in itself.
    pub(crate) labelled: bool,
}

/// A slot that an incident takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capture {
    pub(crate) slot: u64,
    pub(crate) content: Content,
}

/// Why an incident finds no slots, in words for a problem.
#[derive(Debug)]
pub(crate) struct NoRoom(pub(crate) String);

/// How much later than planned an event may come: a quarter of the incident, and at least ten seconds.
fn slack_ms(span_ms: f64) -> f64 {
    (span_ms / 4.0).max(10_000.0)
}

/// Takes for each planned event, in their order, the first free slot that is a visit by itself and
/// not before its time. Gives the slots of the labelled events; takes nothing if any finds no slot.
pub(crate) fn take_slots(
    plan: &StreamPlan,
    planned: &[Planned],
    taken: &mut BTreeMap<u64, Content>,
) -> Result<Vec<u64>, NoRoom> {
    let (Some(first), Some(last)) = (planned.first(), planned.last()) else {
        return Ok(Vec::new());
    };
    let span_ms = last.at_ms - first.at_ms;
    let slack_ms = slack_ms(span_ms);
    let mut found = Vec::with_capacity(planned.len());
    let mut next = 0;
    for event in planned {
        let mut slot = plan.first_slot_at(event.at_ms).max(next);
        let entity = event.content.entity();
        while slot < plan.schedule.count()
            && (taken.contains_key(&slot)
                || !StreamPlan::is_single(&mut plan.slot_draws(slot))
                || plan.is_idle(slot, entity))
        {
            slot += 1;
        }
        let beyond = slot >= plan.schedule.count();
        let at_ms = plan.offset_ms(
            plan.schedule
                .arrival_ns(slot.min(plan.schedule.count() - 1)),
        );
        if beyond || at_ms as f64 > event.at_ms + slack_ms {
            let seconds = (span_ms / 1000.0).max(1.0);
            return Err(NoRoom(format!(
                "needs {} events within {seconds:.0} s of event time, where the stream has room for about {:.0} \
                 of all its incidents; lower `magnitude` or `count`, or raise the run's `duration` or the \
                 stream's `rate`",
                planned.len(),
                seconds * 1000.0 * plan.events_per_ms() * SINGLES,
            )));
        }
        found.push(slot);
        next = slot + 1;
    }
    taken.extend(found.iter().copied().zip(planned.iter().map(|p| p.content)));
    let labelled = found
        .iter()
        .zip(planned)
        .filter(|(_, p)| p.labelled)
        .map(|(slot, _)| *slot);
    Ok(labelled.collect())
}
