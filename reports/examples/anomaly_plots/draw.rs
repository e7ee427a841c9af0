//! A picture as SVG: small, in light or dark colours as whoever looks at it has chosen.

use std::fmt::Write as _;

use crate::gather::{Figure, Shown};

/// The colours of the reports by name, light and dark.
const COLOURS: &str = include_str!("../../templates/colours.css");

/// What the shapes look like. The incident's own events differ by shape as well as by colour: they are larger, and have a rim.
const SHAPES: &str = "\
text{font:11px \"DejaVu Sans\",Verdana,Arial,sans-serif;fill:var(--dim)}
.title{fill:var(--ink);font-weight:600}
.incident{fill:var(--bad);fill-opacity:.13}
.grid{stroke:var(--line)}
.known{stroke:var(--bad);stroke-dasharray:3 3}
.line{fill:none;stroke:var(--sent);stroke-width:1.2;stroke-linejoin:round}
.bar{fill:var(--sent)}
.dot{fill:var(--sent)}
.own{fill:var(--bad);stroke:var(--paper)}
";

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 190.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = HEIGHT - 28.0;
const RIGHT: f64 = WIDTH - 14.0;

/// Above so many dots of ordinary events, every second, third or later one is left out: they are thousands, and look the same.
const MOST_DOTS: usize = 350;

/// Where values stand in the picture.
struct Frame {
    minutes: [f64; 2],
    values: [f64; 2],
    left: f64,
}

impl Frame {
    fn x(&self, minute: f64) -> f64 {
        let [from, to] = self.minutes;
        self.left + (minute.clamp(from, to) - from) / (to - from).max(1e-9) * (RIGHT - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        BOTTOM - (value - low) / (high - low).max(1e-9) * (BOTTOM - TOP)
    }
}

/// The picture.
pub fn picture(shown: Shown) -> String {
    let left = match &shown.figure {
        Figure::Rows(names, _) => {
            24.0 + 7.0
                * names
                    .iter()
                    .map(|name| label(name).len())
                    .max()
                    .unwrap_or(0) as f64
        }
        _ => 46.0,
    };
    let frame = Frame {
        minutes: shown.minutes,
        values: values(&shown.figure),
        left,
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t\">\
         <title id=\"t\">{}: {}</title>\n<style>\n{COLOURS}{SHAPES}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>\n",
        shown.name, shown.title
    );
    backdrop(&mut out, &frame, &shown);
    match &shown.figure {
        Figure::Line(points) => line(&mut out, &frame, points),
        Figure::Bars(width, bars) => draw_bars(&mut out, &frame, *width, bars),
        Figure::Dots(dots) => draw_dots(&mut out, &frame, dots),
        Figure::Rows(names, dots) => rows(&mut out, &frame, names, dots),
    }
    out.push_str("</svg>\n");
    out
}

/// The range of values, with a little room.
fn values(figure: &Figure) -> [f64; 2] {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let ends = values.fold(None, |ends: Option<[f64; 2]>, value| {
            let [low, high] = ends.unwrap_or([value; 2]);
            Some([low.min(value), high.max(value)])
        });
        let [low, high] = ends.unwrap_or([0.0, 1.0]);
        let room = ((high - low) * 0.08).max(0.5);
        [low - room, high + room]
    };
    match figure {
        Figure::Line(points) => range(&mut points.iter().map(|(_, value)| *value)),
        Figure::Dots(dots) => range(&mut dots.iter().map(|(_, value, _)| *value)),
        Figure::Bars(_, bars) => [
            0.0,
            bars.iter().map(|(_, height)| *height).fold(1e-3, f64::max) * 1.08,
        ],
        Figure::Rows(names, _) => [-0.6, names.len() as f64 - 0.4],
    }
}

/// The incident's time, the axes and their names.
fn backdrop(out: &mut String, frame: &Frame, shown: &Shown) {
    let (start, end) = (frame.x(0.0), frame.x(shown.end));
    // An incident of a moment would be too narrow to see.
    let width = (end - start).max(3.0);
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"10\" y=\"18\">{}</text>\
         <rect class=\"incident\" x=\"{start:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
        shown.title,
        BOTTOM - TOP
    );
    if !matches!(shown.figure, Figure::Rows(..)) {
        let step = step(frame.values[1] - frame.values[0], 4.0);
        for tick in ticks(frame.values, step) {
            let y = frame.y(tick);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{:.1} {y:.1}H{RIGHT}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                frame.left,
                frame.left - 6.0,
                y + 4.0,
                round(tick, step)
            );
        }
    }
    let step = step(shown.minutes[1] - shown.minutes[0], 8.0);
    for tick in ticks(shown.minutes, step) {
        let x = frame.x(tick);
        let unit = if tick == 0.0 { " min" } else { "" };
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {BOTTOM}v4\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}{unit}</text>",
            BOTTOM + 17.0,
            round(tick, step)
        );
    }
    let known = frame.x(shown.detectable);
    let _ = writeln!(
        out,
        "<path class=\"known\" d=\"M{known:.1} {TOP}V{BOTTOM}\"/>"
    );
}

