//! Charts as SVG inside the HTML report. Colours are classes of the report's style sheet, so that the
//! same chart follows light, dark and print; what a colour says, a dash, a shape or a word says too.

mod accuracy;
mod alone;
mod axis;
mod curve;
mod detect;
mod difficulty;
mod forest;
mod latency;
mod precision_recall;
mod rounds;
mod scale;
mod search;
mod spark;
mod svg;
mod timeline;
mod trend;

use crate::{ReportInput, model::Model, prose};

pub(crate) use self::{
    accuracy::accuracy,
    alone::alone,
    curve::curve,
    detect::detect,
    difficulty::difficulty,
    forest::{forest, shortened},
    latency::{Curves, decade_name, latency},
    precision_recall::{precision_recall, undefined as no_precision_recall},
    rounds::{look_name, rounds},
    scale::{Scale, nice_ticks},
    search::search,
    spark::spark,
    timeline::timeline,
    trend::trend,
};

/// The report's charts as files by name: `timeline.svg`, `latency.svg`, `accuracy.svg`; `precision-recall.svg` where alerts
/// carry scores, `time-to-detect.svg` where incidents count, and `difficulty.svg` where labels say how hard they are. Drawn in
/// light colours, and complete without the report's style sheet.
#[must_use]
pub fn svg(input: &ReportInput<'_>) -> Vec<(&'static str, String)> {
    let detection = &input.result.detection;
    let mut charts = vec![
        ("timeline.svg", timeline(&Model::new(input))),
        ("latency.svg", latency(input.result)),
        ("accuracy.svg", accuracy(detection)),
    ];
    let perhaps = [
        ("precision-recall.svg", precision_recall(detection)),
        (
            "time-to-detect.svg",
            detect(&detection.accuracy.time_to_detect),
        ),
        ("difficulty.svg", difficulty(detection)),
    ];
    charts.extend(
        perhaps
            .into_iter()
            .filter_map(|(name, chart)| Some((name, chart?))),
    );
    // Ids in titles come from outside.
    let visible = |chart: String| chart.chars().map(prose::visible).collect::<String>();
    let alone = |(name, chart): (_, String)| (name, alone(&visible(chart)));
    charts.into_iter().map(alone).collect()
}
