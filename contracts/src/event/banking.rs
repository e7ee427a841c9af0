//! `banking-ui-events`: user-interface events of a bank, Avro in the Confluent wire format, keyed by
//! `user_id`. The schema is `contracts/schemas/banking_ui_event.avsc`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DecodeError,
    avro::{write_long, write_text},
};
use crate::clock::EventTime;

/// The Avro schema, as it is registered under [`SUBJECT_SUFFIX`].
pub const SCHEMA: &str = include_str!("../../schemas/banking_ui_event.avsc");

/// The subject is the topic's name with this suffix.
pub const SUBJECT_SUFFIX: &str = "-value";

/// What a customer can do. Names on the wire are in snake case.
pub mod event_type {
    /// The login page was opened.
    pub const LOGIN_VIEW: &str = "login_view";
    /// A login succeeded.
    pub const LOGIN_SUCCESS: &str = "login_success";
    /// A login failed.
    pub const LOGIN_FAILED: &str = "login_failed";
    /// The balance was looked at.
    pub const BALANCE_VIEW: &str = "balance_view";
    /// Something was typed into a field.
    pub const FIELD_INPUT: &str = "field_input";
    /// The list of payees was changed.
    pub const PAYEE_CHANGE: &str = "payee_change";
    /// A transfer was submitted.
    pub const TRANSFER: &str = "transfer";
    /// The customer logged out.
    pub const LOGOUT: &str = "logout";
}

/// One event of the stream `banking`: the Avro record `BankingUIEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BankingUiEvent<'a> {
    /// Unique per event: a UUID.
    pub event_id: &'a str,
    /// The session: a UUID.
    pub session_id: &'a str,
    /// The account holder; also the record key.
    pub user_id: &'a str,
    /// What happened: one of [`event_type`], or another name.
    pub event_type: &'a str,
    /// The element of the page that was used.
    pub element_id: &'a str,
    /// Hash of what was typed, masked on the client.
    pub input_hash: Option<&'a str>,
    /// Event time, milliseconds since the Unix epoch.
    pub timestamp: EventTime,
    /// Time from the previous input of the session to this one, in milliseconds.
    pub latency_ms: i32,
    /// The device.
    pub device_fingerprint: &'a str,
    /// IPv4 address of the client.
    pub ip_address: &'a str,
}

impl<'a> BankingUiEvent<'a> {
    /// Appends the Avro body (without a frame) to `out`.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        write_text(out, self.event_id);
        write_text(out, self.session_id);
        write_text(out, self.user_id);
        write_text(out, self.event_type);
        write_text(out, self.element_id);
        match self.input_hash {
            None => write_long(out, 0),
            Some(hash) => {
                write_long(out, 1);
                write_text(out, hash);
            }
        }
        write_long(out, self.timestamp.0);
        write_long(out, i64::from(self.latency_ms));
        write_text(out, self.device_fingerprint);
        write_text(out, self.ip_address);
    }

    /// Reads an Avro body that was written with [`SCHEMA`]. Bytes behind the record are refused.
    ///
    /// # Errors
    /// [`DecodeError::Avro`] with the first field that could not be read.
    pub fn decode_body(mut body: &'a [u8]) -> Result<Self, DecodeError> {
        let b = &mut body;
        let event = Self {
            event_id: read_text(b, "event_id")?,
            session_id: read_text(b, "session_id")?,
            user_id: read_text(b, "user_id")?,
            event_type: read_text(b, "event_type")?,
            element_id: read_text(b, "element_id")?,
            input_hash: match read_long(b, "input_hash")? {
                0 => None,
                1 => Some(read_text(b, "input_hash")?),
                _ => {
                    return Err(DecodeError::Avro {
                        field: "input_hash",
                    });
                }
            },
            timestamp: EventTime(read_long(b, "timestamp")?),
            latency_ms: i32::try_from(read_long(b, "latency_ms")?).map_err(|_| {
                DecodeError::Avro {
                    field: "latency_ms",
                }
            })?,
            device_fingerprint: read_text(b, "device_fingerprint")?,
            ip_address: read_text(b, "ip_address")?,
        };
        if b.is_empty() {
            Ok(event)
        } else {
            Err(DecodeError::Avro {
                field: "ip_address",
            })
        }
    }
}

#[expect(clippy::cast_possible_wrap, reason = "zigzag works on the bits")]
fn read_long(body: &mut &[u8], field: &'static str) -> Result<i64, DecodeError> {
    let mut bits = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = body.split_first().ok_or(DecodeError::Avro { field })?;
        *body = rest;
        bits |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
        }
    }
    Err(DecodeError::Avro { field })
}

fn read_text<'a>(body: &mut &'a [u8], field: &'static str) -> Result<&'a str, DecodeError> {
    let bad = DecodeError::Avro { field };
    let len = usize::try_from(read_long(body, field)?).map_err(|_| bad.clone())?;
    let (text, rest) = body.split_at_checked(len).ok_or_else(|| bad.clone())?;
    *body = rest;
    std::str::from_utf8(text).map_err(|_| bad)
}

#[cfg(test)]
mod tests {
    use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value};
    use proptest::prelude::*;

    use super::*;

    fn event(hash: Option<&'static str>) -> BankingUiEvent<'static> {
        BankingUiEvent {
            event_id: "5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001",
            session_id: "5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a002",
            user_id: "account-17",
            event_type: event_type::TRANSFER,
            element_id: "submit",
            input_hash: hash,
            timestamp: EventTime(1_749_531_840_123),
            latency_ms: -3,
            device_fingerprint: "fp-17",
            ip_address: "192.0.2.1",
        }
    }

    #[test]
    fn an_independent_avro_reader_reads_what_is_written() {
        let schema = Schema::parse_str(SCHEMA).unwrap();
        let mut body = Vec::new();
        event(Some("abc")).encode_body(&mut body);
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let value = reader.read_value(&mut body.as_slice()).unwrap();
        let Value::Record(fields) = value else {
            panic!("not a record: {value:?}")
        };
        let field = |name: &str| fields.iter().find(|f| f.0 == name).unwrap().1.clone();
        assert_eq!(field("user_id"), Value::String("account-17".into()));
        assert_eq!(
            field("timestamp"),
            Value::TimestampMillis(1_749_531_840_123)
        );
        assert_eq!(field("latency_ms"), Value::Int(-3));
        assert_eq!(
            field("input_hash"),
            Value::Union(1, Box::new(Value::String("abc".into())))
        );
    }

    #[test]
    fn a_record_survives_its_encoding() {
        for hash in [None, Some("abc")] {
            let mut body = Vec::new();
            event(hash).encode_body(&mut body);
            assert_eq!(BankingUiEvent::decode_body(&body).unwrap(), event(hash));
        }
    }

    proptest! {
        /// forall bytes: decoding gives an event or an error, never a panic or a huge allocation.
        #[test]
        fn any_bytes_decode_or_are_refused(bytes: Vec<u8>) {
            let _ = BankingUiEvent::decode_body(&bytes);
        }

        /// forall proper prefixes of a record: they are refused.
        #[test]
        fn a_truncated_record_is_refused(cut in 0usize..100) {
            let mut body = Vec::new();
            event(Some("abc")).encode_body(&mut body);
            prop_assert!(BankingUiEvent::decode_body(&body[..cut.min(body.len() - 1)]).is_err());
        }
    }
}
