//! The records of each stream in its own shape, written from parts that are known to be plain.
//!
//! The bytes are those of [`ClickEvent::encode`] and its like in the contracts, without their search for
//! characters to escape and without proof that each part is text.
//!
//! [`ClickEvent::encode`]: floodmark_contracts::event::clickstream::ClickEvent::encode

use floodmark_contracts::{
    clock::EventTime,
    event::{
        avro::{write_bytes, write_long},
        json::{integer_field, number_field},
    },
};

/// The most bytes that a record here can have: room is made once.
const LONGEST: usize = 512;

/// The parts of an event of `clickstream` in ASCII without quotes, backslashes and control characters.
pub(super) struct ClickParts<'a> {
    pub(super) id: &'a [u8; 36],
    pub(super) user: &'a [u8],
    pub(super) session: &'a [u8; 36],
    pub(super) action: &'a str,
    pub(super) page: &'a str,
    pub(super) at: EventTime,
    pub(super) address: &'a [u8],
    pub(super) country: &'a str,
    pub(super) device: &'a str,
}

/// Appends an event of `clickstream` as JSON.
pub(super) fn click(parts: &ClickParts<'_>, out: &mut Vec<u8>) {
    out.reserve(LONGEST);
    out.extend_from_slice(b"{\"event_id\":\"");
    out.extend_from_slice(parts.id);
    out.extend_from_slice(b"\",\"user_id\":\"");
    out.extend_from_slice(parts.user);
    out.extend_from_slice(b"\",\"session_id\":\"");
    out.extend_from_slice(parts.session);
    out.extend_from_slice(b"\",\"event_type\":\"");
    out.extend_from_slice(parts.action.as_bytes());
    out.extend_from_slice(b"\",\"page_url\":\"");
    out.extend_from_slice(parts.page.as_bytes());
    integer_field(out, "\",\"timestamp\":", parts.at.0);
    out.extend_from_slice(b",\"ip_address\":\"");
    out.extend_from_slice(parts.address);
    out.extend_from_slice(b"\",\"country\":\"");
    out.extend_from_slice(parts.country.as_bytes());
    out.extend_from_slice(b"\",\"device_type\":\"");
    out.extend_from_slice(parts.device.as_bytes());
    out.extend_from_slice(b"\"}");
}

/// The parts of an event of `banking` in ASCII.
pub(super) struct BankParts<'a> {
    pub(super) id: &'a [u8; 36],
    pub(super) session: &'a [u8; 36],
    pub(super) user: &'a [u8],
    pub(super) action: &'a str,
    pub(super) element: &'a str,
    pub(super) input_hash: Option<&'a [u8; 16]>,
    pub(super) at: EventTime,
    pub(super) latency_ms: i32,
    pub(super) device: &'a [u8; 16],
    pub(super) address: &'a [u8],
}

/// Appends an event of `banking` as the body of an Avro record.
pub(super) fn bank(parts: &BankParts<'_>, out: &mut Vec<u8>) {
    out.reserve(LONGEST);
    write_bytes(out, parts.id);
    write_bytes(out, parts.session);
    write_bytes(out, parts.user);
    write_bytes(out, parts.action.as_bytes());
    write_bytes(out, parts.element.as_bytes());
    match parts.input_hash {
        None => out.push(0),
        Some(hash) => {
            // The second branch of the union: 1, in zigzag.
            out.push(2);
            write_bytes(out, hash);
        }
    }
    write_long(out, parts.at.0);
    write_long(out, i64::from(parts.latency_ms));
    write_bytes(out, parts.device);
    write_bytes(out, parts.address);
}

/// Appends a reading as JSON; the name of its type is ASCII too.
pub(super) fn reading(
    sensor: &[u8],
    value: f64,
    at: EventTime,
    sensor_type: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.reserve(LONGEST);
    out.extend_from_slice(b"{\"sensor_id\":\"");
    out.extend_from_slice(sensor);
    number_field(out, "\",\"value\":", value);
    integer_field(out, ",\"timestamp\":", at.0);
    if let Some(sensor_type) = sensor_type {
        out.extend_from_slice(b",\"sensor_type\":\"");
        out.extend_from_slice(sensor_type.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::event::{
        banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading,
    };
    use proptest::prelude::*;

    use super::*;

    const ID: [u8; 36] = *b"5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001";
    const SESSION: [u8; 36] = *b"7f0c9c26-7a42-4d1c-8f64-6b1ff2b0a002";

    proptest! {
        /// forall parts: the bytes are those of the contracts' own writers.
        #[test]
        fn records_are_those_of_the_contracts(
            number: u32,
            at in 0i64..4_000_000_000_000,
            latency_ms: i32,
            cents in -100_000i64..100_000,
            page in "/[a-z/0-9]{0,60}",
            typed: bool,
        ) {
            let (at, user) = (EventTime(at), format!("account-{number}"));
            let value = cents as f64 / 100.0;
            let address = std::net::Ipv4Addr::from_bits(number).to_string();
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            click(&ClickParts {
                id: &ID,
                user: user.as_bytes(),
                session: &SESSION,
                action: "add_to_cart",
                page: &page,
                at,
                address: address.as_bytes(),
                country: "DE",
                device: "mobile",
            }, &mut fast);
            let text = |bytes: &'static [u8; 36]| std::str::from_utf8(bytes).unwrap();
            ClickEvent {
                event_id: text(&ID).into(),
                user_id: user.as_str().into(),
                session_id: text(&SESSION).into(),
                event_type: "add_to_cart".into(),
                page_url: page.as_str().into(),
                timestamp: at,
                ip_address: address.as_str().into(),
                country: "DE".into(),
                device_type: "mobile".into(),
                referrer: None,
            }.encode(&mut slow);
            prop_assert_eq!(&fast, &slow);
            fast.clear();
            slow.clear();
            bank(&BankParts {
                id: &ID,
                session: &SESSION,
                user: user.as_bytes(),
                action: "transfer",
                element: "transfer-submit",
                input_hash: typed.then_some(b"0123456789abcdef"),
                at,
                latency_ms,
                device: b"fedcba9876543210",
                address: address.as_bytes(),
            }, &mut fast);
            BankingUiEvent {
                event_id: text(&ID),
                session_id: text(&SESSION),
                user_id: &user,
                event_type: "transfer",
                element_id: "transfer-submit",
                input_hash: typed.then_some("0123456789abcdef"),
                timestamp: at,
                latency_ms,
                device_fingerprint: "fedcba9876543210",
                ip_address: &address,
            }.encode_body(&mut slow);
            prop_assert_eq!(&fast, &slow);
            for sensor_type in [None, Some("humidity")] {
                fast.clear();
                slow.clear();
                reading(user.as_bytes(), value, at, sensor_type, &mut fast);
                SensorReading {
                    sensor_id: user.as_str().into(),
                    value,
                    timestamp: at,
                    sensor_type: sensor_type.map(Into::into),
                }
                .encode(&mut slow);
                prop_assert_eq!(&fast, &slow);
            }
        }
    }
}
