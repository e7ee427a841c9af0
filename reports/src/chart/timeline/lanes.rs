//! Incidents as bars with their alerts above them, one lane per kind.

use super::{
    LEFT, RIGHT, begin_at, begin_span, seconds,
    together::{Together, apart, bands, marks},
};
use crate::{
    chart::{
        forest::shortened,
        scale::Scale,
        svg::{Anchor, Svg},
    },
    model::{Lane, Model},
};

/// Room for a bar with its alerts above.
const LANE_HEIGHT: f64 = 26.0;

/// Least width of a bar: an incident of a single event would be too thin to see.
const LEAST_BAND: f64 = 3.0;

/// Characters of an id that a title shows.
const ID: usize = 40;

/// Height of all lanes, of one at least.
pub(super) fn height(model: &Model) -> f64 {
    model.lanes.len().max(1) as f64 * LANE_HEIGHT
}

/// Below the diagrams, so that a missed incident can be held against what the rates did then.
pub(super) fn draw(svg: &mut Svg, model: &Model, x: Scale, top: f64) {
    let above = [LEFT + 4.0, top - 4.0];
    svg.text("panel-name", above, Anchor::Start, "incidents and alerts");
    if model.lanes.is_empty() {
        let middle = [f64::midpoint(LEFT, RIGHT), top + LANE_HEIGHT * 0.65];
        svg.text("note", middle, Anchor::Middle, "no incidents and no alerts");
    }
    let apart = apart(&model.lanes, model.end, model.end / (RIGHT - LEFT));
    for (i, lane) in model.lanes.iter().enumerate() {
        let y = top + i as f64 * LANE_HEIGHT;
        svg.line("grid", [LEFT, y + LANE_HEIGHT], [RIGHT, y + LANE_HEIGHT]);
        svg.text("lane", [LEFT - 8.0, y + 17.0], Anchor::End, &lane.name);
        for band in bands(&lane.bands, model.end, apart) {
            draw_band(svg, &lane.name, &band, x, y + 13.0);
        }
        for mark in marks(&lane.marks, apart) {
            draw_mark(svg, lane, &mark, x.at(mark.from), y);
        }
    }
}

fn draw_band(svg: &mut Svg, kind: &str, band: &Together<'_>, x: Scale, top: f64) {
    begin_span(svg, [band.from, band.until], LEAST_BAND);
    let [one, many] = match band.class {
        "band-found" => ["incident found", "incidents found"],
        "band-missed" => ["incident missed", "incidents missed"],
        _ => ["not scored", "not scored"],
    };
    svg.title(&title(kind, band, one, many));
    let (left, right) = (x.at(band.from), x.at(band.until));
    let width = (right - left).max(LEAST_BAND);
    svg.rect(band.class, [left, top], [width, 10.0]);
    svg.end();
}

fn draw_mark(svg: &mut Svg, lane: &Lane, mark: &Together<'_>, at: f64, top: f64) {
    begin_at(svg, mark.from);
    let [one, many] = match mark.class {
        "alert-true" => ["true alert", "true alerts"],
        "alert-false" => ["false alert", "false alerts"],
        _ => ["alert not scored", "alerts not scored"],
    };
    svg.title(&title(&lane.name, mark, one, many));
    match mark.class {
        "alert-true" => svg.pin(mark.class, [at, top + 12.0], 7.0),
        "alert-false" => svg.cross(mark.class, [at, top + 8.0], 3.2),
        _ => svg.circle(mark.class, [at, top + 8.0], 2.4),
    }
    svg.end();
}

/// What a bar or a mark stands for, in a line.
fn title(kind: &str, of: &Together<'_>, one: &str, many: &str) -> String {
    let when = seconds(of.from, of.until);
    match of.count {
        1 => format!("{kind}: {one}, {when} ({})", shortened(of.id, ID)),
        n => format!("{kind}: {n} {many}, {when}"),
    }
}

/// What bars and marks stand for.
pub(super) fn legend(svg: &mut Svg, y: f64) {
    let mut at = LEFT;
    for (class, name) in [
        ("band-found", "incident found"),
        ("band-missed", "missed"),
        ("band-left-out", "not scored"),
    ] {
        svg.rect(class, [at, y - 8.0], [22.0, 10.0]);
        svg.text("legend", [at + 28.0, y + 1.0], Anchor::Start, name);
        at += 46.0 + name.len() as f64 * 7.0;
    }
    svg.pin("alert-true", [at + 5.0, y], 7.0);
    svg.text("legend", [at + 15.0, y + 1.0], Anchor::Start, "true alert");
    svg.cross("alert-false", [at + 105.0, y - 3.0], 3.2);
    let beside = [at + 115.0, y + 1.0];
    svg.text("legend", beside, Anchor::Start, "false alert");
    svg.circle("alert-left-out", [at + 205.0, y - 3.0], 2.4);
    let beside = [at + 215.0, y + 1.0];
    svg.text("legend", beside, Anchor::Start, "alert not scored");
}
