//! The Mann-Whitney test and the Hodges-Lehmann shift of two sides that are not in pairs.

use std::collections::BTreeMap;

use super::medians::{median, weighted_quantile};
use crate::{bootstrap::Draws, special::gamma_p};

/// Up to so many values of both sides together, all ways to deal them out are counted.
const MOST_EXACT: usize = 40;

/// Two-sided p of the two sides being from one distribution. `None` without values on a side.
///
/// With `W` the rank sum of `a` (ties share their mean rank), p is the share of all `C(m + n, m)` ways to
/// deal the ranks out with `|W - E| >= ` that found, counted exactly, ties and all, for up to 40 values.
/// Beyond, the normal approximation with
/// ```text
/// var W = m n / 12 ((N + 1) - sum of (t³ - t) / (N (N - 1)))
/// ```
/// over groups of t ties, and half a rank of continuity. Mann and Whitney, *On a test of whether one of two
/// random variables is stochastically larger than the other*, Annals of Mathematical Statistics 18, 1947;
/// Lehmann, *Nonparametrics*, 1975, chapter 1.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let ranks = doubled_ranks(a, b);
    let found: usize = ranks[..a.len()].iter().sum();
    // Doubled as the ranks are: m (N + 1) / 2, times two.
    let expected = a.len() * (ranks.len() + 1);
    let distance = found.abs_diff(expected);
    Some(if ranks.len() <= MOST_EXACT {
        exact(&ranks, a.len(), expected, distance)
    } else {
        normal(&ranks, a.len(), distance)
    })
}

/// The smallest p that `m` and `n` values can give: `2 / C(m + n, m)`.
#[must_use]
pub fn smallest_p(m: usize, n: usize) -> f64 {
    (1..=m)
        .fold(2.0, |p, i| p * i as f64 / (n + i) as f64)
        .min(1.0)
}

/// Twice the rank of each value, those of `a` first; twice, so that shared ranks are whole.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let mut sorted = all.clone();
    sorted.sort_by(f64::total_cmp);
    all.iter()
        .map(|v| {
            let below = sorted.partition_point(|s| s < v);
            let up_to = sorted.partition_point(|s| s <= v);
            below + 1 + up_to
        })
        .collect()
}

/// Counts the ways to choose `m` of the ranks, by their sum.
fn exact(ranks: &[usize], m: usize, expected: usize, distance: usize) -> f64 {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; m + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for chosen in (1..=m).rev() {
            let (fewer, these) = ways.split_at_mut(chosen);
            let (fewer, these) = (&fewer[chosen - 1], &mut these[0]);
            for (to, from) in these[*rank..].iter_mut().zip(fewer) {
                *to += from;
            }
        }
    }
    let all: f64 = ways[m].iter().sum();
    let far = |(sum, _): &(usize, &f64)| sum.abs_diff(expected) >= distance;
    let n_far: f64 = ways[m].iter().enumerate().filter(far).map(|(_, n)| n).sum();
    n_far / all
}

