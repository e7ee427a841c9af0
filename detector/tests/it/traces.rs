//! Traces of records through the detector: their spans hang together, and the context goes on with what comes out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use floodmark_contracts::{
    event::banking::SCHEMA,
    profile::detector::DeliverySection,
    stream::Stream,
    trace::{Span, SpanKind, TRACEPARENT, TraceParent, Tracer},
};
use floodmark_detector::Watch;
use floodmark_kafka::{Producer, ProducerSettings, Record, Registry};

use super::{PATIENCE, World, input, reading, sensor};

/// A world whose detector follows traces, and where the spans go.
fn traced(streams: &[Stream]) -> (World, Arc<Mutex<Vec<Span>>>) {
    let kept = Arc::new(Mutex::<Vec<Span>>::default());
    let mut world = World::new(streams);
    // The share is a matter of producers: whoever follows follows all.
    world.watch = Watch::new().tracing(Tracer::new(kept.clone(), 0.0));
    (world, kept)
}

fn context(number: usize, sampled: bool) -> TraceParent {
    TraceParent {
        trace_id: 0x1000 + number as u128,
        span_id: 0x2000 + number as u64,
        sampled,
    }
}

/// Writes values, each with a context of a trace by its place.
fn write(world: &World, topic: &str, values: &[(i32, Vec<u8>)], sampled: impl Fn(usize) -> bool) {
    let producer = Producer::new(&world.client(), &ProducerSettings::default()).unwrap();
    let topic = producer.topic(topic).unwrap();
    for (number, (partition, value)) in values.iter().enumerate() {
        let text = context(number, sampled(number)).to_string();
        let headers = [
            ("own", Some(&b"x"[..])),
            (TRACEPARENT, Some(text.as_bytes())),
        ];
        let record = Record::new(&topic, value).key(b"key").partition(*partition);
        producer.send(&record.headers(&headers), 0).unwrap();
    }
    producer.flush(PATIENCE, &mut |_| ()).unwrap();
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// Every span lies in its trace, after its parent began, and none comes twice.
fn check(spans: &[Span]) {
    let by_id: BTreeMap<u64, &Span> = spans
        .iter()
        .map(|span| (span.context.span_id, span))
        .collect();
    assert_eq!(by_id.len(), spans.len());
    for span in spans {
        let parent = span.parent.unwrap();
        assert_eq!(parent.trace_id, span.context.trace_id, "{span:?}");
        assert!(span.start <= span.end, "{span:?}");
        match by_id.get(&parent.span_id) {
            Some(parent) => assert!(parent.start <= span.start, "{span:?}"),
            None => assert_eq!(span.kind, SpanKind::Consumer, "{span:?}"),
        }
    }
}

/// The context in the headers of each record of a topic.
fn contexts(world: &World, topic: &str) -> Vec<Option<TraceParent>> {
    let records = world.read(topic);
    let context =
        |headers: &BTreeMap<String, String>| Some(headers.get(TRACEPARENT)?.parse().unwrap());
    records
        .iter()
        .map(|(headers, _)| context(headers))
        .collect()
}

/// A run over two sensors with a spike each, of which one's records are sampled: all spans hang together, and alerts are
/// children of what was taken of that sensor.
fn run_with_a_sampled_sensor(change: impl FnOnce(&mut World)) -> (World, Vec<Span>) {
    let (mut world, kept) = traced(&[Stream::Sensors]);
    change(&mut world);
    // The last record is rubbish, and sampled.
    let mut values = [sensor(0, "sensor_0"), sensor(1, "sensor_1")].concat();
    let half = values.len() / 2;
    values.push((0, b"rubbish".to_vec()));
    write(&world, "sensor-data_2", &values, |number| {
        number < half || number == 2 * half
    });
    // And one without any header.
    world.write("sensor-data_2", &[(0, reading(901, "sensor_0", 50.0))]);
    world.detect();

    let spans = std::mem::take(&mut *kept.lock().unwrap());
    check(&spans);
    let taken = named(&spans, "sensor-data_2 process");
    assert_eq!(taken.len(), half + 1);
    let refused: Vec<_> = taken.iter().filter(|span| span.failure.is_some()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].parent, Some(context(2 * half, true)));
    let mut of_the_spike = 0;
    for span in named(&spans, "emit") {
        let parent = taken
            .iter()
            .find(|other| Some(other.context) == span.parent);
        // The seventh reading is the spike; other rules name the reading that completes what they see.
        of_the_spike += usize::from(parent.unwrap().parent == Some(context(6, true)));
        assert_eq!((span.kind, &span.failure), (SpanKind::Producer, &None));
    }
    assert!(of_the_spike > 0);
    (world, spans)
}

