//! Metadata, DescribeCluster and FindCoordinator: who serves what. The answer is always us.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};

use crate::api::text;
use crate::dispatch::Call;
use crate::shared::{BROKER_ID, CLUSTER_ID, Shared};
use crate::topics::settings::TopicSettings;

/// Handles Metadata.
pub(crate) fn metadata(call: &Call<'_>, request: MetadataRequest) -> MetadataResponse {
    let shared = call.shared;
    let may_create = call.version < 4 || request.allow_auto_topic_creation;
    let asked: Vec<TopicName> = match request.topics {
        // In version 0 an empty list asks for all topics; later it asks for none.
        Some(topics) if call.version > 0 || !topics.is_empty() => {
            topics.into_iter().filter_map(|topic| topic.name).collect()
        }
        _ => shared
            .topics
            .names()
            .into_iter()
            .map(|name| TopicName(text(name)))
            .collect(),
    };
    let topics = asked
        .into_iter()
        .map(|name| describe_topic(shared, name, may_create))
        .collect();
    let broker = MetadataResponseBroker::default()
        .with_node_id(BROKER_ID)
        .with_host(call.peer.told.host.clone())
        .with_port(i32::from(call.peer.told.port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(CLUSTER_ID.into()))
        .with_controller_id(BROKER_ID)
        .with_topics(topics)
}

/// Handles DescribeCluster.
pub(crate) fn describe_cluster(
    call: &Call<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    const BROKERS: i8 = 1;
    let response = DescribeClusterResponse::default();
    if call.version >= 1 && request.endpoint_type != BROKERS {
        return response.with_error_code(ResponseError::MismatchedEndpointType.code());
    }
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BROKER_ID)
        .with_host(call.peer.told.host.clone())
        .with_port(i32::from(call.peer.told.port));
    response
        .with_cluster_id(CLUSTER_ID.into())
        .with_controller_id(BROKER_ID)
        .with_brokers(vec![broker])
}

/// Handles FindCoordinator.
pub(crate) fn find_coordinator(
    call: &Call<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    const TRANSACTION: i8 = 1;
    let (host, port) = (&call.peer.told.host, i32::from(call.peer.told.port));
    let error = if (0..=TRANSACTION).contains(&request.key_type) {
        0
    } else {
        ResponseError::InvalidRequest.code()
    };
    let response = FindCoordinatorResponse::default();
    if call.version < 4 {
        return response
            .with_error_code(error)
            .with_node_id(BROKER_ID)
            .with_host(host.clone())
            .with_port(port);
    }
    let coordinator = |key| {
        Coordinator::default()
            .with_key(key)
            .with_error_code(error)
            .with_node_id(BROKER_ID)
            .with_host(host.clone())
            .with_port(port)
    };
    response.with_coordinators(
        request
            .coordinator_keys
            .into_iter()
            .map(coordinator)
            .collect(),
    )
}

fn describe_topic(shared: &Shared, name: TopicName, may_create: bool) -> MetadataResponseTopic {
    let mut found = shared.topics.get(&name.0);
    let mut error = ResponseError::UnknownTopicOrPartition;
    if let (None, true, Some(n)) = (&found, may_create, shared.auto_create_partitions) {
        if let Err(refused) = shared.topics.create(&name.0, n, TopicSettings::default()) {
            error = refused;
        }
        // It is there now, by our doing or by that of another connection in between.
        found = shared.topics.get(&name.0);
    }
    let response = MetadataResponseTopic::default().with_name(Some(name));
    let Some(topic) = found else {
        return response.with_error_code(error.code());
    };
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BROKER_ID)
            .with_leader_epoch(0)
            .with_replica_nodes(vec![BROKER_ID])
            .with_isr_nodes(vec![BROKER_ID])
    };
    response.with_partitions((0..topic.n_partitions()).map(partition).collect())
}
