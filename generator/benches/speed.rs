//! How fast events are made: schedule, population, disorder, labels and encoding all on, into nothing.
//!
//! ```text
//! cargo bench -p floodmark-generator --bench speed
//! ```
//!
//! One thread walks each stream's events as a run does. The cases take turns, round by round, so that
//! whatever else the machine does meets all of them; the table has the medians. `FLOODMARK_BENCH_ROUNDS`
//! and `FLOODMARK_BENCH_EVENTS` change how often and how much is measured, `FLOODMARK_BENCH_STREAM`
//! leaves out all but one stream.
//!
//! Start-up is all from the profile to the first event: the plan with its incidents, the labels, the crowd.
//! The last column is what a slot costs a worker that does not own it, from the walk of one worker of
//! eight. At the end a long run shows what memory does: `FLOODMARK_BENCH_LONG` events of the clickstream.
//!
//! A million a CPU second is what counts on a shared machine; a million a second of wall time is what
//! one core gave while others used it too. Even a CPU second is worth more at one hour than at another
//! where processors are shared: the yardstick, a fixed banking record that is written again and again
//! between the cases, says how much.

use std::{error::Error, hint::black_box, time::Instant};

use floodmark_contracts::{
    clock::EventTime, event::banking::BankingUiEvent, job::GeneratorSection, stream::Stream,
};
use floodmark_generator::{Event, Plan, Share, events, labels};
use nix::time::{ClockId, clock_gettime};

/// Entities of the cases.
const POPULATIONS: [u32; 3] = [10_000, 100_000, 1_000_000];

struct Case {
    stream: Stream,
    entities: u32,
    section: GeneratorSection,
    found: Vec<Figures>,
}

#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    per_cpu_second: f64,
    bytes: f64,
    start_ms: f64,
    pass_ns: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 5)?;
    let count = setting("FLOODMARK_BENCH_EVENTS", 2_000_000)?;
    let only = std::env::var("FLOODMARK_BENCH_STREAM").ok();
    let mut cases = Vec::new();
    for stream in Stream::ALL {
        if only
            .as_deref()
            .is_some_and(|name| name != stream.to_string())
        {
            continue;
        }
        for entities in POPULATIONS {
            cases.push(Case {
                stream,
                entities,
                section: section(stream, entities, count)?,
                found: Vec::new(),
            });
        }
    }
    if cases.is_empty() {
        let name = only.unwrap_or_default();
        let text = format!("no stream `{name}`; use `clickstream`, `banking` or `sensors`");
        return Err(text.into());
    }
    let mut yardsticks = Vec::new();
    for _ in 0..rounds {
        for case in &mut cases {
            let figures = measure(case)?;
            case.found.push(figures);
            yardsticks.push(yardstick_ns()?);
        }
    }
    yardsticks.sort_by(f64::total_cmp);
    report(&format!(
        "yardstick: a fixed banking record is written in {:.1} ns (from {:.1} to {:.1})",
        yardsticks[yardsticks.len() / 2],
        yardsticks[0],
        yardsticks[yardsticks.len() - 1]
    ));
    report(&format!(
        "{rounds} rounds of {count} events, one thread, medians"
    ));
    report(
        "| stream | entities | M events/CPU-s | M events/s | bytes | start-up ms | ns to pass a slot |",
    );
    report("|---|---|---|---|---|---|---|");
    for case in &cases {
        let median = |of: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = case.found.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        report(&format!(
            "| {} | {} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} |",
            case.stream,
            case.entities,
            median(|f| f.per_cpu_second) / 1e6,
            median(|f| f.per_second) / 1e6,
            median(|f| f.bytes),
            median(|f| f.start_ms),
            median(|f| f.pass_ns),
        ));
    }
    long_run(setting("FLOODMARK_BENCH_LONG", 100_000_000)?)
}