#[test]
fn an_alert_goes_on_with_the_trace_of_its_reading() {
    let (world, spans) = run_with_a_sampled_sensor(|_| ());
    let contexts = contexts(&world, "anomalies");
    let sent: BTreeSet<u64> = contexts.iter().flatten().map(|of| of.span_id).collect();
    let emitted = named(&spans, "emit");
    let known: BTreeSet<u64> = emitted.iter().map(|span| span.context.span_id).collect();
    assert_eq!(sent, known);
    let untraced = contexts.iter().filter(|context| context.is_none());
    assert!(
        untraced.count() > 0,
        "the other sensor's alerts have no trace"
    );
}

#[test]
fn traces_go_through_transactions() {
    run_with_a_sampled_sensor(|world| {
        let snapshots = world.folder.path().join("snapshots");
        let delivery = serde_json::json!({"exactly-once": {"snapshots": snapshots}});
        let delivery: DeliverySection = serde_json::from_value(delivery).unwrap();
        world.job.section.delivery = delivery;
    });
}

#[test]
fn a_flag_goes_on_with_the_trace_of_what_was_looked_up_and_scored() {
    let (world, kept) = traced(&[Stream::Banking]);
    let registry = Registry::new(&world.broker.registry_url().unwrap()).unwrap();
    let id = registry
        .register("banking-ui-events-value", SCHEMA)
        .unwrap();
    let values: Vec<_> = (0..4).chain([900]).map(|i| (0, input(i, id))).collect();
    write(&world, "banking-ui-events", &values, |_| true);
    world.detect();

    let spans = kept.lock().unwrap();
    check(&spans);
    let flags = contexts(&world, "fraud-flags");
    assert!(!flags.is_empty());
    for flag in flags {
        let emitted = spans
            .iter()
            .find(|span| Some(span.context) == flag)
            .unwrap();
        let parent_of = |span: &Span| {
            spans
                .iter()
                .find(|other| Some(other.context) == span.parent)
                .unwrap()
        };
        let scored = parent_of(emitted);
        let taken = parent_of(scored);
        assert_eq!(
            [&*emitted.name, &*scored.name, &*taken.name],
            ["emit", "score", "banking-ui-events process"]
        );
        let enriched = named(&spans, "enrich");
        assert!(
            enriched
                .iter()
                .any(|span| span.parent == scored.parent && span.end <= scored.start)
        );
    }
}

/// What is no context, whatever it says, is passed over.
#[test]
fn hostile_headers_are_passed_over() {
    let (world, kept) = traced(&[Stream::Sensors]);
    let producer = Producer::new(&world.client(), &ProducerSettings::default()).unwrap();
    let topic = producer.topic("sensor-data_2").unwrap();
    let huge = vec![b'0'; 100_000];
    let hostile: [Option<&[u8]>; 5] = [
        None,
        Some(b""),
        Some(&[0xff; 55]),
        Some(&huge),
        Some(b"00-00-00-01"),
    ];
    for ((_, value), header) in sensor(0, "sensor_0")
        .iter()
        .zip(hostile.into_iter().cycle())
    {
        let headers = [(TRACEPARENT, header)];
        let record = Record::new(&topic, value).partition(0).headers(&headers);
        producer.send(&record, 0).unwrap();
    }
    producer.flush(PATIENCE, &mut |_| ()).unwrap();
    world.detect();
    assert!(kept.lock().unwrap().is_empty());
    assert!(!world.alerts().is_empty());
}
