//! What many sensors take, in memory and in CPU time, with all rules and state beyond a bound on disk:
//!
//!     cargo run --release -p floodmark-detector --example keys -- 1000000 96
//!
//! The numbers are of sensors and of MiB for their state; a third one is of readings for each sensor, 5 if there is none.
//! Each sensor has a reading every ten seconds, in turn, so that each comes back when it was not used for longest: the worst
//! that can be for state on disk. Two runs that differ in memory alone print the same number of alerts and the same hash of them.
#![expect(clippy::print_stdout, reason = "an example tells what it found")]

use std::error::Error;

use floodmark_contracts::{
    clock::{EventTime, WallTime},
    event::sensor::SensorReading,
    profile::{DetectorSection, detector::StateSection},
    stream::Stream,
};
use floodmark_detector::{Engine, Output, Settings, Subject, enrichment::EnrichmentStore};

/// When the first reading is, milliseconds.
const START_MS: i64 = 1_749_531_600_000;

/// Time from one reading of a sensor to the next.
const PERIOD_MS: i64 = 10_000;

const PARTITIONS: i32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Result<Vec<u32>, _> = std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let (n_keys, memory_mib, n_rounds) = match numbers?[..] {
        [n_keys, memory_mib] => (n_keys, memory_mib, 5),
        [n_keys, memory_mib, n_rounds] => (n_keys, memory_mib, n_rounds),
        _ => return Err("usage: keys SENSORS MIB [READINGS]".into()),
    };
    let section = DetectorSection {
        watermark_bound: "1s".to_owned(),
        state: StateSection {
            memory_mib,
            folder: None,
        },
        ..DetectorSection::default()
    };
    let settings = Settings::validate(&section).map_err(|problems| format!("{problems:?}"))?;
    let subject = Subject::Bundled(EnrichmentStore::default());
    let mut engine = Engine::new(&settings, subject, [Stream::Sensors])?;
    (0..PARTITIONS).for_each(|partition| engine.assign(Stream::Sensors, partition, 0));
    let (mut value, mut n_alerts, mut hash) = (Vec::new(), 0u64, 0u64);
    for round in 0..n_rounds {
        for key in 0..n_keys {
            value.clear();
            reading(key, round, n_keys).encode(&mut value);
            let partition = i32::try_from(key % PARTITIONS.unsigned_abs())?;
            engine.feed(Stream::Sensors, partition, &value, 0)?;
            if key.is_multiple_of(1000) {
                engine.check()?;
                for output in engine.take(WallTime(0)) {
                    if let Output::Alert(alert) = output {
                        n_alerts += 1;
                        hash = alert.id.bytes().fold(hash, |hash, byte| {
                            hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
                        });
                    }
                }
            }
        }
    }
    let n_millions = f64::from(n_keys) * f64::from(n_rounds) / 1e6;
    println!(
        "{n_keys} sensors, {n_rounds} readings each, {memory_mib} MiB for state: {n_alerts} alerts ({hash:016x}), \
         {:.2} CPU-s a million, peak {} MiB",
        cpu_s()? / n_millions,
        peak_kib()? / 1024
    );
    Ok(())
}

/// A sensor's reading: its level, a little noise, and now and then something that deviates.
fn reading(key: u32, round: u32, n_keys: u32) -> SensorReading<'static> {
    let noise = u64::from(key * 31 + round).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let off = if (key + round).is_multiple_of(5000) {
        200.0
    } else {
        0.0
    };
    let offset = PERIOD_MS * i64::from(key) / i64::from(n_keys);
    SensorReading {
        sensor_id: format!("sensor_{key}").into(),
        value: 50.0 + f64::from(key % 100) + (noise % 1000) as f64 / 500.0 + off,
        timestamp: EventTime(START_MS + PERIOD_MS * i64::from(round) + offset),
        sensor_type: None,
    }
}

/// CPU time of this process so far, user and system.
fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = behind
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // Linux counts hundredths of a second there.
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// The most memory that it ever had.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap_or_default().trim().trim_end_matches(" kB");
    Ok(kib.parse()?)
}
