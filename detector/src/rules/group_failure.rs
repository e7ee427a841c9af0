//! All sensors of a group are off by the same small amount.
//!
//! ```text
//! step of a sensor:           median of the minute - mean median two to four minutes before, in noises
//! minute and group of eight:  six sensors or more,  |median of their steps| >= 1.1 noises,
//!                             three in four at least 0.5 noises to that side
//! ```
//! One sensor's noise can hide the amount, and a shift or a drift of one sensor moves a median hardly. Seasons of
//! a few minutes cancel out over a group; what is expected of them (`sensor_season`) is less certain than that,
//! as long as a sensor is new.

use std::collections::{BTreeMap, VecDeque};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_season::{MINUTE_MS, Minute};
use crate::{
    finding::{Finding, two_decimals},
    runtime::{Aggregate, Window},
};

/// Sensors in a group, by their numbers, as the catalogue has them.
const GROUP: u64 = 8;

/// Sensors of a group that must have reported.
const LEAST_SENSORS: usize = 6;

/// Median step, in noises. A failure's is 1.25 for the noisiest sensors and twice that in the middle.
const LEAST_MEDIAN: f64 = 1.1;

/// After a failure's begin or end its minutes are among those before for this long.
const REST_MS: i64 = 6 * MINUTE_MS;

/// Minutes before, that a step is measured against: the last one may hold the failure's first seconds.
const BEFORE: usize = 3;

/// Step to the same side, and the share of the sensors that must have it.
const LEAST_EACH: f64 = 0.5;
const SHARE: f64 = 0.75;

/// A group without readings for this long is forgotten.
const FORGET_MS: i64 = 3_600_000;

/// The last minutes of one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LastMinutes(VecDeque<Minute>);

impl LastMinutes {
    /// Takes the next minute; its step in noises, if the minutes before it are known.
    pub fn step(&mut self, minute: Minute) -> Option<f64> {
        let gap = |last: &Minute| minute.start.since(last.start) != MINUTE_MS;
        if self.0.back().is_some_and(gap) {
            self.0.clear();
        }
        self.0.push_back(minute);
        if self.0.len() < BEFORE + 2 {
            return None;
        }
        if self.0.len() > BEFORE + 2 {
            self.0.pop_front();
        }
        let before = self.0.iter().take(BEFORE).map(|minute| minute.median);
        Some((minute.median - before.sum::<f64>() / BEFORE as f64) / minute.noise)
    }
}

/// Steps of a group's sensors in one minute, in noises, by the sensors' numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps(BTreeMap<u64, f64>);

impl Steps {
    /// The step of one sensor.
    #[must_use]
    pub fn of(sensor: u64, step: f64) -> Self {
        Self(BTreeMap::from([(sensor, step)]))
    }
}

impl Aggregate for Steps {
    fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }
}

/// The name of a sensor's group and its number in it: `sensor_9` is number 0 of `group_2`. `None` for a name
/// that does not end in `_` and a number from 1.
#[must_use]
pub fn group_of(sensor: &str) -> Option<(String, u64)> {
    let (_, number) = sensor.rsplit_once('_')?;
    let index = number.parse::<u64>().ok()?.checked_sub(1)?;
    Some((format!("group_{}", index / GROUP + 1), index % GROUP))
}

/// Which groups have failed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupFailure(BTreeMap<String, Group>);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    seen: EventTime,
    /// Side to which the group is off, while it is.
    off: f64,
    rests_until: EventTime,
}

