//! Time to detect: the share of all incidents that is found by a delay, missed ones among them.

use floodmark_contracts::accuracy::{Delays, TimeToDetect};

use super::{
    axis::ValueAxis,
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::format::{count, millis};

const SIZE: [f64; 2] = [960.0, 330.0];

/// Upper and lower edge of the diagrams.
const TOP: f64 = 64.0;
const BOTTOM: f64 = 256.0;

/// Left and right edge of the two diagrams.
const EVENT: [f64; 2] = [60.0, 470.0];
const WALL: [f64; 2] = [540.0, 925.0];

/// Draws both curves; nothing where no incident counts.
pub(crate) fn detect(of: &TimeToDetect) -> Option<String> {
    if of.event_ms.undetected.is_empty() && of.wall_ms.undetected.is_empty() {
        return None;
    }
    let mut svg = Svg::new("time-to-detect", SIZE, "Time to detect", &describe(of));
    let from = "from the incident's start to the end of its first alert";
    panel(&mut svg, EVENT, "Found by, event time", from, &of.event_ms);
    let from = "from the first event's due time to the first alert's append time";
    panel(&mut svg, WALL, "Found by, wall time", from, &of.wall_ms);
    legend(&mut svg);
    Some(svg.finish())
}

/// One curve over an axis of its own.
fn panel(svg: &mut Svg, [left, right]: [f64; 2], name: &str, from: &str, delays: &Delays) {
    svg.text("panel-name strong", [left, 22.0], Anchor::Start, name);
    svg.text("note", [left, 40.0], Anchor::Start, from);
    let y = Scale::new([0.0, 1.0], [BOTTOM, TOP]);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line("grid", [left, y.at(tick)], [right, y.at(tick)]);
        let at = [left - 8.0, y.at(tick) + 4.0];
        svg.text("tick", at, Anchor::End, &format!("{tick}"));
    }
    svg.line("axis", [left, BOTTOM], [right, BOTTOM]);
    if delays.undetected.is_empty() {
        let middle = [f64::midpoint(left, right), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "not known");
        return;
    }
    let times = delays.undetected.iter().map(|[at, _]| *at);
    let axis = ValueAxis::new("ms", times.chain([0.0]), 4);
    let x = Scale::new(axis.range(), [left, right]);
    for (at, name) in axis.ticks() {
        svg.line("grid", [x.at(at), BOTTOM], [x.at(at), BOTTOM + 4.0]);
        svg.text("tick", [x.at(at), BOTTOM + 18.0], Anchor::Middle, &name);
    }
    let (found, all) = (delays.found, delays.found + delays.censored);
    let ever = y.at(found as f64 / all.max(1) as f64);
    svg.line("level", [left, ever], [right, ever]);
    let of = format!("{} of {} found at all", count(found), count(all));
    svg.text("note", [left + 6.0, ever - 5.0], Anchor::Start, &of);
    for (share, quantile) in [(0.5, delays.p50), (0.9, delays.p90)] {
        if let Some(at) = quantile {
            svg.line("mark", [x.at(at), y.at(share)], [x.at(at), BOTTOM]);
            svg.circle("mark-open", [x.at(at), y.at(share)], 4.0);
        }
    }
    svg.polyline("series recall", &steps(&delays.undetected, x, y));
}

/// The share found as steps: nothing between two delays is known to be in between.
fn steps(undetected: &[[f64; 2]], x: Scale, y: Scale) -> Vec<[f64; 2]> {
    let mut points: Vec<[f64; 2]> = Vec::with_capacity(undetected.len() * 2 + 1);
    let mut found = 0.0;
    for [at, left] in undetected {
        points.push([x.at(*at), y.at(found)]);
        found = 1.0 - left;
        points.push([x.at(*at), y.at(found)]);
    }
    points
}

/// What line and marks stand for.
fn legend(svg: &mut Svg) {
    let (left, y) = (EVENT[0], SIZE[1] - 14.0);
    svg.line("series recall", [left, y - 4.0], [left + 28.0, y - 4.0]);
    let text = "share of incidents found by then, estimated";
    svg.text("legend", [left + 36.0, y], Anchor::Start, text);
    svg.circle("mark-open", [left + 350.0, y - 4.0], 4.0);
    let text = "half, and nine in ten";
    svg.text("legend", [left + 362.0, y], Anchor::Start, text);
    svg.line("level", [left + 520.0, y - 4.0], [left + 548.0, y - 4.0]);
    let text = "share found at all";
    svg.text("legend", [left + 556.0, y], Anchor::Start, text);
}

/// The chart in a sentence, for those who listen.
fn describe(of: &TimeToDetect) -> String {
    let say = |name: &str, delays: &Delays| {
        let by = |at: Option<f64>| at.map_or_else(|| "never".to_owned(), millis);
        format!(
            "In {name}, of {} incidents half are found by {}, nine in ten by {}.",
            count(delays.found + delays.censored),
            by(delays.p50),
            by(delays.p90)
        )
    };
    let known = [("event time", &of.event_ms), ("wall time", &of.wall_ms)].into_iter();
    let known = known.filter(|(_, delays)| !delays.undetected.is_empty());
    let lines: Vec<String> = known.map(|(name, delays)| say(name, delays)).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_found_rises_in_steps_and_misses_keep_it_below_all() {
        let x = Scale::new([0.0, 10.0], [0.0, 10.0]);
        let y = Scale::new([0.0, 1.0], [0.0, 1.0]);
        let drawn = steps(&[[0.0, 1.0], [2.0, 0.5], [10.0, 0.5]], x, y);
        let expected = [
            [0.0, 0.0],
            [0.0, 0.0],
            [2.0, 0.0],
            [2.0, 0.5],
            [10.0, 0.5],
            [10.0, 0.5],
        ];
        assert_eq!(drawn, expected);
    }
}
