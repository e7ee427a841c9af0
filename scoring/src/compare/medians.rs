//! Bootstrap of a median over rounds.
//!
//! Rounds are drawn with replacement, as many as there are, and the median of the drawn ones is taken; the
//! interval is that of the percentiles (Efron and Tibshirani, *An introduction to the bootstrap*, 1993,
//! chapter 13).
//!
//! Which two ranks a drawn sample's median lies between depends on the draws, not on the values. So the
//! draws are made once for each number of rounds and kept as counts of pairs of ranks: the same figures as
//! drawing anew for every metric, to the last bit, at a hundredth of the work.

use std::collections::BTreeMap;

use crate::bootstrap::Draws;

/// Draws that were made already, by how many of how many were drawn.
#[derive(Debug, Clone)]
pub struct Medians {
    resamples: u32,
    seed: u64,
    tables: BTreeMap<(usize, usize), Table>,
}

/// How often a median lay between two ranks.
type Table = Vec<(usize, usize, u32)>;

impl Medians {
    /// For medians of `resamples` samples each, drawn from `seed`.
    #[must_use]
    pub fn new(resamples: u32, seed: u64) -> Self {
        Self {
            resamples: resamples.max(1),
            seed,
            tables: BTreeMap::new(),
        }
    }

    /// Percentile interval of the median of `values`. `None` of fewer than two.
    #[must_use]
    pub fn interval(&mut self, values: &[f64], confidence: f64) -> Option<[f64; 2]> {
        if values.len() < 2 {
            return None;
        }
        let (sorted, is_mirrored) = canonical(values);
        let medians = self.distribution(&sorted, sorted.len());
        let tail = (1.0 - confidence) / 2.0;
        let low = weighted_quantile(&medians, tail)?;
        let high = weighted_quantile(&medians, 1.0 - tail)?;
        Some(if is_mirrored {
            [-high, -low]
        } else {
            [low, high]
        })
    }

    /// Root mean square, about 0, of the medians of `drawn` of the `values`. `None` of fewer than two.
    #[must_use]
    pub fn root_mean_square(&mut self, values: &[f64], drawn: usize) -> Option<f64> {
        if values.len() < 2 || drawn == 0 {
            return None;
        }
        let (sorted, _) = canonical(values);
        let medians = self.distribution(&sorted, drawn);
        let squares: f64 = medians.iter().map(|(m, w)| m * m * f64::from(*w)).sum();
        Some((squares / f64::from(self.resamples)).sqrt())
    }

    /// The medians, ascending, with how often each came.
    fn distribution(&mut self, sorted: &[f64], drawn: usize) -> Vec<(f64, u32)> {
        let (resamples, seed) = (self.resamples, self.seed);
        let table = self
            .tables
            .entry((sorted.len(), drawn))
            .or_insert_with(|| draw(sorted.len(), drawn, resamples, seed));
        let mut medians: Vec<(f64, u32)> = table
            .iter()
            .map(|(low, high, weight)| (f64::midpoint(sorted[*low], sorted[*high]), *weight))
            .collect();
        medians.sort_by(|a, b| a.0.total_cmp(&b.0));
        medians
    }
}

/// Median of `values`; the middle of the two middle ones of an even number. `None` without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let upper = *sorted.get(n / 2)?;
    Some(if n % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[n / 2 - 1], upper)
    })
}

/// The values or their negatives, sorted: the same for both, so that swapping sides mirrors an interval
/// exactly. Whether it is the negatives.
fn canonical(values: &[f64]) -> (Vec<f64>, bool) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let negated: Vec<f64> = sorted.iter().rev().map(|v| -v).collect();
    let first = sorted.iter().zip(&negated).find(|(a, b)| a != b);
    let is_mirrored = first.is_some_and(|(a, b)| a < b);
    (if is_mirrored { negated } else { sorted }, is_mirrored)
}

