//! The diagrams of the time line: rates, lag and latencies.

use super::{LEFT, RIGHT};
use crate::{
    chart::{
        scale::{Scale, nice_ticks},
        svg::{Anchor, Svg},
    },
    format::{micros, number},
    model::{ALERT_LATENCY, Model},
};

/// Lines of the panel of rates: metric of the series, class, name.
const RATES: [(&str, &str, &str); 4] = [
    ("due", "offered", "offered"),
    ("sent", "sent", "sent"),
    ("acknowledged", "acked", "acknowledged"),
    ("consumed", "consumed", "consumed"),
];

/// How a diagram draws its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Lines.
    Lines,
    /// A line with the area below it, for quantities whose normal state is near nothing.
    Filled,
    /// Dots alone: between two of them there was nothing to measure.
    Dots,
}

/// One diagram above the lanes.
pub(super) struct Panel {
    name: &'static str,
    height: f64,
    /// Metrics of the series with the classes of their lines.
    lines: Vec<(&'static str, &'static str)>,
    shape: Shape,
    /// How its ticks are written.
    show: fn(f64) -> String,
}

impl Panel {
    /// Its height with the room for its name and for what comes next.
    pub(super) fn room(&self) -> f64 {
        self.height + 34.0
    }

    fn low(
        name: &'static str,
        line: (&'static str, &'static str),
        shape: Shape,
        show: fn(f64) -> String,
    ) -> Self {
        Self {
            name,
            height: 60.0,
            lines: vec![line],
            shape,
            show,
        }
    }
}

/// The diagrams for which the run has series; rates always, empty if need be, so that their absence shows.
pub(super) fn panels(model: &Model) -> Vec<Panel> {
    let rates = Panel {
        name: "events per second",
        height: 150.0,
        lines: RATES.map(|(metric, class, _)| (metric, class)).to_vec(),
        shape: Shape::Lines,
        show: number,
    };
    let low = [
        Panel::low("lag, records", ("lag", "lag"), Shape::Filled, number),
        Panel::low(
            "age of the oldest unread record",
            ("lag_s", "lag"),
            Shape::Filled,
            |s| micros(s * 1e6),
        ),
        Panel::low(
            "latency of alerts, highest in a second",
            (ALERT_LATENCY, "sent"),
            Shape::Dots,
            micros,
        ),
        Panel::low(
            "send lateness, highest",
            ("send_lateness_max_us", "lateness"),
            Shape::Filled,
            micros,
        ),
    ];
    let has = |panel: &Panel| !model.series.line(panel.lines[0].0).is_empty();
    let low = low.into_iter().filter(has);
    [rates].into_iter().chain(low).collect()
}

/// A diagram with an axis of its own, on the time line's axis.
pub(super) fn draw(svg: &mut Svg, model: &Model, panel: &Panel, x: Scale, top: f64) {
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
        let beside = [LEFT - 8.0, y.at(*tick) + 4.0];
        svg.text("tick", beside, Anchor::End, &(panel.show)(*tick));
    }
    let above = [LEFT + 4.0, top - 4.0];
    svg.text("panel-name", above, Anchor::Start, panel.name);
    svg.line("axis", [LEFT, bottom], [RIGHT, bottom]);
    if !draw_lines(svg, model, panel, [x, y], bottom) {
        let middle = [f64::midpoint(LEFT, RIGHT), top + panel.height / 2.0];
        let text = "no time series was recorded";
        svg.text("note", middle, Anchor::Middle, text);
    }
}

/// The lines of a diagram; `false` if there are none.
fn draw_lines(svg: &mut Svg, model: &Model, panel: &Panel, [x, y]: [Scale; 2], base: f64) -> bool {
    let lines = panel.lines.iter().map(|(metric, class)| {
        let line = model.series.line(metric).iter();
        let points: Vec<[f64; 2]> = line.map(|(t, v)| [x.at(*t), y.at(*v)]).collect();
        (class, points)
    });
    let drawn: Vec<_> = lines.filter(|(_, points)| !points.is_empty()).collect();
    if drawn.is_empty() {
        return false;
    }
    svg.begin(&[("data-points", ""), ("clip-path", "url(#timeline-clip)")]);
    for (class, points) in &drawn {
        match panel.shape {
            Shape::Lines => svg.polyline(&format!("series {class}"), points),
            Shape::Filled => {
                svg.area(&format!("{class} fill"), points, base);
                svg.polyline(&format!("series {class}"), points);
            }
            Shape::Dots => {
                for point in points {
                    svg.circle(&format!("{class} dot"), *point, 2.0);
                }
            }
        }
    }
    svg.end();
    true
}

/// Names the lines of rates that are drawn.
pub(super) fn rates_legend(svg: &mut Svg, model: &Model) {
    let mut at = LEFT;
    let drawn = |(metric, _, _): &(&str, _, _)| !model.series.line(metric).is_empty();
    for (_, class, name) in RATES.into_iter().filter(drawn) {
        svg.line(&format!("series {class}"), [at, 14.0], [at + 28.0, 14.0]);
        svg.text("legend", [at + 34.0, 18.0], Anchor::Start, name);
        at += 60.0 + name.len() as f64 * 7.5;
    }
}
