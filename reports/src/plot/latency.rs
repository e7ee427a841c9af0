//! `latency.png`: the percentile curves.

use floodmark_contracts::result::RunResult;

use super::{
    canvas::{Anchor, BLUE, Canvas, Drawn, FAINT, GREEN, GREY, ORANGE, Stroke},
    frame::{Frame, Tick},
};
use crate::chart::{Curves, decade_name};

/// Draws the curve of every latency that has values.
pub(super) fn draw(canvas: &Canvas<'_>, result: &RunResult, title: &str) -> Drawn {
    let curves = Curves::new(result);
    let frame = Frame::new([0.0, curves.furthest], curves.decades);
    canvas.title(&format!("Latency percentiles · {title}"))?;
    let shares = curves.ticks().map(|(name, at)| Tick { at, name });
    let times = curves.whole_decades().map(|at| Tick {
        at,
        name: decade_name(at),
    });
    let caption = "share of values that are at most this slow";
    frame.axes(canvas, shares, times, caption)?;
    let drawn = || curves.lines.iter().filter(|line| !line.points.is_empty());
    canvas.legend(drawn().map(|line| (line.name, stroke(line.name))))?;
    for line in drawn() {
        canvas.path(&frame.points(&line.points), stroke(line.name))?;
    }
    if drawn().next().is_none() {
        let note = "no latency was measured";
        canvas.text(frame.middle(), 24, FAINT, Anchor::Middle, note)?;
    }
    Ok(())
}

/// The same colours and dashes as in the report.
fn stroke(name: &str) -> Stroke {
    match name {
        "send_lateness" => Stroke::solid(GREY, 4),
        "acknowledge" => Stroke::dashed(ORANGE, 4, [16.0, 9.0]),
        "alert" => Stroke::solid(BLUE, 4),
        _ => Stroke::dashed(GREEN, 4, [5.0, 6.0]),
    }
}
