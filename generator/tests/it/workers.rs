//! Laws of shares, extra records and disturbances: what one worker makes, several make together.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{
    event::{banking::BankingUiEvent, clickstream::ClickEvent, confluent::split_frame},
    kind::Kind,
    stream::Stream,
};
use floodmark_generator::{Delayed, Event, Form, Malformation, Plan, Share, events, labels};
use proptest::prelude::*;

use super::fixture::{ALL, MORE, all_events, resolved, section};

/// Everything that disturbs a stream, on all of them.
const DISTURBED: &str = r#"
name: disturbed
seed: 1
duration: 10s
warm_up: 1s
event_time: { speed: 60, origin: "2025-06-10T05:00:00Z" }
streams:
  clickstream:
    rate: 1200/s
    arrivals: poisson
    partitions: 5
    population: { entities: 900, skew: 1.2, drift: 3m }
    partition_skew: 1
    idle: [{ partition: 1, from: 4s, for: 3s }]
    jitter: { share: 1, delay: { log-normal: { median: 3ms, sigma: 1, max: 200ms } } }
    disorder: { share: 0.3, delay: { exponential: { mean: 500ms, max: 2s } } }
    lateness: { share: 0.01, delay: { pareto: { min: 5s, alpha: 1.2, max: 60s } } }
    offline: { share: 0.2, every: 4m, length: 1m }
    clock_skew: { share: 0.1, offset: { uniform: { min: 1s, max: 20s } } }
    duplicates: { share: 0.05, new_ids: 0.4, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { bad-json: 0.01, missing-field: 0.01, wrong-type: 0.01, truncated: 0.01 }
    anomalies: [ { traffic-spike: { count: 1 } }, { bot: { count: 1 } } ]
  banking:
    rate: 500/s
    partitions: 4
    population: { entities: 700, skew: 0.5 }
    offline: { share: 0.2, every: 4m, length: 1m }
    clock_skew: { share: 0.2, ahead: 1, offset: { uniform: { min: 1s, max: 20s } } }
    duplicates: { share: 0.05, new_ids: 0.4, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { unknown-schema: 0.02, truncated: 0.01 }
    anomalies: [ { machine-speed-input: { count: 2 } } ]
  sensors:
    rate: 500/s
    partitions: 3
    population: { entities: 25 }
    idle: [{ partition: 0, from: 4s, for: 1s }]
    clock_skew: { share: 0.3, ahead: 0, offset: { uniform: { min: 1s, max: 20s } } }
    duplicates: { share: 0.05, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { missing-field: 0.02 }
    anomalies: [ { stuck-value: { count: 1 } } ]
"#;

/// A plan of [`DISTURBED`] with this seed.
pub fn disturbed(seed: u64) -> Plan {
    let mut section = section(DISTURBED);
    section.seed = seed;
    resolved(section)
}

/// [`DISTURBED`] with three types of sensors over two topics.
fn typed(seed: u64) -> Plan {
    let types = "{ a: { share: 0.5 }, b: { share: 0.3, topic: b }, c: { share: 0.2, topic: b } }";
    let mut section = section(DISTURBED);
    section.seed = seed;
    let sensors = section.streams.sensors.as_mut().unwrap();
    sensors.population.entities = 60;
    sensors.rate = Some("1200/s".to_owned());
    sensors.population.types = serde_saphyr::from_str(types).unwrap();
    resolved(section)
}

/// The records of each partition of each topic, in order.
fn logs(records: impl Iterator<Item = Event>) -> BTreeMap<u32, Vec<Event>> {
    let mut logs: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
    for record in records {
        logs.entry(record.lane).or_default().push(record);
    }
    logs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// forall seed, workers: together they make each partition's log as one does, and count the same
    /// silent slots.
    #[test]
    fn any_number_of_workers_makes_the_same_logs(seed: u64) {
        for plan in [disturbed(seed), typed(seed)] {
            check_workers(&plan)?;
        }
    }

    /// forall seed: every slot holds one event or is silent, every other record is of a kind that is
    /// counted, and records come in the order of their due times.
    #[test]
    fn every_record_is_accounted_for(seed: u64) {
        let plan = disturbed(seed);
        for stream in Stream::ALL {
            let mut source = events(&plan, stream, Share::WHOLE).unwrap();
            let records: Vec<Event> = source.by_ref().collect();
            prop_assert!(records.is_sorted_by_key(|r| r.due_ns));
            let mut of_slot: BTreeMap<u64, Vec<&Event>> = BTreeMap::new();
            for record in &records {
                of_slot.entry(record.slot).or_default().push(record);
            }
            prop_assert_eq!(of_slot.len() as u64 + source.silent(), plan.slots(stream));
            for records in of_slot.values() {
                let plain: Vec<_> = records.iter().filter(|r| r.form == Form::Event).collect();
                prop_assert_eq!(plain.len(), 1);
                for extra in records.iter().filter(|r| r.form != Form::Event) {
                    check_extra(stream, plain[0], extra)?;
                }
            }
        }
    }
}

/// The logs of 2, 3 and 7 workers against those of one.
fn check_workers(plan: &Plan) -> Result<(), TestCaseError> {
    for stream in Stream::ALL {
        let mut whole = events(plan, stream, Share::WHOLE).unwrap();
        let expected = logs(whole.by_ref());
        for workers in [2, 3, 7] {
            let (mut found, mut silent) = (BTreeMap::new(), 0);
            for index in 0..workers {
                let share = Share::new(index, workers).unwrap();
                let mut part = events(plan, stream, share).unwrap();
                for (lane, log) in logs(part.by_ref()) {
                    prop_assert!(share.owns(lane));
                    prop_assert!(found.insert(lane, log).is_none());
                }
                silent += part.silent();
            }
            prop_assert!(found == expected, "{} workers, {}", workers, stream);
            prop_assert_eq!(silent, whole.silent());
        }
    }
    Ok(())
}

/// What disturbs each stream of a plan, beside the disorder that it has.
const DISTURBANCES: [(Stream, &str); 3] = [
    (
        Stream::Clickstream,
        "
    partition_skew: 0.5
    idle: [{ partition: 1, from: 4s, for: 1s }]
    jitter: { share: 1, delay: { log-normal: { median: 3ms, sigma: 1, max: 200ms } } }
    offline: { share: 0.1, every: 8m, length: 1m }
    clock_skew: { share: 0.1, offset: { uniform: { min: 1s, max: 20s } } }
    duplicates: { share: 0.05, new_ids: 0.4, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { bad-json: 0.01, missing-field: 0.01, wrong-type: 0.01, truncated: 0.01 }
",
    ),
    (
        Stream::Banking,
        "
    offline: { share: 0.1, every: 8m, length: 1m }
    clock_skew: { share: 0.2, ahead: 1, offset: { uniform: { min: 1s, max: 20s } } }
    duplicates: { share: 0.05, new_ids: 0.4, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { unknown-schema: 0.02, truncated: 0.01 }
",
    ),
    (
        Stream::Sensors,
        "
    idle: [{ partition: 0, from: 4s, for: 1s }]
    clock_skew: { share: 0.3, ahead: 0, offset: { uniform: { min: 1s, max: 20s } } }
    duplicates: { share: 0.05, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { missing-field: 0.02 }
",
    ),
];

/// Workers own partitions whatever happens in them: an incident's events, a wave over many users, one actor
/// over two streams and every decoy are cut apart like anything else, and each part is made as in the whole.
#[test]
fn every_kind_and_decoy_is_the_same_from_any_number_of_workers() {
    let mut kinds = BTreeSet::new();
    for text in [ALL, MORE] {
        let mut text = text.to_owned();
        for (stream, lines) in DISTURBANCES {
            let head = format!("  {stream}:\n");
            text = text.replace(&head, &format!("{head}{}", lines.trim_start_matches('\n')));
        }
        let plan = resolved(section(&text));
        kinds.extend(labels(&plan).iter().map(|label| label.kind));
        check_workers(&plan).unwrap();
    }
    let all: BTreeSet<Kind> = Kind::ALL.into_iter().chain(Kind::DECOYS).collect();
    assert_eq!(kinds, all);
}

fn check_extra(stream: Stream, event: &Event, extra: &Event) -> Result<(), TestCaseError> {
    prop_assert_eq!(&extra.key, &event.key);
    prop_assert!((0..=50_000_000).contains(&(extra.due_ns - event.due_ns)));
    match extra.form {
        Form::Event => unreachable!("filtered out"),
        Form::Copy => prop_assert_eq!(&extra.value, &event.value),
        Form::NewId => {
            prop_assert_ne!(&extra.value, &event.value);
            prop_assert_eq!(without_id(stream, extra), without_id(stream, event));
        }
        Form::Malformed(_) => {
            prop_assert_eq!(extra.due_ns, event.due_ns);
            prop_assert_ne!(&extra.value, &event.value);
        }
    }
    Ok(())
}

/// All of a record but its id.
fn without_id(stream: Stream, event: &Event) -> String {
    if stream == Stream::Banking {
        let (_, body) = split_frame(&event.value).unwrap();
        let event = BankingUiEvent::decode_body(body).unwrap();
        return format!(
            "{:?}",
            BankingUiEvent {
                event_id: "",
                ..event
            }
        );
    }
    let event = ClickEvent::decode(&event.value).unwrap();
    format!(
        "{:?}",
        ClickEvent {
            event_id: "".into(),
            ..event
        }
    )
}

#[test]
fn both_ids_of_an_event_give_its_slot() {
    let plan = disturbed(1);
    let records = all_events(&plan, Stream::Clickstream);
    let again = records.iter().filter(|r| r.form == Form::NewId);
    let mut count = 0;
    for record in again {
        let event = ClickEvent::decode(&record.value).unwrap();
        let slot = plan.slot_of(&event.event_id);
        assert_eq!(slot, Some((Stream::Clickstream, record.slot)));
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn extra_records_come_in_the_shares_asked_for() {
    let plan = disturbed(1);
    for (stream, form, share) in [
        (Stream::Clickstream, Form::Copy, 0.03),
        (Stream::Clickstream, Form::NewId, 0.02),
        (
            Stream::Clickstream,
            Form::Malformed(Malformation::WrongType),
            0.01,
        ),
        (
            Stream::Banking,
            Form::Malformed(Malformation::UnknownSchema),
            0.02,
        ),
        (Stream::Sensors, Form::Copy, 0.05),
    ] {
        let records = all_events(&plan, stream);
        let count = |form| records.iter().filter(|r| r.form == form).count() as f64;
        let found = count(form) / count(Form::Event);
        // Five standard deviations of a share among at least 4,500 events.
        let tolerance = 5.0 * (share / 4500.0f64).sqrt();
        assert!(
            (found - share).abs() < tolerance,
            "{stream} {form:?}: {found}"
        );
    }
    let expected = plan.expected_records(Stream::Clickstream) as f64;
    let found = all_events(&plan, Stream::Clickstream).len() as f64;
    assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
}

#[test]
fn an_idle_partition_gets_nothing_and_the_others_get_its_share() {
    let plan = disturbed(1);
    let arrived = |stream, partitions: &[i32], from_s: f64, to_s: f64| {
        all_events(&plan, stream)
            .iter()
            .filter(|e| e.form == Form::Event && e.delayed == Delayed::No)
            .filter(|e| partitions.contains(&e.partition))
            .filter(|e| (from_s..to_s).contains(&(e.due_ns as f64 / 1e9)))
            .count() as f64
            / (to_s - from_s)
    };
    // Jitter takes up to 200 ms.
    assert_eq!(arrived(Stream::Clickstream, &[1], 4.2, 7.0), 0.0);
    assert!(arrived(Stream::Clickstream, &[1], 7.5, 9.0) > 30.0);
    assert_eq!(arrived(Stream::Sensors, &[0], 4.0, 5.0), 0.0);
    assert!(arrived(Stream::Sensors, &[0], 5.0, 6.0) > 30.0);
    let all = [0, 1, 2, 3, 4];
    let (idle, busy) = (
        arrived(Stream::Clickstream, &all, 4.2, 7.0),
        arrived(Stream::Clickstream, &all, 7.2, 10.0),
    );
    assert!((idle / busy - 1.0).abs() < 0.1, "{idle} {busy}");
}

#[test]
fn the_most_active_users_change_with_the_epochs() {
    let plan = disturbed(1);
    let busiest = |epoch: i64| {
        let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        for event in all_events(&plan, Stream::Clickstream) {
            let minute = event.event_time.since(plan.timeline().origin) / 60_000;
            // Visits that began in the epoch before go on for a while.
            if minute / 3 == epoch && minute % 3 > 0 {
                *counts.entry(event.key).or_default() += 1;
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).unwrap()
    };
    let (first, second, third) = (busiest(0), busiest(1), busiest(2));
    assert!(first.0 != second.0 && second.0 != third.0);
    assert!(second.1 > first.1 / 3, "{first:?} {second:?}");
}

#[test]
fn a_skewed_stream_has_its_partitions_by_zipf() {
    let plan = disturbed(1);
    let mut counts = [0.0; 5];
    for event in all_events(&plan, Stream::Clickstream) {
        counts[event.partition as usize] += 1.0;
    }
    // Partition 1 is idle for a while; the events of incidents fall where their keys do.
    for (partition, share) in [(2, 3.0_f64), (3, 4.0), (4, 5.0)] {
        let ratio = counts[0] / counts[partition];
        assert!((ratio / share - 1.0).abs() < 0.2, "{partition}: {counts:?}");
    }
}

#[test]
fn labels_bear_the_times_of_the_clocks_that_wrote_their_events() {
    for seed in 1..20 {
        let plan = disturbed(seed);
        for stream in [Stream::Clickstream, Stream::Banking] {
            let records = all_events(&plan, stream);
            let at: BTreeMap<String, i64> = records
                .iter()
                .filter(|r| r.form == Form::Event)
                .map(|r| (id_of(stream, r), r.event_time.0))
                .collect();
            for label in labels(&plan).into_iter().filter(|l| l.stream == stream) {
                let times: Vec<i64> = label.event_ids.iter().map(|id| at[id]).collect();
                assert_eq!(times.iter().min(), Some(&label.start.0), "{}", label.id);
                assert_eq!(times.iter().max(), Some(&label.end.0), "{}", label.id);
            }
        }
    }
}

fn id_of(stream: Stream, event: &Event) -> String {
    if stream == Stream::Banking {
        let (_, body) = split_frame(&event.value).unwrap();
        return BankingUiEvent::decode_body(body)
            .unwrap()
            .event_id
            .to_owned();
    }
    ClickEvent::decode(&event.value)
        .unwrap()
        .event_id
        .into_owned()
}
