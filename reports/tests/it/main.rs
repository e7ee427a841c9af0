//! Integration tests of the reports.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod charts;
mod ci;
mod compared;
mod comparison_pages;
mod comparison_plots;
mod comparison_texts;
mod comparisons;
mod detection_charts;
mod histories;
mod html;
mod indexes;
mod page;
mod plots;
mod runs;
mod sections;
mod series;
mod sound;
#[path = "../../../scoring/tests/it/support.rs"]
mod support;
mod texts;
mod zoom;
