//! What is no event: counted, sent to the dead letters with the reason in a header, and never the end.

use std::collections::BTreeMap;

use floodmark_contracts::stream::Stream;
use floodmark_kafka::Registry;

use super::{START, World, click, input, sensor};

/// Longest reason that is written, bytes.
const LONGEST_REASON: usize = 1000;

/// Dead letters by topic and offset of the record that they are about: reason and value.
fn letters(world: &World) -> BTreeMap<(String, i64), (String, Vec<u8>)> {
    let place = |headers: &BTreeMap<String, String>| {
        (
            headers["source-topic"].clone(),
            headers["source-offset"].parse().unwrap(),
        )
    };
    world
        .read("dead-letters")
        .into_iter()
        .map(|(headers, value)| (place(&headers), (headers["reason"].clone(), value)))
        .collect()
}

/// Writes `bad` values and, behind them, good ones to a stream's topic; each bad one must come back
/// as a dead letter that says what is expected here, and the good ones must raise an alert.
fn check(world: &World, stream: Stream, bad: &[(Vec<u8>, &str)], good: &[Vec<u8>]) {
    let topic = stream.default_topic();
    let values: Vec<(i32, Vec<u8>)> = bad
        .iter()
        .map(|(value, _)| value.clone())
        .chain(good.iter().cloned())
        .map(|value| (1, value))
        .collect();
    world.write(topic, &values);
    let (facts, _) = world.detect();

    assert_eq!(facts.consumed[&stream], values.len() as u64);
    assert_eq!(facts.dead_letters, bad.len() as u64);
    let letters = letters(world);
    assert_eq!(letters.len(), bad.len());
    for (offset, (value, expected)) in (0..).zip(bad) {
        let (reason, found) = &letters[&(topic.to_owned(), offset)];
        assert!(reason.contains(expected), "{expected}: {reason}");
        assert!(reason.len() <= LONGEST_REASON, "{} bytes", reason.len());
        assert_eq!(found, value, "{expected}");
    }
    assert!(!world.alerts().is_empty(), "{stream}");
}

#[test]
fn bad_clicks_stop_nothing() {
    let with = |name: &str, value: &str| {
        let good: serde_json::Value = serde_json::from_slice(&click(0, "page_view")).unwrap();
        let mut bad = good.clone();
        bad[name] = serde_json::from_str(value).unwrap();
        serde_json::to_vec(&bad).unwrap()
    };
    let bad = [
        (b"{".to_vec(), "ClickEvent"),
        (b"[1,2]".to_vec(), "ClickEvent"),
        (b"{\"event_id\":\"e\"}".to_vec(), "missing field"),
        (with("timestamp", "\"yesterday\""), "yesterday"),
        (with("timestamp", "-1"), "since 1970"),
        (with("timestamp", "99999999999999"), "before the year 2200"),
        (
            with("user_id", &format!("\"{}\"", "u".repeat(70_000))),
            "64 KiB",
        ),
    ];
    // A bot: a page every two seconds in one session.
    let good: Vec<Vec<u8>> = (0..40)
        .map(|i| {
            let mut event: serde_json::Value =
                serde_json::from_slice(&click(i * 2, "page_view")).unwrap();
            event["user_id"] = "robot".into();
            event["session_id"] = "robot".into();
            serde_json::to_vec(&event).unwrap()
        })
        .collect();
    check(
        &World::new(&[Stream::Clickstream]),
        Stream::Clickstream,
        &bad,
        &good,
    );
}

#[test]
fn bad_readings_stop_nothing() {
    // The parser quotes what it cannot use: the reason is longer than the largest record.
    let quoted = format!(
        "{{\"sensor_id\":\"s\",\"value\":\"{}\",\"timestamp\":{START}}}",
        "\u{7f}".repeat(300_000)
    );
    let bad = [
        (b"{\"sensor_id\":7}".to_vec(), "SensorReading"),
        (Vec::new(), "SensorReading"),
        (vec![0xff; 10], "SensorReading"),
        (
            b"{\"sensor_id\":\"s\",\"value\":1e999,\"timestamp\":5}".to_vec(),
            "out of range",
        ),
        (quoted.into_bytes(), "invalid type"),
    ];
    let good: Vec<Vec<u8>> = sensor(1, "sensor_1")
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    check(
        &World::new(&[Stream::Sensors]),
        Stream::Sensors,
        &bad,
        &good,
    );
}

#[test]
fn bad_avro_and_unknown_schemas_stop_nothing() {
    let world = World::new(&[Stream::Banking]);
    let registry = Registry::new(&world.broker.registry_url().unwrap()).unwrap();
    let subject = "banking-ui-events-value";
    let id = registry
        .register(subject, floodmark_contracts::event::banking::SCHEMA)
        .unwrap();
    let other = registry.register("other-value", "\"string\"").unwrap();
    let cut = |len: usize| input(0, id)[..len].to_vec();
    let mut longer = input(0, id);
    longer.push(0);
    let bad = [
        (b"{\"json\":1}".to_vec(), "no Confluent frame"),
        (cut(4), "no Confluent frame"),
        (cut(5), "`event_id`"),
        (cut(30), "Avro body breaks off"),
        (longer, "Avro body"),
        (input(0, other), "is not the schema of `BankingUIEvent`"),
        (input(0, 999_999), "not in the registry"),
        (input(0, u32::MAX), "not in the registry"),
    ];
    let good: Vec<Vec<u8>> = (0..4).chain([900]).map(|i| input(i, id)).collect();
    check(&world, Stream::Banking, &bad, &good);
}
