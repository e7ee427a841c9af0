//! Comparisons, noise and histories as the scoring makes them of made-up runs.

use std::sync::OnceLock;

use floodmark_contracts::{
    clock::WallTime,
    compare::{Comparison, NoiseFloor, Side},
    history::{History, HistoryPoint},
    record::Environment,
    result::{Direction, Metric},
};
use floodmark_reports::ReportError;
use floodmark_scoring::compare::{
    Comparer, Figures, Plan, RoundFigures, Step, StoredRun, changes, compare_stored,
    noise::{Measured, noise_floor},
};

use crate::support::STARTED_AT;

/// Name, unit, direction, value and noise of the metrics of a run. The first six are gated.
const METRICS: [(&str, &str, Direction, f64, f64); 14] = [
    (
        "cpu.subject.per_million_events",
        "cpu-s/M",
        Direction::Lower,
        3.1,
        0.012,
    ),
    ("detection.f1", "ratio", Direction::Higher, 0.91, 0.0),
    ("detection.precision", "ratio", Direction::Higher, 0.93, 0.0),
    ("detection.recall", "ratio", Direction::Higher, 0.89, 0.0),
    ("latency.alert.p99", "us", Direction::Lower, 2.1e6, 0.02),
    (
        "throughput.consumed",
        "events/s",
        Direction::Higher,
        49_800.0,
        0.004,
    ),
    ("audit.lost", "count", Direction::Lower, 0.0, 0.0),
    ("detection.labels", "count", Direction::Neutral, 72.0, 0.0),
    ("latency.alert.p50", "us", Direction::Lower, 1.2e6, 0.01),
    (
        "latency.acknowledge.p99",
        "us",
        Direction::Lower,
        5_300.0,
        0.15,
    ),
    (
        "memory.subject.growth",
        "bytes",
        Direction::Lower,
        -2.0e6,
        0.3,
    ),
    (
        "memory.subject.peak",
        "bytes",
        Direction::Lower,
        4.1e8,
        0.01,
    ),
    (
        "switches.subject.involuntary_per_million_events",
        "count/M",
        Direction::Lower,
        5_120.0,
        0.2,
    ),
    (
        "throughput.offered",
        "events/s",
        Direction::Neutral,
        50_000.0,
        0.000_1,
    ),
];