/// A line; it is broken where values are missing for much longer than they usually are apart.
fn line(out: &mut String, frame: &Frame, points: &[(f64, f64)]) {
    let mut gaps: Vec<f64> = points
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    gaps.sort_by(f64::total_cmp);
    let longest = gaps.get(gaps.len() / 2).copied().unwrap_or_default() * 4.0;
    out.push_str("<path class=\"line\" d=\"");
    let mut before = f64::NEG_INFINITY;
    for (minute, value) in points {
        let command = if minute - before > longest { 'M' } else { 'L' };
        let _ = write!(
            out,
            "{command}{:.1} {:.1}",
            frame.x(*minute),
            frame.y(*value)
        );
        before = *minute;
    }
    out.push_str("\"/>\n");
}

fn draw_bars(out: &mut String, frame: &Frame, width: f64, bars: &[(f64, f64)]) {
    out.push_str("<path class=\"bar\" d=\"");
    for (minute, height) in bars.iter().filter(|(_, height)| *height > 0.0) {
        let (x, y) = (frame.x(*minute), frame.y(*height));
        let wide = (frame.x(minute + width) - x - 0.6).max(0.8);
        let _ = write!(out, "M{x:.1} {BOTTOM}V{y:.1}h{wide:.1}V{BOTTOM}z");
    }
    out.push_str("\"/>\n");
}

fn draw_dots(out: &mut String, frame: &Frame, dots: &[(f64, f64, bool)]) {
    let points: Vec<(f64, f64, bool)> = dots
        .iter()
        .map(|(minute, value, is_own)| (frame.x(*minute), frame.y(*value), *is_own))
        .collect();
    circles(out, &points);
}

fn rows(out: &mut String, frame: &Frame, names: &[String], dots: &[(f64, usize, bool)]) {
    let y = |row: usize| frame.y((names.len() - 1 - row) as f64);
    for (row, name) in names.iter().enumerate() {
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{:.1} {:.1}H{RIGHT}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            frame.left,
            y(row),
            frame.left - 8.0,
            y(row) + 4.0,
            label(name)
        );
    }
    let points: Vec<(f64, f64, bool)> = dots
        .iter()
        .map(|(minute, row, is_own)| (frame.x(*minute), y(*row), *is_own))
        .collect();
    circles(out, &points);
}

/// Ordinary events first, so that those of the incident lie on top.
fn circles(out: &mut String, points: &[(f64, f64, bool)]) {
    for (class, wanted, radius) in [("dot", false, 2.0), ("own", true, 3.4)] {
        let of_class: Vec<_> = points
            .iter()
            .filter(|(_, _, is_own)| *is_own == wanted)
            .collect();
        let every = match wanted {
            true => 1,
            false => of_class.len().div_ceil(MOST_DOTS).max(1),
        };
        let _ = write!(out, "<g class=\"{class}\">");
        for (x, y, _) in of_class.into_iter().step_by(every) {
            let _ = write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
        }
        out.push_str("</g>\n");
    }
}

/// A name short enough for the side of a picture: ids are known by their beginning.
fn label(name: &str) -> String {
    match name.char_indices().nth(20) {
        Some((at, _)) => format!("{}…", &name[..at - 8]),
        None => name.to_owned(),
    }
}

/// Round steps that cut a range into about so many.
fn step(range: f64, wanted: f64) -> f64 {
    let rough = (range / wanted).max(1e-6);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

/// Multiples of a step in a range.
fn ticks([low, high]: [f64; 2], step: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut tick = (low / step).ceil() * step;
    while tick <= high {
        // A zero that is not quite one would be written as `-0`.
        ticks.push(if tick.abs() < step / 2.0 { 0.0 } else { tick });
        tick += step;
    }
    ticks
}

/// A number with the decimals that its step has.
fn round(value: f64, step: f64) -> String {
    match step {
        step if step >= 1.0 => format!("{value:.0}"),
        step if step >= 0.1 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
