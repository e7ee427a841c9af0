//! One request of every kind, with something in every field that its version has.

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

/// The request of an API, in a form that a version of it can carry.
pub(crate) fn sample(key: ApiKey, version: i16) -> RequestKind {
    match key {
        ApiKey::Produce => RequestKind::Produce(produce()),
        ApiKey::Fetch => RequestKind::Fetch(fetch(version)),
        ApiKey::ListOffsets | ApiKey::DeleteRecords | ApiKey::OffsetForLeaderEpoch => {
            log(key, version)
        }
        ApiKey::Metadata
        | ApiKey::FindCoordinator
        | ApiKey::DescribeCluster
        | ApiKey::ApiVersions
        | ApiKey::CreateTopics
        | ApiKey::DeleteTopics
        | ApiKey::DescribeConfigs => cluster(key, version),
        ApiKey::OffsetCommit => RequestKind::OffsetCommit(offset_commit(version)),
        ApiKey::OffsetFetch => RequestKind::OffsetFetch(offset_fetch(version)),
        ApiKey::InitProducerId
        | ApiKey::AddPartitionsToTxn
        | ApiKey::AddOffsetsToTxn
        | ApiKey::EndTxn
        | ApiKey::TxnOffsetCommit => transaction(key, version),
        _ => group(key, version),
    }
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic() -> TopicName {
    TopicName(text("events"))
}

fn since<T: Default>(version: i16, from: i16, value: T) -> T {
    if version >= from { value } else { T::default() }
}

fn produce() -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(1)
        .with_records(Some(Bytes::from_static(b"records")));
    let data = TopicProduceData::default()
        .with_name(topic())
        .with_partition_data(vec![partition; 2]);
    ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("t"))))
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![data; 2])
}

fn fetch(version: i16) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(1)
        .with_fetch_offset(5)
        .with_partition_max_bytes(1 << 20);
    let wanted = FetchTopic::default()
        .with_topic(topic())
        .with_partitions(vec![partition; 2]);
    let forgotten = ForgottenTopic::default()
        .with_topic(topic())
        .with_partitions(vec![1, 2]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_isolation_level(1)
        .with_topics(vec![wanted; 2])
        .with_forgotten_topics_data(since(version, 7, vec![forgotten]))
        .with_rack_id(since(version, 11, text("rack")))
}

fn log(key: ApiKey, _version: i16) -> RequestKind {
    match key {
        ApiKey::ListOffsets => {
            let partition = ListOffsetsPartition::default().with_timestamp(7);
            let wanted = ListOffsetsTopic::default()
                .with_name(topic())
                .with_partitions(vec![partition; 2]);
            RequestKind::ListOffsets(ListOffsetsRequest::default().with_topics(vec![wanted]))
        }
        ApiKey::DeleteRecords => {
            let partition = DeleteRecordsPartition::default().with_offset(-1);
            let wanted = DeleteRecordsTopic::default()
                .with_name(topic())
                .with_partitions(vec![partition; 2]);
            RequestKind::DeleteRecords(DeleteRecordsRequest::default().with_topics(vec![wanted]))
        }
        _ => {
            let partition = OffsetForLeaderPartition::default().with_leader_epoch(0);
            let wanted = OffsetForLeaderTopic::default()
                .with_topic(topic())
                .with_partitions(vec![partition; 2]);
            RequestKind::OffsetForLeaderEpoch(
                OffsetForLeaderEpochRequest::default().with_topics(vec![wanted]),
            )
        }
    }
}

fn cluster(key: ApiKey, version: i16) -> RequestKind {
    match key {
        ApiKey::Metadata => {
            let wanted = MetadataRequestTopic::default().with_name(Some(topic()));
            RequestKind::Metadata(MetadataRequest::default().with_topics(Some(vec![wanted])))
        }
        ApiKey::FindCoordinator => RequestKind::FindCoordinator(if version < 4 {
            FindCoordinatorRequest::default().with_key(text("readers"))
        } else {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text("readers"); 2])
        }),
        ApiKey::DescribeCluster => RequestKind::DescribeCluster(DescribeClusterRequest::default()),
        ApiKey::ApiVersions => RequestKind::ApiVersions(
            ApiVersionsRequest::default()
                .with_client_software_name(since(version, 3, text("software")))
                .with_client_software_version(since(version, 3, text("1.0"))),
        ),
        ApiKey::CreateTopics => {
            let assignment =
                CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
            let config = CreatableTopicConfig::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("9")));
            let wanted = CreatableTopic::default()
                .with_name(TopicName(text("new")))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_assignments(vec![assignment])
                .with_configs(vec![config; 2]);
            RequestKind::CreateTopics(CreateTopicsRequest::default().with_topics(vec![wanted]))
        }
        ApiKey::DeleteTopics => RequestKind::DeleteTopics(
            DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text("old"))]),
        ),
        _ => {
            let wanted = DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("events"))
                .with_configuration_keys(Some(vec![text("retention.ms")]));
            RequestKind::DescribeConfigs(
                DescribeConfigsRequest::default()
                    .with_resources(vec![wanted; 2])
                    .with_include_synonyms(true),
            )
        }
    }
}

fn offset_commit(version: i16) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(5)
        .with_committed_metadata(Some(text("note")));
    let commits = OffsetCommitRequestTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition; 2]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text("readers")))
        .with_member_id(text("member"))
        .with_group_instance_id(since(version, 7, Some(text("instance"))))
        .with_topics(vec![commits])
}

