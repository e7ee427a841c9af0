//! Comparing runs: what differs, by how much, and how sure that is.
//!
//! The unit is a round, a run of each side, never a message: latencies within a run depend on each other
//! and are many, so that a test over messages calls every pair of runs different. `docs/compare.md` has the
//! method with its formulas.
//!
//! Nothing here runs anything. Whoever does asks a `Comparer` for the next `Step`:
//!
//! ```
//! use floodmark_contracts::{compare::Side, result::{Direction, Metric}};
//! use floodmark_scoring::compare::{Comparer, Figures, Plan, RoundFigures, Step};
//!
//! let run = |p99: f64| {
//!     let unit = "us".to_owned();
//!     let metric = Metric { value: Some(p99), interval: None, unit, direction: Direction::Lower };
//!     Figures::from([("latency.alert.p99".to_owned(), metric)])
//! };
//! let gated = ["latency.alert.p99".to_owned()].into();
//! let mut comparer = Comparer::new(Plan { gated, ..Plan::default() }).unwrap();
//! let mut made = Vec::new();
//! while let Step::Run { look, rounds } = comparer.next(&made) {
//!     for number in (made.len() as u32 + 1..).take(rounds as usize) {
//!         let base_first = comparer.plan().base_first(number);
//!         let noise = f64::from(number % 3);
//!         let (base, cand) = (run(900.0 + noise), run(990.0 - noise));
//!         made.push(RoundFigures { look, base_first, void: None, base, cand });
//!     }
//! }
//! let side = |name: &str| Side {
//!     name: name.to_owned(),
//!     what: String::new(),
//!     floodmark_version: String::new(),
//!     environment: Default::default(),
//! };
//! let comparison = comparer.comparison(&made, side("before"), side("after"));
//! assert_eq!(comparison.verdict, floodmark_contracts::compare::Verdict::Regressed);
//! assert_eq!(comparison.rounds.len(), 20);
//! ```

/// Where a metric's history changes.
pub mod changes;
/// Two detectors on one run.
pub mod detectors;
mod figures;
/// Several tests at once.
pub mod holm;
/// The rule behind every verdict.
mod judge;
mod look;
/// The bootstrap of a median.
pub mod medians;
/// The noise floor of a machine.
pub mod noise;
mod paired;
/// What a comparison is going to do.
pub mod plan;
/// Two sides that are not in pairs.
pub mod ranks;
/// The exact test of pairs.
pub mod sign_flip;
/// Values that stand apart, and spreads.
pub mod spread;
/// Runs that were made some other time.
pub mod stored;
mod table;

pub use self::{
    figures::{Figures, RoundFigures, figures_of},
    judge::{LEAST_AGREEMENT, MOST_MISSING},
    paired::{Comparer, Step},
    plan::{Plan, PlanProblem, default_gates},
    stored::{StoredRun, compare_stored},
};
