//! Records of the streams, and alerts.

use std::sync::LazyLock;

use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value as Avro};
use floodmark_contracts::{
    alert::{Alert, FraudFlag},
    event::{
        banking::{self, BankingUiEvent},
        clickstream::ClickEvent,
        confluent::{FRAME_LEN, split_frame, write_frame},
        json::plain::Plain,
        sensor::SensorReading,
    },
    stream::Stream,
};
use floodmark_harness::collect::alert_in;
use serde_json::{Map, Value};

use crate::seeds::{records, texts};

/// What the plain reader takes is what `serde_json` takes, with the same names and values.
pub fn plain_json(bytes: &[u8]) {
    let parsed = serde_json::from_slice::<Map<String, Value>>(bytes).ok();
    let passed_over = walk(bytes, |fields, _| fields.skip());
    let taken = walk(bytes, |fields, name| {
        let value = parsed.as_ref().and_then(|parsed| parsed.get(name))?;
        match value {
            Value::String(text) => {
                // Of a name that is there twice only the last value is known.
                let found = fields.text()?;
                assert!(
                    found == text || is_doubled(bytes, name),
                    "{found:?} {text:?}"
                );
            }
            Value::Number(number) => {
                let found = fields.number()?;
                let same = number
                    .as_f64()
                    .is_some_and(|number| number.to_bits() == found.to_bits());
                assert!(same || is_doubled(bytes, name), "{found} {number}");
            }
            _ => fields.skip()?,
        }
        Some(())
    });
    let whole = walk(bytes, |fields, name| {
        let found = fields.integer()?;
        let known = parsed.as_ref().and_then(|parsed| parsed.get(name));
        assert!(
            known.and_then(Value::as_i64) == Some(found) || is_doubled(bytes, name),
            "{found}"
        );
        Some(())
    });
    for names in [passed_over, taken, whole].into_iter().flatten() {
        let parsed = parsed.as_ref().expect("what the plain reader took");
        assert!(
            names.iter().all(|name| parsed.contains_key(name)),
            "{names:?}"
        );
        assert!(names.len() >= parsed.len());
    }
}

/// The names in a plain object, if it is one to its end.
fn walk<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(&mut Plain<'a>, &str) -> Option<()>,
) -> Option<Vec<String>> {
    let mut fields = Plain::open(bytes)?;
    let mut names = Vec::new();
    while let Some(name) = fields.name()? {
        names.push(name.to_owned());
        take(&mut fields, name)?;
    }
    Some(names)
}

fn is_doubled(bytes: &[u8], name: &str) -> bool {
    let names = walk(bytes, |fields, _| fields.skip());
    names.is_none_or(|names| names.iter().filter(|other| *other == name).count() > 1)
}

