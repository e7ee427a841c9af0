//! Intervals for proportions and rates.
//!
//! They treat their trials as independent. Figures that are pooled over a few entities, one of them
//! noisy, have honest intervals that are wider.

use crate::special::{beta_i_inverse, gamma_p_inverse, normal_quantile};

/// Lower and upper limit.
pub type Interval = [f64; 2];

/// The confidence of every interval in `result.json`.
pub const CONFIDENCE: f64 = 0.95;

/// Wilson's score interval for a proportion.
///
/// ```text
/// (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
/// ```
/// with `p = successes / trials`, `n = trials` and `z` the normal quantile of `(1 + confidence) / 2`.
/// Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22, 1927.
/// `None` without trials.
///
/// ```
/// let [low, high] = floodmark_scoring::intervals::wilson(18, 20, 0.95).unwrap();
/// assert!(low > 0.69 && high < 0.98);
/// ```
#[must_use]
pub fn wilson(successes: u64, trials: u64, confidence: f64) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let (k, n) = (successes.min(trials) as f64, trials as f64);
    let (p, z) = (k / n, z_of(confidence));
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let reach = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends the limit is exactly 0 or 1; rounding would leave a hair's breadth.
    let low = if k == 0.0 {
        0.0
    } else {
        ((centre - reach) / scale).max(0.0)
    };
    let high = if k == n {
        1.0
    } else {
        ((centre + reach) / scale).min(1.0)
    };
    Some([low, high])
}

/// The "exact" interval for a proportion: the limits are quantiles of beta distributions.
///
/// Clopper and Pearson, *The use of confidence or fiducial limits*, Biometrika 26, 1934. Wider than
/// [`wilson`]; shown nowhere, kept to check against. `None` without trials.
#[must_use]
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let (k, n) = (successes.min(trials) as f64, trials as f64);
    let tail = (1.0 - confidence) / 2.0;
    let low = if k == 0.0 {
        0.0
    } else {
        beta_i_inverse(k, n - k + 1.0, tail)
    };
    let high = if k == n {
        1.0
    } else {
        beta_i_inverse(k + 1.0, n - k, 1.0 - tail)
    };
    Some([low, high])
}

/// Newcombe's interval for the difference `k1/n1 - k2/n2` of two independent proportions.
///
/// With Wilson limits `[l, u]` of each proportion: `d - sqrt((p1-l1)² + (u2-p2)²)` and
/// `d + sqrt((u1-p1)² + (p2-l2)²)`. Newcombe, *Interval estimation for the difference between
/// independent proportions*, Statistics in Medicine 17, 1998 (method 10). `None` if either has no
/// trials.
#[must_use]
pub fn newcombe_difference(
    (k1, n1): (u64, u64),
    (k2, n2): (u64, u64),
    confidence: f64,
) -> Option<Interval> {
    let [l1, u1] = wilson(k1, n1, confidence)?;
    let [l2, u2] = wilson(k2, n2, confidence)?;
    let (p1, p2) = (k1 as f64 / n1 as f64, k2 as f64 / n2 as f64);
    let difference = p1 - p2;
    Some([
        difference - (p1 - l1).hypot(u2 - p2),
        difference + (u1 - p1).hypot(p2 - l2),
    ])
}

/// Garwood's exact interval for the rate of a Poisson process: `count` events in `exposure`.
///
/// The limits are the quantiles `gamma(count)` at `(1-c)/2` and `gamma(count + 1)` at `(1+c)/2`, over
/// the exposure. Garwood, *Fiducial limits for the Poisson distribution*, Biometrika 28, 1936. `None`
/// unless the exposure is positive.
#[must_use]
pub fn poisson_rate(count: u64, exposure: f64, confidence: f64) -> Option<Interval> {
    if exposure.is_nan() || exposure <= 0.0 {
        return None;
    }
    let n = count as f64;
    let tail = (1.0 - confidence) / 2.0;
    let low = if count == 0 {
        0.0
    } else {
        gamma_p_inverse(n, tail)
    };
    let high = gamma_p_inverse(n + 1.0, 1.0 - tail);
    Some([low / exposure, high / exposure])
}

fn z_of(confidence: f64) -> f64 {
    normal_quantile(f64::midpoint(1.0, confidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_tried_gives_no_interval() {
        assert_eq!(wilson(0, 0, 0.95), None);
        assert_eq!(clopper_pearson(0, 0, 0.95), None);
        assert_eq!(newcombe_difference((1, 2), (0, 0), 0.95), None);
        assert_eq!(poisson_rate(3, 0.0, 0.95), None);
        assert_eq!(poisson_rate(3, f64::NAN, 0.95), None);
    }

    #[test]
    fn an_interval_holds_its_proportion_and_narrows_with_trials() {
        let [low, high] = wilson(8, 10, 0.95).unwrap();
        let [low_many, high_many] = wilson(800, 1000, 0.95).unwrap();
        assert!(low < low_many && low_many < 0.8 && 0.8 < high_many && high_many < high);
    }

    #[test]
    fn all_and_nothing_reach_exactly_one_and_zero() {
        assert_eq!(wilson(0, 7, 0.95).unwrap()[0], 0.0);
        assert_eq!(wilson(7, 7, 0.95).unwrap()[1], 1.0);
    }
}
