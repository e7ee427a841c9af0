//! Runs the fixed rules of the usual demos over a profile's events, and scores them: what default
//! difficulty is measured by, and how recall falls with the magnitude.
//!
//!     cargo run --release -p floodmark-generator --example fixed_rules -- 101 102 103
//!
//! The seeds are the arguments. Prints two tables in Markdown: precision, recall and F1 of each rule on the kind
//! that it is written for, at default difficulty; and its recall at magnitudes from 1 down to 0.02, beside the recall that alerts placed at random at the same rate would have.
#![expect(clippy::print_stdout, reason = "an example prints what it found")]

#[path = "fixed_rules/rules.rs"]
mod rules;

use std::error::Error;

use floodmark_contracts::{profile::Profile, result::Detection};
use rules::{RULES, Rule, profile_of, scored};

/// Magnitudes from what used to be everywhere down to next to nothing.
const MAGNITUDES: [f64; 6] = [1.0, 0.5, 0.25, 0.1, 0.05, 0.02];

fn main() -> Result<(), Box<dyn Error>> {
    let seeds: Vec<u64> = std::env::args()
        .skip(1)
        .map(|seed| seed.parse())
        .collect::<Result<_, _>>()?;
    if seeds.is_empty() {
        return Err("usage: fixed_rules SEED...".into());
    }
    default_difficulty(&seeds)?;
    println!();
    over_magnitudes(&seeds)
}

fn default_difficulty(seeds: &[u64]) -> Result<(), Box<dyn Error>> {
    println!("| rule | kind | labels | recall | precision | F1 | F1 of the best threshold |");
    println!("|---|---|---|---|---|---|---|");
    for rule in RULES {
        let found = pooled(rule, None, seeds)?;
        let best = found.iter().map(Pooled::f1).fold(0.0, f64::max);
        println!(
            "| {} | `{}` | {} | {:.2} | {:.2} | {:.2} | {best:.2} |",
            rule.name,
            rule.kind,
            found[0].labels,
            found[0].recall(),
            found[0].precision(),
            found[0].f1()
        );
    }
    Ok(())
}

fn over_magnitudes(seeds: &[u64]) -> Result<(), Box<dyn Error>> {
    let heads = MAGNITUDES.map(|magnitude| magnitude.to_string());
    println!("| kind | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(MAGNITUDES.len()));
    for rule in RULES {
        let mut cells = Vec::new();
        for magnitude in MAGNITUDES {
            let found = &pooled(rule, Some(magnitude), seeds)?[0];
            cells.push(format!("{:.2} ({:.2})", found.recall(), found.chance));
        }
        println!("| `{}` | {} |", rule.kind, cells.join(" | "));
    }
    Ok(())
}

/// Counts over several seeds.
#[derive(Default)]
struct Pooled {
    labels: u64,
    detected: u64,
    wrong: u64,
    /// Mean recall of alerts placed at random.
    chance: f64,
}

impl Pooled {
    fn recall(&self) -> f64 {
        self.detected as f64 / self.labels as f64
    }

    fn precision(&self) -> f64 {
        self.detected as f64 / (self.detected + self.wrong).max(1) as f64
    }

    fn f1(&self) -> f64 {
        let below = 2.0 * self.detected as f64 + (self.wrong + self.labels - self.detected) as f64;
        2.0 * self.detected as f64 / below
    }
}

/// One for each of the rule's thresholds.
fn pooled(
    rule: Rule,
    magnitude: Option<f64>,
    seeds: &[u64],
) -> Result<Vec<Pooled>, Box<dyn Error>> {
    let mut all: Vec<Pooled> = rule.thresholds.iter().map(|_| Pooled::default()).collect();
    let profile: Profile = profile_of(rule.kind, magnitude)?;
    for seed in seeds {
        let detections: Vec<Detection> = scored(rule, &profile, *seed)?;
        for (pooled, detection) in all.iter_mut().zip(detections) {
            let scores = detection.per_kind.get(&rule.kind);
            let scores = scores.cloned().unwrap_or_default();
            pooled.labels += scores.labels;
            pooled.detected += scores.detected;
            pooled.wrong += scores.false_merged;
            let chance = detection.random_baseline_per_kind.get(&rule.kind);
            let chance = chance.and_then(|c| c.recall).unwrap_or(0.0);
            pooled.chance += chance / seeds.len() as f64;
        }
    }
    Ok(all)
}
