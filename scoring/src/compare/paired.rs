//! Comparing in rounds: what to run next, and what it comes to.

use std::collections::BTreeMap;

use floodmark_contracts::compare::{
    Comparison, Design, Look, NoiseFloor, Round, SCHEMA_VERSION, Side, Verdict,
};

use super::{
    figures::{Meaning, RoundFigures, meanings},
    judge::{MOST_MISSING, Scales, floors},
    look::{Confirmed, Judged, confirm, look_at},
    medians::Medians,
    plan::{Plan, PlanProblem},
    stored::differing,
    table,
};

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make so many more rounds for a look, then ask again.
    Run {
        /// What they are for; goes into their [`RoundFigures::look`].
        look: Look,
        /// How many.
        rounds: u32,
    },
    /// Nothing: the rounds suffice, or too many of them were void.
    Done,
}

/// A comparison in rounds, driven by whoever makes them: ask for the next [`Step`], make its rounds, ask
/// again with all rounds so far, and take the [`Comparison`] at the end. Every answer depends on the plan
/// and the rounds alone.
#[derive(Debug, Clone)]
pub struct Comparer {
    plan: Plan,
    floors: BTreeMap<String, f64>,
    medians: Medians,
}

/// Where a comparison stands.
pub(crate) struct Standing {
    pub(crate) step: Step,
    /// What the last look at enough rounds said; empty before the first.
    pub(crate) judged: Vec<(Meaning, Judged)>,
    /// What fresh rounds said, in the same order.
    pub(crate) confirmed: Vec<Option<Confirmed>>,
    /// Positions of the rounds of that look.
    pub(crate) rounds: Vec<u32>,
    pub(crate) is_invalid: bool,
}

impl Comparer {
    /// A comparison as planned.
    ///
    /// # Errors
    /// Everything for which the plan is refused.
    pub fn new(plan: Plan) -> Result<Self, Vec<PlanProblem>> {
        let problems = plan.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut medians = Medians::new(plan.resamples, plan.seed);
        let floors = floors(&plan, plan.rounds, &mut medians);
        Ok(Self {
            plan,
            floors,
            medians,
        })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes another noise floor, and with it other margins.
    pub fn set_noise_floor(&mut self, floor: Option<NoiseFloor>) {
        self.plan.noise_floor = floor;
        self.floors = floors(&self.plan, self.plan.rounds, &mut self.medians);
    }

    /// What to do next, given all rounds so far in their order.
    #[must_use]
    pub fn next(&mut self, rounds: &[RoundFigures]) -> Step {
        self.standing(rounds).step
    }

    /// The comparison as the rounds have it; whole if [`Comparer::next`] says `Done`. Before that, what
    /// would still have to be confirmed is inconclusive.
    #[must_use]
    pub fn comparison(&mut self, rounds: &[RoundFigures], base: Side, cand: Side) -> Comparison {
        let standing = self.standing(rounds);
        let metrics = table::metrics(&standing, rounds, &self.plan);
        let mut warnings = table::warnings(&standing, &metrics);
        if standing.step != Step::Done {
            warnings
                .push("the comparison was ended before all planned rounds were made".to_owned());
        }
        let differing = differing(&base.environment, &cand.environment);
        let advisory = (!differing.is_empty()).then(|| {
            format!(
                "the sides ran in different environments: {}",
                differing.join(", ")
            )
        });
        Comparison {
            schema_version: SCHEMA_VERSION,
            floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
            design: Design::PairedRounds,
            base,
            cand,
            alpha: self.plan.alpha,
            alpha_per_look: self.plan.alpha_per_look(),
            seed: self.plan.seed,
            resamples: self.plan.resamples,
            rounds: (1..).zip(rounds).map(listed).collect(),
            verdict: if standing.is_invalid {
                Verdict::Invalid
            } else {
                table::overall(&metrics)
            },
            metrics,
            advisory: advisory.into_iter().collect(),
            warnings,
        }
    }

    fn standing(&mut self, rounds: &[RoundFigures]) -> Standing {
        let mut standing = Standing {
            step: Step::Done,
            judged: Vec::new(),
            confirmed: Vec::new(),
            rounds: Vec::new(),
            is_invalid: self.is_invalid(rounds),
        };
        let figures = rounds.iter().flat_map(|round| [&round.base, &round.cand]);
        let metrics = meanings(figures, |name| self.plan.gated.contains(name));
        let first = counting(rounds, &[Look::First]);
        self.judge(&mut standing, &metrics, &first);
        if standing.is_invalid {
            return standing;
        }
        if let Some(step) = more(Look::First, self.plan.rounds, first.len()) {
            standing.step = step;
            return standing;
        }
        let is_further =
            self.plan.further_rounds > 0 && !standing.has_candidates() && standing.is_any_unclear();
        if is_further {
            let second = counting(rounds, &[Look::Second]).len();
            if let Some(step) = more(Look::Second, self.plan.further_rounds, second) {
                standing.step = step;
                return standing;
            }
            let both = counting(rounds, &[Look::First, Look::Second]);
            self.judge(&mut standing, &metrics, &both);
        }
        self.confirm(&mut standing, rounds);
        standing
    }

    fn scales(&mut self) -> Scales<'_> {
        Scales {
            plan: &self.plan,
            floors: &self.floors,
            medians: &mut self.medians,
        }
    }

