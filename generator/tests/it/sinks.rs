//! What comes out of the sinks: topics of a real broker with a real registry, and files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::Path,
    sync::atomic::AtomicBool,
    time::Duration,
};

use apache_avro::Reader;
use floodmark_contracts::{
    clock::{Clock, WallTime},
    event::confluent::split_frame,
    job::{Connection, GeneratorJob, GeneratorSection, Pace, Start, WorkerShare},
    record::GeneratorFacts,
    stream::Stream,
};
use floodmark_generator::{
    Event, GenerateError, SchemaIds, SinkChoice, closing_events, fingerprint, run,
};
use floodmark_kafka::{Registry, consumer::Isolation};
use serde_json::Value;

use super::{
    cluster::Cluster,
    fixture::{all_events, resolved, section},
    run::HandClock,
    shapes::{read, shaped},
};

/// One stream of the fixture, shaped.
pub fn one(stream: Stream, lines: &str) -> GeneratorSection {
    let mut section = shaped(stream, lines);
    let streams = &mut section.streams;
    for (other, slot) in [
        (Stream::Clickstream, &mut streams.clickstream),
        (Stream::Banking, &mut streams.banking),
        (Stream::Sensors, &mut streams.sensors),
    ] {
        if other != stream {
            *slot = None;
        }
    }
    section
}

pub fn job(section: GeneratorSection, out: &Path, cluster: Option<&Cluster>) -> GeneratorJob {
    let plan = resolved(section.clone());
    let names = |stream: Stream| -> Vec<String> {
        let (names, _) = plan.topics(stream).unwrap();
        match names.len() {
            1 => vec![format!("t-{stream}")],
            _ => names.iter().map(|name| format!("t-{name}")).collect(),
        }
    };
    let topics: BTreeMap<Stream, Vec<String>> = plan
        .streams()
        .map(|stream| (stream, names(stream)))
        .collect();
    if let Some(cluster) = cluster {
        for (stream, topics) in &topics {
            let partitions = i32::try_from(plan.topics(*stream).unwrap().1).unwrap();
            topics
                .iter()
                .for_each(|topic| cluster.topic(topic, partitions));
        }
    }
    GeneratorJob {
        section,
        connection: Connection {
            bootstrap: cluster.map_or("127.0.0.1:1".to_owned(), Cluster::bootstrap),
            properties: BTreeMap::new(),
            registry: cluster.map(Cluster::registry_url),
        },
        topics,
        out: out.to_owned(),
        pace: Pace::Schedule,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
    }
}

fn send(job: &GeneratorJob, choice: &SinkChoice) -> Result<GeneratorFacts, GenerateError> {
    let stop = AtomicBool::new(false);
    run(job, choice, &HandClock::new(), &stop, &mut |_| {})
}

#[test]
fn versions_of_a_schema_are_registered_and_their_ids_are_in_the_records() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    let lines = "format: avro\nversions: [0.5, 0.5]\nfields: { rename: { value: reading } }";
    let job = job(one(Stream::Sensors, lines), out.path(), Some(&cluster));
    let facts = send(&job, &SinkChoice::Kafka).unwrap();
    let plan = resolved(job.section.clone());
    let registry = Registry::new(&cluster.registry_url()).unwrap();
    let mut ids = BTreeMap::new();
    let records = cluster.read("t-sensors", Isolation::Committed);
    for record in &records {
        let (id, body) = split_frame(&record.value).unwrap();
        let schema = registry.schema(id).unwrap();
        let mut framed = vec![0, 0, 0, 0, 1];
        framed.extend_from_slice(body);
        let value = read(&[schema], &framed);
        assert!(value["reading"].is_f64(), "{value}");
        assert_eq!(
            value["sensor_id"].as_str().map(str::as_bytes),
            record.key.as_deref()
        );
        *ids.entry(id).or_insert(0u32) += 1;
    }
    assert_eq!(ids.len(), 2, "{ids:?}");
    let found = &facts.streams[&Stream::Sensors];
    assert_eq!(records.len() as u64, found.acknowledged + found.closing);
    // The ids are the registry's, and no part of what the plan determines.
    assert_eq!(
        Some(&found.fingerprint),
        fingerprint(&plan, Stream::Sensors).as_ref()
    );
}

