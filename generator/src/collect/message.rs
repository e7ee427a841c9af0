//! What the script sends, and the records that come of it.

use std::net::IpAddr;

use floodmark_contracts::{
    clock::EventTime,
    event::{banking::BankingUiEvent, clickstream::ClickEvent, confluent::write_frame},
    geo::{self, COUNTRY_MMDB},
    stream::Stream,
};
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// Most events of one request.
const MOST_EVENTS: usize = 100;
/// Longest page, and longest id or element, in bytes.
const LONGEST_PAGE: usize = 2048;
const LONGEST_ID: usize = 128;
/// An event that waited longer than this in a browser is dated no further back.
const OLDEST_MS: i64 = 3_600_000;
/// Country of addresses that the database does not have, such as loopback: user-assigned in ISO 3166.
const NOWHERE: &str = "XX";

/// The body of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Who, by an id that the script made up.
    pub(super) user_id: String,
    /// Which visit.
    pub(super) session_id: String,
    /// Which browser.
    #[serde(default)]
    pub(super) device: String,
    /// The browser's clock when it sent this.
    pub(super) sent_at: i64,
    pub(super) events: Vec<Item>,
}

/// An event of a message. There is no field for what people type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// The same when the event is sent again.
    pub(super) id: String,
    /// The browser's clock when it happened.
    pub(super) at: i64,
    #[serde(rename = "type")]
    pub(super) event_type: String,
    #[serde(default)]
    pub(super) page: String,
    #[serde(default)]
    pub(super) element: String,
    #[serde(default)]
    pub(super) input_hash: Option<String>,
    #[serde(default)]
    pub(super) latency_ms: i32,
}

/// A record for the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) at_ms: i64,
}

/// What the collector knows of a request by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) stream: Stream,
    pub(super) schema_id: Option<u32>,
    pub(super) received_ms: i64,
    pub(super) address: IpAddr,
    pub(super) user_agent: &'a str,
}

/// Where addresses are.
pub(super) struct Places {
    reader: Reader<&'static [u8]>,
}

impl Places {
    pub(super) fn compiled_in() -> Result<Self, MaxMindDbError> {
        Ok(Self {
            reader: Reader::from_source(COUNTRY_MMDB)?,
        })
    }

    fn country(&self, address: IpAddr) -> &'static str {
        #[derive(Deserialize)]
        struct Entry<'a> {
            #[serde(borrow)]
            country_code: Option<&'a str>,
        }
        let found = self.reader.lookup(address).ok();
        let entry: Option<Entry<'_>> = found.and_then(|found| found.decode().ok().flatten());
        let code = entry.and_then(|entry| entry.country_code);
        code.and_then(geo::country)
            .map_or(NOWHERE, |country| country.code)
    }
}

impl Message {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let message: Self =
            serde_json::from_slice(body).map_err(|error| format!("this is no message: {error}"))?;
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), String> {
        check_id("user_id", &self.user_id)?;
        check_id("session_id", &self.session_id)?;
        if !self.device.is_empty() {
            check_id("device", &self.device)?;
        }
        if self.events.is_empty() || self.events.len() > MOST_EVENTS {
            let count = self.events.len();
            return Err(format!(
                "`events` holds {count}; send 1 to {MOST_EVENTS} at once"
            ));
        }
        self.events.iter().try_for_each(Item::check)
    }

    /// The records of the message's events, in their order.
    pub(super) fn encode(&self, context: Context<'_>, places: &Places) -> Vec<Encoded> {
        let address = context.address.to_canonical();
        let (ip, country) = (address.to_string(), places.country(address));
        let device_type = device_type(context.user_agent);
        let record = |item: &Item| {
            // The browser's clock may be wrong, and how long ago something was is not.
            let age_ms = self.sent_at.saturating_sub(item.at).clamp(0, OLDEST_MS);
            let at = EventTime(context.received_ms - age_ms);
            let mut value = Vec::with_capacity(400);
            if context.stream == Stream::Banking {
                write_frame(&mut value, context.schema_id.unwrap_or_default());
                self.banking(item, at, &ip).encode_body(&mut value);
            } else {
                ClickEvent {
                    event_id: item.id.as_str().into(),
                    user_id: self.user_id.as_str().into(),
                    session_id: self.session_id.as_str().into(),
                    event_type: item.event_type.as_str().into(),
                    page_url: item.page.as_str().into(),
                    timestamp: at,
                    ip_address: ip.as_str().into(),
                    country: country.into(),
                    device_type: device_type.into(),
                    referrer: None,
                }
                .encode(&mut value);
            }
            Encoded {
                key: self.user_id.clone().into_bytes(),
                value,
                at_ms: at.0,
            }
        };
        self.events.iter().map(record).collect()
    }

    fn banking<'a>(&'a self, item: &'a Item, at: EventTime, ip: &'a str) -> BankingUiEvent<'a> {
        BankingUiEvent {
            event_id: &item.id,
            session_id: &self.session_id,
            user_id: &self.user_id,
            event_type: &item.event_type,
            element_id: &item.element,
            input_hash: item.input_hash.as_deref(),
            timestamp: at,
            latency_ms: item.latency_ms,
            device_fingerprint: &self.device,
            ip_address: ip,
        }
    }
}

