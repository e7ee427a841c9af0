use std::time::Duration;

use floodmark_kafka::consumer::Isolation;
use floodmark_kafka::error::Remedy;
use floodmark_kafka::{
    ConsumerSettings, Error, PartitionOffset, Producer, ProducerSettings, Record, SendError,
    TopicPartition,
};

use crate::support::{Cluster, PATIENCE, all_delivered, poll_until};

fn transactional(cluster: &Cluster, id: &str) -> Producer {
    let producer = cluster.producer(ProducerSettings {
        transactional_id: Some(cluster.name(id)),
        ..ProducerSettings::default()
    });
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

#[test]
fn committed_records_are_seen_and_aborted_ones_are_not() {
    let cluster = Cluster::start();
    let name = cluster.topic("txn", 1);
    let producer = transactional(&cluster, "txn");
    let topic = producer.topic(&name).unwrap();
    for (text, commit) in [("a", true), ("b", false), ("c", true)] {
        producer.begin_transaction().unwrap();
        producer
            .send(&Record::new(&topic, text.as_bytes()), 0)
            .unwrap();
        if commit {
            producer
                .commit_transaction(PATIENCE, &mut all_delivered)
                .unwrap();
        } else {
            producer.flush(PATIENCE, &mut all_delivered).unwrap();
            producer.abort_transaction(PATIENCE, &mut |_| ()).unwrap();
        }
    }
    assert_eq!(
        cluster.read(&name, 0, ConsumerSettings::default()),
        ["a", "c"]
    );
    let all = ConsumerSettings {
        isolation: Isolation::Uncommitted,
        ..ConsumerSettings::default()
    };
    assert_eq!(cluster.read(&name, 0, all), ["a", "b", "c"]);
}

#[test]
fn an_abort_with_records_on_their_way_leaves_the_next_transaction_whole() {
    let cluster = Cluster::start();
    let name = cluster.topic("underway", 1);
    let producer = transactional(&cluster, "underway");
    let topic = producer.topic(&name).unwrap();
    let mut expected = Vec::new();
    for round in 0..40_u64 {
        producer.begin_transaction().unwrap();
        for tag in 0..3 {
            producer
                .send(&Record::new(&topic, b"aborted"), tag)
                .unwrap();
        }
        let mut reports = 0;
        // From not sent yet to acknowledged, over the rounds; the transaction before may still be at its end, too.
        producer.poll(Duration::from_millis(round / 5), &mut |_| reports += 1);
        producer
            .abort_transaction(PATIENCE, &mut |_| reports += 1)
            .unwrap();
        assert_eq!(reports, 3);
        producer.begin_transaction().unwrap();
        for part in ["a", "b"] {
            let text = format!("{round}{part}");
            producer
                .send(&Record::new(&topic, text.as_bytes()), 0)
                .unwrap();
            // A request of its own.
            producer.flush(PATIENCE, &mut all_delivered).unwrap();
            expected.push(text);
        }
        producer
            .commit_transaction(PATIENCE, &mut all_delivered)
            .unwrap();
    }
    assert_eq!(
        cluster.read(&name, 0, ConsumerSettings::default()),
        expected
    );
}

#[test]
fn every_report_reaches_the_committing_call() {
    let cluster = Cluster::start();
    let name = cluster.topic("reports", 1);
    // A linger time beyond all patience: the commit must not wait for it.
    let producer = cluster.producer(ProducerSettings {
        transactional_id: Some(cluster.name("reports")),
        linger: Some(Duration::from_secs(600)),
        transaction_timeout: Some(Duration::from_secs(900)),
        ..ProducerSettings::default()
    });
    producer.init_transactions(PATIENCE).unwrap();
    let topic = producer.topic(&name).unwrap();
    producer.begin_transaction().unwrap();
    for tag in 0..1000 {
        producer.send(&Record::new(&topic, b"x"), tag).unwrap();
    }
    let mut tags = Vec::new();
    producer
        .commit_transaction(PATIENCE, &mut |delivery| tags.push(delivery.tag))
        .unwrap();
    assert_eq!(tags, (0..1000).collect::<Vec<_>>());
}

#[test]
fn offsets_are_committed_with_the_output_or_not_at_all() {
    let cluster = Cluster::start();
    let (input, output) = (cluster.topic("in", 1), cluster.topic("out", 1));
    cluster.write(&input, 0, &["1", "2"]);
    let group = cluster.name("copy");
    let mut consumer = cluster.consumer(ConsumerSettings::in_group(&group));
    consumer.subscribe(&[&input]).unwrap();
    let mut read = 0;
    poll_until(&mut consumer, |batch| {
        read += batch.len();
        read == 2
    });
    let producer = transactional(&cluster, "copy");
    let topic = producer.topic(&output).unwrap();
    let partition = [TopicPartition::new(&input, 0)];
    for (offset, commit) in [(1, true), (2, false)] {
        let at = PartitionOffset::new(&input, 0, offset).with_metadata(format!("v1;{offset}"));
        producer.begin_transaction().unwrap();
        producer.send(&Record::new(&topic, b"x"), 0).unwrap();
        let metadata = consumer.group_metadata().unwrap();
        producer.send_offsets(&[at], &metadata, PATIENCE).unwrap();
        if commit {
            producer
                .commit_transaction(PATIENCE, &mut all_delivered)
                .unwrap();
        } else {
            producer.abort_transaction(PATIENCE, &mut |_| ()).unwrap();
        }
    }
    let committed = consumer.committed(&partition, PATIENCE).unwrap();
    assert_eq!(
        committed,
        [PartitionOffset::new(&input, 0, 1).with_metadata("v1;1")]
    );
    let seen = cluster.read(&output, 0, ConsumerSettings::default());
    assert_eq!(seen.len(), 1);
}

#[test]
fn an_older_producer_is_fenced_for_good() {
    let cluster = Cluster::start();
    let name = cluster.topic("fence", 1);
    let old = transactional(&cluster, "fence");
    let topic = old.topic(&name).unwrap();
    old.begin_transaction().unwrap();
    old.send(&Record::new(&topic, b"zombie"), 0).unwrap();
    let new = transactional(&cluster, "fence");
    let error = old.commit_transaction(PATIENCE, &mut |_| ()).unwrap_err();
    assert!(error.is_fatal(), "{error:?}");
    let error = old.send(&Record::new(&topic, b"zombie"), 0).unwrap_err();
    assert!(matches!(error, SendError::Fatal { .. }), "{error:?}");

    let topic = new.topic(&name).unwrap();
    new.begin_transaction().unwrap();
    new.send(&Record::new(&topic, b"alive"), 0).unwrap();
    new.commit_transaction(PATIENCE, &mut all_delivered)
        .unwrap();
    assert_eq!(
        cluster.read(&name, 0, ConsumerSettings::default()),
        ["alive"]
    );
}

#[test]
fn a_member_that_was_replaced_cannot_commit() {
    let cluster = Cluster::start();
    let input = cluster.topic("stale", 1);
    let group = cluster.name("stale");
    let mut first = cluster.consumer(ConsumerSettings::in_group(&group));
    first.subscribe(&[&input]).unwrap();
    let mut assigned = false;
    poll_until(&mut first, |batch| {
        assigned |= !batch.events().is_empty();
        assigned
    });
    let stale = first.group_metadata().unwrap();
    first.close().unwrap();
    // Another member joins: the generation has moved on.
    let mut second = cluster.consumer(ConsumerSettings::in_group(&group));
    second.subscribe(&[&input]).unwrap();
    let mut assigned = false;
    poll_until(&mut second, |batch| {
        assigned |= !batch.events().is_empty();
        assigned
    });
    let producer = transactional(&cluster, "stale");
    producer.begin_transaction().unwrap();
    let offsets = [PartitionOffset::new(&input, 0, 0)];
    let error = producer
        .send_offsets(&offsets, &stale, PATIENCE)
        .unwrap_err();
    assert_eq!(error.remedy(), Some(Remedy::Abort), "{error:?}");
    producer.abort_transaction(PATIENCE, &mut |_| ()).unwrap();
}

#[test]
fn calls_in_the_wrong_state_say_so() {
    let cluster = Cluster::start();
    let producer = transactional(&cluster, "state");
    let error = producer
        .commit_transaction(PATIENCE, &mut |_| ())
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Transaction {
                remedy: Remedy::Stop,
                ..
            }
        ),
        "{error:?}"
    );
    let plain = cluster.producer(ProducerSettings::default());
    assert!(plain.begin_transaction().is_err());
}