fn offset_fetch(version: i16) -> OffsetFetchRequest {
    let request = OffsetFetchRequest::default().with_require_stable(version >= 7);
    let group_id = GroupId(text("readers"));
    if version < 8 {
        let wanted = OffsetFetchRequestTopic::default()
            .with_name(topic())
            .with_partition_indexes(vec![0, 1]);
        return request
            .with_group_id(group_id)
            .with_topics(Some(vec![wanted]));
    }
    let wanted = OffsetFetchRequestTopics::default()
        .with_name(topic())
        .with_partition_indexes(vec![0, 1]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id)
        .with_topics(Some(vec![wanted]));
    request.with_groups(vec![group; 2])
}

fn transaction(key: ApiKey, version: i16) -> RequestKind {
    let id = TransactionalId(text("t"));
    match key {
        ApiKey::InitProducerId => RequestKind::InitProducerId(
            InitProducerIdRequest::default()
                .with_transactional_id(Some(id))
                .with_transaction_timeout_ms(1000)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        ),
        ApiKey::AddPartitionsToTxn => {
            let added = AddPartitionsToTxnTopic::default()
                .with_name(topic())
                .with_partitions(vec![0, 1]);
            RequestKind::AddPartitionsToTxn(
                AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(id)
                    .with_v3_and_below_topics(vec![added; 2]),
            )
        }
        ApiKey::AddOffsetsToTxn => RequestKind::AddOffsetsToTxn(
            AddOffsetsToTxnRequest::default()
                .with_transactional_id(id)
                .with_group_id(GroupId(text("readers"))),
        ),
        ApiKey::EndTxn => RequestKind::EndTxn(
            EndTxnRequest::default()
                .with_transactional_id(id)
                .with_committed(true),
        ),
        _ => {
            let partition = TxnOffsetCommitRequestPartition::default()
                .with_committed_offset(5)
                .with_committed_metadata(Some(text("note")));
            let commits = TxnOffsetCommitRequestTopic::default()
                .with_name(topic())
                .with_partitions(vec![partition; 2]);
            RequestKind::TxnOffsetCommit(
                TxnOffsetCommitRequest::default()
                    .with_transactional_id(id)
                    .with_group_id(GroupId(text("readers")))
                    .with_member_id(since(version, 3, text("member")))
                    .with_group_instance_id(since(version, 3, Some(text("instance"))))
                    .with_topics(vec![commits]),
            )
        }
    }
}

fn group(key: ApiKey, version: i16) -> RequestKind {
    let id = GroupId(text("readers"));
    let instance = |from| since(version, from, Some(text("instance")));
    match key {
        ApiKey::JoinGroup => {
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(text("range"))
                .with_metadata(Bytes::from_static(b"subscription"));
            RequestKind::JoinGroup(
                JoinGroupRequest::default()
                    .with_group_id(id)
                    .with_member_id(text("unknown"))
                    .with_session_timeout_ms(10_000)
                    .with_group_instance_id(instance(5))
                    .with_protocol_type(text("consumer"))
                    .with_protocols(vec![protocol; 2])
                    .with_reason(since(version, 8, Some(text("reason")))),
            )
        }
        ApiKey::SyncGroup => {
            let assignment = SyncGroupRequestAssignment::default()
                .with_member_id(text("member"))
                .with_assignment(Bytes::from_static(b"assignment"));
            RequestKind::SyncGroup(
                SyncGroupRequest::default()
                    .with_group_id(id)
                    .with_member_id(text("member"))
                    .with_group_instance_id(instance(3))
                    .with_protocol_type(since(version, 5, Some(text("consumer"))))
                    .with_protocol_name(since(version, 5, Some(text("range"))))
                    .with_assignments(vec![assignment; 2]),
            )
        }
        ApiKey::Heartbeat => RequestKind::Heartbeat(
            HeartbeatRequest::default()
                .with_group_id(id)
                .with_member_id(text("member"))
                .with_group_instance_id(instance(3)),
        ),
        ApiKey::LeaveGroup if version < 3 => RequestKind::LeaveGroup(
            LeaveGroupRequest::default()
                .with_group_id(id)
                .with_member_id(text("member")),
        ),
        ApiKey::LeaveGroup => {
            let member = MemberIdentity::default()
                .with_member_id(text("member"))
                .with_group_instance_id(instance(3))
                .with_reason(since(version, 5, Some(text("reason"))));
            let leave = LeaveGroupRequest::default().with_group_id(id);
            RequestKind::LeaveGroup(leave.with_members(vec![member; 2]))
        }
        ApiKey::DescribeGroups => {
            RequestKind::DescribeGroups(DescribeGroupsRequest::default().with_groups(vec![id; 2]))
        }
        ApiKey::DeleteGroups => {
            RequestKind::DeleteGroups(DeleteGroupsRequest::default().with_groups_names(vec![id]))
        }
        ApiKey::ListGroups => RequestKind::ListGroups(
            ListGroupsRequest::default()
                .with_states_filter(since(version, 4, vec![text("Stable"), text("Empty")]))
                .with_types_filter(since(version, 5, vec![text("classic")])),
        ),
        other => unreachable!("no sample of a {other:?} request"),
    }
}
