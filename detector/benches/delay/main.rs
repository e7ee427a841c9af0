//! How long after a window's end and the watermark's bound its alert can be read.
//!
//! ```text
//! cargo bench -p floodmark-detector --bench delay
//! FLOODMARK_KAFKA=HOST:PORT cargo bench -p floodmark-detector --bench delay
//! ```
//!
//! A thread sends 50,000 readings a second of 1,000 sensors, event time being wall time; the detector, in
//! another, reports each window with a deviating reading; a third reads the alerts, committed ones only,
//! and takes the time. What is left after window end and bound are taken off is the way of a reading through
//! the broker, the detector, and the way of the alert back through the broker. Without `FLOODMARK_KAFKA` the
//! embedded broker is used, as a process of its own. `FLOODMARK_BENCH_SECONDS` and `FLOODMARK_BENCH_RATE`
//! change how long and how fast.

#[path = "../../../broker/benches/throughput/embedded.rs"]
mod embedded;

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use floodmark_contracts::{
    alert::Alert,
    clock::{Clock, EventTime, SystemClock},
    event::sensor::SensorReading,
    job::{Connection, DetectorJob},
    profile::{
        DetectorSection,
        detector::{
            DeliverySection, ExactlyOnceSection, SensorRules, SensorWindowSection, WindowReport,
        },
    },
    stream::Stream,
};
use floodmark_detector::Progress;
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, Producer, ProducerSettings,
    Record, TopicPartition, admin::NewTopic, consumer::StartOffset,
};

use crate::embedded::EmbeddedProcess;

const PARTITIONS: i32 = 4;
const SENSORS: u64 = 1000;
const BOUND_MS: i64 = 1000;
/// One reading in so many is far beyond the deviation.
const SPIKE_EVERY: u64 = 500;
/// Alerts of the first windows, while everything starts, do not count.
const SETTLE_MS: i64 = 3000;
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == embedded::SERVE) {
        return embedded::serve().map_err(|error| error.to_string().into());
    }
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rate = setting("FLOODMARK_BENCH_RATE", 50_000)?;
    let seconds = setting("FLOODMARK_BENCH_SECONDS", 20)?;
    let embedded = match std::env::var("FLOODMARK_KAFKA") {
        Ok(_) => None,
        Err(_) => Some(EmbeddedProcess::start().map_err(|error| error.to_string())?),
    };
    let (name, bootstrap) = match &embedded {
        Some(process) => ("embedded broker", process.bootstrap().to_owned()),
        None => ("real Kafka", std::env::var("FLOODMARK_KAFKA")?),
    };
    report(&format!(
        "{name}: {rate} readings a second for {seconds} s, {SENSORS} sensors, {PARTITIONS} partitions; milliseconds \
         beyond the window's end and the watermark's bound"
    ));
    report("| delivery | alerts | p50 | p90 | p99 | max |");
    report("|---|---:|---:|---:|---:|---:|");
    let folder = tempfile::tempdir()?;
    for delivery in ["at-least-once", "exactly-once"] {
        let trial = Trial {
            bootstrap: &bootstrap,
            id: format!("floodmark-delay-{}-{delivery}", std::process::id()),
            rate,
            clock: SystemClock::new(),
        };
        let section = section(delivery, folder.path());
        let mut delays = trial.run(section, Duration::from_secs(seconds))?;
        delays.sort_unstable();
        let at = |share: f64| {
            let place = (delays.len() as f64 * share) as usize;
            delays.get(place.min(delays.len().saturating_sub(1)))
        };
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0]
            .map(|share| at(share).map_or("-".to_owned(), |us| format!("{:.1}", *us as f64 / 1e3)));
        report(&format!(
            "| {delivery} | {} | {p50} | {p90} | {p99} | {max} |",
            delays.len()
        ));
    }
    Ok(())
}

fn section(delivery: &str, folder: &Path) -> DetectorSection {
    DetectorSection {
        watermark_bound: format!("{BOUND_MS}ms"),
        delivery: match delivery {
            "exactly-once" => DeliverySection::ExactlyOnce(ExactlyOnceSection {
                snapshots: folder.display().to_string(),
                snapshot_interval: "30s".to_owned(),
            }),
            _ => DeliverySection::AtLeastOnce,
        },
        sensor_window: SensorWindowSection {
            // No multiple of the commit interval: windows end at every place within it.
            size: "2020ms".to_owned(),
            slide: "1010ms".to_owned(),
            report: WindowReport::Windows,
            ..SensorWindowSection::default()
        },
        sensor_rules: SensorRules::Window,
        ..DetectorSection::default()
    }
}

/// One run with topics of its own.
struct Trial<'a> {
    bootstrap: &'a str,
    id: String,
    rate: u64,
    clock: SystemClock,
}

