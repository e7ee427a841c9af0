//! Several tests at once.

/// Holm's adjusted p values, in the order of `p`: with the p ascending, the k-th (from 0) of m becomes the
/// largest of `(m - j) p_j` over `j <= k`, at most 1.
///
/// Those at or under alpha may be rejected, and the chance that any of these is wrong is at most alpha,
/// however the tests depend on each other. Holm, *A simple sequentially rejective multiple test
/// procedure*, Scandinavian Journal of Statistics 6, 1979.
///
/// ```
/// use floodmark_scoring::compare::holm::adjusted;
/// assert_eq!(adjusted(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
/// ```
#[must_use]
pub fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0f64;
    for (k, &i) in order.iter().enumerate() {
        largest = largest.max((p.len() - k) as f64 * p[i]).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_test_alone_is_left_as_it_is() {
        assert_eq!(adjusted(&[0.04]), [0.04]);
        assert!(adjusted(&[]).is_empty());
    }

    #[test]
    fn no_adjusted_p_is_under_that_of_a_smaller_one() {
        assert_eq!(adjusted(&[0.02, 0.01, 0.011]), [0.03, 0.03, 0.03]);
        assert_eq!(adjusted(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
