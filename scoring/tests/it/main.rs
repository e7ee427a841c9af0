//! Integration tests of scoring.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod accuracy;
mod brute_force;
mod compared;
mod comparing;
mod counting_laws;
mod decoys;
mod difficulty;
mod kinds;
mod lateness;
mod lines;
mod properties;
mod random;
mod rows;
mod scale;
mod scores;
mod support;
mod vectors;
mod withheld;
