//! How many alerts a second the harness collects.
//!
//! ```text
//! cargo bench -p floodmark-harness --bench collect
//! ```
//!
//! A million alerts lie in a topic of the embedded broker, in this process; the collector reads, checks and writes all of
//! them to its file. Printed are alerts a second of wall time and the CPU time of a million, broker and all, with the
//! same for a bare reader that only looks at the records: the two take turns. `FLOODMARK_BENCH_ROUNDS` and
//! `FLOODMARK_BENCH_ALERTS` change how often and how many.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_contracts::{
    alert::Alert,
    clock::{Clock, EventTime, SystemClock},
    key::{KeyType, TypedKey},
    stream::Stream,
};
use floodmark_harness::{
    child::resources_of,
    collect::{AlertSource, Collector},
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, Producer, ProducerSettings,
    Record, SendError, TopicPartition, admin::NewTopic, consumer::StartOffset,
};

/// The topic of alerts.
const TOPIC: &str = "anomalies";

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 3)?;
    let alerts = setting("FLOODMARK_BENCH_ALERTS", 1_000_000)?;
    let config = BrokerConfig {
        memory_cap_bytes: 4 << 30,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config)?;
    let client = ClientSettings::plain(broker.bootstrap().to_string());
    fill(&client, alerts)?;
    report(&format!("{alerts} alerts, {rounds} rounds in turn"));
    report("| | alerts/s | CPU-s per million |");
    report("|---|---:|---:|");
    for _ in 0..rounds {
        for (name, read) in [("bare reader", bare as Reading), ("collector", collect)] {
            let cpu = cpu();
            let clock = SystemClock::new();
            let begun = clock.monotonic_us();
            read(&client, alerts)?;
            let seconds = (clock.monotonic_us() - begun) as f64 / 1e6;
            let cpu = (self::cpu() - cpu) / (alerts as f64 / 1e6);
            report(&format!(
                "| {name} | {:.0} | {cpu:.2} |",
                alerts as f64 / seconds
            ));
        }
    }
    Ok(())
}

/// A way to read all alerts.
type Reading = fn(&ClientSettings, u64) -> Result<(), Box<dyn Error>>;

fn collect(client: &ClientSettings, alerts: u64) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let file = dir.path().join("alerts.ndjson");
    let sources = [AlertSource::ours(TOPIC)];
    let facts = Collector::start(client, &sources, &file, clock)?.finish()?;
    if (facts.alerts, facts.garbage) != (alerts, 0) {
        return Err(format!("{facts:?} of {alerts} alerts").into());
    }
    Ok(())
}

/// Reads the records and looks at none.
fn bare(client: &ClientSettings, alerts: u64) -> Result<(), Box<dyn Error>> {
    let mut consumer = BatchConsumer::new(client, &ConsumerSettings::default())?;
    let place = (TopicPartition::new(TOPIC, 0), StartOffset::Beginning);
    consumer.assign(&[place], PATIENCE)?;
    let mut batch = Batch::with_capacity(4096);
    let mut read = 0;
    while read < alerts {
        consumer.poll(&mut batch, Duration::from_millis(20))?;
        read += batch.len() as u64;
    }
    Ok(())
}

fn fill(client: &ClientSettings, alerts: u64) -> Result<(), Box<dyn Error>> {
    Admin::new(client, PATIENCE)?.create_topics(&[
        NewTopic::new(TOPIC, 1).config("message.timestamp.type", "LogAppendTime")
    ])?;
    let producer = Producer::new(client, &ProducerSettings::default())?;
    let topic = producer.topic(TOPIC)?;
    for number in 0..alerts {
        let payload = serde_json::to_vec(&alert(number))?;
        let record = Record::new(&topic, &payload).partition(0);
        while let Err(error) = producer.send(&record, 0) {
            if error != SendError::QueueFull {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(5), &mut |_| {});
        }
    }
    producer.flush(PATIENCE, &mut |_| {})?;
    Ok(())
}

/// An alert as our own detector writes them.
fn alert(number: u64) -> Alert {
    let at = EventTime(1_749_531_840_000 + number as i64);
    Alert {
        id: format!("sensor-spike/sensor_{}/{}", number % 1000, at.0),
        detector: "sensor-window".to_owned(),
        stream: Some(Stream::Sensors),
        kind: Some("sensor-spike".to_owned()),
        key: TypedKey::new(KeyType::Sensor, format!("sensor_{}", number % 1000)),
        start: at,
        end: at,
        score: Some(0.75),
        event_ids: vec![format!("sensor_{}@{}", number % 1000, at.0)],
        emitted_at: None,
        evidence: BTreeMap::from([
            ("value".to_owned(), 71.25.into()),
            ("mean".to_owned(), 20.5.into()),
        ]),
    }
}

/// CPU time of this process so far, seconds.
fn cpu() -> f64 {
    resources_of("bench", std::process::id()).cpu_seconds
}

fn setting(name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) => Ok(text
            .parse()
            .map_err(|_| format!("{name}: `{text}` is not a number"))?),
        Err(_) => Ok(default),
    }
}

#[expect(clippy::print_stdout, reason = "the bench's result")]
fn report(line: &str) {
    println!("{line}");
}
