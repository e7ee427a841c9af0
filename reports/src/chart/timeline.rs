//! The time line: rates, lag and latencies over wall time, and below them the incidents with their alerts, all on one axis.
//!
//! Whatever stands at a time says which in `data-` attributes: the page's script draws any part of the run from them. Without
//! it the picture is that of the whole run.

mod lanes;
mod panels;
mod together;

use floodmark_scoring::matching::{Fate, LabelFate};

use self::panels::Panel;
use super::{
    scale::{Scale, nice_ticks},
    svg::{Anchor, Svg},
};
use crate::{
    format::{number, tick},
    model::Model,
};

/// Width of the picture; the page scales it, and lets narrow screens scroll.
const WIDTH: f64 = 960.0;

/// Start of the axis: left of it stand the names of kinds, `impossible-navigation` the longest.
const LEFT: f64 = 160.0;

/// End of the axis, with room for half of the last tick's name.
const RIGHT: f64 = 925.0;

/// Upper end of what stands at a time; the legend of the rates is above.
const TOP: f64 = 40.0;

/// Least width of a fault: a short one of a long run would be too thin to see.
const LEAST_FAULT: f64 = 2.0;

/// Least distance of two lines of rebalances.
const APART: f64 = 2.0;

/// Draws the time line.
pub(crate) fn timeline(model: &Model) -> String {
    let panels = panels::panels(model);
    let lanes_top = TOP + panels.iter().map(Panel::room).sum::<f64>() + 8.0;
    let bottom = lanes_top + lanes::height(model);
    let below = if has_disturbances(model) { 94.0 } else { 74.0 };
    let mut svg = Svg::new(
        "timeline",
        [WIDTH, bottom + below],
        "Time line of the run",
        &describe(model),
    );
    svg.hatch("missed-hatch", "hatch-line");
    svg.clip("timeline-clip", [LEFT, 0.0], [RIGHT - LEFT, bottom]);
    let x = Scale::new([0.0, model.end], [LEFT, RIGHT]);
    panels::rates_legend(&mut svg, model);
    svg.begin(&[
        ("id", "timeline-time"),
        ("data-left", &LEFT.to_string()),
        ("data-right", &RIGHT.to_string()),
        ("data-end", &format!("{:.3}", model.end)),
    ]);
    draw_shades(&mut svg, model, x, bottom);
    let ticks = ticks(model.end);
    svg.begin(&[("id", "timeline-grid")]);
    for t in &ticks {
        svg.line("grid", [x.at(*t), TOP], [x.at(*t), bottom]);
    }
    svg.end();
    let mut top = TOP;
    for panel in &panels {
        panels::draw(&mut svg, model, panel, x, top + 14.0);
        top += panel.room();
    }
    draw_rebalances(&mut svg, model, x, bottom);
    lanes::draw(&mut svg, model, x, lanes_top);
    draw_last_due(&mut svg, model, x, bottom);
    svg.line("axis", [LEFT, bottom], [RIGHT, bottom]);
    svg.begin(&[("id", "timeline-ticks")]);
    for t in &ticks {
        let at = [x.at(*t), bottom + 15.0];
        svg.text("tick", at, Anchor::Middle, &format!("{} s", tick(*t)));
    }
    svg.end();
    svg.end();
    let caption = "wall time since the start of the run";
    svg.text("axis-name", [RIGHT, bottom + 32.0], Anchor::End, caption);
    lanes::legend(&mut svg, bottom + 56.0);
    if has_disturbances(model) {
        disturbances_legend(&mut svg, model, bottom + 80.0);
    }
    svg.finish()
}

/// Round seconds up to the end of the axis.
fn ticks(end: f64) -> Vec<f64> {
    let ticks = nice_ticks(end, 8).into_iter();
    ticks.filter(|t| *t <= end).collect()
}

/// Begins a group that stands at one instant.
fn begin_at(svg: &mut Svg, at: f64) {
    svg.begin(&[("data-at", &format!("{at:.3}"))]);
}

/// Begins a group that lasts; its rectangles are at least `least` wide.
fn begin_span(svg: &mut Svg, [from, until]: [f64; 2], least: f64) {
    let span = format!("{from:.3} {until:.3} {least}");
    svg.begin(&[("data-span", &span)]);
}

