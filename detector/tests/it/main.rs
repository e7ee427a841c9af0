//! The detector against a real broker: events in through the topics, alerts read back.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod exactly_once;
mod fraud;
mod hostile;
mod malformed;
mod sinks;
mod stores;
mod traces;
mod watched;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_contracts::{
    alert::{Alert, FraudFlag},
    clock::{Clock, EventTime, SystemClock},
    event::{
        banking::{BankingUiEvent, SCHEMA, event_type},
        clickstream::ClickEvent,
        confluent::write_frame,
        sensor::SensorReading,
    },
    job::{Connection, DetectorJob},
    profile::DetectorSection,
    stream::Stream,
    subject::SubjectFacts,
};
use floodmark_detector::{DetectError, Progress, Watch, always, run, run_watched};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, Producer, ProducerSettings,
    Record, Registry, TopicPartition, admin::NewTopic, consumer::StartOffset,
};

/// Longer than anything takes on a busy machine; tests end as soon as what they wait for is there.
const PATIENCE: Duration = Duration::from_secs(60);

const START: i64 = 1_749_531_600_000;

struct World {
    broker: Broker,
    folder: tempfile::TempDir,
    job: DetectorJob,
    watch: Watch,
}

impl World {
    /// A broker with the topics of a job over `streams`, two partitions each.
    fn new(streams: &[Stream]) -> Self {
        let registry_listen = Some(([127, 0, 0, 1], 0).into());
        let config = BrokerConfig {
            registry_listen,
            ..BrokerConfig::default()
        };
        let broker = Broker::start(config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let section = DetectorSection {
            watermark_bound: "1s".into(),
            commit_interval: "20ms".into(),
            print_anomalies: true,
            ..DetectorSection::default()
        };
        let job = DetectorJob {
            section,
            connection: Connection {
                bootstrap: broker.bootstrap(),
                properties: BTreeMap::new(),
                registry: broker.registry_url(),
            },
            group: "detector".into(),
            slot: 0,
            inputs: streams
                .iter()
                .map(|s| (*s, vec![s.default_topic().to_owned()]))
                .collect(),
            anomalies: "anomalies".into(),
            fraud_flags: "fraud-flags".into(),
            dead_letters: "dead-letters".into(),
            enrichment: None,
            facts: Some(folder.path().join("facts.json")),
            page: None,
        };
        let world = Self {
            broker,
            folder,
            job,
            watch: Watch::new(),
        };
        let inputs = world
            .job
            .inputs
            .values()
            .flatten()
            .map(|topic| NewTopic::new(topic, 2));
        let outputs =
            ["anomalies", "fraud-flags", "dead-letters"].map(|topic| NewTopic::new(topic, 1));
        world
            .admin()
            .create_topics(&inputs.chain(outputs).collect::<Vec<_>>())
            .unwrap();
        world
    }

    fn client(&self) -> ClientSettings {
        ClientSettings::plain(self.broker.bootstrap())
    }

    fn admin(&self) -> Admin {
        Admin::new(&self.client(), PATIENCE).unwrap()
    }

    /// Writes values to partitions of a topic and waits until they are there.
    fn write(&self, topic: &str, values: &[(i32, Vec<u8>)]) {
        let producer = Producer::new(&self.client(), &ProducerSettings::default()).unwrap();
        let topic = producer.topic(topic).unwrap();
        for (partition, value) in values {
            let record = Record::new(&topic, value).key(b"key").partition(*partition);
            producer.send(&record, 0).unwrap();
        }
        let mut delivered = 0;
        producer
            .flush(PATIENCE, &mut |d| {
                delivered += usize::from(d.is_delivered())
            })
            .unwrap();
        assert_eq!(delivered, values.len());
    }

    /// Everything in partition 0 of a topic: headers and value of each record.
    fn read(&self, topic: &str) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
        let marks = self.admin().watermarks(&[topic]).unwrap();
        let wanted = usize::try_from(marks.iter().map(|mark| mark.high).sum::<i64>()).unwrap();
        let mut consumer =
            BatchConsumer::new(&self.client(), &ConsumerSettings::default()).unwrap();
        let start = [(TopicPartition::new(topic, 0), StartOffset::Beginning)];
        consumer.assign(&start, PATIENCE).unwrap();
        let mut batch = Batch::with_capacity(100);
        let mut found = Vec::new();
        let clock = SystemClock::new();
        while found.len() < wanted {
            assert!(
                clock.monotonic_us() < 60_000_000,
                "{} of {wanted}",
                found.len()
            );
            consumer
                .poll(&mut batch, Duration::from_millis(50))
                .unwrap();
            for message in batch.messages() {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let headers = message
                    .headers()
                    .map(|(name, value)| (name.to_owned(), text(value.unwrap_or_default())))
                    .collect();
                found.push((headers, message.payload().unwrap_or_default().to_vec()));
            }
        }
        found
    }

    fn alerts(&self) -> Vec<Alert> {
        let records = self.read("anomalies");
        records
            .iter()
            .map(|(_, value)| serde_json::from_slice(value).unwrap())
            .collect()
    }

