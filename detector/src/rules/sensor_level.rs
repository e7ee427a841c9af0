//! What is usual for a sensor: its level and its noise, which two rules share.
//!
//! ```text
//! level  <- level + a (x - level)          a = max(1 / readings, rate)
//! noise  <- mean |x_t - x_(t-1)| / 1.128   over about 64 readings, differences cut at 4 noises
//! ```
//! For Gaussian noise of deviation s, E|x_t - x_(t-1)| = 2 s / sqrt(pi) = 1.128 s. Differences are
//! blind to slow seasons, and the cut keeps spikes out.

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

use crate::runtime::heap_of;

/// Readings before anything is said: fewer leave the noise uncertain by a quarter.
pub const WARM_UP_READINGS: u32 = 10;

/// The level follows over this much event time: an hourly season of amplitude 4 moves by less than a
/// unit in it.
const LEVEL_MS: f64 = 120_000.0;

/// And over this many readings at most and at least: more are no more exact, fewer are mostly noise.
const LEVEL_READINGS: (f64, f64) = (6.0, 30.0);

/// Readings over which the noise is averaged.
const NOISE_READINGS: f64 = 64.0;

/// The first differences, of which the median starts the noise: a spike among them does no harm.
const FIRST_DIFFERENCES: usize = 7;

/// Mean absolute difference of two readings, in deviations of one.
const DIFFERENCE_PER_NOISE: f64 = 1.128;

/// Median absolute difference of two readings, in deviations of one.
const MEDIAN_DIFFERENCE_PER_NOISE: f64 = 0.954;

/// Readings beyond this are garbage, and no sensor's level.
const LARGEST: f64 = 1e100;

/// Noise below this share of the level is rounding, not noise.
const LEAST_NOISE: f64 = 1e-6;

/// A sensor's level and noise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SensorLevel {
    level: f64,
    level_readings: f64,
    noise: f64,
    first: Vec<f64>,
    readings: u32,
    last: Option<(EventTime, f64)>,
    gap_ms: f64,
}

impl SensorLevel {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.first)
    }

    /// True once enough readings were seen.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.readings >= WARM_UP_READINGS && self.noise > 0.0
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.level
    }

    /// The standard deviation of the noise.
    #[must_use]
    pub fn noise(&self) -> f64 {
        self.noise.max(self.level.abs() * LEAST_NOISE)
    }

    /// Distance of a value from the level, in noises.
    #[must_use]
    pub fn distance(&self, value: f64) -> f64 {
        (value - self.level) / self.noise()
    }

    /// Takes an ordinary reading.
    pub fn learn(&mut self, at: EventTime, value: f64) {
        // Differences of such values overflow, and a level that is not a number stays one.
        if value.abs() > LARGEST {
            return;
        }
        self.readings = self.readings.saturating_add(1);
        if let Some((last_at, last)) = self.last.replace((at, value)) {
            // Exact repeats are held values: they say nothing about level or noise.
            if value == last {
                return;
            }
            self.learn_gap(at.since(last_at) as f64);
            self.learn_noise((value - last).abs());
        }
        self.level_readings += 1.0;
        let span = if self.gap_ms > 0.0 {
            LEVEL_MS / self.gap_ms
        } else {
            LEVEL_READINGS.1
        };
        let span = span.clamp(LEVEL_READINGS.0, LEVEL_READINGS.1);
        self.level += (value - self.level) / self.level_readings.min(span);
    }

    /// Starts over at another level, known from `readings` readings; the noise stays.
    pub fn rebase(&mut self, level: f64, readings: f64) {
        self.level = level;
        self.level_readings = readings;
        self.last = None;
    }

    fn learn_gap(&mut self, gap_ms: f64) {
        let rate = if self.gap_ms > 0.0 { 0.1 } else { 1.0 };
        self.gap_ms += rate * (gap_ms.min(4.0 * self.gap_ms.max(gap_ms / 4.0)) - self.gap_ms);
    }

    fn learn_noise(&mut self, difference: f64) {
        if self.noise == 0.0 {
            self.first.push(difference);
            if self.first.len() >= FIRST_DIFFERENCES {
                self.first.sort_by(f64::total_cmp);
                self.noise = self.first[FIRST_DIFFERENCES / 2] / MEDIAN_DIFFERENCE_PER_NOISE;
                self.first = Vec::new();
            }
            return;
        }
        let noise = difference.min(4.0 * DIFFERENCE_PER_NOISE * self.noise) / DIFFERENCE_PER_NOISE;
        self.noise += (noise - self.noise) / f64::from(self.readings).min(NOISE_READINGS);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Bell-shaped noise with deviation 1, the same for the same `i`.
    pub(in super::super) fn noise(i: u64) -> f64 {
        let mut sum = 0.0;
        for k in 0..12 {
            let mut z = (i * 12 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            sum += ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        }
        sum - 6.0
    }

    #[test]
    fn level_and_noise_are_found() {
        let mut level = SensorLevel::default();
        for i in 0..300 {
            level.learn(
                EventTime(i64::try_from(i).unwrap() * 1000),
                50.0 + 1.5 * noise(i),
            );
        }
        assert!((level.level() - 50.0).abs() < 1.0, "{}", level.level());
        assert!((level.noise() - 1.5).abs() < 0.4, "{}", level.noise());
    }

    #[test]
    fn one_wild_reading_among_the_first_does_not_spoil_the_noise() {
        let mut level = SensorLevel::default();
        for i in 0..12 {
            let wild = if i == 3 { 120.0 } else { 0.0 };
            level.learn(
                EventTime(i64::try_from(i).unwrap() * 1000),
                50.0 + noise(i) + wild,
            );
        }
        assert!(level.is_known());
        assert!(level.noise() < 4.0, "{}", level.noise());
    }

    #[test]
    fn absurd_readings_leave_the_level_a_number() {
        let mut level = SensorLevel::default();
        for i in 0..40 {
            level.learn(
                EventTime(i64::try_from(i).unwrap() * 1000),
                match i {
                    2 => f64::MAX,
                    3 => f64::MIN,
                    _ => 50.0 + noise(i),
                },
            );
        }
        assert!((level.level() - 50.0).abs() < 2.0, "{}", level.level());
        assert!(level.is_known() && level.noise() < 4.0, "{}", level.noise());
    }

    #[test]
    fn a_slow_season_is_followed() {
        let mut level = SensorLevel::default();
        let mut worst: f64 = 0.0;
        for i in 0..720_u32 {
            let truth = 50.0 + 4.0 * (f64::from(i) * std::f64::consts::TAU / 720.0).sin();
            level.learn(
                EventTime(i64::from(i) * 5000),
                truth + 0.8 * noise(u64::from(i)),
            );
            if i > 30 {
                worst = worst.max((level.level() - truth).abs());
            }
        }
        assert!(worst < 2.0, "{worst}");
    }

    #[test]
    fn repeats_leave_the_noise_alone() {
        let mut level = SensorLevel::default();
        for i in 0..50 {
            level.learn(EventTime(i64::try_from(i).unwrap() * 1000), noise(i));
        }
        let before = level.noise();
        for i in 50..100 {
            level.learn(EventTime(i * 1000), 0.25);
        }
        assert!((level.noise() - before).abs() < 0.1 * before);
    }
}