/// How a side differs: a metric's name and the factor on its values.
pub type Factors<'a> = &'a [(&'a str, f64)];

/// A number between -1 and 1 that looks random and is the same in every run.
fn noise(of: u64) -> f64 {
    let mut x = of.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x % 20_001) as f64 / 10_000.0 - 1.0
}

/// The figures of a run.
pub fn run(number: u64, factors: Factors<'_>) -> Figures {
    let metric = |(i, (name, unit, direction, value, spread)): (
        usize,
        &(&str, &str, Direction, f64, f64),
    )| {
        let factor = factors.iter().find(|(of, _)| of == name);
        let factor = factor.map_or(1.0, |(_, factor)| *factor);
        let noisy = value * factor * (1.0 + spread * noise(number * 97 + i as u64));
        let metric = Metric {
            value: Some(noisy),
            interval: None,
            unit: (*unit).to_owned(),
            direction: *direction,
        };
        ((*name).to_owned(), metric)
    };
    METRICS.iter().enumerate().map(metric).collect()
}

fn environment() -> Environment {
    Environment {
        os: "Linux 6.1".to_owned(),
        cpu: "Test CPU".to_owned(),
        cpus: 2,
        memory_bytes: 8 << 30,
    }
}

fn sides() -> (Side, Side) {
    let side = |name: &str| Side {
        name: name.to_owned(),
        what: format!("floodmark bench bench/profile.yaml --set subject.command={name}"),
        floodmark_version: "0.1.0".to_owned(),
        environment: environment(),
    };
    (side("main"), side("faster"))
}

/// Rounds in pairs as a comparison asks for them; those with numbers in `void` do not count.
pub fn paired(factors: Factors<'_>, void: &[u32]) -> Comparison {
    let plan = Plan {
        is_order_free: true,
        resamples: 2_000,
        ..Plan::default()
    };
    let mut comparer = Comparer::new(plan).unwrap();
    let mut made: Vec<RoundFigures> = Vec::new();
    while let Step::Run { look, rounds } = comparer.next(&made) {
        for _ in 0..rounds {
            let number = made.len() as u32 + 1;
            let mut cand = run(u64::from(number) * 2 + 1, factors);
            if number == 5 {
                // One round that is far from the others.
                let p99 = cand.get_mut("latency.alert.p99").unwrap();
                p99.value = p99.value.map(|value| value * 1.6);
            }
            made.push(RoundFigures {
                look,
                base_first: comparer.plan().base_first(number),
                void: void.contains(&number).then(|| "generator-late".to_owned()),
                base: run(u64::from(number) * 2, &[]),
                cand,
            });
        }
    }
    let (base, cand) = sides();
    comparer.comparison(&made, base, cand)
}

/// A regression of the latency of alerts, and of what the seed determines.
pub fn regressed() -> Comparison {
    static ONCE: OnceLock<Comparison> = OnceLock::new();
    let make = || {
        paired(
            &[
                ("latency.alert.p99", 1.09),
                ("detection.recall", 0.97),
                ("memory.subject.peak", 0.9),
            ],
            &[3, 14],
        )
    };
    ONCE.get_or_init(make).clone()
}

/// Nothing changed, and one metric is too noisy to say so.
pub fn inconclusive() -> Comparison {
    static ONCE: OnceLock<Comparison> = OnceLock::new();
    let make = || paired(&[("throughput.consumed", 0.98)], &[]);
    ONCE.get_or_init(make).clone()
}

/// More than a fifth of the rounds are void.
pub fn invalid() -> Comparison {
    paired(&[], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
}

/// Runs that were not made in pairs.
pub fn stored() -> Comparison {
    let runs = |from: u64, count: u64, factors: Factors<'_>| -> Vec<StoredRun> {
        let run = |number| StoredRun {
            figures: run(number, factors),
            environment: environment(),
        };
        (from..from + count).map(run).collect()
    };
    let plan = Plan {
        resamples: 2_000,
        ..Plan::default()
    };
    let base = runs(100, 8, &[]);
    let cand = runs(200, 5, &[("cpu.subject.per_million_events", 0.8)]);
    compare_stored(&base, &cand, &plan, sides())
}

/// Nothing at all.
pub fn empty() -> Comparison {
    let plan = Plan::default();
    compare_stored(&[], &[], &plan, sides())
}

/// Many metrics, most of them under names that are too long for a chart.
pub fn many() -> Comparison {
    let mut comparison = regressed();
    let (gated, others): (Vec<_>, Vec<_>) = comparison.metrics.into_iter().partition(|m| m.gated);
    comparison.metrics = gated;
    for number in 0..300 - comparison.metrics.len() {
        let mut metric = others[number % others.len()].clone();
        metric.name = format!("{}.of-a-kind-that-has-a-long-name-{number:03}", metric.name);
        comparison.metrics.push(metric);
    }
    comparison
}

/// The same with every figure undefined.
pub fn undefined() -> Comparison {
    let mut comparison = regressed();
    for metric in &mut comparison.metrics {
        metric.base.fill(None);
        metric.cand.fill(None);
        (metric.base_median, metric.cand_median) = (None, None);
        (metric.effect, metric.interval, metric.margin) = (None, None, None);
        (metric.p, metric.p_adjusted, metric.agree) = (None, None, None);
        (metric.noise_floor, metric.confirmation) = (None, None);
        metric.outliers.clear();
    }
    comparison
}

/// The noise of twenty rounds.
pub fn floor() -> NoiseFloor {
    let round = |number: u32| RoundFigures {
        look: floodmark_contracts::compare::Look::First,
        base_first: number.is_multiple_of(2),
        void: None,
        base: run(u64::from(number) * 2, &[]),
        cand: run(u64::from(number) * 2 + 1, &[]),
    };
    let measured = Measured {
        at: STARTED_AT,
        environment: environment(),
        profile: "smoke".to_owned(),
        settings: "00000000".to_owned(),
        broker: "embedded".to_owned(),
        subject: "bundled".to_owned(),
    };
    let rounds: Vec<RoundFigures> = (0..20).map(round).collect();
    let plan = Plan {
        resamples: 2_000,
        ..Plan::default()
    };
    noise_floor(&rounds, measured, &plan)
}

/// Results of as many days, the latency of alerts 12 % higher from the middle on, and CPU time lower from two thirds on.
pub fn history(days: u64) -> History {
    let point = |day: u64| {
        let p99 = if day >= days / 2 { 1.12 } else { 1.0 };
        let cpu = if day >= days * 2 / 3 { 0.9 } else { 1.0 };
        let factors = [
            ("latency.alert.p99", p99),
            ("cpu.subject.per_million_events", cpu),
            ("latency.alert.p50", p99),
        ];
        let mut figures = run(day, &factors);
        if day % 11 == 3 {
            let consumed = figures.get_mut("throughput.consumed").unwrap();
            consumed.value = None;
        }
        let name = format!("run-{day:03}");
        let day = i64::try_from(day).unwrap() * 86_400_000_000;
        let started_at = WallTime(STARTED_AT.0 + day);
        (HistoryPoint { name, started_at }, figures)
    };
    let points: Vec<_> = (0..days).map(point).collect();
    changes::history(&points, 1)
}

/// What a function wrote, kept in `FLOODMARK_REPORT_OUT` to look at.
pub fn written(
    name: &str,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<(), ReportError>,
) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    kept(name, &out);
    String::from_utf8(out).unwrap()
}

/// Leaves a file to look at where `FLOODMARK_REPORT_OUT` says.
pub fn kept(name: &str, bytes: &[u8]) {
    if let Some(dir) = std::env::var_os("FLOODMARK_REPORT_OUT") {
        std::fs::write(std::path::Path::new(&dir).join(name), bytes).unwrap();
    }
}
