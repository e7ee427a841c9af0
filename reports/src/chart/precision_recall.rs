//! Precision over recall at every threshold of the alerts' scores, beside what chance would score.

use floodmark_contracts::{
    accuracy::{ThresholdPoint, Thresholds},
    result::Detection,
};

use super::{
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::format::{number, plural, ratio};

const SIZE: [f64; 2] = [960.0, 380.0];

/// The diagram: nearly square, as both axes are shares.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 530.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 326.0;

/// Where the legend begins, and the height of one of its lines.
const LEGEND: f64 = 570.0;
const LINE: f64 = 46.0;

/// Draws the curve; nothing where [`undefined`] says why.
pub(crate) fn precision_recall(detection: &Detection) -> Option<String> {
    let thresholds = &detection.accuracy.thresholds;
    let last = thresholds.curve.last()?;
    let mut svg = Svg::new(
        "precision-recall",
        SIZE,
        "Precision and recall over the scores of alerts",
        &describe(thresholds, last),
    );
    let x = Scale::new([0.0, 1.0], [LEFT, RIGHT]);
    let y = Scale::new([0.0, 1.0], [BOTTOM, TOP]);
    axes(&mut svg, x, y);
    let mut legend = Legend::default();
    // Chance first, so that the curve lies over it where they meet.
    if let Some(random) = thresholds.random_average_precision {
        svg.line("level", [LEFT, y.at(random)], [RIGHT, y.at(random)]);
        let text = format!("average precision at random: {random:.3}");
        legend.line(
            &mut svg,
            "level",
            &text,
            "the same scores on alerts placed at random",
        );
    }
    let baseline = &detection.random_baseline;
    if let Some((recall, precision)) = baseline.recall.zip(baseline.deduplicated_precision) {
        svg.diamond("chance", [x.at(recall), y.at(precision)], 5.0);
        let at = legend.next();
        svg.diamond("chance", [at[0] + 14.0, at[1] - 4.0], 5.0);
        let text = format!("at random: recall {recall:.3}, precision {precision:.3}");
        legend.text(
            &mut svg,
            &text,
            "as many alerts, placed at random, whatever their scores",
        );
    }
    svg.polyline("series recall", &steps(&thresholds.curve, x, y));
    if let Some(area) = thresholds.average_precision {
        let text = format!("average precision: {area:.3}");
        let more = format!(
            "{}, highest score first",
            plural(thresholds.scored, "alert")
        );
        legend.line(&mut svg, "series recall", &text, &more);
    }
    if let Some((point, f1)) = oracle(thresholds) {
        svg.diamond(
            "mark-open",
            [x.at(point.recall), y.at(point.precision)],
            7.0,
        );
        let at = legend.next();
        svg.diamond("mark-open", [at[0] + 14.0, at[1] - 4.0], 7.0);
        let text = format!(
            "highest F1: {f1:.3} at scores from {}",
            number(point.threshold)
        );
        legend.text(
            &mut svg,
            &text,
            "chosen with the labels in hand, as no detector can",
        );
    }
    svg.circle("estimate", [x.at(last.recall), y.at(last.precision)], 5.5);
    let at = legend.next();
    svg.circle("estimate", [at[0] + 14.0, at[1] - 4.0], 5.5);
    let text = format!(
        "the detector as it runs: {:.3}, {:.3}",
        last.recall, last.precision
    );
    let more = format!(
        "recall and precision of all its alerts, scores from {}",
        number(last.threshold)
    );
    legend.text(&mut svg, &text, &more);
    Some(svg.finish())
}

/// Why there is no curve, as a sentence; `None` where there is one.
pub(crate) fn undefined(detection: &Detection) -> Option<String> {
    let thresholds = &detection.accuracy.thresholds;
    if !thresholds.curve.is_empty() {
        return None;
    }
    let counted = thresholds.scored + thresholds.unscored;
    let why = match (detection.overall.labels, counted, thresholds.unscored) {
        (0, _, _) => "no incident counts, so that there is nothing to recall".to_owned(),
        (_, 0, _) => "no alert counts, so that there is no score".to_owned(),
        (_, all, unscored) if unscored > 0 => format!(
            "{unscored} of {} carry no score, and a curve of the others would not be the detector’s",
            plural(all, "alert")
        ),
        _ => "the result does not hold it".to_owned(),
    };
    Some(format!(
        "There is no curve of precision over recall: {why}."
    ))
}

/// Grid, ticks and names of both axes.
fn axes(svg: &mut Svg, x: Scale, y: Scale) {
    let above = [LEFT, 22.0];
    svg.text(
        "panel-name strong",
        above,
        Anchor::Start,
        "Precision (upwards) over recall",
    );
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line("grid", [x.at(tick), TOP], [x.at(tick), BOTTOM]);
        svg.line("grid", [LEFT, y.at(tick)], [RIGHT, y.at(tick)]);
        let below = [x.at(tick), BOTTOM + 16.0];
        svg.text("tick", below, Anchor::Middle, &format!("{tick}"));
        let beside = [LEFT - 8.0, y.at(tick) + 4.0];
        svg.text("tick", beside, Anchor::End, &format!("{tick}"));
    }
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    svg.line("axis", [LEFT, TOP], [LEFT, BOTTOM]);
    let below = [f64::midpoint(LEFT, RIGHT), BOTTOM + 38.0];
    svg.text("axis-name", below, Anchor::Middle, "recall");
}

