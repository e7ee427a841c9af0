//! From the bytes of a request to the bytes of its answer.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use crate::api;
use crate::frame::Request;
use crate::guard::{self, GuardError};
use crate::peers::Peer;
use crate::shared::Shared;

/// A request's surroundings, for the handlers.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) peer: &'a Peer,
    pub(crate) version: i16,
    pub(crate) client_id: &'a str,
}

/// What goes back to the client.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing: a Produce request that wants no acknowledgement.
    None,
    /// One piece, with its length.
    Whole(Vec<u8>),
    /// Several pieces, written as they are.
    Parts(Vec<Bytes>),
}

/// Why a request gets no answer and its connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its header is not that of a request.
    #[error("the header of a request is unreadable")]
    Header(#[source] GuardError),
    /// The API or its version is not served.
    #[error("api `{key}` version `{version}` is not served; use a version that ApiVersions lists")]
    NotServed {
        /// Number of the API.
        key: i16,
        /// Version asked for.
        version: i16,
    },
    /// Its body has not the shape it should have.
    #[error("the body of a request for api `{key}` version `{version}` is malformed: {fault}")]
    Malformed {
        /// Number of the API.
        key: i16,
        /// Version of the request.
        version: i16,
        /// What is wrong.
        fault: String,
    },
    /// The answer cannot be put into bytes: a mistake of this broker.
    #[error("the answer of api `{key}` version `{version}` cannot be encoded: {fault}")]
    Unencodable {
        /// Number of the API.
        key: i16,
        /// Version of the request.
        version: i16,
        /// What is wrong.
        fault: String,
    },
    /// The broker is stopping.
    #[error("the broker is stopping")]
    Stopping,
}

/// Serves one request.
pub(crate) fn answer(shared: &Shared, peer: &Peer, frame: &[u8]) -> Result<Answer, Refusal> {
    let request = Request::parse(frame).map_err(Refusal::Header)?;
    let Request { key, version, .. } = request;
    let Some(schema) = request.schema else {
        // A client newer than us asks with a version we do not know: it expects to be told which
        // ones we do, in the oldest format, whatever it asked with.
        return if key == ApiKey::ApiVersions as i16 {
            encode(&request, 0, &api::versions::unsupported())
        } else {
            Err(Refusal::NotServed { key, version })
        };
    };
    guard::check(request.body, schema, version).map_err(|fault| Refusal::Malformed {
        key,
        version,
        fault: fault.to_string(),
    })?;
    let call = Call {
        shared,
        peer,
        version,
        client_id: request.client_id,
    };
    let (call, request) = (&call, &request);
    match schema.key {
        ApiKey::Produce => match api::produce::handle(call, decode(request)?) {
            Some(response) => encode(request, version, &response),
            None => Ok(Answer::None),
        },
        ApiKey::Fetch => Ok(Answer::Parts(api::fetch::handle(
            call,
            decode(request)?,
            request.correlation,
        ))),
        ApiKey::JoinGroup => {
            let response = api::membership::join(call, decode(request)?);
            encode(request, version, &response.ok_or(Refusal::Stopping)?)
        }
        ApiKey::SyncGroup => {
            let response = api::membership::sync(call, decode(request)?);
            encode(request, version, &response.ok_or(Refusal::Stopping)?)
        }
        ApiKey::ListOffsets => reply(call, request, api::offsets::list),
        ApiKey::OffsetForLeaderEpoch => reply(call, request, api::offsets::for_leader_epoch),
        ApiKey::DeleteRecords => reply(call, request, api::offsets::delete_records),
        ApiKey::Metadata => reply(call, request, api::metadata::metadata),
        ApiKey::DescribeCluster => reply(call, request, api::metadata::describe_cluster),
        ApiKey::FindCoordinator => reply(call, request, api::metadata::find_coordinator),
        ApiKey::OffsetCommit => reply(call, request, api::commits::commit),
        ApiKey::OffsetFetch => reply(call, request, api::commits::fetch),
        ApiKey::Heartbeat => reply(call, request, api::membership::heartbeat),
        ApiKey::LeaveGroup => reply(call, request, api::membership::leave),
        ApiKey::DescribeGroups => reply(call, request, api::groups::describe),
        ApiKey::ListGroups => reply(call, request, api::groups::list),
        ApiKey::DeleteGroups => reply(call, request, api::groups::delete),
        ApiKey::ApiVersions => reply(call, request, api::versions::versions),
        ApiKey::CreateTopics => reply(call, request, api::topics::create),
        ApiKey::DeleteTopics => reply(call, request, api::topics::delete),
        ApiKey::DescribeConfigs => reply(call, request, api::topics::describe_configs),
        ApiKey::InitProducerId => reply(call, request, api::transactions::init_producer_id),
        ApiKey::AddPartitionsToTxn => reply(call, request, api::transactions::add_partitions),
        ApiKey::AddOffsetsToTxn => reply(call, request, api::transactions::add_offsets),
        ApiKey::EndTxn => reply(call, request, api::transactions::end),
        ApiKey::TxnOffsetCommit => reply(call, request, api::transactions::commit_offsets),
        _ => Err(Refusal::NotServed { key, version }),
    }
}

fn reply<Q: Decodable, R: Encodable + HeaderVersion>(
    call: &Call<'_>,
    request: &Request<'_>,
    handle: impl FnOnce(&Call<'_>, Q) -> R,
) -> Result<Answer, Refusal> {
    let response = handle(call, decode(request)?);
    encode(request, call.version, &response)
}

/// Decodes a body that passed the guard.
fn decode<Q: Decodable>(request: &Request<'_>) -> Result<Q, Refusal> {
    let Request {
        key,
        version,
        mut body,
        ..
    } = *request;
    Q::decode(&mut body, version).map_err(|fault| Refusal::Malformed {
        key,
        version,
        fault: fault.to_string(),
    })
}

fn encode<R: Encodable + HeaderVersion>(
    request: &Request<'_>,
    version: i16,
    response: &R,
) -> Result<Answer, Refusal> {
    let header = ResponseHeader::default().with_correlation_id(request.correlation);
    let mut bytes = vec![0; 4];
    header
        .encode(&mut bytes, R::header_version(version))
        .and_then(|()| response.encode(&mut bytes, version))
        .map_err(|fault| Refusal::Unencodable {
            key: request.key,
            version,
            fault: fault.to_string(),
        })?;
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(Answer::Whole(bytes))
}

#[cfg(test)]
mod tests;
