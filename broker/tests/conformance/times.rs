//! Timestamps of records, and looking offsets up by them.

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::ListOffsetsRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rdkafka::consumer::Consumer;
use rdkafka::message::Timestamp;
use rdkafka::producer::BaseRecord;
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{acknowledged, consumer, create_topic, producer, read_to_end, send};
use crate::raw::{AT_ONCE, PLAIN, Raw, batch, batches, fetch, produce, topic_name};
use crate::target::{PATIENCE, Target};

const LIST_OFFSETS_VERSION: i16 = 5;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

pub(crate) fn create_time_is_kept(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let producer = producer(target, &[("compression.codec", "lz4")]);
    // Event time may run backwards between records, and be far from the broker's clock.
    let times = [1_700_000_000_123, 1_600_000_000_000, 1_700_000_000_124];
    for time in times {
        let record = BaseRecord::<str, str>::to(&topic)
            .payload("v")
            .timestamp(time);
        producer.send(record).map_err(|e| e.0).unwrap();
    }
    acknowledged(&producer);
    let seen: Vec<Timestamp> = read_to_end(target, &topic, 1, &[])
        .iter()
        .map(|s| s.timestamp)
        .collect();
    assert_eq!(seen, times.map(Timestamp::CreateTime));
}

pub(crate) fn append_time_is_the_brokers(target: &Target) {
    for codec in ["none", "zstd"] {
        let topic = create_topic(target, 1, &[("message.timestamp.type", "LogAppendTime")]);
        let producer = producer(target, &[("compression.codec", codec)]);
        let before = epoch_ms();
        for _ in 0..10 {
            let record = BaseRecord::<str, str>::to(&topic)
                .payload("value")
                .timestamp(1_000);
            producer.send(record).map_err(|e| e.0).unwrap();
        }
        acknowledged(&producer);
        let after = epoch_ms();
        for seen in read_to_end(target, &topic, 1, &[]) {
            let Timestamp::LogAppendTime(time) = seen.timestamp else {
                panic!("{codec}: {:?} is not a time of the broker", seen.timestamp);
            };
            assert!(
                (before..=after).contains(&time),
                "{codec}: {before} <= {time} <= {after}"
            );
        }
        let mut raw = Raw::connect(target);
        let answer = produce(&mut raw, &topic, batch(PLAIN, &[(1, b"raw")]));
        assert!(
            answer.log_append_time_ms >= after,
            "the producer is told the time as well"
        );
        let (_, offset) = look_up(&mut raw, &topic, after);
        assert!(
            (0..=10).contains(&offset),
            "the log is searched by append time: {offset}"
        );
    }
}

pub(crate) fn times_are_looked_up_exactly_between_and_past_the_end(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    // A producer for each record: every record is a batch of its own.
    for time in [1000, 2000, 3000] {
        let producer = producer(target, &[]);
        let record = BaseRecord::<str, str>::to(&topic)
            .payload("value")
            .timestamp(time);
        producer.send(record).map_err(|e| e.0).unwrap();
        acknowledged(&producer);
    }
    let consumer = consumer(target, &[]);
    let offset_for = |time: i64| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(time))
            .unwrap();
        consumer
            .offsets_for_times(list, PATIENCE)
            .unwrap()
            .elements()[0]
            .offset()
    };
    let cases = [
        (0, Offset::Offset(0), "before the first"),
        (1000, Offset::Offset(0), "exactly the first"),
        (1001, Offset::Offset(1), "between two"),
        (3000, Offset::Offset(2), "exactly the last"),
        (3001, Offset::End, "past the last"),
    ];
    for (time, wanted, what) in cases {
        assert_eq!(offset_for(time), wanted, "{what}");
    }
}

pub(crate) fn times_are_looked_up_inside_compressed_batches(target: &Target) {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = create_topic(target, 1, &[]);
        // Within a batch the times are not in order: the first record at or after the time counts.
        produce_batch(target, &topic, codec, &[100, 400, 200, 300]);
        produce_batch(target, &topic, codec, &[500, 600]);
        let mut raw = Raw::connect(target);
        let stored = fetch(&mut raw, &topic, 0, AT_ONCE);
        assert_eq!(
            batches(stored.records.as_ref()),
            [(0, 4), (4, 2)],
            "{codec}"
        );
        let cases = [
            (50, (100, 0)),
            (150, (400, 1)),
            (400, (400, 1)),
            (401, (500, 4)),
            (501, (600, 5)),
        ];
        for (time, wanted) in cases {
            assert_eq!(
                look_up(&mut raw, &topic, time),
                wanted,
                "{codec}, time {time}"
            );
        }
        assert_eq!(
            look_up(&mut raw, &topic, 601),
            (-1, -1),
            "{codec}, past the last"
        );
    }
}

/// Produces one batch: the producer lingers until the last of the records, which fills it.
fn produce_batch(target: &Target, topic: &str, codec: &str, times: &[i64]) {
    let n_records = times.len().to_string();
    let settings = [
        ("compression.codec", codec),
        ("linger.ms", "20000"),
        ("batch.num.messages", &n_records),
    ];
    let producer = producer(target, &settings);
    let value = "compressible ".repeat(50);
    for time in times {
        let record = BaseRecord::<str, str>::to(topic)
            .payload(&value)
            .timestamp(*time)
            .partition(0);
        producer.send(record).map_err(|e| e.0).unwrap();
    }
    acknowledged(&producer);
}

/// Asked with the special times, and with a partition that has no records.
pub(crate) fn the_ends_of_the_log_are_found(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    assert_eq!(look_up(&mut raw, &topic, EARLIEST), (-1, 0));
    assert_eq!(look_up(&mut raw, &topic, LATEST), (-1, 0));
    assert_eq!(
        look_up(&mut raw, &topic, 0),
        (-1, -1),
        "an empty log has no record at any time"
    );
    let producer = producer(target, &[]);
    for _ in 0..3 {
        send(&producer, &topic, 0, "value");
    }
    acknowledged(&producer);
    assert_eq!(look_up(&mut raw, &topic, EARLIEST), (-1, 0));
    assert_eq!(look_up(&mut raw, &topic, LATEST), (-1, 3));
}

/// The timestamp and the offset that ListOffsets gives for a time.
fn look_up(raw: &mut Raw, topic: &str, time: i64) -> (i64, i64) {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(-1)
        .with_timestamp(time);
    let topics = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topics]);
    let response = raw.call(LIST_OFFSETS_VERSION, &request);
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, 0, "looking up time {time}");
    (found.timestamp, found.offset)
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the broker's own wall clock"
)]
fn epoch_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}
