//! The group protocol by hand: members that die, come back, or are out of date.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest,
    SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::clients::{create_topic, member, owned};
use crate::raw::{Raw, await_coordinator, text, topic_name};
use crate::target::{Target, poll_until};

const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const MEMBER_ID_REQUIRED: i16 = 79;
const FENCED_INSTANCE_ID: i16 = 82;
const JOIN_VERSION: i16 = 5;

pub(crate) fn a_first_join_is_given_a_member_id(target: &Target) {
    let group = target.unique("group");
    let mut raw = ready(target, &group);
    let first = raw.call(JOIN_VERSION, &join(&group, "", None, 10_000));
    assert_eq!(first.error_code, MEMBER_ID_REQUIRED);
    assert!(!first.member_id.is_empty(), "the id to come back with");
    let second = raw.call(JOIN_VERSION, &join(&group, &first.member_id, None, 10_000));
    assert_eq!((second.error_code, second.generation_id), (0, 1));
    assert_eq!(second.leader, second.member_id, "the only member leads");
    assert_eq!(second.members.len(), 1);
    assert_eq!(second.protocol_name.as_deref(), Some("range"));
}

pub(crate) fn a_silent_member_expires(target: &Target) {
    let (topic, group) = (create_topic(target, 2, &[]), target.unique("group"));
    let mut raw = ready(target, &group);
    let silent = enter(&mut raw, &group, None, 1500);
    // The living one joins: the group waits for the silent one to join again, or for its session to expire.
    let living = member(target, &group, &topic, &[]);
    poll_until("the living member owns every partition", || {
        (owned(&living) == [0, 1]).then_some(())
    });
    let answer = heartbeat(
        &mut raw,
        &group,
        silent.generation_id,
        &silent.member_id,
        None,
    );
    assert_eq!(answer, UNKNOWN_MEMBER_ID, "the silent one is out");
}

pub(crate) fn an_old_generation_cannot_commit(target: &Target) {
    let (topic, group) = (create_topic(target, 1, &[]), target.unique("group"));
    let mut raw = ready(target, &group);
    let old = enter(&mut raw, &group, None, 10_000);
    let answer = commit(&mut raw, &group, &topic, old.generation_id, &old.member_id);
    assert_eq!(answer, 0, "its own generation");
    let renewed = raw.call(JOIN_VERSION, &join(&group, &old.member_id, None, 10_000));
    assert_eq!(
        (renewed.error_code, renewed.generation_id),
        (0, old.generation_id + 1)
    );
    sync(&mut raw, &group, &renewed, None);
    let answer = commit(&mut raw, &group, &topic, old.generation_id, &old.member_id);
    assert_eq!(answer, ILLEGAL_GENERATION);
    let answer = heartbeat(&mut raw, &group, old.generation_id, &old.member_id, None);
    assert_eq!(answer, ILLEGAL_GENERATION);
    let answer = commit(
        &mut raw,
        &group,
        &topic,
        renewed.generation_id,
        &old.member_id,
    );
    assert_eq!(answer, 0, "the new generation");
}

