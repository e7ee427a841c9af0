//! Range-based precision and recall.
//!
//! Tatbul et al., *Precision and recall for time series*, NeurIPS 2018. For a real range `R` of `L`
//! rows and the predicted ranges that overlap it, `k` in number:
//! ```text
//! recall(R)    = alpha * [k > 0] + (1 - alpha) * gamma(k) * sum over overlaps of omega
//! omega        = weight of the overlapping rows / weight of all rows of R
//! gamma(k)     = 1 or 1 / k
//! weight(t)    = 1 | L - t + 1 | t | t while t <= L / 2, else L - t + 1        (t = 1 .. L)
//! ```
//! and recall is the mean over real ranges. Precision is the same with the roles changed and `alpha` 0.

use std::borrow::Cow;

use super::merged;

/// First and last row, both inclusive.
pub type Rows = [usize; 2];

/// What finding a range in several pieces costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// Nothing.
    One,
    /// The overlaps are divided by their number.
    Reciprocal,
}

/// Which rows of a range weigh most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// All alike.
    Flat,
    /// The first.
    Front,
    /// Those in the middle.
    Middle,
    /// The last.
    Back,
}

/// How overlaps are rated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Share of the reward that mere existence earns, 0 to 1.
    pub alpha: f64,
    /// What fragmentation costs.
    pub cardinality: Cardinality,
    /// Where in a range an overlap counts most.
    pub bias: Bias,
}

/// Mean reward of the real ranges; `None` without any. Predicted ranges that overlap are one.
#[must_use]
pub fn recall(real: &[Rows], predicted: &[Rows], rules: Rules) -> Option<f64> {
    mean_reward(real, &apart(predicted), rules)
}

/// Mean reward of the predicted ranges; `None` without any. `alpha` does not apply.
#[must_use]
pub fn precision(real: &[Rows], predicted: &[Rows], rules: Rules) -> Option<f64> {
    let rules = Rules {
        alpha: 0.0,
        ..rules
    };
    mean_reward(&apart(predicted), real, rules)
}

/// The ranges, those that overlap as one. Most often they come so, and are not copied.
fn apart(ranges: &[Rows]) -> Cow<'_, [Rows]> {
    if are_apart(ranges) {
        Cow::from(ranges)
    } else {
        Cow::from(merged(ranges.to_vec()))
    }
}

/// Whether ranges are in order and share no row.
fn are_apart(ranges: &[Rows]) -> bool {
    ranges.is_sorted() && ranges.windows(2).all(|pair| pair[0][1] < pair[1][0])
}

fn mean_reward(ranges: &[Rows], others: &[Rows], rules: Rules) -> Option<f64> {
    let mut others = Cow::from(others);
    if !others.is_sorted() {
        others.to_mut().sort_unstable();
    }
    // Where none overlaps another, most of them need no look.
    let disjoint = are_apart(&others);
    let rewards = ranges.iter().map(|range| {
        let before = others.partition_point(|other| disjoint && other[1] < range[0]);
        let until = others.partition_point(|other| other[0] <= range[1]);
        reward(*range, &others[before..until.max(before)], rules)
    });
    (!ranges.is_empty()).then(|| rewards.sum::<f64>() / ranges.len() as f64)
}

fn reward([first, last]: Rows, others: &[Rows], rules: Rules) -> f64 {
    let overlaps = others
        .iter()
        .map(|[from, to]| [first.max(*from), last.min(*to)])
        .filter(|[from, to]| from <= to);
    let n_overlaps = overlaps.clone().count();
    if n_overlaps == 0 {
        return 0.0;
    }
    let length = last - first + 1;
    let weigh =
        |[from, to]: Rows| sum_of_weights(from - first + 1, to - first + 1, length, rules.bias);
    let covered: f64 = overlaps.map(weigh).sum();
    let gamma = match rules.cardinality {
        Cardinality::One => 1.0,
        Cardinality::Reciprocal => 1.0 / n_overlaps as f64,
    };
    rules.alpha + (1.0 - rules.alpha) * gamma * covered / weigh([first, last])
}

/// The weights of the positions `from ..= to`: but in the middle they rise or fall evenly, so that the ends tell the sum.
fn sum_of_weights(from: usize, to: usize, length: usize, bias: Bias) -> f64 {
    let weight = |position| weight(position, length, bias);
    match bias {
        Bias::Flat | Bias::Front | Bias::Back => {
            (to - from + 1) as f64 * (weight(from) + weight(to)) / 2.0
        }
        Bias::Middle => (from..=to).map(weight).sum(),
    }
}

fn weight(position: usize, length: usize, bias: Bias) -> f64 {
    let from_the_end = (length - position + 1) as f64;
    match bias {
        Bias::Flat => 1.0,
        Bias::Front => from_the_end,
        Bias::Back => position as f64,
        Bias::Middle if position * 2 <= length => position as f64,
        Bias::Middle => from_the_end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: Rules = Rules {
        alpha: 0.0,
        cardinality: Cardinality::One,
        bias: Bias::Flat,
    };

    #[test]
    fn what_is_found_whole_scores_one_under_every_rule() {
        let real = [[3, 9], [20, 20]];
        for bias in [Bias::Flat, Bias::Front, Bias::Middle, Bias::Back] {
            let rules = Rules { bias, ..FLAT };
            assert_eq!(recall(&real, &real, rules), Some(1.0));
            assert_eq!(precision(&real, &real, rules), Some(1.0));
        }
    }

    #[test]
    fn overlapping_predictions_are_one_and_pieces_cost() {
        let real = [[0, 9]];
        assert_eq!(recall(&real, &[[0, 4], [3, 9]], FLAT), Some(1.0));
        let reciprocal = Rules {
            cardinality: Cardinality::Reciprocal,
            ..FLAT
        };
        assert_eq!(recall(&real, &[[0, 4], [5, 9]], reciprocal), Some(0.5));
    }

    #[test]
    fn without_ranges_there_is_nothing_to_average() {
        assert_eq!(recall(&[], &[[0, 1]], FLAT), None);
        assert_eq!(precision(&[[0, 1]], &[], FLAT), None);
        assert_eq!(recall(&[[0, 1]], &[], FLAT), Some(0.0));
    }
}
