//! What a comparison is going to do, said before it begins.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{
    compare::NoiseFloor,
    result::{Direction, Metric},
};

use super::sign_flip::{MOST_ROUNDS, smallest_p};
use crate::bootstrap::{Draws, MIN_RESAMPLES};

/// With fewer rounds no p can be under 0.05.
pub const MIN_ROUNDS: u32 = 6;

/// The metrics that are gated where nothing else is said; of them, those that both sides have.
///
/// What a user of the detector would notice, and one figure for each. Others, such as the median of the
/// latency, move with one of these; gating them too would only make the test of each harder to pass.
pub const GATED_BY_DEFAULT: [&str; 6] = [
    "cpu.subject.per_million_events",
    "detection.f1",
    "detection.precision",
    "detection.recall",
    "latency.alert.p99",
    "throughput.consumed",
];

/// The metrics that plan and seed determine, if the detector does not depend on the order in which records
/// reach it: families, by the beginnings of their names.
pub const DETERMINED_BY_SEED: [&str; 1] = ["detection."];

/// What a comparison is going to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Rounds before the first look.
    pub rounds: u32,
    /// Rounds before the one further look; 0 for none, which leaves all of `alpha` to the first.
    pub further_rounds: u32,
    /// Fresh rounds that are to confirm what a look found.
    pub confirming_rounds: u32,
    /// Chance of calling any gated metric different when none is, over all looks.
    pub alpha: f64,
    /// The least relative change that matters, such as 0.02.
    pub min_effect: f64,
    /// The same for single metrics, in place of it.
    pub min_effects: BTreeMap<String, f64>,
    /// Names of the gated metrics.
    pub gated: BTreeSet<String>,
    /// Whether the detector's alerts do not depend on the order in which records reach it, so that
    /// [`DETERMINED_BY_SEED`] holds.
    pub is_order_free: bool,
    /// How much this machine differs from itself, with this profile; `None` if not measured.
    pub noise_floor: Option<NoiseFloor>,
    /// Resamples behind an interval.
    pub resamples: u32,
    /// Seed of the resampling.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 10,
            further_rounds: 10,
            confirming_rounds: 10,
            alpha: 0.05,
            min_effect: 0.02,
            min_effects: BTreeMap::new(),
            gated: GATED_BY_DEFAULT.map(str::to_owned).into(),
            is_order_free: false,
            noise_floor: None,
            resamples: 10_000,
            seed: 1,
        }
    }
}

/// Something for which a plan is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanProblem {
    /// No test can find anything.
    #[error("`{rounds}` rounds are too few for any test; use `{least}` or more", least = MIN_ROUNDS)]
    TooFewRounds {
        /// Rounds before the first look.
        rounds: u32,
    },
    /// Too many to enumerate.
    #[error(
        "looks at `{rounds}` rounds are more than can be enumerated; use `{most}` or fewer",
        most = MOST_ROUNDS
    )]
    TooManyRounds {
        /// Rounds of the largest look.
        rounds: u32,
    },
    /// Not even rounds that all agree would reject.
    #[error(
        "`{rounds}` rounds can never show a change of one of `{gated}` gated metrics: the smallest p is \
         {smallest:.5}, which after Holm is above the {alpha} of {what}; use `{needed}` rounds or more, \
         or gate fewer metrics"
    )]
    NeverRejects {
        /// `a look` or `a confirmation`.
        what: &'static str,
        /// Rounds that were planned for it.
        rounds: u32,
        /// Gated metrics.
        gated: usize,
        /// The smallest p.
        smallest: f64,
        /// What it is held against.
        alpha: f64,
        /// Rounds that would do.
        needed: u32,
    },
    /// No probability.
    #[error(
        "alpha `{alpha}` is no chance of an error; use one above 0 and under 1, such as `0.05`"
    )]
    Alpha {
        /// What was given.
        alpha: f64,
    },
    /// No change.
    #[error(
        "the least change that matters, `{found}`{of}, is no share; use one above 0, such as `0.02`"
    )]
    MinEffect {
        /// What was given.
        found: f64,
        /// ` of `, and the metric.
        of: String,
    },
    /// Nothing would be judged.
    #[error("no metric is gated; gate one, such as `latency.alert.p99`")]
    NothingGated,
    /// Too few draws.
    #[error(
        "`{found}` resamples leave the ends of an interval to chance; use `{least}` or more",
        least = MIN_RESAMPLES
    )]
    TooFewResamples {
        /// What was given.
        found: u32,
    },
}

impl Plan {
    /// The part of alpha that a look may spend: all of it, or half of it where a further look is planned.
    #[must_use]
    pub fn alpha_per_look(&self) -> f64 {
        if self.further_rounds == 0 {
            self.alpha
        } else {
            self.alpha / 2.0
        }
    }

    /// Everything for which this plan is refused; above all that it can never reject: that
    /// `2^(1-n)` times the gated metrics is above the alpha of a look.
    #[must_use]
    pub fn problems(&self) -> Vec<PlanProblem> {
        let mut problems = self.wrong_values();
        if !problems.is_empty() {
            return problems;
        }
        let largest = (self.rounds + self.further_rounds).max(self.confirming_rounds);
        if largest as usize > MOST_ROUNDS {
            problems.push(PlanProblem::TooManyRounds { rounds: largest });
        }
        if self.rounds < MIN_ROUNDS {
            problems.push(PlanProblem::TooFewRounds {
                rounds: self.rounds,
            });
        }
        // A confirmation knows which way to look, so that its p is half of a look's.
        problems.extend(self.never_rejects("a look", self.rounds, self.alpha_per_look(), 1.0));
        problems.extend(self.never_rejects(
            "a confirmation",
            self.confirming_rounds,
            self.alpha,
            0.5,
        ));
        problems
    }