fn normal(ranks: &[usize], m: usize, distance: usize) -> f64 {
    let total = ranks.len() as f64;
    let mut tied: BTreeMap<usize, f64> = BTreeMap::new();
    for rank in ranks {
        *tied.entry(*rank).or_default() += 1.0;
    }
    let ties: f64 = tied.values().map(|t| t * t * t - t).sum();
    let sides = m as f64 * (total - m as f64);
    let variance = sides / 12.0 * ((total + 1.0) - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((distance as f64 / 2.0 - 0.5).max(0.0)) / variance.sqrt();
    // P(|Z| > z) = 1 - P(1/2, z²/2).
    (1.0 - gamma_p(0.5, z * z / 2.0)).clamp(0.0, 1.0)
}

/// The median of all differences `b_j - a_i`. `None` without values on a side.
///
/// Hodges and Lehmann, *Estimates of location based on rank tests*, Annals of Mathematical Statistics 34,
/// 1963.
#[must_use]
pub fn shift(a: &[f64], b: &[f64]) -> Option<f64> {
    let differences: Vec<f64> = b
        .iter()
        .flat_map(|b| a.iter().map(move |a| b - a))
        .collect();
    median(&differences)
}

/// Percentile interval of [`shift`], drawing the values of each side with replacement `resamples` times.
/// `None` with fewer than two values on a side.
#[must_use]
pub fn shift_interval(
    a: &[f64],
    b: &[f64],
    (resamples, seed): (u32, u64),
    confidence: f64,
) -> Option<[f64; 2]> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    // One of the two orders of the sides is always taken, so that swapping them mirrors the interval
    // exactly.
    let (a, b) = (sorted(a), sorted(b));
    let is_mirrored = a.len() > b.len() || (a.len() == b.len() && a > b);
    let (a, b) = if is_mirrored { (b, a) } else { (a, b) };
    let mut differences: Vec<(f64, usize, usize)> = (0..a.len())
        .flat_map(|i| (0..b.len()).map(move |j| (i, j)))
        .map(|(i, j)| (b[j] - a[i], i, j))
        .collect();
    differences.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut draws = Draws(seed);
    let (mut of_a, mut of_b) = (vec![0u32; a.len()], vec![0u32; b.len()]);
    let mut shifts: Vec<(f64, u32)> = (0..resamples)
        .filter_map(|_| {
            redraw(&mut of_a, &mut draws);
            redraw(&mut of_b, &mut draws);
            weighted_median(&differences, &of_a, &of_b)
        })
        .map(|shift| (shift, 1))
        .collect();
    shifts.sort_by(|x, y| x.0.total_cmp(&y.0));
    let tail = (1.0 - confidence) / 2.0;
    let low = weighted_quantile(&shifts, tail)?;
    let high = weighted_quantile(&shifts, 1.0 - tail)?;
    Some(if is_mirrored {
        [-high, -low]
    } else {
        [low, high]
    })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn redraw(times: &mut [u32], draws: &mut Draws) {
    times.fill(0);
    for _ in 0..times.len() {
        times[draws.below(times.len())] += 1;
    }
}

/// Median of the differences, each as often as its two values were drawn.
fn weighted_median(ascending: &[(f64, usize, usize)], of_a: &[u32], of_b: &[u32]) -> Option<f64> {
    let half = of_a.len() * of_b.len();
    let mut seen = 0usize;
    let mut lower = None;
    for (difference, i, j) in ascending {
        seen += (of_a[*i] * of_b[*j]) as usize;
        if 2 * seen >= half && lower.is_none() {
            lower = Some(*difference);
        }
        if 2 * seen > half {
            return lower.map(|lower| f64::midpoint(lower, *difference));
        }
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to deal the values out, one by one.
    fn brute_force(a: &[f64], b: &[f64]) -> f64 {
        let ranks = doubled_ranks(a, b);
        let expected = a.len() * (ranks.len() + 1);
        let distance = ranks[..a.len()].iter().sum::<usize>().abs_diff(expected);
        let (mut all, mut far) = (0u32, 0u32);
        for chosen in (0u32..1 << ranks.len()).filter(|c| c.count_ones() as usize == a.len()) {
            let of_chosen = |(i, rank): (usize, &usize)| (chosen >> i & 1 == 1).then_some(*rank);
            let sum: usize = ranks.iter().enumerate().filter_map(of_chosen).sum();
            all += 1;
            far += u32::from(sum.abs_diff(expected) >= distance);
        }
        f64::from(far) / f64::from(all)
    }

    #[test]
    fn counted_sums_agree_with_every_way_to_deal_the_values_out() {
        let mut draws = Draws(3);
        for case in 0..80 {
            let mut side = |n: usize| -> Vec<f64> {
                // Half the cases are full of ties.
                let values = if case % 2 == 0 { 4 } else { 1_000_000 };
                (0..n).map(|_| draws.below(values) as f64).collect()
            };
            let (a, b) = (side(1 + case % 6), side(1 + case % 5));
            let got = mann_whitney(&a, &b).unwrap();
            assert!((got - brute_force(&a, &b)).abs() < 1e-12, "{a:?} {b:?}");
            assert_eq!(mann_whitney(&b, &a), Some(got));
        }
    }

    #[test]
    fn apart_altogether_has_the_smallest_p() {
        let (a, b) = (
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [7.0, 8.0, 9.0, 10.0, 11.0, 12.0],
        );
        let p = mann_whitney(&a, &b).unwrap();
        assert!((p - 2.0 / 924.0).abs() < 1e-15);
        assert!((smallest_p(6, 6) - p).abs() < 1e-15);
        assert_eq!(smallest_p(1, 1), 1.0);
        assert_eq!(mann_whitney(&a, &[]), None);
    }

    #[test]
    fn the_approximation_is_close_to_the_count_where_that_ends() {
        let mut draws = Draws(11);
        for _ in 0..20 {
            let mut side = |more: f64| -> Vec<f64> {
                (0..20).map(|_| draws.below(30) as f64 + more).collect()
            };
            let (a, b) = (side(0.0), side(5.0));
            let ranks = doubled_ranks(&a, &b);
            let expected = a.len() * (ranks.len() + 1);
            let distance = ranks[..a.len()].iter().sum::<usize>().abs_diff(expected);
            let (counted, close) = (
                exact(&ranks, 20, expected, distance),
                normal(&ranks, 20, distance),
            );
            assert!((counted - close).abs() < 0.006, "{counted} {close}");
        }
        let same = [1.0; 30];
        assert_eq!(mann_whitney(&same, &same), Some(1.0));
    }

    #[test]
    fn the_shift_and_its_interval_mirror_when_sides_are_swapped() {
        let (a, b) = ([1.0, 2.5, 2.0, 4.0, 3.0], [3.5, 6.0, 5.0, 7.5, 4.5, 9.0]);
        assert_eq!(shift(&a, &b), Some(3.25));
        let of = |a: &[f64], b: &[f64]| shift_interval(a, b, (2_000, 5), 0.95).unwrap();
        let [low, high] = of(&a, &b);
        assert!(low < 3.25 && 3.25 < high);
        assert_eq!(of(&b, &a), [-high, -low]);
        assert_eq!(shift_interval(&a, &[1.0], (100, 5), 0.95), None);
    }
}
