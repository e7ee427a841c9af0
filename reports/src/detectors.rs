//! Two detectors on the same labels: a text and a page.

use std::io::Write;

use askama::Template;
use floodmark_contracts::history::{DetectorComparison, DetectorFigure};

use crate::{
    ReportError, STYLE_OF_MANY,
    comparison::{chance, one_line},
    format::{count, plural, ratio},
    prose,
    table::Table,
};

/// A p above this is called no difference; nothing else depends on it.
const ALPHA: f64 = 0.05;

/// Which of the labels either detector found, whether that differs, and the figures of both.
#[must_use]
pub fn detectors_text(comparison: &DetectorComparison) -> String {
    let mut found = Table::new(["labels", "cand found", "cand missed"]);
    let [both, only_base, only_cand, neither] = cells(comparison);
    found.row(["base found".to_owned(), both, only_base]);
    found.row(["base missed".to_owned(), only_cand, neither]);
    let mut figures = Table::new(["figure", "base", "cand", "difference", "95 %"]);
    for figure in &comparison.figures {
        let row = Row::of(figure);
        figures.row([
            one_line(row.name),
            row.base,
            row.cand,
            row.difference,
            row.interval,
        ]);
    }
    let mut out = format!("{}\n\n{}", sentence(comparison), found.to_text());
    if !comparison.figures.is_empty() {
        out.push('\n');
        out.push_str(&figures.to_text());
    }
    out
}

/// Labels that both, one or neither found.
fn cells(comparison: &DetectorComparison) -> [String; 4] {
    [
        comparison.both,
        comparison.only_base,
        comparison.only_cand,
        comparison.neither,
    ]
    .map(count)
}

/// Who finds more, and whether chance would do as much.
fn sentence(comparison: &DetectorComparison) -> String {
    let labels = plural(comparison.labels, "label");
    let (base, cand) = (comparison.only_base, comparison.only_cand);
    let Some(p) = comparison.p else {
        return format!("Of {labels} there is none that only one of the two found.");
    };
    let found = format!(
        "Of {labels} only the base found {}, only the candidate {} (McNemar's p {}):",
        count(base),
        count(cand),
        chance(p)
    );
    let more = if cand > base { "candidate" } else { "base" };
    if p > ALPHA {
        format!("{found} chance alone would make as much of a difference.")
    } else {
        format!("{found} the {more} finds more.")
    }
}

/// A figure of both as texts.
struct Row<'a> {
    name: &'a str,
    base: String,
    cand: String,
    difference: String,
    interval: String,
}

impl<'a> Row<'a> {
    fn of(figure: &'a DetectorFigure) -> Self {
        Self {
            name: &figure.name,
            base: ratio(figure.base),
            cand: ratio(figure.cand),
            difference: figure.difference.map_or_else(|| ratio(None), signed),
            interval: figure.interval.map_or_else(String::new, |ends| {
                let [low, high] = ends.map(signed);
                format!("{low} to {high}")
            }),
        }
    }
}

/// A difference of shares with its sign.
fn signed(difference: f64) -> String {
    let text = format!("{:.3}", difference.abs());
    match difference {
        _ if text == "0.000" => text,
        d if d < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// The page.
#[derive(Template)]
#[template(path = "detectors.html")]
struct Page<'a> {
    style: &'static str,
    comparison: &'a DetectorComparison,
    labels: String,
    /// Both, only the base, only the candidate, neither.
    cells: [String; 4],
    sentence: String,
    figures: Vec<Row<'a>>,
}

/// Writes the page: one file, no scripts, nothing fetched.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn detectors_html(
    comparison: &DetectorComparison,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let page = Page {
        style: STYLE_OF_MANY,
        comparison,
        labels: plural(comparison.labels, "label"),
        cells: cells(comparison),
        sentence: sentence(comparison),
        figures: comparison.figures.iter().map(Row::of).collect(),
    };
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}
