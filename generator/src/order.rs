//! Which events of incidents lie behind others of their partition, and how far, before anything is sent.
//!
//! An event that is due at `d` with event time `t` lies behind by
//! ```text
//! max(event times of the records of its lane that are due before d) - t
//! ```
//! if that is above 0: what [`Realised`](crate::realised::Realised) counts of all events as they are sent. Nearly always
//! this can be found without making the events: event time grows with the slot, so of the slots that arrive up to `d` the
//! last one of the same lane that is due before `d` has the newest event time. Lane and delay of a slot follow from its
//! number alone, but for three things: clocks that are wrong, visitors who are offline, and records that are keyed by
//! another field than their entity. In such a stream the events are made once, as far as the last one asked for.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::stream::Stream;

use crate::{
    events::{Event, Lanes, Placed, events},
    extras::Form,
    plan::{Plan, StreamPlan},
    realised::Newest,
    shape::Shape,
    share::Share,
};

/// Milliseconds of event time by which the events of slots lie behind. Those that are on time are left out, and so are slots
/// without an event.
pub(crate) fn behind_ms(
    plan: &Plan,
    stream: &StreamPlan,
    slots: &BTreeSet<u64>,
) -> BTreeMap<u64, u64> {
    if slots.is_empty() || is_in_order(stream) {
        return BTreeMap::new();
    }
    if is_placed_by_slot(stream) {
        by_looking_back(plan, stream, slots)
    } else {
        by_making_all(plan, stream.stream, slots)
    }
}

/// True if nothing can come behind: nothing is delayed, and all clocks are right.
fn is_in_order(stream: &StreamPlan) -> bool {
    stream.clock_skew.is_none() && stream.delays.longest_us() == 0
}

/// True if event time grows with the slots, and lane and delay of an event follow from its slot alone.
fn is_placed_by_slot(stream: &StreamPlan) -> bool {
    // Sensors take turns, so their slots tell whose they are.
    let is_anonymous = stream.stream != Stream::Sensors;
    let is_keyed_by_field = stream.shape.as_ref().is_some_and(Shape::is_keyed_by_field);
    stream.clock_skew.is_none()
        && !(is_anonymous && stream.delays.depend_on_entity())
        && !is_keyed_by_field
}

/// Looks from the instant at which each event is due back to its own slot.
fn by_looking_back(plan: &Plan, stream: &StreamPlan, slots: &BTreeSet<u64>) -> BTreeMap<u64, u64> {
    let lanes = Lanes::new(plan, stream);
    let behind = slots.iter().filter_map(|slot| {
        let placed = lanes.of(*slot)?;
        let newest = newest_before(stream, &lanes, *slot, placed)?;
        let behind_ms = stream.event_time(newest).since(stream.event_time(*slot));
        (behind_ms > 0).then_some((*slot, behind_ms.unsigned_abs()))
    });
    behind.collect()
}

/// The last slot after `slot` whose event is in the same lane and due before that of `slot`; none if there is none.
fn newest_before(stream: &StreamPlan, lanes: &Lanes<'_>, slot: u64, placed: Placed) -> Option<u64> {
    let until_ns = due_ns(stream, slot, placed);
    // An event that arrives at that very instant comes after the one that has waited for it.
    let arrived = stream.schedule.first_at(until_ns);
    (slot + 1..arrived).rev().find(|other| {
        let in_lane = lanes.of(*other).filter(|found| found.lane == placed.lane);
        in_lane.is_some_and(|found| due_ns(stream, *other, found) < until_ns)
    })
}

/// When a slot's event is due, in nanoseconds of wall time since the start.
fn due_ns(stream: &StreamPlan, slot: u64, placed: Placed) -> i64 {
    let arrival_ns = stream.schedule.arrival_ns(slot);
    // Where it is not known whose event it is, nobody is ever offline.
    let entity = placed.entity.unwrap_or_default();
    let delay = stream.delay(slot, entity, stream.offset_ms(arrival_ns));
    arrival_ns + delay.wall_ns
}

