//! From values to positions, and round numbers for axes.

/// A linear mapping of `[low, high]` to `[from, to]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale over a range that is not empty; an empty one is widened.
    pub(crate) fn new([low, high]: [f64; 2], [from, to]: [f64; 2]) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            from,
            to,
        }
    }

    /// The position of `value`; values outside the range stand at its edge.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// Round values from 0 to at least `high`, in about `wanted` steps of 1, 2 or 5 times a power of ten.
pub(crate) fn nice_ticks(high: f64, wanted: u32) -> Vec<f64> {
    let high = if high.is_finite() && high > 0.0 {
        high
    } else {
        1.0
    };
    let rough = high / f64::from(wanted.max(1));
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power * 10.0);
    let steps = (high / step - 1e-9).ceil();
    let mut ticks = vec![0.0];
    while ticks.len() as f64 <= steps {
        ticks.push(ticks.len() as f64 * step);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_value() {
        for (high, wanted, ticks) in [
            (10.0, 5, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0][..]),
            (10.1, 5, &[0.0, 5.0, 10.0, 15.0]),
            (950.0, 4, &[0.0, 500.0, 1000.0]),
            (0.0, 2, &[0.0, 0.5, 1.0]),
            (f64::NAN, 2, &[0.0, 0.5, 1.0]),
        ] {
            assert_eq!(nice_ticks(high, wanted), ticks, "{high} in {wanted}");
        }
    }

    #[test]
    fn a_scale_keeps_to_its_edges_and_survives_an_empty_range() {
        let scale = Scale::new([0.0, 10.0], [100.0, 0.0]);
        assert_eq!(
            [scale.at(5.0), scale.at(-3.0), scale.at(30.0)],
            [50.0, 100.0, 0.0]
        );
        assert_eq!(Scale::new([3.0, 3.0], [0.0, 8.0]).at(3.0), 0.0);
    }
}