pub(crate) fn an_unknown_member_is_turned_away(target: &Target) {
    let (topic, group) = (create_topic(target, 1, &[]), target.unique("group"));
    let mut raw = ready(target, &group);
    let known = enter(&mut raw, &group, None, 10_000);
    let stranger = text("nobody-1234");
    let generation = known.generation_id;
    assert_eq!(
        commit(&mut raw, &group, &topic, generation, &stranger),
        UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        heartbeat(&mut raw, &group, generation, &stranger, None),
        UNKNOWN_MEMBER_ID
    );
    let joined = raw.call(JOIN_VERSION, &join(&group, &stranger, None, 10_000));
    assert_eq!(joined.error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(
        heartbeat(&mut raw, &group, generation, &known.member_id, None),
        0
    );
}

pub(crate) fn a_returning_static_member_keeps_the_generation(target: &Target) {
    let group = target.unique("group");
    let mut raw = ready(target, &group);
    let before = enter(&mut raw, &group, Some("worker-1"), 30_000);
    let back = raw.call(JOIN_VERSION, &join(&group, "", Some("worker-1"), 30_000));
    assert_eq!(back.error_code, 0);
    assert_eq!(
        back.generation_id, before.generation_id,
        "no rebalance for a known instance"
    );
    assert_ne!(back.member_id, before.member_id, "but an id of its own");
    let assignment = sync(&mut raw, &group, &back, Some("worker-1"));
    assert_eq!(
        assignment,
        Bytes::from_static(b"all of it"),
        "it gets what it had"
    );
}

pub(crate) fn a_replaced_static_member_is_fenced(target: &Target) {
    let (topic, group) = (create_topic(target, 1, &[]), target.unique("group"));
    let mut raw = ready(target, &group);
    let before = enter(&mut raw, &group, Some("worker-1"), 30_000);
    raw.call(JOIN_VERSION, &join(&group, "", Some("worker-1"), 30_000));
    let id = &before.member_id;
    let answer = heartbeat(&mut raw, &group, before.generation_id, id, Some("worker-1"));
    assert_eq!(answer, FENCED_INSTANCE_ID);
    let request = commit_request(&group, &topic, before.generation_id, id)
        .with_group_instance_id(Some(text("worker-1")));
    let response = raw.call(7, &request);
    assert_eq!(
        response.topics[0].partitions[0].error_code,
        FENCED_INSTANCE_ID
    );
}

pub(crate) fn an_outsider_commits_only_to_an_empty_group(target: &Target) {
    let (topic, group) = (create_topic(target, 1, &[]), target.unique("group"));
    let mut raw = ready(target, &group);
    assert_eq!(
        commit(&mut raw, &group, &topic, -1, &text("")),
        0,
        "nobody is in the group"
    );
    enter(&mut raw, &group, None, 10_000);
    assert_eq!(
        commit(&mut raw, &group, &topic, -1, &text("")),
        UNKNOWN_MEMBER_ID
    );
}

/// A connection on which the group's coordinator answers.
pub(crate) fn ready(target: &Target, group: &str) -> Raw {
    let mut raw = Raw::connect(target);
    await_coordinator(&mut raw, 0, group);
    // The coordinator may still be loading its log: it says so with an error other than the two expected here.
    poll_until("the coordinator has loaded", || {
        let answer = heartbeat(&mut raw, group, 0, &text("nobody"), None);
        (answer == UNKNOWN_MEMBER_ID).then_some(())
    });
    raw
}

/// Joins as the only member and takes an assignment, so that the group is stable.
pub(crate) fn enter(
    raw: &mut Raw,
    group: &str,
    instance: Option<&str>,
    session_ms: i32,
) -> JoinGroupResponse {
    let mut joined = raw.call(JOIN_VERSION, &join(group, "", instance, session_ms));
    if joined.error_code == MEMBER_ID_REQUIRED {
        joined = raw.call(
            JOIN_VERSION,
            &join(group, &joined.member_id, instance, session_ms),
        );
    }
    assert_eq!(joined.error_code, 0, "joining `{group}`");
    sync(raw, group, &joined, instance);
    joined
}

fn join(group: &str, member_id: &str, instance: Option<&str>, session_ms: i32) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0\xff\xff\xff\xff"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(session_ms)
        .with_rebalance_timeout_ms(30_000)
        .with_member_id(text(member_id))
        .with_group_instance_id(instance.map(text))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

fn sync(raw: &mut Raw, group: &str, joined: &JoinGroupResponse, instance: Option<&str>) -> Bytes {
    let mut request = SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(instance.map(text));
    if joined.leader == joined.member_id {
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(joined.member_id.clone())
            .with_assignment(Bytes::from_static(b"all of it"));
        request = request.with_assignments(vec![assignment]);
    }
    let response = raw.call(3, &request);
    assert_eq!(response.error_code, 0, "taking an assignment in `{group}`");
    response.assignment
}

fn heartbeat(
    raw: &mut Raw,
    group: &str,
    generation: i32,
    member_id: &StrBytes,
    instance: Option<&str>,
) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(generation)
        .with_member_id(member_id.clone())
        .with_group_instance_id(instance.map(text));
    raw.call(3, &request).error_code
}

fn commit(raw: &mut Raw, group: &str, topic: &str, generation: i32, member_id: &StrBytes) -> i16 {
    let response = raw.call(7, &commit_request(group, topic, generation, member_id));
    response.topics[0].partitions[0].error_code
}

fn commit_request(
    group: &str,
    topic: &str,
    generation: i32,
    member_id: &StrBytes,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(5)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member_id.clone())
        .with_topics(vec![topic])
}
