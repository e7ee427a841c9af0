//! Produce.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use crate::clock::Moment;
use crate::dispatch::Call;
use crate::log::batch::{Prepared, TimestampType};
use crate::memory::ReserveError;
use crate::topics::Topic;

/// No request waits longer for memory, whatever time-out it names.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Handles Produce; `None` if the client wants no answer.
pub(crate) fn handle(call: &Call<'_>, request: ProduceRequest) -> Option<ProduceResponse> {
    let acks = request.acks;
    let is_valid = (-1..=1).contains(&acks);
    // Half of the client's own patience: a refusal must reach it before it gives up, since it
    // would take silence for a maybe and send the batch again.
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = call.shared.clock.moment() + (timeout / 2).min(LONGEST_WAIT);
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = call.shared.topics.get(&data.name.0);
        let append = |partition: PartitionProduceData| {
            let response = PartitionProduceResponse::default().with_index(partition.index);
            let outcome = if is_valid {
                append(call, topic.as_deref(), partition, deadline)
            } else {
                Err(ResponseError::InvalidRequiredAcks)
            };
            match outcome {
                Ok(done) => response
                    .with_base_offset(done.base_offset)
                    .with_log_append_time_ms(done.append_time_ms)
                    .with_log_start_offset(done.start_offset),
                Err(error) => response.with_base_offset(-1).with_error_code(error.code()),
            }
        };
        let partitions = data.partition_data.into_iter().map(append).collect();
        responses.push(
            TopicProduceResponse::default()
                .with_name(data.name)
                .with_partition_responses(partitions),
        );
    }
    (acks != 0).then(|| ProduceResponse::default().with_responses(responses))
}

struct Appended {
    base_offset: i64,
    append_time_ms: i64,
    start_offset: i64,
}

fn append(
    call: &Call<'_>,
    topic: Option<&Topic>,
    data: PartitionProduceData,
    deadline: Moment,
) -> Result<Appended, ResponseError> {
    let shared = call.shared;
    let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = topic
        .partition(data.index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let records: Bytes = data.records.ok_or(ResponseError::InvalidRecord)?;
    if records.len() > topic.settings.max_message_bytes {
        return Err(ResponseError::MessageTooLarge);
    }
    let now_ms = shared.clock.wall_ms();
    let timestamps = topic.settings.timestamps;
    let batch = Prepared::check(records, timestamps, now_ms)?;
    let patience = deadline.saturating_sub(shared.clock.moment());
    shared
        .memory
        .reserve(batch.len(), patience, &*shared.clock)
        .map_err(|e| match e {
            ReserveError::NeverFits => ResponseError::MessageTooLarge,
            ReserveError::TimedOut => ResponseError::RequestTimedOut,
            ReserveError::Closed => ResponseError::BrokerNotAvailable,
        })?;
    let mut log = partition.lock();
    let base_offset = log.append(batch)?;
    let append_time_ms = match timestamps {
        TimestampType::LogAppendTime => now_ms,
        TimestampType::CreateTime => -1,
    };
    Ok(Appended {
        base_offset,
        append_time_ms,
        start_offset: log.bounds().start,
    })
}
