//! `clickstream-events`: page views and clicks of a web site, JSON, keyed by `user_id`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DecodeError,
    json::{
        integer_field, parse,
        plain::{Plain, once},
        text_field,
    },
};
use crate::clock::EventTime;

/// The Avro schema, where a profile asks for Avro.
pub const SCHEMA: &str = include_str!("../../schemas/click_event.avsc");

/// What a visitor can do. Names on the wire are in snake case.
pub mod event_type {
    /// A page was shown.
    pub const PAGE_VIEW: &str = "page_view";
    /// Something on the page was clicked.
    pub const CLICK: &str = "click";
    /// A search was made.
    pub const SEARCH: &str = "search";
    /// A product went into the cart.
    pub const ADD_TO_CART: &str = "add_to_cart";
    /// The cart was paid for.
    pub const PURCHASE: &str = "purchase";
    /// The page answered with an error.
    pub const ERROR: &str = "error";
}

/// One event of the stream `clickstream`. Strings borrow from the record where they can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClickEvent<'a> {
    /// Unique per event: a UUID.
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    /// The visitor; also the record key.
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    /// The visit.
    #[serde(borrow)]
    pub session_id: Cow<'a, str>,
    /// What happened: one of [`event_type`], or another name.
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// Path of the page.
    #[serde(borrow)]
    pub page_url: Cow<'a, str>,
    /// Event time, milliseconds since the Unix epoch.
    pub timestamp: EventTime,
    /// IPv4 address of the client.
    #[serde(borrow)]
    pub ip_address: Cow<'a, str>,
    /// Country of the client: ISO 3166-1 alpha-2.
    #[serde(borrow)]
    pub country: Cow<'a, str>,
    /// `desktop`, `mobile` or `tablet`.
    #[serde(borrow)]
    pub device_type: Cow<'a, str>,
    /// Address of the page or site that the visitor came from, empty if it came from none; only where
    /// the stream is asked to say it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Cow<'a, str>>,
}

impl ClickEvent<'_> {
    /// Appends the record as JSON to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        text_field(out, "{\"event_id\":\"", &self.event_id);
        text_field(out, ",\"user_id\":\"", &self.user_id);
        text_field(out, ",\"session_id\":\"", &self.session_id);
        text_field(out, ",\"event_type\":\"", &self.event_type);
        text_field(out, ",\"page_url\":\"", &self.page_url);
        integer_field(out, ",\"timestamp\":", self.timestamp.0);
        text_field(out, ",\"ip_address\":\"", &self.ip_address);
        text_field(out, ",\"country\":\"", &self.country);
        text_field(out, ",\"device_type\":\"", &self.device_type);
        if let Some(referrer) = &self.referrer {
            text_field(out, ",\"referrer\":\"", referrer);
        }
        out.push(b'}');
    }

    /// Reads a record. Unknown fields are ignored, missing ones are errors.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not such a record or its ids are empty.
    pub fn decode(bytes: &[u8]) -> Result<ClickEvent<'_>, DecodeError> {
        let event = match Self::plain(bytes) {
            Some(event) => event,
            None => Self::parsed(bytes)?,
        };
        for (field, value) in [("event_id", &event.event_id), ("user_id", &event.user_id)] {
            if value.is_empty() {
                let expected = "a non-empty id";
                return Err(DecodeError::Value {
                    field,
                    found: String::new(),
                    expected,
                });
            }
        }
        Ok(event)
    }

    /// Reads a plain record; `None` if it is none, whether or not it can be read.
    fn plain(bytes: &[u8]) -> Option<ClickEvent<'_>> {
        let mut fields = Plain::open(bytes)?;
        let mut texts = [None; TEXTS.len()];
        let mut timestamp = None;
        // Most producers write the fields in this order and without spaces.
        for (place, start) in STARTS.iter().enumerate() {
            if place == TEXTS_BEFORE_TIMESTAMP && fields.guess(",\"timestamp\":") {
                timestamp = Some(fields.integer()?);
            }
            if fields.guess(start) {
                texts[place] = Some(fields.text()?);
            }
        }
        while let Some(name) = fields.name()? {
            if name == "timestamp" {
                once(&mut timestamp, fields.integer()?)?;
            } else if let Some(place) = TEXTS.iter().position(|text| *text == name) {
                once(&mut texts[place], fields.text()?)?;
            } else {
                fields.skip()?;
            }
        }
        let text = |i: usize| texts[i].map(Cow::from);
        Some(ClickEvent {
            event_id: text(0)?,
            user_id: text(1)?,
            session_id: text(2)?,
            event_type: text(3)?,
            page_url: text(4)?,
            timestamp: EventTime(timestamp?),
            ip_address: text(5)?,
            country: text(6)?,
            device_type: text(7)?,
            referrer: text(8),
        })
    }

    fn parsed(bytes: &[u8]) -> Result<ClickEvent<'_>, DecodeError> {
        parse(bytes, "ClickEvent")
    }
}

