//! The requests served, a module for each family: from decoded request to response.

pub(crate) mod commits;
pub(crate) mod fetch;
pub(crate) mod groups;
pub(crate) mod membership;
pub(crate) mod metadata;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod topics;
pub(crate) mod transactions;
pub(crate) mod versions;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// The code of an outcome on the wire.
fn code<T>(outcome: &Result<T, ResponseError>) -> i16 {
    outcome.as_ref().err().map_or(0, ResponseError::code)
}

/// Text on the wire.
fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// Checks the leader epoch a client believes in: ours is 0 and never changes.
fn check_epoch(current_leader_epoch: i32) -> Result<(), ResponseError> {
    if current_leader_epoch > 0 {
        Err(ResponseError::UnknownLeaderEpoch)
    } else {
        Ok(())
    }
}
