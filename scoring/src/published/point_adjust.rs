//! Point adjustment, to show how much it inflates; never a headline.
//!
//! Kim et al., *Towards a rigorous evaluation of time-series anomaly detection*, AAAI 2022 (PA%K): if
//! more than `K` % of a true segment's rows are hit, all of them count as hit. `K = 0` is the adjustment
//! that much of the literature uses, under which scores drawn at random go from an F1 of .04 to .98.

use crate::confusion::share;

/// Precision, recall and F1 over rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowScores {
    /// Hit true rows over hit rows.
    pub precision: Option<f64>,
    /// Hit true rows over true rows.
    pub recall: Option<f64>,
    /// `2 TP / (2 TP + FP + FN)`.
    pub f1: Option<f64>,
}

/// The hits after adjustment: segments of `truth` of which more than `k_percent` are hit are filled.
/// Rows beyond the shorter of the two are dropped.
#[must_use]
pub fn adjust(truth: &[bool], hits: &[bool], k_percent: f64) -> Vec<bool> {
    let n_rows = truth.len().min(hits.len());
    let (truth, mut adjusted) = (&truth[..n_rows], hits[..n_rows].to_vec());
    let mut from = 0;
    while from < n_rows {
        let length = truth[from..].iter().take_while(|t| **t).count();
        if length == 0 {
            from += 1;
            continue;
        }
        let segment = &mut adjusted[from..from + length];
        let n_hit = segment.iter().filter(|hit| **hit).count();
        if n_hit as f64 > k_percent / 100.0 * length as f64 {
            segment.fill(true);
        }
        from += length;
    }
    adjusted
}

/// Scores of hits over rows.
#[must_use]
pub fn score(truth: &[bool], hits: &[bool]) -> RowScores {
    let count = |of_truth: bool, of_hit: bool| {
        let rows = truth.iter().zip(hits);
        rows.filter(|(t, h)| **t == of_truth && **h == of_hit)
            .count() as u64
    };
    let (found, wrong, missed) = (count(true, true), count(false, true), count(true, false));
    RowScores {
        precision: share(found, found + wrong),
        recall: share(found, found + missed),
        f1: share(2 * found, 2 * found + wrong + missed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hit_fills_a_segment_unless_more_is_asked_for() {
        let truth = [false, true, true, true, true, false, true];
        let hits = [false, false, true, false, false, true, false];
        let filled = [false, true, true, true, true, true, false];
        assert_eq!(adjust(&truth, &hits, 0.0), filled);
        assert_eq!(adjust(&truth, &hits, 20.0), filled);
        // A quarter is not more than a quarter.
        assert_eq!(adjust(&truth, &hits, 25.0), hits);
    }

    #[test]
    fn nothing_hit_has_a_recall_but_no_precision() {
        let scores = score(&[true, false], &[false, false]);
        assert_eq!((scores.precision, scores.recall), (None, Some(0.0)));
    }
}
