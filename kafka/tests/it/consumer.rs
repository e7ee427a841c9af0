use floodmark_kafka::consumer::{CommitMode, Event, Isolation, Start, StartOffset};
use floodmark_kafka::{
    Batch, ConsumerSettings, PartitionOffset, ProducerSettings, Record, TopicPartition,
};

use crate::support::{Cluster, PATIENCE, STEP, all_delivered, poll_until, texts};

#[test]
fn records_of_all_partitions_arrive_in_order_with_their_topic() {
    let cluster = Cluster::start();
    let (first, second) = (cluster.topic("first", 2), cluster.topic("second", 1));
    cluster.write(&first, 0, &["a0", "a1"]);
    cluster.write(&first, 1, &["b0"]);
    cluster.write(&second, 0, &["c0", "c1"]);
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let places = [(&second, 0), (&first, 1), (&first, 0)].map(|(topic, partition)| {
        (
            TopicPartition::new(topic.as_str(), partition),
            StartOffset::Beginning,
        )
    });
    consumer.assign(&places, PATIENCE).unwrap();
    assert_eq!(consumer.topics(), [second.as_str(), first.as_str()]);
    let mut seen = Vec::new();
    poll_until(&mut consumer, |batch| {
        for message in batch.messages() {
            let payload = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            seen.push((
                message.topic_index(),
                message.partition(),
                message.offset(),
                payload,
            ));
        }
        seen.len() == 5
    });
    seen.sort();
    let expected = [
        (0, 0, 0, "c0"),
        (0, 0, 1, "c1"),
        (1, 0, 0, "a0"),
        (1, 0, 1, "a1"),
        (1, 1, 0, "b0"),
    ]
    .map(|(topic, partition, offset, text)| (topic, partition, offset, text.to_owned()));
    assert_eq!(seen, expected);
    let positions = consumer
        .position(&places.map(|(partition, _)| partition))
        .unwrap();
    let offsets: Vec<i64> = positions.iter().map(|at| at.offset).collect();
    assert_eq!(offsets, [2, 1, 2]);
}

#[test]
fn reading_starts_at_offsets_times_and_ends() {
    let cluster = Cluster::start();
    let name = cluster.topic("starts", 1);
    let producer = cluster.producer(ProducerSettings::default());
    let topic = producer.topic(&name).unwrap();
    for (text, time) in [("a", 1_000_000), ("b", 2_000_000), ("c", 3_000_000)] {
        producer
            .send(&Record::new(&topic, text.as_bytes()).timestamp_ms(time), 0)
            .unwrap();
        producer.flush(PATIENCE, &mut all_delivered).unwrap();
    }
    for (start, expected) in [
        (StartOffset::Beginning, vec!["a", "b", "c"]),
        (StartOffset::At(2), vec!["c"]),
        (StartOffset::Time(1_000_001), vec!["b", "c"]),
        (StartOffset::Time(2_000_000), vec!["b", "c"]),
        (StartOffset::Time(9_000_000), vec![]),
        (StartOffset::End, vec![]),
        (StartOffset::Stored, vec!["a", "b", "c"]),
    ] {
        let mut consumer = cluster.consumer(ConsumerSettings {
            report_ends: true,
            ..ConsumerSettings::default()
        });
        consumer
            .assign(&[(TopicPartition::new(&name, 0), start)], PATIENCE)
            .unwrap();
        let mut seen = Vec::new();
        let mut end = None;
        poll_until(&mut consumer, |batch| {
            seen.extend(texts(batch));
            end = batch.events().iter().find_map(|event| match event {
                Event::EndOfPartition { offset, .. } => Some(*offset),
                _ => None,
            });
            end.is_some()
        });
        assert_eq!(seen, expected, "{start:?}");
        assert_eq!(end, Some(3), "{start:?}");
    }
}

