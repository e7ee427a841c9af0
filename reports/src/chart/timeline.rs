//! The time line: rates, lag and lateness over wall time, and below them the incidents with their
//! alerts, all on one axis.

use floodmark_scoring::matching::{Fate, LabelFate};

use super::{
    scale::{Scale, nice_ticks},
    svg::{Anchor, Svg},
};
use crate::{
    format::{micros, number, tick},
    model::{Band, Lane, Mark, Model},
};

/// Width of the picture; the page scales it, and lets narrow screens scroll.
const WIDTH: f64 = 960.0;

/// Start of the axis: left of it stand the names of kinds, `impossible-navigation` the longest.
const LEFT: f64 = 160.0;

/// End of the axis, with room for half of the last tick's name.
const RIGHT: f64 = 925.0;

/// Room for a bar with its alerts above.
const LANE_HEIGHT: f64 = 26.0;

/// Lines of the panel of rates: metric of the series, class, name.
const RATES: [(&str, &str, &str); 4] = [
    ("due", "offered", "offered"),
    ("sent", "sent", "sent"),
    ("acknowledged", "acked", "acknowledged"),
    ("consumed", "consumed", "consumed"),
];

/// Draws the time line.
pub(crate) fn timeline(model: &Model) -> String {
    let panels = panels(model);
    let n_lanes = model.lanes.len().max(1) as f64;
    let lanes_top = 40.0 + panels.iter().map(|panel| panel.height + 34.0).sum::<f64>() + 8.0;
    let bottom = lanes_top + n_lanes * LANE_HEIGHT;
    let mut svg = Svg::new(
        "timeline",
        [WIDTH, bottom + 74.0],
        "Time line of the run",
        &describe(model),
    );
    svg.hatch("missed-hatch", "hatch-line");
    let x = Scale::new([0.0, model.end], [LEFT, RIGHT]);
    rates_legend(&mut svg, model);
    let ticks: Vec<f64> = nice_ticks(model.end, 8)
        .into_iter()
        .filter(|t| *t <= model.end)
        .collect();
    draw_shades(&mut svg, model, x, bottom);
    for t in &ticks {
        svg.line("grid", [x.at(*t), 40.0], [x.at(*t), bottom]);
    }
    let mut top = 40.0;
    for panel in &panels {
        top += 14.0;
        draw_panel(&mut svg, model, panel, x, top);
        top += panel.height + 20.0;
    }
    draw_lanes(&mut svg, model, x, lanes_top);
    if let Some(end) = model.generated_until.filter(|end| *end < model.end * 0.995) {
        svg.line("mark", [x.at(end), 40.0], [x.at(end), bottom]);
        svg.text(
            "note",
            [x.at(end) - 4.0, 37.0],
            Anchor::End,
            "last event due",
        );
    }
    svg.line("axis", [LEFT, bottom], [RIGHT, bottom]);
    for t in &ticks {
        svg.text(
            "tick",
            [x.at(*t), bottom + 15.0],
            Anchor::Middle,
            &format!("{} s", tick(*t)),
        );
    }
    let caption = "wall time since the start of the run";
    svg.text("axis-name", [RIGHT, bottom + 32.0], Anchor::End, caption);
    lanes_legend(&mut svg, bottom + 56.0);
    svg.finish()
}

/// Faults behind everything else, over all diagrams; their names stand above.
fn draw_shades(svg: &mut Svg, model: &Model, x: Scale, bottom: f64) {
    for shade in model.shades.iter().filter(|shade| shade.from <= model.end) {
        let (from, until) = (x.at(shade.from), x.at(shade.until.min(model.end)));
        // A short fault of a long run would be too thin to see.
        let width = (until - from).max(2.0);
        svg.rect("fault", [from, 40.0], [width, bottom - 40.0]);
        svg.text("note", [from, 37.0], Anchor::Start, shade.kind);
    }
}

/// One diagram above the lanes.
struct Panel {
    name: &'static str,
    height: f64,
    /// Metrics of the series with the classes of their lines.
    lines: Vec<(&'static str, &'static str)>,
    /// Whether the area below the line is filled: for quantities whose normal state is near nothing.
    filled: bool,
    /// How its ticks are written.
    show: fn(f64) -> String,
}

