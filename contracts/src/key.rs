//! Typed keys: what an alert or a label is about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of thing that a key names.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// A user or bank account holder (`user_id`).
    User,
    /// A session (`session_id`).
    Session,
    /// A page (`page_url`).
    Page,
    /// An IP address (`ip_address`).
    Ip,
    /// A device (`device_fingerprint`).
    Device,
    /// A sensor (`sensor_id`).
    Sensor,
    /// A named group of entities.
    Group,
}

/// A key with its type. Two keys match when both parts are equal.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct TypedKey {
    /// What the id names.
    #[serde(rename = "type")]
    pub key_type: KeyType,
    /// The id, exactly as it stands in the events.
    pub id: String,
}

impl TypedKey {
    /// A key of `key_type` for `id`.
    pub fn new(key_type: KeyType, id: impl Into<String>) -> Self {
        Self {
            key_type,
            id: id.into(),
        }
    }
}