impl Item {
    fn check(&self) -> Result<(), String> {
        if uuid::Uuid::try_parse(&self.id).is_err() {
            return Err(format!("`id` is `{}`; send a UUID", shown(&self.id)));
        }
        let name = |c: char| c.is_ascii_lowercase() || c == '_';
        if self.event_type.is_empty()
            || self.event_type.len() > 40
            || !self.event_type.chars().all(name)
        {
            let found = shown(&self.event_type);
            return Err(format!(
                "`type` is `{found}`; send a name such as `page_view`"
            ));
        }
        let plain = |text: &str| !text.chars().any(char::is_control);
        let is_page = self.page.is_empty() || self.page.starts_with('/');
        if !is_page || self.page.len() > LONGEST_PAGE || !plain(&self.page) {
            let found = shown(&self.page);
            return Err(format!("`page` is `{found}`; send a path such as `/home`"));
        }
        if self.element.len() > LONGEST_ID || !plain(&self.element) {
            let found = shown(&self.element);
            return Err(format!(
                "`element` is `{found}`; send up to {LONGEST_ID} bytes"
            ));
        }
        // Only a hash may come in: whatever else is here was typed by somebody.
        let hash = |text: &String| {
            (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
        };
        if !self.input_hash.as_ref().is_none_or(hash) {
            return Err("`input_hash` is no hash; send 8 to 64 hexadecimal digits".to_owned());
        }
        if self.latency_ms < 0 {
            return Err(format!(
                "`latency_ms` is `{}`; send 0 or more",
                self.latency_ms
            ));
        }
        Ok(())
    }
}

fn check_id(field: &str, id: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(legal) {
        return Err(format!(
            "`{field}` is `{}`; send up to {LONGEST_ID} letters, digits, `-`, `_` and `.`",
            shown(id)
        ));
    }
    Ok(())
}

/// The beginning of what came in, without what could spoil a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// The sort of device, as its browser says.
fn device_type(user_agent: &str) -> &'static str {
    let tablet = user_agent.contains("iPad")
        || user_agent.contains("Tablet")
        || user_agent.contains("Android") && !user_agent.contains("Mobile");
    if tablet {
        "tablet"
    } else if user_agent.contains("Mobi") {
        "mobile"
    } else {
        "desktop"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message() -> Value {
        json!({
            "user_id": "visitor-1", "session_id": "s-1", "device": "d-1", "sent_at": 5000,
            "events": [{"id": "5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001", "at": 4000, "type": "click", "page": "/home"}]
        })
    }

    fn check(path: &str, value: Value, expected: &str) {
        let mut message = message();
        if let Some(place) = message.pointer_mut(path) {
            *place = value;
        } else {
            let (holder, name) = path.rsplit_once('/').unwrap();
            message.pointer_mut(holder).unwrap()[name] = value;
        }
        match Message::read(message.to_string().as_bytes()) {
            Ok(_) => assert_eq!(expected, "", "{message}"),
            Err(error) => {
                assert!(!expected.is_empty() && error.contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        check("/user_id", json!("visitor-1"), "");
        check("/user_id", json!(""), "`user_id` is ``");
        check("/user_id", json!("a b"), "letters, digits");
        check("/session_id", json!("x".repeat(129)), "up to 128");
        check("/events", json!([]), "send 1 to 100");
        check("/events/0/id", json!("7"), "send a UUID");
        check("/events/0/type", json!("Click!"), "such as `page_view`");
        check(
            "/events/0/page",
            json!("https://x/?q=secret"),
            "a path such as",
        );
        check("/events/0/page", json!("/a\u{7}"), "a path such as");
        check("/events/0/latency_ms", json!(-1), "send 0 or more");
        check("/events/0/input_hash", json!("0123456789abcdef"), "");
        check("/events/0/input_hash", json!("hunter2"), "is no hash");
        check("/events/0/value", json!("typed"), "unknown field `value`");
        check("/password", json!("typed"), "unknown field `password`");
    }

    #[test]
    fn a_wrong_clock_of_a_browser_moves_nothing() {
        let places = Places::compiled_in().unwrap();
        let context = Context {
            stream: Stream::Clickstream,
            schema_id: None,
            received_ms: 1_000_000_000,
            address: "::ffff:127.0.0.1".parse().unwrap(),
            user_agent: "Mozilla/5.0 (Linux; Android 14) Mobile",
        };
        for (sent_at, at, expected) in [
            (5000, 4000, 999_999_000),
            (5000, 9000, 1_000_000_000),
            (i64::MAX, i64::MIN, 996_400_000),
        ] {
            let mut value = message();
            value["sent_at"] = json!(sent_at);
            value["events"][0]["at"] = json!(at);
            let message = Message::read(value.to_string().as_bytes()).unwrap();
            let records = message.encode(context, &places);
            let event = ClickEvent::decode(&records[0].value).unwrap();
            assert_eq!((event.timestamp.0, records[0].at_ms), (expected, expected));
            assert_eq!((&*event.ip_address, &*event.country), ("127.0.0.1", "XX"));
            assert_eq!(event.device_type, "mobile");
        }
    }

    #[test]
    fn devices_are_told_by_what_browsers_say() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64) Chrome/120", "desktop"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
                "mobile",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) Mobile/15E148",
                "tablet",
            ),
            ("Mozilla/5.0 (Linux; Android 14; SM-X200)", "tablet"),
            ("", "desktop"),
        ] {
            assert_eq!(device_type(agent), expected, "{agent}");
        }
    }
}
