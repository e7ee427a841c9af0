//! PNG plots, to put into a chat or a document: light, with a font of their own.

mod canvas;
mod detection;
mod frame;
mod latency;
mod throughput;

use crate::{ReportError, ReportInput, model::Model};

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