    /// Runs the detector until it has read everything that is there.
    fn detect(&self) -> (SubjectFacts, String) {
        self.detect_until(|progress| progress == Progress::CaughtUp)
    }

    /// Runs the detector until `done` says so of its progress, or patience ends.
    fn detect_until(&self, done: impl Fn(Progress) -> bool) -> (SubjectFacts, String) {
        let stop = AtomicBool::new(false);
        let mut printed = Vec::new();
        let clock = SystemClock::new();
        let mut progress = |progress| {
            let late = clock.monotonic_us() > i64::try_from(PATIENCE.as_micros()).unwrap();
            if late || done(progress) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let watch = &self.watch;
        let facts =
            run_watched(&self.job, watch, &clock, &stop, &mut printed, &mut progress).unwrap();
        (facts, String::from_utf8(printed).unwrap())
    }
}

fn reading(seconds: i64, sensor: &str, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    let timestamp = EventTime(START + seconds * 1000);
    SensorReading {
        sensor_id: sensor.into(),
        value,
        timestamp,
        sensor_type: None,
    }
    .encode(&mut out);
    out
}

/// A sensor with one spike, and the event that closes its partition's windows.
fn sensor(partition: i32, name: &str) -> Vec<(i32, Vec<u8>)> {
    let value = |i| if i == 6 { 150.0 } else { 50.0 + i as f64 / 4.0 };
    let readings = (0..12).map(|i| (partition, reading(i * 2, name, value(i))));
    readings
        .chain([(partition, reading(900, name, 50.0))])
        .collect()
}

fn click(seconds: i64, event_type: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ClickEvent {
        event_id: format!("click-{seconds}").into(),
        user_id: format!("user-{seconds}").into(),
        session_id: format!("session-{seconds}").into(),
        event_type: event_type.into(),
        page_url: "/offers".into(),
        timestamp: EventTime(START + seconds * 1000),
        ip_address: "192.0.2.1".into(),
        country: "DE".into(),
        device_type: "mobile".into(),
        referrer: None,
    }
    .encode(&mut out);
    out
}

fn input(seconds: i64, schema_id: u32) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, schema_id);
    BankingUiEvent {
        event_id: "event",
        session_id: "session-1",
        user_id: "account-1",
        event_type: event_type::FIELD_INPUT,
        element_id: "amount",
        input_hash: None,
        timestamp: EventTime(START + seconds * 1000),
        latency_ms: 5,
        device_fingerprint: "fp",
        ip_address: "192.0.2.1",
    }
    .encode_body(&mut out);
    out
}

