//! `throughput.png`: offered, sent, acknowledged and consumed over the run.

use super::{
    canvas::{Anchor, BLUE, Canvas, Drawn, FAINT, GREEN, GREY, ORANGE, Stroke},
    frame::{Frame, Tick},
};
use crate::{
    chart::nice_ticks,
    format::{rate, tick},
    model::Model,
};

/// Lines in the order in which they lie over one another: metric of the series, name, stroke.
const LINES: [(&str, &str, Stroke); 4] = [
    ("due", "offered", Stroke::solid(GREY, 7)),
    ("sent", "sent", Stroke::solid(BLUE, 3)),
    (
        "acknowledged",
        "acknowledged",
        Stroke::dashed(ORANGE, 3, [16.0, 9.0]),
    ),
    ("consumed", "consumed", Stroke::dashed(GREEN, 3, [5.0, 6.0])),
];

/// Draws the lines for which the run has series.
pub(super) fn draw(canvas: &Canvas<'_>, model: &Model, title: &str) -> Drawn {
    let drawn = || {
        let lines = LINES.into_iter();
        lines.filter(|(metric, _, _)| !model.series.line(metric).is_empty())
    };
    let values = drawn().flat_map(|(metric, _, _)| model.series.line(metric));
    let highest = values.map(|(_, value)| *value).fold(0.0, f64::max);
    let rates = nice_ticks(highest, 5);
    let frame = Frame::new(
        [0.0, model.end],
        [0.0, rates.last().copied().unwrap_or(1.0)],
    );
    canvas.title(&format!("Throughput · {title}"))?;
    let seconds = nice_ticks(model.end, 10)
        .into_iter()
        .filter(|t| *t <= model.end);
    frame.axes(
        canvas,
        seconds.map(|at| Tick { at, name: tick(at) }),
        rates.iter().map(|at| Tick {
            at: *at,
            name: rate(*at),
        }),
        "seconds since the start of the run",
    )?;
    canvas.legend(drawn().map(|(_, name, stroke)| (name, stroke)))?;
    for (metric, _, stroke) in drawn() {
        let line = model.series.line(metric);
        let values: Vec<[f64; 2]> = line.iter().map(|(t, value)| [*t, *value]).collect();
        canvas.path(&frame.points(&values), stroke)?;
    }
    if drawn().next().is_none() {
        let note = "no time series was recorded";
        canvas.text(frame.middle(), 24, FAINT, Anchor::Middle, note)?;
    }
    Ok(())
}
