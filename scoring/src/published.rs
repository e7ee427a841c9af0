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

/// Sorted; those that share a row, or an instant, are one. Both ends are inclusive.
pub(crate) fn merged<T: Copy + Ord>(mut spans: Vec<[T; 2]>) -> Vec<[T; 2]> {
    spans.sort_unstable();
    spans.dedup_by(|next, last| {
        let touches = next[0] <= last[1];
        if touches {
            last[1] = last[1].max(next[1]);
        }
        touches
    });
    spans
}