    fn wrong_values(&self) -> Vec<PlanProblem> {
        let mut problems = Vec::new();
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            problems.push(PlanProblem::Alpha { alpha: self.alpha });
        }
        let of_all = [(String::new(), self.min_effect)];
        let of_some = self.min_effects.iter();
        let named = of_some.map(|(name, least)| (format!(" of `{name}`"), *least));
        for (of, found) in of_all.into_iter().chain(named) {
            if !(found > 0.0 && found.is_finite()) {
                problems.push(PlanProblem::MinEffect { found, of });
            }
        }
        if self.gated.is_empty() {
            problems.push(PlanProblem::NothingGated);
        }
        if self.resamples < MIN_RESAMPLES {
            problems.push(PlanProblem::TooFewResamples {
                found: self.resamples,
            });
        }
        problems
    }

    fn never_rejects(
        &self,
        what: &'static str,
        rounds: u32,
        alpha: f64,
        sides: f64,
    ) -> Option<PlanProblem> {
        let gated = self.gated.len();
        let rejects = |n: u32| sides * smallest_p(n) * gated as f64 <= alpha;
        if rounds > 0 && rejects(rounds) {
            return None;
        }
        let needed = (1..).find(|n| rejects(*n)).unwrap_or(u32::MAX);
        Some(PlanProblem::NeverRejects {
            what,
            rounds,
            gated,
            smallest: sides * smallest_p(rounds),
            alpha,
            needed: needed.max(if sides < 1.0 { 1 } else { MIN_ROUNDS }),
        })
    }

    /// The least relative change of a metric that matters, before the noise is looked at.
    pub(crate) fn min_effect_of(&self, metric: &str) -> f64 {
        let own = self.min_effects.get(metric);
        own.copied().unwrap_or(self.min_effect)
    }

    /// Whether a metric is to be compared exactly.
    pub(crate) fn is_exact(&self, metric: &str) -> bool {
        self.is_order_free && DETERMINED_BY_SEED.iter().any(|f| metric.starts_with(f))
    }

    /// Whether the base runs first in round `number`, counted from 1: of rounds 1 and 2, 3 and 4 and so on,
    /// one has it first, and it is left to chance which. So neither side gains from a machine that grows
    /// warm, and the signs that the test flips were indeed drawn.
    #[must_use]
    pub fn base_first(&self, number: u32) -> bool {
        let pair = u64::from(number.saturating_sub(1) / 2);
        let mut draws = Draws(self.seed ^ pair.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let first_of_pair = draws.next() >> 63 == 1;
        first_of_pair == (number % 2 == 1)
    }
}

/// Those of [`GATED_BY_DEFAULT`] that both sides have a value of.
#[must_use]
pub fn default_gates(
    base: &BTreeMap<String, Metric>,
    cand: &BTreeMap<String, Metric>,
) -> BTreeSet<String> {
    let known = |metrics: &BTreeMap<String, Metric>, name: &str| {
        let metric = metrics.get(name);
        metric.is_some_and(|m| m.value.is_some() && m.direction != Direction::Neutral)
    };
    GATED_BY_DEFAULT
        .into_iter()
        .filter(|name| known(base, name) && known(cand, name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gating(n: usize) -> Plan {
        Plan {
            gated: (0..n).map(|i| format!("m{i}")).collect(),
            ..Plan::default()
        }
    }

    fn check(plan: &Plan, expected: &[&str]) {
        let found: Vec<String> = plan.problems().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "`{found}` lacks `{expected}`");
        }
    }

    #[test]
    fn a_plan_that_can_never_reject_is_refused_with_the_rounds_it_needs() {
        check(&gating(12), &[]);
        check(&gating(13), &["use `11` rounds or more"]);
        let six = Plan {
            rounds: 6,
            ..gating(1)
        };
        check(
            &six,
            &["0.03125, which after Holm is above the 0.025 of a look; use `7`"],
        );
        // Without a further look six rounds have all of alpha, and may reject.
        let alone = Plan {
            further_rounds: 0,
            ..six
        };
        check(&alone, &[]);
        let unconfirmed = Plan {
            confirming_rounds: 4,
            ..gating(1)
        };
        check(&unconfirmed, &["of a confirmation; use `5` rounds"]);
    }

    #[test]
    fn values_without_a_sense_are_refused_all_at_once() {
        let odd = Plan {
            alpha: 1.5,
            min_effect: f64::NAN,
            min_effects: BTreeMap::from([("m0".to_owned(), 0.0)]),
            resamples: 10,
            ..gating(0)
        };
        check(
            &odd,
            &[
                "alpha `1.5`",
                "matters, `NaN`,",
                "`0` of `m0`",
                "no metric",
                "`10` resamples",
            ],
        );
        let few = Plan {
            rounds: 5,
            further_rounds: 36,
            ..gating(1)
        };
        check(
            &few,
            &["`41` rounds", "`5` rounds are too few", "use `7` rounds"],
        );
    }

    #[test]
    fn each_side_runs_first_once_in_every_two_rounds_and_chance_says_when() {
        let plan = Plan::default();
        let firsts: Vec<bool> = (1..=200).map(|n| plan.base_first(n)).collect();
        assert!(firsts.chunks(2).all(|pair| pair[0] != pair[1]));
        let led = firsts.chunks(2).filter(|pair| pair[0]).count();
        assert!((30..=70).contains(&led), "{led}");
    }
}