impl GroupFailure {
    /// Takes a group's whole window, whose steps are about the minute before it; a finding if the group has
    /// failed. The step back is none.
    pub fn window(&mut self, window: Window, group: &str, steps: &Steps) -> Option<Finding> {
        if !self.0.contains_key(group) {
            self.0.insert(group.to_owned(), Group::default());
        }
        let known = self.0.get_mut(group)?;
        known.seen = window.end;
        let mut sorted: Vec<f64> = steps.0.values().copied().collect();
        if sorted.len() < LEAST_SENSORS {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = (sorted[middle] + sorted[(sorted.len() - 1) / 2]) / 2.0;
        let side = median.signum();
        let off = sorted.iter().filter(|step| **step * side >= LEAST_EACH);
        let share = off.count() as f64 / sorted.len() as f64;
        if median.abs() < LEAST_MEDIAN || share < SHARE || window.start < known.rests_until {
            return None;
        }
        known.rests_until = window.start.plus_ms(REST_MS);
        if std::mem::replace(&mut known.off, side) == -side {
            known.off = 0.0;
            return None;
        }
        let start = window.start.plus_ms(-MINUTE_MS);
        Some(
            Finding::between("group-offset", Kind::GroupFailure, start, window.start)
                .score(1.0 - LEAST_MEDIAN / (2.0 * median.abs()))
                .evidence("sensors", sorted.len())
                .evidence("median_noises", two_decimals(median)),
        )
    }

    /// Forgets the groups that have fallen silent.
    pub fn sweep(&mut self, to: EventTime) {
        self.0.retain(|_, group| to.since(group.seen) <= FORGET_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::page_counts::tests::minute, *};

    /// Minutes of one group's steps; those that alert.
    fn check(minutes: &[&[f64]], expected: &[i64]) {
        let mut rule = GroupFailure::default();
        let mut found = Vec::new();
        for (at, steps) in (0..).zip(minutes) {
            let mut whole = Steps::default();
            for (sensor, step) in (0..).zip(*steps) {
                whole.merge(&Steps::of(sensor, *step));
            }
            if rule.window(minute(at), "group_1", &whole).is_some() {
                found.push(at);
            }
        }
        assert_eq!(found, expected);
    }

    const QUIET: &[f64] = &[0.3, -0.2, 0.1, -0.5, 0.0, 0.4, -0.1, 0.2];
    const DOWN: &[f64] = &[-2.1, -1.4, -3.0, -1.2, -1.9, -2.5, -1.3, -0.4];
    const UP: &[f64] = &[2.1, 1.4, 3.0, 1.2, 1.9, 2.5, 1.3, 0.4];

    #[test]
    fn a_group_that_is_off_alerts_once_and_not_when_it_comes_back() {
        check(&[QUIET, DOWN, DOWN, DOWN, UP, UP, UP, QUIET, QUIET], &[1]);
        let mut long = vec![QUIET, DOWN, DOWN];
        long.extend([QUIET; 20]);
        long.extend([UP, UP]);
        check(&long, &[1]);
    }

    #[test]
    fn a_second_failure_alerts_again() {
        let mut twice = vec![DOWN, DOWN, DOWN];
        twice.extend([QUIET; 20]);
        twice.extend([DOWN, DOWN]);
        check(&twice, &[0, 23]);
    }

    #[test]
    fn one_sensor_far_off_is_no_group() {
        check(&[QUIET, &[0.3, -0.2, 9.0, -0.5, 0.0, 0.4, -0.1, 0.2]], &[]);
    }

    #[test]
    fn a_few_sensors_are_no_group() {
        check(&[&[2.0, 2.1, 1.9, 2.2, 2.0]], &[]);
    }

    #[test]
    fn sensors_on_both_sides_have_nothing_in_common() {
        check(&[&[2.0, -2.1, 1.9, -2.2, 2.0, -1.8, 2.2, 1.5]], &[]);
    }

    #[test]
    fn a_step_is_measured_against_the_minutes_before_the_last() {
        let mut minutes = LastMinutes::default();
        let mut step = |at: i64, median| {
            minutes.step(Minute {
                start: minute(at).start,
                median,
                noise: 0.5,
                residual: 0.0,
                deviation: 0.5,
            })
        };
        for at in 0..4 {
            assert_eq!(step(at, 1.0), None);
        }
        assert_eq!(step(4, 3.0), Some(4.0));
        assert_eq!(step(5, 3.0), Some(4.0));
        assert_eq!(step(9, 3.0), None, "after a gap");
    }

    #[test]
    fn groups_are_told_by_the_sensors_numbers() {
        for (sensor, group) in [
            ("sensor_1", Some(("group_1".to_owned(), 0))),
            ("sensor_8", Some(("group_1".to_owned(), 7))),
            ("sensor_9", Some(("group_2".to_owned(), 0))),
            ("sensor_0", None),
            ("boiler", None),
            ("sensor_x", None),
        ] {
            assert_eq!(group_of(sensor), group, "{sensor}");
        }
    }

    #[test]
    fn silent_groups_are_forgotten() {
        let mut rule = GroupFailure::default();
        rule.window(minute(0), "group_1", &Steps::default());
        rule.sweep(minute(62).end);
        assert!(rule.0.is_empty());
    }
}
