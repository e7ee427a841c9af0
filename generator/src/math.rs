//! Logarithm, exponential and sine from additions and multiplications alone.
//!
//! The ones of the C library differ in their last bits between versions and processors. What is drawn
//! must be the same on every machine, and IEEE additions and multiplications are.

use std::f64::consts::{LN_2, LOG2_E, PI, TAU};

/// Natural logarithm of a positive, normal number; about 1e-15 relative.
///
/// With `x = m * 2^e`, `m` in `[1/√2, √2)` and `s = (m - 1) / (m + 1)`:
/// `ln x = e ln 2 + 2 (s + s³/3 + s⁵/5 + …)`.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as f64 - 1023.0;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    // Estrin's scheme: the terms are added in pairs that do not wait for one another. Every draw of a
    // time takes a logarithm, so it is on the hot path.
    let (z, pair) = (s * s, |n: f64, z: f64| 1.0 / n + z * (1.0 / (n + 2.0)));
    let (z2, z4) = (z * z, z * z * z * z);
    let low = pair(3.0, z) + z2 * pair(7.0, z);
    let high = pair(11.0, z) + z2 * pair(15.0, z);
    let series = z * (low + z4 * high + z4 * z4 * pair(19.0, z));
    exponent * LN_2 + 2.0 * s * (1.0 + series)
}

/// `e^x` for `x` between -700 and 700; about 1e-15 relative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the exponent is clamped to what a double holds"
)]
pub(crate) fn exp(x: f64) -> f64 {
    let power = (x * LOG2_E).round().clamp(-1022.0, 1023.0);
    let rest = x - power * LN_2;
    let series = (1..=18)
        .rev()
        .fold(1.0, |sum, n| 1.0 + sum * rest / f64::from(n));
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// Sine of `turns` full turns; about 1e-9 absolute.
pub(crate) fn sin_turns(turns: f64) -> f64 {
    // Folded to a quarter turn around zero, where the series is short.
    let mut t = turns - turns.round();
    if t > 0.25 {
        t = 0.5 - t;
    } else if t < -0.25 {
        t = -0.5 - t;
    }
    let x = t * TAU;
    debug_assert!(x.abs() <= PI);
    let square = x * x;
    // Reciprocals are constants, and a multiplication takes less than a division.
    [13.0, 11.0, 9.0, 7.0, 5.0, 3.0]
        .into_iter()
        .fold(1.0, |sum, n: f64| {
            1.0 - sum * square * (1.0 / (n * (n - 1.0)))
        })
        * x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_those_of_the_library() {
        for i in 1..2000 {
            let x = f64::from(i) * 0.037;
            assert!(
                (ln(x) - x.ln()).abs() < 1e-13 * (1.0 + x.ln().abs()),
                "ln {x}"
            );
            let y = x - 37.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-13, "exp {y}");
            assert!((sin_turns(y) - (y * TAU).sin()).abs() < 1e-8, "sin {y}");
        }
        assert_eq!(ln(1.0), 0.0);
        assert!((ln(1e-16) - 1e-16f64.ln()).abs() < 1e-12);
    }
}
