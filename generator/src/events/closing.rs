//! The events that close a run: they push the watermarks on, so that the last windows close.

use floodmark_contracts::{clock::EventTime, stream::Stream};

use super::{Event, encoder};
use crate::{
    banking::Customers,
    clickstream::Visitors,
    content::{Content, Place},
    crowd::Visits as _,
    plan::{Plan, StreamPlan},
    sensors::ordinary_reading,
    shape::SchemaIds,
};

/// The closing events of a stream: for each partition of its topics one ordinary event, long enough after the end
/// of the run in event time to close every window. Sent after the last event and counted apart.
#[must_use]
pub fn closing_events(plan: &Plan, stream: Stream, schema_ids: SchemaIds) -> Vec<Event> {
    let Some(stream_plan) = plan.stream(stream) else {
        return Vec::new();
    };
    let mut encoder = encoder(plan, stream_plan);
    encoder.schema_ids = schema_ids;
    let at = plan.closing_time();
    let partitions = stream_plan.partitions;
    (0..stream_plan.lanes())
        .map(|number| {
            let slot = stream_plan.schedule.count() + u64::from(number);
            let entity = entity_of_lane(stream_plan, number);
            let content = ordinary(plan, stream_plan, entity, slot, at);
            let mut event = Event {
                slot,
                due_ns: plan.duration().0 * 1000,
                event_time: at,
                frame_len: encoder.frame_len(),
                topic: number / partitions,
                partition: i32::try_from(number % partitions).unwrap_or(i32::MAX),
                lane: number,
                ..Event::default()
            };
            let place = Place {
                slot,
                at,
                new_id: false,
            };
            encoder.encode(&content, place, &mut event.key, &mut event.value);
            event
        })
        .collect()
}

/// An entity whose records go to this lane; any, where none does.
fn entity_of_lane(plan: &StreamPlan, wanted: u32) -> u32 {
    // With a thousand partitions, nearly every partition has one among the first 20,000.
    (0..plan.entities.min(20_000))
        .find(|entity| plan.lane_of(*entity) == wanted)
        .unwrap_or(wanted % plan.entities)
}

fn ordinary(plan: &Plan, stream: &StreamPlan, entity: u32, slot: u64, at: EventTime) -> Content {
    let mut draws = stream.slot_draws(slot);
    match stream.stream {
        Stream::Clickstream => Visitors::new(plan.book(), stream.key).single(entity, &mut draws),
        Stream::Banking => {
            Customers::new(plan.book(), stream.entities, stream.key).single(entity, &mut draws)
        }
        Stream::Sensors => {
            let cycle = slot / u64::from(stream.entities) + 1;
            Content::Reading(ordinary_reading(stream, entity, cycle, at))
        }
    }
}
