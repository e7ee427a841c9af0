//! When a change counts: the one rule behind every verdict.

use std::collections::BTreeMap;

use floodmark_contracts::{
    compare::{EffectScale, Verdict},
    result::Direction,
};

use super::{
    figures::Series,
    medians::{Medians, median},
    noise::floor_of,
    plan::Plan,
    sign_flip,
};
use crate::intervals::CONFIDENCE;

/// The least share of rounds that must have changed the same way.
pub const LEAST_AGREEMENT: f64 = 0.75;

/// The share of rounds in which a metric may be undefined, or which may be void.
pub const MOST_MISSING: f64 = 0.2;

/// What evidence is weighed with.
pub(crate) struct Scales<'a> {
    pub(crate) plan: &'a Plan,
    /// The noise floors of the plan's metrics, as logarithms; see [`floors`].
    pub(crate) floors: &'a BTreeMap<String, f64>,
    pub(crate) medians: &'a mut Medians,
}

/// The noise floor of every metric that was measured, as a logarithm, for looks at `rounds` rounds.
pub(crate) fn floors(plan: &Plan, rounds: u32, medians: &mut Medians) -> BTreeMap<String, f64> {
    let measured = plan.noise_floor.iter().flat_map(|noise| &noise.metrics);
    measured
        .filter_map(|metric| {
            let floor = floor_of(&metric.ln_ratios, rounds, medians)?;
            Some((metric.name.clone(), floor))
        })
        .collect()
}

/// What rounds say of a metric, on its scale: logarithms of ratios where that is relative.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) scale: EffectScale,
    pub(crate) differences: Vec<f64>,
    pub(crate) median: f64,
    pub(crate) interval: [f64; 2],
    /// Two-sided p.
    pub(crate) p: f64,
    /// Share of the rounds that changed the way the median did.
    pub(crate) agree: f64,
    pub(crate) margin: f64,
    pub(crate) noise_floor: Option<f64>,
}

/// Which way a metric changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Up,
    Down,
    /// Inside the margin.
    None,
    /// The rounds do not tell.
    Unclear,
}

impl Evidence {
    /// Weighs the pairs of a series. `Err` says why there is nothing to weigh.
    pub(crate) fn new(
        series: &Series,
        name: &str,
        unit: &str,
        scales: &mut Scales<'_>,
    ) -> Result<Self, String> {
        missing(series)?;
        let scale = series.scale();
        let differences = series.differences(scale);
        let (margin, noise_floor) = margin(series, scale, name, unit, scales)?;
        let few = || format!("{} rounds are too few for a test", differences.len());
        let middle = median(&differences).ok_or_else(few)?;
        Ok(Self {
            scale,
            median: middle,
            interval: scales
                .medians
                .interval(&differences, CONFIDENCE)
                .ok_or_else(few)?,
            p: sign_flip::two_sided(&differences).ok_or_else(few)?,
            agree: agreement(&differences, middle),
            margin,
            noise_floor,
            differences,
        })
    }

    /// The rule: p at most alpha, the interval on one side of zero, the median by the margin or more on that
    /// side, and three quarters of the rounds with it.
    pub(crate) fn change(&self, p_adjusted: f64, alpha: f64) -> Change {
        let [low, high] = self.interval;
        let far = p_adjusted <= alpha
            && self.median.abs() >= self.margin
            && self.agree >= LEAST_AGREEMENT;
        if far && low > 0.0 {
            Change::Up
        } else if far && high < 0.0 {
            Change::Down
        } else if low > -self.margin && high < self.margin {
            Change::None
        } else {
            Change::Unclear
        }
    }

    /// One-sided p of no change the way of `found`.
    pub(crate) fn p_towards(&self, found: Change) -> f64 {
        let signed: Vec<f64> = match found {
            Change::Down => self.differences.iter().map(|d| -d).collect(),
            Change::Up | Change::None | Change::Unclear => self.differences.clone(),
        };
        sign_flip::one_sided(&signed).unwrap_or(1.0)
    }
}

/// Share of the differences with the sign of the median.
fn agreement(differences: &[f64], median: f64) -> f64 {
    let with = |d: &&f64| d.partial_cmp(&&0.0) == median.partial_cmp(&0.0);
    differences.iter().filter(with).count() as f64 / differences.len() as f64
}

/// Why a series cannot be compared, if so.
pub(crate) fn missing(series: &Series) -> Result<(), String> {
    let n_missing = series.n_rounds - series.pairs.len();
    match series.is_defined {
        [false, false] => Err("undefined on both sides".to_owned()),
        [false, true] => Err("undefined on the base's side".to_owned()),
        [true, false] => Err("undefined on the candidate's side".to_owned()),
        [true, true] if n_missing as f64 > MOST_MISSING * series.n_rounds as f64 => Err(format!(
            "undefined in {n_missing} of {} rounds",
            series.n_rounds
        )),
        [true, true] => Ok(()),
    }
}

