//! Shapes of records: what a profile asks for is what consumers read, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};

use apache_avro::{Schema, reader::datum::GenericDatumReader};
use floodmark_contracts::{
    event::confluent::split_frame, job::GeneratorSection, kind::Kind, stream::Stream,
};
use floodmark_generator::{Event, Plan, SchemaIds, Share, closing_events, fingerprint, labels};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{ALL, MORE, all_events, decode, resolved, section};

/// [`ALL`] with more lines in the section of a stream.
pub fn shaped(stream: Stream, lines: &str) -> GeneratorSection {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let head = format!("  {stream}:\n");
    section(&ALL.replace(&head, &format!("{head}{lines}")))
}

fn plan(stream: Stream, lines: &str) -> Plan {
    resolved(shaped(stream, lines))
}

/// The first events of a stream.
fn some(plan: &Plan, stream: Stream) -> Vec<Event> {
    floodmark_generator::events(plan, stream, Share::WHOLE)
        .unwrap()
        .take(2000)
        .collect()
}

/// A record as JSON, whatever its encoding.
pub fn read(schemas: &[String], value: &[u8]) -> Value {
    if schemas.is_empty() {
        return serde_json::from_slice(value).unwrap();
    }
    let (id, body) = split_frame(value).unwrap();
    let schema = Schema::parse_str(&schemas[id as usize - 1]).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let mut body = body;
    let read = reader.read_value(&mut body).unwrap();
    assert!(body.is_empty(), "bytes behind the record");
    Value::try_from(read).unwrap()
}

fn names(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn fields_are_renamed_left_out_and_added_and_the_rest_stays() {
    let lines = "fields:
  rename: { user_id: customer, timestamp: eventTime }
  omit: [event_id, country]
  add:
    env: { constant: prod }
    build: { constant: 17 }
    tier: { choice: [free, gold] }
    retries: { integer: { min: 0, max: 3 } }
    weight: { number: { min: 0.5, max: 1.5 } }
    request: { id: uuid }
    trace: { id: hex }
    at: { time: iso }";
    for format in ["json", "avro"] {
        let plan = plan(Stream::Clickstream, &format!("{lines}\nformat: {format}"));
        let schemas = plan.schemas(Stream::Clickstream);
        let plain = resolved(section(ALL));
        let (mut tiers, mut requests) = (BTreeSet::new(), BTreeSet::new());
        for (event, own) in some(&plan, Stream::Clickstream)
            .iter()
            .zip(some(&plain, Stream::Clickstream))
        {
            let found = read(&schemas, &event.value);
            let own_value: Value = serde_json::from_slice(&own.value).unwrap();
            assert_eq!(
                names(&found),
                [
                    "customer",
                    "session_id",
                    "event_type",
                    "page_url",
                    "eventTime",
                    "ip_address",
                    "device_type",
                    "at",
                    "build",
                    "env",
                    "request",
                    "retries",
                    "tier",
                    "trace",
                    "weight"
                ],
                "{format}"
            );
            assert_eq!(names(&found), plan.field_names(Stream::Clickstream));
            assert_eq!(
                (&found["customer"], &found["eventTime"]),
                (&own_value["user_id"], &own_value["timestamp"])
            );
            assert_eq!(found["page_url"], own_value["page_url"]);
            assert_eq!(
                (&found["env"], &found["build"]),
                (&json!("prod"), &json!(17))
            );
            assert!((0..=3).contains(&found["retries"].as_i64().unwrap()));
            assert!((0.5..1.5).contains(&found["weight"].as_f64().unwrap()));
            let at: jiff::Timestamp = found["at"].as_str().unwrap().parse().unwrap();
            assert_eq!(at.as_millisecond(), own.event_time.0);
            tiers.insert(found["tier"].as_str().unwrap().to_owned());
            requests.insert(found["request"].as_str().unwrap().to_owned());
            assert_eq!(found["trace"].as_str().unwrap().len(), 16);
            assert_eq!(
                (event.due_ns, event.partition, &event.key),
                (own.due_ns, own.partition, &own.key)
            );
        }
        assert_eq!((tiers.len(), requests.len()), (2, 2000), "{format}");
        assert_eq!(
            plan.field_name(Stream::Clickstream, "user_id"),
            Some("customer")
        );
        assert_eq!(plan.field_name(Stream::Clickstream, "country"), None);
        assert_eq!(plan.field_name(Stream::Banking, "user_id"), Some("user_id"));
    }
}

#[test]
fn every_stream_says_the_same_in_either_encoding() {
    for stream in Stream::ALL {
        let (as_json, as_avro) = (plan(stream, "format: json"), plan(stream, "format: avro"));
        let schemas = as_avro.schemas(stream);
        assert_eq!(
            (as_json.schemas(stream).len(), schemas.len()),
            (0, 1),
            "{stream}"
        );
        for (json, avro) in some(&as_json, stream).iter().zip(some(&as_avro, stream)) {
            assert_eq!(
                read(&[], &json.value),
                read(&schemas, &avro.value),
                "{stream}"
            );
            assert_eq!((json.frame_len, avro.frame_len), (0, 5), "{stream}");
            assert_eq!(avro.body().len() + 5, avro.value.len());
        }
    }
}

#[test]
fn asking_for_what_is_the_default_anyway_changes_no_byte() {
    let own = resolved(section(ALL));
    for (stream, lines) in [
        (
            Stream::Clickstream,
            "format: json\nkey: user_id\nversions: [1.0]",
        ),
        (Stream::Banking, "format: avro\nkey: user_id"),
        (Stream::Sensors, "format: json\nkey: sensor_id\nfields: {}"),
    ] {
        let asked = plan(stream, lines);
        assert_eq!(
            fingerprint(&asked, stream),
            fingerprint(&own, stream),
            "{stream}"
        );
    }
}

#[test]
fn a_json_record_in_the_default_fields_reads_as_the_stream_s_own() {
    let padded = plan(Stream::Sensors, "pad_bytes: 200");
    let own = resolved(section(ALL));
    for (event, own) in some(&padded, Stream::Sensors)
        .iter()
        .zip(some(&own, Stream::Sensors))
    {
        assert_eq!(
            decode(Stream::Sensors, event).fields,
            decode(Stream::Sensors, &own).fields
        );
    }
}

#[test]
fn padding_makes_every_record_as_large_as_asked_and_does_not_compress_away() {
    for (stream, format) in [
        (Stream::Clickstream, "json"),
        (Stream::Banking, "avro"),
        (Stream::Banking, "json"),
        (Stream::Sensors, "avro"),
    ] {
        let plan = plan(stream, &format!("format: {format}\npad_bytes: 900"));
        let events = some(&plan, stream);
        let mut all = Vec::new();
        for event in &events {
            // The length of the padding takes a byte or two in Avro.
            assert!(
                (900..=901).contains(&event.value.len()),
                "{stream}: {}",
                event.value.len()
            );
            all.extend_from_slice(&event.value);
        }
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, &all).unwrap();
        let compressed = encoder.finish().unwrap().len() as f64;
        assert!(
            compressed > 0.5 * all.len() as f64,
            "{stream}: {compressed}"
        );
        let value = read(&plan.schemas(stream), &events[0].value);
        assert_eq!(names(&value).last(), Some(&"padding"));
    }
    // A record that is large enough already gets an empty one.
    let plan = plan(Stream::Clickstream, "pad_bytes: 20");
    let value: Value = serde_json::from_slice(&some(&plan, Stream::Clickstream)[0].value).unwrap();
    assert_eq!(value["padding"], "");
}

