//! Runs of two sides in turn, until a comparison knows enough.
//!
//! Every run is a `bench` of its own in a process of its own, on both sides alike: so a side may be another build of
//! floodmark, no run inherits anything from the one before, and each leaves a folder with its report.

mod bench;
mod progress;
mod side;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    compare::{Comparison, Look},
    result::{Direction, RunResult},
};
use floodmark_harness::environment;
use floodmark_scoring::{
    compare::{
        Comparer, Figures, Plan, PlanProblem, RoundFigures, Step, default_gates, figures_of,
    },
    metrics,
};

pub(super) use self::side::{Side, settings_of};
use self::{
    bench::{Bench, Ran},
    progress::Progress,
};
use crate::{
    args::{Global, MarginArgs, RoundsArgs},
    commands::{bench::default_out, trial::write_json},
    exit::Failure,
    output,
};

/// Two sides, and where their runs go.
pub(super) struct Rounds<'a> {
    sides: [Side; 2],
    /// Where all results go.
    pub(super) out: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    args: &'a RoundsArgs,
    progress: Progress<'a>,
    /// Of each side, the first result that counts.
    first: [Option<RunResult>; 2],
}

/// What the rounds came to.
pub(super) struct Compared {
    pub(super) comparison: Comparison,
    pub(super) rounds: Vec<RoundFigures>,
    /// The plan, with the gates that were chosen.
    pub(super) plan: Plan,
    pub(super) is_interrupted: bool,
}

impl<'a> Rounds<'a> {
    /// Claims the folder and begins to watch for Ctrl-C.
    pub(super) fn begin(
        sides: [Side; 2],
        args: &'a RoundsArgs,
        global: &'a Global,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stop = crate::signals::stop_flag()?;
        let default = || default_out(&sides[0].loaded, &*clock);
        let out = args.out.clone().unwrap_or_else(default);
        output::claim(&out, args.force)?;
        Ok(Self {
            sides,
            out,
            clock,
            stop,
            args,
            progress: Progress::new(global),
            first: [None, None],
        })
    }

    /// Makes rounds as the plan wants them and compares the sides. Without gates of the user's own, those of the defaults
    /// count that both sides turn out to have. `comparison.json` is written after every round, so that nothing is lost.
    pub(super) fn compare(&mut self, plan: Plan, gates: Gates) -> Result<Compared, Failure> {
        let mut comparer = Comparer::new(plan).map_err(|problems| refused(&problems))?;
        let mut made: Vec<RoundFigures> = Vec::new();
        let mut are_gates_known = gates == Gates::Named;
        let mut is_interrupted = false;
        self.progress.begin(comparer.plan());
        while let Step::Run { look, rounds } = comparer.next(&made) {
            let number = u32::try_from(made.len() + 1).unwrap_or(u32::MAX);
            self.progress.look(look, number, rounds);
            let base_first = comparer.plan().base_first(number);
            let Some(round) = self.round(number, look, base_first)? else {
                is_interrupted = true;
                break;
            };
            if !are_gates_known && round.void.is_none() {
                comparer = with_gates(comparer.plan(), &round)?;
                are_gates_known = true;
            }
            self.progress.round(number, &round, comparer.plan());
            made.push(round);
            let so_far = self.comparison(&mut comparer, &made);
            write_json(&self.out.join("comparison.json"), &so_far)?;
        }
        self.progress.end();
        Ok(Compared {
            comparison: self.comparison(&mut comparer, &made),
            plan: comparer.plan().clone(),
            rounds: made,
            is_interrupted,
        })
    }

    /// The folders of a round in which both sides ran, of those that count the first.
    pub(super) fn folders(&self, rounds: &[RoundFigures]) -> Option<[PathBuf; 2]> {
        let at = rounds.iter().position(|round| round.void.is_none())?;
        let number = u32::try_from(at + 1).ok()?;
        Some([0, 1].map(|side| self.folder(side, number)))
    }

    fn comparison(&self, comparer: &mut Comparer, made: &[RoundFigures]) -> Comparison {
        let [base, cand] = [0, 1].map(|side| {
            let of = &self.sides[side];
            let first = self.first[side].as_ref();
            floodmark_contracts::compare::Side {
                name: of.name.clone(),
                what: of.what(self.args.workers),
                floodmark_version: first
                    .map_or_else(String::new, |result| result.floodmark_version.clone()),
                environment: first
                    .map_or_else(environment::here, |result| result.environment.clone()),
            }
        });
        let mut comparison = comparer.comparison(made, base, cand);
        comparison.warnings.extend(self.other_events());
        comparison
    }

