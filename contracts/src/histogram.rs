//! Histograms with high dynamic range, and how they stand in files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An HDR histogram in the V2 Deflate format, base64-encoded as in interval logs. The unit is
/// microseconds unless the field that holds it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EncodedHistogram(pub String);

/// Why a histogram cannot be made, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot keep a histogram in the V2 Deflate format and base64: {reason}")]
pub struct HistogramError {
    /// What the library says.
    pub reason: String,
}

impl EncodedHistogram {
    /// Whether there is no text: nobody measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The histogram as text.
    ///
    /// # Errors
    /// If the library cannot write it.
    pub fn of(histogram: &Histogram<u64>) -> Result<Self, HistogramError> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(histogram, &mut bytes)
            .map_err(failed)?;
        Ok(Self(STANDARD.encode(bytes)))
    }

    /// The histogram that the text holds; empty text is an empty histogram.
    ///
    /// ```
    /// use floodmark_contracts::histogram::{EncodedHistogram, empty};
    /// let mut histogram = empty().unwrap();
    /// histogram.record(20).unwrap();
    /// let text = EncodedHistogram::of(&histogram).unwrap();
    /// assert_eq!(text.decoded().unwrap(), histogram);
    /// ```
    ///
    /// # Errors
    /// If it is anything else.
    pub fn decoded(&self) -> Result<Histogram<u64>, HistogramError> {
        if self.0.is_empty() {
            return empty();
        }
        let bytes = STANDARD.decode(&self.0).map_err(failed)?;
        Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(failed)
    }
}

impl EncodedHistogram {
    /// Takes over the values of another one; of an empty text there are none.
    ///
    /// # Errors
    /// If one of them cannot be read, or the sum not be written.
    pub fn merge(&mut self, more: &Self) -> Result<(), HistogramError> {
        if self.0.is_empty() {
            self.clone_from(more);
        } else if !more.0.is_empty() {
            let mut sum = self.decoded()?;
            add(&mut sum, &more.decoded()?)?;
            *self = Self::of(&sum)?;
        }
        Ok(())
    }
}

/// An empty histogram with three significant digits that grows as needed.
///
/// # Errors
/// Never in practice: the precision is one that the library takes.
pub fn empty() -> Result<Histogram<u64>, HistogramError> {
    Histogram::new(3).map_err(failed)
}

/// A histogram of values up to `highest`, to three digits, which takes room for all of them at once.
///
/// # Errors
/// If there is no such histogram: `highest` must be 2 or more.
pub fn up_to(highest: u64) -> Result<Histogram<u64>, HistogramError> {
    Histogram::new_with_bounds(1, highest, 3).map_err(failed)
}

/// Counts a value.
///
/// # Errors
/// If it does not fit.
pub fn record(into: &mut Histogram<u64>, value: u64) -> Result<(), HistogramError> {
    into.record(value).map_err(failed)
}

/// Takes over the values of another histogram.
///
/// # Errors
/// If they do not fit.
pub fn add(into: &mut Histogram<u64>, more: &Histogram<u64>) -> Result<(), HistogramError> {
    into.add(more).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> HistogramError {
    HistogramError {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_its_text_and_nonsense_is_refused() {
        let mut histogram = up_to(1_000).unwrap();
        for value in [10, 20, 30] {
            histogram.record(value).unwrap();
        }
        let decoded = EncodedHistogram::of(&histogram).unwrap().decoded().unwrap();
        assert_eq!((decoded.len(), decoded.max()), (3, 30));
        assert!(EncodedHistogram::default().decoded().unwrap().is_empty());
        let mut sum = EncodedHistogram::default();
        for _ in 0..2 {
            sum.merge(&EncodedHistogram::of(&histogram).unwrap())
                .unwrap();
            sum.merge(&EncodedHistogram::default()).unwrap();
        }
        assert_eq!(sum.decoded().unwrap().len(), 6);
        for text in ["not base64!", "AAAA"] {
            let error = EncodedHistogram(text.to_owned()).decoded().unwrap_err();
            assert!(error.to_string().contains("V2 Deflate"), "{error}");
        }
    }

    #[test]
    fn histograms_add_up_and_values_beyond_the_bound_do_not_fit() {
        let (mut small, mut large) = (up_to(100).unwrap(), up_to(1_000_000).unwrap());
        large.record(500_000).unwrap();
        assert!(add(&mut small, &large).is_err());
        assert!(record(&mut small, 500_000).is_err());
        record(&mut small, 7).unwrap();
        add(&mut large, &small).unwrap();
        assert_eq!((large.len(), large.min()), (2, 7));
    }
}