fn draw(size: usize, drawn: usize, resamples: u32, seed: u64) -> Table {
    let mut draws = Draws(seed ^ ((size as u64) << 32 | drawn as u64));
    let (low, high) = ((drawn - 1) / 2, drawn / 2);
    let mut table = BTreeMap::new();
    let mut times = vec![0usize; size];
    for _ in 0..resamples {
        times.fill(0);
        for _ in 0..drawn {
            times[draws.below(size)] += 1;
        }
        let pair = (rank_of(&times, low), rank_of(&times, high));
        *table.entry(pair).or_insert(0) += 1;
    }
    table.into_iter().map(|((l, h), n)| (l, h, n)).collect()
}

/// The rank among all of the drawn one at `position`, counted from 0.
fn rank_of(times: &[usize], position: usize) -> usize {
    let mut seen = 0;
    for (rank, n) in times.iter().enumerate() {
        seen += n;
        if seen > position {
            return rank;
        }
    }
    times.len() - 1
}

/// The `q`-quantile of values with weights, interpolated as if each stood there as often as it weighs
/// (Hyndman and Fan's type 7).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rank is between 0 and the number of resamples"
)]
pub(crate) fn weighted_quantile(ascending: &[(f64, u32)], q: f64) -> Option<f64> {
    let total: u64 = ascending.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let last = total.checked_sub(1)?;
    let rank = q.clamp(0.0, 1.0) * last as f64;
    let at = |position: u64| {
        let mut seen = 0;
        let found = ascending.iter().find(|(_, weight)| {
            seen += u64::from(*weight);
            seen > position
        });
        found.map(|(value, _)| *value)
    };
    let below = rank.floor() as u64;
    let (low, high) = (at(below)?, at((below + 1).min(last))?);
    Some(low + (high - low) * (rank - rank.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delays::quantile;

    const D: [f64; 10] = [
        0.031, -0.004, 0.012, 0.055, 0.02, 0.041, -0.013, 0.027, 0.018, 0.009,
    ];

    /// Draws the values themselves, again for every resample.
    fn plain(sorted: &[f64], resamples: u32, seed: u64) -> [f64; 2] {
        let n = sorted.len();
        let mut draws = Draws(seed ^ ((n as u64) << 32 | n as u64));
        let mut medians: Vec<f64> = (0..resamples)
            .map(|_| {
                let drawn: Vec<f64> = (0..n).map(|_| sorted[draws.below(n)]).collect();
                median(&drawn).unwrap()
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        [0.025, 0.975].map(|q| quantile(&medians, q).unwrap())
    }

    #[test]
    fn counted_ranks_give_the_interval_that_drawing_values_gives() {
        let (sorted, is_mirrored) = canonical(&D);
        assert!(!is_mirrored);
        for n in [9, 10] {
            let sorted = &sorted[10 - n..];
            let (sorted, _) = canonical(sorted);
            let got = Medians::new(10_000, 7).interval(&sorted, 0.95).unwrap();
            assert_eq!(got, plain(&sorted, 10_000, 7), "{n} rounds");
        }
    }

    #[test]
    fn swapping_sides_mirrors_the_interval_to_the_last_bit() {
        let negated = D.map(|d| -d);
        let mut medians = Medians::new(10_000, 7);
        let [low, high] = medians.interval(&D, 0.95).unwrap();
        assert_eq!(medians.interval(&negated, 0.95), Some([-high, -low]));
    }

    #[test]
    fn the_interval_holds_the_median_and_widens_with_noise() {
        let mut medians = Medians::new(10_000, 7);
        let [low, high] = medians.interval(&D, 0.95).unwrap();
        let middle = median(&D).unwrap();
        assert!(low < middle && middle < high);
        let noisy = D.map(|d| middle + 3.0 * (d - middle));
        let [noisy_low, noisy_high] = medians.interval(&noisy, 0.95).unwrap();
        assert!(noisy_high - noisy_low > 2.9 * (high - low));
        assert_eq!(medians.interval(&[1.0], 0.95), None);
    }

    #[test]
    fn medians_of_many_err_less_than_medians_of_few() {
        let mut medians = Medians::new(10_000, 7);
        let of = |medians: &mut Medians, n| medians.root_mean_square(&D.map(|d| d - 0.019), n);
        assert!(of(&mut medians, 20) < of(&mut medians, 6));
        assert_eq!(medians.root_mean_square(&[0.0, 0.0], 5), Some(0.0));
    }
}
