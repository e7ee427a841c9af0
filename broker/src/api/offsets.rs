//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use crate::api::check_epoch;
use crate::dispatch::Call;
use crate::log::lookup::Found;
use crate::log::partition::{Isolation, Partition};
use crate::shared::Shared;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;

/// Handles ListOffsets.
pub(crate) fn list(call: &Call<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = Isolation::from(request.isolation_level);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let look_up = |wanted: ListOffsetsPartition| {
            let response = ListOffsetsPartitionResponse::default()
                .with_partition_index(wanted.partition_index);
            let found = check_epoch(wanted.current_leader_epoch).and_then(|()| {
                with_log(call.shared, &topic.name.0, wanted.partition_index, |log| {
                    offset_at(log, wanted.timestamp, isolation)
                })?
            });
            match found {
                Ok(found) => {
                    let epoch = if call.version >= 4 && found.offset >= 0 {
                        0
                    } else {
                        -1
                    };
                    response
                        .with_offset(found.offset)
                        .with_timestamp(found.timestamp)
                        .with_leader_epoch(epoch)
                }
                Err(error) => response
                    .with_offset(-1)
                    .with_timestamp(-1)
                    .with_error_code(error.code()),
            }
        };
        let partitions = topic.partitions.into_iter().map(look_up).collect();
        topics.push(
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    ListOffsetsResponse::default().with_topics(topics)
}

/// Handles OffsetForLeaderEpoch: there has been no epoch but 0, and it has not ended.
pub(crate) fn for_leader_epoch(
    call: &Call<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let look_up = |wanted: OffsetForLeaderPartition| {
            let response = EpochEndOffset::default().with_partition(wanted.partition);
            let end = check_epoch(wanted.current_leader_epoch).and_then(|()| {
                with_log(call.shared, &topic.topic.0, wanted.partition, |log| {
                    log.bounds().high_watermark
                })
            });
            match end {
                Ok(end) if wanted.leader_epoch == 0 => {
                    response.with_leader_epoch(0).with_end_offset(end)
                }
                Ok(_) => response.with_leader_epoch(-1).with_end_offset(-1),
                Err(error) => response
                    .with_leader_epoch(-1)
                    .with_end_offset(-1)
                    .with_error_code(error.code()),
            }
        };
        let partitions = topic.partitions.into_iter().map(look_up).collect();
        topics.push(
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic)
                .with_partitions(partitions),
        );
    }
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

/// Handles DeleteRecords.
pub(crate) fn delete_records(
    call: &Call<'_>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let delete = |log: &mut Partition| log.delete_to(wanted.offset);
            let outcome = with_log(call.shared, &topic.name.0, wanted.partition_index, delete);
            let outcome = outcome.and_then(|deleted| deleted);
            partitions.push(
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(wanted.partition_index)
                    .with_low_watermark(*outcome.as_ref().unwrap_or(&-1))
                    .with_error_code(outcome.err().map_or(0, |error| error.code())),
            );
        }
        topics.push(
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

fn with_log<T>(
    shared: &Shared,
    topic: &str,
    partition: i32,
    work: impl FnOnce(&mut Partition) -> T,
) -> Result<T, ResponseError> {
    let topic = shared
        .topics
        .get(topic)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = topic
        .partition(partition)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    Ok(work(&mut partition.lock()))
}

fn offset_at(
    log: &mut Partition,
    timestamp: i64,
    isolation: Isolation,
) -> Result<Found, ResponseError> {
    let bounds = log.bounds();
    let end = bounds.visible(isolation);
    let nothing = Found {
        offset: -1,
        timestamp: -1,
    };
    match timestamp {
        LATEST => Ok(Found {
            offset: end,
            timestamp: -1,
        }),
        EARLIEST => Ok(Found {
            offset: bounds.start,
            timestamp: -1,
        }),
        MAX_TIMESTAMP => Ok(log.at_max_timestamp().unwrap_or(nothing)),
        timestamp if timestamp >= 0 => {
            let found = log.at_time(timestamp).filter(|found| found.offset < end);
            Ok(found.unwrap_or(nothing))
        }
        _ => Err(ResponseError::UnsupportedVersion),
    }
}
