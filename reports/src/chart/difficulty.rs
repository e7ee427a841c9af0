//! Recall over difficulty: in ranges of signal to noise, and of magnitude.

use floodmark_contracts::result::{Detection, RecallBin, RecallCurve};

use super::{
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::format::{plural, range, ratio};

const SIZE: [f64; 2] = [960.0, 330.0];

/// Upper and lower edge of the diagrams.
const TOP: f64 = 64.0;
const BOTTOM: f64 = 248.0;

/// Left and right edge of the two diagrams.
const SNR: [f64; 2] = [60.0, 480.0];
const MAGNITUDE: [f64; 2] = [540.0, 940.0];

/// Draws both curves; nothing where no label says how hard it is.
pub(crate) fn difficulty(detection: &Detection) -> Option<String> {
    let curves = &detection.difficulty;
    if curves.snr.overall.is_empty() && curves.magnitude.overall.is_empty() {
        return None;
    }
    let mut svg = Svg::new(
        "difficulty",
        SIZE,
        "Recall over difficulty",
        &describe(&curves.snr),
    );
    panel(&mut svg, SNR, "Recall over signal to noise", &curves.snr);
    panel(
        &mut svg,
        MAGNITUDE,
        "Recall over magnitude",
        &curves.magnitude,
    );
    legend(&mut svg);
    Some(svg.finish())
}

/// One curve: each range in a column of its own, hard ones on the left.
fn panel(svg: &mut Svg, [left, right]: [f64; 2], name: &str, curve: &RecallCurve) {
    svg.text("panel-name strong", [left, 24.0], Anchor::Start, name);
    let y = Scale::new([0.0, 1.0], [BOTTOM, TOP]);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line("grid", [left, y.at(tick)], [right, y.at(tick)]);
        let at = [left - 8.0, y.at(tick) + 4.0];
        svg.text("tick", at, Anchor::End, &format!("{tick}"));
    }
    if curve.overall.is_empty() {
        let middle = [f64::midpoint(left, right), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "no incident says it");
        return;
    }
    let x = Scale::new([0.0, curve.overall.len() as f64], [left, right]);
    let at = |column: usize| x.at(column as f64 + 0.5);
    let points: Vec<[f64; 2]> = (0..)
        .zip(&curve.overall)
        .filter_map(|(column, bin)| Some([at(column), y.at(bin.recall?)]))
        .collect();
    svg.polyline("series recall", &points);
    let levels = if points.len() > 10 { 3 } else { 2 };
    for (column, bin) in curve.overall.iter().enumerate() {
        estimate(svg, at(column), &y, bin);
        // Neighbours stand on several levels, so that no name runs into the next.
        let below = BOTTOM + 18.0 + (column % levels) as f64 * 15.0;
        svg.text("tick", [at(column), below], Anchor::Middle, &range(bin));
        let above = [at(column), TOP - 12.0];
        svg.text("tick", above, Anchor::Middle, &bin.labels.to_string());
    }
}

/// A recall with its interval.
fn estimate(svg: &mut Svg, x: f64, y: &Scale, bin: &RecallBin) {
    if let Some([low, high]) = bin.interval {
        svg.line("interval", [x, y.at(low)], [x, y.at(high)]);
        for end in [low, high] {
            svg.line("interval", [x - 5.0, y.at(end)], [x + 5.0, y.at(end)]);
        }
    }
    if let Some(recall) = bin.recall {
        svg.circle("estimate", [x, y.at(recall)], 5.0);
    }
}

/// What dot, bar and the numbers above stand for.
fn legend(svg: &mut Svg) {
    let (left, y) = (SNR[0], SIZE[1] - 18.0);
    svg.line("interval", [left, y - 4.0], [left + 28.0, y - 4.0]);
    svg.circle("estimate", [left + 14.0, y - 4.0], 5.0);
    let text = "recall with its 95 % interval; above, the number of incidents; below, the range";
    svg.text("legend", [left + 36.0, y], Anchor::Start, text);
}

/// The chart in a sentence, for those who listen.
fn describe(curve: &RecallCurve) -> String {
    let Some((hardest, easiest)) = curve.overall.first().zip(curve.overall.last()) else {
        return "No incident says its signal to noise. The table below holds the magnitudes."
            .to_owned();
    };
    let say = |bin: &RecallBin| {
        format!(
            "{} over {} at {}",
            ratio(bin.recall),
            plural(bin.labels, "incident"),
            range(bin)
        )
    };
    format!(
        "By signal to noise, recall is {} and {}. The table below holds each range and kind.",
        say(hardest),
        say(easiest)
    )
}
