//! Click events for a data lake: each with its time and its window as text.
//!
//! ```text
//! event_timestamp        the event's time
//! event_timestamp_start  first instant of its tumbling window
//! event_timestamp_end    first instant after it
//! ```

use floodmark_contracts::{clock::EventTime, event::clickstream::ClickEvent};
use jiff::Timestamp;
use memchr::memmem::Finder;
use serde_json::{Map, Value};

use super::{
    Taken,
    files::{Column, Content, Holds},
};
use crate::runtime::plausible;

/// The field that every written event has and the generator's events do not.
const ADDED: &[u8] = b"\"event_timestamp";

const MINUTE_MS: i64 = 60_000;

/// Bytes of a time's text before its seconds: `2025-06-10T05:04:`.
const UP_TO_MINUTE: usize = 17;

/// Click events with their windows.
#[derive(Debug)]
pub(super) struct Clicks {
    bound_ms: i64,
    added: Finder<'static>,
    times: Times,
}

/// The texts of one event's times. Most events are of the same minute and window as the one before them, and a
/// calendar costs more than everything else that is done to a line.
#[derive(Debug)]
struct Times {
    window_ms: i64,
    start: i64,
    bounds: [String; 2],
    minute: i64,
    at: String,
}

impl Times {
    fn new(window_ms: i64) -> Self {
        let mut times = Self {
            window_ms,
            start: 0,
            bounds: Default::default(),
            minute: 0,
            at: iso(0),
        };
        times.begin_window(0);
        times
    }

    fn begin_window(&mut self, start: i64) {
        self.start = start;
        self.bounds = [iso(start), iso(start + self.window_ms)];
    }

    /// The fields and their texts for an event at `at`.
    fn of(&mut self, at: EventTime) -> [(&'static str, &str); 3] {
        let start = at.0.div_euclid(self.window_ms) * self.window_ms;
        if start != self.start {
            self.begin_window(start);
        }
        let minute = at.0.div_euclid(MINUTE_MS);
        if minute != self.minute {
            self.minute = minute;
            self.at = iso(minute * MINUTE_MS);
        }
        self.at.truncate(UP_TO_MINUTE);
        let within = at.0.rem_euclid(MINUTE_MS);
        for (unit, mark) in [(10_000, ""), (1_000, ""), (100, "."), (10, ""), (1, "")] {
            self.at.push_str(mark);
            // One of ten digits.
            self.at.push(char::from(b'0' + (within / unit % 10) as u8));
        }
        self.at.push('Z');
        [
            ("event_timestamp", &self.at),
            ("event_timestamp_start", &self.bounds[0]),
            ("event_timestamp_end", &self.bounds[1]),
        ]
    }
}

impl Clicks {
    /// Events in windows of `window_ms`, no later than `bound_ms` behind the newest.
    pub(super) fn new(window_ms: i64, bound_ms: i64) -> Self {
        Self {
            bound_ms,
            added: Finder::new(ADDED),
            times: Times::new(window_ms),
        }
    }