#[test]
fn a_registry_that_is_down_at_the_start_is_told_with_its_address() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    let job = job(
        one(Stream::Banking, "pad_bytes: 300"),
        out.path(),
        Some(&cluster),
    );
    cluster.stop_registry();
    let error = send(&job, &SinkChoice::Kafka).unwrap_err();
    assert!(error.is_unreachable());
    assert!(
        error.to_string().contains(&cluster.registry_url()),
        "{error}"
    );
    assert!(cluster.read("t-banking", Isolation::Uncommitted).is_empty());
}

/// A clock that does something when a time has come.
struct Hooked<'a> {
    clock: HandClock,
    at_us: i64,
    hook: &'a (dyn Fn() + Sync),
}

impl Clock for Hooked<'_> {
    fn now(&self) -> WallTime {
        self.clock.now()
    }

    fn monotonic_us(&self) -> i64 {
        self.clock.monotonic_us()
    }

    fn sleep(&self, span: Duration) {
        self.clock.sleep(span);
        if self.monotonic_us() >= self.at_us {
            (self.hook)();
        }
    }
}

#[test]
fn a_registry_that_goes_down_in_mid_run_changes_nothing() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    let section = one(Stream::Banking, "evolve_at: 10s");
    let job = job(section, out.path(), Some(&cluster));
    let plan = resolved(job.section.clone());
    let clock = Hooked {
        clock: HandClock::new(),
        // Seconds before the new version comes in.
        at_us: 5_000_000,
        hook: &|| cluster.stop_registry(),
    };
    let stop = AtomicBool::new(false);
    let facts = run(&job, &SinkChoice::Kafka, &clock, &stop, &mut |_| {}).unwrap();
    assert!(!cluster.registry_is_up());
    let found = &facts.streams[&Stream::Banking];
    let events = all_events(&plan, Stream::Banking);
    assert_eq!((found.acknowledged, found.failed), (events.len() as u64, 0));
    let ids: BTreeSet<u32> = cluster
        .read("t-banking", Isolation::Committed)
        .iter()
        .map(|record| split_frame(&record.value).unwrap().0)
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
}

#[test]
fn records_bear_headers_due_times_and_client_properties_are_passed_on() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    let mut section = one(Stream::Sensors, "key: none");
    section.producer.headers = BTreeMap::from([
        ("content-type".to_owned(), "application/json".to_owned()),
        ("source".to_owned(), "floodmark".to_owned()),
    ]);
    let mut job = job(section, out.path(), Some(&cluster));
    for (name, value) in [("compression.type", "zstd"), ("enable.idempotence", "true")] {
        job.connection
            .properties
            .insert(name.to_owned(), value.to_owned());
    }
    let facts = send(&job, &SinkChoice::Kafka).unwrap();
    let plan = resolved(job.section.clone());
    let events = all_events(&plan, Stream::Sensors);
    let due: BTreeMap<Vec<u8>, (i64, i32)> = events
        .iter()
        .map(|event| (event.value.clone(), (event.due_ns, event.partition)))
        .collect();
    let records = cluster.read("t-sensors", Isolation::Committed);
    assert_eq!(records.len(), events.len() + 3);
    let mut matched = 0;
    for record in &records {
        assert_eq!(record.key, None);
        let headers: Vec<(&str, Option<&[u8]>)> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let expected = [
            ("content-type", Some(&b"application/json"[..])),
            ("source", Some(&b"floodmark"[..])),
        ];
        assert_eq!(headers, expected);
        if let Some((due_ns, partition)) = due.get(&record.value) {
            let intended = facts.started_at.0 + due_ns / 1000;
            assert_eq!(
                (record.timestamp_ms, record.partition),
                (intended / 1000, *partition)
            );
            matched += 1;
        }
    }
    assert_eq!(matched, events.len());
}