#[test]
fn the_key_is_the_field_that_was_asked_for() {
    for (key, field) in [
        ("session_id", "session_id"),
        ("ip_address", "ip_address"),
        ("page_url", "page_url"),
    ] {
        let plan = plan(
            Stream::Clickstream,
            &format!("key: {key}\nfields: {{ rename: {{ {key}: other }} }}"),
        );
        let mut partition_of: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
        for event in some(&plan, Stream::Clickstream) {
            let value: Value = serde_json::from_slice(&event.value).unwrap();
            assert_eq!(
                value["other"].as_str().unwrap().as_bytes(),
                event.key,
                "{field}"
            );
            let partition = partition_of.entry(event.key).or_insert(event.partition);
            assert_eq!(*partition, event.partition);
        }
        assert_eq!(partition_of.values().collect::<BTreeSet<_>>().len(), 3);
    }
}

#[test]
fn records_without_a_key_are_spread_evenly() {
    let plan = plan(Stream::Clickstream, "key: none");
    let events = all_events(&plan, Stream::Clickstream);
    let mut counts = [0u32; 3];
    for event in &events {
        assert!(event.key.is_empty());
        counts[usize::try_from(event.partition).unwrap()] += 1;
    }
    let expected = events.len() as f64 / 3.0;
    // Five standard deviations of a binomial count.
    let far = 5.0 * (expected * 2.0 / 3.0).sqrt();
    assert!(
        counts
            .iter()
            .all(|c| (f64::from(*c) - expected).abs() < far),
        "{counts:?}"
    );
    let closing = closing_events(&plan, Stream::Clickstream, SchemaIds::default());
    assert_eq!(
        closing
            .iter()
            .map(|event| event.partition)
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

/// The version of a record: its schema id, as without a registry ids count versions.
fn version(event: &Event) -> usize {
    split_frame(&event.value).unwrap().0 as usize
}

#[test]
fn versions_come_in_the_shares_that_were_asked_for() {
    let plan = plan(Stream::Banking, "versions: [0.6, 0.3, 0.1]");
    let schemas = plan.schemas(Stream::Banking);
    assert_eq!((schemas.len(), plan.version_count(Stream::Banking)), (3, 3));
    let events = all_events(&plan, Stream::Banking);
    let mut counts = [0u32; 3];
    let mut further = 0;
    for event in &events {
        counts[version(event) - 1] += 1;
        let value = read(&schemas, &event.value);
        assert_eq!(value.get("locale").is_some(), version(event) == 3);
        assert_eq!(value.get("app_version").is_some(), version(event) >= 2);
        further += usize::from(value.get("app_version").is_some_and(Value::is_string));
    }
    let n = events.len() as f64;
    for (count, share) in counts.iter().zip([0.6, 0.3, 0.1]) {
        let far = 5.0 * (n * share * (1.0 - share)).sqrt();
        assert!(
            (f64::from(*count) - n * share).abs() < far,
            "{counts:?} of {n}"
        );
    }
    // Seven in eight records that can have the optional field do.
    let able = f64::from(counts[1] + counts[2]);
    assert!(
        (further as f64 / able - 0.875).abs() < 0.03,
        "{further} of {able}"
    );
}

#[test]
fn from_a_point_of_the_run_on_every_event_has_the_new_version() {
    for (stream, format) in [
        (Stream::Sensors, "avro"),
        (Stream::Sensors, "json"),
        (Stream::Banking, "avro"),
    ] {
        let plan = plan(stream, &format!("format: {format}\nevolve_at: 8s"));
        let schemas = plan.schemas(stream);
        let switch = plan
            .timeline()
            .event_time(floodmark_contracts::clock::RunMicros(8_000_000));
        let added = if stream == Stream::Sensors {
            "firmware"
        } else {
            "app_version"
        };
        let (mut before, mut after) = (0, 0);
        for event in all_events(&plan, stream) {
            let value = read(&schemas, &event.value);
            if event.event_time < switch {
                assert!(value.get(added).is_none(), "{stream}");
                before += 1;
            } else if value.get(added).is_some_and(Value::is_string) {
                after += 1;
            }
        }
        assert!(before > 1000 && after > 1000, "{before}, {after}");
    }
}

#[test]
fn new_versions_can_be_read_with_the_old_schema_and_the_other_way_round() {
    let plan = plan(
        Stream::Clickstream,
        "format: avro\nversions: [0.5, 0.5]\npad_bytes: 300\nevolve_at: 8s",
    );
    let schemas: Vec<Schema> = plan
        .schemas(Stream::Clickstream)
        .iter()
        .map(|text| Schema::parse_str(text).unwrap())
        .collect();
    assert_eq!(schemas.len(), 3);
    let events = all_events(&plan, Stream::Clickstream);
    for event in events.iter().step_by(50) {
        let (id, body) = split_frame(&event.value).unwrap();
        for reader_schema in &schemas {
            let reader = GenericDatumReader::builder(&schemas[id as usize - 1])
                .reader_schema(reader_schema)
                .build()
                .unwrap();
            reader.read_value(&mut &*body).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    /// forall seed: key, padding, version and added fields of an event are the same whether its stream
    /// has incidents or not, so they say nothing about them.
    #[test]
    fn what_a_shape_draws_does_not_depend_on_incidents(seed in 0u64..1000) {
        let lines = "key: none\npad_bytes: 400\nversions: [0.5, 0.5]\nfields: { omit: [event_id], add: { request: { id: uuid } } }";
        let with = GeneratorSection { seed, ..shaped(Stream::Banking, lines) };
        let mut without = with.clone();
        without.streams.banking.as_mut().unwrap().anomalies.clear();
        let drawn = |plan: &Plan| -> BTreeMap<u64, (i32, usize, Value)> {
            let schemas = plan.schemas(Stream::Banking);
            all_events(plan, Stream::Banking)
                .iter()
                .map(|event| {
                    let value = read(&schemas, &event.value);
                    (event.slot, (event.partition, version(event), value["request"].clone()))
                })
                .collect()
        };
        prop_assert_eq!(drawn(&resolved(with)), drawn(&resolved(without)));
    }
}

#[test]
fn a_referrer_that_was_asked_for_is_a_field_like_the_others() {
    let own = plan(Stream::Clickstream, "referrer: true");
    for format in ["json", "avro"] {
        let lines = format!(
            "referrer: true\nformat: {format}\nfields: {{ rename: {{ referrer: came_from }} }}"
        );
        let plan = plan(Stream::Clickstream, &lines);
        let schemas = plan.schemas(Stream::Clickstream);
        let mut from = BTreeSet::new();
        for (event, own) in some(&plan, Stream::Clickstream)
            .iter()
            .zip(some(&own, Stream::Clickstream))
        {
            let own: Value = serde_json::from_slice(&own.value).unwrap();
            let value = read(&schemas, &event.value);
            assert_eq!(value["came_from"], own["referrer"]);
            from.insert(value["came_from"].as_str().unwrap().to_owned());
        }
        assert!(from.len() > 3, "{from:?}");
        assert_eq!(
            plan.field_name(Stream::Clickstream, "referrer"),
            Some("came_from")
        );
    }
    // Unasked, there is none to be renamed.
    let section = shaped(
        Stream::Clickstream,
        "fields: { rename: { referrer: came_from } }",
    );
    let problems = Plan::resolve(&section).unwrap_err();
    assert_eq!(
        problems[0].path,
        "streams.clickstream.fields.rename.referrer"
    );
}

#[test]
fn workers_together_make_the_events_of_one_whatever_the_shape() {
    let by_place = |mut events: Vec<Event>| {
        events.sort_by_key(|event| (event.slot, event.due_ns));
        events
    };
    for lines in [
        "key: session_id\nformat: avro\npad_bytes: 300\nversions: [0.5, 0.5]",
        "key: none\nfields: { add: { request: { id: uuid } } }",
    ] {
        let plan = plan(Stream::Clickstream, lines);
        let whole = by_place(all_events(&plan, Stream::Clickstream));
        let shared: Vec<Event> = (0..3)
            .filter_map(|index| Share::new(index, 3))
            .flat_map(|share| {
                floodmark_generator::events(&plan, Stream::Clickstream, share).unwrap()
            })
            .collect();
        assert!(whole == by_place(shared), "{lines}");
    }
}

#[test]
fn labels_name_the_fields_that_give_an_incident_away_as_they_are_written() {
    let renamed = [
        (
            Stream::Clickstream,
            "fields: { rename: { page_url: url, ip_address: address }, omit: [country] }",
        ),
        (
            Stream::Banking,
            "fields: { rename: { device_fingerprint: device }, omit: [latency_ms] }",
        ),
        (Stream::Sensors, "fields: { rename: { value: reading } }"),
    ];
    let (mut all, mut more) = (ALL.to_owned(), MORE.to_owned());
    for (stream, lines) in renamed {
        let head = format!("  {stream}:\n");
        for text in [&mut all, &mut more] {
            *text = text.replace(&head, &format!("{head}    {lines}\n"));
        }
    }
    let mut seen: BTreeMap<Kind, BTreeMap<Stream, Vec<String>>> = BTreeMap::new();
    for plan in [resolved(section(&all)), resolved(section(&more))] {
        let written: BTreeMap<Stream, BTreeSet<String>> = Stream::ALL
            .into_iter()
            .map(|stream| {
                let event = &some(&plan, stream)[0];
                let record = read(&plan.schemas(stream), &event.value);
                let names = names(&record).into_iter().map(str::to_owned);
                (stream, names.collect())
            })
            .collect();
        for label in labels(&plan) {
            for (stream, fields) in &label.evidence {
                for field in fields {
                    assert!(written[stream].contains(field), "{}: {field}", label.id);
                }
            }
            seen.insert(label.kind, label.evidence);
        }
    }
    assert_eq!(seen.len(), 30, "all kinds and decoys: {:?}", seen.keys());
    let fields = |kind, stream| seen[&kind][&stream].join(" ");
    for (kind, stream, expected) in [
        (
            Kind::TrafficSpike,
            Stream::Clickstream,
            "url user_id timestamp",
        ),
        (
            Kind::GeoHop,
            Stream::Clickstream,
            "session_id address timestamp",
        ),
        (
            Kind::MachineSpeedInput,
            Stream::Banking,
            "session_id event_type",
        ),
        (
            Kind::LevelShift,
            Stream::Sensors,
            "sensor_id reading timestamp",
        ),
        (
            Kind::BotThenTakeover,
            Stream::Clickstream,
            "address session_id timestamp",
        ),
        (
            Kind::BotThenTakeover,
            Stream::Banking,
            "user_id device ip_address event_type timestamp",
        ),
    ] {
        assert_eq!(fields(kind, stream), expected, "{kind}");
    }
}
