//! Matching alerts to labels, accuracy and latency figures, statistics: pure functions of a run's
//! record, labels and alerts.
//!
//! [`score`] gives what `result.json` holds, [`matching::of`] the fate of every label and alert again,
//! [`hlog::write`] the latency distributions. Nothing here reads a clock or a file, and nothing
//! depends on the order in which alerts arrived.
//!
//! Undefined is `None`, never 0 and never NaN.

mod accuracy;
mod ahead;
mod alerts;
/// Any-overlap event scoring with tolerances.
pub mod any_overlap;
mod baseline;
/// Intervals of figures that are pooled over entities.
pub mod bootstrap;
/// Runs held against each other.
pub mod compare;
/// Kinds against kinds: precision, recall and F1, micro and macro.
pub mod confusion;
/// Points of curves over rate, lateness and difficulty.
pub mod curve;
mod decoys;
/// Quantiles of delays, and survival with misses censored.
pub mod delays;
mod difficulty;
mod disorder;
mod events;
mod faults;
/// Gates: conditions on metrics that pass or fail a run.
pub mod gates;
mod hashing;
/// Latency distributions as an HdrHistogram interval log.
pub mod hlog;
mod incident;
mod index;
/// Confidence intervals of proportions, rates and differences.
pub mod intervals;
mod judged;
mod keys;
/// Latency distributions of a run.
pub mod latency;
/// Which alert detects which incident.
pub mod matching;
mod memory;
mod merged;
/// The figures of a run by stable names.
pub mod metrics;
/// A maximum matching of alerts and incidents.
pub mod one_to_one;
/// The parts of scoring, for measuring them.
pub mod parts;
mod phases;
/// Scores as the literature defines them.
pub mod published;
/// Detectors that score every event.
pub mod rows;
mod scope;
mod score;
mod settings;
mod special;
#[cfg(test)]
#[path = "../tests/it/support.rs"]
mod support;
/// Precision and recall over the thresholds of a score.
pub mod thresholds;
mod throughput;
mod tree;
mod troubles;
mod warnings;
mod waterfall;

pub use self::{
    score::{ScoreError, score, score_files, score_files_watched},
    settings::validate,
};
