//! `detection.png`: recall and precision per kind with their intervals.

use floodmark_contracts::result::{Baseline, RunResult, Scores};
use plotters::{
    coord::types::RangedCoordf64,
    element::{Circle, PathElement, Polygon, Text},
    prelude::{BitMapBackend, Cartesian2d, ChartBuilder, ChartContext},
    style::{
        Color,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::canvas::{Area, BLUE, Drawn, FAINT, GRID, INK, ORANGE, text, told};

type Chart<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A row: its name, its scores, what chance would score.
type Row<'a> = (&'static str, &'a Scores, Option<&'a Baseline>);

/// Picks a figure with its interval.
type Pick = fn(&Scores) -> Option<(f64, [f64; 2])>;

/// Picks what chance would score.
type Chance = fn(&Baseline) -> Option<f64>;

pub(super) fn draw(root: &Area<'_>, result: &RunResult, title: &str) -> Drawn {
    let detection = &result.detection;
    let mut rows: Vec<Row<'_>> = vec![(
        "all kinds",
        &detection.overall,
        Some(&detection.random_baseline),
    )];
    for (kind, scores) in &detection.per_kind {
        rows.push((
            kind.name(),
            scores,
            detection.random_baseline_per_kind.get(kind),
        ));
    }
    let body = root
        .titled(&format!("Detection · {title}"), text(30, INK))
        .map_err(told)?
        .margin(8, 44, 24, 24);
    let note = "dot and bar: value with its 95 % interval; diamond: alerts placed at random";
    root.draw(&Text::new(note, (270, 684), text(18, FAINT)))
        .map_err(told)?;
    let (left, right) = body.split_horizontally(820);
    panel(
        &left,
        &rows,
        "Recall",
        240,
        |s| s.recall.zip(s.recall_interval),
        |b| b.recall,
    )?;
    panel(
        &right,
        &rows,
        "Precision",
        20,
        |s| s.precision.zip(s.precision_interval),
        |b| b.deduplicated_precision,
    )
}

fn panel(
    area: &Area<'_>,
    rows: &[Row<'_>],
    name: &str,
    names_width: u32,
    pick: Pick,
    chance: Chance,
) -> Drawn {
    let n = rows.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(name, text(22, INK))
        .margin_right(24)
        .margin_left(names_width)
        .x_label_area_size(36)
        .build_cartesian_2d(0.0..1.0, n..0.0)
        .map_err(told)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .x_labels(6)
        .x_label_style(text(18, INK))
        .draw()
        .map_err(told)?;
    for (i, (_, scores, baseline)) in rows.iter().enumerate() {
        let y = i as f64 + 0.5;
        if let Some(at) = baseline.and_then(chance) {
            diamond(&mut chart, at, y)?;
        }
        match pick(scores) {
            Some((value, interval)) => estimate(&mut chart, value, interval, y)?,
            None => {
                let note = Text::new("undefined", (0.44, y - 0.15), text(18, FAINT));
                chart.draw_series([note]).map_err(told)?;
            }
        }
    }
    if names_width > 100 {
        names(area, &chart, rows)?;
    }
    Ok(())
}

/// Row names in the margin left of the diagram.
fn names(area: &Area<'_>, chart: &Chart<'_, '_>, rows: &[Row<'_>]) -> Drawn {
    let style = text(20, INK).pos(Pos::new(HPos::Right, VPos::Center));
    let (base_x, base_y) = area.get_base_pixel();
    for (i, (name, _, _)) in rows.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(0.0, i as f64 + 0.5));
        let at = (x - base_x - 14, y - base_y);
        area.draw(&Text::new(*name, at, style.clone()))
            .map_err(told)?;
    }
    Ok(())
}

fn estimate(chart: &mut Chart<'_, '_>, value: f64, [low, high]: [f64; 2], y: f64) -> Drawn {
    let bar = |points: Vec<(f64, f64)>| PathElement::new(points, BLUE.stroke_width(3));
    let bars = [
        bar(vec![(low, y), (high, y)]),
        bar(vec![(low, y - 0.16), (low, y + 0.16)]),
        bar(vec![(high, y - 0.16), (high, y + 0.16)]),
    ];
    chart.draw_series(bars).map_err(told)?;
    chart
        .draw_series([Circle::new((value, y), 7, BLUE.filled())])
        .map(|_| ())
        .map_err(told)
}

fn diamond(chart: &mut Chart<'_, '_>, at: f64, y: f64) -> Drawn {
    let (x, h) = (0.012, 0.16);
    let corners = vec![(at, y - h), (at + x, y), (at, y + h), (at - x, y)];
    chart
        .draw_series([Polygon::new(corners, ORANGE.filled())])
        .map(|_| ())
        .map_err(told)
}
