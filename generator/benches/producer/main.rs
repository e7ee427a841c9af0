//! How much of a bare producer's rate is left when every record is made, scheduled and counted.
//!
//! ```text
//! cargo bench -p floodmark-generator --bench producer
//! FLOODMARK_KAFKA=HOST:PORT cargo bench -p floodmark-generator --bench producer
//! ```
//!
//! Two sizes: clickstream records padded to 300 bytes and sensor readings padded to 100. Ours is a run at the
//! highest rate; the bare one is a loop around rdkafka's `BaseProducer` with the same settings that sends
//! records which the generator made beforehand. The two take turns, round by round, so that whatever else
//! the machine does meets both; the ratio is of the medians. Without `FLOODMARK_KAFKA` the embedded
//! broker takes the records, as a process of its own. `FLOODMARK_BENCH_ROUNDS` and `FLOODMARK_BENCH_MILLIS`
//! change how often and for how long it is measured.

mod bare;
// The same process as that of the broker's own bench.
#[path = "../../../broker/benches/throughput/embedded.rs"]
mod embedded;

use std::{collections::BTreeMap, error::Error, time::Duration};

use floodmark_contracts::{
    clock::SystemClock,
    job::{Connection, GeneratorJob, GeneratorSection, Pace, Start, WorkerShare},
    stream::Stream,
};
use floodmark_generator::{Event, Measured, Plan, Share, SinkChoice, events, speed};

use crate::embedded::EmbeddedProcess;

/// Partitions of every topic here.
const PARTITIONS: i32 = 4;
/// The streams, and the bytes to which their values are padded.
const SIZES: [(Stream, usize); 2] = [(Stream::Clickstream, 300), (Stream::Sensors, 100)];
/// Time in which queues fill.
const SETTLE: Duration = Duration::from_millis(500);
/// Records that the bare producer sends in turn: enough that they are not all in the nearest cache, as
/// records that are made are not.
const READY_MADE: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == embedded::SERVE) {
        return embedded::serve();
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 10)?;
    let measure = Duration::from_millis(setting("FLOODMARK_BENCH_MILLIS", 2_000)?);
    let embedded = match std::env::var("FLOODMARK_KAFKA") {
        Ok(_) => None,
        Err(_) => Some(EmbeddedProcess::start()?),
    };
    let (name, bootstrap) = match &embedded {
        Some(process) => ("embedded broker", process.bootstrap().to_owned()),
        None => ("real Kafka", std::env::var("FLOODMARK_KAFKA")?),
    };
    let span = Measured {
        settle: SETTLE,
        measure,
    };
    report(&format!(
        "{name}, {rounds} rounds of {measure:?} in turn; acknowledged records per second"
    ));
    report("| stream | bytes | bare | ours | ours / bare |");
    report("|---|---:|---:|---:|---:|");
    for (stream, bytes) in SIZES {
        report(&case(stream, bytes, &bootstrap, rounds, span)?);
    }
    Ok(())
}

fn case(
    stream: Stream,
    wanted: usize,
    bootstrap: &str,
    rounds: u64,
    span: Measured,
) -> Result<String, Box<dyn Error>> {
    let section = section(stream, wanted)?;
    let plan = Plan::resolve(&section).map_err(|problems| format!("{problems:?}"))?;
    let records: Vec<Event> = events(&plan, stream, Share::WHOLE)
        .ok_or("the plan lacks its stream")?
        .take(READY_MADE)
        .collect();
    let bytes = records.iter().map(|r| r.value.len()).sum::<usize>() as f64 / records.len() as f64;
    // Padding makes no record shorter.
    if (bytes - wanted as f64).abs() > 1.0 {
        return Err(format!("{stream} has {bytes:.1} bytes a record, not {wanted}").into());
    }
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // A topic for each turn, deleted after it: nobody's records weigh on the other's disk or memory.
        let topic = |who: &str| {
            format!(
                "floodmark-bench-{}-{who}-{stream}-{round}",
                std::process::id()
            )
        };
        bare.push(bare::with_topic(bootstrap, &topic("bare"), |topic| {
            bare::rate(bootstrap, topic, &records, span)
        })?);
        ours.push(bare::with_topic(bootstrap, &topic("ours"), |topic| {
            our_rate(stream, &section, bootstrap, topic, span)
        })?);
    }
    let (bare, ours) = (median(&mut bare), median(&mut ours));
    Ok(format!(
        "| {stream} | {bytes:.1} | {bare:.0} | {ours:.0} | {:.3} |",
        ours / bare
    ))
}

fn our_rate(
    stream: Stream,
    section: &GeneratorSection,
    bootstrap: &str,
    topic: &str,
    span: Measured,
) -> Result<f64, Box<dyn Error>> {
    let out = tempfile::tempdir()?;
    let job = GeneratorJob {
        section: section.clone(),
        connection: Connection {
            bootstrap: bootstrap.to_owned(),
            properties: BTreeMap::new(),
            registry: None,
        },
        topics: BTreeMap::from([(stream, vec![topic.to_owned()])]),
        out: out.path().to_owned(),
        pace: Pace::Max,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
    };
    let rates = speed(&job, &SinkChoice::Kafka, &SystemClock::new(), span)?;
    Ok(rates[&stream])
}

/// A stream that lasts longer than it is measured, with disorder.
fn section(stream: Stream, bytes: usize) -> Result<GeneratorSection, Box<dyn Error>> {
    Ok(serde_saphyr::from_str(&format!(
        "name: producer\nseed: 1\nduration: 10h\nwarm_up: 0s\n\
         event_time: {{ speed: 1, origin: \"2025-06-10T05:00:00Z\" }}\nstreams:\n  {stream}:\n    \
         rate: 1k/s\n    partitions: {PARTITIONS}\n    pad_bytes: {bytes}\n    population: {{ entities: 100000, skew: 0.9 }}\n    \
         disorder: {{ share: 0.2, delay: {{ exponential: {{ mean: 400ms, max: 2s }} }} }}\n"
    ))?)
}

fn median(values: &mut [f64]) -> f64 {
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
