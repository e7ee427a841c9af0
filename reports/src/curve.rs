//! A curve over rate, lateness or difficulty, as people read it: a table, a page, three plots.

use std::io::Write;

use askama::Template;
use floodmark_contracts::{
    curve::{Axis, CurvePoint, CurveResult},
    result::ValidityStatus,
};

use crate::{
    ReportError, STYLE, chart,
    format::{UNDEFINED, count, interval, micros, plural, rate, ratio, wall_time},
    plot, prose,
    table::Table,
};

/// One of the three figures over the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Recall,
    Precision,
    AlertP99,
}

impl Figure {
    pub(crate) const ALL: [Self; 3] = [Self::Recall, Self::Precision, Self::AlertP99];

    /// As it stands above a chart.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recall => "Recall",
            Self::Precision => "Precision",
            Self::AlertP99 => "Latency of alerts, p99",
        }
    }

    /// Its value at a point, with the interval around it; latencies in seconds.
    pub(crate) fn at(self, point: &CurvePoint) -> Option<(f64, Option<[f64; 2]>)> {
        let seconds = |us: u64| us as f64 / 1e6;
        match self {
            Self::Recall => Some((point.recall?, point.recall_interval)),
            Self::Precision => Some((point.precision?, point.precision_interval)),
            Self::AlertP99 => Some((
                seconds(point.alert_p99_us?),
                point.alert_p99_range_us.map(|ends| ends.map(seconds)),
            )),
        }
    }
}

/// A value of the axis.
pub(crate) fn on_axis(axis: Axis, value: f64) -> String {
    match axis {
        Axis::Rate => rate(value),
        Axis::Lateness => format!("{} %", trimmed(value * 100.0)),
        Axis::Difficulty => trimmed(value),
    }
}

/// Where a value stands along the axis: rates and magnitudes by ratio, as half of either is as far as twice of it.
pub(crate) fn along(axis: Axis, value: f64) -> f64 {
    match axis {
        Axis::Lateness => value,
        Axis::Rate | Axis::Difficulty => value.max(f64::MIN_POSITIVE).ln(),
    }
}

/// The axis with its unit.
pub(crate) fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rate => "events per second",
        Axis::Lateness => "share of late events",
        Axis::Difficulty => "magnitude of the incidents (the less, the harder)",
    }
}

/// Up to three decimals, without zeros at the end.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Every point in a table.
#[must_use]
pub fn curve_text(result: &CurveResult) -> String {
    let mut table = Table::new([
        result.axis.name(),
        "found",
        "recall",
        "95 %",
        "precision",
        "95 %",
        "alerts p99",
        "invalid runs",
    ]);
    for point in &result.points {
        let cells = Row::of(result.axis, point);
        table.row([
            cells.value,
            cells.found,
            cells.recall,
            cells.recall_interval,
            cells.precision,
            cells.precision_interval,
            cells.alerts,
            cells.invalid,
        ]);
    }
    let mut out = table.to_text();
    if let Some(note) = note(result) {
        out.push_str(&note);
        out.push('\n');
    }
    out
}

/// What a reader should know of the whole curve.
fn note(result: &CurveResult) -> Option<String> {
    if result.interrupted {
        return Some("Interrupted: further points were not run.".to_owned());
    }
    (result.speed != 1.0).then(|| {
        format!(
            "Latencies are those of event time at speed {}: waits for windows are shortened by it.",
            result.speed
        )
    })
}

/// A point as texts.
struct Row {
    value: String,
    found: String,
    recall: String,
    recall_interval: String,
    precision: String,
    precision_interval: String,
    alerts: String,
    invalid: String,
    /// Codes of what speaks against its runs, each once.
    codes: Vec<String>,
}

impl Row {
    fn of(axis: Axis, point: &CurvePoint) -> Self {
        let is_invalid = |status: ValidityStatus| status == ValidityStatus::Invalid;
        let invalid = point
            .runs
            .iter()
            .filter(|run| is_invalid(run.status))
            .count();
        let mut codes: Vec<String> = point
            .runs
            .iter()
            .flat_map(|run| run.codes.clone())
            .collect();
        codes.sort();
        codes.dedup();
        Self {
            value: on_axis(axis, point.value),
            found: format!("{}/{}", count(point.detected), count(point.labels)),
            recall: ratio(point.recall),
            recall_interval: interval(point.recall_interval),
            precision: ratio(point.precision),
            precision_interval: interval(point.precision_interval),
            alerts: point
                .alert_p99_us
                .map_or_else(|| UNDEFINED.to_owned(), |us| micros(us as f64)),
            invalid: format!("{invalid} of {}", plural(point.runs.len() as u64, "run")),
            codes,
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "curve.html")]
struct Page<'a> {
    style: &'static str,
    result: &'a CurveResult,
    started_at: String,
    axis: &'static str,
    note: Option<String>,
    /// SVG, one for each figure.
    charts: Vec<String>,
    rows: Vec<Row>,
}

/// Writes the page: one file, no scripts, nothing fetched.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn curve_html(result: &CurveResult, out: &mut dyn Write) -> Result<(), ReportError> {
    let page = Page {
        style: STYLE,
        result,
        started_at: wall_time(result.started_at),
        axis: axis_name(result.axis),
        note: note(result),
        charts: Figure::ALL
            .map(|figure| chart::curve(result, figure))
            .to_vec(),
        rows: result
            .points
            .iter()
            .map(|point| Row::of(result.axis, point))
            .collect(),
    };
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}

/// `recall.png`, `precision.png` and `alert-latency.png`.
///
/// # Errors
/// [`ReportError::Plot`] if the drawing library fails.
pub fn curve_pngs(result: &CurveResult) -> Result<Vec<(&'static str, Vec<u8>)>, ReportError> {
    Figure::ALL
        .into_iter()
        .map(|figure| plot::curve(result, figure))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_an_axis_are_as_short_as_they_were_written() {
        for (axis, value, expected) in [
            (Axis::Rate, 40_000.0, "40,000/s"),
            (Axis::Lateness, 0.05, "5 %"),
            (Axis::Lateness, 0.0025, "0.25 %"),
            (Axis::Difficulty, 0.5, "0.5"),
            (Axis::Difficulty, 10.0, "10"),
        ] {
            assert_eq!(on_axis(axis, value), expected);
        }
    }
}
