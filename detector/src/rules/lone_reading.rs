//! One reading off, among ordinary ones.
//!
//! ```text
//! three readings within 3.2 noises of the level, one beyond 4.2, seven within 3.2
//! and that one beyond 4.4 noises from the mean of those seven, to the same side
//! ```
//! The rules `sensor-window` and `sensor-spike` see high spikes at once. Low ones look like the first reading of
//! a shift or a burst of noise, until the next readings are ordinary, and around the same level: the first reading of a small failure, to which the
//! running level has come close a few readings later, is none.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_level::SensorLevel;
use crate::finding::{Finding, two_decimals};

/// Noises from the level that ordinary readings reach: their noise is bounded, and the level lags a little.
const ORDINARY: f64 = 3.2;

/// Noises beyond which a reading is off, from the level, which lags a little, and from the mean of those after it.
const OFF: f64 = 4.2;
const OFF_AFTER: f64 = 4.4;

/// Ordinary readings before and after: of a burst's, three in five are ordinary, and seven in a row
/// one time in fifty.
const BEFORE: u32 = 3;
const AFTER: u32 = 7;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LoneReading {
    /// Ordinary readings in a row.
    ordinary: u32,
    /// Their sum, since a reading was off.
    sum: f64,
    /// A reading that was off, until the next ones have been seen.
    held: Option<Box<Held>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Held {
    at: EventTime,
    value: f64,
    level: f64,
    noises: f64,
}

impl LoneReading {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.held.as_ref().map_or(0, |_| size_of::<Held>())
    }

    /// Takes a reading of a sensor with this level and noise; a finding, with the time of the reading that was
    /// off, if this one makes it plain that it was alone.
    pub fn reading(
        &mut self,
        level: &SensorLevel,
        noise: f64,
        at: EventTime,
        value: f64,
    ) -> Option<(EventTime, Finding)> {
        let noises = (value - level.level()).abs() / noise;
        if noises <= ORDINARY {
            self.ordinary = self.ordinary.saturating_add(1);
            self.sum += value;
            if self.ordinary != AFTER {
                return None;
            }
            let held = self.held.take()?;
            let after = (held.value - self.sum / f64::from(AFTER)) / noise;
            if after.abs() <= OFF_AFTER || after * (held.value - held.level) < 0.0 {
                return None;
            }
            let finding = Finding::at("lone-reading", Kind::SensorSpike, held.at)
                .score(1.0 - OFF / (2.0 * held.noises))
                .evidence("value", held.value)
                .evidence("level", two_decimals(held.level))
                .evidence("noises", two_decimals(held.noises));
            return Some((held.at, finding));
        }
        let alone = self.held.is_none() && self.ordinary >= BEFORE && noises > OFF;
        self.held = alone.then(|| {
            Box::new(Held {
                at,
                value,
                level: level.level(),
                noises,
            })
        });
        self.ordinary = 0;
        self.sum = 0.0;
        None
    }

    /// Forgets a reading that was off, because another rule has reported it.
    pub fn reported(&mut self) {
        self.held = None;
        self.ordinary = 0;
        self.sum = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_level::tests::noise, *};

    /// Readings one a second; the seconds of those found.
    fn check(value: impl Fn(u64) -> f64, expected: &[i64]) {
        let (mut level, mut rule) = (SensorLevel::default(), LoneReading::default());
        let mut found = Vec::new();
        for i in 0..400 {
            let at = EventTime(i64::try_from(i).unwrap() * 1000);
            let x = 50.0 + value(i);
            if i > 50 {
                let finding = rule.reading(&level, 1.0, at, x);
                found.extend(finding.map(|(at, _)| at.0 / 1000));
            }
            level.learn(at, x);
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn one_reading_off_is_found_when_the_next_are_ordinary() {
        let spike = |i| if i == 200 { 9.0 } else { 0.0 };
        check(|i| noise(i).clamp(-2.5, 2.5) + spike(i), &[200]);
    }

    #[test]
    fn a_shift_is_no_lone_reading() {
        let shift = |i| if (200..300).contains(&i) { 9.0 } else { 0.0 };
        check(|i| noise(i).clamp(-2.5, 2.5) + shift(i), &[]);
    }

    #[test]
    fn the_first_reading_of_a_small_failure_is_no_lone_one() {
        // The running level comes within reach of the new readings before seven have passed.
        let shift = |i| if (200..300).contains(&i) { 4.0 } else { 0.0 };
        let spike = |i| if i == 200 { 0.6 } else { 0.0 };
        check(|i| 0.1 * noise(i) + shift(i) + spike(i), &[]);
        let alone = |i| if i == 200 { 4.6 } else { 0.0 };
        check(|i| 0.1 * noise(i) + alone(i), &[200]);
    }

    #[test]
    fn two_readings_off_are_not_alone() {
        let pair = |i| if i == 200 || i == 202 { 9.0 } else { 0.0 };
        check(|i| noise(i).clamp(-2.5, 2.5) + pair(i), &[]);
    }

    #[test]
    fn bounded_noise_has_none() {
        check(|i| noise(i).clamp(-3.5, 3.5), &[]);
    }
}
