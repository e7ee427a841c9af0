//! The sensor's noise grows, while its level stays.
//!
//! ```text
//! x      = |difference of neighbouring readings| / 1.128
//! usual <- usual + (min(x, 3 usual) - usual) / 300          1.128: see `sensor_level`
//! alert:  root of the mean of min(x, 6 usual)^2 over the last 20  >=  2.6 usual,  without the largest two >= 2.3
//! ```
//! Differences do not see seasons, drifts and lasting shifts, and a single step or spike is cut at six noises.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::{heap_of, recent::keep_last},
};

/// Differences that are looked at.
const DIFFERENCES: usize = 20;

/// How many times the usual noise the root mean square has to be. By chance it reached 2.4 in a million
/// readings; a burst is three times as loud and more.
const LOUD: f64 = 2.6;

/// The same without the largest two, which a spike alone can make: a burst's is 2.7 times and more.
const SPIKES: usize = 2;
const LOUD_WITHOUT: f64 = 2.3;

/// Below this a burst is over.
const QUIET: f64 = 1.7;

/// A difference counts at most so many noises: one spike makes two large ones, which do not suffice.
const CUT: f64 = 6.0;

/// Readings over which the usual noise is averaged, and how many noises a difference moves it by at most: a
/// burst of three minutes is not to become usual.
const MEMORY: f64 = 300.0;
const MEMORY_CUT: f64 = 3.0;

/// Readings before anything is said.
const WARM_UP: u32 = 50;

/// Mean absolute and median absolute difference of two readings, in deviations of one.
const MEAN_DIFFERENCE: f64 = 1.128;
const MEDIAN_DIFFERENCE: f64 = 0.954;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NoiseBurst {
    /// Times and differences, oldest first.
    recent: VecDeque<(EventTime, f64)>,
    last: Option<f64>,
    usual: f64,
    readings: u32,
    loud: bool,
}

impl NoiseBurst {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.recent)
    }

    /// The usual noise, once it is known.
    #[must_use]
    pub fn usual(&self) -> Option<f64> {
        (self.readings >= WARM_UP && self.usual > 0.0).then_some(self.usual)
    }

    /// True while a burst lasts: what other rules see then is noise.
    #[must_use]
    pub fn is_loud(&self) -> bool {
        self.loud
    }

    /// Takes a reading; a finding if the noise has grown, once until it is quiet again.
    pub fn reading(&mut self, at: EventTime, value: f64) -> Option<Finding> {
        let last = self.last.replace(value)?;
        // Exact repeats are held values: they say nothing about the noise.
        if value == last || !(value - last).is_finite() {
            return None;
        }
        let difference = (value - last).abs() / MEAN_DIFFERENCE;
        keep_last(&mut self.recent, (at, difference), DIFFERENCES);
        if self.recent.len() < DIFFERENCES {
            return None;
        }
        if self.usual == 0.0 {
            self.usual = self.first_guess();
        }
        let loudness = self.loudness();
        let found = self.judge(loudness);
        self.learn(difference);
        if !found {
            return None;
        }
        let (start, _) = *self.recent.front()?;
        Some(
            Finding::between("noise-burst", Kind::NoiseBurst, start, at)
                .score(1.0 - LOUD / (2.0 * loudness))
                .evidence("usual_noise", two_decimals(self.usual))
                .evidence("times_usual", two_decimals(loudness)),
        )
    }

    fn judge(&mut self, loudness: f64) -> bool {
        if loudness < QUIET {
            self.loud = false;
        }
        let begins = loudness >= LOUD
            && !self.loud
            && self.readings >= WARM_UP
            && self.loudness_without() >= LOUD_WITHOUT;
        self.loud |= begins;
        begins
    }

    fn loudness(&self) -> f64 {
        let cut = CUT * self.usual;
        let squares = self.recent.iter().map(|(_, x)| x.min(cut).powi(2));
        (squares.sum::<f64>() / DIFFERENCES as f64).sqrt() / self.usual
    }

    /// Loudness of all but the largest differences.
    fn loudness_without(&self) -> f64 {
        let mut sorted: Vec<f64> = self.recent.iter().map(|(_, x)| *x).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.truncate(DIFFERENCES - SPIKES);
        let squares: f64 = sorted.iter().map(|x| x * x).sum();
        (squares / sorted.len() as f64).sqrt() / self.usual
    }

    fn learn(&mut self, difference: f64) {
        self.readings = self.readings.saturating_add(1);
        let readings = (DIFFERENCES as f64 + f64::from(self.readings)).min(MEMORY);
        self.usual += (difference.min(MEMORY_CUT * self.usual) - self.usual) / readings;
    }

    fn first_guess(&self) -> f64 {
        let mut sorted: Vec<f64> = self.recent.iter().map(|(_, x)| *x).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        median * MEAN_DIFFERENCE / MEDIAN_DIFFERENCE
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_level::tests::noise, *};

    /// Feeds readings and gives the numbers of those that alert.
    fn found(value: impl Fn(u64) -> f64) -> Vec<i64> {
        let mut rule = NoiseBurst::default();
        (0..1000)
            .filter(|i| {
                rule.reading(EventTime(*i), value(i.unsigned_abs()))
                    .is_some()
            })
            .collect()
    }

    #[test]
    fn noise_that_grows_alerts_once() {
        let burst = |i| if (500..590).contains(&i) { 4.0 } else { 1.0 };
        let found = found(|i| 50.0 + burst(i) * noise(i));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((500..530).contains(&found[0]), "{found:?}");
    }

    #[test]
    fn ordinary_noise_steps_spikes_and_drifts_do_not() {
        assert_eq!(found(|i| 50.0 + noise(i)), [0i64; 0]);
        let step = |i| if i >= 500 { 9.0 } else { 0.0 };
        assert_eq!(found(|i| 50.0 + noise(i) + step(i)), [0i64; 0]);
        for height in [9.0, 12.0, 14.0, 120.0] {
            let spike = |i| if i == 500 { height } else { 0.0 };
            assert_eq!(found(|i| 50.0 + noise(i) + spike(i)), [0i64; 0]);
        }
        assert_eq!(found(|i| 50.0 + noise(i) + 0.05 * i as f64), [0i64; 0]);
    }

    #[test]
    fn held_values_are_no_silence_before_a_burst() {
        let held = |i: u64| if (300..500).contains(&i) { 300 } else { i };
        assert_eq!(found(|i| 50.0 + noise(held(i))), [0i64; 0]);
    }

    #[test]
    fn a_second_burst_alerts_again() {
        let burst = |i: u64| if i % 400 > 340 { 4.0 } else { 1.0 };
        assert_eq!(found(|i| 50.0 + burst(i) * noise(i)).len(), 2);
    }
}
