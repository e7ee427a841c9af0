//! Producer ids, epochs and sequences.

use std::collections::BTreeMap;

use kafka_protocol::messages::InitProducerIdRequest;

use crate::clients::{acknowledged, create_topic, producer, read_to_end, read_values, send};
use crate::raw::{Raw, Sender, batch, produce};
use crate::target::{Target, eventually};

const OUT_OF_ORDER_SEQUENCE: i16 = 45;
const INVALID_PRODUCER_EPOCH: i16 = 47;

pub(crate) fn many_partitions_hold_each_record_once(target: &Target) {
    let topic = create_topic(target, 32, &[]);
    let producer = producer(
        target,
        &[("enable.idempotence", "true"), ("linger.ms", "1")],
    );
    for i in 0..6400 {
        send(&producer, &topic, i % 32, &i.to_string());
    }
    assert_eq!(acknowledged(&producer).len(), 6400);
    let mut by_partition: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for seen in read_to_end(target, &topic, 32, &[]) {
        by_partition
            .entry(seen.partition)
            .or_default()
            .push(seen.text().parse().unwrap());
    }
    for (partition, values) in by_partition {
        let wanted: Vec<i32> = (0..200).map(|n| n * 32 + partition).collect();
        assert_eq!(
            values, wanted,
            "partition {partition}: each once and in order"
        );
    }
}

pub(crate) fn a_repeated_sequence_is_stored_once(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let sender = new_sender(&mut raw);
    let first = batch(sender, &[(1, b"a"), (2, b"b")]);
    let second = batch(
        Sender {
            sequence: 2,
            ..sender
        },
        &[(3, b"c")],
    );
    for (records, base, what) in [
        (&first, 0, "first"),
        (&first, 0, "first again"),
        (&second, 2, "second"),
        (&first, 0, "first after the second"),
        (&second, 2, "second again"),
    ] {
        let answer = produce(&mut raw, &topic, records.clone());
        assert_eq!((answer.error_code, answer.base_offset), (0, base), "{what}");
    }
    assert_eq!(
        read_values(target, &topic, "read_committed"),
        ["a", "b", "c"]
    );
}

pub(crate) fn a_gap_in_the_sequence_is_refused(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let sender = new_sender(&mut raw);
    assert_eq!(
        produce(&mut raw, &topic, batch(sender, &[(1, b"0")])).error_code,
        0
    );
    let skipping = batch(
        Sender {
            sequence: 2,
            ..sender
        },
        &[(1, b"2")],
    );
    assert_eq!(
        produce(&mut raw, &topic, skipping).error_code,
        OUT_OF_ORDER_SEQUENCE
    );
    let next = batch(
        Sender {
            sequence: 1,
            ..sender
        },
        &[(1, b"1")],
    );
    assert_eq!(
        produce(&mut raw, &topic, next).error_code,
        0,
        "the right one is still taken"
    );
    assert_eq!(read_values(target, &topic, "read_committed"), ["0", "1"]);
}

pub(crate) fn an_old_producer_epoch_is_refused(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let mut raw = Raw::connect(target);
    let sender = new_sender(&mut raw);
    let newer = Sender {
        epoch: sender.epoch + 1,
        ..sender
    };
    assert_eq!(
        produce(&mut raw, &topic, batch(newer, &[(1, b"new")])).error_code,
        0
    );
    let old = produce(&mut raw, &topic, batch(sender, &[(1, b"old")]));
    assert_eq!(old.error_code, INVALID_PRODUCER_EPOCH);
    assert_eq!(read_values(target, &topic, "read_committed"), ["new"]);
}

/// A fresh producer id, at sequence 0.
fn new_sender(raw: &mut Raw) -> Sender {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let response = eventually("a producer id is given out", || {
        let response = raw.call(3, &request);
        (response.error_code == 0).then_some(response)
    });
    Sender {
        id: response.producer_id.0,
        epoch: response.producer_epoch,
        sequence: 0,
        transactional: false,
    }
}
