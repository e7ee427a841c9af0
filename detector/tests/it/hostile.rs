//! What somebody sends to break a detector, in between what it is there for: each such record is a dead letter with
//! its reason, and everything else comes out as if it had not been sent.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{
    alert::Alert,
    event::{banking, confluent::write_frame},
    stream::Stream,
};
use floodmark_kafka::Registry;

use super::{World, click, input, sensor};

/// Bytes of a field that is as large as a record may be.
const HUGE: usize = 950_000;

/// Levels of arrays that no parser should follow.
const DEEP: usize = 200_000;

/// A value, and a part of the reason that is expected.
type Bad = (Vec<u8>, &'static str);

/// An event as JSON with one of its fields, or another one, replaced by a text that stands for a value.
fn with(event: &[u8], field: &str, value: &str) -> Vec<u8> {
    let mut event: serde_json::Value = serde_json::from_slice(event).unwrap();
    event[field] = "PLACE".into();
    event.to_string().replace("\"PLACE\"", value).into_bytes()
}

/// Hostile values, and sound ones with their partitions.
type Sent = (Vec<Bad>, Vec<(i32, Vec<u8>)>);

/// What is wrong in any stream of JSON.
fn bad_json(event: &[u8], number: &str, text: &str) -> Vec<Bad> {
    let nested = "[".repeat(DEEP);
    let closed = format!("{nested}{}", "]".repeat(DEEP));
    let mut wrong_byte = event.to_vec();
    let colon = wrong_byte.iter().position(|byte| *byte == b':').unwrap();
    wrong_byte[colon + 2] = 0xff;
    let mut wrong_in_passing = with(event, "more", "\"?\"");
    for byte in &mut wrong_in_passing {
        *byte = if *byte == b'?' { 0xff } else { *byte };
    }
    vec![
        (wrong_in_passing, "utf-8"),
        (nested.clone().into_bytes(), "invalid type: sequence"),
        (with(event, number, &closed), "invalid type: sequence"),
        (with(event, "more", &nested), "at line 1 column"),
        (
            with(event, text, &format!("\"{}\"", "x".repeat(HUGE))),
            "64 KiB",
        ),
        (with(event, text, "\"\\ud800\""), "hex escape"),
        (with(event, text, "\"a\nb\""), "control character"),
        (with(event, number, "1e999"), "number out of range"),
        (with(event, number, "\"1\""), "invalid type: string"),
        (
            with(event, "timestamp", "99999999999999999999"),
            "floating point",
        ),
        (with(event, "timestamp", "1.5"), "floating point"),
        (
            with(event, "timestamp", "-9223372036854775808"),
            "since 1970",
        ),
        (with(event, "timestamp", "9223372036854775807"), "year 2200"),
        (wrong_byte, "utf-8"),
        (b"null".to_vec(), "invalid type: null"),
        (vec![0; HUGE], "expected value"),
        (event[..event.len() - 1].to_vec(), "EOF while parsing"),
        ([event, b"{}"].concat(), "trailing characters"),
    ]
}

/// What is wrong in a stream of Avro.
fn bad_avro(good: &[u8], other_id: u32, unknown_id: u32) -> Vec<Bad> {
    let id = |id: u32| {
        let mut value = Vec::new();
        write_frame(&mut value, id);
        [&value[..], &good[5..]].concat()
    };
    // A text's length in front of nothing: as long as can be, below 0, and one that never ends.
    let body = |bytes: &[u8]| [&good[..5], bytes].concat();
    let longest = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let mut no_text = good.to_vec();
    no_text[6] = 0xff;
    let huge = "u".repeat(70_000);
    let mut long_text = good[..5].to_vec();
    let event = banking::BankingUiEvent {
        user_id: &huge,
        ..banking::BankingUiEvent::decode_body(&good[5..]).unwrap()
    };
    event.encode_body(&mut long_text);
    vec![
        (id(other_id), "is not the schema of `BankingUIEvent`"),
        (id(unknown_id), "not in the registry"),
        (id(u32::MAX), "not in the registry"),
        (good[..5].to_vec(), "`event_id`"),
        (good[..good.len() - 1].to_vec(), "`ip_address`"),
        (body(&longest), "`event_id`"),
        (body(&[0x01]), "`event_id`"),
        (body(&[0xff; 40]), "`event_id`"),
        (no_text, "`event_id`"),
        (long_text, "64 KiB"),
        ([good, &[0]].concat(), "`ip_address`"),
        (vec![0; HUGE], "not in the registry"),
        (vec![0, 0], "no Confluent frame"),
        (b"{\"event_id\":1}".to_vec(), "no Confluent frame"),
    ]
}

/// The alerts and flags of a run over these records, each of which is put behind the hostile one of its place.
fn outcome(world: &World, streams: &BTreeMap<Stream, Sent>) -> Outcome {
    for (stream, (bad, good)) in streams {
        let mut values = Vec::new();
        for (place, (partition, value)) in good.iter().enumerate() {
            values.extend(bad.get(place).map(|(bad, _)| (*partition, bad.clone())));
            values.push((*partition, value.clone()));
        }
        assert!(bad.len() < good.len(), "{stream}");
        world.write(stream.default_topic(), &values);
    }
    let (facts, _) = world.detect();
    let alerts = world.alerts().into_iter().map(|alert| Alert {
        emitted_at: None,
        ..alert
    });
    Outcome {
        alerts: alerts.map(|alert| format!("{alert:?}")).collect(),
        flags: world
            .read("fraud-flags")
            .into_iter()
            .map(|(_, line)| line)
            .collect(),
        consumed: facts.consumed,
        dead: facts.dead_letters,
    }
}

struct Outcome {
    alerts: BTreeSet<String>,
    flags: BTreeSet<Vec<u8>>,
    consumed: BTreeMap<Stream, u64>,
    dead: u64,
}

/// Registers both schemas; the ids are the same in every fresh registry.
fn ids(world: &World) -> (u32, u32) {
    let registry = Registry::new(&world.broker.registry_url().unwrap()).unwrap();
    let ours = registry.register("banking-ui-events-value", banking::SCHEMA);
    (
        ours.unwrap(),
        registry.register("other-value", "\"string\"").unwrap(),
    )
}

/// Good records that raise alerts and a flag, by stream.
fn good(stream: Stream, id: u32) -> Vec<(i32, Vec<u8>)> {
    match stream {
        // A bot: a page every two seconds in one session.
        Stream::Clickstream => (0..40)
            .map(|i| {
                let mut event: serde_json::Value =
                    serde_json::from_slice(&click(i * 2, "page_view")).unwrap();
                event["user_id"] = "robot".into();
                event["session_id"] = "robot".into();
                (1, serde_json::to_vec(&event).unwrap())
            })
            .collect(),
        Stream::Banking => (0..20).chain([900]).map(|i| (0, input(i, id))).collect(),
        Stream::Sensors => [sensor(0, "sensor_0"), sensor(1, "sensor_1")].concat(),
    }
}

#[test]
fn hostile_records_are_told_apart_and_nothing_else_is_lost() {
    let (calm, hostile) = (World::new(&Stream::ALL), World::new(&Stream::ALL));
    let (id, other) = ids(&calm);
    assert_eq!(ids(&hostile), (id, other));
    let bad = |stream: Stream| match stream {
        Stream::Clickstream => bad_json(&click(1, "click"), "timestamp", "page_url"),
        Stream::Banking => bad_avro(&input(1, id), other, 999_999),
        Stream::Sensors => bad_json(&sensor(0, "sensor_0")[1].1, "value", "sensor_id"),
    };
    let all = |is_calm: bool| -> BTreeMap<_, _> {
        let of = |stream| {
            let bad = if is_calm { Vec::new() } else { bad(stream) };
            (stream, (bad, good(stream, id)))
        };
        Stream::ALL.map(of).into_iter().collect()
    };
    let undisturbed = outcome(&calm, &all(true));
    let disturbed = outcome(&hostile, &all(false));

    assert!(undisturbed.alerts.len() >= 4 && !undisturbed.flags.is_empty());
    assert_eq!(disturbed.alerts, undisturbed.alerts);
    assert_eq!(disturbed.flags, undisturbed.flags);
    assert_eq!((undisturbed.dead, calm.read("dead-letters").len()), (0, 0));

    let mut letters = hostile.read("dead-letters");
    assert_eq!(disturbed.dead, letters.len() as u64);
    let mut missing = Vec::new();
    for stream in Stream::ALL {
        let sent = bad(stream);
        let count = (sent.len() + good(stream, id).len()) as u64;
        assert_eq!(disturbed.consumed[&stream], count, "{stream}");
        for (value, reason) in sent {
            let found = letters.iter().position(|(headers, found)| {
                headers["source-topic"] == stream.default_topic()
                    && headers["reason"].contains(reason)
                    && *found == value
            });
            match found {
                Some(place) => drop(letters.swap_remove(place)),
                None => missing.push(format!("{stream}: {reason}: {}", said(&letters, &value))),
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(letters.is_empty(), "{} letters more", letters.len());
}

/// What was said about a value.
fn said(letters: &[(BTreeMap<String, String>, Vec<u8>)], value: &[u8]) -> String {
    let about = letters.iter().filter(|(_, found)| found == value);
    about.map(|(headers, _)| format!("{headers:?}")).collect()
}

/// A record that is as large as the broker takes leaves no room for the headers of its copy.
#[test]
fn a_record_too_large_to_copy_leaves_its_place() {
    let world = World::new(&[Stream::Sensors]);
    let largest = vec![b'['; 999_900];
    world.write("sensor-data_2", &[(1, largest)]);
    world.write("sensor-data_2", &sensor(1, "sensor_1"));
    let (facts, _) = world.detect();
    assert_eq!(facts.dead_letters, 1);
    let letters = world.read("dead-letters");
    let (headers, value) = &letters[0];
    assert!(value.is_empty());
    assert_eq!(
        [
            &headers["source-topic"],
            &headers["source-partition"],
            &headers["source-offset"]
        ],
        ["sensor-data_2", "1", "0"]
    );
    assert!(!world.alerts().is_empty());
}
