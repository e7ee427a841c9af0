//! OffsetCommit and OffsetFetch.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};

use crate::api::membership::caller;
use crate::api::{code, text};
use crate::dispatch::Call;
use crate::groups;
use crate::groups::offsets::{Position, Stability, TopicPartition};

/// Handles OffsetCommit.
pub(crate) fn commit(call: &Call<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let shared = call.shared;
    let generation = request.generation_id_or_member_epoch;
    let caller = caller(&request.member_id, &request.group_instance_id, generation);
    let now = shared.clock.moment();
    let mut all_groups = shared.groups.lock();
    let mut offsets = all_groups.commit(&request.group_id.0, &caller, now);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let commit = |wanted: OffsetCommitRequestPartition| {
            let outcome = match &mut offsets {
                Err(error) => Err(*error),
                Ok(_) if !shared.topics.has(&topic.name.0, wanted.partition_index) => {
                    Err(ResponseError::UnknownTopicOrPartition)
                }
                Ok(offsets) => groups::committed(
                    wanted.committed_offset,
                    wanted.committed_leader_epoch,
                    wanted.committed_metadata.as_deref(),
                )
                .map(|position| {
                    offsets.commit(at(&topic.name, wanted.partition_index), position);
                }),
            };
            OffsetCommitResponsePartition::default()
                .with_partition_index(wanted.partition_index)
                .with_error_code(code(&outcome))
        };
        let partitions = topic.partitions.into_iter().map(commit).collect();
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// Handles OffsetFetch: one group up to version 7, any number since.
pub(crate) fn fetch(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stability = if request.require_stable {
        Stability::Required
    } else {
        Stability::Any
    };
    let positions = |group_id: &str, wanted: Option<Vec<TopicPartition>>| {
        by_topic(
            call.shared
                .groups
                .lock()
                .positions(group_id, wanted, stability),
        )
    };
    let response = OffsetFetchResponse::default();
    if call.version < 8 {
        let wanted = request.topics.map(|topics| {
            let partitions = topics
                .into_iter()
                .flat_map(|t| ats(t.name, t.partition_indexes));
            partitions.collect()
        });
        let topics = positions(&request.group_id.0, wanted)
            .into_iter()
            .map(|(name, found)| {
                OffsetFetchResponseTopic::default()
                    .with_name(TopicName(text(name)))
                    .with_partitions(found.into_iter().map(Answered::of_single_group).collect())
            });
        return response.with_topics(topics.collect());
    }
    let mut answered = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        let wanted = group.topics.map(|topics| {
            let partitions = topics
                .into_iter()
                .flat_map(|t| ats(t.name, t.partition_indexes));
            partitions.collect()
        });
        let topics = positions(&group.group_id.0, wanted)
            .into_iter()
            .map(|(name, found)| {
                OffsetFetchResponseTopics::default()
                    .with_name(TopicName(text(name)))
                    .with_partitions(found.into_iter().map(Answered::of_many_groups).collect())
            });
        let topics = topics.collect();
        answered.push(
            OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id)
                .with_topics(topics),
        );
    }
    response.with_groups(answered)
}

/// A partition and its name's owner.
pub(super) fn at(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.0.to_string(),
        partition,
    }
}

/// Several partitions of one topic.
pub(super) fn ats(topic: TopicName, partitions: Vec<i32>) -> impl Iterator<Item = TopicPartition> {
    partitions
        .into_iter()
        .map(move |partition| at(&topic, partition))
}

struct Answered {
    partition: i32,
    position: Position,
}

impl Answered {
    fn parts(self) -> (i64, i32, String, i16) {
        match self.position {
            Position::At(c) => (c.offset, c.leader_epoch, c.metadata, 0),
            Position::None => (-1, -1, String::new(), 0),
            Position::Unstable => (
                -1,
                -1,
                String::new(),
                ResponseError::UnstableOffsetCommit.code(),
            ),
        }
    }

    fn of_single_group(self) -> OffsetFetchResponsePartition {
        let index = self.partition;
        let (offset, epoch, metadata, error) = self.parts();
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(Some(text(metadata)))
            .with_error_code(error)
    }

    fn of_many_groups(self) -> OffsetFetchResponsePartitions {
        let index = self.partition;
        let (offset, epoch, metadata, error) = self.parts();
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(Some(text(metadata)))
            .with_error_code(error)
    }
}

fn by_topic(positions: Vec<(TopicPartition, Position)>) -> BTreeMap<String, Vec<Answered>> {
    let mut topics = BTreeMap::<String, Vec<Answered>>::new();
    for (TopicPartition { topic, partition }, position) in positions {
        topics.entry(topic).or_default().push(Answered {
            partition,
            position,
        });
    }
    topics
}