pub fn json_seeds() -> Vec<Vec<u8>> {
    let mut all = texts(&[
        r#"{"a":1,"b":"x","c":-0.5,"d":123456789012345}"#,
        r#"{ "a" : "\u00e9" , "b":[1,{"c":null}], "d":1e5 }"#,
        "{}",
    ]);
    all.extend(click_seeds().into_iter().take(2));
    all.extend(reading_seeds().into_iter().take(2));
    all
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A click is read as `serde_json` reads it, and survives its encoding.
pub fn click(bytes: &[u8]) {
    let parsed = text(bytes).and_then(|text| serde_json::from_str::<ClickEvent<'_>>(text).ok());
    let expected = parsed.filter(|event| !event.event_id.is_empty() && !event.user_id.is_empty());
    let decoded = ClickEvent::decode(bytes);
    assert_eq!(decoded.as_ref().ok(), expected.as_ref());
    match decoded {
        Ok(event) => {
            let mut out = Vec::new();
            event.encode(&mut out);
            assert_eq!(ClickEvent::decode(&out), Ok(event));
        }
        Err(error) => drop(error.to_string()),
    }
}

pub fn click_seeds() -> Vec<Vec<u8>> {
    records(Stream::Clickstream, 12)
}

/// A reading is read as `serde_json` reads it, and survives its encoding.
pub fn reading(bytes: &[u8]) {
    let parsed = text(bytes).and_then(|text| serde_json::from_str::<SensorReading<'_>>(text).ok());
    let expected = parsed.filter(|reading| !reading.sensor_id.is_empty());
    let decoded = SensorReading::decode(bytes);
    assert_eq!(decoded.as_ref().ok(), expected.as_ref());
    if let Ok(reading) = decoded {
        assert!(reading.value.is_finite());
        let mut out = Vec::new();
        reading.encode(&mut out);
        assert_eq!(SensorReading::decode(&out), Ok(reading));
    }
}

pub fn reading_seeds() -> Vec<Vec<u8>> {
    let mut all = records(Stream::Sensors, 8);
    all.extend(texts(&[
        r#"{"sensor_id":"sensor_1","value":23.125,"timestamp":5,"sensor_type":"humidity"}"#,
        r#"{ "unit" : "C", "timestamp":7, "value": -0.5e-3, "sensor_id": "s\n" }"#,
    ]));
    all
}

/// A bank's event is read as an independent reader of Avro reads it, and survives its encoding.
pub fn banking(bytes: &[u8]) {
    // Without the annotations of types: whether a text is a UUID is no matter of the encoding.
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let bare = banking::SCHEMA.replace("\"logicalType\"", "\"note\"");
        Schema::parse_str(&bare).expect("our own schema")
    });
    let Ok((id, body)) = split_frame(bytes) else {
        assert!(bytes.len() < FRAME_LEN || bytes[0] != 0);
        return;
    };
    let reader = GenericDatumReader::builder(&SCHEMA)
        .build()
        .expect("our own schema");
    let mut rest = body;
    let independent = reader.read_value(&mut rest);
    match BankingUiEvent::decode_body(body) {
        Ok(event) => {
            let Ok(Avro::Record(fields)) = independent else {
                panic!("taken by us alone: {independent:?}");
            };
            let text = |name: &str| {
                fields.iter().find_map(|(field, value)| match value {
                    Avro::String(text) if field == name => Some(text.as_str()),
                    _ => None,
                })
            };
            assert_eq!(text("user_id"), Some(event.user_id));
            assert_eq!(text("ip_address"), Some(event.ip_address));
            let at = Avro::Long(event.timestamp.0);
            assert!(fields.iter().any(|(_, value)| *value == at));
            let mut out = Vec::new();
            write_frame(&mut out, id);
            event.encode_body(&mut out);
            assert_eq!(BankingUiEvent::decode_body(&out[FRAME_LEN..]), Ok(event));
        }
        // The other reader is not held to this: it takes a last text that breaks off.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub fn banking_seeds() -> Vec<Vec<u8>> {
    records(Stream::Banking, 12)
}

/// What the collector of a run takes for an alert it can write, and read again; and the same for a line of flags.
pub fn alert(bytes: &[u8]) {
    if let Ok(alert) = alert_in(bytes) {
        assert!(alert.end >= alert.start);
        let written = serde_json::to_vec(&alert).expect("an alert");
        assert_eq!(alert_in(&written), Ok::<Alert, String>(alert));
    }
    if let Ok(flag) = String::from_utf8_lossy(bytes).parse::<FraudFlag>() {
        assert_eq!(flag.to_string().parse(), Ok(flag));
    }
}

pub fn alert_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"id":"a","detector":"d","key":{"type":"sensor","id":"s"},"start":1,"end":2,"own":3}"#,
        r#"{"id":"a","kind":"bot","detector":"d","key":{"type":"user","id":"u"},"start":1,"end":2,"score":0.5,"evidence":{"n":1},"event_ids":["e"]}"#,
        "3f1c2a9e-0000,0.93",
    ])
}