impl Trial<'_> {
    /// Microseconds of delay of each alert.
    fn run(&self, section: DetectorSection, span: Duration) -> Result<Vec<i64>, Failure> {
        let topics = ["in", "alerts", "flags", "letters"].map(|what| self.topic(what));
        let admin = Admin::new(&self.client(), PATIENCE)?;
        admin.create_topics(&[
            NewTopic::new(&topics[0], PARTITIONS),
            NewTopic::new(&topics[1], 1),
            NewTopic::new(&topics[2], 1),
            NewTopic::new(&topics[3], 1),
        ])?;
        let (stop, assigned) = (AtomicBool::new(false), AtomicU64::new(0));
        let delays = thread::scope(|scope| {
            let detector = scope.spawn(|| self.detect(section, &assigned, &stop));
            let reader = scope.spawn(|| self.read(&stop));
            let sent = self.send(span, &assigned);
            // The last alerts are on their way.
            self.clock.sleep(Duration::from_millis(500));
            stop.store(true, Ordering::Relaxed);
            let panicked = |_| Failure::from("a thread panicked");
            detector.join().map_err(panicked)??;
            sent?;
            reader.join().map_err(panicked)?
        });
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        admin.delete_topics(&names)?;
        delays
    }

    fn detect(
        &self,
        section: DetectorSection,
        assigned: &AtomicU64,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        let job = DetectorJob {
            section,
            connection: Connection {
                bootstrap: self.bootstrap.to_owned(),
                properties: BTreeMap::new(),
                registry: None,
            },
            group: self.id.clone(),
            slot: 0,
            inputs: BTreeMap::from([(Stream::Sensors, vec![self.topic("in")])]),
            anomalies: self.topic("alerts"),
            fraud_flags: self.topic("flags"),
            dead_letters: self.topic("letters"),
            enrichment: None,
            facts: None,
            page: None,
        };
        let mut progress = |progress| {
            if let Progress::Assigned { partitions } = progress {
                assigned.store(partitions as u64, Ordering::Relaxed);
            }
        };
        let mut nowhere = std::io::sink();
        floodmark_detector::run(&job, &self.clock, stop, &mut nowhere, &mut progress)?;
        Ok(())
    }

    /// Sends readings of now, in bursts of a millisecond.
    fn send(&self, span: Duration, assigned: &AtomicU64) -> Result<(), Failure> {
        while assigned.load(Ordering::Relaxed) == 0 {
            if self.clock.monotonic_us() > 60_000_000 {
                return Err("the detector gets no partitions".into());
            }
            self.clock.sleep(Duration::from_millis(10));
        }
        let settings = ProducerSettings {
            linger: Some(Duration::from_millis(1)),
            ..ProducerSettings::default()
        };
        let producer = Producer::new(&self.client(), &settings)?;
        let topic = producer.topic(&self.topic("in"))?;
        let start_us = self.clock.monotonic_us();
        let (mut value, mut number) = (Vec::new(), 0u64);
        loop {
            let elapsed_us = (self.clock.monotonic_us() - start_us).unsigned_abs();
            if elapsed_us >= span.as_micros() as u64 {
                break;
            }
            let due = elapsed_us * self.rate / 1_000_000;
            let now = EventTime(self.clock.now().as_millis());
            while number < due {
                let sensor = number % SENSORS;
                let name = format!("sensor_{sensor:05}");
                let draw = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                let spike = draw.is_multiple_of(SPIKE_EVERY);
                value.clear();
                SensorReading {
                    sensor_id: name.as_str().into(),
                    value: if spike { 150.0 } else { 20.25 },
                    timestamp: now,
                    sensor_type: Some("temperature_c".into()),
                }
                .encode(&mut value);
                let partition = (sensor % u64::from(PARTITIONS.unsigned_abs())) as i32;
                let record = Record::new(&topic, &value)
                    .key(name.as_bytes())
                    .partition(partition);
                producer.send(&record, 0)?;
                number += 1;
            }
            producer.poll(Duration::from_millis(1), &mut |_| ());
        }
        producer.flush(PATIENCE, &mut |_| ())?;
        Ok(())
    }

    /// Takes the time at which each alert can be read.
    fn read(&self, stop: &AtomicBool) -> Result<Vec<i64>, Failure> {
        let settings = ConsumerSettings::default();
        let mut consumer = BatchConsumer::new(&self.client(), &settings)?;
        let start = [(
            TopicPartition::new(self.topic("alerts"), 0),
            StartOffset::Beginning,
        )];
        consumer.assign(&start, PATIENCE)?;
        let mut batch = Batch::with_capacity(1000);
        let (mut delays, mut first) = (Vec::new(), None);
        while !stop.load(Ordering::Relaxed) {
            consumer.poll(&mut batch, Duration::from_millis(20))?;
            let now = self.clock.now();
            for message in batch.messages() {
                let alert: Alert = serde_json::from_slice(message.payload().unwrap_or_default())?;
                let due_ms = alert.end.0 + BOUND_MS;
                let first = *first.get_or_insert(due_ms);
                if due_ms - first >= SETTLE_MS {
                    delays.push(now.0 - due_ms * 1000);
                }
            }
        }
        Ok(delays)
    }

    fn client(&self) -> ClientSettings {
        ClientSettings::plain(self.bootstrap)
    }

    fn topic(&self, what: &str) -> String {
        format!("{}-{what}", self.id)
    }
}

fn setting(name: &str, usual: u64) -> Result<u64, Failure> {
    match std::env::var(name) {
        Ok(text) => Ok(text
            .parse()
            .map_err(|_| format!("{name} is `{text}`; use a number"))?),
        Err(_) => Ok(usual),
    }
}

#[expect(clippy::print_stdout, reason = "a bench's result is what it prints")]
fn report(line: &str) {
    println!("{line}");
}
