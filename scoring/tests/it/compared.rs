//! Simulated comparisons: how often the whole procedure errs, with all its looks and confirmations.
//!
//! `cargo test -p floodmark-scoring --test it compared -- --nocapture` prints the table. With
//! `FLOODMARK_AA_NOISE` naming a `noise-floor.json`, noise is drawn from its rounds as well.
#![expect(
    clippy::print_stdout,
    reason = "the tables are what these tests are for"
)]

use floodmark_contracts::{
    compare::{Comparison, Look, NoiseFloor, Side, Verdict},
    result::{Direction, Metric},
};
use floodmark_scoring::compare::{
    Comparer, Figures, Plan, RoundFigures, Step,
    medians::Medians,
    noise::{Measured, noise_floor},
};

/// Comparisons for each line of the table.
const SIMULATIONS: u32 = 1_000;

/// Noise floors among which these are split, each from so many rounds of its own.
const FLOORS: u32 = 20;
const FLOOR_ROUNDS: usize = 20;

/// What is looked for.
const SLOW_DOWN: f64 = 0.05;

/// Ten rounds find the slow-down in nine of ten only while noise is under this.
const MOST_SD: f64 = 0.04;

const METRICS: [(&str, Direction); 6] = [
    ("cpu.subject.per_million_events", Direction::Lower),
    ("detection.f1", Direction::Higher),
    ("detection.precision", Direction::Higher),
    ("detection.recall", Direction::Higher),
    ("latency.alert.p99", Direction::Lower),
    ("throughput.consumed", Direction::Higher),
];

/// SplitMix64, and normal values by Box and Muller.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Where the difference between two equal sides comes from.
enum Noise {
    /// Normal, of this standard deviation of `ln(cand / base)`, each metric for itself.
    Normal(f64),
    /// Whole rounds from a file, so that metrics stay as related as they were, with the sign left to
    /// chance, as which side ran first was.
    Recorded(Vec<[f64; 6]>),
}

impl Noise {
    fn draw(&self, chance: &mut Chance) -> [f64; 6] {
        match self {
            Self::Normal(sd) => [(); 6].map(|()| sd * chance.normal()),
            Self::Recorded(rounds) => {
                let at = (chance.unit() * rounds.len() as f64) as usize;
                let sign = if chance.next() >> 63 == 1 { 1.0 } else { -1.0 };
                rounds[at].map(|d| sign * d)
            }
        }
    }

    fn sd(&self, metric: usize) -> f64 {
        match self {
            Self::Normal(sd) => *sd,
            Self::Recorded(rounds) => {
                let squares: f64 = rounds.iter().map(|r| r[metric] * r[metric]).sum();
                (squares / rounds.len() as f64).sqrt()
            }
        }
    }

    /// Metrics that are quiet enough for the slow-down to be found.
    fn quiet(&self) -> Vec<usize> {
        (0..6).filter(|m| self.sd(*m) < MOST_SD).collect()
    }
}

fn figures(values: [f64; 6]) -> Figures {
    let named = METRICS.into_iter().zip(values);
    named
        .map(|((name, direction), value)| {
            let metric = Metric {
                value: Some(value),
                interval: None,
                unit: "us".to_owned(),
                direction,
            };
            (name.to_owned(), metric)
        })
        .collect()
}

/// A round in which the candidate's metric `slowed`, if any, is worse by the slow-down.
fn round(noise: &Noise, slowed: Option<usize>, look: Look, chance: &mut Chance) -> RoundFigures {
    let drawn = noise.draw(chance);
    let base = [(); 6].map(|()| 100.0 * (0.1 * chance.normal()).exp());
    let mut cand = base;
    for (metric, value) in cand.iter_mut().enumerate() {
        let worse = match METRICS[metric].1 {
            Direction::Lower => 1.0 + SLOW_DOWN,
            Direction::Higher | Direction::Neutral => 1.0 - SLOW_DOWN,
        };
        let by = if slowed == Some(metric) { worse } else { 1.0 };
        *value *= by * drawn[metric].exp();
    }
    RoundFigures {
        look,
        base_first: true,
        void: None,
        base: figures(base),
        cand: figures(cand),
    }
}

fn side(name: &str) -> Side {
    Side {
        name: name.to_owned(),
        what: String::new(),
        floodmark_version: String::new(),
        environment: Default::default(),
    }
}