#[test]
fn lines_show_avro_records_of_any_shape_as_json() {
    let out = tempfile::tempdir().unwrap();
    let lines = "format: avro\nversions: [0.5, 0.5]\nfields: { rename: { user_id: customer } }";
    let job = job(
        one(Stream::Clickstream, lines),
        &out.path().join("figures"),
        None,
    );
    send(&job, &SinkChoice::Files(out.path().join("events"))).unwrap();
    let plan = resolved(job.section.clone());
    let schemas = plan.schemas(Stream::Clickstream);
    let found: Vec<Value> = fs::read_to_string(out.path().join("events/clickstream.ndjson"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected: Vec<Value> = with_closing(&job, Stream::Clickstream)
        .iter()
        .map(|event| read(&schemas, &event.value))
        .collect();
    assert_eq!(found, expected);
}

/// All events of a job's stream, the closing ones included.
fn with_closing(job: &GeneratorJob, stream: Stream) -> Vec<Event> {
    let plan = resolved(job.section.clone());
    let mut events = all_events(&plan, stream);
    events.extend(closing_events(&plan, stream, SchemaIds::default()));
    events
}

#[test]
fn containers_are_read_by_an_independent_reader() {
    for (lines, versions) in [
        ("", 1),
        (
            "versions: [0.4, 0.3, 0.3]\npad_bytes: 250\nevolve_at: 8s",
            4,
        ),
    ] {
        let out = tempfile::tempdir().unwrap();
        let mut section = one(Stream::Banking, lines);
        section.streams.sensors = super::fixture::section(super::fixture::ALL).streams.sensors;
        let job = job(section, &out.path().join("figures"), None);
        send(&job, &SinkChoice::Containers(out.path().join("events"))).unwrap();
        let plan = resolved(job.section.clone());
        let schemas = plan.schemas(Stream::Banking);
        assert_eq!(schemas.len(), versions);
        let file = File::open(out.path().join("events/banking.avro")).unwrap();
        let found: Vec<Value> = Reader::new(file)
            .unwrap()
            .map(|value| Value::try_from(value.unwrap()).unwrap())
            .collect();
        let events = with_closing(&job, Stream::Banking);
        assert_eq!(found.len(), events.len());
        for (found, event) in found.iter().zip(&events) {
            let mut expected = read(&schemas, &event.value);
            // In the newest version, what an older one lacks is null.
            for name in ["app_version", "locale", "connection"]
                .iter()
                .take(versions - 1)
            {
                let map = expected.as_object_mut().unwrap();
                map.entry(*name).or_insert(Value::Null);
            }
            assert_eq!(*found, expected);
        }
        // What is written in JSON stays JSON.
        assert!(out.path().join("events/sensors.ndjson").exists());
        assert!(job.out.join("labels.ndjson").exists());
    }
}

#[test]
fn malformed_records_of_another_encoding_are_possible_and_shown_as_they_are() {
    let out = tempfile::tempdir().unwrap();
    let lines = "format: avro\nmalformed: { truncated: 0.05 }";
    let job = job(
        one(Stream::Sensors, lines),
        &out.path().join("figures"),
        None,
    );
    send(&job, &SinkChoice::Files(out.path().join("events"))).unwrap();
    let text = fs::read_to_string(out.path().join("events/sensors.ndjson")).unwrap();
    let spoilt = text
        .lines()
        .filter(|line| line.starts_with("{\"undecodable\":\"00"));
    let (spoilt, all) = (spoilt.count(), text.lines().count());
    let share = spoilt as f64 / all as f64;
    assert!((0.04..0.055).contains(&share), "{spoilt} of {all}");
    // A container is read whole or not at all.
    let error = send(&job, &SinkChoice::Containers(out.path().join("events"))).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("cannot hold malformed records"), "{cause}");
    // What spoils JSON does nothing to Avro, whatever the stream.
    let lines = "format: avro\nmalformed: { bad-json: 0.05 }";
    let problems = floodmark_generator::Plan::resolve(&one(Stream::Sensors, lines)).unwrap_err();
    assert_eq!(problems[0].path, "streams.sensors.malformed.bad-json");
}

#[test]
fn impossible_producers_are_refused() {
    for (headers, transactions, path) in [
        (9, None, "producer.headers"),
        (0, Some("1ms"), "producer.transactions"),
        (0, Some("often"), "producer.transactions"),
    ] {
        let mut section = section(super::fixture::ALL);
        section.producer.headers = (0..headers)
            .map(|n| (n.to_string(), String::new()))
            .collect();
        section.producer.transactions = transactions.map(str::to_owned);
        let problems = floodmark_generator::Plan::resolve(&section).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.path == path),
            "{problems:?}"
        );
    }
}