/// The curve in the steps that the average precision adds up: what is found in a step has the precision at its end.
fn steps(curve: &[ThresholdPoint], x: Scale, y: Scale) -> Vec<[f64; 2]> {
    let mut points = Vec::with_capacity(curve.len() * 2);
    let mut before = 0.0;
    for point in curve {
        points.push([x.at(before), y.at(point.precision)]);
        points.push([x.at(point.recall), y.at(point.precision)]);
        before = point.recall;
    }
    points
}

/// The point with the highest F1, if the curve that was kept has it, and its F1.
fn oracle(thresholds: &Thresholds) -> Option<(&ThresholdPoint, f64)> {
    let (at, f1) = thresholds.oracle_threshold.zip(thresholds.oracle_f1)?;
    let point = thresholds
        .curve
        .iter()
        .find(|point| point.threshold == at)?;
    Some((point, f1))
}

/// Lines beside the diagram, one below the other.
#[derive(Default)]
struct Legend {
    lines: u32,
}

impl Legend {
    /// Where the next line begins.
    fn next(&self) -> [f64; 2] {
        [LEGEND, TOP + 24.0 + f64::from(self.lines) * LINE]
    }

    fn line(&mut self, svg: &mut Svg, class: &str, text: &str, more: &str) {
        let [x, y] = self.next();
        svg.line(class, [x, y - 4.0], [x + 28.0, y - 4.0]);
        self.text(svg, text, more);
    }

    /// Beside a mark that stands there already.
    fn text(&mut self, svg: &mut Svg, text: &str, more: &str) {
        let [x, y] = self.next();
        svg.text("legend", [x + 38.0, y], Anchor::Start, text);
        svg.text("note", [x + 38.0, y + 16.0], Anchor::Start, more);
        self.lines += 1;
    }
}

/// The chart in a sentence, for those who listen.
fn describe(thresholds: &Thresholds, last: &ThresholdPoint) -> String {
    format!(
        "Over {}, average precision is {}, and {} for the same scores on alerts placed at random. With all alerts recall is \
         {:.3} and precision {:.3}.",
        plural(thresholds.scored, "alert with a score"),
        ratio(thresholds.average_precision),
        ratio(thresholds.random_average_precision),
        last.recall,
        last.precision
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_finds_has_the_precision_at_its_end() {
        let unit = Scale::new([0.0, 1.0], [0.0, 1.0]);
        let point = |threshold, precision, recall| ThresholdPoint {
            threshold,
            precision,
            recall,
        };
        let curve = [point(0.9, 1.0, 0.25), point(0.5, 0.75, 0.75)];
        let drawn = steps(&curve, unit, unit);
        assert_eq!(drawn, [[0.0, 1.0], [0.25, 1.0], [0.25, 0.75], [0.75, 0.75]]);
        // The area below the drawn line is the average precision.
        let area: f64 = drawn
            .windows(2)
            .map(|w| (w[1][0] - w[0][0]) * w[1][1])
            .sum();
        assert!((area - (0.25 + 0.5 * 0.75)).abs() < 1e-12);
    }
}
