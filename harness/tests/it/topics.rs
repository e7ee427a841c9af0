//! Topics: made as needed, refused where they are somebody else's, deleted only where they are ours.

use floodmark_harness::topics::{Lent, TopicSpec, Topics, TopicsError};

use crate::cluster::Cluster;

fn specs() -> [TopicSpec; 2] {
    [
        TopicSpec::input("events", 3),
        TopicSpec::alerts("alerts", 1),
    ]
}

#[test]
fn missing_topics_are_made_with_partitions_and_the_right_clock() {
    let cluster = Cluster::start();
    let topics = Topics::create(&cluster.client(), &specs(), false).unwrap();
    assert_eq!(topics.created(), ["events", "alerts"]);
    let admin = cluster.admin();
    assert_eq!(admin.topic("events").unwrap().unwrap().partitions, 3);
    for (topic, stamps) in [("events", "CreateTime"), ("alerts", "LogAppendTime")] {
        assert_eq!(
            admin.topic_configs(topic).unwrap()["message.timestamp.type"],
            stamps
        );
    }
}

#[test]
fn a_run_deletes_what_it_made_and_leaves_what_it_found() {
    let cluster = Cluster::start();
    cluster.make("events", 3, "CreateTime");
    cluster.make("other", 1, "CreateTime");
    let topics = Topics::create(&cluster.client(), &specs(), false).unwrap();
    assert_eq!(topics.created(), ["alerts"]);
    topics.delete().unwrap();
    assert!(cluster.has("events") && cluster.has("other"));
    assert!(!cluster.has("alerts"));
}

#[test]
fn a_topic_that_holds_records_is_refused_by_name_unless_the_broker_is_the_runs_own() {
    let cluster = Cluster::start();
    cluster.make("events", 3, "CreateTime");
    cluster.write("events", &["somebody's".to_owned()]);
    let refused = Topics::create(&cluster.client(), &specs(), false)
        .err()
        .unwrap();
    assert!(matches!(&refused, TopicsError::NotEmpty { topic, records: 1 } if topic == "events"));
    assert!(refused.to_string().contains("--topic-prefix"), "{refused}");
    // Nothing was made on the way to the refusal.
    assert!(!cluster.has("alerts"));
    assert!(Topics::create(&cluster.client(), &specs(), true).is_ok());
}

#[test]
fn a_topic_of_another_shape_is_refused_with_what_differs() {
    for (partitions, stamps, found, wanted) in [
        (2, "CreateTime", "2", "3"),
        (3, "LogAppendTime", "LogAppendTime", "CreateTime"),
    ] {
        let cluster = Cluster::start();
        cluster.make("events", partitions, stamps);
        let refused = Topics::create(&cluster.client(), &specs(), false)
            .err()
            .unwrap();
        let text = refused.to_string();
        for part in ["`events`", &format!("`{found}`"), &format!("`{wanted}`")] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}

#[test]
fn topics_lent_to_a_run_go_however_it_ends() {
    let cluster = Cluster::start();
    cluster.make("events", 3, "CreateTime");
    let topics = Topics::create(&cluster.client(), &specs(), false).unwrap();
    drop(Lent::new(topics, false));
    assert!(cluster.has("events") && !cluster.has("alerts"));
}
