//! `recall.png`, `precision.png`, `alert-latency.png`: one figure of a curve over its axis.

use floodmark_contracts::curve::CurveResult;

use super::{
    canvas::{Anchor, BLUE, Canvas, Drawn, FAINT, GREY, Stroke},
    frame::{Frame, Tick},
};
use crate::{
    chart::nice_ticks,
    curve::{Figure, along, axis_name, on_axis},
};

/// Names of values that have room side by side.
const NAMED: usize = 12;

/// Draws every point that has the figure, with its interval.
pub(super) fn draw(canvas: &Canvas<'_>, result: &CurveResult, figure: Figure) -> Drawn {
    let known: Vec<(f64, f64, [f64; 2])> = result
        .points
        .iter()
        .filter_map(|point| {
            let (value, interval) = figure.at(point)?;
            let at = along(result.axis, point.value);
            Some((at, value, interval.unwrap_or([value; 2])))
        })
        .collect();
    let values = || {
        let points = result.points.iter();
        points.map(|point| along(result.axis, point.value))
    };
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let margin = if high > low { (high - low) * 0.05 } else { 0.5 };
    let ticks = match figure {
        Figure::AlertP99 => nice_ticks(
            known.iter().map(|(_, _, ends)| ends[1]).fold(0.0, f64::max),
            5,
        ),
        Figure::Recall | Figure::Precision => vec![0.0, 0.25, 0.5, 0.75, 1.0],
    };
    let frame = Frame::new(
        if low <= high {
            [low - margin, high + margin]
        } else {
            [0.0, 1.0]
        },
        [0.0, ticks.last().copied().unwrap_or(1.0)],
    );
    canvas.title(&format!("{} · {}", figure.name(), result.profile))?;
    let every = result.points.len().div_ceil(NAMED).max(1);
    let unit = if figure == Figure::AlertP99 { " s" } else { "" };
    frame.axes(
        canvas,
        result.points.iter().step_by(every).map(|point| Tick {
            at: along(result.axis, point.value),
            name: on_axis(result.axis, point.value),
        }),
        ticks.iter().map(|at| Tick {
            at: *at,
            name: format!("{at}{unit}"),
        }),
        axis_name(result.axis),
    )?;
    let line: Vec<[f64; 2]> = known.iter().map(|(at, value, _)| [*at, *value]).collect();
    if line.len() > 1 {
        canvas.path(&frame.points(&line), Stroke::solid(GREY, 3))?;
    }
    for (at, value, [low, high]) in &known {
        canvas.path(
            &frame.points(&[[*at, *low], [*at, *high]]),
            Stroke::solid(BLUE, 3),
        )?;
        for dot in frame.points(&[[*at, *value]]) {
            canvas.circle(dot, 8, BLUE)?;
        }
    }
    if known.is_empty() {
        let note = "not measured at any point";
        canvas.text(frame.middle(), 24, FAINT, Anchor::Middle, note)?;
    }
    Ok(())
}
