//! A metric over stored results, with the places at which it changed.

use floodmark_contracts::history::{ChangePoint, History, MetricHistory};

use super::{
    axis::ValueAxis,
    forest::shortened,
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::format::{day, plural};

const SIZE: [f64; 2] = [960.0, 236.0];
const LEFT: f64 = 96.0;
const RIGHT: f64 = 946.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 192.0;

/// Dates below the axis that have room side by side.
const DATES: usize = 8;

/// With more results dots would only hide the line.
const DOTTED: usize = 160;

/// Pixels between numbers of changes that stand side by side.
const APART: f64 = 18.0;

/// Characters of a name that have room above a chart.
const NAME: usize = 90;

/// Draws the metric; `id` is unique in the page. Changes are numbered from 1 on.
pub(crate) fn trend(id: &str, history: &History, metric: &MetricHistory) -> String {
    let title = format!("{} over the results", metric.name);
    let mut svg = Svg::new(id, SIZE, &title, &describe(history, metric));
    let name = shortened(&metric.name, NAME);
    svg.text("panel-name strong", [0.0, 20.0], Anchor::Start, &name);
    let axis = ValueAxis::new(&metric.unit, metric.values.iter().flatten().copied(), 4);
    let y = Scale::new(axis.range(), [BOTTOM, TOP]);
    for (at, name) in axis.ticks() {
        svg.line("grid", [LEFT, y.at(at)], [RIGHT, y.at(at)]);
        svg.text("tick", [LEFT - 8.0, y.at(at) + 4.0], Anchor::End, &name);
    }
    let count = metric.values.len().max(1);
    let x = Scale::new([0.0, count as f64], [LEFT, RIGHT]);
    dates(&mut svg, history, &x);
    levels(&mut svg, metric, &x, &y);
    line(&mut svg, &metric.values, &x, &y);
    numbers(&mut svg, &metric.changes, &x);
    if metric.values.iter().all(Option::is_none) {
        let middle = [f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "undefined in all results");
    }
    svg.finish()
}

/// The axis with dates of some of the results.
fn dates(svg: &mut Svg, history: &History, x: &Scale) {
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    let every = history.points.len().div_ceil(DATES).max(1);
    for (i, point) in history.points.iter().enumerate().step_by(every) {
        let at = x.at(i as f64 + 0.5);
        svg.line("axis", [at, BOTTOM], [at, BOTTOM + 4.0]);
        let below = [at, BOTTOM + 18.0];
        svg.text("tick", below, Anchor::Middle, &day(point.started_at));
    }
    let below = [f64::midpoint(LEFT, RIGHT), BOTTOM + 38.0];
    svg.text("axis-name", below, Anchor::Middle, "results in their order");
}

/// Lines between known values, with a dot for each where there is room.
fn line(svg: &mut Svg, values: &[Option<f64>], x: &Scale, y: &Scale) {
    let at = |i: usize, value: f64| [x.at(i as f64 + 0.5), y.at(value)];
    let all: Vec<Option<[f64; 2]>> = values
        .iter()
        .enumerate()
        .map(|(i, value)| value.map(|value| at(i, value)))
        .collect();
    for part in all.split(Option::is_none) {
        let points: Vec<[f64; 2]> = part.iter().flatten().copied().collect();
        if points.len() > 1 {
            svg.polyline("series sent thin", &points);
        }
        if values.len() <= DOTTED || points.len() == 1 {
            for point in points {
                svg.circle("estimate", point, 3.5);
            }
        }
    }
}

/// The medians between changes.
fn levels(svg: &mut Svg, metric: &MetricHistory, x: &Scale, y: &Scale) {
    let Some(first) = metric.changes.first() else {
        return;
    };
    let mut from = 0.0;
    let mut level = first.before;
    for change in &metric.changes {
        let at = f64::from(change.at);
        svg.line("level", [x.at(from), y.at(level)], [x.at(at), y.at(level)]);
        svg.line("mark", [x.at(at), TOP - 8.0], [x.at(at), BOTTOM]);
        (from, level) = (at, change.after);
    }
    svg.line("level", [x.at(from), y.at(level)], [RIGHT, y.at(level)]);
}

/// The number of each change above its mark, on the first of two levels that is free there.
fn numbers(svg: &mut Svg, changes: &[ChangePoint], x: &Scale) {
    let mut taken = [f64::NEG_INFINITY; 2];
    for (number, change) in (1..).zip(changes) {
        let number: u32 = number;
        let at = x.at(f64::from(change.at));
        let Some(level) = taken.iter().position(|before| at - before >= APART) else {
            continue;
        };
        taken[level] = at;
        let above = [at, TOP - 12.0 - level as f64 * 13.0];
        svg.text("change-number", above, Anchor::Middle, &number.to_string());
    }
}

/// The chart in a sentence, for those who listen.
fn describe(history: &History, metric: &MetricHistory) -> String {
    let known = metric.values.iter().flatten().count();
    format!(
        "{known} of {} have the metric; {} were found, which the list below the chart describes.",
        plural(history.points.len() as u64, "result"),
        plural(metric.changes.len() as u64, "change")
    )
}