    /// What is to be said where the sides do not send the same.
    fn other_events(&self) -> Option<String> {
        let [base, cand] = &self.sides;
        let is_known = base.is_own && cand.is_own;
        (is_known && !base.sends_the_same_as(cand)).then(|| {
            "the sides send different events, so that some of the differences are the events'"
                .to_owned()
        })
    }

    /// A run of each side; `None` if a signal cut it short. The second is left out where the first makes the round void.
    fn round(
        &mut self,
        number: u32,
        look: Look,
        base_first: bool,
    ) -> Result<Option<RoundFigures>, Failure> {
        let mut round = RoundFigures {
            look,
            base_first,
            void: None,
            base: Figures::new(),
            cand: Figures::new(),
        };
        for side in if base_first { [0, 1] } else { [1, 0] } {
            match self.run(side, number)? {
                Ran::Interrupted => return Ok(None),
                Ran::Void(why) => {
                    round.void = Some(format!("{}: {why}", ROLES[side]));
                    break;
                }
                Ran::Counts(result) => {
                    let figures = figures_of(&result);
                    *[&mut round.base, &mut round.cand][side] = figures;
                    self.first[side].get_or_insert(*result);
                }
            }
        }
        Ok(Some(round))
    }

    fn run(&mut self, side: usize, number: u32) -> Result<Ran, Failure> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Ran::Interrupted);
        }
        let folder = self.folder(side, number);
        self.progress.run(ROLES[side]);
        let bench = Bench {
            side: &self.sides[side],
            // As long for one side as for the other: names are part of what is sent.
            prefix: &format!("{}{number:02}-", ROLES[side]),
            out: &folder,
            args: self.args,
            clock: &*self.clock,
            stop: &self.stop,
        };
        bench.run(&mut |seconds| self.progress.tick(seconds))
    }

    fn folder(&self, side: usize, number: u32) -> PathBuf {
        self.out.join(ROLES[side]).join(format!("{number:02}"))
    }
}

/// The folders of the sides, and what they are called where only their role counts.
const ROLES: [&str; 2] = ["base", "cand"];

/// Who says which metrics count for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gates {
    /// The user.
    Named,
    /// Those of the defaults that both sides have.
    Default,
}

/// A plan of so many rounds, as far as the arguments say.
pub(super) fn plan(rounds: &RoundsArgs, margin: &MarginArgs) -> (Plan, Gates) {
    let mut plan = Plan {
        rounds: rounds.rounds,
        further_rounds: rounds.rounds,
        confirming_rounds: rounds.rounds,
        min_effect: margin.min_effect,
        ..Plan::default()
    };
    if margin.gate.is_empty() {
        return (plan, Gates::Default);
    }
    plan.gated = margin.gate.iter().cloned().collect();
    (plan, Gates::Named)
}

fn with_gates(plan: &Plan, round: &RoundFigures) -> Result<Comparer, Failure> {
    let gated = default_gates(&round.base, &round.cand);
    let plan = Plan {
        gated,
        ..plan.clone()
    };
    Comparer::new(plan).map_err(|problems| refused(&problems))
}

/// Refuses a plan that could never find anything, before the first run.
pub(super) fn check_plan(plan: &Plan) -> Result<(), Failure> {
    let problems = plan.problems();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(refused(&problems)),
    }
}

/// Everything for which a plan is refused, at once.
fn refused(problems: &[PlanProblem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::usage(lines.join("\n"))
}

/// Refuses gates that no run has or that nothing could be said of, before an hour is spent on them.
pub(super) fn check_gates(gates: &[String]) -> Result<(), Failure> {
    for name in gates {
        let why = match metrics::find(name) {
            None => "is not known",
            Some(family) if family.direction == Direction::Neutral => "is better neither way",
            Some(_) => continue,
        };
        return Err(Failure::usage(format!(
            "the metric `{name}` {why}, so that no verdict can go by it; docs/metrics.md lists them all"
        )));
    }
    Ok(())
}