    /// Appends the record with its times as one line; false if it cannot be written as one: a field that nobody reads
    /// may be nested deeper than can be written anew.
    fn append(&mut self, value: &[u8], at: EventTime, out: &mut Vec<u8>) -> bool {
        let times = self.times.of(at);
        let text = value.trim_ascii();
        // Nearly every record is one line without these fields already: the times go in before the last brace,
        // and whatever else the record holds stays as it is.
        if let Some(head) = text.strip_suffix(b"}")
            && memchr::memchr(b'\n', head).is_none()
            && self.added.find(head).is_none()
        {
            out.extend_from_slice(head);
            for (name, time) in times {
                for part in [",\"", name, "\":\"", time, "\""] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
            out.extend_from_slice(b"}\n");
            return true;
        }
        let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(text) else {
            return false;
        };
        for (name, time) in times {
            fields.insert(name.to_owned(), time.into());
        }
        out.extend_from_slice(Value::from(fields).to_string().as_bytes());
        out.push(b'\n');
        true
    }
}

/// Times are instants in Parquet; fields that not every event has are left out.
const COLUMNS: [Column; 13] = [
    Column("event_id", Holds::Text),
    Column("user_id", Holds::Text),
    Column("session_id", Holds::Text),
    Column("event_type", Holds::Text),
    Column("page_url", Holds::Text),
    Column("timestamp", Holds::Whole),
    Column("ip_address", Holds::Text),
    Column("country", Holds::Text),
    Column("device_type", Holds::Text),
    Column("referrer", Holds::Text),
    Column("event_timestamp", Holds::Instant),
    Column("event_timestamp_start", Holds::Instant),
    Column("event_timestamp_end", Holds::Instant),
];

impl Content for Clicks {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn take(&mut self, value: &[u8], newest: &mut EventTime, out: &mut Vec<u8>) -> Taken {
        let Ok(event) = ClickEvent::decode(value) else {
            return Taken::Invalid;
        };
        let Ok(at) = plausible(event.timestamp) else {
            return Taken::Invalid;
        };
        if at < newest.plus_ms(-self.bound_ms) {
            return Taken::Late;
        }
        if !self.append(value, at, out) {
            return Taken::Invalid;
        }
        *newest = at.max(*newest);
        Taken::Kept
    }
}

/// ISO 8601 in UTC, with milliseconds.
fn iso(ms: i64) -> String {
    let instant = Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{instant:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"event_id":"e","user_id":"u","session_id":"s","event_type":"click","page_url":"/","timestamp":1749532045678,"ip_address":"192.0.2.1","country":"DE","device_type":"mobile","own":{"a":[1]}}"#;

    fn take(value: &str, newest: i64) -> (Taken, String, i64) {
        let mut newest = EventTime(newest);
        let mut out = Vec::new();
        let taken = Clicks::new(300_000, 600_000).take(value.as_bytes(), &mut newest, &mut out);
        (taken, String::from_utf8(out).unwrap(), newest.0)
    }

    #[test]
    fn an_event_gets_its_times_and_keeps_what_it_has() {
        let (taken, line, newest) = take(EVENT, 0);
        assert_eq!((taken, newest), (Taken::Kept, 1_749_532_045_678));
        let expected = EVENT.replace(
            "]}}",
            r#"]},"event_timestamp":"2025-06-10T05:07:25.678Z","event_timestamp_start":"2025-06-10T05:05:00.000Z","event_timestamp_end":"2025-06-10T05:10:00.000Z"}"#,
        );
        assert_eq!(line, expected + "\n");
    }

    #[test]
    fn texts_of_times_are_those_of_the_calendar_in_any_order() {
        let mut times = Times::new(300_000);
        for at in [
            1_749_532_045_678,
            1_749_532_045_999,
            1_749_532_080_000,
            1_749_531_999_009,
            0,
            59_999,
            -1,
            7_258_118_399_999,
        ] {
            let start = i64::div_euclid(at, 300_000) * 300_000;
            let texts = times.of(EventTime(at)).map(|(_, text)| text.to_owned());
            assert_eq!(texts, [iso(at), iso(start), iso(start + 300_000)]);
        }
    }

    #[test]
    fn every_event_is_one_line_however_it_was_written() {
        let one_line = take(EVENT, 0).1;
        let pretty = EVENT.replace(",\"", ",\n  \"");
        let stale = EVENT.replace("\"own\"", "\"event_timestamp\":\"old\",\"own\"");
        let lines = [take(&pretty, 0).1, take(&stale, 0).1];
        for line in &lines {
            assert_eq!(line.matches('\n').count(), 1);
            let found: Value = serde_json::from_str(line).unwrap();
            assert_eq!(found, serde_json::from_str::<Value>(&one_line).unwrap());
        }
    }

    #[test]
    fn an_event_that_cannot_be_written_as_one_line_is_not_said_to_be() {
        let deep = EVENT.replace("[1]", &format!("\n{}{}", "[".repeat(200), "]".repeat(200)));
        assert_eq!(take(&deep, 0), (Taken::Invalid, String::new(), 0));
    }

    #[test]
    fn what_is_no_event_is_invalid_and_what_is_behind_the_watermark_late() {
        let at = 1_749_532_045_678;
        for value in ["", "null", "{}", "{\"event_id\":\"e\"", "[1]"] {
            assert_eq!(take(value, 0).0, Taken::Invalid, "{value}");
        }
        let early = EVENT.replace("1749532045678", "-5");
        assert_eq!(take(&early, 0).0, Taken::Invalid);
        assert_eq!(take(EVENT, at + 600_000).0, Taken::Kept);
        let (taken, line, newest) = take(EVENT, at + 600_001);
        assert_eq!(
            (taken, line.as_str(), newest),
            (Taken::Late, "", at + 600_001)
        );
    }
}