#[test]
fn a_small_batch_leaves_the_rest_for_the_next() {
    let cluster = Cluster::start();
    let name = cluster.topic("small", 1);
    let payloads: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    let borrowed: Vec<&str> = payloads.iter().map(String::as_str).collect();
    cluster.write(&name, 0, &borrowed);
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let place = (TopicPartition::new(&name, 0), StartOffset::Beginning);
    consumer.assign(&[place], PATIENCE).unwrap();
    let mut batch = Batch::with_capacity(7);
    let mut seen = Vec::new();
    while seen.len() < 100 {
        consumer.poll(&mut batch, PATIENCE).unwrap();
        assert!(!batch.is_empty() && batch.len() <= 7, "{}", batch.len());
        seen.extend(texts(&batch));
    }
    assert_eq!(seen, payloads);
}

#[test]
fn a_batch_outlives_its_consumer() {
    let cluster = Cluster::start();
    let name = cluster.topic("outlives", 1);
    cluster.write(&name, 0, &["still here"]);
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let place = (TopicPartition::new(&name, 0), StartOffset::Beginning);
    consumer.assign(&[place], PATIENCE).unwrap();
    let mut batch = Batch::with_capacity(10);
    consumer.poll(&mut batch, PATIENCE).unwrap();
    consumer.close().unwrap();
    assert_eq!(texts(&batch), ["still here"]);
}

#[test]
fn commits_are_found_again_with_their_metadata() {
    let cluster = Cluster::start();
    let name = cluster.topic("commits", 2);
    cluster.write(&name, 0, &["a", "b", "c"]);
    let group = cluster.name("commits");
    let partitions = [TopicPartition::new(&name, 0), TopicPartition::new(&name, 1)];
    let places = partitions
        .clone()
        .map(|partition| (partition, StartOffset::Stored));

    let mut consumer = cluster.consumer(ConsumerSettings::in_group(&group));
    consumer.assign(&places, PATIENCE).unwrap();
    assert_eq!(consumer.committed(&partitions, PATIENCE).unwrap(), []);
    let waited = PartitionOffset::new(&name, 0, 1).with_metadata("v1;snapshot-7;1");
    consumer
        .commit(std::slice::from_ref(&waited), CommitMode::Wait)
        .unwrap();
    assert_eq!(consumer.committed(&partitions, PATIENCE).unwrap(), [waited]);

    let background = PartitionOffset::new(&name, 0, 2).with_metadata("v1;snapshot-8;2");
    consumer
        .commit(std::slice::from_ref(&background), CommitMode::Background)
        .unwrap();
    let mut outcome = None;
    poll_until(&mut consumer, |batch| {
        outcome = outcome
            .take()
            .or(batch.events().iter().find_map(|event| match event {
                Event::Committed { offsets, failure } => Some((offsets.clone(), *failure)),
                _ => None,
            }));
        outcome.is_some()
    });
    assert_eq!(outcome, Some((vec![background.clone()], None)));
    drop(consumer);

    let mut consumer = cluster.consumer(ConsumerSettings::in_group(&group));
    consumer.assign(&places, PATIENCE).unwrap();
    let mut seen = Vec::new();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        !seen.is_empty()
    });
    assert_eq!(seen, ["c"]);
}

#[test]
fn a_group_without_offsets_starts_where_the_settings_say() {
    let cluster = Cluster::start();
    let name = cluster.topic("latest", 1);
    cluster.write(&name, 0, &["old"]);
    let mut consumer = cluster.consumer(ConsumerSettings {
        start: Start::Latest,
        report_ends: true,
        ..ConsumerSettings::in_group(cluster.name("latest"))
    });
    consumer.subscribe(&[&name]).unwrap();
    let mut seen = Vec::new();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        batch
            .events()
            .iter()
            .any(|event| matches!(event, Event::EndOfPartition { .. }))
    });
    cluster.write(&name, 0, &["new"]);
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        !seen.is_empty()
    });
    assert_eq!(seen, ["new"]);
}