/// The larger of the least change that matters and twice the noise floor, and the noise floor.
///
/// The same both ways, so that a rate which falls to `1 / (1 + m)` counts as one that grows to `1 + m`.
fn margin(
    series: &Series,
    scale: EffectScale,
    name: &str,
    unit: &str,
    scales: &Scales<'_>,
) -> Result<(f64, Option<f64>), String> {
    let least = scales.plan.min_effect_of(name);
    if scale == EffectScale::Relative {
        let floor = scales.floors.get(name).copied();
        return Ok((least.ln_1p().max(2.0 * floor.unwrap_or(0.0)), floor));
    }
    let size = size_of(&series.base(), &series.cand(), unit);
    size.map(|size| (least * size, None))
        .ok_or_else(|| "a value is 0 in most rounds, so that no change of it is large".to_owned())
}

/// What differences are held against where ratios are impossible: 1 for shares, otherwise the larger of
/// the sides' median magnitudes. `None` if that is 0 and the values are not.
pub(crate) fn size_of(base: &[f64], cand: &[f64], unit: &str) -> Option<f64> {
    if unit == "ratio" {
        return Some(1.0);
    }
    let magnitude = |values: &[f64]| {
        let magnitudes: Vec<f64> = values.iter().map(|v| v.abs()).collect();
        median(&magnitudes).unwrap_or(0.0)
    };
    if base.iter().chain(cand).all(|v| *v == 0.0) {
        return Some(1.0);
    }
    Some(magnitude(base).max(magnitude(cand))).filter(|size| *size > 0.0)
}

/// What a change means for a metric that is better one way.
pub(crate) fn verdict(change: Change, direction: Direction) -> Verdict {
    match (change, direction) {
        (Change::None, _) => Verdict::Equivalent,
        (Change::Unclear, _) => Verdict::Inconclusive,
        (Change::Up, Direction::Lower) | (Change::Down, Direction::Higher) => Verdict::Regressed,
        (Change::Down, Direction::Lower) | (Change::Up, Direction::Higher) => Verdict::Improved,
        (Change::Up | Change::Down, Direction::Neutral) => Verdict::NotCompared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(base: &[f64], cand: &[f64], unit: &str) -> Result<Evidence, String> {
        let pairs = (1..).zip(base.iter().zip(cand));
        let series = Series {
            n_rounds: base.len(),
            pairs: pairs.map(|(n, (a, b))| (n, *a, *b)).collect(),
            is_defined: [true; 2],
        };
        let mut medians = Medians::new(2_000, 1);
        let mut scales = Scales {
            plan: &Plan::default(),
            floors: &BTreeMap::new(),
            medians: &mut medians,
        };
        Evidence::new(&series, "m", unit, &mut scales)
    }

    /// Ten rounds of 100 against 100 times each factor.
    fn check(factors: [f64; 10], expected: Change, why: &str) {
        let evidence = weigh(&[100.0; 10], &factors.map(|f| 100.0 * f), "us").unwrap();
        assert_eq!(
            evidence.change(evidence.p, 0.025),
            expected,
            "{why}: {evidence:?}"
        );
    }

    #[test]
    fn a_change_counts_if_all_four_conditions_hold() {
        let five = [1.05, 1.06, 1.04, 1.05, 1.05, 1.07, 1.03, 1.05, 1.04, 1.06];
        check(five, Change::Up, "five per cent more");
        check(five.map(f64::recip), Change::Down, "five per cent less");
        check([1.001; 10], Change::None, "sure, and too small to matter");
        check([1.015; 10], Change::None, "under the margin in every round");
        let split = [1.05, 1.06, 1.04, 1.05, 1.05, 1.07, 1.03, 0.99, 0.98, 0.99];
        check(split, Change::Unclear, "seven of ten agree");
        let wild = [1.3, 0.8, 1.4, 1.2, 0.7, 1.3, 0.9, 1.1, 1.2, 0.8];
        check(wild, Change::Unclear, "as wide as that");
    }

    #[test]
    fn values_of_zero_are_compared_by_differences() {
        let zeros = weigh(&[0.0; 10], &[0.0; 10], "count").unwrap();
        assert_eq!(zeros.change(zeros.p, 0.025), Change::None);
        let errors = weigh(&[0.0; 10], &[7.0; 10], "count").unwrap();
        assert_eq!(errors.scale, EffectScale::Difference);
        assert_eq!(errors.change(errors.p, 0.025), Change::Up);
        let mut rare = [0.0; 10];
        rare[3] = 1.0;
        assert!(weigh(&[0.0; 10], &rare, "count").is_err());
        let shares = weigh(&[0.0; 10], &[0.01; 10], "ratio").unwrap();
        assert_eq!(
            shares.change(shares.p, 0.025),
            Change::None,
            "one point of two"
        );
        let below = weigh(&[-10.0; 10], &[-12.0; 10], "ms").unwrap();
        assert_eq!(below.change(below.p, 0.025), Change::Down);
    }

    #[test]
    fn which_change_is_bad_is_the_metrics_own() {
        assert_eq!(verdict(Change::Up, Direction::Lower), Verdict::Regressed);
        assert_eq!(verdict(Change::Up, Direction::Higher), Verdict::Improved);
        assert_eq!(verdict(Change::Down, Direction::Higher), Verdict::Regressed);
        assert_eq!(
            verdict(Change::Down, Direction::Neutral),
            Verdict::NotCompared
        );
    }
}
