//! Transactions: what is visible when, and offsets that commit with the records.

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetFetchRequest};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{
    TestProducer, acknowledged, create_topic, member, owned, produce_values, read_values, send,
    transactional,
};
use crate::raw::{AT_ONCE, FetchLimits, Raw, fetch, text, topic_name};
use crate::target::{PATIENCE, Target, eventually, poll_until};

const UNSTABLE_OFFSET_COMMIT: i16 = 88;
const COMMITTED: FetchLimits = FetchLimits {
    committed_only: true,
    ..AT_ONCE
};

pub(crate) fn committed_records_become_visible(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let producer = transactional(target, &target.unique("txn"), &[]);
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["a", "b"]);
    assert_eq!(
        read_values(target, &topic, "read_committed"),
        Vec::<String>::new()
    );
    assert_eq!(read_values(target, &topic, "read_uncommitted"), ["a", "b"]);
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(committed_once_ended(target, &topic), ["a", "b"]);
    // The marker takes an offset of its own.
    let mut raw = Raw::connect(target);
    assert_eq!(fetch(&mut raw, &topic, 0, COMMITTED).high_watermark, 3);
}

pub(crate) fn aborted_records_stay_hidden(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let producer = transactional(target, &target.unique("txn"), &[]);
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["a", "b"]);
    producer.abort_transaction(PATIENCE).unwrap();
    assert_eq!(committed_once_ended(target, &topic), Vec::<String>::new());
    assert_eq!(read_values(target, &topic, "read_uncommitted"), ["a", "b"]);
    let mut raw = Raw::connect(target);
    let found = fetch(&mut raw, &topic, 0, COMMITTED);
    let aborted = found
        .aborted_transactions
        .expect("the aborted ranges are told");
    assert_eq!(
        aborted.iter().map(|a| a.first_offset).collect::<Vec<_>>(),
        [0]
    );
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["c"]);
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(
        committed_once_ended(target, &topic),
        ["c"],
        "the producer goes on"
    );
}

pub(crate) fn an_open_transaction_holds_back_what_follows(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    produce_values(target, &topic, 0, &["before"]);
    let producer = transactional(target, &target.unique("txn"), &[]);
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["inside"]);
    produce_values(target, &topic, 0, &["after"]);
    let mut raw = Raw::connect(target);
    let found = fetch(&mut raw, &topic, 0, COMMITTED);
    assert_eq!((found.last_stable_offset, found.high_watermark), (1, 3));
    assert_eq!(read_values(target, &topic, "read_committed"), ["before"]);
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(
        committed_once_ended(target, &topic),
        ["before", "inside", "after"]
    );
}

pub(crate) fn interleaved_transactions_read_exactly(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let producers: Vec<TestProducer> = (0..3)
        .map(|_| transactional(target, &target.unique("txn"), &[]))
        .collect();
    let mut wanted = Vec::new();
    for round in 0..4 {
        for producer in &producers {
            producer.begin_transaction().unwrap();
        }
        for step in 0..3 {
            for (idx, producer) in producers.iter().enumerate() {
                let value = format!("{round}/{step}/{idx}");
                send_all(producer, &topic, &[&value]);
                if (round + idx) % 3 != 0 {
                    wanted.push(value);
                }
            }
        }
        for (idx, producer) in producers.iter().enumerate() {
            match (round + idx) % 3 {
                0 => producer.abort_transaction(PATIENCE).unwrap(),
                _ => producer.commit_transaction(PATIENCE).unwrap(),
            }
        }
    }
    assert_eq!(committed_once_ended(target, &topic), wanted);
    assert_eq!(read_values(target, &topic, "read_uncommitted").len(), 36);
}

