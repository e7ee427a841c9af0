//! Fetch: waits for records, and hands batches over without copying them.
//!
//! The answer is written by hand: `kafka-protocol` would copy all batches of a partition into one
//! buffer and that into the answer. Here they stay where they are and are written to the socket
//! from there, between the small pieces that frame them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::protocol::StrBytes;

use crate::api::check_epoch;
use crate::dispatch::Call;
use crate::log::partition::{Budget, Isolation, Slice};
use crate::topics::Topic;
use crate::wake::Wake;

mod encode;

/// The most bytes in one answer (but for a first batch that is larger alone).
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// No request waits longer, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Handles Fetch; the pieces of the whole answer.
pub(crate) fn handle(call: &Call<'_>, request: FetchRequest, correlation: i32) -> Vec<Bytes> {
    if request.session_id != 0 {
        // Sessions are never granted, so this one is not ours; the client then asks in full.
        let error = ResponseError::FetchSessionIdNotFound.code();
        return encode::answer(call.version, correlation, error, &[]);
    }
    let clock = &*call.shared.clock;
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = clock.moment() + wait.min(LONGEST_WAIT);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let targets = Targets::find(call, request);
    let mut round = targets.read(None);
    if !round.is_enough(min_bytes) && wait > Duration::ZERO {
        let wake = &call.peer.wake;
        loop {
            // Reading again as the watch is set: what came in between would wake nobody.
            round = targets.read(Some(wake));
            let left = deadline.saturating_sub(clock.moment());
            if round.is_enough(min_bytes) || left.is_zero() || call.shared.is_stopping() {
                break;
            }
            wake.sleep(left);
        }
        targets.unwatch(wake);
    }
    encode::answer(call.version, correlation, 0, &round.topics)
}

/// What was asked for, looked up once.
struct Targets {
    topics: Vec<(StrBytes, Option<Arc<Topic>>, Vec<FetchPartition>)>,
    isolation: Isolation,
    max_bytes: usize,
}

/// What one look at all partitions gave.
struct Round {
    topics: Vec<(StrBytes, Vec<PartitionRead>)>,
    bytes: usize,
    /// Nothing was asked for, or something failed: neither is worth waiting for.
    is_final: bool,
}

/// What was read from one partition.
struct PartitionRead {
    index: i32,
    outcome: Result<Slice, ResponseError>,
    lists_aborted: bool,
}

impl Targets {
    fn find(call: &Call<'_>, request: FetchRequest) -> Self {
        let find = |topic: FetchTopic| {
            let found = call.shared.topics.get(&topic.topic.0);
            (topic.topic.0, found, topic.partitions)
        };
        Self {
            isolation: Isolation::from(request.isolation_level),
            max_bytes: usize::try_from(request.max_bytes)
                .unwrap_or(0)
                .min(MAX_ANSWER_BYTES),
            topics: request.topics.into_iter().map(find).collect(),
        }
    }

    fn read(&self, watch: Option<&Arc<Wake>>) -> Round {
        let asks_for_nothing = self.topics.iter().all(|(_, _, wanted)| wanted.is_empty());
        let mut round = Round {
            topics: Vec::new(),
            bytes: 0,
            is_final: asks_for_nothing,
        };
        for (name, topic, partitions) in &self.topics {
            let mut reads = Vec::with_capacity(partitions.len());
            for partition in partitions {
                let outcome = self.read_one(topic.as_deref(), partition, round.bytes, watch);
                match &outcome {
                    Ok(slice) => round.bytes += slice.bytes,
                    Err(_) => round.is_final = true,
                }
                let lists_aborted = self.isolation == Isolation::ReadCommitted;
                reads.push(PartitionRead {
                    index: partition.partition,
                    outcome,
                    lists_aborted,
                });
            }
            round.topics.push((name.clone(), reads));
        }
        round
    }

    fn read_one(
        &self,
        topic: Option<&Topic>,
        wanted: &FetchPartition,
        bytes_so_far: usize,
        watch: Option<&Arc<Wake>>,
    ) -> Result<Slice, ResponseError> {
        check_epoch(wanted.current_leader_epoch)?;
        let partition = topic
            .and_then(|topic| topic.partition(wanted.partition))
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        let budget = Budget {
            partition: usize::try_from(wanted.partition_max_bytes).unwrap_or(0),
            total: self.max_bytes.saturating_sub(bytes_so_far),
            first_passes: bytes_so_far == 0,
        };
        let mut log = partition.lock();
        if let Some(wake) = watch {
            log.watch(wake);
        }
        log.read(wanted.fetch_offset, self.isolation, budget)
    }

    fn unwatch(&self, wake: &Arc<Wake>) {
        for (_, topic, partitions) in &self.topics {
            let Some(topic) = topic else { continue };
            for partition in partitions
                .iter()
                .filter_map(|p| topic.partition(p.partition))
            {
                partition.lock().unwatch(wake);
            }
        }
    }
}

impl Round {
    fn is_enough(&self, min_bytes: usize) -> bool {
        self.is_final || self.bytes >= min_bytes
    }
}
