//! Single readings far from the median of the last ones, in robust deviations: for any sensor, of any unit.
//!
//! ```text
//! z = 0.6745 (x - median) / MAD,   MAD = median of |x_i - median| over the last `readings` ones
//! z = (x - median) / (1.2533 mean |x_i - median|)   where more than half of them are equal and the MAD is 0
//! ```
//! Iglewicz and Hoaglin, *How to detect and handle outliers*, 1993. Up to half of the readings can be wild without
//! moving the median or the MAD, so that an outlier hides neither itself nor the next one. What is far off
//! follows the sensor: there is no threshold in its unit.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::heap_of,
};

/// Normal deviations per MAD.
const PER_MAD: f64 = 0.6745;

/// Normal deviations per mean distance from the median.
const PER_MEAN: f64 = 1.0 / 1.2533;

/// Values beyond this are garbage: their differences would overflow.
const LARGEST: f64 = 1e100;

/// Settings of the rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustZSettings {
    /// Deviations from which on a reading is reported.
    pub threshold: f64,
    /// Readings that it is compared with.
    pub readings: usize,
}

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RobustZ {
    last: VecDeque<f64>,
    /// The reading before was far off too: one finding is enough.
    off: bool,
}

impl RobustZ {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.last)
    }

    /// Takes a reading; a finding if it is far off and the one before was not.
    pub fn reading(
        &mut self,
        at: EventTime,
        value: f64,
        settings: &RobustZSettings,
    ) -> Option<Finding> {
        if value.abs() > LARGEST {
            return None;
        }
        let judged = (self.last.len() >= settings.readings)
            .then(|| distance(&self.last, value))
            .flatten();
        self.last.push_back(value);
        while self.last.len() > settings.readings {
            self.last.pop_front();
        }
        let (median, z) = judged?;
        let was_off = std::mem::replace(&mut self.off, z.abs() >= settings.threshold);
        if was_off || !self.off {
            return None;
        }
        let finding = Finding::at("robust-z", Kind::SensorSpike, at)
            .score(1.0 - settings.threshold / (2.0 * z.abs()))
            .evidence("value", value)
            .evidence("median", two_decimals(median))
            .evidence("z", two_decimals(z));
        Some(finding)
    }
}

/// The median of some readings, and how far a value is from it. `None` if all of them are equal: nothing says then
/// what is far.
fn distance(readings: &VecDeque<f64>, value: f64) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = readings.iter().copied().collect();
    let median = median(&mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mad = self::median(&mut values);
    let deviation = if mad > 0.0 {
        mad / PER_MAD
    } else {
        mean / PER_MEAN
    };
    (deviation > 0.0).then(|| (median, (value - median) / deviation))
}

/// The median; the upper of two in the middle.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_level::tests::noise, *};

    const SETTINGS: RobustZSettings = RobustZSettings {
        threshold: 8.0,
        readings: 61,
    };

    /// Rows that are reported, with their distances.
    fn check(n: u64, value: impl Fn(u64) -> f64, expected: &[u64]) {
        let mut rule = RobustZ::default();
        let found: Vec<u64> = (0..n)
            .filter(|i| {
                let at = EventTime(i64::try_from(*i).unwrap());
                rule.reading(at, value(*i), &SETTINGS).is_some()
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_far_reading_is_found_in_any_unit_and_noise_is_not() {
        for scale in [1e-9, 1.0, 1e12] {
            let spike = |i| if i == 300 { 12.0 } else { 0.0 };
            check(2000, |i| scale * (50.0 + noise(i) + spike(i)), &[300]);
            check(2000, |i| scale * (50.0 + noise(i) - spike(i)), &[300]);
        }
    }

    #[test]
    fn outliers_hide_neither_themselves_nor_others() {
        // A mean and a deviation would have been moved by the first three.
        let spike = |i| {
            if [300, 310, 320, 330].contains(&i) {
                100.0
            } else {
                0.0
            }
        };
        check(400, |i| noise(i) + spike(i), &[300, 310, 320, 330]);
    }

    #[test]
    fn readings_in_a_row_that_are_far_off_are_one_finding_and_become_usual() {
        let shift = |i| if i >= 300 { 100.0 } else { 0.0 };
        check(600, |i| noise(i) + shift(i), &[300]);
    }

    #[test]
    fn where_most_readings_are_equal_the_others_say_what_is_far() {
        let some = |i: u64| if i.is_multiple_of(3) { 1.0 } else { 0.0 };
        check(400, |i| some(i) + if i == 305 { 50.0 } else { 0.0 }, &[305]);
        check(400, |i| if i == 305 { 50.0 } else { 7.0 }, &[]);
    }

    #[test]
    fn nothing_is_said_before_the_window_is_full_or_of_garbage() {
        check(60, |i| noise(i) + if i == 59 { 1e6 } else { 0.0 }, &[]);
        check(400, |i| if i == 300 { 1e300 } else { noise(i) }, &[]);
    }

    #[test]
    fn a_finding_says_how_far_from_what() {
        let values: VecDeque<f64> = (0..61).map(f64::from).collect();
        // The median is 30, the MAD 15.
        let (median, z) = distance(&values, 75.0).unwrap();
        assert_eq!(median, 30.0);
        assert!((z - 0.6745 * 3.0).abs() < 1e-9, "{z}");
    }
}
