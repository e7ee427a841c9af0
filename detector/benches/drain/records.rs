//! The readings that fill the topic: each sensor once a second of event time, or as often as makes a
//! hundred thousand a second of them all.

use std::{error::Error, time::Duration};

use floodmark_contracts::{clock::EventTime, event::sensor::SensorReading};
use floodmark_kafka::{
    Admin, ClientSettings, Producer, ProducerSettings, Record, SendError, admin::NewTopic,
};

pub const PARTITIONS: i32 = 4;

/// Readings a second of event time at most.
const MOST_A_SECOND: u64 = 100_000;
/// First event time, milliseconds.
const ORIGIN: i64 = 1_749_531_600_000;
/// One reading in so many is a spike far beyond the deviation of the sensor rule.
const SPIKE_EVERY: u64 = 1000;
/// One reading in so many comes late within the watermark's bound, and by how much at most.
const DELAYED_EVERY: u64 = 8;
const LONGEST_DELAY_MS: u64 = 700;
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends records to a new topic.
pub struct Filler {
    producer: Producer,
    native: floodmark_kafka::producer::Topic,
    sent: u64,
    bytes: usize,
    failed: u64,
}

impl Filler {
    /// Makes the topic.
    pub fn new(bootstrap: &str, topic: &str) -> Result<Self, Box<dyn Error>> {
        let client = ClientSettings::plain(bootstrap);
        Admin::new(&client, PATIENCE)?.create_topics(&[NewTopic::new(topic, PARTITIONS)])?;
        let producer = Producer::new(&client, &ProducerSettings::default())?;
        Ok(Self {
            native: producer.topic(topic)?,
            producer,
            sent: 0,
            bytes: 0,
            failed: 0,
        })
    }

    /// Sends a record, and waits where the client's queue is full.
    pub fn send(&mut self, key: &[u8], value: &[u8], partition: i32) -> Result<(), Box<dyn Error>> {
        let record = Record::new(&self.native, value)
            .key(key)
            .partition(partition);
        let failed = &mut self.failed;
        let mut note = |delivery: floodmark_kafka::Delivery| {
            *failed += u64::from(!delivery.is_delivered());
        };
        while let Err(error) = self.producer.send(&record, 0) {
            if !matches!(error, SendError::QueueFull) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(5), &mut note);
        }
        self.sent += 1;
        self.bytes += value.len();
        if self.sent.is_multiple_of(512) {
            self.producer.poll(Duration::ZERO, &mut note);
        }
        Ok(())
    }

    /// Waits for all of them; gives the mean size of a value.
    pub fn finish(mut self) -> Result<f64, Box<dyn Error>> {
        let failed = &mut self.failed;
        self.producer.flush(PATIENCE, &mut |delivery| {
            *failed += u64::from(!delivery.is_delivered());
        })?;
        if self.failed > 0 {
            return Err(format!("{} of {} records were not taken", self.failed, self.sent).into());
        }
        Ok(self.bytes as f64 / self.sent as f64)
    }
}

/// Makes the topic and fills it with readings; gives the mean size of a value.
pub fn fill(
    bootstrap: &str,
    topic: &str,
    events: u64,
    sensors: u64,
) -> Result<f64, Box<dyn Error>> {
    let mut filler = Filler::new(bootstrap, topic)?;
    let mut value = Vec::new();
    for number in 0..events {
        let sensor = number % sensors;
        let name = format!("sensor_{sensor:05}");
        value.clear();
        reading(&name, number, sensors).encode(&mut value);
        let partition = (sensor % u64::from(PARTITIONS.unsigned_abs())) as i32;
        filler.send(name.as_bytes(), &value, partition)?;
    }
    filler.finish()
}

/// Reading `number`: noise around the sensor's level, now and then a spike. Same number, same reading.
fn reading(name: &str, number: u64, sensors: u64) -> SensorReading<'_> {
    let draw = mixed(number);
    let level = 20.0 + (number % sensors % 1000) as f64 * 0.05;
    let noise = (draw % 400) as f64 / 100.0 - 2.0;
    let spike = if mixed(number ^ 0x5eed).is_multiple_of(SPIKE_EVERY) {
        120.0
    } else {
        0.0
    };
    let delay = if draw >> 32 & (DELAYED_EVERY - 1) == 0 {
        (draw >> 40) % LONGEST_DELAY_MS
    } else {
        0
    };
    SensorReading {
        sensor_id: name.into(),
        value: ((level + noise + spike) * 100.0).round() / 100.0,
        timestamp: EventTime(
            ORIGIN + (number * 1000 / sensors.min(MOST_A_SECOND)) as i64 - delay as i64,
        ),
        sensor_type: Some("temperature_c".into()),
    }
}

/// The finalizer of `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
