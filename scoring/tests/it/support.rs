//! Builders of runs for tests: a synthetic record, labels and alerts.
//!
//! Shared by the unit tests, the integration tests and the tests of the reports, none of which uses
//! all of it.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each user of this module uses a part"
)]

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    audit::AuditFacts,
    clock::{EventTime, RunMicros, Timeline, WallTime},
    histogram::{EncodedHistogram, empty},
    job::GeneratorSection,
    key::{KeyType, TypedKey},
    kind::Kind,
    label::Label,
    probe::ClockFacts,
    profile::{
        EventTimeSection, GateSection, ProducerSection, ScoringSection, StreamSection,
        StreamsSection, scoring::GateFailure,
    },
    record::{
        CollectorFacts, Ending, Environment, Phase, ProcessFacts, RunRecord, StreamFacts,
        SubjectFacts,
    },
    resources::MachineFacts,
    result::{Validity, ValidityStatus},
    stream::Stream,
};

/// Wall time at which synthetic runs start.
pub const STARTED_AT: WallTime = WallTime(1_750_000_000_000_000);

/// A label with one key of the first type that its kind lists; times are event time in milliseconds.
pub fn label(id: &str, kind: Kind, key: &str, start: i64, end: i64) -> Label {
    Label {
        id: id.to_owned(),
        stream: kind.stream(),
        other_streams: Vec::new(),
        kind,
        benign: kind.is_benign(),
        magnitude: None,
        snr: None,
        keys: vec![TypedKey::new(kind.key_types()[0], key)],
        start: EventTime(start),
        end: EventTime(end),
        evidence: BTreeMap::new(),
        event_ids: Vec::new(),
        event_sent: Vec::new(),
        order: None,
        first_sent: RunMicros(start * 1000),
        last_sent: RunMicros(end * 1000),
        detectable_at: EventTime(end),
    }
}

/// An alert on a sensor without a kind, appended a second of wall time after its end.
pub fn alert(id: &str, sensor: &str, start: i64, end: i64) -> CollectedAlert {
    let appended_at = STARTED_AT.at(RunMicros((end + 1000) * 1000));
    CollectedAlert {
        alert: Alert {
            id: id.to_owned(),
            detector: "test".to_owned(),
            stream: Some(Stream::Sensors),
            kind: None,
            key: TypedKey::new(KeyType::Sensor, sensor),
            start: EventTime(start),
            end: EventTime(end),
            score: None,
            event_ids: Vec::new(),
            emitted_at: None,
            evidence: BTreeMap::new(),
        },
        topic: "anomalies".to_owned(),
        partition: 0,
        offset: 0,
        appended_at,
        seen_at: appended_at,
        untimed: false,
    }
}

/// The same with a kind.
pub fn alert_of(kind: Kind, id: &str, key: &str, start: i64, end: i64) -> CollectedAlert {
    let mut collected = alert(id, key, start, end);
    collected.alert.kind = Some(kind.name().to_owned());
    collected.alert.stream = Some(kind.stream());
    collected.alert.key.key_type = kind.key_types()[0];
    collected
}

/// A histogram of microseconds as the generator writes it.
pub fn encoded(values: &[u64]) -> EncodedHistogram {
    let mut histogram = empty().unwrap();
    for value in values {
        histogram.record(*value).unwrap();
    }
    EncodedHistogram::of(&histogram).unwrap()
}

/// A run of 20 s over the sensors at 100/s, event time from 0 to 1000 s at speed 1, without labels
/// and alerts. Event time passes the end of the generation, which keeps labels from being truncated.
#[derive(Debug, Clone)]
pub struct Run {
    pub record: RunRecord,
    pub labels: Vec<Label>,
    pub alerts: Vec<CollectedAlert>,
}

impl Run {
    pub fn new() -> Self {
        Self {
            record: record(),
            labels: Vec::new(),
            alerts: Vec::new(),
        }
    }

