//! A detector that is not ours, as far as the harness can tell: it knows nothing but the documented environment
//! variables (`docs/bring-your-own-detector.md`), reads sensor readings and alerts on values far from the sensor's running mean.
//! For tests of the harness it can also be slow, forgetful, talkative or dead:
//!
//! ```text
//! foreign_detector [--max-rate EVENTS_PER_SECOND] [--busy SHARE] [--fault NAME]
//! ```
//! With `--busy 0.1` it uses a tenth more CPU time than it needs, in a loop that does nothing.
//!
//! Faults: `sleep` (500 ms before each alert), `drop` (every tenth alert), `double` (each alert twice), `always` (an alert
//! for each reading), `die` (after 1000 readings), `never` (takes no partition), `garbage` (every alert is none), `future`
//! (an hour ahead), `early` (alerts for what has not come yet), `flood` (200 alerts for each reading), `trickle` (an alert every
//! 100 ms, also when everything has been read).

#![expect(
    clippy::print_stdout,
    reason = "a program of its own, whose log a run shows"
)]

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{
    alert::Alert,
    clock::{Clock, EventTime, SystemClock},
    event::sensor::SensorReading,
    key::{KeyType, TypedKey},
};
use floodmark_kafka::{
    Batch, BatchConsumer, ClientSettings, ConsumerSettings, PartitionOffset, Producer,
    ProducerSettings, Record, TopicPartition,
    consumer::{CommitMode, Event, Message},
    producer::Topic,
};

use nix::sys::resource::{UsageWho, getrusage};

/// Standard deviations from the running mean that make an alert.
const FAR: f64 = 12.0;

/// Readings of a sensor before anything is said of it.
const LEARNING: u32 = 20;

/// Weight of a reading in the running mean and variance.
const WEIGHT: f64 = 0.05;

/// How often offsets are committed, microseconds.
const COMMIT_EVERY_US: i64 = 100_000;

/// How often `trickle` alerts, microseconds.
const TRICKLE_EVERY_US: i64 = 100_000;

/// An hour of event time.
const HOUR_MS: i64 = 3_600_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut fault, mut max_rate, mut busy) = (String::new(), None, 0.0);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--fault", Some(name)) => fault = name,
            ("--max-rate", Some(rate)) => max_rate = Some(rate.parse()?),
            ("--busy", Some(share)) => busy = share.parse()?,
            _ => return Err(format!("`{argument}` is not understood").into()),
        }
    }
    if fault == "never" {
        println!("waiting for better times");
        loop {
            std::thread::park();
        }
    }
    Detector::new(fault, max_rate, busy)?.run()
}

struct Detector {
    fault: String,
    max_rate: Option<f64>,
    /// Share of its CPU time that it uses once more, for nothing.
    busy: f64,
    /// CPU time up to which that has been done, seconds.
    paid_s: f64,
    consumer: BatchConsumer,
    producer: Producer,
    alerts: Topic,
    clock: SystemClock,
    sensors: BTreeMap<String, Sensor>,
    /// The sensor of the last reading, and its time.
    last: Option<(String, EventTime)>,
    trickled_at: i64,
    seen: u64,
    found: u64,
}

/// What is known of a sensor.
#[derive(Default)]
struct Sensor {
    readings: u32,
    mean: f64,
    variance: f64,
}

impl Detector {
    fn new(
        fault: String,
        max_rate: Option<f64>,
        busy: f64,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let client = ClientSettings::plain(&std::env::var("FLOODMARK_BOOTSTRAP_SERVERS")?);
        let group = std::env::var("FLOODMARK_GROUP")?;
        let mut consumer = BatchConsumer::new(&client, &ConsumerSettings::in_group(group))?;
        let topics = std::env::var("FLOODMARK_TOPICS_SENSORS")?;
        consumer.subscribe(&topics.split(',').collect::<Vec<_>>())?;
        let producer = Producer::new(&client, &ProducerSettings::default())?;
        let alerts = producer.topic(&std::env::var("FLOODMARK_TOPIC_ANOMALIES")?)?;
        Ok(Self {
            fault,
            max_rate,
            busy,
            paid_s: 0.0,
            consumer,
            producer,
            alerts,
            clock: SystemClock::new(),
            sensors: BTreeMap::new(),
            last: None,
            trickled_at: 0,
            seen: 0,
            found: 0,
        })
    }

    fn run(mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut batch = Batch::with_capacity(512);
        let mut read: BTreeMap<(usize, i32), i64> = BTreeMap::new();
        let (mut committed_at, mut begun) = (self.clock.monotonic_us(), None);
        loop {
            self.consumer.poll(&mut batch, Duration::from_millis(20))?;
            for message in batch.messages() {
                self.take(&message)?;
                read.insert(
                    (message.topic_index(), message.partition()),
                    message.offset() + 1,
                );
            }
            self.trickle()?;
            self.burn();
            self.producer.poll(Duration::ZERO, &mut |_| {});
            if let Some(rate) = self.max_rate.filter(|_| !batch.is_empty()) {
                let now = self.clock.monotonic_us();
                let begun = begun.get_or_insert(now);
                let due = *begun + (self.seen as f64 / rate * 1e6) as i64;
                // Time that went by without events is not made up for.
                *begun += (now - due).max(0);
                let ahead = u64::try_from(due - now).unwrap_or(0);
                self.clock.sleep(Duration::from_micros(ahead));
            }
            let taken = batch
                .events()
                .iter()
                .any(|event| matches!(event, Event::Revoked { .. }));
            if taken || self.clock.monotonic_us() - committed_at >= COMMIT_EVERY_US {
                committed_at = self.clock.monotonic_us();
                self.commit(&mut read)?;
            }
        }
    }

