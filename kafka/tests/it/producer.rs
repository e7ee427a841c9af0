use std::time::Duration;

use floodmark_kafka::consumer::{Event, StartOffset, TimestampKind};
use floodmark_kafka::producer::{Outcome, partition_for_key};
use floodmark_kafka::{
    ConsumerSettings, ErrorCode, ProducerSettings, Record, SendError, TopicPartition,
};

use crate::support::{Cluster, PATIENCE, STEP, all_delivered, poll_until, wait_for};

#[test]
fn a_record_comes_back_with_all_its_parts() {
    let cluster = Cluster::start();
    let name = cluster.topic("parts", 3);
    let producer = cluster.producer(ProducerSettings::default());
    let topic = producer.topic(&name).unwrap();
    let headers = [
        ("reason", Some(&b"bad"[..])),
        ("empty", Some(&b""[..])),
        ("none", None),
    ];
    let record = Record::new(&topic, b"value")
        .key(b"key")
        .timestamp_ms(1_700_000_000_123)
        .headers(&headers);
    producer.send(&record, 1).unwrap();
    let tombstone = Record {
        payload: None,
        ..Record::new(&topic, b"").key(b"key")
    };
    producer.send(&tombstone, 2).unwrap();
    producer.flush(PATIENCE, &mut all_delivered).unwrap();

    let partition = partition_for_key(b"key", 3);
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let place = (
        TopicPartition::new(&name, partition),
        StartOffset::Beginning,
    );
    consumer.assign(&[place], PATIENCE).unwrap();
    let mut seen = 0;
    poll_until(&mut consumer, |batch| {
        for message in batch.messages() {
            assert_eq!(message.topic_index(), 0);
            assert_eq!(message.partition(), partition);
            assert_eq!(message.offset(), seen);
            assert_eq!(message.key(), Some(&b"key"[..]));
            if seen == 0 {
                assert_eq!(message.payload(), Some(&b"value"[..]));
                let timestamp = message.timestamp().unwrap();
                assert_eq!(timestamp.millis, 1_700_000_000_123);
                assert_eq!(timestamp.kind, TimestampKind::Create);
                assert_eq!(message.headers().collect::<Vec<_>>(), headers);
            } else {
                assert_eq!(message.payload(), None);
                assert_eq!(message.headers().count(), 0);
            }
            seen += 1;
        }
        seen == 2
    });
    assert_eq!(consumer.topics(), [name.as_str()]);
}

#[test]
fn keys_go_where_the_java_client_puts_them() {
    let cluster = Cluster::start();
    let name = cluster.topic("keys", 7);
    let producer = cluster.producer(ProducerSettings::default());
    let topic = producer.topic(&name).unwrap();
    let keys: Vec<String> = (0..200).map(|i| format!("user-{i}")).collect();
    for (tag, key) in keys.iter().enumerate() {
        producer
            .send(&Record::new(&topic, b"x").key(key.as_bytes()), tag as u64)
            .unwrap();
    }
    let mut reports = 0;
    producer
        .flush(PATIENCE, &mut |delivery| {
            let Outcome::Delivered { partition, .. } = delivery.outcome else {
                panic!("{delivery:?}")
            };
            let key = &keys[usize::try_from(delivery.tag).unwrap()];
            assert_eq!(partition, partition_for_key(key.as_bytes(), 7), "{key}");
            reports += 1;
        })
        .unwrap();
    assert_eq!(reports, 200);
}

#[test]
fn a_full_queue_is_told_apart_and_clears() {
    let cluster = Cluster::start();
    let name = cluster.topic("full", 1);
    let producer = cluster.producer(ProducerSettings {
        queue_records: Some(10),
        linger: Some(Duration::from_secs(5)),
        ..ProducerSettings::default()
    });
    let topic = producer.topic(&name).unwrap();
    let record = Record::new(&topic, b"x");
    let mut sent = 0;
    let refused = loop {
        match producer.send(&record, sent) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SendError::QueueFull);
    assert_eq!(sent, 10);
    assert_eq!(producer.in_flight(), 10);
    // A flush does not sit out the linger time, and makes room.
    let mut tags = Vec::new();
    producer
        .flush(PATIENCE, &mut |delivery| tags.push(delivery.tag))
        .unwrap();
    assert_eq!(tags, (0..10).collect::<Vec<_>>());
    assert_eq!(producer.in_flight(), 0);
    producer.send(&record, 10).unwrap();
}