/// The diagrams for which the run has series; rates always, empty if need be, so that their absence shows.
fn panels(model: &Model) -> Vec<Panel> {
    let has = |metric: &str| !model.series.line(metric).is_empty();
    let mut panels = vec![Panel {
        name: "events per second",
        height: 150.0,
        lines: RATES.map(|(metric, class, _)| (metric, class)).to_vec(),
        filled: false,
        show: number,
    }];
    if has("lag") {
        panels.push(Panel {
            name: "lag, records",
            height: 60.0,
            lines: vec![("lag", "lag")],
            filled: true,
            show: number,
        });
    }
    if has("send_lateness_max_us") {
        panels.push(Panel {
            name: "send lateness, highest",
            height: 60.0,
            lines: vec![("send_lateness_max_us", "lateness")],
            filled: true,
            show: micros,
        });
    }
    panels
}

/// A diagram with an axis of its own, on the time line's axis.
fn draw_panel(svg: &mut Svg, model: &Model, panel: &Panel, x: Scale, top: f64) {
    let bottom = top + panel.height;
    let values = panel
        .lines
        .iter()
        .flat_map(|(metric, _)| model.series.line(metric));
    let highest = values.map(|(_, value)| *value).fold(0.0, f64::max);
    let ticks = nice_ticks(highest, if panel.height > 100.0 { 4 } else { 2 });
    let y = Scale::new([0.0, ticks.last().copied().unwrap_or(1.0)], [bottom, top]);
    for tick in &ticks {
        svg.line("grid", [LEFT, y.at(*tick)], [RIGHT, y.at(*tick)]);
        svg.text(
            "tick",
            [LEFT - 8.0, y.at(*tick) + 4.0],
            Anchor::End,
            &(panel.show)(*tick),
        );
    }
    svg.text(
        "panel-name",
        [LEFT + 4.0, top - 4.0],
        Anchor::Start,
        panel.name,
    );
    svg.line("axis", [LEFT, bottom], [RIGHT, bottom]);
    let mut drawn = false;
    for (metric, class) in &panel.lines {
        let line = model.series.line(metric);
        let points: Vec<[f64; 2]> = line.iter().map(|(t, v)| [x.at(*t), y.at(*v)]).collect();
        drawn |= !points.is_empty();
        if panel.filled {
            svg.area(&format!("{class} fill"), &points, bottom);
        }
        svg.polyline(&format!("series {class}"), &points);
    }
    if !drawn {
        let middle = [f64::midpoint(LEFT, RIGHT), top + panel.height / 2.0];
        svg.text(
            "note",
            middle,
            Anchor::Middle,
            "no time series was recorded",
        );
    }
}

/// Names the lines that are drawn.
fn rates_legend(svg: &mut Svg, model: &Model) {
    let mut at = LEFT;
    let drawn = |(metric, _, _): &(&str, _, _)| !model.series.line(metric).is_empty();
    for (_, class, name) in RATES.into_iter().filter(drawn) {
        svg.line(&format!("series {class}"), [at, 14.0], [at + 28.0, 14.0]);
        svg.text("legend", [at + 34.0, 18.0], Anchor::Start, name);
        at += 60.0 + name.len() as f64 * 7.5;
    }
}

/// Below the diagrams, so that a missed incident can be held against what the rates did then.
fn draw_lanes(svg: &mut Svg, model: &Model, x: Scale, top: f64) {
    svg.text(
        "panel-name",
        [LEFT + 4.0, top - 4.0],
        Anchor::Start,
        "incidents and alerts",
    );
    if model.lanes.is_empty() {
        let middle = [f64::midpoint(LEFT, RIGHT), top + LANE_HEIGHT * 0.65];
        svg.text("note", middle, Anchor::Middle, "no incidents and no alerts");
    }
    for (i, lane) in model.lanes.iter().enumerate() {
        let y = top + i as f64 * LANE_HEIGHT;
        svg.line("grid", [LEFT, y + LANE_HEIGHT], [RIGHT, y + LANE_HEIGHT]);
        svg.text("lane", [LEFT - 8.0, y + 17.0], Anchor::End, &lane.name);
        draw_lane(svg, lane, x, model.end, y);
    }
}

/// Incidents as bars, alerts above them.
fn draw_lane(svg: &mut Svg, lane: &Lane, x: Scale, end: f64, top: f64) {
    for (band, class) in merged_bands(&lane.bands, x, end) {
        // An incident of a single event would be too thin to see.
        let width = (band[1] - band[0]).max(3.0);
        svg.rect(class, [band[0], top + 13.0], [width, 10.0]);
    }
    for (at, class) in distinct_marks(&lane.marks, x) {
        if class == "alert-true" {
            svg.pin(class, [at, top + 12.0], 7.0);
        } else if class == "alert-false" {
            svg.cross(class, [at, top + 8.0], 3.2);
        } else {
            svg.circle(class, [at, top + 8.0], 2.4);
        }
    }
}