fn compare(
    comparer: &mut Comparer,
    noise: &Noise,
    slowed: Option<usize>,
    chance: &mut Chance,
) -> Comparison {
    let mut made = Vec::new();
    while let Step::Run { look, rounds } = comparer.next(&made) {
        made.extend((0..rounds).map(|_| round(noise, slowed, look, chance)));
    }
    comparer.comparison(&made, side("base"), side("cand"))
}

/// The noise floor of a machine with this noise.
fn floor(noise: &Noise, plan: &Plan, chance: &mut Chance) -> NoiseFloor {
    let rounds: Vec<RoundFigures> = (0..FLOOR_ROUNDS)
        .map(|_| round(noise, None, Look::First, chance))
        .collect();
    let measured = Measured {
        at: floodmark_contracts::clock::WallTime(0),
        environment: Default::default(),
        profile: String::new(),
        settings: String::new(),
        broker: String::new(),
        subject: String::new(),
    };
    noise_floor(&rounds, measured, plan)
}

/// What a line of the table counts.
#[derive(Default)]
struct Counts {
    regressed: u32,
    improved: u32,
    equivalent: u32,
    inconclusive: u32,
    /// The slowed metric itself regressed.
    found: u32,
    rounds: usize,
}

fn simulate(noise: &Noise, is_slowed: bool, seed: u64) -> Counts {
    let mut comparer = Comparer::new(Plan::default()).unwrap();
    let mut chance = Chance(seed);
    let mut counts = Counts::default();
    let quiet = noise.quiet();
    for simulation in 0..SIMULATIONS {
        if simulation % (SIMULATIONS / FLOORS) == 0 {
            let measured = floor(noise, &Plan::default(), &mut chance);
            comparer.set_noise_floor(Some(measured));
        }
        let slowed = is_slowed.then(|| quiet[simulation as usize % quiet.len()]);
        let comparison = compare(&mut comparer, noise, slowed, &mut chance);
        match comparison.verdict {
            Verdict::Regressed => counts.regressed += 1,
            Verdict::Improved => counts.improved += 1,
            Verdict::Equivalent => counts.equivalent += 1,
            Verdict::Inconclusive | Verdict::Invalid | Verdict::NotCompared => {
                counts.inconclusive += 1;
            }
        }
        let is_found = slowed.is_some_and(|m| comparison.metrics[m].verdict == Verdict::Regressed);
        counts.found += u32::from(is_found);
        counts.rounds += comparison.rounds.len();
    }
    counts
}

/// Simulates equal sides and slowed ones at once, prints both lines and holds them against the target.
fn check(name: &str, noise: &Noise, seed: u64) {
    let [equal, slowed] = std::thread::scope(|scope| {
        let of = |is_slowed, seed| scope.spawn(move || simulate(noise, is_slowed, seed));
        [of(false, seed), of(true, seed + 1)].map(|thread| thread.join().expect("simulated"))
    });
    for (counts, what, found) in [
        (&equal, "nothing", "-".to_owned()),
        (&slowed, "one of six, 5 %", slowed.found.to_string()),
    ] {
        println!(
            "| {name} | {what} | {SIMULATIONS} | {} | {found} | {} | {} | {} | {:.1} |",
            counts.regressed,
            counts.improved,
            counts.equivalent,
            counts.inconclusive,
            counts.rounds as f64 / f64::from(SIMULATIONS),
        );
    }
    assert!(100 * equal.regressed <= SIMULATIONS, "{name}: false alarms");
    assert!(
        100 * equal.improved <= SIMULATIONS,
        "{name}: false good news"
    );
    assert!(
        10 * slowed.found >= 9 * SIMULATIONS,
        "{name}: {} found",
        slowed.found
    );
}

/// Rounds from the text of a `noise-floor.json`. A metric that it lacks has no noise.
fn recorded(text: &str) -> Noise {
    let file: serde_json::Value = serde_json::from_str(text).expect("is JSON");
    let metrics = file["metrics"].as_array().expect("has `metrics`");
    let of = |name: &str| metrics.iter().find(|metric| metric["name"] == name);
    let n = metrics[0]["ln_ratios"]
        .as_array()
        .expect("has `ln_ratios`")
        .len();
    let at = |round: usize| METRICS.map(|(name, _)| of(name)?["ln_ratios"][round].as_f64());
    let rounds = (0..n).map(|i| at(i).map(|ratio| ratio.unwrap_or(0.0)));
    Noise::Recorded(rounds.collect())
}

