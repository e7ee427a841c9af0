//! Produce and fetch: what goes in comes out, in order, and waiting and limits are honoured.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::{FetchRequest, ProduceRequest};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::clients::{
    acknowledged, create_topic, produce_values, producer, read_to_end, read_values, send,
};
use crate::raw::{
    AT_ONCE, FETCH_VERSION, FetchLimits, PLAIN, PRODUCE_VERSION, Raw, batch, batches, fetch,
    fetch_request, produce, produce_request,
};
use crate::target::{Target, eventually, now};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;
const INVALID_REQUIRED_ACKS: i16 = 21;

pub(crate) fn uncompressed_records_come_back(target: &Target) {
    round_trip(target, "none");
}

pub(crate) fn gzip_records_come_back(target: &Target) {
    round_trip(target, "gzip");
}

pub(crate) fn snappy_records_come_back(target: &Target) {
    round_trip(target, "snappy");
}

pub(crate) fn lz4_records_come_back(target: &Target) {
    round_trip(target, "lz4");
}

pub(crate) fn zstd_records_come_back(target: &Target) {
    round_trip(target, "zstd");
}

fn round_trip(target: &Target, codec: &str) {
    let topic = create_topic(target, 3, &[]);
    // Long and repetitive enough that every codec really compresses instead of storing.
    let sent: BTreeSet<String> = (0..3000)
        .map(|i| format!("{i} {}", "lorem ipsum ".repeat(i % 20)))
        .collect();
    let producer = producer(target, &[("compression.codec", codec)]);
    for (i, value) in sent.iter().enumerate() {
        send(&producer, &topic, i as i32 % 3, value);
    }
    assert_eq!(acknowledged(&producer).len(), sent.len());
    let seen = read_to_end(target, &topic, 3, &[]);
    assert_eq!(seen.len(), sent.len(), "no record is lost or doubled");
    assert_eq!(seen.iter().map(|s| s.text()).collect::<BTreeSet<_>>(), sent);
    for partition in 0..3 {
        let offsets: Vec<i64> = seen
            .iter()
            .filter(|s| s.partition == partition)
            .map(|s| s.offset)
            .collect();
        assert_eq!(
            offsets,
            (0..1000).collect::<Vec<i64>>(),
            "offsets have no gap"
        );
    }
}

pub(crate) fn equal_keys_share_a_partition_and_keep_their_order(target: &Target) {
    let topic = create_topic(target, 4, &[]);
    let producer = producer(target, &[("partitioner", "murmur2_random")]);
    for i in 0..400 {
        let (key, value) = (format!("user-{}", i % 40), i.to_string());
        producer
            .send(BaseRecord::to(&topic).key(&key).payload(&value))
            .map_err(|e| e.0)
            .unwrap();
    }
    acknowledged(&producer);
    let mut by_key: BTreeMap<Vec<u8>, Vec<(i32, u32)>> = BTreeMap::new();
    for seen in read_to_end(target, &topic, 4, &[]) {
        let value = seen.text().parse().unwrap();
        by_key
            .entry(seen.key.unwrap())
            .or_default()
            .push((seen.partition, value));
    }
    assert_eq!(by_key.len(), 40);
    for (key, records) in &by_key {
        assert_eq!(records.len(), 10, "every record of {key:?} is there");
        assert!(
            records.windows(2).all(|w| w[0].0 == w[1].0),
            "{key:?} is on one partition"
        );
        assert!(
            records.windows(2).all(|w| w[0].1 < w[1].1),
            "{key:?} is in order: {records:?}"
        );
    }
    let used: BTreeSet<i32> = by_key.values().map(|records| records[0].0).collect();
    assert_eq!(used.len(), 4, "forty keys spread over four partitions");
}

pub(crate) fn headers_and_missing_values_survive(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let producer = producer(target, &[]);
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "trace",
            value: Some("\u{0}\u{1}binary"),
        })
        .insert(Header {
            key: "twice",
            value: Some("1"),
        })
        .insert(Header {
            key: "twice",
            value: Some("2"),
        })
        .insert(Header::<&str> {
            key: "null",
            value: None,
        });
    let record = BaseRecord::<str, str>::to(&topic)
        .key("only a key")
        .headers(headers);
    producer.send(record).map_err(|e| e.0).unwrap();
    producer
        .send(BaseRecord::<str, str>::to(&topic).payload(""))
        .map_err(|e| e.0)
        .unwrap();
    acknowledged(&producer);
    let seen = read_to_end(target, &topic, 1, &[]);
    let bytes = |s: &str| Some(s.as_bytes().to_vec());
    assert_eq!(seen[0].value, None, "a tombstone stays one");
    assert_eq!(seen[0].key, bytes("only a key"));
    assert_eq!(
        seen[0].headers,
        [
            ("trace".to_owned(), bytes("\u{0}\u{1}binary")),
            ("twice".to_owned(), bytes("1")),
            ("twice".to_owned(), bytes("2")),
            ("null".to_owned(), None),
        ]
    );
    assert_eq!(
        (seen[1].value.clone(), seen[1].key.clone()),
        (bytes(""), None)
    );
}

