//! `search.png`: the rate of every trial, and the interval that was found.

use floodmark_contracts::search::{SearchResult, TrialVerdict};

use super::{
    canvas::{Anchor, BLUE, Canvas, Drawn, FAINT, GREEN, GREY, ORANGE, Stroke},
    frame::{Frame, Tick},
};
use crate::{
    chart::nice_ticks,
    format::{rate, tick},
};

/// Draws every trial with what it said.
pub(super) fn draw(canvas: &Canvas<'_>, result: &SearchResult) -> Drawn {
    let count = result.trials.len().max(1) as f64;
    let highest = result
        .trials
        .iter()
        .map(|trial| trial.rate)
        .fold(0.0, f64::max);
    let rates = nice_ticks(highest, 5);
    let frame = Frame::new(
        [0.5, count + 0.5],
        [0.0, rates.last().copied().unwrap_or(1.0)],
    );
    canvas.title(&format!("Sustained rate · {}", result.profile))?;
    let trials = nice_ticks(count, 10).into_iter();
    let trials = trials.filter(|at| at.fract() == 0.0 && *at >= 1.0 && *at <= count);
    frame.axes(
        canvas,
        trials.map(|at| Tick { at, name: tick(at) }),
        rates.iter().map(|at| Tick {
            at: *at,
            name: rate(*at),
        }),
        "trial",
    )?;
    let ends = [
        (
            "highest sustained",
            result.sustained,
            Stroke::solid(GREEN, 3),
        ),
        (
            "lowest that is not",
            result.not_sustained,
            Stroke::dashed(ORANGE, 3, [16.0, 9.0]),
        ),
    ];
    let known = || ends.iter().filter(|(_, end, _)| end.is_some());
    canvas.legend(known().map(|(name, _, stroke)| (*name, *stroke)))?;
    for (_, end, stroke) in known() {
        let at = end.unwrap_or_default();
        canvas.path(&frame.points(&[[0.5, at], [count + 0.5, at]]), *stroke)?;
    }
    for (number, trial) in (1..).zip(&result.trials) {
        let number: i32 = number;
        for at in frame.points(&[[f64::from(number), trial.rate]]) {
            match trial.verdict {
                TrialVerdict::Sustained => canvas.circle(at, 8, BLUE)?,
                TrialVerdict::NotSustained => canvas.diamond(at, 9.0, ORANGE)?,
                TrialVerdict::Void => canvas.circle(at, 5, GREY)?,
            }
        }
    }
    if result.trials.is_empty() {
        let note = "nothing was tried";
        canvas.text(frame.middle(), 24, FAINT, Anchor::Middle, note)?;
    }
    Ok(())
}
