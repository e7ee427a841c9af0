//! The forest plot of a comparison: one row for each metric with its change, its interval and its margin.

use floodmark_contracts::compare::Verdict;

use super::{
    scale::{Scale, nice_ticks},
    svg::{Anchor, Svg},
};
use crate::{
    comparison::{Line, badge, reach, signed},
    format::{UNDEFINED, plural, tick},
};

const WIDTH: f64 = 960.0;

/// Edges of the diagram between the names and the texts.
const PLOT: [f64; 2] = [322.0, 672.0];

/// Where changes end and verdicts begin.
const CHANGE: f64 = 832.0;
const VERDICT: f64 = 848.0;

/// Upper edge of the first row, height of each, and what is below the last.
const TOP: f64 = 44.0;
const ROW: f64 = 26.0;
const BELOW: f64 = 82.0;

/// How far inside the edge the mark of a change stands that lies beyond it.
const INSET: f64 = 18.0;

/// Characters of a name, and of a change, that have room.
const NAME: usize = 46;
const TEXT: usize = 24;

/// Metrics that the description names.
const DESCRIBED: usize = 8;

/// Draws the lines; `id` is unique in the page.
pub(crate) fn forest(id: &str, title: &str, lines: &[Line<'_>]) -> String {
    let bottom = TOP + ROW * lines.len().max(1) as f64;
    let size = [WIDTH, bottom + BELOW];
    let mut svg = Svg::new(id, size, title, &describe(lines));
    let ticks = nice_ticks(reach(lines) * 100.0, 3);
    let most = ticks.last().copied().unwrap_or(1.0) / 100.0;
    let x = Scale::new([-most, most], PLOT);
    frame(&mut svg, &x, &ticks, bottom);
    for (i, line) in lines.iter().enumerate() {
        let y = TOP + ROW * (i as f64 + 0.5);
        row(&mut svg, line, &x, y, most);
    }
    if lines.is_empty() {
        let middle = [f64::midpoint(PLOT[0], PLOT[1]), TOP + ROW * 0.7];
        svg.text("note", middle, Anchor::Middle, "no metric");
    }
    legend(&mut svg, bottom + BELOW - 12.0);
    svg.finish()
}

/// Sides, grid and names of the columns.
fn frame(svg: &mut Svg, x: &Scale, ticks: &[f64], bottom: f64) {
    let [left, right] = PLOT;
    let zero = x.at(0.0);
    let height = bottom - TOP;
    svg.rect("side-good", [left, TOP], [zero - left, height]);
    svg.rect("side-bad", [zero, TOP], [right - zero, height]);
    svg.text("panel-name", [0.0, 22.0], Anchor::Start, "Metric");
    svg.text("panel-name", [zero - 12.0, 22.0], Anchor::End, "← better");
    svg.text("panel-name", [zero + 12.0, 22.0], Anchor::Start, "worse →");
    svg.text("panel-name", [CHANGE, 22.0], Anchor::End, "Change");
    svg.text("panel-name", [VERDICT, 22.0], Anchor::Start, "Verdict");
    for at in ticks {
        for side in if *at == 0.0 { &[1.0][..] } else { &[-1.0, 1.0] } {
            let along = x.at(at / 100.0 * side);
            let class = if *at == 0.0 { "axis" } else { "grid" };
            svg.line(class, [along, TOP], [along, bottom]);
            let below = [along, bottom + 16.0];
            svg.text("tick", below, Anchor::Middle, &tick_name(*at));
        }
    }
    let below = [f64::midpoint(left, right), bottom + 34.0];
    let text = "per cent of the base; a rate that falls is worse";
    svg.text("axis-name", below, Anchor::Middle, text);
}

fn tick_name(percent: f64) -> String {
    if percent == 0.0 {
        "0".to_owned()
    } else if percent < 1.0 {
        format!("{percent} %")
    } else {
        format!("{} %", tick(percent))
    }
}

/// A metric: band of the margin, interval, median, texts.
fn row(svg: &mut Svg, line: &Line<'_>, x: &Scale, y: f64, most: f64) {
    let metric = line.metric;
    let base = y + 4.0;
    svg.line("grid", [0.0, y + ROW / 2.0], [WIDTH, y + ROW / 2.0]);
    let name = shortened(&metric.name, NAME);
    svg.text("row-name", [0.0, base], Anchor::Start, &name);
    if let Some([low, high]) = line.margin {
        let (from, to) = (x.at(low), x.at(high));
        svg.rect("margin", [from, y - 8.0], [to - from, 16.0]);
    }
    if let Some(ends) = line.interval {
        let [low, high] = ends.map(|end| x.at(end));
        svg.line("interval", [low, y], [high, y]);
        for (end, at) in ends.into_iter().zip([low, high]) {
            if end.abs() > most {
                arrow(svg, [at, y], end.signum());
            } else {
                svg.line("interval", [at, y - 5.0], [at, y + 5.0]);
            }
        }
    }
    match line.effect {
        Some(effect) if effect.abs() > most => {
            let edge = x.at(effect);
            arrow(svg, [edge, y], effect.signum());
            mark(svg, [edge - INSET * effect.signum(), y], metric.verdict);
        }
        Some(effect) => mark(svg, [x.at(effect), y], metric.verdict),
        None => {
            let middle = [f64::midpoint(PLOT[0], PLOT[1]), base];
            svg.text("note", middle, Anchor::Middle, "nothing to draw");
        }
    }
    let change = metric
        .effect
        .map_or_else(|| UNDEFINED.to_owned(), |effect| signed(metric, effect));
    let change = shortened(&change, TEXT);
    svg.text("row-name", [CHANGE, base], Anchor::End, &change);
    let (sign, word) = badge(metric.verdict);
    let verdict = format!("{sign} {}", word.to_lowercase());
    svg.text("row-name", [VERDICT, base], Anchor::Start, &verdict);
}

/// The end of what goes on beyond the edge.
fn arrow(svg: &mut Svg, [x, y]: [f64; 2], way: f64) {
    let back = x - 8.0 * way;
    svg.polyline(
        "interval beyond",
        &[[back, y - 5.0], [x, y], [back, y + 5.0]],
    );
}

/// A verdict is a shape as well as a colour.
fn mark(svg: &mut Svg, at: [f64; 2], verdict: Verdict) {
    match verdict {
        Verdict::Regressed => {
            svg.circle("mark-paper", at, 7.0);
            svg.cross("mark-bad", at, 5.0);
        }
        Verdict::Improved => svg.diamond("mark-good", at, 7.0),
        Verdict::Equivalent => svg.circle("estimate", at, 4.5),
        Verdict::Inconclusive => svg.circle("mark-open", at, 4.5),
        Verdict::Invalid | Verdict::NotCompared => svg.circle("mark-small", at, 3.0),
    }
}

fn legend(svg: &mut Svg, y: f64) {
    let mut x = 8.0;
    for (verdict, name) in [
        (Verdict::Regressed, "regressed"),
        (Verdict::Improved, "improved"),
        (Verdict::Equivalent, "equivalent"),
        (Verdict::Inconclusive, "inconclusive"),
        (Verdict::NotCompared, "without a verdict"),
    ] {
        mark(svg, [x, y - 4.0], verdict);
        svg.text("legend", [x + 12.0, y], Anchor::Start, name);
        x += 34.0 + name.len() as f64 * 7.0;
    }
    svg.rect("margin", [x, y - 12.0], [26.0, 16.0]);
    let text = "margin: changes that do not matter";
    svg.text("legend", [x + 34.0, y], Anchor::Start, text);
    x += 50.0 + text.len() as f64 * 6.6;
    svg.line("interval", [x, y - 4.0], [x + 26.0, y - 4.0]);
    svg.text("legend", [x + 34.0, y], Anchor::Start, "95 % interval");
}

/// A text that fits its column.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// The plot in words, for those who listen.
fn describe(lines: &[Line<'_>]) -> String {
    let said: Vec<String> = lines
        .iter()
        .take(DESCRIBED)
        .map(|line| {
            let metric = line.metric;
            let (_, word) = badge(metric.verdict);
            let change = metric.effect.map_or_else(String::new, |effect| {
                format!(", {}", signed(metric, effect))
            });
            format!("{}: {}{change}", metric.name, word.to_lowercase())
        })
        .collect();
    let more = match lines.len().saturating_sub(DESCRIBED) {
        0 => String::new(),
        n => format!(" And {n} more."),
    };
    format!(
        "Changes of {} with their intervals; worse is to the right. {}.{more} The table holds the same figures.",
        plural(lines.len() as u64, "metric"),
        said.join("; ")
    )
}
