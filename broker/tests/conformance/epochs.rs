//! OffsetForLeaderEpoch, by which a consumer finds out whether the log was cut under it.

use kafka_protocol::messages::OffsetForLeaderEpochRequest;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::EpochEndOffset;

use crate::clients::{create_topic, produce_values};
use crate::raw::{Raw, topic_name};
use crate::target::Target;

const UNKNOWN_LEADER_EPOCH: i16 = 75;

pub(crate) fn the_only_epoch_ends_at_the_end(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    produce_values(target, &topic, 0, &["a", "b", "c"]);
    let mut raw = Raw::connect(target);
    let found = end_of(&mut raw, &topic, -1, 0);
    assert_eq!(
        (found.error_code, found.leader_epoch, found.end_offset),
        (0, 0, 3)
    );
}

pub(crate) fn a_later_epoch_is_unknown(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    produce_values(target, &topic, 0, &["a"]);
    let mut raw = Raw::connect(target);
    let found = end_of(&mut raw, &topic, -1, 5);
    assert_eq!(
        (found.error_code, found.leader_epoch, found.end_offset),
        (0, -1, -1)
    );
    assert_eq!(
        end_of(&mut raw, &topic, 5, 0).error_code,
        UNKNOWN_LEADER_EPOCH
    );
}

fn end_of(raw: &mut Raw, topic: &str, current: i32, epoch: i32) -> EpochEndOffset {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(current)
        .with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    let mut response = raw.call(3, &request);
    response.topics.remove(0).partitions.remove(0)
}
