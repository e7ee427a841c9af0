//! Why a detector ends before it is told to.

use std::path::PathBuf;

use floodmark_contracts::{histogram::HistogramError, problem::Problem};
use floodmark_kafka::{Error, SendError, registry::RegistryError};

use crate::{
    engine::EngineError, enrichment::EnrichmentError, exactly_once::KeepError, fraud::FraudError,
    runtime::SpillError,
};

/// Why the detector ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The plan's section is not valid.
    #[error("the detector's settings have {} problems, the first: {}", .problems.len(), first(.problems))]
    Settings {
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The plan names no input.
    #[error("the detector's plan names no input topic; name at least one stream under `inputs`")]
    NoInput,
    /// A topic does not exist.
    #[error("topic `{topic}` for {role} does not exist; create it before the detector starts")]
    NoTopic {
        /// What it is for.
        role: String,
        /// Its name.
        topic: String,
    },
    /// The broker refused, or did not answer.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// A distribution cannot be kept.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// The enrichment data cannot be used.
    #[error(transparent)]
    Enrichment(#[from] EnrichmentError),
    /// The engine could not be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry cannot be used.
    #[error("the schema of a banking event cannot be looked up")]
    Registry {
        /// The registry's reason.
        #[source]
        source: RegistryError,
    },
    /// Banking sessions cannot be scored.
    #[error("banking sessions cannot be scored")]
    Fraud {
        /// Why.
        #[source]
        source: FraudError,
    },
    /// State cannot be saved, or found again.
    #[error("the detector's state cannot be kept")]
    State {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// State that memory has no room for cannot be put on disk, or read back.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A record was not taken by the client.
    #[error("a result cannot be handed to the producer")]
    Send {
        /// The client's reason.
        #[source]
        source: SendError,
    },
    /// Results were not acknowledged.
    #[error("{records} results were not acknowledged: {reason}")]
    Undelivered {
        /// How many.
        records: u64,
        /// The broker's or the client's reason.
        reason: String,
    },
    /// An alert cannot be encoded.
    #[error("an alert or a row cannot be written as JSON")]
    Encode {
        /// The encoder's reason.
        #[source]
        source: serde_json::Error,
    },
    /// Standard output cannot be written to.
    #[error("anomalies cannot be printed")]
    Print {
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It failed again and again.
    #[error("gave up after {restarts} restarts; `detector.restarts` allows more")]
    GaveUp {
        /// How often it began again.
        restarts: u32,
        /// The last failure.
        #[source]
        source: Box<DetectError>,
    },
    /// The facts cannot be written.
    #[error("the detector's facts cannot be written to `{path}`")]
    Facts {
        /// Where to.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl From<KeepError> for DetectError {
    fn from(error: KeepError) -> Self {
        Self::State {
            source: Box::new(error),
        }
    }
}

impl DetectError {
    /// True if the broker or the registry could not be reached at all.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Kafka(error) => error.is_unreachable(),
            Self::Registry { source } => source.is_unreachable(),
            Self::GaveUp { source, .. } => source.is_unreachable(),
            _ => false,
        }
    }
}

fn first(problems: &[Problem]) -> String {
    problems.first().map(Problem::to_string).unwrap_or_default()
}
