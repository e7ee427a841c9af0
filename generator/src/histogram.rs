//! Histograms with high dynamic range, and how they go into files.

use base64::Engine as _;
use floodmark_contracts::histogram::EncodedHistogram;
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2DeflateSerializer},
};

/// Why a histogram cannot be made or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot keep a histogram: {reason}")]
pub struct HistogramError {
    /// What the library says.
    pub reason: String,
}

/// A histogram of values up to `highest`, to three digits.
pub(crate) fn up_to(highest: u64) -> Result<Histogram<u64>, HistogramError> {
    Histogram::new_with_bounds(1, highest, 3).map_err(|error| HistogramError {
        reason: error.to_string(),
    })
}

/// The histogram as text: V2 with deflate, in base64.
pub(crate) fn encoded(histogram: &Histogram<u64>) -> Result<EncodedHistogram, HistogramError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| HistogramError {
            reason: error.to_string(),
        })?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(EncodedHistogram(text))
}
