//! Percentile curves: how long the slowest share of events and alerts takes.

use floodmark_contracts::result::RunResult;

use super::{
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::{format::micros, model::latencies};

const SIZE: [f64; 2] = [960.0, 360.0];
const LEFT: f64 = 90.0;
const RIGHT: f64 = 940.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 310.0;

/// Percentiles that the axis names.
const TICKS: [f64; 7] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// Draws the curve of every latency that has values.
pub(crate) fn latency(result: &RunResult) -> String {
    let curves: Vec<(&str, Vec<[f64; 2]>)> = latencies(result)
        .map(|(name, summary)| {
            let points = summary
                .curve
                .iter()
                .map(|[p, us]| [nines(*p), us.max(1.0).log10()]);
            (name, points.collect())
        })
        .collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let furthest = points().map(|[x, _]| *x).fold(1.0, f64::max);
    let [lowest, highest] = decades(points().map(|[_, y]| *y));
    let mut svg = Svg::new("latency", SIZE, "Latency percentiles", &describe(result));
    let x = Scale::new([0.0, furthest], [LEFT, RIGHT]);
    let y = Scale::new([lowest, highest], [BOTTOM, TOP]);

    let mut decade = lowest;
    while decade <= highest {
        svg.line("grid", [LEFT, y.at(decade)], [RIGHT, y.at(decade)]);
        let text = decade_name(decade);
        svg.text("tick", [LEFT - 8.0, y.at(decade) + 4.0], Anchor::End, &text);
        decade += 1.0;
    }
    for tick in TICKS
        .into_iter()
        .filter(|tick| nines(*tick) <= furthest + 1e-9)
    {
        let at = x.at(nines(tick));
        svg.line("grid", [at, TOP], [at, BOTTOM]);
        svg.text(
            "tick",
            [at, BOTTOM + 16.0],
            Anchor::Middle,
            &format!("{tick} %"),
        );
    }
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    let caption = "share of values that are at most this slow";
    svg.text("axis-name", [RIGHT, BOTTOM + 36.0], Anchor::End, caption);
    let mut at = LEFT;
    for (name, points) in &curves {
        let class = class_of(name);
        let drawn: Vec<[f64; 2]> = points
            .iter()
            .map(|[px, py]| [x.at(*px), y.at(*py)])
            .collect();
        svg.polyline(&format!("series {class}"), &drawn);
        svg.line(&format!("series {class}"), [at, 18.0], [at + 28.0, 18.0]);
        let text = if points.is_empty() {
            format!("{name} (no values)")
        } else {
            (*name).to_owned()
        };
        svg.text("legend", [at + 34.0, 22.0], Anchor::Start, &text);
        at += 64.0 + text.len() as f64 * 7.5;
    }
    if points().next().is_none() {
        let middle = [f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "no latency was measured");
    }
    svg.finish()
}

/// The class of a latency's line, which sets its colour and its dashes.
fn class_of(name: &str) -> &'static str {
    match name {
        "send_lateness" => "offered",
        "acknowledge" => "acked",
        "alert" => "sent",
        _ => "consumed",
    }
}

/// The axis: each further nine takes as much room as the one before.
pub(crate) fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-9).log10()
}

/// Whole powers of ten around the values.
pub(crate) fn decades(values: impl Iterator<Item = f64>) -> [f64; 2] {
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

fn describe(result: &RunResult) -> String {
    let medians: Vec<String> = latencies(result)
        .filter_map(|(name, summary)| {
            let median = *summary.percentiles.get("p50")?;
            Some(format!("{name} {}", micros(median as f64)))
        })
        .collect();
    if medians.is_empty() {
        return "No latency was measured.".to_owned();
    }
    format!(
        "Medians: {}. The table beside holds the percentiles.",
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
