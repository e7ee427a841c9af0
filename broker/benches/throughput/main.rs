//! Latency, highest throughput and CPU of the embedded broker, and of a real one in the same run.
//!
//! ```text
//! cargo bench -p floodmark-broker
//! FLOODMARK_KAFKA=HOST:PORT FLOODMARK_KAFKA_PID=PID cargo bench -p floodmark-broker
//! ```
//!
//! The embedded broker runs as a process of its own (this program again, with `--serve`), so that
//! its CPU time is its alone. `FLOODMARK_BENCH_SECONDS` and `FLOODMARK_BENCH_RECORDS` change how
//! long the two measurements take.
//!
//! The figures hold for the machine and its load: compare those of one run with each other.

mod broker;
mod clients;
mod measure;

use std::error::Error;
use std::time::Duration;

use broker::{EmbeddedProcess, Target};
use measure::{Latency, Throughput};

/// The partitions of every topic here.
const PARTITIONS: i32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == broker::SERVE) {
        return broker::serve();
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let paced = Duration::from_secs(setting("FLOODMARK_BENCH_SECONDS", 10)?);
    let n_records = setting("FLOODMARK_BENCH_RECORDS", 5_000_000)?;
    let embedded = EmbeddedProcess::start()?;
    bench(&embedded.target(), paced, n_records)?;
    drop(embedded);
    if let Some(target) = Target::from_environment()? {
        bench(&target, paced, n_records)?;
    }
    Ok(())
}

fn bench(target: &Target, paced: Duration, n_records: u64) -> Result<(), Box<dyn Error>> {
    report(&format!("{} at {}", target.name, target.bootstrap));
    let Latency {
        offered,
        received,
        p50,
        p99,
        max,
        cpu,
    } = measure::latency(target, paced)?;
    report(&format!(
        "  paced:   {offered} records of 300 B at 50k/s, linger 5 ms; {received} received"
    ));
    report(&format!(
        "           send to receive p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        millis(p50),
        millis(p99),
        millis(max)
    ));
    report(&format!(
        "           broker {}",
        cpu_text(cpu, offered + received)
    ));
    let Throughput {
        records,
        produced,
        consumed,
        cpu,
    } = measure::throughput(target, n_records)?;
    let rate = |took: Duration| records as f64 / took.as_secs_f64() / 1e6;
    report(&format!(
        "  highest: {records} records of 100 B; acknowledged at {:.2} M/s, received at {:.2} M/s",
        rate(produced),
        rate(consumed)
    ));
    report(&format!("           broker {}", cpu_text(cpu, 2 * records)));
    Ok(())
}

fn cpu_text(cpu: Option<Duration>, in_and_out: u64) -> String {
    match cpu {
        Some(cpu) => {
            let per_million = cpu.as_secs_f64() * 1e6 / in_and_out as f64;
            format!("{per_million:.3} CPU-s per million records in plus out")
        }
        None => "CPU unknown; set FLOODMARK_KAFKA_PID".to_owned(),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn setting(name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name} is `{text}`; use a number").into()),
        Err(_) => Ok(default),
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
fn report(line: &str) {
    println!("{line}");
}
