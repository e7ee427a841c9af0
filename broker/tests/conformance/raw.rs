//! Requests by hand, where a client would hide the answer.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    FetchRequest, FindCoordinatorRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::target::{PATIENCE, Target, eventually};

pub(crate) const PRODUCE_VERSION: i16 = 9;
pub(crate) const FETCH_VERSION: i16 = 11;

/// One connection that speaks the protocol frame by frame.
pub(crate) struct Raw {
    stream: TcpStream,
    correlation: i32,
}

impl Raw {
    pub(crate) fn connect(target: &Target) -> Self {
        let stream =
            TcpStream::connect(target.bootstrap()).expect("the broker accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            correlation: 0,
        }
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation += 1;
        let frame = frame(version, request, self.correlation);
        self.send_bytes(&frame);
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut frame = self.receive_frame();
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version))
            .expect("the response has a header");
        assert_eq!(
            header.correlation_id, self.correlation,
            "the answer belongs to the request"
        );
        let response = R::Response::decode(&mut frame, version).expect("the response decodes");
        assert!(
            frame.is_empty(),
            "{} bytes follow the response",
            frame.len()
        );
        response
    }

    /// The bytes of one answer, without their length.
    pub(crate) fn receive_frame(&mut self) -> Bytes {
        let mut length = [0; 4];
        self.stream
            .read_exact(&mut length)
            .expect("an answer arrives");
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream
            .read_exact(&mut frame)
            .expect("the answer is whole");
        frame.into()
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        // A broker that hangs up in the middle of a hostile frame is right to do so.
        let sent = self.stream.write_all(bytes);
        if let Err(error) = sent {
            assert!(is_hang_up(error.kind()), "sending: {error}");
        }
    }

    /// Waits for the broker to hang up, and fails on an answer or on silence.
    pub(crate) fn expect_hang_up(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => panic!("the broker answered instead of hanging up"),
            Err(error) => assert!(is_hang_up(error.kind()), "instead of hanging up: {error}"),
        }
    }
}

/// A whole request as it goes over the wire, length first.
pub(crate) fn frame<R: Request>(version: i16, request: &R, correlation: i32) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(text("conformance")));
    let mut body = BytesMut::new();
    header
        .encode(&mut body, R::header_version(version))
        .expect("the header encodes");
    request
        .encode(&mut body, version)
        .expect("the request encodes");
    let mut framed = (body.len() as u32).to_be_bytes().to_vec();
    framed.extend_from_slice(&body);
    framed
}

fn is_hang_up(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

pub(crate) fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_owned())
}

pub(crate) fn topic_name(s: &str) -> TopicName {
    TopicName(text(s))
}

/// The coordinator of a group (`kind` 0) or of a transactional id (1) is ready once it answers without an error:
/// a real Kafka creates the topic behind it at the first question.
pub(crate) fn await_coordinator(raw: &mut Raw, kind: i8, key: &str) {
    let request = FindCoordinatorRequest::default()
        .with_key(text(key))
        .with_key_type(kind);
    eventually("the coordinator is available", || {
        let response = raw.call(3, &request);
        (response.error_code == 0).then_some(())
    });
}

/// What a batch says about its producer.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    pub id: i64,
    pub epoch: i16,
    pub sequence: i32,
    pub transactional: bool,
}

/// A producer without idempotence.
pub(crate) const PLAIN: Sender = Sender {
    id: -1,
    epoch: -1,
    sequence: -1,
    transactional: false,
};

/// One record batch with the given values, as its producer would encode it.
pub(crate) fn batch(sender: Sender, records: &[(i64, &[u8])]) -> Bytes {
    let mut buffer = BytesMut::new();
    let records: Vec<Record> = records
        .iter()
        .enumerate()
        .map(|(idx, (timestamp, value))| Record {
            transactional: sender.transactional,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: sender.id,
            producer_epoch: sender.epoch,
            timestamp_type: TimestampType::Creation,
            offset: idx as i64,
            // Consecutive even without idempotence: the encoder would start a new batch otherwise.
            sequence: sender.sequence + idx as i32,
            timestamp: *timestamp,
            key: None,
            value: Some(Bytes::copy_from_slice(value)),
            headers: IndexMap::new(),
        })
        .collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(&mut buffer, &records, &options).expect("the batch encodes");
    buffer.freeze()
}

/// Produces one batch to partition 0 of `topic` and gives the partition's answer.
pub(crate) fn produce(raw: &mut Raw, topic: &str, records: Bytes) -> PartitionProduceResponse {
    produce_as(raw, None, topic, 0, records)
}

pub(crate) fn produce_as(
    raw: &mut Raw,
    transactional_id: Option<&str>,
    topic: &str,
    partition: i32,
    records: Bytes,
) -> PartitionProduceResponse {
    let request = produce_request(topic, partition, records)
        .with_transactional_id(transactional_id.map(|id| TransactionalId(text(id))));
    let mut response = raw.call(PRODUCE_VERSION, &request);
    assert_eq!(response.responses.len(), 1, "one topic was asked for");
    assert_eq!(
        response.responses[0].partition_responses.len(),
        1,
        "one partition was asked for"
    );
    response.responses.remove(0).partition_responses.remove(0)
}

pub(crate) fn produce_request(topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    let topic_data = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic_data])
}

/// How a fetch waits and how much it takes.
#[derive(Clone, Copy)]
pub(crate) struct FetchLimits {
    pub wait_ms: i32,
    pub max_bytes: i32,
    pub committed_only: bool,
}

pub(crate) const AT_ONCE: FetchLimits = FetchLimits {
    wait_ms: 0,
    max_bytes: 1 << 20,
    committed_only: false,
};

pub(crate) fn fetch_request(topic: &str, offset: i64, limits: FetchLimits) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(limits.max_bytes);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(limits.wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(limits.max_bytes)
        .with_isolation_level(i8::from(limits.committed_only))
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// Fetches partition 0 of `topic` from `offset` and gives the partition's answer.
pub(crate) fn fetch(raw: &mut Raw, topic: &str, offset: i64, limits: FetchLimits) -> PartitionData {
    let mut response = raw.call(FETCH_VERSION, &fetch_request(topic, offset, limits));
    assert_eq!(response.responses.len(), 1, "one topic was asked for");
    response.responses.remove(0).partitions.remove(0)
}

/// The base offset and the number of records of each batch in a fetched record set. The last may be cut short;
/// it does not count then.
pub(crate) fn batches(records: Option<&Bytes>) -> Vec<(i64, i32)> {
    let mut rest: &[u8] = records.map_or(&[], |bytes| bytes);
    let mut found = Vec::new();
    while rest.len() >= 61 {
        let base = i64::from_be_bytes(rest[..8].try_into().unwrap());
        let size = 12 + i32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
        if rest.len() < size {
            break;
        }
        found.push((base, i32::from_be_bytes(rest[57..61].try_into().unwrap())));
        rest = &rest[size..];
    }
    found
}
