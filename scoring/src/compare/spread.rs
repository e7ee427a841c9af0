//! Values that stand apart, and a spread that changed.

use super::medians::median;

/// Modified z-scores above this are outliers.
const OUTLIER_Z: f64 = 3.5;

/// Share of a normal distribution's standard deviation that its median absolute deviation is.
const MAD_OF_SD: f64 = 0.674_5;

/// Which values are far from the others: those whose modified z-score, `0.6745 |x - median| / MAD`, is
/// above 3.5. Iglewicz and Hoaglin, *How to detect and handle outliers*, ASQC, 1993. Where most values are
/// the same, the others are outliers.
#[must_use]
pub fn outliers(values: &[f64]) -> Vec<bool> {
    let Some(middle) = median(values) else {
        return Vec::new();
    };
    let distances: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
    let mad = median(&distances).unwrap_or(0.0);
    distances
        .iter()
        .map(|distance| MAD_OF_SD * distance > OUTLIER_Z * mad)
        .collect()
}

/// p of the spreads of `a` and `b` being the same: the two-sample Kolmogorov-Smirnov test of how far
/// values are from the median of their side. `None` without values on a side.
///
/// Of distances, since two distributions around one middle differ by at most a half in the test's
/// measure however unlike their spreads are: ten rounds a side could never tell. The share of all orders
/// of the distances whose steps are at least as far apart is exact, counted as lattice paths (Hodges, *The
/// significance probability of the Smirnov two-sample test*, Arkiv för Matematik 3, 1958); that medians
/// are taken from the values makes it approximate.
#[must_use]
pub fn spread_p(a: &[f64], b: &[f64]) -> Option<f64> {
    let distances = |values: &[f64]| -> Option<Vec<f64>> {
        let middle = median(values)?;
        let mut distances: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
        distances.sort_by(f64::total_cmp);
        Some(distances)
    };
    let (a, b) = (distances(a)?, distances(b)?);
    Some(smirnov_p(a.len(), b.len(), largest_distance(&a, &b)))
}

/// The largest `|i n - j m|`, with `i` of the m values of `a` and `j` of the n of `b` at or below a value.
fn largest_distance(a: &[f64], b: &[f64]) -> usize {
    let at_or_below = |sorted: &[f64], x: f64| sorted.partition_point(|v| *v <= x);
    let distance = |x: f64| (at_or_below(a, x) * b.len()).abs_diff(at_or_below(b, x) * a.len());
    a.iter().chain(b).map(|x| distance(*x)).max().unwrap_or(0)
}

/// Share of the lattice paths from (0, 0) to (m, n) that get as far as `distance` from the diagonal.
fn smirnov_p(m: usize, n: usize, distance: usize) -> f64 {
    let within = |i: usize, j: usize| (i * n).abs_diff(j * m) < distance;
    // Each cell holds the chance that a random path is there, coming along cells within.
    let mut row = vec![0.0; n + 1];
    for i in 0..=m {
        for j in 0..=n {
            let left = m + n - i - j + 1;
            let from_i = if i > 0 {
                row[j] * (m - i + 1) as f64
            } else {
                0.0
            };
            let from_j = if j > 0 {
                row[j - 1] * (n - j + 1) as f64
            } else {
                0.0
            };
            let arriving = if i + j == 0 {
                1.0
            } else {
                (from_i + from_j) / left as f64
            };
            row[j] = if within(i, j) { arriving } else { 0.0 };
        }
    }
    (1.0 - row[n]).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_far_from_the_others_is_marked_and_a_wide_crowd_is_not() {
        let mut values = vec![1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02, 0.97];
        assert!(outliers(&values).iter().all(|o| !o));
        values.push(2.0);
        assert_eq!(outliers(&values).iter().position(|o| *o), Some(8));
        assert_eq!(outliers(&[3.0, 3.0, 3.0, 4.0]), [false, false, false, true]);
        assert!(outliers(&[]).is_empty());
    }

    #[test]
    fn the_smirnov_p_has_its_tabled_values() {
        // All of one side before the other: 2 of the C(10, 5) = 252 orders.
        assert!((smirnov_p(5, 5, 25) - 2.0 / 252.0).abs() < 1e-12);
        // Table of the two-sample test for 10 and 10: P(D >= 0.7) = 0.0123, P(D >= 0.6) = 0.0524.
        assert!((smirnov_p(10, 10, 70) - 0.012_34).abs() < 1e-5);
        assert!((smirnov_p(10, 10, 60) - 0.052_45).abs() < 1e-5);
        assert!((smirnov_p(3, 2, 6) - 0.2).abs() < 1e-12);
        assert_eq!(smirnov_p(4, 6, 0), 1.0);
    }

    #[test]
    fn a_wider_side_has_a_small_p_and_a_moved_one_does_not() {
        let narrow: Vec<f64> = (0..10).map(|i| f64::from(i) * 0.001).collect();
        let wide: Vec<f64> = (0..10).map(|i| f64::from(i) * 0.05).collect();
        let moved: Vec<f64> = narrow.iter().map(|v| v + 9.0).collect();
        assert!(spread_p(&narrow, &wide).unwrap() < 0.01);
        assert!(spread_p(&narrow, &moved).unwrap() > 0.5);
        assert_eq!(spread_p(&narrow, &[]), None);
    }
}
