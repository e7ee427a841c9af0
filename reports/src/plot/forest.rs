//! `comparison.png`: the gated metrics with their changes, intervals and margins.

use floodmark_contracts::compare::{Comparison, MetricComparison, Verdict};

use super::canvas::{
    Anchor, BLUE, Canvas, Drawn, FAINT, GREEN, GREY, GRID, INK, ORANGE, PAPER, Stroke,
};
use crate::{
    chart::{Scale, nice_ticks, shortened},
    comparison::{Line, badge, lines, reach, signed},
    format::{UNDEFINED, tick},
};

const TOP: f64 = 140.0;
const BOTTOM: f64 = 620.0;

/// Left and right edge of the diagram.
const PLOT: [f64; 2] = [470.0, 1000.0];

/// Where the columns of texts stand.
const NAME: f64 = 40.0;
const CHANGE: f64 = 1200.0;
const VERDICT: f64 = 1224.0;

/// Height of a row where there are few.
const HIGHEST: f64 = 80.0;

/// Rows that have room.
const ROWS: usize = 20;

/// Characters of a name, and of a change, that have room.
const NAME_LENGTH: usize = 40;
const CHANGE_LENGTH: usize = 17;

/// Draws one row for each gated metric.
pub(super) fn draw(canvas: &Canvas<'_>, comparison: &Comparison) -> Drawn {
    let (sign, word) = badge(comparison.verdict);
    let advisory = if comparison.advisory.is_empty() {
        ""
    } else {
        " (advisory)"
    };
    canvas.title(&format!(
        "{sign} {word}{advisory} · {} against {}",
        comparison.cand.name, comparison.base.name
    ))?;
    let gated: Vec<&MetricComparison> = comparison.metrics.iter().filter(|m| m.gated).collect();
    let lines = lines(&gated);
    let shown = &lines[..lines.len().min(ROWS)];
    let ticks = nice_ticks(reach(shown) * 100.0, 3);
    let most = ticks.last().copied().unwrap_or(1.0) / 100.0;
    let x = Scale::new([-most, most], PLOT);
    let height = ((BOTTOM - TOP) / shown.len().max(1) as f64).min(HIGHEST);
    let bottom = TOP + shown.len().max(1) as f64 * height;
    axis(canvas, &x, &ticks, bottom)?;
    for (i, line) in shown.iter().enumerate() {
        row(canvas, line, &x, TOP + (i as f64 + 0.5) * height, height)?;
    }
    let note = match lines.len() - shown.len() {
        0 if lines.is_empty() => "no metric is gated".to_owned(),
        0 => return Ok(()),
        n => format!("and {n} more gated metrics"),
    };
    let middle = f64::midpoint(PLOT[0], PLOT[1]);
    let at = if lines.is_empty() {
        TOP + 60.0
    } else {
        TOP - 8.0
    };
    canvas.text([middle, at], 20, FAINT, Anchor::Middle, &note)
}

/// Sides, grid and what the axis is in.
fn axis(canvas: &Canvas<'_>, x: &Scale, ticks: &[f64], bottom: f64) -> Drawn {
    let zero = x.at(0.0);
    for (at, anchor, text) in [
        (zero - 18.0, Anchor::Right, "← better"),
        (zero + 18.0, Anchor::Left, "worse →"),
    ] {
        canvas.text([at, TOP - 36.0], 22, INK, anchor, text)?;
    }
    for at in ticks {
        for side in if *at == 0.0 { &[1.0][..] } else { &[-1.0, 1.0] } {
            let along = x.at(at / 100.0 * side);
            let stroke = Stroke::solid(if *at == 0.0 { FAINT } else { GRID }, 1);
            canvas.line([along, TOP], [along, bottom], stroke)?;
            let name = if at.fract() == 0.0 {
                format!("{} %", tick(*at))
            } else {
                format!("{at} %")
            };
            canvas.text([along, bottom + 22.0], 18, INK, Anchor::Middle, &name)?;
        }
    }
    let below = [f64::midpoint(PLOT[0], PLOT[1]), bottom + 54.0];
    let text = "median change, 95 % interval; grey: changes that do not matter";
    canvas.text(below, 18, FAINT, Anchor::Middle, text)
}

/// A metric.
fn row(canvas: &Canvas<'_>, line: &Line<'_>, x: &Scale, y: f64, height: f64) -> Drawn {
    let metric = line.metric;
    let name = shortened(&metric.name, NAME_LENGTH);
    canvas.text([NAME, y], 19, INK, Anchor::Left, &name)?;
    if let Some([low, high]) = line.margin {
        let width = (height * 0.5).min(22.0);
        canvas.band([x.at(low), y - width / 2.0], [x.at(high), y + width / 2.0])?;
    }
    if let Some(ends) = line.interval {
        let [low, high] = ends.map(|end| x.at(end));
        let stroke = Stroke::solid(BLUE, 3);
        canvas.line([low, y], [high, y], stroke)?;
        for (end, at) in ends.into_iter().zip([low, high]) {
            // What goes on beyond the edge has no end.
            if x.at(end) > PLOT[0] && x.at(end) < PLOT[1] {
                canvas.line([at, y - 7.0], [at, y + 7.0], stroke)?;
            }
        }
    }
    match line.effect {
        Some(effect) => {
            let at = x.at(effect);
            let way = effect.signum();
            // Beyond the edge: the mark stands inside, an arrow says that it goes on.
            if at <= PLOT[0] || at >= PLOT[1] {
                let arrow = if way > 0.0 { "→" } else { "←" };
                canvas.text([at + way * 24.0, y], 22, INK, Anchor::Middle, arrow)?;
            }
            mark(canvas, [at, y], metric.verdict)?;
        }
        None => {
            let middle = [f64::midpoint(PLOT[0], PLOT[1]), y];
            canvas.text(middle, 18, FAINT, Anchor::Middle, "nothing to draw")?;
        }
    }
    let change = metric
        .effect
        .map_or_else(|| UNDEFINED.to_owned(), |effect| signed(metric, effect));
    let change = shortened(&change, CHANGE_LENGTH);
    canvas.text([CHANGE, y], 19, INK, Anchor::Right, &change)?;
    let (sign, word) = badge(metric.verdict);
    let verdict = format!("{sign} {}", word.to_lowercase());
    canvas.text([VERDICT, y], 19, INK, Anchor::Left, &verdict)
}

/// A verdict is a shape as well as a colour.
fn mark(canvas: &Canvas<'_>, at: [f64; 2], verdict: Verdict) -> Drawn {
    match verdict {
        Verdict::Regressed => {
            let [x, y] = at;
            let stroke = Stroke::solid(ORANGE, 5);
            canvas.line([x - 9.0, y - 9.0], [x + 9.0, y + 9.0], stroke)?;
            canvas.line([x - 9.0, y + 9.0], [x + 9.0, y - 9.0], stroke)
        }
        Verdict::Improved => canvas.diamond(at, 11.0, GREEN),
        Verdict::Equivalent => canvas.circle(at, 8, BLUE),
        Verdict::Inconclusive => {
            canvas.circle(at, 8, BLUE)?;
            canvas.circle(at, 5, PAPER)
        }
        Verdict::Invalid | Verdict::NotCompared => canvas.circle(at, 5, GREY),
    }
}
