//! Single readings far from the sensor's level, in the sensor's own noise.
//!
//! Where a sensor reports less than three times in the sensor rule's window, its window's average
//! follows the spike and the rule with the fixed distance is blind; this one is not.

use floodmark_contracts::{clock::EventTime, kind::Kind};

use super::sensor_level::SensorLevel;
use crate::finding::{Finding, two_decimals};

/// Noises from the level that make a reading a spike. Shifts of the level reach 9, and the noise
/// adds less than 4 to them: what is beyond that is neither.
const SPIKE_NOISES: f64 = 15.0;

/// True if `value` is a spike against `level`.
#[must_use]
pub fn is_spike(level: &SensorLevel, value: f64) -> bool {
    level.is_known() && level.distance(value).abs() > SPIKE_NOISES
}

/// The finding about a spike.
#[must_use]
pub fn finding(level: &SensorLevel, at: EventTime, value: f64) -> Finding {
    let distance = level.distance(value).abs();
    Finding::at("sensor-spike", Kind::SensorSpike, at)
        .score(1.0 - SPIKE_NOISES / (2.0 * distance))
        .evidence("value", value)
        .evidence("level", two_decimals(level.level()))
        .evidence("noises", two_decimals(distance))
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_level::tests::noise, *};

    fn level() -> SensorLevel {
        let mut level = SensorLevel::default();
        for i in 0..100 {
            level.learn(
                EventTime(i64::try_from(i).unwrap() * 10_000),
                40.0 + noise(i),
            );
        }
        level
    }

    #[test]
    fn a_reading_far_off_is_a_spike_and_a_shifted_one_is_not() {
        let level = level();
        for (value, spike) in [
            (130.0, true),
            (-50.0, true),
            (40.0 + 9.0 + 3.0, false),
            (41.0, false),
        ] {
            assert_eq!(is_spike(&level, value), spike, "{value}");
        }
    }

    #[test]
    fn nothing_is_a_spike_before_the_noise_is_known() {
        let mut level = SensorLevel::default();
        level.learn(EventTime(0), 40.0);
        assert!(!is_spike(&level, 500.0));
    }

    #[test]
    fn higher_spikes_score_higher() {
        let level = level();
        let score = |value| finding(&level, EventTime(1), value).score;
        assert!(score(200.0) > score(130.0));
    }
}
