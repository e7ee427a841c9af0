//! Percentile curves: how long the slowest share of events and alerts takes.

use floodmark_contracts::result::{LatencySummary, RunResult};

use super::{
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::{format::micros, model::drawn_latencies};

const SIZE: [f64; 2] = [960.0, 360.0];

/// Start of the axis: left of it stand times such as `100 ms`.
const LEFT: f64 = 90.0;

/// End of the axis, with room for half of a name such as `99.999 %`.
const RIGHT: f64 = 925.0;

/// Upper end of the diagram, below the legend.
const TOP: f64 = 44.0;
const BOTTOM: f64 = 310.0;

/// Percentiles that the axis names.
const TICKS: [f64; 7] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// A latency's percentile curve: positions on the axis of nines and powers of ten of microseconds.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<[f64; 2]>,
}

/// The curves of a run and the axes that hold them.
pub(crate) struct Curves {
    pub(crate) lines: Vec<Line>,
    /// End of the axis of nines.
    pub(crate) furthest: f64,
    /// Whole powers of ten around all values.
    pub(crate) decades: [f64; 2],
}

impl Curves {
    /// Curves of all latencies of the run, those without values included.
    pub(crate) fn new(result: &RunResult) -> Self {
        let point = |[p, us]: &[f64; 2]| [nines(*p), us.max(1.0).log10()];
        let line = |(name, summary): (&'static str, &LatencySummary)| Line {
            name,
            points: summary.curve.iter().map(point).collect(),
        };
        let lines: Vec<Line> = drawn_latencies(result).map(line).collect();
        let points = || lines.iter().flat_map(|line| &line.points);
        Self {
            furthest: points().map(|[x, _]| *x).fold(1.0, f64::max),
            decades: decades(points().map(|[_, y]| *y)),
            lines,
        }
    }

    /// Names and positions of the percentiles that the axis of nines reaches.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (String, f64)> {
        let reached = TICKS.into_iter().map(|p| (format!("{p} %"), nines(p)));
        reached.filter(|(_, at)| *at <= self.furthest + 1e-9)
    }

    /// The powers of ten that the other axis names.
    pub(crate) fn whole_decades(&self) -> impl Iterator<Item = f64> {
        let [lowest, highest] = self.decades;
        std::iter::successors(Some(lowest), |decade| Some(decade + 1.0))
            .take_while(move |decade| *decade <= highest)
    }
}

/// Draws the curve of every latency that has values.
pub(crate) fn latency(result: &RunResult) -> String {
    let curves = Curves::new(result);
    let mut svg = Svg::new("latency", SIZE, "Latency percentiles", &describe(result));
    let x = Scale::new([0.0, curves.furthest], [LEFT, RIGHT]);
    let y = Scale::new(curves.decades, [BOTTOM, TOP]);
    for decade in curves.whole_decades() {
        let at = y.at(decade);
        svg.line("grid", [LEFT, at], [RIGHT, at]);
        let text = decade_name(decade);
        svg.text("tick", [LEFT - 8.0, at + 4.0], Anchor::End, &text);
    }
    for (text, at) in curves.ticks() {
        let at = x.at(at);
        svg.line("grid", [at, TOP], [at, BOTTOM]);
        svg.text("tick", [at, BOTTOM + 16.0], Anchor::Middle, &text);
    }
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    let caption = "share of values that are at most this slow";
    svg.text("axis-name", [RIGHT, BOTTOM + 36.0], Anchor::End, caption);
    let mut at = LEFT;
    for line in &curves.lines {
        let class = format!("series {}", class_of(line.name));
        let place = |[px, py]: &[f64; 2]| [x.at(*px), y.at(*py)];
        let drawn: Vec<[f64; 2]> = line.points.iter().map(place).collect();
        svg.polyline(&class, &drawn);
        svg.line(&class, [at, 18.0], [at + 28.0, 18.0]);
        let text = if drawn.is_empty() {
            format!("{} (no values)", line.name)
        } else {
            line.name.to_owned()
        };
        svg.text("legend", [at + 34.0, 22.0], Anchor::Start, &text);
        at += 64.0 + text.len() as f64 * 7.5;
    }
    if curves.lines.iter().all(|line| line.points.is_empty()) {
        let middle = [f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "no latency was measured");
    }
    svg.finish()
}

/// The class of a latency's line, which sets its colour and its dashes.
fn class_of(name: &str) -> &'static str {
    match name {
        "send_lateness" => "base",
        "acknowledge" => "acked",
        "alert" => "sent",
        _ => "consumed",
    }
}

/// The axis: each further nine takes as much room as the one before.
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-9).log10()
}

/// Whole powers of ten around the values.
fn decades(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let range = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    });
    if range[0] > range[1] {
        return [3.0, 6.0];
    }
    let low = range[0].floor();
    [low, range[1].ceil().max(low + 1.0)]
}

/// `1 ms`, not `1.00 ms`.
pub(crate) fn decade_name(decade: f64) -> String {
    micros(10f64.powf(decade))
        .replace(".00 ", " ")
        .replace(".0 ", " ")
}

/// The chart in a sentence, for those who listen.
fn describe(result: &RunResult) -> String {
    let medians: Vec<String> = drawn_latencies(result)
        .filter_map(|(name, summary)| {
            let median = *summary.percentiles.get("p50")?;
            Some(format!("{name} {}", micros(median as f64)))
        })
        .collect();
    if medians.is_empty() {
        return "No latency was measured.".to_owned();
    }
    format!(
        "Medians: {}. The table below holds the percentiles.",
        medians.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nine_takes_the_same_room() {
        let gaps: Vec<f64> = [0.0, 90.0, 99.0, 99.9]
            .map(nines)
            .windows(2)
            .map(|w| w[1] - w[0])
            .collect();
        assert!(gaps.iter().all(|gap| (gap - 1.0).abs() < 1e-9), "{gaps:?}");
    }

    #[test]
    fn the_axis_spans_whole_decades() {
        assert_eq!(decades([2.5, 4.2].into_iter()), [2.0, 5.0]);
        assert_eq!(decades([3.0].into_iter()), [3.0, 4.0]);
        assert_eq!(decades(std::iter::empty()), [3.0, 6.0]);
        assert_eq!(
            ["1 µs", "10 µs", "100 ms"],
            [0.0, 1.0, 5.0]
                .map(decade_name)
                .each_ref()
                .map(String::as_str)
        );
    }
}
