//! What a plan would send, without sending it.

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::{EventTime, Timeline},
    kind::Kind,
    profile::{shape::RawFormat, streams::StreamSection},
    stream::Stream,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    events::{Event, events},
    label::labels,
    plan::Plan,
    share::Share,
};

/// Events whose sizes are looked at: enough for a mean within a percent, and over in an instant.
const SAMPLE: u64 = 10_000;

/// Parts of a section that stand in the explanation already.
const EXPLAINED: [&str; 9] = [
    "rate",
    "topic",
    "partitions",
    "key",
    "fields",
    "format",
    "population",
    "anomalies",
    "decoys",
];

/// A plan in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Name of the profile.
    pub name: String,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Wall time during which events arrive, in seconds.
    pub duration_s: f64,
    /// The longest delay behind that, in seconds of wall time.
    pub longest_delay_s: f64,
    /// How event time runs.
    pub timeline: Timeline,
    /// Event time before which no incident begins.
    pub warm_up_until: EventTime,
    /// Event time at the end of the run.
    pub event_time_end: EventTime,
    /// Per stream.
    pub streams: Vec<StreamExplanation>,
}

/// A stream of a plan in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamExplanation {
    /// The stream.
    pub stream: Stream,
    /// Its topics, before the prefix: one, unless types of sensors have their own.
    pub topics: Vec<String>,
    /// Partitions of each topic.
    pub partitions: u32,
    /// The field whose value is the key, by the name under which it is written; by ours where the profile leaves
    /// it out.
    pub key: String,
    /// Encoding of the records.
    pub format: RawFormat,
    /// Names of the fields of the first version, as they are written.
    pub fields: Vec<String>,
    /// Versions of the schema over the run.
    pub versions: usize,
    /// Users, accounts or sensors.
    pub entities: u32,
    /// Slots: events, but for the readings that drop-outs take away.
    pub slots: u64,
    /// Records to expect: those of the slots, second copies and malformed ones.
    pub records: u64,
    /// Events per second of wall time, on average.
    pub mean_rate: f64,
    /// Size of a record's key and value, on average over a sample.
    pub bytes: Bytes,
    /// Labels by kind.
    pub labels: BTreeMap<Kind, usize>,
    /// Decoys by kind: labelled, and false alarms to alert on.
    pub decoys: BTreeMap<Kind, usize>,
    /// Events that labels name.
    pub labelled_events: usize,
    /// Disorder, duplicates and all else that is done to the events, as the profile asks for it.
    pub asked: Map<String, Value>,
}

/// Sizes of a stream's records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bytes {
    /// Mean size of a key.
    pub key: f64,
    /// Mean size of a value.
    pub value: f64,
    /// Keys and values of the whole run, as the sample lets expect.
    pub total: f64,
    /// Records in the sample.
    pub sample: u64,
}

/// Puts a plan into numbers. Pure, and the same on every machine.
#[must_use]
pub fn explain(plan: &Plan) -> Explanation {
    let all_labels = labels(plan);
    let section = plan.section();
    let duration_s = plan.duration().0 as f64 / 1e6;
    let streams = section.streams.iter().map(|(stream, raw)| {
        let (topics, partitions) = plan.topics(stream).unwrap_or_default();
        let slots = plan.slots(stream);
        let own = || all_labels.iter().filter(|label| label.stream == stream);
        let (mut by_kind, mut decoys) = (BTreeMap::new(), BTreeMap::new());
        for label in own() {
            let counts = if label.benign {
                &mut decoys
            } else {
                &mut by_kind
            };
            *counts.entry(label.kind).or_default() += 1;
        }
        StreamExplanation {
            stream,
            topics: topics.to_vec(),
            partitions,
            key: key(
                plan,
                stream,
                raw.key.clone().unwrap_or_else(|| default_key(stream)),
            ),
            format: raw.encoding(stream),
            fields: plan.field_names(stream),
            versions: plan.version_count(stream),
            entities: raw.population.entities,
            slots,
            records: plan.expected_records(stream),
            mean_rate: slots as f64 / duration_s,
            bytes: bytes(plan, stream),
            labels: by_kind,
            decoys,
            labelled_events: own().map(|label| label.event_ids.len()).sum(),
            asked: asked(raw),
        }
    });
    Explanation {
        name: section.name.clone(),
        seed: section.seed,
        duration_s,
        longest_delay_s: plan.longest_delay().0 as f64 / 1e6,
        timeline: plan.timeline(),
        warm_up_until: plan.warm_up_until(),
        event_time_end: plan.event_time_end(),
        streams: streams.collect(),
    }
}

/// What the section says beyond what is explained in numbers; what says nothing is left out.
fn asked(raw: &StreamSection) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(raw) else {
        return Map::new();
    };
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    };
    all.retain(|name, value| !EXPLAINED.contains(&name.as_str()) && !says_nothing(value));
    all
}

fn key(plan: &Plan, stream: Stream, ours: String) -> String {
    let written = plan.field_name(stream, &ours).map(str::to_owned);
    written.unwrap_or(ours)
}

fn default_key(stream: Stream) -> String {
    let name = match stream {
        Stream::Clickstream | Stream::Banking => "user_id",
        Stream::Sensors => "sensor_id",
    };
    name.to_owned()
}

fn bytes(plan: &Plan, stream: Stream) -> Bytes {
    let (mut sample, mut key, mut value) = (0, 0, 0);
    if let Some(mut events) = events(plan, stream, Share::WHOLE) {
        let mut event = Event::default();
        while sample < SAMPLE && events.next_into(&mut event) {
            key += event.key.len();
            value += event.value.len();
            sample += 1;
        }
    }
    let mean = |sum: usize| sum as f64 / sample.max(1) as f64;
    Bytes {
        key: mean(key),
        value: mean(value),
        total: (mean(key) + mean(value)) * plan.expected_records(stream) as f64,
        sample,
    }
}
