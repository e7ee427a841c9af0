//! Volume under the surface, for detectors that score every row.
//!
//! Paparrizos et al., *Volume under the surface*, VLDB 2022, in the faster form of its authors: the
//! areas under the ROC and precision-recall curves, averaged over widths `w = 0 ..= W` of a soft border
//! around true ranges. A row at distance `d <= w / 2` from a range counts `sqrt(1 - d / w)`. At each
//! threshold, `n` rows being scored, `P` of them true and `hit` those at or above it:
//! ```text
//! TP = sum of soft labels over hit rows            N = true rows + soft labels of hit border rows
//! TPR = min(1, TP / ((P + N) / 2)) * share of widened ranges with a hit
//! FPR = (hits - TP) / (n - (P + N) / 2)            precision = TP / hits
//! ```

/// Volumes under both surfaces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    /// Under the ROC surface.
    pub roc: f64,
    /// Under the precision-recall surface.
    pub precision_recall: f64,
}

/// The volumes, with borders up to `max_width` rows and so many thresholds. `truth` are pairs of first
/// and last row, sorted and disjoint. `None` without a true row, without rows, with fewer than two
/// thresholds, or where a range lies outside of the rows.
#[must_use]
pub fn volume(
    truth: &[[usize; 2]],
    scores: &[f64],
    max_width: usize,
    n_thresholds: usize,
) -> Option<Volume> {
    let fits = truth
        .iter()
        .all(|[first, last]| first <= last && *last < scores.len());
    if truth.is_empty() || n_thresholds < 2 || !fits {
        return None;
    }
    let levels = levels(scores, n_thresholds);
    let (mut roc, mut precision_recall) = (0.0, 0.0);
    for width in 0..=max_width {
        let surface = Surface::new(truth, scores.len(), width);
        let points = curve(&surface, &levels, n_thresholds);
        let (area, average) = areas(&points);
        roc += area;
        precision_recall += average;
    }
    let n_widths = (max_width + 1) as f64;
    Some(Volume {
        roc: roc / n_widths,
        precision_recall: precision_recall / n_widths,
    })
}

/// True ranges with borders of one width.
struct Surface {
    soft: Vec<f64>,
    is_true: Vec<bool>,
    /// Widened ranges; those that touch are one.
    regions: Vec<[usize; 2]>,
}

impl Surface {
    fn new(truth: &[[usize; 2]], n_rows: usize, width: usize) -> Self {
        let mut is_true = vec![false; n_rows];
        for [first, last] in truth {
            is_true[*first..=*last].fill(true);
        }
        let mut soft: Vec<f64> = is_true.iter().map(|t| f64::from(u8::from(*t))).collect();
        let half = width / 2;
        let mut regions: Vec<[usize; 2]> = Vec::with_capacity(truth.len());
        for [first, last] in truth {
            for distance in 1..=half {
                let weight = (1.0 - distance as f64 / width as f64).sqrt();
                let before = first.checked_sub(distance);
                let after = Some(last + distance).filter(|row| *row < n_rows);
                for row in before.into_iter().chain(after) {
                    soft[row] = (soft[row] + weight).min(1.0);
                }
            }
            let widened = [first.saturating_sub(half), (last + half).min(n_rows - 1)];
            match regions.last_mut() {
                Some(region) if widened[0] <= region[1] => region[1] = widened[1],
                _ => regions.push(widened),
            }
        }
        Self {
            soft,
            is_true,
            regions,
        }
    }
}

/// One point of the curves.
struct Point {
    true_rate: f64,
    false_rate: f64,
    precision: f64,
}

/// What comes in at a threshold.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    hits: f64,
    weight: f64,
    /// The part of the weight that lies on borders.
    border: f64,
    /// Regions that have their first hit.
    met: f64,
}

/// One pass over the rows for all thresholds: each comes in at its level.
fn curve(surface: &Surface, levels: &[usize], n_thresholds: usize) -> Vec<Point> {
    let n_rows = surface.soft.len() as f64;
    let n_true = surface.is_true.iter().filter(|t| **t).count() as f64;
    // The last step is of rows below the lowest threshold.
    let mut steps = vec![Step::default(); n_thresholds + 1];
    for ((level, soft), is_true) in levels.iter().zip(&surface.soft).zip(&surface.is_true) {
        let step = &mut steps[*level];
        step.hits += 1.0;
        step.weight += soft;
        step.border += if *is_true { 0.0 } else { *soft };
    }
    for [from, to] in &surface.regions {
        let first = levels[*from..=*to].iter().min();
        steps[first.copied().unwrap_or(n_thresholds)].met += 1.0;
    }
    let mut so_far = Step::default();
    let point = |step: &Step| {
        so_far.hits += step.hits;
        so_far.weight += step.weight;
        so_far.border += step.border;
        so_far.met += step.met;
        let positive = f64::midpoint(n_true, n_true + so_far.border);
        let met = so_far.met / surface.regions.len() as f64;
        Point {
            true_rate: (so_far.weight / positive).min(1.0) * met,
            false_rate: (so_far.hits - so_far.weight) / (n_rows - positive),
            precision: so_far.weight / so_far.hits,
        }
    };
    steps[..n_thresholds].iter().map(point).collect()
}

/// Areas under the ROC curve (trapezoids, closed at both ends) and under the precision-recall curve.
fn areas(points: &[Point]) -> (f64, f64) {
    let (mut roc, mut average) = (0.0, 0.0);
    let [mut true_rate, mut false_rate] = [0.0, 0.0];
    for point in points {
        roc += (point.false_rate - false_rate) * f64::midpoint(point.true_rate, true_rate);
        average += (point.true_rate - true_rate) * point.precision;
        [true_rate, false_rate] = [point.true_rate, point.false_rate];
    }
    roc += (1.0 - false_rate) * f64::midpoint(1.0, true_rate);
    (roc, average)
}

/// By row: the first threshold that its score reaches; thresholds are scores at even steps of their descending order.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position between 0 and the number of rows"
)]
fn levels(scores: &[f64], n_thresholds: usize) -> Vec<usize> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let last = sorted.len() - 1;
    let step = last as f64 / (n_thresholds - 1) as f64;
    let threshold = |k: usize| sorted[((k as f64 * step) as usize).min(last)];
    let thresholds: Vec<f64> = (0..n_thresholds).map(threshold).collect();
    let level = |score: &f64| thresholds.partition_point(|threshold| threshold > score);
    scores.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_know_the_truth_fill_the_volume() {
        let scores: Vec<f64> = (0..100)
            .map(|row| f64::from(u8::from((40..60).contains(&row))))
            .collect();
        let found = volume(&[[40, 59]], &scores, 0, 50).unwrap();
        assert!(
            found.roc > 0.99 && found.precision_recall > 0.99,
            "{found:?}"
        );
        let wrong: Vec<f64> = scores.iter().map(|score| -score).collect();
        let found = volume(&[[40, 59]], &wrong, 4, 50).unwrap();
        assert!(found.roc < 0.2, "{found:?}");
    }

    #[test]
    fn without_truth_or_rows_there_is_no_volume() {
        assert_eq!(volume(&[], &[0.1, 0.2], 2, 10), None);
        assert_eq!(volume(&[[0, 0]], &[], 2, 10), None);
        assert_eq!(volume(&[[0, 5]], &[0.1, 0.2], 2, 10), None);
    }
}
