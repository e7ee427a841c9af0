use floodmark_kafka::admin::NewTopic;
use floodmark_kafka::consumer::CommitMode;
use floodmark_kafka::{ConsumerSettings, ErrorCode, PartitionOffset, TopicPartition};

use crate::support::{Cluster, poll_until};

#[test]
fn topics_are_made_seen_and_deleted() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let name = cluster.name("made");
    let topic = NewTopic::new(&name, 3).config("message.timestamp.type", "LogAppendTime");
    admin.create_topics(std::slice::from_ref(&topic)).unwrap();

    let seen = admin.topic(&name).unwrap().unwrap();
    assert_eq!((seen.partitions, seen.leaderless), (3, 0));
    assert_eq!(
        admin.topic_configs(&name).unwrap()["message.timestamp.type"],
        "LogAppendTime"
    );

    let error = admin.create_topics(&[topic]).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists), "{error}");
    assert!(error.to_string().contains(&name), "{error}");

    admin.delete_topics(&[&name]).unwrap();
    assert_eq!(admin.topic(&name).unwrap(), None);
    // Gone is gone.
    admin.delete_topics(&[&name]).unwrap();
}

#[test]
fn all_topics_are_listed() {
    let cluster = Cluster::start();
    let (one, two) = (cluster.topic("one", 1), cluster.topic("two", 2));
    let seen = cluster.admin().cluster().unwrap();
    assert!(!seen.brokers.is_empty());
    for (name, partitions) in [(one, 1), (two, 2)] {
        let found = seen.topics.iter().find(|topic| topic.name == name).unwrap();
        assert_eq!(found.partitions, partitions);
    }
}

#[test]
fn bad_topics_are_refused_with_their_name() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let error = admin
        .create_topics(&[NewTopic::new("no good", 1)])
        .unwrap_err();
    assert!(error.to_string().contains("`no good`"), "{error}");
    let name = cluster.name("absent");
    for error in [
        admin.watermarks(&[&name]).unwrap_err(),
        admin.topic_configs(&name).unwrap_err(),
        admin.lag("g", &[&name]).unwrap_err(),
    ] {
        assert_eq!(
            error.code(),
            Some(ErrorCode::UnknownTopicOrPartition),
            "{error}"
        );
        assert!(error.to_string().contains(&name), "{error}");
    }
}

#[test]
fn watermarks_follow_writing_and_deleting() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let name = cluster.topic("marks", 2);
    assert!(admin.is_empty(&name).unwrap());
    cluster.write(&name, 1, &["a", "b", "c"]);
    assert!(!admin.is_empty(&name).unwrap());
    let bounds = |admin: &floodmark_kafka::Admin| -> Vec<(i32, i64, i64)> {
        let marks = admin.watermarks(&[&name]).unwrap();
        marks
            .into_iter()
            .map(|mark| (mark.partition.partition, mark.low, mark.high))
            .collect()
    };
    assert_eq!(bounds(&admin), [(0, 0, 0), (1, 0, 3)]);

    let lows = admin
        .delete_records(&[PartitionOffset::new(&name, 1, 2)])
        .unwrap();
    assert_eq!(lows, [PartitionOffset::new(&name, 1, 2)]);
    assert_eq!(bounds(&admin), [(0, 0, 0), (1, 2, 3)]);
    let error = admin
        .delete_records(&[PartitionOffset::new(&name, 1, 9)])
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OffsetOutOfRange), "{error}");
}

#[test]
fn a_groups_members_offsets_and_lag_are_seen_from_outside() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let name = cluster.topic("group", 2);
    let group = cluster.name("members");
    assert_eq!(admin.group(&group).unwrap(), None);
    cluster.write(&name, 0, &["a", "b", "c", "d"]);
    cluster.write(&name, 1, &["e"]);

    let mut consumer = cluster.consumer(ConsumerSettings::in_group(&group));
    consumer.subscribe(&[&name]).unwrap();
    let mut read = 0;
    poll_until(&mut consumer, |batch| {
        read += batch.len();
        read == 5
    });
    let seen = admin.group(&group).unwrap().unwrap();
    assert!(seen.is_stable(), "{seen:?}");
    assert_eq!(seen.members.len(), 1);
    assert_eq!(seen.assigned_partitions(), 2);
    let mut partitions = seen.members[0].partitions.clone();
    partitions.sort();
    assert_eq!(
        partitions,
        [TopicPartition::new(&name, 0), TopicPartition::new(&name, 1)]
    );

    let at = PartitionOffset::new(&name, 0, 1).with_metadata("v1;note");
    consumer
        .commit(std::slice::from_ref(&at), CommitMode::Wait)
        .unwrap();
    assert_eq!(admin.committed(&group, &partitions).unwrap(), [at]);
    let lag: Vec<_> = admin
        .lag(&group, &[&name])
        .unwrap()
        .into_iter()
        .map(|lag| (lag.partition.partition, lag.committed, lag.end, lag.records))
        .collect();
    assert_eq!(lag, [(0, Some(1), 4, 3), (1, None, 1, 1)]);

    consumer.close().unwrap();
    let left = admin.group(&group).unwrap().unwrap();
    assert_eq!((left.members.len(), left.assigned_partitions()), (0, 0));
}