    fn judge(
        &mut self,
        standing: &mut Standing,
        metrics: &[Meaning],
        rounds: &[(u32, &RoundFigures)],
    ) {
        let judged = look_at(metrics, rounds, &mut self.scales());
        standing.judged = metrics.iter().cloned().zip(judged).collect();
        standing.confirmed = vec![None; metrics.len()];
        standing.rounds = rounds.iter().map(|(number, _)| *number).collect();
    }

    fn confirm(&mut self, standing: &mut Standing, rounds: &[RoundFigures]) {
        if !standing.has_candidates() {
            return;
        }
        let fresh = counting(rounds, &[Look::Confirmation]);
        if let Some(step) = more(Look::Confirmation, self.plan.confirming_rounds, fresh.len()) {
            standing.step = step;
            return;
        }
        standing.confirmed = confirm(&standing.judged, &fresh, &mut self.scales());
    }

    /// More void rounds than a fifth of those made, or of those that the first look needs while these are
    /// being made.
    fn is_invalid(&self, rounds: &[RoundFigures]) -> bool {
        let void = rounds.iter().filter(|round| round.void.is_some()).count();
        let made = rounds.len().max(self.plan.rounds as usize);
        void as f64 > MOST_MISSING * made as f64
    }
}

impl Standing {
    fn has_candidates(&self) -> bool {
        self.judged
            .iter()
            .any(|(meaning, judged)| judged.is_candidate(meaning))
    }

    fn is_any_unclear(&self) -> bool {
        let unclear =
            |(meaning, judged): &(Meaning, Judged)| meaning.is_gated && judged.is_unclear();
        self.judged.iter().any(unclear)
    }
}

/// The rounds of some looks that count, with their numbers.
fn counting<'a>(rounds: &'a [RoundFigures], looks: &[Look]) -> Vec<(u32, &'a RoundFigures)> {
    (1..)
        .zip(rounds)
        .filter(|(_, round)| round.void.is_none() && looks.contains(&round.look))
        .collect()
}

fn more(look: Look, wanted: u32, made: usize) -> Option<Step> {
    let made = u32::try_from(made).unwrap_or(u32::MAX);
    let rounds = wanted.saturating_sub(made);
    (rounds > 0).then_some(Step::Run { look, rounds })
}

fn listed((number, round): (u32, &RoundFigures)) -> Round {
    Round {
        number,
        look: round.look,
        base_first: round.base_first,
        void: round.void.clone(),
    }
}
