//! Latency, highest throughput and CPU of the embedded broker, and of a real one in the same run.
//!
//! ```text
//! cargo bench -p floodmark-broker
//! FLOODMARK_KAFKA=HOST:PORT FLOODMARK_KAFKA_PID=PID cargo bench -p floodmark-broker
//! ```
//!
//! The embedded broker runs as a process of its own (this program again, with `--serve`), so that
//! its CPU time is its alone. The brokers take turns, round by round, so that whatever else the
//! machine does meets both; what counts are the medians and their ratio.
//! `FLOODMARK_BENCH_ROUNDS`, `FLOODMARK_BENCH_SECONDS` and `FLOODMARK_BENCH_RECORDS` change how
//! often and for how long it is measured.
//!
//! The figures hold for the machine and its load: compare those of one run with each other.

mod broker;
mod clients;
mod embedded;
mod figures;
mod measure;

use std::error::Error;
use std::time::Duration;

use broker::Target;
use embedded::EmbeddedProcess;
use figures::Figures;

/// The partitions of every topic here.
const PARTITIONS: i32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == embedded::SERVE) {
        return embedded::serve();
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 3)?;
    let paced = Duration::from_secs(setting("FLOODMARK_BENCH_SECONDS", 10)?);
    let n_records = setting("FLOODMARK_BENCH_RECORDS", 5_000_000)?;
    let embedded = EmbeddedProcess::start()?;
    let mut targets = vec![Target::from(&embedded)];
    targets.extend(Target::from_environment()?);

    report(&format!(
        "{rounds} rounds: 300 B at 50k/s with linger 5 ms for {} s, then {n_records} records of \
         100 B at full speed; {PARTITIONS} partitions",
        paced.as_secs()
    ));
    report(figures::HEAD);
    let mut found: Vec<Vec<Figures>> = vec![Vec::new(); targets.len()];
    for round in 1..=rounds {
        for (target, found) in targets.iter().zip(&mut found) {
            let load = load_average();
            let paced = measure::latency(target, paced, round)?;
            let full = measure::throughput(target, n_records, round)?;
            let figures = Figures::of(&paced, &full);
            report(&format!("{} (load {load})", figures.row(target.name)));
            found.push(figures);
        }
    }
    let medians: Vec<Figures> = found.iter().map(|all| Figures::median(all)).collect();
    for (target, median) in targets.iter().zip(&medians) {
        report(&median.row(&format!("{}, median", target.name)));
    }
    if let [embedded, real] = medians.as_slice() {
        report(&embedded.ratio(real).row("embedded / real"));
    }
    Ok(())
}

/// How busy the machine was in the last minute: every row says so, as it is part of the figures.
fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split_whitespace().next().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
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