    /// Uses CPU time in proportion to what all threads, those of the client among them, have used since the last time.
    fn burn(&mut self) {
        if self.busy > 0.0 {
            let until = cpu_seconds() + self.busy * (cpu_seconds() - self.paid_s);
            while cpu_seconds() < until {
                std::hint::spin_loop();
            }
            self.paid_s = cpu_seconds();
        }
    }

    fn commit(
        &mut self,
        read: &mut BTreeMap<(usize, i32), i64>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        if read.is_empty() {
            return Ok(());
        }
        self.producer.flush(Duration::from_secs(10), &mut |_| {})?;
        let topics = self.consumer.topics();
        let offsets: Vec<PartitionOffset> = std::mem::take(read)
            .into_iter()
            .map(|((topic, partition), offset)| {
                let place = TopicPartition::new(topics[topic], partition);
                PartitionOffset {
                    topic: place.topic,
                    partition: place.partition,
                    offset,
                    metadata: None,
                }
            })
            .collect();
        self.consumer.commit(&offsets, CommitMode::Wait)?;
        Ok(())
    }

    /// An alert now and then, for no other reason.
    fn trickle(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let now = self.clock.monotonic_us();
        let due = self.fault == "trickle" && now - self.trickled_at >= TRICKLE_EVERY_US;
        if let Some((sensor, at)) = self.last.as_ref().filter(|_| due) {
            self.trickled_at = now;
            self.say((sensor, *at), &format!("-{now}"))?;
        }
        Ok(())
    }

    fn take(&mut self, message: &Message<'_>) -> Result<(), Box<dyn std::error::Error>> {
        self.seen += 1;
        if self.fault == "die" && self.seen > 1000 {
            println!("cannot go on after {} readings", self.seen - 1);
            std::process::exit(3);
        }
        let Some(reading) = message
            .payload()
            .and_then(|bytes| SensorReading::decode(bytes).ok())
        else {
            return Ok(());
        };
        let sensor = self
            .sensors
            .entry(reading.sensor_id.to_string())
            .or_default();
        let odd = sensor.is_odd(reading.value);
        let named = (&*reading.sensor_id, reading.timestamp);
        if self.fault == "trickle" {
            self.last = Some((named.0.to_owned(), named.1));
        }
        if self.fault == "flood" {
            for number in 0..200 {
                self.say(named, &format!("-{number}"))?;
            }
        }
        if self.fault == "always" || odd {
            self.found += 1;
            self.alert(named)?;
        }
        Ok(())
    }

    /// One alert, as the fault has it.
    fn alert(&self, reading: (&str, EventTime)) -> Result<(), Box<dyn std::error::Error>> {
        match self.fault.as_str() {
            "drop" if self.found.is_multiple_of(10) => Ok(()),
            "sleep" => {
                self.clock.sleep(Duration::from_millis(500));
                self.say(reading, "")
            }
            "double" => {
                self.say(reading, "")?;
                self.say(reading, "")
            }
            "garbage" => self.send(b"\x00 this is no alert"),
            "future" | "early" => self.say((reading.0, EventTime(reading.1.0 + HOUR_MS)), ""),
            _ => self.say(reading, ""),
        }
    }

    fn say(
        &self,
        (sensor, at): (&str, EventTime),
        suffix: &str,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let alert = Alert {
            id: format!("{sensor}-{}{suffix}", at.0),
            detector: "foreign".to_owned(),
            stream: None,
            kind: None,
            key: TypedKey::new(KeyType::Sensor, sensor.to_owned()),
            start: at,
            end: at,
            score: None,
            event_ids: Vec::new(),
            emitted_at: None,
            evidence: BTreeMap::new(),
        };
        self.send(&serde_json::to_vec(&alert)?)
    }

    fn send(&self, payload: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        while self
            .producer
            .send(&Record::new(&self.alerts, payload), 0)
            .is_err()
        {
            self.producer.poll(Duration::from_millis(5), &mut |_| {});
        }
        Ok(())
    }
}

/// CPU time of this process, seconds.
fn cpu_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        let seconds =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}

impl Sensor {
    /// Whether a value lies far from the running mean; it is learned from if not.
    fn is_odd(&mut self, value: f64) -> bool {
        let off = value - self.mean;
        let odd = self.readings >= LEARNING && off.abs() > FAR * self.variance.sqrt().max(1e-6);
        if !odd {
            self.readings += 1;
            let weight = WEIGHT.max(1.0 / f64::from(self.readings));
            self.mean += weight * off;
            self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        }
        odd
    }
}
