//! The sensor's level moves and stays moved.
//!
//! The last three readings all lie on one side of the level, and their mean lies far off it. The
//! level then starts over where they are. It is a shift if it is still there three quarters of a minute later: a
//! check that moves the sensor up and down has gone on by then. A move to where the sensor should be by its season
//! is the end of a shift, a check or a drift, not another one.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_level::SensorLevel;
use crate::finding::{Finding, two_decimals};

/// Readings that must agree: one is a spike, two may be a spike and chance.
const READINGS: usize = 3;

/// Noises that their mean must lie off. The mean of three has 0.6 noises of its own, and the level
/// up to 1.5 where it lags behind a season: what chance makes of
/// them does not last.
const MEAN_NOISES: f64 = 3.5;

/// Noises that each of them must lie off, on the same side.
const EACH_NOISES: f64 = 1.2;

/// Time that a shift must last: checks hold a level for half a minute.
const LAST_MS: i64 = 45_000;

/// Share of the shift that must be left then: a slow way back makes no step.
const STILL_SHARE: f64 = 0.6;

/// A move that leaves less than this share of the way to where the sensor should be is a way back.
const REMAINING_SHARE: f64 = 0.5;

/// Where the sensor should be is not known yet: a move that undoes at least this share of the last shift ends it.
const RETURN_SHARE: f64 = 0.5;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LevelShift {
    recent: [(EventTime, f64); READINGS],
    filled: usize,
    /// The level before the last shift, and after it, while that shift lasts.
    shifted: Option<(f64, f64)>,
    /// A shift that has to last yet.
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pending {
    start: EventTime,
    due: EventTime,
    from: f64,
    to: f64,
    noise: f64,
}

impl LevelShift {
    /// Takes a reading that is no spike; a finding if a shift has lasted. `expected` is where the sensor
    /// should be, if that is known. Restarts `level` where the readings are, when they have moved.
    pub fn reading(
        &mut self,
        level: &mut SensorLevel,
        expected: Option<f64>,
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
            return self.lasted(expected, at);
        }
        let from = level.level();
        let to = self.recent.iter().map(|(_, value)| value).sum::<f64>() / READINGS as f64;
        let noise = level.noise();
        level.rebase(to, READINGS as f64);
        self.filled = 0;
        self.pending = None;
        if self.is_way_back(expected, from, to) {
            return None;
        }
        let start = self.recent[0].0;
        self.pending = Some(Pending {
            start,
            due: start.plus_ms(LAST_MS),
            from,
            to,
            noise,
        });
        None
    }

    fn is_way_back(&mut self, expected: Option<f64>, from: f64, to: f64) -> bool {
        let before = self.shifted.replace((from, to));
        let back = match (expected, before) {
            (Some(home), _) => (to - home).abs() < REMAINING_SHARE * (from - home).abs(),
            (None, Some((old, new))) => {
                (to - from) * (old - new) > 0.0
                    && (to - from).abs() >= RETURN_SHARE * (old - new).abs()
            }
            (None, None) => false,
        };
        if back {
            self.shifted = None;
        }
        back
    }

    fn lasted(&mut self, expected: Option<f64>, at: EventTime) -> Option<Finding> {
        let Pending {
            start,
            from,
            to,
            noise,
            ..
        } = self.pending.take_if(|pending| at >= pending.due)?;
        let now = self.recent.iter().map(|(_, value)| value).sum::<f64>() / READINGS as f64;
        let home = expected.unwrap_or(from);
        if (now - home) * (to - home).signum() < STILL_SHARE * (to - home).abs() {
            return None;
        }
        let off = (to - from).abs() / noise;
        Some(
            Finding::between("level-shift", Kind::LevelShift, start, at)
                .score(1.0 - MEAN_NOISES / (2.0 * off.max(MEAN_NOISES)))
                .evidence("from", two_decimals(from))
                .evidence("to", two_decimals(to))
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
            if rule.reading(&mut level, None, at, x).is_some() {
                found.push(at.0 / 1000);
            }
            level.learn(at, x);
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_shift_alerts_once_when_it_has_lasted_and_its_end_does_not() {
        check(
            |i| 50.0 + noise(i) + if (200..300).contains(&i) { 8.0 } else { 0.0 },
            &[245],
        );
    }

    #[test]
    fn a_shift_that_goes_on_to_another_alerts_again() {
        let step = |i: u64| match i {
            0..200 => 0.0,
            200..300 => 8.0,
            _ => 16.0,
        };
        check(|i| 50.0 + noise(i) + step(i), &[245, 345]);
    }

    #[test]
    fn a_check_that_goes_up_and_down_is_no_shift() {
        let (mut level, mut rule) = (SensorLevel::default(), LevelShift::default());
        for i in 0..400_i64 {
            let check = match i {
                200..230 => 5.0,
                230..260 => -5.0,
                _ => 0.0,
            };
            let (at, x) = (EventTime(i * 1000), 50.0 + noise(i.unsigned_abs()) + check);
            let found = rule.reading(&mut level, Some(50.0), at, x);
            assert_eq!(found, None, "{i}");
            level.learn(at, x);
        }
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
