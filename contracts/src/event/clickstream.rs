//! `clickstream-events`: page views and clicks of a web site, JSON, keyed by `user_id`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DecodeError,
    json::{integer_field, text_field},
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
        let event: ClickEvent<'_> =
            serde_json::from_slice(bytes).map_err(|error| DecodeError::Json {
                record: "ClickEvent",
                reason: error.to_string(),
            })?;
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
}

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
