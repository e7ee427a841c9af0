//! Scores as the literature defines them, so that figures can be held against other people's.
//!
//! None of them is a headline here: each answers a question of its own, and most reward something that
//! a person on call would not. All are pure functions over rows or spans; undefined is `None`, also
//! where the code that came with a paper returns 0.

/// Affiliation precision and recall.
pub mod affiliation;
/// Event-wise scores and timing quality of the ESA benchmark.
pub mod event_wise;
/// The score of the Numenta Anomaly Benchmark.
pub mod nab;
/// Point adjustment, to show how much it inflates.
pub mod point_adjust;
/// Range-based precision and recall.
pub mod range_based;
/// Volume under the ROC and precision-recall surfaces.
pub mod volume;

pub(crate) use range_based::Rows;

/// Sorted; those that share a row are one.
pub(crate) fn merged(mut spans: Vec<Rows>) -> Vec<Rows> {
    spans.sort_unstable();
    let mut merged: Vec<Rows> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span[0] <= last[1] => last[1] = last[1].max(span[1]),
            _ => merged.push(span),
        }
    }
    merged
}
