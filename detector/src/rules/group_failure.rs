//! All sensors of a group are off by the same small amount.
//!
//! ```text
//! step of a sensor:   mean of its last 40 s - mean of the minute that ended 20 s before, less the season's way
//! group of eight:     six sensors or more,  |median of their steps| >= 1 noise and 4.5 deviations,
//!                     three in four at least 0.4 noises to that side
//! deviation:          0.72 sqrt(1 / readings now + 1 / readings before)
//! ```
//! One sensor's noise can hide the amount, and a shift or a drift of one sensor moves a median hardly. What
//! seasons move in a minute is little, and it cancels out over a group. 0.72: what the median of eight leaves of
//! the noise, which a group's sensors have in common by two fifths.

use std::collections::{BTreeMap, VecDeque};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_season::SensorSeason;
use crate::{
    finding::{Finding, two_decimals},
    runtime::{Aggregate, Window, heap_of, recent::keep_last},
};

/// Length of what a sensor's readings are averaged over.
pub const BUCKET_MS: i64 = 20_000;

/// Buckets that a step leads to, that are passed over because a failure may have begun in them, and that it leads
/// from.
const NOW: usize = 2;
const BETWEEN: usize = 1;
const BEFORE: usize = 3;

/// Sensors in a group, by their numbers, as the catalogue has them.
const GROUP: u64 = 8;

/// Sensors of a group that must have reported.
const LEAST_SENSORS: usize = 6;

/// Median step, in noises and in deviations. A failure's is 1.25 noises for the noisiest sensors and twice that
/// in the middle.
const LEAST_MEDIAN: f64 = 1.0;
const LEAST_DEVIATIONS: f64 = 4.5;
const COMMON: f64 = 0.72;

/// Step to the same side, and the share of the sensors that must have it.
const LEAST_EACH: f64 = 0.4;
const SHARE: f64 = 0.75;

/// For this long after a step it is among the buckets before.
const REST_MS: i64 = (NOW + BETWEEN + BEFORE) as i64 * BUCKET_MS;

/// A step back within this time ends a failure.
const LONGEST_MS: i64 = 3_600_000;

/// A single sensor's shift that begins this long before or after the readings that a group's step was seen in
/// is a part of it.
const AROUND_MS: i64 = BUCKET_MS;

/// A group's steps are remembered for this long, to explain what its sensors do.
pub const EXPLAINS_MS: i64 = 100_000;

/// A group without readings for this long is forgotten.
const FORGET_MS: i64 = 3_600_000;

/// The last buckets of one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LastBuckets {
    closed: VecDeque<Bucket>,
    open: Bucket,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Bucket {
    number: i64,
    sum: f64,
    readings: u32,
}

/// A sensor's step, in noises, and its variance by chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    size: f64,
    variance: f64,
}

#[cfg(test)]
impl Step {
    /// A step of this size, from a usual number of readings.
    pub(super) fn of(size: f64) -> Self {
        Self {
            size,
            variance: 0.08,
        }
    }
}

impl LastBuckets {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.closed)
    }

    /// Takes a reading. If it is the first of a bucket, the step that led to the buckets before it, where all
    /// of them are known.
    pub fn reading(
        &mut self,
        season: &SensorSeason,
        noise: f64,
        at: EventTime,
        value: f64,
    ) -> Option<Step> {
        let number = at.0.div_euclid(BUCKET_MS);
        let mut step = None;
        if number != self.open.number {
            let closed = std::mem::take(&mut self.open);
            self.open.number = number;
            step = self.close(closed, number, season, noise);
        }
        self.open.sum += value;
        self.open.readings += 1;
        step
    }

    fn close(
        &mut self,
        bucket: Bucket,
        next: i64,
        season: &SensorSeason,
        noise: f64,
    ) -> Option<Step> {
        keep_last(&mut self.closed, bucket, NOW + BETWEEN + BEFORE);
        let first = self.closed.front()?.number;
        let all = self.closed.len() == NOW + BETWEEN + BEFORE;
        if !all || next - first != self.closed.len() as i64 {
            return None;
        }
        let (old, new) = (self.mean(0..BEFORE), self.mean(BEFORE + BETWEEN..));
        let known = season.expected(old.at).zip(season.expected(new.at));
        let moved = known.map_or(0.0, |(from, to)| to - from);
        Some(Step {
            size: (new.value - old.value - moved) / noise,
            variance: 1.0 / f64::from(old.readings) + 1.0 / f64::from(new.readings),
        })
    }

    fn mean(&self, buckets: impl std::ops::RangeBounds<usize>) -> Mean {
        let (mut sum, mut readings, mut numbers, mut count) = (0.0, 0, 0, 0);
        for bucket in self.closed.range(buckets) {
            sum += bucket.sum;
            readings += bucket.readings;
            numbers += bucket.number;
            count += 1;
        }
        let readings = readings.max(1);
        Mean {
            at: EventTime(numbers * BUCKET_MS / count.max(1) + BUCKET_MS / 2),
            value: sum / f64::from(readings),
            readings,
        }
    }
}