/// Bands in pixels; those of one fate that touch are one, so that a run with thousands stays small.
fn merged_bands(bands: &[Band], x: Scale, end: f64) -> Vec<([f64; 2], &'static str)> {
    let mut merged: Vec<([f64; 2], &'static str)> = Vec::new();
    // Missed ones last, so that nothing lies over them.
    for class in ["band-left-out", "band-found", "band-missed"] {
        let first = merged.len();
        // What an interrupted run never came to is not squeezed in at the edge.
        let shown = |band: &&Band| band.from <= end && band_class(band.fate) == class;
        for band in bands.iter().filter(shown) {
            let (from, until) = (x.at(band.from), x.at(band.until));
            match merged[first..].last_mut() {
                Some((last, _)) if from <= last[1] + 0.5 => last[1] = last[1].max(until),
                _ => merged.push(([from, until], class)),
            }
        }
    }
    merged
}

/// The class of an incident, which sets fill and border.
fn band_class(fate: LabelFate) -> &'static str {
    match fate {
        LabelFate::Detected => "band-found",
        LabelFate::Missed => "band-missed",
        // Decoys are no incidents; the marks say whether alerts stand on them.
        LabelFate::WarmUp
        | LabelFate::Truncated
        | LabelFate::DecoySpared
        | LabelFate::DecoyAlerted => "band-left-out",
    }
}

/// Marks in pixels, at most one of a fate for every two of them.
fn distinct_marks(marks: &[Mark], x: Scale) -> Vec<(f64, &'static str)> {
    let mut distinct = Vec::new();
    // False ones last, for the same reason as with incidents.
    for class in ["alert-left-out", "alert-true", "alert-false"] {
        let mut last = f64::NEG_INFINITY;
        for mark in marks.iter().filter(|mark| mark_class(mark.fate) == class) {
            let at = x.at(mark.at);
            if at - last >= 2.0 {
                distinct.push((at, class));
                last = at;
            }
        }
    }
    distinct
}

/// The class of an alert; each has a shape as well.
fn mark_class(fate: Fate) -> &'static str {
    match fate {
        Fate::True => "alert-true",
        Fate::False => "alert-false",
        Fate::Duplicate | Fate::WarmUp | Fate::AfterEnd | Fate::Ignored => "alert-left-out",
    }
}

/// What bars and marks stand for.
fn lanes_legend(svg: &mut Svg, y: f64) {
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
    svg.text(
        "legend",
        [at + 115.0, y + 1.0],
        Anchor::Start,
        "false alert",
    );
    svg.circle("alert-left-out", [at + 205.0, y - 3.0], 2.4);
    svg.text(
        "legend",
        [at + 215.0, y + 1.0],
        Anchor::Start,
        "alert not scored",
    );
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
    format!(
        "Rates, lag and send lateness over {} seconds of wall time; below, {} incidents by kind, {} of \
         them found, and {} alerts, {} of them false. The tables of this report hold the same figures.",
        number(model.end),
        fates.len() - decoys,
        found,
        model.matching.alerts.len(),
        wrong
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(from: f64, until: f64, fate: LabelFate) -> Band {
        Band { from, until, fate }
    }

    #[test]
    fn touching_bands_of_one_fate_are_drawn_once() {
        let x = Scale::new([0.0, 100.0], [0.0, 100.0]);
        let bands = [
            band(0.0, 5.0, LabelFate::Detected),
            band(4.0, 8.0, LabelFate::Detected),
            band(6.0, 9.0, LabelFate::Missed),
            band(20.0, 21.0, LabelFate::Detected),
            band(101.0, 102.0, LabelFate::Truncated),
        ];
        let expected = [
            ([0.0, 8.0], "band-found"),
            ([20.0, 21.0], "band-found"),
            ([6.0, 9.0], "band-missed"),
        ];
        assert_eq!(merged_bands(&bands, x, 100.0), expected);
    }

    #[test]
    fn a_thousand_alerts_in_a_pixel_are_one_mark() {
        let x = Scale::new([0.0, 100.0], [0.0, 100.0]);
        let marks: Vec<Mark> = (0..1000)
            .map(|i| Mark {
                at: f64::from(i) / 1000.0,
                fate: Fate::False,
            })
            .collect();
        assert_eq!(distinct_marks(&marks, x), [(0.0, "alert-false")]);
    }
}