    pub fn labels(mut self, labels: impl IntoIterator<Item = Label>) -> Self {
        self.labels.extend(labels);
        self
    }

    pub fn alerts(mut self, alerts: impl IntoIterator<Item = CollectedAlert>) -> Self {
        self.alerts.extend(alerts);
        self
    }

    pub fn gate(mut self, require: &str, otherwise: GateFailure) -> Self {
        self.record.gates.push(GateSection {
            require: require.to_owned(),
            otherwise,
        });
        self
    }
}

fn record() -> RunRecord {
    let section: StreamSection =
        serde_json::from_str(r#"{ "rate": "100/s", "population": { "entities": 10, "skew": 0 } }"#)
            .unwrap();
    RunRecord {
        schema_version: 1,
        floodmark_version: "0.1.0".to_owned(),
        plan: GeneratorSection {
            name: "synthetic".to_owned(),
            seed: 7,
            duration: "20s".to_owned(),
            warm_up: "0s".to_owned(),
            event_time: EventTimeSection::default(),
            streams: StreamsSection {
                sensors: Some(section),
                ..StreamsSection::default()
            },
            producer: ProducerSection::default(),
        },
        scoring: ScoringSection::default(),
        gates: Vec::new(),
        reproduce: "floodmark bench profiles/synthetic.yaml --seed 7".to_owned(),
        broker: "embedded".to_owned(),
        subject: "bundled".to_owned(),
        settings: Vec::new(),
        client: BTreeMap::new(),
        started_at: STARTED_AT,
        phases: phases(),
        timeline: Timeline {
            origin: EventTime(0),
            speed: 1.0,
        },
        warm_up_until: EventTime(0),
        watermark_bound_ms: None,
        event_time_end: EventTime(1_000_000),
        generator: BTreeMap::from([(Stream::Sensors, stream_facts())]),
        subject_facts: SubjectFacts {
            consumed: BTreeMap::from([(Stream::Sensors, 2_000)]),
            ..SubjectFacts::default()
        },
        collector: CollectorFacts::default(),
        processes: processes(),
        machine: MachineFacts::default(),
        audit: AuditFacts::default(),
        clock: ClockFacts::default(),
        environment: Environment {
            os: "Linux 6.1".to_owned(),
            cpu: "Test CPU".to_owned(),
            cpus: 2,
            memory_bytes: 8 << 30,
        },
        validity: Validity {
            status: ValidityStatus::Valid,
            reasons: Vec::new(),
        },
        interrupted: false,
        ending: Ending::Completed,
        subject_lines: Vec::new(),
        notices: Vec::new(),
        faults: Vec::new(),
        lag: Vec::new(),
    }
}

fn stream_facts() -> StreamFacts {
    StreamFacts {
        topics: vec!["sensor-data_2".to_owned()],
        due: 2_000,
        sent: 2_000,
        acknowledged: 2_000,
        failed: 0,
        queue_full: 0,
        bytes: 200_000,
        closing: 500,
        send_lateness: encoded(&(1..=200).collect::<Vec<_>>()),
        acknowledge_latency: encoded(&(1..=200).map(|i| i * 50).collect::<Vec<_>>()),
        fingerprint: "00".to_owned(),
        ..StreamFacts::default()
    }
}

fn phases() -> Vec<Phase> {
    [("setup", -2, 0), ("generate", 0, 20), ("drain", 20, 24)]
        .map(|(name, from, to)| Phase {
            name: name.to_owned(),
            from: RunMicros(from * 1_000_000),
            to: RunMicros(to * 1_000_000),
        })
        .to_vec()
}

fn processes() -> Vec<ProcessFacts> {
    [("generator", 1.5), ("subject", 2.0), ("broker", 0.4)]
        .map(|(role, cpu_seconds)| ProcessFacts {
            role: role.to_owned(),
            cpu_seconds,
            peak_rss_bytes: 64 << 20,
            ..ProcessFacts::default()
        })
        .to_vec()
}
