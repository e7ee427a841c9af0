//! The shape of a stream's records: which fields under which names, in which encoding.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Encoding of a stream's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawFormat {
    /// One JSON object a record.
    Json,
    /// Avro in the Confluent wire format, through the schema registry.
    Avro,
}

/// What a stream's records have more, less or under other names than ours.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawFields {
    /// Our field names with those to write in their place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Our fields that are left out, by our names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub omit: Vec<String>,
    /// Further fields with what they hold; written after ours, in the order of their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, RawAdded>,
}

impl RawFields {
    /// True if the fields are ours as they are.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a further field holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawAdded {
    /// The same in every record: a text, a number, `true` or `false`.
    Constant(Value),
    /// One of these texts, drawn for each record.
    Choice(Vec<String>),
    /// A whole number between two bounds, drawn for each record.
    Integer(RawIntegers),
    /// A number between two bounds, drawn for each record.
    Number(RawNumbers),
    /// An id, drawn for each record.
    Id(RawId),
    /// The event time once more, in another form.
    Time(RawTime),
}

/// Bounds of whole numbers, both inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawIntegers {
    /// The least number that is drawn.
    pub min: i64,
    /// The greatest number that is drawn.
    pub max: i64,
}

/// Bounds of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawNumbers {
    /// The least number that is drawn.
    pub min: f64,
    /// All numbers are less than this.
    pub max: f64,
}

/// Form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawId {
    /// A UUID of version 4.
    Uuid,
    /// Sixteen hexadecimal digits.
    Hex,
}

/// Form of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawTime {
    /// A text in RFC 3339 with milliseconds, such as `2025-06-10T05:00:00.123Z`.
    Iso,
    /// Microseconds since the Unix epoch.
    Micros,
}