#[test]
fn reports_come_from_poll_on_another_thread_too() {
    let cluster = Cluster::start();
    let name = cluster.topic("threads", 1);
    let producer = cluster.producer(ProducerSettings::default());
    let topic = producer.topic(&name).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for tag in 0..500 {
                producer.send(&Record::new(&topic, b"x"), tag).unwrap();
            }
        });
        let mut next = 0;
        wait_for("500 reports", || {
            producer.poll(STEP, &mut |delivery| {
                assert_eq!(delivery.tag, next, "one partition, one order");
                all_delivered(delivery);
                next += 1;
            });
            next == 500
        });
    });
}

#[test]
fn what_cannot_be_sent_says_why() {
    let cluster = Cluster::start();
    let name = cluster.topic("refused", 2);
    let producer = cluster.producer(ProducerSettings::default());
    let topic = producer.topic(&name).unwrap();
    let large = vec![0; 2_000_000];
    let error = producer.send(&Record::new(&topic, &large), 0).unwrap_err();
    assert_eq!(
        error,
        SendError::TooLarge {
            topic: name.clone(),
            bytes: 2_000_000
        }
    );

    // The partitions are known once something was delivered.
    producer.send(&Record::new(&topic, b"x"), 0).unwrap();
    producer.flush(PATIENCE, &mut all_delivered).unwrap();
    let error = producer
        .send(&Record::new(&topic, b"x").partition(2), 0)
        .unwrap_err();
    assert_eq!(
        error,
        SendError::NoSuchPartition {
            topic: name,
            partition: Some(2)
        }
    );

    let other = cluster.producer(ProducerSettings::default());
    let error = other.send(&Record::new(&topic, b"x"), 0).unwrap_err();
    assert!(matches!(error, SendError::ForeignTopic { .. }), "{error}");
    assert!(producer.topic("no\0name").is_err());
}

#[test]
fn a_purge_reports_what_it_gave_up() {
    let cluster = Cluster::start();
    let name = cluster.topic("purge", 1);
    let producer = cluster.producer(ProducerSettings {
        linger: Some(Duration::from_secs(60)),
        ..ProducerSettings::default()
    });
    let topic = producer.topic(&name).unwrap();
    producer.send(&Record::new(&topic, b"x"), 9).unwrap();
    let mut outcomes = Vec::new();
    producer.purge(&mut |delivery| outcomes.push(delivery));
    wait_for("the report", || {
        producer.poll(STEP, &mut |delivery| outcomes.push(delivery));
        !outcomes.is_empty()
    });
    assert_eq!(outcomes[0].tag, 9);
    let Outcome::Failed {
        code,
        perhaps_stored,
    } = outcomes[0].outcome
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!(code, ErrorCode::PurgeQueue);
    assert!(!perhaps_stored);
}

#[test]
fn every_compression_is_read_back() {
    use floodmark_kafka::producer::Compression;
    let cluster = Cluster::start();
    for compression in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let name = cluster.topic(compression.as_str(), 1);
        let producer = cluster.producer(ProducerSettings {
            compression: Some(compression),
            idempotence: Some(true),
            ..ProducerSettings::default()
        });
        let topic = producer.topic(&name).unwrap();
        let payload = "the same over and over ".repeat(50);
        for tag in 0..100 {
            producer
                .send(&Record::new(&topic, payload.as_bytes()), tag)
                .unwrap();
        }
        producer.flush(PATIENCE, &mut all_delivered).unwrap();
        let payloads = cluster.read(&name, 0, ConsumerSettings::default());
        assert_eq!(payloads, vec![payload; 100], "{compression:?}");
    }
}

#[test]
fn deliveries_outlive_an_idle_consumer() {
    // A consumer that waits at the end sees a record soon after it was sent, not a whole fetch wait
    // or batch time-out later: the poll must return with the first record there is.
    let cluster = Cluster::start();
    let name = cluster.topic("wake", 1);
    let mut consumer = cluster.consumer(ConsumerSettings {
        report_ends: true,
        ..ConsumerSettings::default()
    });
    let place = (TopicPartition::new(&name, 0), StartOffset::Beginning);
    consumer.assign(&[place], PATIENCE).unwrap();
    poll_until(&mut consumer, |batch| {
        batch
            .events()
            .iter()
            .any(|event| matches!(event, Event::EndOfPartition { .. }))
    });
    cluster.write(&name, 0, &["a"]);
    let mut batch = floodmark_kafka::Batch::with_capacity(1000);
    // One poll with all patience: it would sit out 30 s if it waited for the batch to fill, and
    // the suite would show it.
    consumer.poll(&mut batch, PATIENCE).unwrap();
    assert_eq!(batch.len(), 1);
}