#[test]
fn equal_sides_raise_no_alarm_and_a_slow_down_of_five_per_cent_is_found() {
    println!(
        "| noise (sd of ln ratios) | slowed | comparisons | regressed | slow-down found | improved | equivalent | inconclusive | rounds |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|"
    );
    for percent in [1u8, 2, 3] {
        let noise = Noise::Normal(f64::from(percent) / 100.0);
        check(
            &format!("normal, {percent} %"),
            &noise,
            1_000 * u64::from(percent),
        );
    }
    let synthetic = recorded(include_str!("compared/noise_synthetic.json"));
    check("resampled, synthetic", &synthetic, 9_000);
    if let Ok(file) = std::env::var("FLOODMARK_AA_NOISE") {
        let text = std::fs::read_to_string(&file).expect("`FLOODMARK_AA_NOISE` can be read");
        check("resampled, recorded", &recorded(&text), 10_000);
    }
}

/// What other ways to compare do with the same noise, ten rounds and one metric.
#[test]
fn other_ways_to_compare_raise_more_alarms_or_find_less() {
    let mut chance = Chance(77);
    let mut medians = Medians::new(10_000, 1);
    let n = 1_000;
    let mut counts = [[0u32; 2]; 3];
    for _ in 0..n {
        for (slowed, effect) in [0.0, SLOW_DOWN].into_iter().enumerate() {
            let machine: Vec<f64> = (0..10).map(|_| 0.1 * chance.normal()).collect();
            let noise: Vec<f64> = (0..10)
                .map(|_| effect.ln_1p() + 0.03 * chance.normal())
                .collect();
            let cand: Vec<f64> = machine.iter().zip(&noise).map(|(m, d)| m + d).collect();
            counts[0][slowed] += u32::from(pooled_is_slower(&machine, &cand, &mut chance));
            counts[1][slowed] += u32::from(welch_t(&machine, &cand) >= T_18);
            let [low, _] = medians.interval(&noise, 0.95).unwrap();
            counts[2][slowed] += u32::from(low > 0.0);
        }
    }
    let ways = [
        "10,000 messages a round, pooled",
        "Welch's t of the rounds' values",
        "bootstrap interval above 0, and nothing else",
    ];
    let lines = ways.iter().zip(&counts);
    let lines = lines.map(|(way, [alarms, found])| format!("\n| {way} | {alarms} | {found} |"));
    println!(
        "| instead, for one metric at 3 %, {n} comparisons | false alarms | found |\n|---|---:|---:|{}",
        lines.collect::<String>()
    );
    assert!(
        counts[0][0] > n / 5,
        "pooled messages err in far more than one of twenty"
    );
    assert!(
        counts[1][1] < n / 2,
        "an unpaired test drowns in the machine's own ups and downs"
    );
    assert!(
        counts[2][0] > n / 100,
        "an interval alone errs in more than one of a hundred"
    );
}

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.96;

/// That of Student's t with 18 degrees of freedom, the most that Welch's has here.
const T_18: f64 = 2.101;

/// Whether a test of all messages of a side together calls the candidate slower: 10,000 messages a round,
/// each off its round's level by a standard deviation of 30 %, as if they did not depend on their round.
fn pooled_is_slower(base: &[f64], cand: &[f64], chance: &mut Chance) -> bool {
    let (messages, spread) = (10_000.0f64, 0.3);
    let mut mean_of = |levels: &[f64]| {
        let means = levels
            .iter()
            .map(|level| level + spread / messages.sqrt() * chance.normal());
        means.sum::<f64>() / levels.len() as f64
    };
    let difference = mean_of(cand) - mean_of(base);
    difference / (2.0 * spread * spread / (messages * base.len() as f64)).sqrt() >= Z
}

fn welch_t(base: &[f64], cand: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let error = |values: &[f64]| {
        let middle = mean(values);
        let squares: f64 = values.iter().map(|v| (v - middle).powi(2)).sum();
        squares / (values.len() as f64 - 1.0) / values.len() as f64
    };
    (mean(cand) - mean(base)) / (error(base) + error(cand)).sqrt()
}
