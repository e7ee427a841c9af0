//! Consumer groups as librdkafka's members live in them.

use std::collections::BTreeSet;

use kafka_protocol::messages::{DescribeGroupsRequest, GroupId};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{TestConsumer, consumer, create_topic, member, owned, produce_values};
use crate::raw::{Raw, text};
use crate::target::{PATIENCE, Target, poll_until};

pub(crate) fn two_members_share_by_range(target: &Target) {
    two_members_share(target, "range");
}

pub(crate) fn two_members_share_by_cooperative_sticky(target: &Target) {
    two_members_share(target, "cooperative-sticky");
}

fn two_members_share(target: &Target, strategy: &str) {
    let (topic, group) = (create_topic(target, 4, &[]), target.unique("group"));
    let settings = [("partition.assignment.strategy", strategy)];
    let first = member(target, &group, &topic, &settings);
    poll_until("the only member owns every partition", || {
        (owned(&first) == [0, 1, 2, 3]).then_some(())
    });
    let second = member(target, &group, &topic, &settings);
    await_fair_share(&[&first, &second]);
    // Records reach the member that owns their partition, each once.
    for partition in 0..4 {
        produce_values(target, &topic, partition, &[format!("for {partition}")]);
    }
    let mut values = BTreeSet::new();
    poll_until("every record reaches one of the members", || {
        for consumer in [&first, &second] {
            if let Some(Ok(message)) = consumer.poll(crate::clients::POLL) {
                let seen = crate::clients::Seen::from(&message);
                assert!(values.insert(seen.text()), "{} came twice", seen.text());
            }
        }
        (values.len() == 4).then_some(())
    });
}

pub(crate) fn a_leaving_member_hands_over(target: &Target) {
    let (topic, group) = (create_topic(target, 4, &[]), target.unique("group"));
    // A session this long shows that the group did not wait for it to expire.
    let settings = [
        ("session.timeout.ms", "300000"),
        ("max.poll.interval.ms", "300000"),
    ];
    let first = member(target, &group, &topic, &settings);
    let second = member(target, &group, &topic, &settings);
    await_fair_share(&[&first, &second]);
    drop(first);
    poll_until("the other member takes over", || {
        (owned(&second) == [0, 1, 2, 3]).then_some(())
    });
}

pub(crate) fn a_static_member_returns_without_a_rebalance(target: &Target) {
    let (topic, group) = (create_topic(target, 4, &[]), target.unique("group"));
    let settings = |name| [("group.instance.id", name), ("session.timeout.ms", "30000")];
    let first = member(target, &group, &topic, &settings("first"));
    let second = member(target, &group, &topic, &settings("second"));
    await_fair_share(&[&first, &second]);
    let (mine, rebalances) = (owned(&first), second.context().count());
    drop(first);
    let back = member(target, &group, &topic, &settings("first"));
    poll_until("the member that came back owns what it owned", || {
        owned(&second);
        (owned(&back) == mine).then_some(())
    });
    assert_eq!(
        second.context().count(),
        rebalances,
        "the other member noticed nothing"
    );
}

pub(crate) fn groups_are_listed_and_described(target: &Target) {
    let (topic, group) = (create_topic(target, 2, &[]), target.unique("group"));
    let observer = consumer(target, &[]);
    let describe = || {
        let list = observer.fetch_group_list(Some(&group), PATIENCE).unwrap();
        let found = list
            .groups()
            .first()
            .expect("the group asked for is described");
        let members: Vec<_> = found
            .members()
            .iter()
            .map(|m| (m.client_id().to_owned(), m.assignment().is_some()))
            .collect();
        (
            found.state().to_owned(),
            found.protocol().to_owned(),
            members,
        )
    };
    let settings = [
        ("client.id", "observed"),
        ("partition.assignment.strategy", "roundrobin"),
    ];
    let consumer = member(target, &group, &topic, &settings);
    poll_until("the member owns both partitions", || {
        (owned(&consumer) == [0, 1]).then_some(())
    });
    let (state, protocol, members) = describe();
    assert_eq!(
        (state.as_str(), protocol.as_str()),
        ("Stable", "roundrobin")
    );
    assert_eq!(members, [("observed".to_owned(), true)]);
    let all = observer.fetch_group_list(None, PATIENCE).unwrap();
    let listed = all
        .groups()
        .iter()
        .find(|g| g.name() == group)
        .expect("the group is listed");
    assert_eq!(listed.protocol_type(), "consumer");
    commit(&consumer, &topic, 0, 0, "kept");
    drop(consumer);
    // Its committed offset keeps the group, without members.
    let (state, _, members) = poll_until("the group is empty", || {
        let found = describe();
        found.2.is_empty().then_some(found)
    });
    assert_eq!((state.as_str(), members.len()), ("Empty", 0));
}

pub(crate) fn offsets_come_back_with_their_metadata(target: &Target) {
    let (topic, group) = (create_topic(target, 3, &[]), target.unique("group"));
    let consumer = consumer(target, &[("group.id", &group)]);
    commit(&consumer, &topic, 0, 17, "checkpoint 42 \u{fc}");
    commit(&consumer, &topic, 1, 0, "");
    commit(&consumer, &topic, 0, 23, "checkpoint 43 \u{fc}");
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&topic, 0, 2);
    let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
    let found: Vec<_> = committed
        .elements()
        .iter()
        .map(|e| (e.offset(), e.metadata().to_owned()))
        .collect();
    let wanted = [
        (Offset::Offset(23), "checkpoint 43 \u{fc}".to_owned()),
        (Offset::Offset(0), String::new()),
        (Offset::Invalid, String::new()),
    ];
    assert_eq!(found, wanted);
}

pub(crate) fn an_unknown_group_has_no_offsets(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let group = target.unique("group");
    let consumer = consumer(target, &[("group.id", &group)]);
    let mut list = TopicPartitionList::new();
    list.add_partition(&topic, 0);
    let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
    assert_eq!(committed.elements()[0].offset(), Offset::Invalid);
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(&group))]);
    let described = Raw::connect(target).call(4, &request);
    let found = &described.groups[0];
    assert_eq!(
        (
            found.error_code,
            found.group_state.as_str(),
            found.members.len()
        ),
        (0, "Dead", 0)
    );
}

/// Waits until two members own two of four partitions each, no partition twice.
fn await_fair_share(members: &[&TestConsumer; 2]) {
    poll_until("each of the two members owns two partitions", || {
        let (first, second) = (owned(members[0]), owned(members[1]));
        let all: BTreeSet<i32> = first.iter().chain(&second).copied().collect();
        (first.len() == 2 && second.len() == 2 && all.len() == 4).then_some(())
    });
}

fn commit(consumer: &TestConsumer, topic: &str, partition: i32, offset: i64, metadata: &str) {
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(topic, partition);
    element.set_offset(Offset::Offset(offset)).unwrap();
    element.set_metadata(metadata);
    consumer
        .commit(&list, CommitMode::Sync)
        .expect("the offset is committed");
}