#[test]
fn lost_records_are_an_event_and_reading_goes_on_after_a_seek() {
    let cluster = Cluster::start();
    let name = cluster.topic("lost", 2);
    cluster.write(&name, 0, &["a", "b", "c", "d"]);
    cluster.write(&name, 1, &["x"]);
    let before = PartitionOffset::new(&name, 0, 3);
    cluster.admin().delete_records(&[before]).unwrap();
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let lost = TopicPartition::new(&name, 0);
    let places = [
        (lost.clone(), StartOffset::At(1)),
        (TopicPartition::new(&name, 1), StartOffset::At(0)),
    ];
    consumer.assign(&places, PATIENCE).unwrap();
    let mut seen = Vec::new();
    let mut event = None;
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        event = event
            .take()
            .or(batch.events().iter().find_map(|event| match event {
                Event::DataLost {
                    partition, resume, ..
                } => Some((partition.clone(), *resume)),
                _ => None,
            }));
        event.is_some() && !seen.is_empty()
    });
    assert_eq!(event, Some((lost.clone(), StartOffset::Beginning)));
    assert_eq!(
        seen,
        ["x"],
        "nothing of the other partition was skipped to in silence"
    );

    consumer
        .seek(&[(lost, StartOffset::Beginning)], PATIENCE)
        .unwrap();
    cluster.write(&name, 1, &["y"]);
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        seen.len() >= 3
    });
    seen.sort();
    assert_eq!(seen, ["d", "x", "y"]);
}

#[test]
fn a_seek_reads_again() {
    let cluster = Cluster::start();
    let name = cluster.topic("seek", 1);
    cluster.write(&name, 0, &["a", "b"]);
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let partition = TopicPartition::new(&name, 0);
    consumer
        .assign(&[(partition.clone(), StartOffset::Beginning)], PATIENCE)
        .unwrap();
    let mut seen = Vec::new();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        seen.len() == 2
    });
    consumer
        .seek(&[(partition, StartOffset::At(1))], PATIENCE)
        .unwrap();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        seen.len() == 3
    });
    assert_eq!(seen, ["a", "b", "b"]);
}

#[test]
fn a_paused_partition_is_silent_until_resumed() {
    let cluster = Cluster::start();
    let name = cluster.topic("pause", 2);
    let mut consumer = cluster.consumer(ConsumerSettings::default());
    let partitions = [TopicPartition::new(&name, 0), TopicPartition::new(&name, 1)];
    let places = partitions
        .clone()
        .map(|partition| (partition, StartOffset::Beginning));
    consumer.assign(&places, PATIENCE).unwrap();
    consumer.pause(&partitions[..1]).unwrap();
    cluster.write(&name, 0, &["held"]);
    cluster.write(&name, 1, &["free"]);
    let mut seen = Vec::new();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        !seen.is_empty()
    });
    let mut batch = Batch::with_capacity(10);
    for _ in 0..4 {
        consumer.poll(&mut batch, STEP).unwrap();
        seen.extend(texts(&batch));
    }
    assert_eq!(seen, ["free"]);
    consumer.resume(&partitions[..1]).unwrap();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        seen.len() == 2
    });
    assert_eq!(seen, ["free", "held"]);
}

#[test]
fn a_missing_topic_is_an_event_not_the_end() {
    let cluster = Cluster::start();
    let (missing, there) = (cluster.name("missing"), cluster.topic("there", 1));
    cluster.write(&there, 0, &["a"]);
    let mut consumer = cluster.consumer(ConsumerSettings::in_group(cluster.name("g")));
    consumer.subscribe(&[&missing, &there]).unwrap();
    let (mut seen, mut named) = (Vec::new(), false);
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        named |= batch.events().iter().any(|event| match event {
            Event::Error { detail, .. } => detail.contains(&missing),
            _ => false,
        });
        named && !seen.is_empty()
    });
    assert_eq!(seen, ["a"]);
}

#[test]
fn without_a_group_there_is_nothing_to_commit_with() {
    let cluster = Cluster::start();
    let consumer = cluster.consumer(ConsumerSettings {
        isolation: Isolation::Uncommitted,
        ..ConsumerSettings::default()
    });
    let error = consumer.group_metadata().err().expect("there is no group");
    assert!(error.to_string().contains("no group"), "{error}");
}