struct Mean {
    at: EventTime,
    value: f64,
    readings: u32,
}

/// Steps of a group's sensors in one window, by the sensors' numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps(BTreeMap<u64, Step>);

impl Steps {
    /// The step of one sensor.
    #[must_use]
    pub fn of(sensor: u64, step: Step) -> Self {
        Self(BTreeMap::from([(sensor, step)]))
    }

    /// The steps by their sensors' numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, f64)> {
        self.0.iter().map(|(sensor, step)| (*sensor, step.size))
    }
}

impl Aggregate for Steps {
    fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }
}

/// The name of a sensor's group and its number in it: `sensor_9` is number 0 of `group_2`, and `boiler_9` of
/// `boiler_group_2`, which has nothing to do with it. `None` for a name that does not end in `_` and a number from 1.
#[must_use]
pub fn group_of(sensor: &str) -> Option<(String, u64)> {
    let (of, number) = sensor.rsplit_once('_')?;
    let index = number.parse::<u64>().ok()?.checked_sub(1)?;
    let group = index / GROUP + 1;
    let name = match of {
        "sensor" => format!("group_{group}"),
        of => format!("{of}_group_{group}"),
    };
    Some((name, index % GROUP))
}

/// Which groups have failed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupFailure(BTreeMap<String, Group>);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    seen: EventTime,
    /// Side to which the group is off and since when, while it is.
    off: Option<(f64, EventTime)>,
    rests_until: EventTime,
    /// Windows in which the group's last steps were seen.
    steps: VecDeque<Window>,
}

impl GroupFailure {
    /// Takes a group's whole window, whose steps led to the time right before it; a finding if the group has
    /// failed. The step back is none.
    pub fn window(&mut self, window: Window, group: &str, steps: &Steps) -> Option<Finding> {
        if !self.0.contains_key(group) {
            self.0.insert(group.to_owned(), Group::default());
        }
        let known = self.0.get_mut(group)?;
        known.seen = window.end;
        let (median, share) = common(steps)?;
        if window.start < known.rests_until {
            return None;
        }
        let side = median.signum();
        known.rests_until = window.start.plus_ms(REST_MS);
        while let Some(old) = known.steps.front()
            && window.end.since(old.end) > LONGEST_MS
        {
            known.steps.pop_front();
        }
        known.steps.push_back(window);
        let before = known.off.replace((side, window.start));
        let is_back = before
            .is_some_and(|(off, since)| off == -side && window.start.since(since) <= LONGEST_MS);
        if is_back {
            known.off = None;
            return None;
        }
        let start = window.start.plus_ms(-(NOW as i64) * BUCKET_MS);
        Some(
            Finding::between("group-offset", Kind::GroupFailure, start, window.start)
                .score(1.0 - LEAST_MEDIAN / (2.0 * median.abs()))
                .evidence("off_noises", two_decimals(median))
                .evidence("share", two_decimals(share)),
        )
    }

    /// True if a step that a sensor of the group made at `at` is one that the group made, as far as that was
    /// known at `by`.
    #[must_use]
    pub fn explains(&self, group: &str, at: EventTime, by: EventTime) -> bool {
        let around_ms = (NOW + BETWEEN) as i64 * BUCKET_MS + AROUND_MS;
        self.0.get(group).is_some_and(|known| {
            known.steps.iter().any(|window| {
                window.end <= by
                    && at >= window.start.plus_ms(-around_ms)
                    && at <= window.start.plus_ms(AROUND_MS)
            })
        })
    }

    /// Forgets the groups that have fallen silent.
    pub fn sweep(&mut self, to: EventTime) {
        self.0.retain(|_, group| to.since(group.seen) <= FORGET_MS);
    }
}

