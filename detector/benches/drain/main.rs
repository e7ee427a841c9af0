//! What the detector costs beside a bare loop over the same topic.
//!
//! ```text
//! FLOODMARK_KAFKA=HOST:PORT cargo bench -p floodmark-detector --bench drain
//! ```
//!
//! Five million readings of about 98 bytes lie in a topic of 4 partitions. In each round each reader, a
//! process of its own, reads all of them: a loop around `rd_kafka_consume_batch_queue`, one around
//! `rd_kafka_consumer_poll`, and the detector with several settings. The readers take turns, so that whatever
//! else the machine does meets all of them; CPU time is user and system time of the whole process, start-up
//! included. Without `FLOODMARK_KAFKA` the embedded broker holds the topic, in another process.
//! `FLOODMARK_BENCH_EVENTS`, `FLOODMARK_BENCH_SENSORS` and `FLOODMARK_BENCH_ROUNDS` change how much and how
//! often; `FLOODMARK_BENCH_STATE_MIB` bounds the memory for keyed state; `FLOODMARK_BENCH_STREAM` takes `clickstream` or `banking` in place of `sensors`, with events of the shipped
//! profile.

mod bare;
#[path = "../../../broker/benches/throughput/embedded.rs"]
mod embedded;
mod reader;
mod records;
mod streams;

use std::{collections::BTreeMap, error::Error, process::Command};

use floodmark_contracts::stream::Stream;

use crate::{
    embedded::EmbeddedProcess,
    reader::{Cost, Reader},
    streams::Inputs,
};

/// The argument that makes this program one of the readers.
const READ: &str = "--read";

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == embedded::SERVE) {
        return embedded::serve();
    }
    if let [read, reader, inputs, events] = arguments.as_slice()
        && read == READ
    {
        let reader = Reader::named(reader).ok_or("no such reader")?;
        let cost = reader.read(&serde_json::from_str(inputs)?, events.parse()?)?;
        report(&serde_json::to_string(&cost)?);
        return Ok(());
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let events = setting("FLOODMARK_BENCH_EVENTS", 5_000_000)?;
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 5)?;
    let embedded = match std::env::var("FLOODMARK_KAFKA") {
        Ok(_) => None,
        Err(_) => Some(EmbeddedProcess::start()?),
    };
    let (name, bootstrap) = match &embedded {
        Some(process) => ("embedded broker", process.bootstrap().to_owned()),
        None => ("real Kafka", std::env::var("FLOODMARK_KAFKA")?),
    };
    let sensors = setting("FLOODMARK_BENCH_SENSORS", 1000)?.max(1);
    let stream = std::env::var("FLOODMARK_BENCH_STREAM").unwrap_or("sensors".to_owned());
    let stream: Stream = serde_json::from_value(stream.into())?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    let (inputs, bytes, _registry) = streams::fill(&bootstrap, stream, events, sensors, path)?;
    let keys = match stream {
        Stream::Sensors => format!("{sensors} sensors, "),
        _ => String::new(),
    };
    report(&format!(
        "{name}: {events} records of {stream}, {bytes:.1} bytes each, {keys}{} partitions; medians of {rounds} rounds",
        records::PARTITIONS
    ));
    let costs = rounds_of(&inputs, stream, events, rounds);
    reader::delete(&bootstrap, &[&inputs.topic])?;
    table(&costs?);
    Ok(())
}

/// All readers in turn, round by round.
fn rounds_of(
    inputs: &Inputs,
    stream: Stream,
    events: u64,
    rounds: u64,
) -> Result<BTreeMap<Reader, Vec<Cost>>, Box<dyn Error>> {
    let mut costs: BTreeMap<Reader, Vec<Cost>> = BTreeMap::new();
    let told = serde_json::to_string(inputs)?;
    for _ in 0..rounds {
        for reader in Reader::over(stream) {
            let output = Command::new(std::env::current_exe()?)
                .args([READ, reader.name(), &told, &events.to_string()])
                .output()?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{} failed: {said}", reader.name()).into());
            }
            let cost: Cost = serde_json::from_slice(&output.stdout)?;
            if cost.events != events {
                return Err(format!("{} read {} events", reader.name(), cost.events).into());
            }
            if let Some(of) = &cost.snapshots {
                report(&format!(
                    "{}: {} snapshots of up to {:.1} MiB, written in up to {:.3} s; no record was read for up to {:.1} ms",
                    reader.name(),
                    of.number,
                    of.mib,
                    of.longest_s,
                    of.longest_stop_s * 1e3,
                ));
            }
            costs.entry(*reader).or_default().push(cost);
        }
    }
    Ok(costs)
}

fn table(costs: &BTreeMap<Reader, Vec<Cost>>) {
    report(
        "| reader | CPU-s a million | least..most | above batch | to batch | k events/s | peak MiB | first alert s | alerts |",
    );
    report("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut base = None;
    for (reader, costs) in costs {
        let figure = |of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
        let mut cpu: Vec<f64> = costs.iter().map(Cost::per_million).collect();
        cpu.sort_by(f64::total_cmp);
        let middle = median(cpu.clone());
        // The first row is the batch loop.
        let base = *base.get_or_insert(middle);
        let (least, most) = (cpu.first().unwrap_or(&0.0), cpu.last().unwrap_or(&0.0));
        let first = match costs.iter().all(|cost| cost.first_alert_s.is_some()) {
            true => format!(
                "{:.3}",
                figure(|cost| cost.first_alert_s.unwrap_or_default())
            ),
            false => "-".to_owned(),
        };
        report(&format!(
            "| {} | {middle:.3} | {least:.3}..{most:.3} | {:+.3} | {:.2} | {:.0} | {:.0} | {first} | {:.0} |",
            reader.name(),
            middle - base,
            middle / base,
            figure(|cost| cost.events as f64 / cost.seconds / 1e3),
            figure(|cost| cost.peak_mib),
            figure(|cost| cost.alerts as f64),
        ));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

fn setting(name: &str, usual: u64) -> Result<u64, Box<dyn Error>> {
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