fn measure(case: &Case) -> Result<Figures, Box<dyn Error>> {
    let begun = now();
    let plan = resolved(&case.section)?;
    black_box(labels(&plan));
    let mut stream = events(&plan, case.stream, Share::WHOLE).ok_or("no such stream")?;
    let mut event = Event::default();
    let mut more = stream.next_into(&mut event);
    let start_ms = begun.elapsed().as_secs_f64() * 1e3;
    let (wall, cpu) = (now(), cpu_seconds()?);
    let (mut n, mut bytes) = (0u64, 0u64);
    while more {
        black_box((&event.key, &event.value));
        bytes += event.value.len() as u64;
        n += 1;
        more = stream.next_into(&mut event);
    }
    let n = n as f64;
    let (seconds, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    Ok(Figures {
        per_second: n / seconds,
        per_cpu_second: n / cpu,
        bytes: bytes as f64 / n,
        start_ms,
        pass_ns: pass_ns(&plan, case.stream, cpu / n)?,
    })
}

/// What it takes to write a banking record of which all but the time is fixed.
fn yardstick_ns() -> Result<f64, Box<dyn Error>> {
    const RECORDS: i64 = 1_000_000;
    let mut event = BankingUiEvent {
        event_id: "5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001",
        session_id: "7f0c9c26-7a42-4d1c-8f64-6b1ff2b0a002",
        user_id: "account-12345",
        event_type: "field_input",
        element_id: "amount",
        input_hash: Some("0123456789abcdef"),
        timestamp: EventTime(1_749_531_600_000),
        latency_ms: 250,
        device_fingerprint: "fedcba9876543210",
        ip_address: "203.0.113.7",
    };
    let mut out = Vec::with_capacity(512);
    let cpu = cpu_seconds()?;
    for _ in 0..RECORDS {
        event.timestamp.0 += 1;
        out.clear();
        black_box(&event).encode_body(&mut out);
        black_box(&out);
    }
    Ok((cpu_seconds()? - cpu) * 1e9 / RECORDS as f64)
}

/// What a slot costs that is another worker's, where an own one costs `own` CPU seconds.
fn pass_ns(plan: &Plan, stream: Stream, own: f64) -> Result<f64, Box<dyn Error>> {
    let share = Share::new(0, 8).ok_or("there is a first of eight workers")?;
    let mut walk = events(plan, stream, share).ok_or("no such stream")?;
    let mut event = Event::default();
    let cpu = cpu_seconds()?;
    let mut made = 0u64;
    while walk.next_into(&mut event) {
        black_box(&event.value);
        made += 1;
    }
    let cpu = cpu_seconds()? - cpu;
    let passed = plan.slots(stream).saturating_sub(made).max(1);
    Ok((cpu - own * made as f64) * 1e9 / passed as f64)
}

/// Walks many events and shows the resident memory on the way.
fn long_run(count: u64) -> Result<(), Box<dyn Error>> {
    if count == 0 {
        return Ok(());
    }
    let section = section(Stream::Clickstream, 100_000, count)?;
    let plan = resolved(&section)?;
    let mut stream = events(&plan, Stream::Clickstream, Share::WHOLE).ok_or("no such stream")?;
    let (mut event, mut done) = (Event::default(), 0);
    report(&format!(
        "{count} events of clickstream, 100000 entities: resident MiB"
    ));
    while stream.next_into(&mut event) {
        black_box(&event.value);
        if done % (count / 10).max(1) == 0 {
            report(&format!("{done}: {:.1}", resident_mib()?));
        }
        done += 1;
    }
    report(&format!("{done}: {:.1}", resident_mib()?));
    Ok(())
}

fn resident_mib() -> Result<f64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split_whitespace().nth(1).ok_or("no second number")?;
    Ok(resident.parse::<f64>()? * 4096.0 / 1_048_576.0)
}

fn resolved(section: &GeneratorSection) -> Result<Plan, Box<dyn Error>> {
    Plan::resolve(section).map_err(|problems| format!("{problems:?}").into())
}

/// A profile like the shipped ones: Poisson arrivals, disorder, lateness, incidents of several kinds.
/// The rate is such that people have the time that people take.
fn section(stream: Stream, entities: u32, count: u64) -> Result<GeneratorSection, Box<dyn Error>> {
    let (arrivals, anomalies) = match stream {
        Stream::Clickstream => (
            "poisson",
            "[{traffic-spike: {count: 4}}, {bot: {count: 4}}, {impossible-navigation: {count: 4}}, {error-burst: {count: 4}}]",
        ),
        Stream::Banking => (
            "poisson",
            "[{credential-stuffing: {count: 4}}, {account-takeover: {count: 4}}, {machine-speed-input: {count: 4}}]",
        ),
        // Of a million sensors each reports twice: too little for incidents that last.
        Stream::Sensors if entities > 100_000 => ("constant", "[{sensor-spike: {count: 20}}]"),
        Stream::Sensors => (
            "constant",
            "[{sensor-spike: {count: 8}}, {level-shift: {count: 4, duration: 15m}}, {stuck-value: {count: 4, duration: 15m, magnitude: 1}}, {drop-out: {count: 4, duration: 15m, magnitude: 1}}]",
        ),
    };
    // Thirty minutes of event time.
    let rate = count as f64 / 30.0;
    let yaml = format!(
        "name: speed
seed: 1
duration: 30s
warm_up: 1s
event_time: {{ speed: 60, origin: \"2025-06-10T05:00:00Z\" }}
streams:
  {stream}:
    rate: {rate:.0}/s
    arrivals: {arrivals}
    partitions: 8
    population: {{ entities: {entities}, skew: 0.8 }}
    disorder: {{ share: 0.2, delay: {{ exponential: {{ mean: 400ms, max: 2s }} }} }}
    lateness: {{ share: 0.002, delay: {{ uniform: {{ min: 5s, max: 30s }} }} }}
    anomalies: {anomalies}
"
    );
    Ok(serde_saphyr::from_str(&yaml)?)
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("`{name}` is `{text}`; use a whole number").into()),
        Err(_) => Ok(default),
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(used.tv_sec() as f64 + used.tv_nsec() as f64 / 1e9)
}

#[expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]
fn report(line: &str) {
    println!("{line}");
}
