//! Observations whose errors hang together, turned into ones whose errors do not.
//!
//! ```text
//! C = L L'      w(x) = L^-1 x      then  w(x) . w(y) = x' C^-1 y
//! ```
//! With it a least-squares fit under the covariance C, or Mahalanobis' distance, is a sum of products.

/// The lower triangle L of a covariance.
#[derive(Debug, Clone)]
pub struct Cholesky<const N: usize>([[f64; N]; N]);

impl<const N: usize> Cholesky<N> {
    /// Factors a symmetric matrix, of which only the lower triangle is read. `None` if it is no covariance:
    /// not positive definite, or with something in it that is no number.
    #[must_use]
    pub fn of(covariance: &[[f64; N]; N]) -> Option<Self> {
        let mut lower = [[0.0; N]; N];
        for row in 0..N {
            for column in 0..=row {
                let known = dot(&lower[row][..column], &lower[column][..column]);
                let rest = covariance[row][column] - known;
                lower[row][column] = if row == column {
                    // Not `rest <= 0`, which lets what is no number pass.
                    if !(rest > 0.0 && rest.is_finite()) {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / lower[column][column]
                };
            }
        }
        Some(Self(lower))
    }

    /// The vector in units in which its errors are independent and of variance 1.
    #[must_use]
    pub fn whiten(&self, vector: &[f64; N]) -> [f64; N] {
        let mut white = [0.0; N];
        for row in 0..N {
            let known = dot(&self.0[row][..row], &white[..row]);
            white[row] = (vector[row] - known) / self.0[row][row];
        }
        white
    }
}

/// Sum of the products of two vectors' components.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_errors_are_only_scaled() {
        let cholesky = Cholesky::of(&[[4.0, 0.0], [0.0, 9.0]]).unwrap();
        assert_eq!(cholesky.whiten(&[2.0, 3.0]), [1.0, 1.0]);
    }

    #[test]
    fn products_are_those_under_the_inverse() {
        // The inverse of ((2, 1), (1, 2)) is ((2, -1), (-1, 2)) / 3.
        let cholesky = Cholesky::of(&[[2.0, 1.0], [1.0, 2.0]]).unwrap();
        let [x, y] = [[1.0, 0.5], [-1.0, 2.0]].map(|vector| cholesky.whiten(&vector));
        let product = (-4.0 + 0.5 * 5.0) / 3.0;
        assert!((dot(&x, &y) - product).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_covariance_is_refused() {
        for bad in [
            [[1.0, 0.0], [2.0, 1.0]],
            [[0.0, 0.0], [0.0, 1.0]],
            [[f64::NAN, 0.0], [0.0, 1.0]],
            [[1.0, 0.0], [0.0, f64::INFINITY]],
        ] {
            assert!(Cholesky::of(&bad).is_none(), "{bad:?}");
        }
    }
}
