//! Matching alerts to labels, accuracy and latency figures, statistics: pure functions of a run's
//! record, labels and alerts.
//!
//! [`score`] gives what `result.json` holds, [`matching::of`] the fate of every label and alert again,
//! [`hlog::write`] the latency distributions. Nothing here reads a clock or a file, and nothing
//! depends on the order in which alerts arrived.
//!
//! Undefined is `None`, never 0 and never NaN.

pub mod any_overlap;
mod baseline;
pub mod bootstrap;
pub mod confusion;
pub mod delays;
pub mod gates;
pub mod hlog;
mod incident;
pub mod intervals;
pub mod latency;
pub mod matching;
pub mod metrics;
pub mod one_to_one;
pub mod published;
mod scope;
mod score;
mod settings;
mod special;
#[cfg(test)]
#[path = "../tests/it/support.rs"]
mod support;
pub mod thresholds;
mod throughput;
mod tree;
mod warnings;

pub use self::{
    score::{ScoreError, score, score_files},
    settings::validate,
};