#[test]
fn a_stream_over_several_topics_is_read_whole() {
    let mut world = World::new(&[Stream::Sensors]);
    world
        .admin()
        .create_topics(&[NewTopic::new("more", 2)])
        .unwrap();
    let inputs = world.job.inputs.get_mut(&Stream::Sensors).unwrap();
    inputs.push("more".to_owned());
    // The same partition of both: what one has read must not be taken for what the other has.
    world.write("sensor-data_2", &sensor(0, "sensor_0"));
    world.write("more", &sensor(0, "sensor_1"));
    world.write("more", &[(1, b"nonsense".to_vec())]);
    let (facts, _) = world.detect();

    let alerts = world.alerts();
    let spikes = alerts
        .iter()
        .filter(|alert| alert.detector == "sensor-window");
    let keys: BTreeSet<&str> = spikes.map(|alert| alert.key.id.as_str()).collect();
    assert_eq!(keys, BTreeSet::from(["sensor_0", "sensor_1"]));
    assert_eq!(facts.consumed[&Stream::Sensors], 27);
    let letters = world.read("dead-letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0["source-topic"], "more");
}

#[test]
fn alerts_of_all_partitions_are_read_back_and_offsets_are_committed() {
    let world = World::new(&[Stream::Sensors]);
    let mut values = sensor(0, "sensor_0");
    values.extend(sensor(1, "sensor_1"));
    world.write("sensor-data_2", &values);
    let (facts, printed) = world.detect();

    let alerts = world.alerts();
    let spikes = alerts
        .iter()
        .filter(|alert| alert.detector == "sensor-window");
    let keys: BTreeSet<&str> = spikes.map(|alert| alert.key.id.as_str()).collect();
    assert_eq!(keys, BTreeSet::from(["sensor_0", "sensor_1"]));
    assert!(alerts.iter().all(|alert| alert.emitted_at.is_some()));
    assert!(
        printed.contains("ANOMALY → sensor_1: value=150.0, avg="),
        "{printed}"
    );

    assert_eq!(facts.consumed[&Stream::Sensors], 26);
    assert_eq!(facts.alerts, u64::try_from(alerts.len()).unwrap());
    let written = std::fs::read(world.folder.path().join("facts.json")).unwrap();
    assert_eq!(
        serde_json::from_slice::<SubjectFacts>(&written).unwrap(),
        facts
    );
    let lag = world.admin().lag("detector", &["sensor-data_2"]).unwrap();
    assert!(lag.iter().all(|lag| lag.records == 0), "{lag:?}");
}

#[test]
fn a_second_run_goes_on_where_the_first_one_stopped() {
    let world = World::new(&[Stream::Sensors]);
    world.write("sensor-data_2", &sensor(0, "sensor_0"));
    assert_eq!(world.detect().0.consumed[&Stream::Sensors], 13);
    world.write("sensor-data_2", &[(1, reading(0, "sensor_1", 1.0))]);
    assert_eq!(world.detect().0.consumed[&Stream::Sensors], 1);
}

#[test]
fn banking_is_read_by_its_registered_schema_and_fraud_is_flagged() {
    let world = World::new(&[Stream::Banking]);
    let registry = Registry::new(&world.broker.registry_url().unwrap()).unwrap();
    let id = registry
        .register("banking-ui-events-value", SCHEMA)
        .unwrap();
    let other = registry.register("other-value", "\"string\"").unwrap();
    let mut values: Vec<_> = (0..4).map(|i| (0, input(i, id))).collect();
    values.extend([
        (0, input(5, other)),
        (0, input(6, 999_999)),
        (0, input(900, id)),
    ]);
    world.write("banking-ui-events", &values);
    let (facts, _) = world.detect();

    assert_eq!(facts.consumed[&Stream::Banking], 7);
    let reasons: Vec<String> = world
        .read("dead-letters")
        .iter()
        .map(|(headers, _)| headers["reason"].clone())
        .collect();
    assert!(reasons[0].contains("is not the schema"), "{reasons:?}");
    assert!(reasons[1].contains("not in the registry"), "{reasons:?}");
    let flags: Vec<FraudFlag> = world
        .read("fraud-flags")
        .iter()
        .map(|(_, line)| std::str::from_utf8(line).unwrap().parse().unwrap())
        .collect();
    let is_sure = |flag: &FraudFlag| flag.session_id == "session-1" && flag.score >= 0.8;
    assert!(!flags.is_empty() && flags.iter().all(is_sure), "{flags:?}");
    assert_eq!(world.watch.status().written.flags, flags.len() as u64);
    assert_eq!(
        world.alerts()[0].kind.as_deref(),
        Some("machine-speed-input")
    );
}

#[test]
fn a_partition_without_events_holds_no_minute_back() {
    let mut world = World::new(&[Stream::Clickstream]);
    world.job.section.idleness = "50ms".into();
    // All of them in one partition; the other one is empty, and stays so.
    let minute = |minute: i64, n: i64, event_type: &'static str| {
        (0..n).map(move |i| (0, click(minute * 60 + i % 60, event_type)))
    };
    let mut events: Vec<_> = minute(0, 100, "page_view").collect();
    events.extend(minute(1, 60, "error"));
    events.extend(minute(15, 1, "page_view"));
    world.write("clickstream-events", &events);
    world.detect_until(
        |progress| matches!(progress, Progress::Position { alerts, .. } if alerts > 0),
    );
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].kind.as_deref(), Some("error-burst"));
}

#[test]
fn always_alerts_on_every_sensor() {
    let world = World::new(&[Stream::Sensors]);
    let mut values = sensor(0, "sensor_0");
    values.extend(sensor(1, "sensor_1"));
    world.write("sensor-data_2", &values);
    let stop = AtomicBool::new(false);
    let mut progress = |progress| {
        if progress == Progress::CaughtUp {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let clock = SystemClock::new();
    always::run(&world.job, &clock, &stop, &mut Vec::new(), &mut progress).unwrap();
    let keys: BTreeSet<String> = world
        .alerts()
        .into_iter()
        .map(|alert| alert.key.id)
        .collect();
    assert_eq!(
        keys,
        BTreeSet::from(["sensor_0".to_owned(), "sensor_1".to_owned()])
    );
}

#[test]
fn a_plan_that_cannot_work_says_why() {
    let world = World::new(&[Stream::Sensors]);
    let fails = |change: &dyn Fn(&mut DetectorJob)| {
        let mut job = world.job.clone();
        change(&mut job);
        let stop = AtomicBool::new(true);
        run(
            &job,
            &SystemClock::new(),
            &stop,
            &mut Vec::new(),
            &mut |_| (),
        )
        .unwrap_err()
    };
    let missing = fails(&|job| job.anomalies = "nowhere".into());
    assert_eq!(
        missing.to_string(),
        "topic `nowhere` for alerts does not exist; create it before the detector starts"
    );
    let invalid = fails(&|job| job.section.idleness = "0s".into());
    assert!(
        invalid.to_string().contains("detector.idleness"),
        "{invalid}"
    );
    assert!(matches!(
        fails(&|job| job.inputs.clear()),
        DetectError::NoInput
    ));
    let enrichment = fails(&|job| job.enrichment = Some(PathBuf::from("/nonexistent")));
    assert!(
        enrichment.to_string().contains("/nonexistent"),
        "{enrichment}"
    );
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let world = World::new(&[Stream::Sensors]);
    world.broker.stop();
    let stop = AtomicBool::new(false);
    let error = run(
        &world.job,
        &SystemClock::new(),
        &stop,
        &mut Vec::new(),
        &mut |_| (),
    )
    .unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    assert!(
        error.to_string().contains(&world.job.connection.bootstrap),
        "{error}"
    );
}
