//! The sensor's level moves and stays moved.
//!
//! The last three readings all lie on one side of the level, and their mean lies far off it. The
//! level then starts over where they are, so that a lasting shift alerts once; a later move back to
//! about the old level is the end of the shift, not another one.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_level::SensorLevel;
use crate::finding::{Finding, two_decimals};

/// Readings that must agree: one is a spike, two may be a spike and chance.
const READINGS: usize = 3;

/// Noises that their mean must lie off. The mean of three has 0.6 noises of its own, and the level
/// up to 1.5 where it lags behind a season: 4 leaves chance below one in a million.
const MEAN_NOISES: f64 = 4.0;

/// Noises that each of them must lie off, on the same side.
const EACH_NOISES: f64 = 1.5;

/// A move that undoes at least this share of the last shift ends it.
const RETURN_SHARE: f64 = 0.5;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LevelShift {
    recent: [(EventTime, f64); READINGS],
    filled: usize,
    /// The level before the last shift, and after it, while that shift lasts.
    shifted: Option<(f64, f64)>,
}

impl LevelShift {
    /// Takes a reading that is no spike; a finding if it completes a shift. Restarts `level` where
    /// the readings are, when they have moved.
    pub fn reading(
        &mut self,
        level: &mut SensorLevel,
        at: EventTime,
        value: f64,
    ) -> Option<Finding> {
        self.recent.rotate_left(1);
        self.recent[READINGS - 1] = (at, value);
        self.filled = (self.filled + 1).min(READINGS);
        if self.filled < READINGS || !level.is_known() {
            return None;
        }
        let distances = self.recent.map(|(_, value)| level.distance(value));
        let off = distances.iter().sum::<f64>() / READINGS as f64;
        if off.abs() < MEAN_NOISES || distances.iter().any(|d| d * off.signum() < EACH_NOISES) {
            return None;
        }
        let before = level.level();
        let now = self.recent.iter().map(|(_, value)| value).sum::<f64>() / READINGS as f64;
        let noise = level.noise();
        level.rebase(now, READINGS as f64);
        self.filled = 0;
        if let Some((old, new)) = self.shifted.take()
            && (now - before) * (old - new) > 0.0
            && (now - before).abs() >= RETURN_SHARE * (old - new).abs()
        {
            return None;
        }
        self.shifted = Some((before, now));
        let start = self.recent[0].0;
        Some(
            Finding::between("level-shift", Kind::LevelShift, start, at)
                .score(1.0 - MEAN_NOISES / (2.0 * off.abs()))
                .evidence("from", two_decimals(before))
                .evidence("to", two_decimals(now))
                .evidence("noise", two_decimals(noise)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_level::tests::noise, *};

    /// Feeds readings one a second and gives the seconds at which a shift was found.
    fn check(value: impl Fn(u64) -> f64, expected: &[i64]) {
        let (mut level, mut rule) = (SensorLevel::default(), LevelShift::default());
        let mut found = Vec::new();
        for i in 0..400 {
            let at = EventTime(i64::try_from(i).unwrap() * 1000);
            let x = value(i);
            if rule.reading(&mut level, at, x).is_some() {
                found.push(at.0 / 1000);
            }
            level.learn(at, x);
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_shift_alerts_once_at_its_third_reading_and_its_end_does_not() {
        check(
            |i| 50.0 + noise(i) + if (200..300).contains(&i) { 8.0 } else { 0.0 },
            &[202],
        );
    }

    #[test]
    fn a_shift_that_goes_on_to_another_alerts_again() {
        let step = |i: u64| match i {
            0..200 => 0.0,
            200..300 => 8.0,
            _ => 16.0,
        };
        check(|i| 50.0 + noise(i) + step(i), &[202, 302]);
    }

    #[test]
    fn noise_and_single_outliers_are_no_shift() {
        check(|i| 50.0 + noise(i), &[]);
        check(
            |i| 50.0 + noise(i) + if i % 50 == 49 { 12.0 } else { 0.0 },
            &[],
        );
    }
}
