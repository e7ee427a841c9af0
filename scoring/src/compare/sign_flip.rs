//! The exact sign-flip permutation test of paired differences.
//!
//! If the two sides are the same, each round's difference is as likely with the other sign, as it was
//! left to chance which of them ran first. So all `2^n` choices of signs are equally likely, and
//! ```text
//! p = share of them with |sum of s_i |d_i|| >= |sum of d_i|
//! ```
//! Fisher, *The design of experiments*, 1935, section 21; Pitman, *Significance tests which may be applied
//! to samples from any populations*, Supplement to the JRSS 4, 1937.
//!
//! Enumerated exactly for up to `MOST_ROUNDS` rounds: the sums of all subsets of either half of the
//! differences, sorted, and counted together with two pointers (Horowitz and Sahni, *Computing partitions
//! with applications to the knapsack problem*, JACM 21, 1974). So 20 rounds cost two lists of 1,024 sums
//! in place of a million.

/// The most rounds that are enumerated: each half has a million sums then.
pub const MOST_ROUNDS: usize = 40;

/// Sums that differ by less than this share of the sum of magnitudes are taken as equal: they are, but for
/// the order in which they were added.
const ROUNDING: f64 = 1e-12;

/// The smallest two-sided p that `n` rounds can give: `2^(1-n)`.
#[must_use]
pub fn smallest_p(n: u32) -> f64 {
    0.5f64.powf(f64::from(n) - 1.0)
}

/// Two-sided p of the differences having no side. `None` without differences, with more than
/// [`MOST_ROUNDS`], or with one that is not finite.
///
/// ```
/// let p = floodmark_scoring::compare::sign_flip::two_sided(&[0.1, 0.2, 0.3, 0.1, 0.4, 0.2]);
/// assert_eq!(p, Some(0.03125));
/// ```
#[must_use]
pub fn two_sided(differences: &[f64]) -> Option<f64> {
    let sum: f64 = sorted(differences)?.iter().sum();
    let tail = reaching(differences, sum.abs())?;
    // Both tails are one where the sum is 0 but for rounding.
    Some((2.0 * tail).min(1.0))
}

/// One-sided p of the differences not being positive. `None` as for [`two_sided`].
#[must_use]
pub fn one_sided(differences: &[f64]) -> Option<f64> {
    let sum: f64 = sorted(differences)?.iter().sum();
    reaching(differences, sum)
}

/// In an order that does not depend on that of the rounds, so that sums do not either.
fn sorted(differences: &[f64]) -> Option<Vec<f64>> {
    let usable = (1..=MOST_ROUNDS).contains(&differences.len());
    if !usable || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let mut sorted = differences.to_vec();
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()).then(a.total_cmp(b)));
    Some(sorted)
}

/// Share of the sign choices whose sum is at least `bound`.
///
/// A choice's sum is `2 S - total` with `S` the sum of the magnitudes that got a plus.
fn reaching(differences: &[f64], bound: f64) -> Option<f64> {
    let magnitudes: Vec<f64> = sorted(differences)?.iter().map(|d| d.abs()).collect();
    let total: f64 = magnitudes.iter().sum();
    let least = (total + bound) / 2.0 - total * ROUNDING;
    let (left, right) = magnitudes.split_at(magnitudes.len() / 2);
    let (left, right) = (subset_sums(left), subset_sums(right));
    // As the left sum grows, ever smaller right ones do.
    let mut first = right.len();
    let mut n_reaching = 0usize;
    for l in &left {
        while first > 0 && l + right[first - 1] >= least {
            first -= 1;
        }
        n_reaching += right.len() - first;
    }
    Some(n_reaching as f64 * 0.5f64.powf(magnitudes.len() as f64))
}

/// The sums of all subsets, ascending: each magnitude merges the sums without it and those with it.
fn subset_sums(magnitudes: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for magnitude in magnitudes {
        let mut merged = Vec::with_capacity(2 * sums.len());
        let mut with = 0;
        for without in &sums {
            while sums[with] + magnitude < *without {
                merged.push(sums[with] + magnitude);
                with += 1;
            }
            merged.push(*without);
        }
        merged.extend(sums[with..].iter().map(|sum| sum + magnitude));
        sums = merged;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Draws;

    /// All choices of signs, one by one.
    fn brute_force(d: &[f64]) -> (f64, f64) {
        let observed: f64 = d.iter().sum();
        let slack = 1e-12 * d.iter().map(|d| d.abs()).sum::<f64>();
        let (mut one, mut two) = (0u32, 0u32);
        for signs in 0u32..1 << d.len() {
            let sum: f64 = d
                .iter()
                .enumerate()
                .map(|(i, d)| if signs >> i & 1 == 1 { *d } else { -d })
                .sum();
            one += u32::from(sum >= observed - slack);
            two += u32::from(sum.abs() >= observed.abs() - slack);
        }
        let all = f64::from(1u32 << d.len());
        (f64::from(one) / all, f64::from(two) / all)
    }

    #[test]
    fn halves_counted_together_agree_with_every_sign_choice_one_by_one() {
        let mut draws = Draws(5);
        for case in 0..300u64 {
            let n = 1 + draws.below(11);
            // Every third case has ties and zeros: small integers.
            let d: Vec<f64> = (0..n)
                .map(|_| match case % 3 {
                    0 => draws.below(7) as f64 - 3.0,
                    _ => draws.next() as f64 / 2f64.powi(64) - 0.3,
                })
                .collect();
            let (one, two) = brute_force(&d);
            assert_eq!(one_sided(&d), Some(one), "{d:?}");
            assert_eq!(two_sided(&d), Some(two), "{d:?}");
        }
    }

    #[test]
    fn the_smallest_p_is_what_signs_alone_allow() {
        let all_up = |n: usize| two_sided(&vec![0.01; n]).unwrap();
        assert_eq!(all_up(6), 0.03125);
        assert_eq!(all_up(10), 0.001_953_125);
        assert_eq!(smallest_p(6), 0.03125);
        assert_eq!(smallest_p(10), 0.001_953_125);
        assert_eq!(one_sided(&[1.0; 6]), Some(0.015_625));
        assert_eq!(one_sided(&[-1.0; 6]), Some(1.0));
    }

    #[test]
    fn nothing_but_zeros_differs_by_nothing() {
        assert_eq!(two_sided(&[0.0; 8]), Some(1.0));
        assert_eq!(two_sided(&[1.0, -1.0]), Some(1.0));
        assert_eq!(two_sided(&[]), None);
        assert_eq!(two_sided(&[1.0, f64::NAN]), None);
        assert_eq!(two_sided(&[1.0; MOST_ROUNDS + 1]), None);
    }

    #[test]
    fn forty_rounds_are_enumerated_too() {
        let p = two_sided(&[1.0; 40]).unwrap();
        assert_eq!(p, smallest_p(40));
    }
}
