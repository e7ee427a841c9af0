//! Event records of the three streams and their encodings.
//!
//! Every record can be written by hand-rolled code without allocation, for the generator, and read
//! back, for detectors and audits. Nothing in a record tells a labelled event from another.

/// Primitive types of Avro.
pub mod avro;
/// Events of a bank.
pub mod banking;
/// Events of a web site.
pub mod clickstream;
/// The frame around Avro.
pub mod confluent;
/// Fields of JSON.
pub mod json;
/// Readings of sensors.
pub mod sensor;

/// Why a record's bytes are not an event. Detectors count such records and send them to a
/// dead-letter topic with this text in a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of the expected shape.
    #[error("value is not a JSON `{record}`: {reason}")]
    Json {
        /// Name of the record type.
        record: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// Not in the Confluent wire format.
    #[error(
        "value of {found} bytes has no Confluent frame; expected a zero byte and a schema id of four"
    )]
    Frame {
        /// Length of the value.
        found: usize,
    },
    /// The Avro body ends too early or holds a value that its type cannot.
    #[error("Avro body breaks off or is invalid at field `{field}`")]
    Avro {
        /// The field that could not be read.
        field: &'static str,
    },
    /// A field holds a value that an event cannot have.
    #[error("field `{field}` is `{found}`; expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What would be valid.
        expected: &'static str,
    },
}