/// Makes the events in the order of sending until all that were asked for have come.
fn by_making_all(plan: &Plan, stream: Stream, slots: &BTreeSet<u64>) -> BTreeMap<u64, u64> {
    let mut behind = BTreeMap::new();
    let Some(mut events) = events(plan, stream, Share::WHOLE) else {
        return behind;
    };
    let (mut newest, mut event, mut left) = (Newest::default(), Event::default(), slots.len());
    while left > 0 && events.next_into(&mut event) {
        if event.form != Form::Event {
            continue;
        }
        let behind_ms = newest.behind_ms(event.lane, event.event_time);
        if slots.contains(&event.slot) {
            left -= 1;
            if behind_ms > 0 {
                behind.insert(event.slot, behind_ms);
            }
        }
    }
    behind
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::job::GeneratorSection;
    use proptest::prelude::*;

    use super::*;

    /// Streams in which lanes and delays follow from the slot alone.
    const PLAIN: &str = r#"
name: plain
seed: 1
duration: 4s
warm_up: 0s
event_time: { speed: 60, origin: "2025-06-10T05:00:00Z" }
streams:
  clickstream:
    rate: 900/s
    arrivals: poisson
    partitions: 4
    population: { entities: 400, skew: 1 }
    partition_skew: 1
    idle: [{ partition: 1, from: 1s, for: 1s }]
    jitter: { share: 1, delay: { log-normal: { median: 3ms, sigma: 1, max: 200ms } } }
    disorder: { share: 0.3, delay: { exponential: { mean: 500ms, max: 2s } } }
    lateness: { share: 0.05, delay: { uniform: { min: 5s, max: 60s } } }
    anomalies: [ { traffic-spike: { count: 1, duration: 1m } } ]
  banking:
    rate: 500/s
    partitions: 3
    population: { entities: 300, skew: 0.5 }
    disorder: { share: 1, delay: { uniform: { min: 0s, max: 2s } } }
    key: none
    anomalies: [ { machine-speed-input: { count: 1 } } ]
  sensors:
    rate: 600/s
    partitions: 3
    population: { entities: 10, types: { a: { share: 0.5 }, b: { share: 0.5, topic: b } } }
    idle: [{ partition: 0, from: 1s, for: 1s }]
    lateness: { share: 0.1, delay: { uniform: { min: 5s, max: 60s } } }
    offline: { share: 0.3, every: 1m, length: 20s }
    anomalies: [ { drop-out: { count: 2, duration: 1m } } ]
"#;

    fn plan(seed: u64, text: &str) -> Plan {
        let section: GeneratorSection = serde_saphyr::from_str(text).unwrap();
        Plan::resolve(&GeneratorSection { seed, ..section }).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        /// forall seed, slots: looking back finds what making all events finds.
        #[test]
        fn looking_back_finds_what_making_all_events_finds(seed: u64) {
            let plan = plan(seed, PLAIN);
            for stream in plan.stream_plans() {
                prop_assert!(is_placed_by_slot(stream) && !is_in_order(stream));
                let slots: BTreeSet<u64> = (0..stream.schedule.count()).collect();
                let found = by_looking_back(&plan, stream, &slots);
                prop_assert!(found.len() > 20, "{} of {}", found.len(), stream.stream);
                prop_assert!(found == by_making_all(&plan, stream.stream, &slots), "{}", stream.stream);
            }
        }
    }

    /// A plan of clickstream alone, with lines more.
    fn clicks(lines: &str) -> Plan {
        let head = "name: one\nseed: 1\nduration: 2s\nwarm_up: 0s\nevent_time: {}\n";
        let stream = "streams:\n  clickstream:\n    rate: 500/s\n    arrivals: poisson\n";
        plan(1, &format!("{head}{stream}    {lines}\n"))
    }

    #[test]
    fn what_a_slot_does_not_tell_is_not_looked_for_in_it() {
        for (line, is_placed) in [
            ("", true),
            (
                "jitter: { share: 1, delay: { uniform: { min: 0ms, max: 5ms } } }",
                true,
            ),
            ("offline: { share: 0.2, every: 1m, length: 10s }", false),
            (
                "clock_skew: { share: 0.2, offset: { uniform: { min: 1s, max: 2s } } }",
                false,
            ),
            ("key: session_id", false),
            ("key: none", true),
        ] {
            let plan = clicks(line);
            let stream = &plan.stream_plans()[0];
            assert_eq!(is_placed_by_slot(stream), is_placed, "{line}");
        }
    }

    #[test]
    fn without_delays_and_wrong_clocks_all_events_are_on_time() {
        let plan = clicks("");
        let stream = &plan.stream_plans()[0];
        assert!(is_in_order(stream));
        let slots: BTreeSet<u64> = (0..stream.schedule.count()).collect();
        assert_eq!(by_making_all(&plan, stream.stream, &slots), BTreeMap::new());
        assert_eq!(behind_ms(&plan, stream, &slots), BTreeMap::new());
    }
}