pub(crate) fn unacknowledged_records_arrive(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let request = produce_request(&topic, 0, batch(PLAIN, &[(7, b"fire and forget")]));
    raw.send(PRODUCE_VERSION, &request.with_acks(0));
    // There is no answer to a produce request with acks 0: the next answer on this connection is the fetch's.
    let found = eventually("the record is in the log", || {
        let found = fetch(&mut raw, &topic, 0, AT_ONCE);
        (found.high_watermark == 1).then_some(found)
    });
    assert_eq!(batches(found.records.as_ref()), [(0, 1)]);
    assert_eq!(
        read_values(target, &topic, "read_committed"),
        ["fire and forget"]
    );
}

pub(crate) fn a_fetch_waits_for_records(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let start = now();
    let limits = FetchLimits {
        wait_ms: 30_000,
        ..AT_ONCE
    };
    raw.send(FETCH_VERSION, &fetch_request(&topic, 0, limits));
    produce_values(target, &topic, 0, &["late"]);
    let response = raw.receive::<FetchRequest>(FETCH_VERSION);
    let partition = &response.responses[0].partitions[0];
    assert_eq!(batches(partition.records.as_ref()), [(0, 1)]);
    assert!(
        start.elapsed() < Duration::from_secs(29),
        "the record ended the wait, not the time"
    );
}

pub(crate) fn a_fetch_without_records_waits_its_time(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let start = now();
    let found = fetch(
        &mut raw,
        &topic,
        0,
        FetchLimits {
            wait_ms: 400,
            ..AT_ONCE
        },
    );
    assert_eq!((found.error_code, found.high_watermark), (0, 0));
    assert_eq!(batches(found.records.as_ref()), []);
    assert!(
        start.elapsed() >= Duration::from_millis(390),
        "waited only {:?}",
        start.elapsed()
    );
}

pub(crate) fn a_fetch_stays_below_its_bytes_but_gives_one_batch(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let value = vec![b'x'; 1000];
    for _ in 0..10 {
        produce(&mut raw, &topic, batch(PLAIN, &[(1, &value)]));
    }
    // A consumer that could not take its next batch would be stuck for ever.
    let tiny = fetch(
        &mut raw,
        &topic,
        3,
        FetchLimits {
            max_bytes: 10,
            ..AT_ONCE
        },
    );
    assert_eq!(batches(tiny.records.as_ref()), [(3, 1)]);
    let some = fetch(
        &mut raw,
        &topic,
        0,
        FetchLimits {
            max_bytes: 3500,
            ..AT_ONCE
        },
    );
    let n_bytes = some.records.as_ref().map_or(0, |bytes| bytes.len());
    assert!(n_bytes <= 3500, "{n_bytes} bytes were more than asked for");
    assert_eq!(batches(some.records.as_ref()), [(0, 1), (1, 1), (2, 1)]);
}

pub(crate) fn a_fetch_inside_a_batch_gives_the_whole_batch(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let five: Vec<(i64, &[u8])> = (0..5).map(|i| (i, b"value".as_slice())).collect();
    produce(&mut raw, &topic, batch(PLAIN, &five));
    produce(&mut raw, &topic, batch(PLAIN, &five));
    assert_eq!(
        batches(fetch(&mut raw, &topic, 3, AT_ONCE).records.as_ref()),
        [(0, 5), (5, 5)]
    );
    assert_eq!(
        batches(fetch(&mut raw, &topic, 9, AT_ONCE).records.as_ref()),
        [(5, 5)]
    );
    let end = fetch(&mut raw, &topic, 10, AT_ONCE);
    assert_eq!(
        (end.error_code, end.high_watermark, end.last_stable_offset),
        (0, 10, 10)
    );
    assert_eq!(batches(end.records.as_ref()), []);
}

pub(crate) fn a_fetch_past_the_end_is_out_of_range(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    produce_values(target, &topic, 0, &["a", "b"]);
    let mut raw = Raw::connect(target);
    assert_eq!(fetch(&mut raw, &topic, 2, AT_ONCE).error_code, 0);
    assert_eq!(
        fetch(&mut raw, &topic, 3, AT_ONCE).error_code,
        OFFSET_OUT_OF_RANGE
    );
}

pub(crate) fn a_corrupt_batch_is_refused(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let mut bytes = batch(PLAIN, &[(1, b"intact")]).to_vec();
    *bytes.last_mut().unwrap() ^= 0xff;
    bytes[65] ^= 0x01;
    assert_eq!(
        produce(&mut raw, &topic, bytes.into()).error_code,
        CORRUPT_MESSAGE
    );
    assert_eq!(
        fetch(&mut raw, &topic, 0, AT_ONCE).high_watermark,
        0,
        "nothing was stored"
    );
}

pub(crate) fn unknown_acks_are_refused(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let request = produce_request(&topic, 0, batch(PLAIN, &[(1, b"two")]));
    let response = raw.call::<ProduceRequest>(PRODUCE_VERSION, &request.with_acks(2));
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, INVALID_REQUIRED_ACKS);
    assert_eq!(
        fetch(&mut raw, &topic, 0, AT_ONCE).high_watermark,
        0,
        "nothing was stored"
    );
}
