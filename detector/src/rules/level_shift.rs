//! The sensor's level moves and stays moved.
//!
//! ```text
//! step    = mean of the last a readings - mean of the b before, less what the season moves in between
//! begins: |step| >= max(2.1, 5.5 sqrt(1/a + 1/b)) noises,  nearly all a on its side
//! alert:  0.6 of the step is left 45 s after its first reading      a: 20 s, 3 to 10 readings; b = 2 a
//! ```
//! A check that moves the sensor up and down has gone on by then. A move to where the sensor should be by its
//! season is the end of a shift, a check or a drift, not another one. Exact repeats are held values, and say
//! nothing.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::{sensor_level::SensorLevel, sensor_season::SensorSeason};
use crate::{
    finding::{Finding, two_decimals},
    runtime::{heap_of, recent::keep_last},
};

/// Time whose readings are the new level, and how many of them: two may be a spike and chance, and more than ten
/// are no more certain than the season is.
const AFTER_MS: i64 = 20_000;
const AFTER: (usize, usize) = (3, 10);

/// As many times as many readings are the old level.
const BEFORE_TIMES: usize = 2;

/// Noises of the smallest step, and its deviations by chance: there is a reading of each sensor every few seconds.
const LEAST_NOISES: f64 = 2.1;
const LEAST_DEVIATIONS: f64 = 5.5;

/// Share of the step that a reading of the new level lies off the old one; one in so many need not.
const EACH_SHARE: f64 = 0.25;
const STRAY: usize = 8;

/// Time that a shift must last: checks hold a level for half a minute.
const LAST_MS: i64 = 45_000;

/// Share of the shift that must be left then: a slow way back makes no step.
const STILL_SHARE: f64 = 0.6;

/// A move that leaves less than this share of the way to where the sensor should be is a way back, if that way
/// had this many noises.
const REMAINING_SHARE: f64 = 0.5;
const LEAST_WAY_NOISES: f64 = 2.0;

/// A move that undoes at least this share of the last shift ends it.
const RETURN_SHARE: f64 = 0.5;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LevelShift {
    /// Readings without repeats, oldest first.
    recent: VecDeque<(EventTime, f64)>,
    /// The level before the last shift, and after it, while that shift lasts.
    shifted: Option<Box<(f64, f64)>>,
    /// A shift that has to last yet.
    pending: Option<Box<Pending>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pending {
    start: EventTime,
    from: f64,
    to: f64,
    noise: f64,
}

/// Mean time and mean value of some readings.
#[derive(Debug, Clone, Copy)]
struct Mean {
    at: EventTime,
    value: f64,
}

impl LevelShift {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        let shifted = self.shifted.as_ref().map_or(0, |_| size_of::<(f64, f64)>());
        let pending = self.pending.as_ref().map_or(0, |_| size_of::<Pending>());
        heap_of(&self.recent) + shifted + pending
    }

    /// Takes a reading that is no spike, of a sensor with this noise; a finding if a shift has lasted.
    /// Restarts `level` where the readings are, when they have moved.
    pub fn reading(
        &mut self,
        level: &mut SensorLevel,
        season: &SensorSeason,
        noise: f64,
        at: EventTime,
        value: f64,
    ) -> Option<Finding> {
        if self.recent.back().is_some_and(|(_, last)| *last == value) {
            return None;
        }
        keep_last(&mut self.recent, (at, value), AFTER.1 * (1 + BEFORE_TIMES));
        if let Some(pending) = &self.pending {
            return (at.since(pending.start) >= LAST_MS)
                .then(|| self.lasted(season, at))
                .flatten();
        }
        let (from, to, start) = self.step(season, noise)?;
        level.rebase(to.value, AFTER.0 as f64);
        if self.is_way_back(season, noise, from.value, to) {
            self.shifted = None;
            self.recent.clear();
            return None;
        }
        self.pending = Some(Box::new(Pending {
            start,
            from: from.value,
            to: to.value,
            noise,
        }));
        None
    }

    /// True while it waits whether a step lasts.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Starts over, because readings say nothing about the level for now.
    pub fn disturbed(&mut self) {
        self.recent.clear();
        self.pending = None;
    }

    /// The level before, the one after, and when that began, if the last readings are a step.
    fn step(&self, season: &SensorSeason, noise: f64) -> Option<(Mean, Mean, EventTime)> {
        let (last, _) = self.recent.back()?;
        let new = |(at, _): &&(EventTime, f64)| last.since(*at) < AFTER_MS;
        let after = self.recent.iter().rev().take(AFTER.1).take_while(new);
        let after = after.count().max(AFTER.0);
        let before = after * BEFORE_TIMES;
        let split = self.recent.len().checked_sub(after)?;
        let from = mean(self.recent.range(split.checked_sub(before)?..split));
        let to = mean(self.recent.range(split..));
        let deviation = (1.0 / after as f64 + 1.0 / before as f64).sqrt();
        let least = noise * LEAST_NOISES.max(LEAST_DEVIATIONS * deviation);
        // The season moves by less than that in a minute, and is costly to ask for.
        if (to.value - from.value).abs() < least / 2.0 {
            return None;
        }
        let step = to.value - from.value - moved(season, from.at, to.at);
        let on_side = |(_, value): &&(EventTime, f64)| {
            (value - from.value) * step.signum() >= EACH_SHARE * step.abs()
        };
        let astray = after - self.recent.range(split..).filter(on_side).count();
        let (start, _) = self.recent.get(split)?;
        (step.abs() >= least && astray <= after / STRAY).then_some((from, to, *start))
    }

    fn is_way_back(&self, season: &SensorSeason, noise: f64, from: f64, to: Mean) -> bool {
        let home = season.expected(to.at).is_some_and(|home| {
            let way = (from - home).abs();
            way >= LEAST_WAY_NOISES * noise && (to.value - home).abs() < REMAINING_SHARE * way
        });
        let undone = self.shifted.as_deref().is_some_and(|(old, new)| {
            let moved = to.value - from;
            let way = (old - new).abs();
            way >= LEAST_WAY_NOISES * noise
                && moved * (old - new) > 0.0
                && moved.abs() >= RETURN_SHARE * way
        });
        home || undone
    }

    fn lasted(&mut self, season: &SensorSeason, at: EventTime) -> Option<Finding> {
        let Pending {
            start,
            from,
            to,
            noise,
        } = *self.pending.take()?;
        while self.recent.front().is_some_and(|(at, _)| *at < start) {
            self.recent.pop_front();
        }
        let now = mean(
            self.recent
                .range(self.recent.len().saturating_sub(AFTER.0)..),
        );
        let left = now.value - from - moved(season, start, now.at);
        if left * (to - from).signum() < STILL_SHARE * (to - from).abs() {
            // From where it is now, the way to where it was is a way back.
            self.shifted = Some(Box::new((from, now.value)));
            self.recent.clear();
            return None;
        }
        self.shifted = Some(Box::new((from, to)));
        let off = (to - from).abs() / noise;
        Some(
            Finding::between("level-shift", Kind::LevelShift, start, at)
                .score(1.0 - LEAST_NOISES / (2.0 * off.max(LEAST_NOISES)))
                .evidence("from", two_decimals(from))
                .evidence("to", two_decimals(to))
                .evidence("noise", two_decimals(noise)),
        )
    }
}

