//! The audit: a log as planned passes, and each way in which one can differ is found and named.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use floodmark_contracts::{
    audit::{AuditFacts, AuditMode, DifferenceKind, Differences},
    clock::SystemClock,
    record::StreamFacts,
    stream::Stream,
};
use floodmark_generator::{Event, Plan, SchemaIds, Share, closing_events, events};
use floodmark_harness::{audit, profile::Source};
use floodmark_kafka::{PartitionOffset, Producer, ProducerSettings, Record, producer::Outcome};

use crate::cluster::{Cluster, PATIENCE};

const PROFILE: &str = "
name: audited
duration: 4s
streams:
  clickstream:
    rate: 1k/s
    partitions: 3
    duplicates: { share: 0.02, delay: { uniform: { min: 0ms, max: 50ms } } }
";

fn plan() -> Plan {
    let reading = Source::new(PROFILE.to_owned(), Vec::new()).read();
    let profile = reading
        .profile
        .unwrap_or_else(|| panic!("{:?}", reading.problems));
    Plan::resolve(&(&profile).into()).unwrap()
}

/// Everything that the generator would send, in its order.
fn planned(plan: &Plan) -> Vec<Event> {
    let mut all: Vec<Event> = events(plan, Stream::Clickstream, Share::WHOLE)
        .unwrap()
        .collect();
    all.extend(closing_events(
        plan,
        Stream::Clickstream,
        SchemaIds::default(),
    ));
    all
}

fn write(cluster: &Cluster, records: &[Event]) {
    let producer = Producer::new(&cluster.client(), &ProducerSettings::default()).unwrap();
    let topic = producer.topic("clicks").unwrap();
    for event in records {
        let record = Record::new(&topic, &event.value)
            .key(&event.key)
            .partition(event.partition);
        producer.send(&record, 0).unwrap();
    }
    producer
        .flush(PATIENCE, &mut |delivery| {
            assert!(matches!(delivery.outcome, Outcome::Delivered { .. }));
        })
        .unwrap();
}

fn audit(cluster: &Cluster, plan: &Plan, sent: usize, mode: Option<AuditMode>) -> AuditFacts {
    let admin = cluster.admin();
    let facts = StreamFacts {
        sent: sent as u64,
        acknowledged: sent as u64,
        ..StreamFacts::default()
    };
    audit::audit_inputs(
        &audit::Request {
            plan,
            client: &cluster.client(),
            admin: &admin,
            inputs: &BTreeMap::from([(Stream::Clickstream, vec!["clicks".to_owned()])]),
            starts: &[],
            generator: &BTreeMap::from([(Stream::Clickstream, facts)]),
            cut_short: None,
            workers: 1,
            mode,
            stop: &AtomicBool::new(false),
            clock: &SystemClock::new(),
        },
        &mut |_, _| {},
    )
}

/// Writes what `change` makes of the plan's records, and gives what the audit finds.
fn found(change: impl FnOnce(&mut Vec<Event>)) -> AuditFacts {
    let cluster = Cluster::start();
    cluster.make("clicks", 3, "CreateTime");
    let plan = plan();
    let mut records = planned(&plan);
    let sent = records.len();
    change(&mut records);
    write(&cluster, &records);
    audit(&cluster, &plan, sent, None)
}

fn check(facts: &AuditFacts, expected: Differences) {
    assert_eq!(facts.mode, AuditMode::Full, "{:?}", facts.reason);
    let stream = &facts.streams[&Stream::Clickstream];
    assert_eq!(stream.found, expected, "{:?}", stream.examples);
}

#[test]
fn a_log_as_planned_differs_in_nothing_though_the_plan_has_copies() {
    let facts = found(|_| {});
    check(&facts, Differences::default());
    let stream = &facts.streams[&Stream::Clickstream];
    assert!(stream.compared > 4_000, "copies are records as well");
    assert_eq!(stream.compared, stream.expected);
    assert_eq!(stream.partitions.len(), 3);
}

#[test]
fn what_is_lost_doubled_altered_or_foreign_is_counted_and_named() {
    let mut ids = (String::new(), 0);
    let facts = found(|records| {
        // A copy of it would stand in for it.
        let single = |records: &[Event], at: usize| {
            let value = &records[at].value;
            records.iter().filter(|other| other.value == *value).count() == 1
        };
        let next =
            |records: &[Event], from: usize| (from..).find(|at| single(records, *at)).unwrap();
        let altered = next(records, 3_000);
        records[altered].value[20] ^= 1;
        let doubled = next(records, 2_000);
        records.insert(doubled + 1, records[doubled].clone());
        let lost = next(records, 1_000);
        let gone = records.remove(lost);
        ids = (String::from_utf8_lossy(&gone.value).into_owned(), gone.slot);
        let mut foreign = records[500].clone();
        (foreign.key, foreign.value) = (b"nobody".to_vec(), b"nothing of ours".to_vec());
        records.insert(500, foreign);
    });
    check(
        &facts,
        Differences {
            lost: 1,
            doubled: 1,
            altered: 1,
            foreign: 1,
            reordered: 0,
        },
    );
    let examples = &facts.streams[&Stream::Clickstream].examples;
    let of = |kind| examples.iter().find(|odd| odd.what == kind).unwrap();
    let lost = of(DifferenceKind::Lost);
    assert_eq!(lost.slot, Some(ids.1));
    let id = lost.event_id.as_deref().unwrap();
    assert!(ids.0.contains(id), "`{id}` is no id of {}", ids.0);
    assert_eq!(of(DifferenceKind::Foreign).key.as_deref(), Some("nobody"));
    assert!(of(DifferenceKind::Doubled).offset.is_some());
    assert!(of(DifferenceKind::Altered).event_id.is_some());
}

#[test]
fn a_record_behind_a_later_one_is_reordered() {
    let facts = found(|records| {
        let partition = records[100].partition;
        let later = (101..).find(|at| records[*at].partition == partition);
        records.swap(100, later.unwrap());
    });
    let reordered = facts.streams[&Stream::Clickstream].found.reordered;
    check(
        &facts,
        Differences {
            reordered: 1,
            ..Differences::default()
        },
    );
    assert_eq!(reordered, 1);
}

#[test]
fn what_was_deleted_is_said_and_the_rest_compared() {
    let cluster = Cluster::start();
    cluster.make("clicks", 3, "CreateTime");
    let plan = plan();
    let records = planned(&plan);
    write(&cluster, &records);
    let before = PartitionOffset {
        topic: "clicks".to_owned(),
        partition: 1,
        offset: 300,
        metadata: None,
    };
    cluster.admin().delete_records(&[before]).unwrap();
    let facts = audit(&cluster, &plan, records.len(), None);
    check(&facts, Differences::default());
    let stream = &facts.streams[&Stream::Clickstream];
    assert_eq!(stream.trimmed, 300);
    assert_eq!(stream.compared + 300, records.len() as u64);
}

#[test]
fn counting_alone_finds_what_is_missing_and_compares_nothing() {
    let cluster = Cluster::start();
    cluster.make("clicks", 3, "CreateTime");
    let plan = plan();
    let records = planned(&plan);
    write(&cluster, &records[5..]);
    let facts = audit(&cluster, &plan, records.len(), Some(AuditMode::Counts));
    let stream = &facts.streams[&Stream::Clickstream];
    assert_eq!((facts.mode, stream.compared), (AuditMode::Counts, 0));
    assert_eq!(stream.expected - stream.appended, 5);
    let facts = audit(&cluster, &plan, records.len(), Some(AuditMode::None));
    assert_eq!(facts, AuditFacts::default());
}
