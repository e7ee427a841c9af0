//! PNG plots, to put into a chat or a document: light, with a font of their own.

mod canvas;
mod curve;
mod detection;
mod forest;
mod frame;
mod latency;
mod search;
mod throughput;

use floodmark_contracts::{compare::Comparison, curve::CurveResult, search::SearchResult};

use crate::{ReportError, ReportInput, curve::Figure, model::Model};

/// The three plots by file name: `throughput.png`, `latency.png`, `detection.png`.
///
/// # Errors
/// [`ReportError::Plot`] if the drawing library fails.
pub fn png(input: &ReportInput<'_>) -> Result<Vec<(&'static str, Vec<u8>)>, ReportError> {
    let model = Model::new(input);
    let title = format!("{} · seed {}", input.result.profile, input.result.seed);
    Ok(vec![
        canvas::draw("throughput.png", |canvas| {
            throughput::draw(canvas, &model, &title)
        })?,
        canvas::draw("latency.png", |canvas| {
            latency::draw(canvas, input.result, &title)
        })?,
        canvas::draw("detection.png", |canvas| {
            detection::draw(canvas, input.result, &title)
        })?,
    ])
}

/// `search.png`.
pub(crate) fn search(result: &SearchResult) -> Result<(&'static str, Vec<u8>), ReportError> {
    canvas::draw("search.png", |canvas| search::draw(canvas, result))
}

/// `comparison.png`.
pub(crate) fn comparison(comparison: &Comparison) -> Result<(&'static str, Vec<u8>), ReportError> {
    canvas::draw("comparison.png", |canvas| forest::draw(canvas, comparison))
}

/// One figure of a curve.
pub(crate) fn curve(
    result: &CurveResult,
    figure: Figure,
) -> Result<(&'static str, Vec<u8>), ReportError> {
    let name = match figure {
        Figure::Recall => "recall.png",
        Figure::Precision => "precision.png",
        Figure::AlertP99 => "alert-latency.png",
    };
    canvas::draw(name, |canvas| curve::draw(canvas, result, figure))
}
