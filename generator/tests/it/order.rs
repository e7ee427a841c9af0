//! What labels say about when their events are sent, and how they come among the others, is what the events show.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use floodmark_contracts::{
    clock::RunMicros,
    kind::Kind,
    label::{EventOrder, Label},
    stream::Stream,
};
use floodmark_generator::{Event, Form, Plan, Share, SinkChoice, events, labels, run};
use proptest::prelude::*;

use super::{
    fixture::{ALL, all, decode, more, resolved, section},
    run::{HandClock, job},
    workers::disturbed,
};

/// When an event was to be sent, and how far it lay behind the newest of its partition.
type Sent = (RunMicros, u64);

/// What the events of a stream show, by their ids, as this many workers send them.
fn recounted(plan: &Plan, stream: Stream, workers: u32) -> BTreeMap<String, Sent> {
    let mut found = BTreeMap::new();
    for index in 0..workers {
        let share = Share::new(index, workers).unwrap();
        let mut partitions: BTreeMap<(u32, i32), Vec<Event>> = BTreeMap::new();
        for event in events(plan, stream, share).unwrap() {
            if event.form == Form::Event {
                let partition = (event.topic, event.partition);
                partitions.entry(partition).or_default().push(event);
            }
        }
        for log in partitions.into_values() {
            let mut newest = i64::MIN;
            for event in log {
                newest = newest.max(event.event_time.0);
                let sent = RunMicros(event.due_ns / 1000);
                let behind_ms = newest.abs_diff(event.event_time.0);
                found.insert(decode(stream, &event).id, (sent, behind_ms));
            }
        }
    }
    found
}

/// Holds all labels of a plan against its events; gives the number of those with an event that lay behind.
fn check(plan: &Plan, workers: u32) -> Result<usize, TestCaseError> {
    let streams = plan.streams();
    let sent: BTreeMap<String, Sent> = streams
        .flat_map(|stream| recounted(plan, stream, workers))
        .collect();
    let mut disordered = 0;
    for label in labels(plan) {
        let of_label: Vec<Sent> = label.event_ids.iter().map(|id| sent[id]).collect();
        let times: Vec<RunMicros> = of_label.iter().map(|(at, _)| *at).collect();
        prop_assert_eq!(&label.event_sent, &times, "{}", label.id);
        let behind = || of_label.iter().map(|(_, behind_ms)| *behind_ms);
        let expected = behind().max().map(|behind_ms| EventOrder {
            on_time: behind().filter(|behind_ms| *behind_ms == 0).count() as u64,
            behind_ms,
        });
        prop_assert_eq!(label.order, expected, "{}", label.id);
        prop_assert_eq!(label.order.is_none(), label.kind == Kind::DropOut);
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            prop_assert_eq!((label.first_sent, label.last_sent), (*first, *last));
        }
        disordered += usize::from(behind().any(|behind_ms| behind_ms > 0));
    }
    Ok(disordered)
}

/// The plan of all kinds with lines more for one of its streams.
fn with(stream: Stream, lines: &str) -> Plan {
    let head = format!("  {stream}:\n");
    resolved(section(
        &ALL.replace(&head, &format!("{head}    {lines}\n")),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// forall seed, workers: labels say of each of their events when it is sent and whether it comes behind a newer one of
    /// its partition.
    #[test]
    fn labels_say_how_their_events_come(seed: u64, workers in 1u32..4) {
        for plan in [all(seed), more(seed), disturbed(seed)] {
            prop_assert!(check(&plan, workers)? > 2);
        }
    }
}

#[test]
fn labels_say_how_their_events_come_whatever_keys_and_clocks_are() {
    for (stream, lines) in [
        (Stream::Clickstream, "key: session_id"),
        (Stream::Clickstream, "key: none"),
        (
            Stream::Banking,
            "offline: { share: 0.5, every: 4m, length: 2m }",
        ),
        (
            Stream::Sensors,
            "offline: { share: 0.5, every: 4m, length: 2m }",
        ),
        (
            Stream::Sensors,
            "clock_skew: { share: 0.5, offset: { uniform: { min: 1s, max: 20s } } }",
        ),
        (
            Stream::Sensors,
            "jitter: { share: 1, delay: { uniform: { min: 0ms, max: 200ms } } }",
        ),
    ] {
        let disordered = check(&with(stream, lines), 1).unwrap();
        assert!(disordered > 2, "{lines}: {disordered}");
    }
}

#[test]
fn a_stream_without_delays_has_labels_on_time() {
    let mut section = section(ALL);
    let streams = &mut section.streams;
    for stream in [
        &mut streams.clickstream,
        &mut streams.banking,
        &mut streams.sensors,
    ] {
        let stream = stream.as_mut().unwrap();
        (stream.disorder, stream.lateness) = (None, None);
    }
    assert_eq!(check(&resolved(section), 1).unwrap(), 0);
}

/// Labels and the histogram of a run count the same thing.
#[test]
fn what_lies_behind_is_what_a_run_counts_so() {
    let out = tempfile::tempdir().unwrap();
    let job = job(section(ALL), out.path());
    let stop = AtomicBool::new(false);
    let facts = run(
        &job,
        &SinkChoice::Null,
        &HandClock::new(),
        &stop,
        &mut |_| {},
    )
    .unwrap();
    let plan = resolved(job.section.clone());
    for stream in Stream::ALL {
        let sent = recounted(&plan, stream, 1);
        let behind = sent.values().filter(|(_, behind_ms)| *behind_ms > 0);
        let counted = facts.streams[&stream].disorder.behind.decoded().unwrap();
        assert_eq!(counted.len(), behind.count() as u64, "{stream}");
    }
    let written = std::fs::read_to_string(out.path().join("labels.ndjson")).unwrap();
    let written: Vec<Label> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(written, labels(&plan));
}
