//! How the generator's producers write to Kafka, beyond the properties of the client.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::quantity::WallDuration;

/// The generator's producers. Compression, acknowledgements, idempotence, batching and all else that the
/// client library knows are properties: see `client`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProducerSection {
    /// Headers that every record carries, up to eight, as `name: text`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Write in transactions, committed after this time; 10 ms to 5 minutes. Events count
    /// as acknowledged once their transaction is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>", example = "500ms")]
    pub transactions: Option<String>,
}

impl ProducerSection {
    /// True if nothing is asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
