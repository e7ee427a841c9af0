//! Rendering of a scored run: one self-contained HTML file, PNG and SVG plots, Markdown, a table for the
//! terminal, and what CI reads: JUnit, Bencher's format, arrays for github-action-benchmark. Of searches and curves, which are
//! made of many runs, of comparisons, noise floors and histories, and an index of many runs. And of a running detector: its
//! status page and its metrics.
//!
//! Everything is made from a [`ReportInput`], a result with its labels, alerts and time series, and
//! goes to a writer or comes back as a value: no file is opened here. A run that is empty, invalid or
//! cut short renders as well; what was not measured says so.

mod benchmark;
mod chart;
mod comparison;
mod curve;
mod detectors;
mod format;
mod history;
mod html;
mod index;
mod junit;
mod model;
mod nab;
mod noise;
mod plot;
mod prose;
mod rows;
mod search;
mod status;
mod summary;
mod table;
mod terminal;
mod troubles;
mod verdict;

use std::io;

use floodmark_contracts::{
    alert::CollectedAlert, compare::Comparison, label::Label, record::SeriesRow, result::RunResult,
};

pub use self::{
    benchmark::{Better, bmf, comparison_bmf, gha},
    chart::svg,
    comparison::{comparison_html, comparison_md, comparison_png, comparison_svg, comparison_text},
    curve::{curve_html, curve_pngs, curve_text},
    detectors::{detectors_html, detectors_text},
    history::{history_html, history_text},
    html::html,
    index::{IndexEntry, index_html},
    junit::{comparison_junit, junit},
    nab::nab_table,
    noise::noise_floor_text,
    plot::png,
    rows::row_scores_text,
    search::{search_html, search_png, search_text, trial_text},
    status::{status_html, status_metrics},
    summary::summary_md,
    terminal::{detection_table, terminal},
};

/// The style of every page; the colours come first, as charts that stand alone take them from there.
const STYLE: &str = concat!(
    include_str!("../templates/colours.css"),
    include_str!("../templates/chart.css"),
    include_str!("../templates/report.css")
);

/// The style of pages about many runs.
const STYLE_OF_MANY: &str = concat!(
    include_str!("../templates/colours.css"),
    include_str!("../templates/chart.css"),
    include_str!("../templates/report.css"),
    include_str!("../templates/many.css")
);

/// What a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The scored run.
    pub result: &'a RunResult,
    /// Its labels.
    pub labels: &'a [Label],
    /// Its alerts, transport duplicates included.
    pub alerts: &'a [CollectedAlert],
    /// Its time series; may be empty.
    pub series: &'a [SeriesRow],
    /// How it compares with stored runs, where that was asked for.
    pub comparison: Option<&'a Comparison>,
    /// Files that lie beside the report, as paths from it with `/`; those that are known are linked to.
    pub files: &'a [String],
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The writer failed.
    #[error("report cannot be written")]
    Write {
        /// Why.
        #[from]
        source: io::Error,
    },
    /// A template failed.
    #[error("report cannot be rendered")]
    Render {
        /// Why.
        #[from]
        source: askama::Error,
    },
    /// A plot could not be drawn.
    #[error("plot `{name}` cannot be drawn: {reason}")]
    Plot {
        /// File name of the plot.
        name: &'static str,
        /// What the drawing library said.
        reason: String,
    },
}
