//! `detection.png`: recall and precision per kind with their intervals.

use floodmark_contracts::result::{Baseline, RunResult, Scores};

use super::canvas::{Anchor, BLUE, Canvas, Drawn, FAINT, GRID, INK, ORANGE, Stroke};
use crate::chart::Scale;

const TOP: f64 = 156.0;
const BOTTOM: f64 = 670.0;

/// Left and right edge of the two diagrams.
const RECALL: [f64; 2] = [290.0, 820.0];
const PRECISION: [f64; 2] = [870.0, 1400.0];

/// A figure with its interval, and what chance would score.
type Estimate = (Option<(f64, [f64; 2])>, Option<f64>);

/// Draws one row for all kinds together and one for each.
pub(super) fn draw(canvas: &Canvas<'_>, result: &RunResult, title: &str) -> Drawn {
    let detection = &result.detection;
    canvas.title(&format!("Detection · {title}"))?;
    legend(canvas)?;
    for (edges, name) in [(RECALL, "Recall"), (PRECISION, "Precision")] {
        axis(canvas, edges, name)?;
    }
    let height = (BOTTOM - TOP) / (detection.per_kind.len() + 1) as f64;
    // Few rows stand close together rather than far apart.
    let height = height.min(52.0);
    let at = |row: usize| TOP + (row as f64 + 0.5) * height;
    let overall = Some(&detection.random_baseline);
    row(canvas, at(0), "all kinds", &detection.overall, overall)?;
    for (i, (kind, scores)) in detection.per_kind.iter().enumerate() {
        let baseline = detection.random_baseline_per_kind.get(kind);
        row(canvas, at(i + 1), kind.name(), scores, baseline)?;
    }
    Ok(())
}

/// Grid, ticks and name of one diagram.
fn axis(canvas: &Canvas<'_>, edges: [f64; 2], name: &str) -> Drawn {
    let x = Scale::new([0.0, 1.0], edges);
    canvas.text([edges[0], TOP - 22.0], 22, INK, Anchor::Left, name)?;
    for tick in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        canvas.line(
            [x.at(tick), TOP],
            [x.at(tick), BOTTOM],
            Stroke::solid(GRID, 1),
        )?;
        let below = [x.at(tick), BOTTOM + 22.0];
        canvas.text(below, 18, INK, Anchor::Middle, &format!("{tick}"))?;
    }
    canvas.line(
        [edges[0], BOTTOM],
        [edges[1], BOTTOM],
        Stroke::solid(FAINT, 1),
    )
}

/// A kind in both diagrams.
fn row(
    canvas: &Canvas<'_>,
    y: f64,
    name: &str,
    scores: &Scores,
    baseline: Option<&Baseline>,
) -> Drawn {
    canvas.text([RECALL[0] - 22.0, y], 20, INK, Anchor::Right, name)?;
    let recall = scores.recall.zip(scores.recall_interval);
    let chance = baseline.and_then(|b| b.recall);
    estimate(canvas, RECALL, y, (recall, chance))?;
    let precision = scores.precision.zip(scores.precision_interval);
    let chance = baseline.and_then(|b| b.deduplicated_precision);
    estimate(canvas, PRECISION, y, (precision, chance))
}

/// A figure with its interval, above the diamond where chance stands.
fn estimate(canvas: &Canvas<'_>, edges: [f64; 2], y: f64, (figure, chance): Estimate) -> Drawn {
    let x = Scale::new([0.0, 1.0], edges);
    if let Some(chance) = chance {
        canvas.diamond([x.at(chance), y], 8.0, ORANGE)?;
    }
    let Some((value, [low, high])) = figure else {
        let middle = [f64::midpoint(edges[0], edges[1]), y];
        return canvas.text(middle, 18, FAINT, Anchor::Middle, "undefined");
    };
    let stroke = Stroke::solid(BLUE, 3);
    canvas.line([x.at(low), y], [x.at(high), y], stroke)?;
    for end in [low, high] {
        canvas.line([x.at(end), y - 7.0], [x.at(end), y + 7.0], stroke)?;
    }
    canvas.circle([x.at(value), y], 7, BLUE)
}

/// What dot, bar and diamond stand for.
fn legend(canvas: &Canvas<'_>) -> Drawn {
    let y = 92.0;
    canvas.line([44.0, y], [88.0, y], Stroke::solid(BLUE, 3))?;
    canvas.circle([66.0, y], 7, BLUE)?;
    let text = "value with its 95 % interval";
    canvas.text([98.0, y], 20, INK, Anchor::Left, text)?;
    canvas.diamond([436.0, y], 8.0, ORANGE)?;
    let text = "alerts placed at random at the same rate";
    canvas.text([454.0, y], 20, INK, Anchor::Left, text)
}