/// By how much the season moves the sensor, as far as that is known.
fn moved(season: &SensorSeason, from: EventTime, to: EventTime) -> f64 {
    let known = season.expected(from).zip(season.expected(to));
    known.map_or(0.0, |(from, to)| to - from)
}

fn mean<'a>(readings: impl Iterator<Item = &'a (EventTime, f64)> + Clone) -> Mean {
    let count = readings.clone().count().max(1);
    let first = readings.clone().next().map_or(0, |(at, _)| at.0);
    let ms: i64 = readings.clone().map(|(at, _)| at.0 - first).sum();
    Mean {
        at: EventTime(first + ms / count as i64),
        value: readings.map(|(_, value)| value).sum::<f64>() / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_level::tests::noise, *};

    /// Feeds readings one every `gap_s` seconds for 400 of them and gives the seconds at which a shift was found.
    fn found(gap_s: i64, value: impl Fn(i64) -> f64) -> Vec<i64> {
        let (mut level, mut rule) = (SensorLevel::default(), LevelShift::default());
        let season = SensorSeason::default();
        let mut found = Vec::new();
        for i in 0..400_i64 {
            let at = EventTime(i * gap_s * 1000);
            let x = 50.0 + noise(i.unsigned_abs()) + value(i * gap_s);
            if rule.reading(&mut level, &season, 1.0, at, x).is_some() {
                found.push(at.0 / 1000);
            }
            level.learn(at, x);
        }
        found
    }

    #[test]
    fn a_small_shift_alerts_once_when_it_has_lasted_and_its_end_does_not() {
        for height in [-3.2, 3.2, 8.0] {
            let shift = |second| {
                if (200..300).contains(&second) {
                    height
                } else {
                    0.0
                }
            };
            let found = found(1, shift);
            assert_eq!(found.len(), 1, "{height}: {found:?}");
            assert!((240..250).contains(&found[0]), "{height}: {found:?}");
        }
    }

    #[test]
    fn a_shift_that_goes_on_to_another_alerts_again() {
        let steps = |second| match second {
            0..200 => 0.0,
            200..300 => 8.0,
            _ => 16.0,
        };
        let found = found(1, steps);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!((340..350).contains(&found[1]), "{found:?}");
    }

    #[test]
    fn a_check_that_goes_up_and_down_is_no_shift() {
        let check = |second| match second {
            200..230 => 5.0,
            230..260 => -5.0,
            _ => 0.0,
        };
        assert_eq!(found(1, check), [0i64; 0]);
    }

    #[test]
    fn few_readings_need_a_larger_shift() {
        let shift = |height: f64| {
            move |second| {
                if (4000..6000).contains(&second) {
                    height
                } else {
                    0.0
                }
            }
        };
        assert_eq!(found(20, shift(2.5)), [0i64; 0]);
        assert_eq!(found(20, shift(9.0)).len(), 1);
    }

    #[test]
    fn noise_single_outliers_slow_ways_and_held_values_are_no_shift() {
        assert_eq!(found(1, |_| 0.0), [0i64; 0]);
        assert_eq!(
            found(1, |second| if second % 50 == 49 { 12.0 } else { 0.0 }),
            [0i64; 0]
        );
        assert_eq!(found(1, |second| second as f64 / 50.0), [0i64; 0]);
        let held = |second: i64| {
            let same = 3.0 - noise(second.unsigned_abs());
            if (200..300).contains(&second) {
                same
            } else {
                0.0
            }
        };
        assert_eq!(found(1, held), [0i64; 0]);
    }

    #[test]
    fn what_is_disturbed_is_forgotten() {
        let (mut level, mut rule) = (SensorLevel::default(), LevelShift::default());
        let season = SensorSeason::default();
        for i in 0..400_i64 {
            let at = EventTime(i * 1000);
            let shift = if i >= 200 { 6.0 } else { 0.0 };
            let x = 50.0 + noise(i.unsigned_abs()) + shift;
            assert_eq!(rule.reading(&mut level, &season, 1.0, at, x), None, "{i}");
            level.learn(at, x);
            if (200..240).contains(&i) {
                rule.disturbed();
            }
        }
    }
}
