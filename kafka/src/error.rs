//! What can go wrong between us and a cluster, sorted by what the caller can do about it.

use std::time::Duration;

pub use rdkafka_sys::types::RDKafkaErrorCode as ErrorCode;

use crate::settings::SettingsError;

/// A failed operation on a cluster.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No broker answered: wrong address, nothing listening, a handshake that failed.
    #[error("{attempt}: no broker answered at `{bootstrap}` within {waited:?} ({detail})")]
    Unreachable {
        /// What was attempted.
        attempt: String,
        /// The addresses tried.
        bootstrap: String,
        /// How long.
        waited: Duration,
        /// The last connection error that librdkafka reported.
        detail: String,
    },
    /// The client options are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The cluster answered, but not in time.
    #[error("{attempt}: not finished within {waited:?} ({detail})")]
    TimedOut {
        /// What was attempted.
        attempt: String,
        /// How long.
        waited: Duration,
        /// How far it came.
        detail: String,
    },
    /// A broker, or the client on its behalf, refused.
    #[error("{attempt}: {detail}")]
    Refused {
        /// What was attempted.
        attempt: String,
        /// The protocol's or librdkafka's code.
        code: ErrorCode,
        /// The code's text and what the broker added to it.
        detail: String,
    },
    /// A transaction failed in a way that says what to do next.
    #[error("{attempt}: {detail} ({remedy})")]
    Transaction {
        /// What was attempted.
        attempt: String,
        /// The protocol's or librdkafka's code.
        code: ErrorCode,
        /// The code's text.
        detail: String,
        /// What the producer must do.
        remedy: Remedy,
    },
    /// The client instance is dead, e.g. a producer that was fenced: make a new one or stop.
    #[error("{attempt}: the client cannot go on: {detail}")]
    Fatal {
        /// What was attempted.
        attempt: String,
        /// The protocol's or librdkafka's code.
        code: ErrorCode,
        /// The reason.
        detail: String,
    },
}

/// What a producer must do after a transactional call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Call again: the operation goes on where it was.
    Retry,
    /// Abort the transaction and start it over.
    Abort,
    /// Neither helps: the call was wrong, or made in the wrong state.
    Stop,
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Retry => "the same call can be made again",
            Self::Abort => "the transaction must be aborted",
            Self::Stop => "the transaction cannot go on",
        })
    }
}

impl Error {
    /// True if no broker was reached at all, as opposed to one that refused.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// True if only a new client can go on.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. })
    }

    /// The code behind the error, if a broker or librdkafka gave one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. }
            | Self::Transaction { code, .. }
            | Self::Fatal { code, .. } => Some(*code),
            Self::Unreachable { .. } | Self::Settings(_) | Self::TimedOut { .. } => None,
        }
    }

    /// What a transactional producer must do, if the error is about a transaction.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Transaction { remedy, .. } => Some(*remedy),
            _ => None,
        }
    }
}

/// True for codes that mean that no broker was reached.
pub(crate) fn is_transport(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::BrokerTransportFailure
            | ErrorCode::AllBrokersDown
            | ErrorCode::Resolve
            | ErrorCode::SSL
            | ErrorCode::Authentication
    )
}
