//! How late events are sent, beside a bare timer thread that only records.
//!
//! ```text
//! cargo bench -p floodmark-generator --bench pacing
//! ```
//!
//! Both sleep to absolute times in steps of 100 us at least, with the kernel's timer slack taken away. The
//! two take turns at each rate, round by round, so that whatever else the machine does meets both; the
//! histograms of all rounds are merged. `FLOODMARK_BENCH_ROUNDS` and `FLOODMARK_BENCH_SECONDS` change how
//! often and for how long it is measured. The figures hold for the machine and its load: compare within a run.

use std::{collections::BTreeMap, error::Error, sync::atomic::AtomicBool, time::Duration};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    job::{Connection, GeneratorJob, GeneratorSection, Pace, Start, WorkerShare},
    stream::Stream,
};
use floodmark_generator::{SinkChoice, run};
use hdrhistogram::Histogram;

/// Events per second of the cases.
const RATES: [u64; 3] = [1_000, 50_000, 200_000];
/// The shortest sleep of both.
const SHORTEST_SLEEP_US: i64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 5)?;
    let seconds = setting("FLOODMARK_BENCH_SECONDS", 3)?;
    report(&format!(
        "{rounds} rounds of {seconds} s each, in turn; send lateness in microseconds"
    ));
    report("| rate | timer p50 | timer p99 | ours p50 | ours p99 | p50, times | p99, more by |");
    report("|---:|---:|---:|---:|---:|---:|---:|");
    for rate in RATES {
        let (mut bare, mut ours) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
        for _ in 0..rounds {
            bare.add(timer(rate, seconds)?)?;
            ours.add(generator(rate, seconds)?)?;
        }
        report(&row(rate, &bare, &ours));
    }
    Ok(())
}

fn row(rate: u64, bare: &Histogram<u64>, ours: &Histogram<u64>) -> String {
    let at = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile);
    let [timer_50, timer_99] = [0.5, 0.99].map(|quantile| at(bare, quantile));
    let [our_50, our_99] = [0.5, 0.99].map(|quantile| at(ours, quantile));
    format!(
        "| {rate}/s | {timer_50} | {timer_99} | {our_50} | {our_99} | {:.2} | {} |",
        our_50 as f64 / timer_50.max(1) as f64,
        i128::from(our_99) - i128::from(timer_99)
    )
}

/// A thread that does nothing but record how late it is for each due time.
fn timer(rate: u64, seconds: u64) -> Result<Histogram<u64>, Box<dyn Error>> {
    let thread = std::thread::spawn(move || {
        let clock = SystemClock::new();
        let _ = nix::sys::prctl::set_timerslack(1);
        let mut histogram = Histogram::<u64>::new(3).ok()?;
        let mut number = 0;
        while number < rate * seconds {
            let due_us = i64::try_from(number * 1_000_000 / rate).ok()?;
            let now_us = clock.monotonic_us();
            if due_us <= now_us {
                histogram.saturating_record((now_us - due_us).unsigned_abs());
                number += 1;
            } else {
                let span = (due_us - now_us).max(SHORTEST_SLEEP_US);
                clock.sleep(Duration::from_micros(span.unsigned_abs()));
            }
        }
        Some(histogram)
    });
    let histogram = thread.join().map_err(|_| "the timer thread died")?;
    Ok(histogram.ok_or("the timer thread has no histogram")?)
}

/// The generator into nothing, with everything on that a run has.
fn generator(rate: u64, seconds: u64) -> Result<Histogram<u64>, Box<dyn Error>> {
    let section: GeneratorSection = serde_saphyr::from_str(&format!(
        "name: pacing\nseed: 1\nduration: {seconds}s\nwarm_up: 0s\n\
         event_time: {{ speed: 1, origin: \"2025-06-10T05:00:00Z\" }}\nstreams:\n  clickstream:\n    \
         rate: {rate}/s\n    partitions: 4\n    population: {{ entities: 10000, skew: 0.9 }}\n    \
         disorder: {{ share: 0.2, delay: {{ exponential: {{ mean: 400ms, max: 2s }} }} }}\n"
    ))?;
    let out = tempfile::tempdir()?;
    let job = GeneratorJob {
        section,
        connection: Connection {
            bootstrap: String::new(),
            properties: BTreeMap::new(),
            registry: None,
        },
        topics: BTreeMap::new(),
        out: out.path().to_owned(),
        pace: Pace::Schedule,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
    };
    let stop = AtomicBool::new(false);
    let facts = run(
        &job,
        &SinkChoice::Null,
        &SystemClock::new(),
        &stop,
        &mut |_| {},
    )?;
    Ok(facts.streams[&Stream::Clickstream]
        .send_lateness
        .decoded()?)
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
