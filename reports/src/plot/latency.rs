//! `latency.png`: the percentile curves.

use floodmark_contracts::result::RunResult;
use plotters::{
    element::{PathElement, Text},
    prelude::{ChartBuilder, DashedLineSeries, LineSeries, RGBColor},
    style::{Color, ShapeStyle},
};

use super::canvas::{self, Area, BLUE, Drawn, FAINT, GREEN, GREY, GRID, INK, ORANGE, text, told};
use crate::{
    chart::{decade_name, decades, nines},
    model::latencies,
};

pub(super) fn draw(root: &Area<'_>, result: &RunResult, title: &str) -> Drawn {
    let curves: Vec<(&str, Vec<(f64, f64)>)> = latencies(result)
        .map(|(name, summary)| {
            let points = summary
                .curve
                .iter()
                .map(|[p, us]| (nines(*p), us.max(1.0).log10()));
            (name, points.collect())
        })
        .collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let furthest = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let [lowest, highest] = decades(points().map(|(_, y)| *y));
    let mut chart = ChartBuilder::on(root)
        .caption(format!("Latency percentiles · {title}"), text(30, INK))
        .margin(24)
        .x_label_area_size(56)
        .y_label_area_size(110)
        .build_cartesian_2d(0.0..furthest, lowest..highest)
        .map_err(told)?;
    chart
        .configure_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .x_desc("share of values that are at most this slow")
        .x_label_style(text(20, INK))
        .y_label_style(text(20, INK))
        .axis_desc_style(text(20, FAINT))
        .x_label_formatter(&|x| share_name(*x))
        .y_label_formatter(&|y| whole_decade(*y))
        .y_labels(10)
        .draw()
        .map_err(told)?;
    for (name, points) in curves {
        if points.is_empty() {
            continue;
        }
        let (colour, dash) = style_of(name);
        let style = ShapeStyle::from(colour).stroke_width(4);
        let drawn = match dash {
            None => chart.draw_series(LineSeries::new(points, style)),
            Some((dash, gap)) => chart.draw_series(DashedLineSeries::new(points, dash, gap, style)),
        };
        drawn
            .map_err(told)?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 30, y)], style));
    }
    if latencies(result).all(|(_, summary)| summary.curve.is_empty()) {
        let middle = (furthest * 0.38, f64::midpoint(lowest, highest));
        let note = Text::new("no latency was measured", middle, text(24, FAINT));
        return chart.draw_series([note]).map(|_| ()).map_err(told);
    }
    canvas::legend(&mut chart)
}

fn style_of(name: &str) -> (RGBColor, Option<(i32, i32)>) {
    match name {
        "send_lateness" => (GREY, None),
        "acknowledge" => (ORANGE, Some((14, 8))),
        "alert" => (BLUE, None),
        _ => (GREEN, Some((4, 6))),
    }
}

/// The share at a position of the axis: a place for every nine, so 0.3 is half.
fn share_name(position: f64) -> String {
    let percent = 100.0 * (1.0 - 10f64.powf(-position));
    if percent >= 99.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Names whole powers of ten only; the library likes to mark halves as well.
fn whole_decade(decade: f64) -> String {
    if decade.fract().abs() < 1e-9 {
        decade_name(decade)
    } else {
        String::new()
    }
}
