//! Recall and precision per kind with their intervals, and what chance would score.

use floodmark_contracts::result::{Baseline, Detection, Scores};

use super::{
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::format::{plural, ratio};

const WIDTH: f64 = 960.0;

/// Where the rows begin, below the names of the diagrams and the upper ticks.
const TOP: f64 = 58.0;

/// Height of a row.
const ROW: f64 = 30.0;

/// Left and right edge of the two diagrams.
const RECALL: [f64; 2] = [180.0, 540.0];
const PRECISION: [f64; 2] = [580.0, 940.0];

/// Draws one row for all kinds together and one for each.
pub(crate) fn accuracy(detection: &Detection) -> String {
    let n_rows = detection.per_kind.len() + 1;
    let bottom = TOP + n_rows as f64 * ROW;
    let mut svg = Svg::new(
        "accuracy",
        [WIDTH, bottom + 64.0],
        "Recall and precision per kind",
        &describe(detection),
    );
    for (edges, name) in [(RECALL, "Recall"), (PRECISION, "Precision")] {
        axis(&mut svg, edges, name, bottom);
    }
    row(
        &mut svg,
        TOP,
        "all kinds",
        &detection.overall,
        Some(&detection.random_baseline),
    );
    for (i, (kind, scores)) in detection.per_kind.iter().enumerate() {
        let top = TOP + (i + 1) as f64 * ROW;
        let baseline = detection.random_baseline_per_kind.get(kind);
        row(&mut svg, top, kind.name(), scores, baseline);
    }
    svg.line("axis", [16.0, TOP + ROW], [PRECISION[1], TOP + ROW]);
    legend(&mut svg, bottom + 48.0);
    svg.finish()
}

/// Grid and ticks of one diagram, above and below: with twelve kinds the rows are far from either.
fn axis(svg: &mut Svg, [left, right]: [f64; 2], name: &str, bottom: f64) {
    let x = Scale::new([0.0, 1.0], [left, right]);
    svg.text("panel-name strong", [left, 24.0], Anchor::Start, name);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line("grid", [x.at(tick), TOP - 6.0], [x.at(tick), bottom]);
        for y in [TOP - 14.0, bottom + 16.0] {
            svg.text("tick", [x.at(tick), y], Anchor::Middle, &format!("{tick}"));
        }
    }
}

/// A kind in both diagrams.
fn row(svg: &mut Svg, top: f64, name: &str, scores: &Scores, baseline: Option<&Baseline>) {
    let middle = top + ROW / 2.0;
    svg.text("lane", [RECALL[0] - 16.0, middle + 4.0], Anchor::End, name);
    let recall = scores.recall.zip(scores.recall_interval);
    estimate(svg, RECALL, middle, recall, baseline.and_then(|b| b.recall));
    let precision = scores.precision.zip(scores.precision_interval);
    let chance = baseline.and_then(|b| b.deduplicated_precision);
    estimate(svg, PRECISION, middle, precision, chance);
}

/// A figure with its interval, and a diamond where chance stands.
fn estimate(
    svg: &mut Svg,
    edges: [f64; 2],
    y: f64,
    figure: Option<(f64, [f64; 2])>,
    chance: Option<f64>,
) {
    let x = Scale::new([0.0, 1.0], edges);
    // Chance first, so that the figure lies over it where they meet.
    if let Some(chance) = chance {
        svg.diamond("chance", [x.at(chance), y], 5.0);
    }
    let Some((value, [low, high])) = figure else {
        let middle = [f64::midpoint(edges[0], edges[1]), y + 4.0];
        svg.text("note", middle, Anchor::Middle, "undefined");
        return;
    };
    svg.line("interval", [x.at(low), y], [x.at(high), y]);
    for end in [low, high] {
        svg.line("interval", [x.at(end), y - 5.0], [x.at(end), y + 5.0]);
    }
    svg.circle("estimate", [x.at(value), y], 5.0);
}

/// What dot, bar and diamond stand for.
fn legend(svg: &mut Svg, y: f64) {
    let left = RECALL[0];
    svg.line("interval", [left, y - 4.0], [left + 28.0, y - 4.0]);
    svg.circle("estimate", [left + 14.0, y - 4.0], 5.0);
    svg.text(
        "legend",
        [left + 36.0, y],
        Anchor::Start,
        "value with its 95 % interval",
    );
    svg.diamond("chance", [left + 250.0, y - 4.0], 5.0);
    let text = "alerts placed at random at the same rate";
    svg.text("legend", [left + 262.0, y], Anchor::Start, text);
}

/// The chart in a sentence, for those who listen.
fn describe(detection: &Detection) -> String {
    let overall = &detection.overall;
    format!(
        "Over all kinds: recall {}, precision {}, over {}. The table below holds each kind.",
        ratio(overall.recall),
        ratio(overall.precision),
        plural(overall.labels, "incident")
    )
}
