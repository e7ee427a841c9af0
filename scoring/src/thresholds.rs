//! Scores against a threshold: the precision-recall curve, average precision, ROC AUC.
//!
//! The decision is `score >= threshold`. Equal scores enter as one block: any order among them would
//! be an invention. Values that are not numbers are left out by the callers.

/// Precision and recall at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Everything with this score or more is predicted positive.
    pub threshold: f64,
    /// True positives over predicted positives.
    pub precision: f64,
    /// True positives over positives; `None` where there are none.
    pub recall: Option<f64>,
}

/// The curve over every distinct score, thresholds ascending.
#[must_use]
pub fn pr_curve(scored: &[(f64, bool)]) -> Vec<CurvePoint> {
    let positives = scored.iter().filter(|(_, truth)| *truth).count();
    let (mut hits, mut predicted) = (0, 0);
    let mut curve: Vec<CurvePoint> = blocks(scored)
        .into_iter()
        .map(|block| {
            hits += block.positives;
            predicted += block.positives + block.negatives;
            CurvePoint {
                threshold: block.score,
                precision: hits as f64 / predicted as f64,
                recall: (positives > 0).then(|| hits as f64 / positives as f64),
            }
        })
        .collect();
    curve.reverse();
    curve
}

/// Average precision: `sum over thresholds, high to low, of (R_n - R_(n-1)) P_n`, without
/// interpolation. The trapezoidal area under the same curve is too kind and is not this.
///
/// `None` without positives: there is nothing to recall.
///
/// ```
/// let scored = [(0.9, true), (0.8, false), (0.6, true)];
/// let ap = floodmark_scoring::thresholds::average_precision(&scored).unwrap();
/// assert!((ap - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
/// ```
#[must_use]
pub fn average_precision(scored: &[(f64, bool)]) -> Option<f64> {
    let mut before = 0.0;
    let mut sum = 0.0;
    for point in pr_curve(scored).iter().rev() {
        let recall = point.recall?;
        sum += (recall - before) * point.precision;
        before = recall;
    }
    scored.iter().any(|(_, truth)| *truth).then_some(sum)
}

/// The highest F1 on the curve and the lowest threshold that reaches it. It is chosen with the labels
/// in hand, so a report must call it `oracle`. `None` without positives.
#[must_use]
pub fn oracle_f1(scored: &[(f64, bool)]) -> Option<(f64, f64)> {
    let mut best: Option<(f64, f64)> = None;
    for point in pr_curve(scored) {
        let (p, r) = (point.precision, point.recall?);
        let f1 = if p + r > 0.0 {
            2.0 * p * r / (p + r)
        } else {
            0.0
        };
        if best.is_none_or(|(highest, _)| f1 > highest) {
            best = Some((f1, point.threshold));
        }
    }
    best
}

/// Probability that a positive scores above a negative, ties counting one half (Mann-Whitney).
/// `None` unless there are both.
#[must_use]
pub fn roc_auc(scored: &[(f64, bool)]) -> Option<f64> {
    let (mut above, mut wins, mut negatives) = (0.0, 0.0, 0.0);
    for block in blocks(scored) {
        let (p, n) = (block.positives as f64, block.negatives as f64);
        wins += n * (above + p / 2.0);
        above += p;
        negatives += n;
    }
    (above > 0.0 && negatives > 0.0).then(|| wins / (above * negatives))
}

struct Block {
    score: f64,
    positives: usize,
    negatives: usize,
}

/// Distinct scores, descending, with what has each.
fn blocks(scored: &[(f64, bool)]) -> Vec<Block> {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    sorted
        .chunk_by(|a, b| a.0 == b.0)
        .map(|block| {
            let positives = block.iter().filter(|(_, truth)| *truth).count();
            Block {
                score: block[0].0,
                positives,
                negatives: block.len() - positives,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_enter_as_one_block() {
        let tied = [(0.6, true), (0.6, false)];
        assert_eq!(pr_curve(&tied).len(), 1);
        assert_eq!(average_precision(&tied), Some(0.5));
        assert_eq!(roc_auc(&tied), Some(0.5));
    }

    #[test]
    fn without_positives_everything_is_undefined() {
        let scored = [(0.3, false), (0.4, false)];
        assert_eq!(average_precision(&scored), None);
        assert_eq!(average_precision(&[]), None);
        assert_eq!(oracle_f1(&scored), None);
        assert_eq!(roc_auc(&scored), None);
    }
}
