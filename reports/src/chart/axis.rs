//! An axis of values that lie close together: round ticks, written in the unit and with the decimals that tell them apart.

use crate::format::count;

/// Round values over a range, in the unit that keeps them short.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueAxis {
    /// Ticks in `unit`.
    ticks: Vec<f64>,
    /// What a value is divided by to be in `unit`.
    divisor: f64,
    unit: &'static str,
    decimals: usize,
}

impl ValueAxis {
    /// An axis over all finite values of a metric with the given unit, of about `wanted` steps.
    pub(super) fn new(unit: &str, values: impl Iterator<Item = f64>, wanted: u32) -> Self {
        let ends =
            values
                .filter(|value| value.is_finite())
                .fold(None, |ends: Option<[f64; 2]>, value| {
                    let [low, high] = ends.unwrap_or([value; 2]);
                    Some([low.min(value), high.max(value)])
                });
        let [low, high] = ends.unwrap_or([0.0, 1.0]);
        let (divisor, unit) = scaled(unit, low.abs().max(high.abs()));
        let [low, high] = [low / divisor, high / divisor];
        // A single value has room above and below.
        let room = match high.abs() {
            _ if high > low => 0.0,
            0.0 => 1.0,
            size => size * 0.05,
        };
        let (low, high) = (low - room, high + room);
        let step = round_step((high - low) / f64::from(wanted.max(1)));
        let first = (low / step + 1e-9).floor();
        let n_steps = (high / step - 1e-9).ceil() - first;
        let mut ticks = vec![first * step];
        // Beyond the precision of numbers steps would never end.
        while (ticks.len() as f64) <= n_steps && ticks.len() < 32 {
            ticks.push((first + ticks.len() as f64) * step);
        }
        Self {
            ticks,
            divisor,
            unit,
            decimals: decimals(step),
        }
    }

    /// The first and the last tick, as values.
    pub(super) fn range(&self) -> [f64; 2] {
        let end = |tick: Option<&f64>| tick.copied().unwrap_or_default() * self.divisor;
        [end(self.ticks.first()), end(self.ticks.last())]
    }

    /// Each tick as a value, with its name.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        self.ticks.iter().map(|tick| {
            let name = format!("{}{}", grouped(*tick, self.decimals), self.unit);
            (tick * self.divisor, name)
        })
    }
}

/// The divisor and the name of the unit in which a value of this size is short.
fn scaled(unit: &str, size: f64) -> (f64, &'static str) {
    let first = |scales: &[(f64, &'static str)]| {
        let fits = scales.iter().find(|(least, _)| size >= *least);
        fits.or(scales.last()).copied().unwrap_or((1.0, ""))
    };
    match unit {
        "us" => first(&[(1e6, " s"), (1e3, " ms"), (1.0, " µs")]),
        "ms" => first(&[(60_000.0, " min"), (1e3, " s"), (1.0, " ms")]),
        "bytes" => first(&[
            (1_073_741_824.0, " GiB"),
            (1_048_576.0, " MiB"),
            (1024.0, " KiB"),
            (1.0, " B"),
        ]),
        "events/s" => (1.0, "/s"),
        _ => (1.0, ""),
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let rough = if rough.is_finite() && rough > 0.0 {
        rough
    } else {
        1.0
    };
    let power = 10f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0].into_iter();
    factors
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power * 10.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 7"
)]
/// Decimals that tell ticks of this step apart.
fn decimals(step: f64) -> usize {
    (-step.log10() - 1e-9).ceil().clamp(0.0, 7.0) as usize
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the size of a tick; larger ones saturate"
)]
/// A number with commas between thousands.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let sign = if value < 0.0 && text.contains(|c| ('1'..='9').contains(&c)) {
        "−"
    } else {
        ""
    };
    match text.split_once('.') {
        Some((whole, part)) => {
            let whole: f64 = whole.parse().unwrap_or_default();
            format!("{sign}{}.{part}", count(whole as u64))
        }
        None => format!("{sign}{}", count(value.abs().round() as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_tell_close_values_apart_in_a_short_unit() {
        for (unit, values, expected) in [
            ("us", vec![2.1e6, 2.13e6], "2.10 s, 2.11 s, 2.12 s, 2.13 s"),
            (
                "us",
                vec![900.0, 1_100.0],
                "0.90 ms, 0.95 ms, 1.00 ms, 1.05 ms, 1.10 ms",
            ),
            (
                "events/s",
                vec![48_000.0, 50_000.0],
                "48,000/s, 48,500/s, 49,000/s, 49,500/s, 50,000/s",
            ),
            ("ratio", vec![0.8, 0.8], "0.76, 0.78, 0.80, 0.82, 0.84"),
            ("count", vec![-3.0, 0.0], "−3, −2, −1, 0"),
            ("count", vec![0.0, 0.0], "−1.0, −0.5, 0.0, 0.5, 1.0"),
            (
                "bytes",
                vec![1_048_576.0 * 64.0, 1_048_576.0 * 64.4],
                "64.0 MiB, 64.1 MiB, 64.2 MiB, 64.3 MiB, 64.4 MiB",
            ),
            ("count", vec![], "0.0, 0.5, 1.0"),
        ] {
            let wanted = if values.is_empty() { 2 } else { 4 };
            let axis = ValueAxis::new(unit, values.into_iter(), wanted);
            let names: Vec<String> = axis.ticks().map(|(_, name)| name).collect();
            assert_eq!(names.join(", "), expected, "{unit}");
        }
    }

    #[test]
    fn the_range_covers_all_values() {
        let axis = ValueAxis::new("us", [7.0, 1_234.5, f64::NAN].into_iter(), 4);
        let [low, high] = axis.range();
        assert!(low <= 7.0 && high >= 1_234.5, "{low} {high}");
        let huge = ValueAxis::new("count", [1e300, -1e300].into_iter(), 4);
        assert!(huge.ticks().count() < 40);
    }
}
