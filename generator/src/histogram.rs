//! Histograms with high dynamic range, and how they go into files.

use base64::Engine as _;
use floodmark_contracts::histogram::EncodedHistogram;
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};

/// Why a histogram cannot be made, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot keep a histogram: {reason}")]
pub struct HistogramError {
    /// What the library says.
    pub reason: String,
}

/// A histogram of values up to `highest`, to three digits.
pub(crate) fn up_to(highest: u64) -> Result<Histogram<u64>, HistogramError> {
    Histogram::new_with_bounds(1, highest, 3).map_err(failed)
}

/// The histogram as text: V2 with deflate, in base64.
pub(crate) fn encoded(histogram: &Histogram<u64>) -> Result<EncodedHistogram, HistogramError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(failed)?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(EncodedHistogram(text))
}

/// The histogram that a text holds.
pub(crate) fn decoded(encoded: &EncodedHistogram) -> Result<Histogram<u64>, HistogramError> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&encoded.0)
        .map_err(failed)?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(failed)
}

/// Takes over the values of another histogram.
pub(crate) fn add(into: &mut Histogram<u64>, more: &Histogram<u64>) -> Result<(), HistogramError> {
    into.add(more).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> HistogramError {
    HistogramError {
        reason: error.to_string(),
    }
}
