//! The figures of runs, side by side.

use std::collections::BTreeMap;

use floodmark_contracts::{
    compare::{EffectScale, Look},
    result::{Direction, Metric, RunResult},
};

/// Samples of a latency below which its p99.9 is withheld, whatever the file says.
const LEAST_SAMPLES_OF_P99_9: u64 = 10_000;

/// The figures of a run by the names of `result.json`.
pub type Figures = BTreeMap<String, Metric>;

/// One round, as far as it has been made: a run of each side.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundFigures {
    /// What it was made for.
    pub look: Look,
    /// Whether the base ran first.
    pub base_first: bool,
    /// Why it does not count: that a run failed its validity checks.
    pub void: Option<String>,
    /// Figures of the base; may be empty in a void round.
    pub base: Figures,
    /// Figures of the candidate.
    pub cand: Figures,
}

/// The figures of a run, without the p99.9 of latencies that have under 10,000 samples.
#[must_use]
pub fn figures_of(result: &RunResult) -> Figures {
    let mut figures = result.metrics.clone();
    for (latency, summary) in &result.latency {
        if summary.count < LEAST_SAMPLES_OF_P99_9
            && let Some(metric) = figures.get_mut(&format!("latency.{latency}.p99.9"))
        {
            metric.value = None;
        }
    }
    figures
}

/// What is known of a metric beside its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meaning {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) direction: Direction,
    pub(crate) is_gated: bool,
}

/// Every metric of any of the figures, gated ones first, by name.
pub(crate) fn meanings<'a>(
    figures: impl Iterator<Item = &'a Figures>,
    is_gated: impl Fn(&str) -> bool,
) -> Vec<Meaning> {
    let mut meanings = BTreeMap::new();
    for (name, metric) in figures.flatten() {
        let is_gated = is_gated(name);
        meanings
            .entry((!is_gated, name))
            .or_insert_with(|| Meaning {
                name: name.clone(),
                unit: metric.unit.clone(),
                direction: metric.direction,
                is_gated,
            });
    }
    meanings.into_values().collect()
}

/// The value of a metric, if it has a finite one.
pub(crate) fn value(figures: &Figures, name: &str) -> Option<f64> {
    let value = figures.get(name).and_then(|metric| metric.value);
    value.filter(|v| v.is_finite())
}

/// A metric's values in the rounds of a look.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Series {
    /// Rounds of the look that count.
    pub(crate) n_rounds: usize,
    /// Number of the round, base, candidate; rounds in which both are defined.
    pub(crate) pairs: Vec<(u32, f64, f64)>,
    /// Whether the base was defined in any round, and the candidate.
    pub(crate) is_defined: [bool; 2],
}

impl Series {
    /// Collects the values of `name` from rounds with their numbers.
    pub(crate) fn new(rounds: &[(u32, &RoundFigures)], name: &str) -> Self {
        let mut series = Self {
            n_rounds: rounds.len(),
            ..Self::default()
        };
        for (number, round) in rounds {
            let (base, cand) = (value(&round.base, name), value(&round.cand, name));
            series.is_defined[0] |= base.is_some();
            series.is_defined[1] |= cand.is_some();
            if let (Some(base), Some(cand)) = (base, cand) {
                series.pairs.push((*number, base, cand));
            }
        }
        series
    }

    pub(crate) fn base(&self) -> Vec<f64> {
        self.pairs.iter().map(|(_, base, _)| *base).collect()
    }

    pub(crate) fn cand(&self) -> Vec<f64> {
        self.pairs.iter().map(|(_, _, cand)| *cand).collect()
    }

    /// Differences on the scale that the values allow: logarithms of ratios where all are positive.
    pub(crate) fn differences(&self, scale: EffectScale) -> Vec<f64> {
        let of = |(_, base, cand): &(u32, f64, f64)| match scale {
            EffectScale::Relative => (cand / base).ln(),
            EffectScale::Difference | EffectScale::Exact => cand - base,
        };
        self.pairs.iter().map(of).collect()
    }

    /// Ratios need positive values; otherwise differences must do.
    pub(crate) fn scale(&self) -> EffectScale {
        scale_of(&self.base(), &self.cand())
    }
}

/// The scale that values of two sides allow.
pub(crate) fn scale_of(base: &[f64], cand: &[f64]) -> EffectScale {
    if base.iter().chain(cand).all(|v| *v > 0.0) {
        EffectScale::Relative
    } else {
        EffectScale::Difference
    }
}

/// A change as it is shown: relative ones as shares, not as logarithms.
pub(crate) fn shown(change: f64, scale: EffectScale) -> f64 {
    match scale {
        EffectScale::Relative => change.exp_m1(),
        EffectScale::Difference | EffectScale::Exact => change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_on_either_side_rules_ratios_out() {
        assert_eq!(scale_of(&[1.0], &[2.0]), EffectScale::Relative);
        assert_eq!(scale_of(&[1.0], &[0.0]), EffectScale::Difference);
        assert_eq!(scale_of(&[-1.0], &[2.0]), EffectScale::Difference);
    }

    #[test]
    fn rounds_in_which_a_side_is_undefined_make_no_pair() {
        let with = |value: Option<f64>| {
            let metric = Metric {
                value,
                interval: None,
                unit: "us".to_owned(),
                direction: Direction::Lower,
            };
            Figures::from([("m".to_owned(), metric)])
        };
        let round = |base, cand| RoundFigures {
            look: Look::First,
            base_first: true,
            void: None,
            base: with(base),
            cand: with(cand),
        };
        let rounds = [
            round(Some(1.0), Some(2.0)),
            round(Some(1.0), None),
            round(Some(f64::INFINITY), Some(2.0)),
        ];
        let numbered: Vec<(u32, &RoundFigures)> = (1..).zip(&rounds).collect();
        let series = Series::new(&numbered, "m");
        assert_eq!(series.pairs, [(1, 1.0, 2.0)]);
        assert_eq!(series.n_rounds, 3);
        assert_eq!(Series::new(&numbered, "other").is_defined, [false, false]);
    }
}