/// Instants and spans as titles say them.
fn seconds(from: f64, until: f64) -> String {
    let [from, until] = [from, until].map(|t| format!("{t:.1}"));
    if from == until {
        return format!("at {from} s");
    }
    format!("{from} to {until} s")
}

/// Faults behind everything else, over all diagrams; their names stand above.
fn draw_shades(svg: &mut Svg, model: &Model, x: Scale, bottom: f64) {
    for shade in model.shades.iter().filter(|shade| shade.from <= model.end) {
        let until = shade.until.min(model.end);
        let (left, right) = (x.at(shade.from), x.at(until));
        begin_span(svg, [shade.from, until], LEAST_FAULT);
        let when = seconds(shade.from, shade.until);
        svg.title(&format!("fault {}, {when}: {}", shade.kind, shade.did));
        let width = (right - left).max(LEAST_FAULT);
        svg.rect("fault", [left, TOP], [width, bottom - TOP]);
        svg.text("note", [left, TOP - 3.0], Anchor::Start, shade.kind);
        svg.end();
    }
}

/// Rebalances as lines through all diagrams, each with a diamond at its upper end.
fn draw_rebalances(svg: &mut Svg, model: &Model, x: Scale, bottom: f64) {
    let mut last = f64::NEG_INFINITY;
    for (t, seen) in &model.rebalances {
        let at = x.at(*t);
        if at - last < APART {
            continue;
        }
        last = at;
        begin_at(svg, *t);
        let what = match seen {
            seen if *seen > 1.0 => format!("{seen} rebalances"),
            _ => "a rebalance".to_owned(),
        };
        svg.title(&format!("{what} of the detector's group seen at {t} s"));
        svg.line("rebalance", [at, TOP + 10.0], [at, bottom]);
        svg.diamond("rebalance-mark", [at, TOP + 6.0], 4.0);
        svg.end();
    }
}

/// Where the drain begins, if that is not the end.
fn draw_last_due(svg: &mut Svg, model: &Model, x: Scale, bottom: f64) {
    let end = model.generated_until.filter(|end| *end < model.end * 0.995);
    if let Some(end) = end {
        let at = x.at(end);
        begin_at(svg, end);
        svg.line("mark", [at, TOP], [at, bottom]);
        let above = [at - 4.0, TOP - 3.0];
        svg.text("note", above, Anchor::End, "last event due");
        svg.end();
    }
}

/// Whether anything came between: a fault, or a rebalance.
fn has_disturbances(model: &Model) -> bool {
    !model.shades.is_empty() || !model.rebalances.is_empty()
}

/// What shades and lines through all diagrams stand for.
fn disturbances_legend(svg: &mut Svg, model: &Model, y: f64) {
    let mut at = LEFT;
    if !model.shades.is_empty() {
        svg.rect("fault", [at, y - 10.0], [22.0, 13.0]);
        let text = "fault, named above";
        svg.text("legend", [at + 28.0, y + 1.0], Anchor::Start, text);
        at += 172.0;
    }
    if !model.rebalances.is_empty() {
        svg.line("rebalance", [at + 5.0, y - 6.0], [at + 5.0, y + 5.0]);
        svg.diamond("rebalance-mark", [at + 5.0, y - 9.0], 4.0);
        let text = "rebalance of the detector's group, looked for once a second";
        svg.text("legend", [at + 15.0, y + 1.0], Anchor::Start, text);
    }
}

/// The chart in a sentence, for those who listen.
fn describe(model: &Model) -> String {
    let is_decoy =
        |fate: &&LabelFate| matches!(fate, LabelFate::DecoySpared | LabelFate::DecoyAlerted);
    let fates = &model.matching.labels;
    let decoys = fates.iter().filter(is_decoy).count();
    let found = fates
        .iter()
        .filter(|fate| **fate == LabelFate::Detected)
        .count();
    let wrong = model
        .matching
        .alerts
        .iter()
        .filter(|fate| **fate == Fate::False)
        .count();
    let rebalances = match model.rebalances.len() {
        0 => String::new(),
        n => format!(" Rebalances were seen in {n} seconds."),
    };
    format!(
        "Rates, lag and latencies over {} seconds of wall time; below, {} incidents by kind, {} of \
         them found, and {} alerts, {} of them false.{rebalances} The tables of this report hold the same figures.",
        number(model.end),
        fates.len() - decoys,
        found,
        model.matching.alerts.len(),
        wrong
    )
}