/// Three types of sensors over two topics.
const TYPES: &str = "{ hum: { share: 0.25, topic: hums }, heat: { share: 0.5 }, cold: { share: 0.25, topic: hums } }";

#[test]
fn readings_go_to_the_topics_of_their_types() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    let mut section = one(Stream::Sensors, "format: avro");
    let sensors = section.streams.sensors.as_mut().unwrap();
    sensors.population.entities = 64;
    sensors.population.types = serde_saphyr::from_str(TYPES).unwrap();
    sensors.anomalies.clear();
    let job = job(section, out.path(), Some(&cluster));
    let facts = send(&job, &SinkChoice::Kafka).unwrap();
    let found = &facts.streams[&Stream::Sensors];
    assert_eq!(found.topics, ["t-hums", "t-sensor-data_2"]);

    let plan = resolved(job.section.clone());
    let registry = Registry::new(&cluster.registry_url()).unwrap();
    let mut by_type: BTreeMap<String, (BTreeSet<String>, usize)> = BTreeMap::new();
    let mut partitions = BTreeSet::new();
    for topic in &found.topics {
        for record in cluster.read(topic, Isolation::Committed) {
            let (id, body) = split_frame(&record.value).unwrap();
            let mut framed = vec![0, 0, 0, 0, 1];
            framed.extend_from_slice(body);
            let value = read(&[registry.schema(id).unwrap()], &framed);
            let name = value["sensor_type"].as_str().unwrap().to_owned();
            let entry = by_type.entry(name).or_default();
            entry.0.insert(topic.clone());
            entry.1 += 1;
            partitions.insert((topic.clone(), record.partition));
        }
    }
    assert_eq!(
        partitions.len() as u64,
        u64::from(plan.lanes(Stream::Sensors))
    );
    let topics = |name: &str| by_type[name].0.iter().cloned().collect::<Vec<_>>();
    assert_eq!(topics("hum"), ["t-hums"]);
    assert_eq!(topics("cold"), ["t-hums"]);
    assert_eq!(topics("heat"), ["t-sensor-data_2"]);
    let all: usize = by_type.values().map(|(_, count)| count).sum();
    assert_eq!(all as u64, found.acknowledged + found.closing);
    // Half of all readings are of one type; closing ones are a few more.
    let heat = by_type["heat"].1 as f64 / all as f64;
    assert!((heat - 0.5).abs() < 0.01, "{heat}");
}

#[test]
fn a_job_that_names_too_few_topics_is_refused() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    let mut section = one(Stream::Sensors, "pad_bytes: 10");
    let sensors = section.streams.sensors.as_mut().unwrap();
    sensors.population.entities = 64;
    sensors.population.types = serde_saphyr::from_str(TYPES).unwrap();
    sensors.anomalies.clear();
    let mut job = job(section, out.path(), Some(&cluster));
    job.topics.get_mut(&Stream::Sensors).unwrap().pop();
    let error = send(&job, &SinkChoice::Kafka).unwrap_err().to_string();
    assert_eq!(
        error,
        "the job does not name the 2 topics of stream `sensors`; add them to `topics`"
    );
}