/// Texts that stand before the timestamp.
const TEXTS_BEFORE_TIMESTAMP: usize = 5;

/// How the fields that are texts start, in the order of the schema.
const STARTS: [&str; 9] = [
    "\"event_id\":",
    ",\"user_id\":",
    ",\"session_id\":",
    ",\"event_type\":",
    ",\"page_url\":",
    ",\"ip_address\":",
    ",\"country\":",
    ",\"device_type\":",
    ",\"referrer\":",
];

/// The fields that are texts, in the order of the schema.
const TEXTS: [&str; 9] = [
    "event_id",
    "user_id",
    "session_id",
    "event_type",
    "page_url",
    "ip_address",
    "country",
    "device_type",
    "referrer",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> ClickEvent<'static> {
        ClickEvent {
            event_id: "f3a1".into(),
            user_id: "user-1".into(),
            session_id: "s\"1".into(),
            event_type: event_type::PAGE_VIEW.into(),
            page_url: "/home".into(),
            timestamp: EventTime(1_749_531_840_000),
            ip_address: "192.0.2.1".into(),
            country: "DE".into(),
            device_type: "mobile".into(),
            referrer: None,
        }
    }

    #[test]
    fn plain_records_are_read_as_the_parser_reads_them_in_any_order() {
        let mut json = Vec::new();
        let event = ClickEvent {
            session_id: "s1".into(),
            referrer: Some("".into()),
            ..event()
        };
        event.encode(&mut json);
        assert_eq!(ClickEvent::plain(&json), Some(event.clone()));
        // Each field first, then the others; a foreign one among them.
        let value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&json).unwrap();
        let mut fields: Vec<_> = value.into_iter().collect();
        fields.push(("foreign".to_owned(), 1.into()));
        for _ in 0..fields.len() {
            fields.rotate_left(1);
            let turned: serde_json::Map<_, _> = fields.iter().cloned().collect();
            let json = serde_json::to_vec(&turned).unwrap();
            assert_eq!(ClickEvent::plain(&json), Some(event.clone()));
            assert_eq!(ClickEvent::parsed(&json).unwrap(), event);
        }
        // A text where a number belongs, a missing field, a doubled one: the parser says what is wrong.
        for (from, to, expected) in [
            ("1749531840000", "\"soon\"", "invalid type"),
            ("\"country\"", "\"land\"", "missing field `country`"),
            ("\"country\"", "\"user_id\"", "duplicate field `user_id`"),
        ] {
            let json = String::from_utf8(json.clone()).unwrap().replace(from, to);
            assert_eq!(ClickEvent::plain(json.as_bytes()), None);
            let error = ClickEvent::decode(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_fast_writer_writes_what_serde_writes() {
        for referrer in [None, Some("".into()), Some("https://a.example/\"".into())] {
            let event = ClickEvent {
                referrer,
                ..event()
            };
            let mut fast = Vec::new();
            event.encode(&mut fast);
            assert_eq!(
                String::from_utf8(fast.clone()).unwrap(),
                serde_json::to_string(&event).unwrap()
            );
            assert_eq!(ClickEvent::decode(&fast).unwrap(), event);
        }
    }

    #[test]
    fn a_record_with_a_missing_field_or_an_empty_id_is_refused() {
        assert!(matches!(
            ClickEvent::decode(b"{\"event_id\":\"x\"}"),
            Err(DecodeError::Json { .. })
        ));
        let mut out = Vec::new();
        ClickEvent {
            user_id: "".into(),
            ..event()
        }
        .encode(&mut out);
        let error = ClickEvent::decode(&out).unwrap_err();
        assert_eq!(
            error.to_string(),
            "field `user_id` is ``; expected a non-empty id"
        );
    }
}