/// The median of the steps and the share of the sensors that made it, if the group has made one.
fn common(steps: &Steps) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = steps.0.values().map(|step| step.size).collect();
    if sorted.len() < LEAST_SENSORS {
        return None;
    }
    sorted.sort_by(f64::total_cmp);
    let median = (sorted[sorted.len() / 2] + sorted[(sorted.len() - 1) / 2]) / 2.0;
    let variance = steps.0.values().map(|step| step.variance).sum::<f64>() / sorted.len() as f64;
    let least = LEAST_MEDIAN.max(LEAST_DEVIATIONS * COMMON * variance.sqrt());
    let with = sorted
        .iter()
        .filter(|step| **step * median.signum() >= LEAST_EACH);
    let share = with.count() as f64 / sorted.len() as f64;
    (median.abs() >= least && share >= SHARE).then_some((median, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(number: i64) -> Window {
        let start = EventTime(number * BUCKET_MS);
        Window {
            start,
            end: start.plus_ms(BUCKET_MS),
        }
    }

    fn steps(sizes: &[f64]) -> Steps {
        let mut whole = Steps::default();
        for (sensor, size) in (0..).zip(sizes) {
            whole.merge(&Steps::of(sensor, Step::of(*size)));
        }
        whole
    }

    /// Windows of one group's steps; those that alert.
    fn check(windows: &[&[f64]], expected: &[i64]) {
        let mut rule = GroupFailure::default();
        let found: Vec<i64> = (0..)
            .zip(windows)
            .filter(|(at, sizes)| rule.window(window(*at), "group_1", &steps(sizes)).is_some())
            .map(|(at, _)| at)
            .collect();
        assert_eq!(found, expected);
    }

    const QUIET: &[f64] = &[0.3, -0.2, 0.1, -0.5, 0.0, 0.4, -0.1, 0.2];
    const DOWN: &[f64] = &[-2.1, -1.4, -3.0, -1.2, -1.9, -2.5, -1.3, -0.3];
    const UP: &[f64] = &[2.1, 1.4, 3.0, 1.2, 1.9, 2.5, 1.3, 0.3];

    #[test]
    fn a_group_that_is_off_alerts_once_and_not_when_it_comes_back() {
        let mut failure = vec![QUIET, DOWN, DOWN, DOWN];
        failure.extend([QUIET; 5]);
        failure.extend([UP, UP, UP, QUIET]);
        check(&failure, &[1]);
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
    fn few_readings_need_a_larger_step() {
        let few = |variance| {
            let mut whole = steps(UP);
            whole
                .0
                .values_mut()
                .for_each(|step| step.variance = variance);
            GroupFailure::default().window(window(0), "group_1", &whole)
        };
        assert!(few(0.1).is_some());
        assert_eq!(few(1.0), None);
    }

    #[test]
    fn a_group_explains_its_sensors_steps_and_no_others() {
        let mut rule = GroupFailure::default();
        rule.window(window(10), "group_1", &steps(UP));
        let (at, known) = (window(8).start, window(10).end);
        assert!(rule.explains("group_1", at, known));
        assert!(
            !rule.explains("group_1", at, known.plus_ms(-1)),
            "not yet known"
        );
        assert!(!rule.explains("group_2", at, known));
        assert!(!rule.explains("group_1", window(3).start, known));
        assert!(!rule.explains("group_1", window(12).start, known));
    }

    #[test]
    fn a_step_leads_from_the_buckets_before_the_last_three_and_needs_all() {
        let (mut last, season) = (LastBuckets::default(), SensorSeason::default());
        let mut reading =
            |second: i64, value| last.reading(&season, 0.5, EventTime(second * 1000), value);
        let mut found = Vec::new();
        for second in (0..200).step_by(5) {
            let value = if second < 120 { 1.0 } else { 3.0 };
            found.extend(reading(second, value).map(|step| (second, step.size)));
        }
        let expected = [(120, 0.0), (140, 2.0), (160, 4.0), (180, 4.0)];
        assert_eq!(found, expected);
        assert_eq!(reading(260, 3.0), None, "after a gap");
        assert_eq!(reading(280, 3.0), None, "with a gap among them");
    }

    #[test]
    fn groups_are_told_by_the_sensors_names_and_numbers() {
        for (sensor, group) in [
            ("sensor_1", Some(("group_1".to_owned(), 0))),
            ("sensor_8", Some(("group_1".to_owned(), 7))),
            ("sensor_9", Some(("group_2".to_owned(), 0))),
            ("boiler_9", Some(("boiler_group_2".to_owned(), 0))),
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
        rule.window(window(0), "group_1", &Steps::default());
        rule.sweep(window(200).end);
        assert!(rule.0.is_empty());
    }
}
