//! Integration tests of the reports.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod charts;
mod ci;
mod comparisons;
mod html;
mod page;
mod plots;
mod runs;
mod series;
#[path = "../../../scoring/tests/it/support.rs"]
mod support;
mod texts;
