//! `throughput.png`: offered, sent, acknowledged and consumed over the run.

use plotters::{
    element::{PathElement, Text},
    prelude::{ChartBuilder, DashedLineSeries, LineSeries, RGBColor},
    style::{Color, ShapeStyle},
};

use super::canvas::{self, Area, BLUE, Drawn, FAINT, GREEN, GREY, GRID, INK, ORANGE, text, told};
use crate::{chart::nice_ticks, format::rate, model::Model};

/// A line: metric of the series, name, colour, width, dash and gap in pixels (no dash: solid).
type Line = (
    &'static str,
    &'static str,
    RGBColor,
    u32,
    Option<(i32, i32)>,
);

const LINES: [Line; 4] = [
    ("due", "offered", GREY, 6, None),
    ("sent", "sent", BLUE, 3, None),
    ("acknowledged", "acknowledged", ORANGE, 3, Some((14, 8))),
    ("consumed", "consumed", GREEN, 3, Some((4, 6))),
];

pub(super) fn draw(root: &Area<'_>, model: &Model, title: &str) -> Drawn {
    let values = LINES.iter().flat_map(|line| model.series.line(line.0));
    let highest = values.map(|(_, value)| *value).fold(0.0, f64::max);
    let top = nice_ticks(highest, 5).last().copied().unwrap_or(1.0);
    let mut chart = ChartBuilder::on(root)
        .caption(format!("Throughput · {title}"), text(30, INK))
        .margin(24)
        .x_label_area_size(56)
        .y_label_area_size(130)
        .build_cartesian_2d(0.0..model.end, 0.0..top)
        .map_err(told)?;
    chart
        .configure_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .x_desc("seconds since the start of the run")
        .x_label_style(text(20, INK))
        .y_label_style(text(20, INK))
        .axis_desc_style(text(20, FAINT))
        .y_label_formatter(&|value| rate(*value))
        .x_label_formatter(&|t| format!("{t:.0}"))
        .y_labels(6)
        .draw()
        .map_err(told)?;
    for (metric, name, colour, width, dash) in LINES {
        let points = model.series.line(metric).to_vec();
        if points.is_empty() {
            continue;
        }
        let style = ShapeStyle::from(colour).stroke_width(width);
        let drawn = match dash {
            None => chart.draw_series(LineSeries::new(points, style)),
            Some((dash, gap)) => chart.draw_series(DashedLineSeries::new(points, dash, gap, style)),
        };
        drawn
            .map_err(told)?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 30, y)], style));
    }
    if LINES
        .iter()
        .all(|line| model.series.line(line.0).is_empty())
    {
        let middle = (model.end * 0.36, top * 0.5);
        let note = Text::new("no time series was recorded", middle, text(24, FAINT));
        return chart.draw_series([note]).map(|_| ()).map_err(told);
    }
    canvas::legend(&mut chart)
}
