//! One figure over the axis of a curve, with its interval at each point.

use floodmark_contracts::curve::CurveResult;

use super::{
    scale::{Scale, nice_ticks},
    svg::{Anchor, Svg},
};
use crate::{
    curve::{Figure, along, axis_name, on_axis},
    format::{plural, tick},
};

const SIZE: [f64; 2] = [960.0, 300.0];
const LEFT: f64 = 70.0;
const RIGHT: f64 = 930.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 236.0;

/// Draws the figure; points where it is undefined are left out.
pub(crate) fn curve(result: &CurveResult, figure: Figure) -> String {
    let id = match figure {
        Figure::Recall => "recall-curve",
        Figure::Precision => "precision-curve",
        Figure::AlertP99 => "latency-curve",
    };
    let known: Vec<(f64, f64, Option<[f64; 2]>)> = result
        .points
        .iter()
        .filter_map(|point| {
            let (value, interval) = figure.at(point)?;
            Some((along(result.axis, point.value), value, interval))
        })
        .collect();
    let mut svg = Svg::new(id, SIZE, figure.name(), &describe(result, known.len()));
    svg.text(
        "panel-name strong",
        [LEFT, 22.0],
        Anchor::Start,
        figure.name(),
    );
    let ticks = value_ticks(figure, &known);
    let y = Scale::new([0.0, ticks.last().copied().unwrap_or(1.0)], [BOTTOM, TOP]);
    for at in &ticks {
        svg.line("grid", [LEFT, y.at(*at)], [RIGHT, y.at(*at)]);
        let unit = if figure == Figure::AlertP99 { " s" } else { "" };
        let name = if *at == 0.0 {
            "0".to_owned()
        } else {
            format!("{}{unit}", short(*at))
        };
        svg.text("tick", [LEFT - 8.0, y.at(*at) + 4.0], Anchor::End, &name);
    }
    let x = x_scale(result);
    let points: Vec<[f64; 2]> = known
        .iter()
        .map(|(at, value, _)| [x.at(*at), y.at(*value)])
        .collect();
    svg.polyline("series recall", &points);
    for ([at, height], (_, _, interval)) in points.iter().zip(&known) {
        if let Some([low, high]) = interval {
            svg.line("interval", [*at, y.at(*low)], [*at, y.at(*high)]);
            for end in [low, high] {
                svg.line("interval", [at - 5.0, y.at(*end)], [at + 5.0, y.at(*end)]);
            }
        }
        svg.circle("estimate", [*at, *height], 5.0);
    }
    if known.is_empty() {
        let middle = [f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "not measured at any point");
    }
    x_axis(&mut svg, result, &x);
    svg.finish()
}

/// From a little before the first value to a little behind the last, so that neither stands on an edge.
fn x_scale(result: &CurveResult) -> Scale {
    let values = || {
        let points = result.points.iter();
        points.map(|point| along(result.axis, point.value))
    };
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return Scale::new([0.0, 1.0], [LEFT, RIGHT]);
    }
    let margin = if high > low { (high - low) * 0.04 } else { 0.5 };
    Scale::new([low - margin, high + margin], [LEFT, RIGHT])
}

/// Each value is named; neighbours stand on several levels, so that no name runs into the next.
fn x_axis(svg: &mut Svg, result: &CurveResult, x: &Scale) {
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    for (i, point) in result.points.iter().enumerate() {
        let below = [
            x.at(along(result.axis, point.value)),
            BOTTOM + 16.0 + (i % 2) as f64 * 14.0,
        ];
        svg.text(
            "tick",
            below,
            Anchor::Middle,
            &on_axis(result.axis, point.value),
        );
    }
    let name = [f64::midpoint(LEFT, RIGHT), BOTTOM + 54.0];
    svg.text("axis-name", name, Anchor::Middle, axis_name(result.axis));
}

fn value_ticks(figure: Figure, known: &[(f64, f64, Option<[f64; 2]>)]) -> Vec<f64> {
    if figure != Figure::AlertP99 {
        return vec![0.0, 0.25, 0.5, 0.75, 1.0];
    }
    let highest = known
        .iter()
        .map(|(_, value, interval)| interval.map_or(*value, |[_, high]| high.max(*value)));
    nice_ticks(highest.fold(0.0, f64::max), 4)
}

fn short(value: f64) -> String {
    if value < 1.0 {
        format!("{value}")
    } else {
        tick(value)
    }
}

/// The chart in a sentence, for those who listen.
fn describe(result: &CurveResult, known: usize) -> String {
    format!(
        "{} over {}, of which {known} have the figure. The table below holds each of them.",
        plural(result.points.len() as u64, "point"),
        axis_name(result.axis)
    )
}
