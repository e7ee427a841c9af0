//! InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and EndTxn.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, InitProducerIdRequest,
    InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

use crate::api::code;
use crate::api::commits::{at, ats};
use crate::api::membership::caller;
use crate::dispatch::Call;
use crate::groups;
use crate::txn::Identity;

/// Handles InitProducerId.
pub(crate) fn init_producer_id(
    call: &Call<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let outcome = start(call, &request);
    let response = InitProducerIdResponse::default().with_error_code(code(&outcome));
    match outcome {
        Ok(Identity { producer_id, epoch }) => response
            .with_producer_id(ProducerId(producer_id))
            .with_producer_epoch(epoch),
        // Clients before version 4 know only the older of the two codes for being fenced.
        Err(ResponseError::ProducerFenced) if call.version < 4 => response
            .with_error_code(ResponseError::InvalidProducerEpoch.code())
            .with_producer_id(ProducerId(-1)),
        Err(_) => response.with_producer_id(ProducerId(-1)),
    }
}

/// Handles AddPartitionsToTxn: all of the partitions or none.
pub(crate) fn add_partitions(
    call: &Call<'_>,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let topics = request.v3_and_below_topics;
    let identity = Identity {
        producer_id: request.v3_and_below_producer_id.0,
        epoch: request.v3_and_below_producer_epoch,
    };
    let id = &request.v3_and_below_transactional_id.0;
    let has = |topic: &AddPartitionsToTxnTopic, partition: i32| {
        call.shared.topics.has(&topic.name.0, partition)
    };
    let all_known = topics
        .iter()
        .all(|topic| topic.partitions.iter().all(|p| has(topic, *p)));
    let outcome = if all_known {
        add(call, id, identity, &topics)
    } else {
        Ok(())
    };
    let outcome = outcome.map_err(|error| older(error, call.version, 2));
    let mut results = Vec::with_capacity(topics.len());
    for topic in &topics {
        let result = |partition: &i32| {
            let error = match &outcome {
                Ok(()) if all_known => 0,
                Ok(()) if has(topic, *partition) => ResponseError::OperationNotAttempted.code(),
                Ok(()) => ResponseError::UnknownTopicOrPartition.code(),
                Err(error) => error.code(),
            };
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*partition)
                .with_partition_error_code(error)
        };
        results.push(
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(topic.partitions.iter().map(result).collect()),
        );
    }
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results)
}

/// Handles AddOffsetsToTxn.
pub(crate) fn add_offsets(
    call: &Call<'_>,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let identity = Identity {
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let now = call.shared.clock.moment();
    let outcome = call.shared.transactions.lock().add_group(
        &request.transactional_id.0,
        identity,
        &request.group_id.0,
        now,
    );
    call.shared.timer.raise();
    let outcome = outcome.map_err(|error| older(error, call.version, 2));
    AddOffsetsToTxnResponse::default().with_error_code(code(&outcome))
}

/// Handles EndTxn.
pub(crate) fn end(call: &Call<'_>, request: EndTxnRequest) -> EndTxnResponse {
    let identity = Identity {
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let mut transactions = call.shared.transactions.lock();
    let outcome = transactions.end(&request.transactional_id.0, identity, request.committed);
    if let Ok(Some(ending)) = &outcome {
        call.shared.settle(ending);
    }
    let outcome = outcome.map_err(|error| older(error, call.version, 2));
    EndTxnResponse::default().with_error_code(code(&outcome))
}

/// Handles TxnOffsetCommit: by the members of a generation, if the client says who it is.
pub(crate) fn commit_offsets(
    call: &Call<'_>,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let shared = call.shared;
    let identity = Identity {
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let caller = caller(
        &request.member_id,
        &request.group_instance_id,
        request.generation_id,
    );
    let group_id = &request.group_id.0;
    // The coordinator stays locked: the transaction cannot end before its offsets are in.
    let transactions = shared.transactions.lock();
    let checked = transactions.check_group(&request.transactional_id.0, identity, group_id);
    let mut all_groups = shared.groups.lock();
    let mut offsets = checked
        .map_err(|error| older(error, call.version, i16::MAX))
        .and_then(|()| all_groups.commit_in_transaction(group_id, &caller));
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
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
                    let partition = at(&topic.name, wanted.partition_index);
                    offsets.commit_in_transaction(identity.producer_id, partition, position);
                }),
            };
            partitions.push(
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(wanted.partition_index)
                    .with_error_code(code(&outcome)),
            );
        }
        topics.push(
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
}

fn start(call: &Call<'_>, request: &InitProducerIdRequest) -> Result<Identity, ResponseError> {
    let mut transactions = call.shared.transactions.lock();
    let Some(id) = &request.transactional_id else {
        return Ok(transactions.new_identity());
    };
    let timeout_ms = u64::try_from(request.transaction_timeout_ms).unwrap_or(0);
    let believed = (request.producer_id.0 >= 0).then_some(Identity {
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    });
    let started = transactions.start(&id.0, Duration::from_millis(timeout_ms), believed)?;
    if let Some(aborted) = &started.aborted {
        call.shared.settle(aborted);
    }
    Ok(started.identity)
}

fn add(
    call: &Call<'_>,
    id: &str,
    identity: Identity,
    topics: &[AddPartitionsToTxnTopic],
) -> Result<(), ResponseError> {
    let now = call.shared.clock.moment();
    let mut transactions = call.shared.transactions.lock();
    let all = topics
        .iter()
        .flat_map(|t| ats(t.name.clone(), t.partitions.clone()));
    transactions.add_partitions(id, identity, all, now)?;
    // Still under the coordinator's lock: the logs learn of it before the transaction can end.
    for topic in topics {
        let Some(found) = call.shared.topics.get(&topic.name.0) else {
            continue;
        };
        for partition in topic.partitions.iter().filter_map(|p| found.partition(*p)) {
            partition.lock().begin(identity.producer_id, identity.epoch);
        }
    }
    call.shared.timer.raise();
    Ok(())
}

/// Being fenced has had a code of its own since version `since` of an API; before that, and in
/// TxnOffsetCommit always, it is told as an invalid epoch.
fn older(error: ResponseError, version: i16, since: i16) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if version < since => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}