pub(crate) fn offsets_commit_with_the_transaction(target: &Target) {
    let (input, output) = (create_topic(target, 1, &[]), create_topic(target, 1, &[]));
    let group = target.unique("group");
    produce_values(target, &input, 0, &["1", "2", "3", "4"]);
    let consumer = member(
        target,
        &group,
        &input,
        &[("isolation.level", "read_committed")],
    );
    poll_until("the member owns the partition", || {
        (owned(&consumer) == [0]).then_some(())
    });
    let producer = transactional(target, &target.unique("txn"), &[]);
    let run = |offset, value, commit| {
        producer.begin_transaction().unwrap();
        send_all(&producer, &output, &[value]);
        let metadata = consumer
            .group_metadata()
            .expect("a member has its group's metadata");
        producer
            .send_offsets_to_transaction(&at(&input, offset), &metadata, PATIENCE)
            .unwrap();
        if commit {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    };
    run(2, "half", true);
    eventually("the committed offset is there", || {
        (committed(&consumer, &input) == Offset::Offset(2)).then_some(())
    });
    run(4, "lost", false);
    assert_eq!(
        committed(&consumer, &input),
        Offset::Offset(2),
        "an abort takes the offsets back"
    );
    assert_eq!(committed_once_ended(target, &output), ["half"]);
}

pub(crate) fn pending_offsets_are_unstable(target: &Target) {
    let input = create_topic(target, 1, &[]);
    let group = target.unique("group");
    let consumer = member(target, &group, &input, &[]);
    poll_until("the member owns the partition", || {
        (owned(&consumer) == [0]).then_some(())
    });
    let producer = transactional(target, &target.unique("txn"), &[]);
    producer.begin_transaction().unwrap();
    let metadata = consumer
        .group_metadata()
        .expect("a member has its group's metadata");
    producer
        .send_offsets_to_transaction(&at(&input, 7), &metadata, PATIENCE)
        .unwrap();
    let mut raw = Raw::connect(target);
    let mut fetch_offset = |stable| fetch_offset(&mut raw, &group, &input, stable);
    assert_eq!(fetch_offset(true), (UNSTABLE_OFFSET_COMMIT, -1));
    assert_eq!(
        fetch_offset(false),
        (0, -1),
        "without the wish the pending one is not seen"
    );
    producer.commit_transaction(PATIENCE).unwrap();
    let found = eventually("the offset becomes stable", || {
        let found = fetch_offset(true);
        (found.0 != UNSTABLE_OFFSET_COMMIT).then_some(found)
    });
    assert_eq!(found, (0, 7));
}

pub(crate) fn a_forgotten_transaction_is_aborted(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let settings = [
        ("transaction.timeout.ms", "5000"),
        ("message.timeout.ms", "5000"),
        ("socket.timeout.ms", "5000"),
    ];
    let producer = transactional(target, &target.unique("txn"), &settings);
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["forgotten"]);
    produce_values(target, &topic, 0, &["behind it"]);
    assert_eq!(committed_once_ended(target, &topic), ["behind it"]);
    let late = producer.commit_transaction(PATIENCE);
    assert!(late.is_err(), "the commit comes too late");
}

/// Sends values and waits until they are in the log, inside the transaction.
fn send_all(producer: &TestProducer, topic: &str, values: &[&str]) {
    for value in values {
        send(producer, topic, 0, value);
    }
    assert_eq!(acknowledged(producer).len(), values.len());
}

/// The committed values, once no transaction is open: a commit is acknowledged before its markers are written.
pub(crate) fn committed_once_ended(target: &Target, topic: &str) -> Vec<String> {
    let mut raw = Raw::connect(target);
    eventually("no transaction is open", || {
        let found = fetch(&mut raw, topic, 0, COMMITTED);
        (found.last_stable_offset == found.high_watermark).then_some(())
    });
    read_values(target, topic, "read_committed")
}

fn at(topic: &str, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset))
        .unwrap();
    list
}

fn committed<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> Offset {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    consumer
        .committed_offsets(list, PATIENCE)
        .unwrap()
        .elements()[0]
        .offset()
}

/// The error and the offset that OffsetFetch gives for partition 0.
fn fetch_offset(raw: &mut Raw, group: &str, topic: &str, stable: bool) -> (i16, i64) {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![topic]))
        .with_require_stable(stable);
    let response = raw.call(7, &request);
    let partition = &response.topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}
