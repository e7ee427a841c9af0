//! A group's sensors do not go together as they used to, though each may be within its own bounds.
//!
//! ```text
//! x = steps of the group's sensors, in noises, every 20 s (group_failure)
//! d^2 = (x - m)' S^-1 (x - m)      m, S: running mean and covariance, rate max(1/steps, 1/1500)
//! z = ((d^2/k)^(1/3) - (1 - 2/(9k))) / sqrt(2/(9k))      k sensors: d^2 is chi-squared with k degrees
//! ```
//! A running Mahalanobis distance. `S` is drawn towards its own diagonal by a tenth, so that it can be inverted from few
//! steps and an odd one does not fit it perfectly. The cube root makes one threshold do for any number of
//! sensors (Wilson and Hilferty 1931). A step that is far off is learnt with the weight that brings it back to the threshold.

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::{
    cholesky::{Cholesky, dot},
    group_failure::{BUCKET_MS, Steps},
};
use crate::{
    finding::{Finding, two_decimals},
    runtime::Window,
};

/// Sensors of a group.
const SENSORS: usize = 8;

/// Sensors that must have reported: fewer have too little to go together.
const LEAST_SENSORS: usize = 3;

/// Steps before anything is said, which are those of 72 minutes: twice the number of covariances, as six steps have
/// readings in common.
const WARM_UP: u32 = 216;

/// Steps over which the past is forgotten: a working day.
const MEMORY: f64 = 1500.0;

/// Share by which covariances are drawn to 0.
const SHRINK: f64 = 0.1;

/// Variance below this, in squared noises, is rounding.
const LEAST_VARIANCE: f64 = 1e-6;

/// A group without readings for this long is forgotten.
const FORGET_MS: i64 = 24 * 3_600_000;

/// The rule for all groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupDistance(BTreeMap<String, Past>);

/// What is usual for a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Past {
    seen: EventTime,
    steps: u32,
    mean: [f64; SENSORS],
    covariance: [[f64; SENSORS]; SENSORS],
    off: bool,
}

impl GroupDistance {
    /// Takes a group's whole window, whose steps led to the time right before it; a finding if they are further from what
    /// is usual than `threshold`, and those of the window before were not.
    pub fn window(
        &mut self,
        window: Window,
        group: &str,
        steps: &Steps,
        threshold: f64,
    ) -> Option<Finding> {
        let sensors: Vec<(usize, f64)> = steps
            .iter()
            .filter_map(|(number, step)| Some((usize::try_from(number).ok()?, step)))
            .filter(|(number, step)| *number < SENSORS && step.is_finite())
            .collect();
        if sensors.len() < LEAST_SENSORS {
            return None;
        }
        if !self.0.contains_key(group) {
            self.0.insert(group.to_owned(), Past::default());
        }
        let past = self.0.get_mut(group)?;
        past.seen = window.end;
        let (z, furthest) = (past.distance(&sensors)?, past.furthest(&sensors)?);
        let known = past.steps >= WARM_UP;
        past.learn(&sensors, if known { weight(z, threshold) } else { 1.0 });
        let was_off = std::mem::replace(&mut past.off, known && z >= threshold);
        if was_off || !past.off {
            return None;
        }
        let start = window.start.plus_ms(-2 * BUCKET_MS);
        let mut finding =
            Finding::between("group-distance", Kind::GroupFailure, start, window.start)
                .score(1.0 - threshold / (2.0 * z))
                .evidence("sensors", sensors.len())
                .evidence("furthest", furthest + 1)
                .evidence("z", two_decimals(z));
        // One sensor that leaves the others and a group that fails look alike from here.
        finding.kind = None;
        Some(finding)
    }

    /// Forgets groups that are gone.
    pub fn sweep(&mut self, now: EventTime) {
        self.0.retain(|_, past| now.since(past.seen) <= FORGET_MS);
    }
}

impl Past {
    /// How far the steps are from what is usual, in normal deviations; `None` if that cannot be said.
    fn distance(&self, sensors: &[(usize, f64)]) -> Option<f64> {
        // Who has not reported is as usual, and independent of the others.
        let mut matrix = [[0.0; SENSORS]; SENSORS];
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] = 1.0;
        }
        let mut off = [0.0; SENSORS];
        for (i, step) in sensors {
            off[*i] = step - self.mean[*i];
            for (j, _) in sensors {
                let covariance = self.covariance[*i][*j];
                matrix[*i][*j] = if i == j {
                    covariance.max(LEAST_VARIANCE)
                } else {
                    (1.0 - SHRINK) * covariance
                };
            }
        }
        let white = Cholesky::of(&matrix)?.whiten(&off);
        let k = sensors.len() as f64;
        let usual = 2.0 / (9.0 * k);
        Some(((dot(&white, &white) / k).cbrt() - (1.0 - usual)) / usual.sqrt())
    }

    /// The sensor whose step is furthest from its own usual ones.
    fn furthest(&self, sensors: &[(usize, f64)]) -> Option<usize> {
        let deviations = |(i, step): &(usize, f64)| {
            let deviation = self.covariance[*i][*i].max(LEAST_VARIANCE).sqrt();
            (step - self.mean[*i]).abs() / deviation
        };
        let by_deviations = |a: &&_, b: &&_| deviations(a).total_cmp(&deviations(b));
        sensors.iter().max_by(by_deviations).map(|(i, _)| *i)
    }

    fn learn(&mut self, sensors: &[(usize, f64)], weight: f64) {
        self.steps = self.steps.saturating_add(1);
        let rate = weight * (1.0 / f64::from(self.steps)).max(1.0 / MEMORY);
        let before = self.mean;
        for (i, step) in sensors {
            self.mean[*i] += rate * (step - before[*i]);
        }
        for (i, a) in sensors {
            for (j, b) in sensors {
                let product = (a - before[*i]) * (b - self.mean[*j]);
                self.covariance[*i][*j] += rate * (product - self.covariance[*i][*j]);
            }
        }
    }
}

/// Weight with which a step is learnt: that of one at the threshold, if it is beyond.
fn weight(z: f64, threshold: f64) -> f64 {
    if z > threshold {
        (threshold / z).powi(3)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{group_failure::Step, sensor_level::tests::noise},
        *,
    };
    use crate::runtime::Aggregate;

    /// Steps of eight sensors that share three quarters of their variance.
    fn together(minute: u64) -> Vec<f64> {
        let common = noise(minute * 9 + 8);
        (0..8)
            .map(|i| 0.87 * common + 0.5 * noise(minute * 9 + i))
            .collect()
    }

    /// Minutes that are reported.
    fn check(minutes: u64, steps: impl Fn(u64) -> Vec<f64>, expected: &[u64]) {
        let mut rule = GroupDistance::default();
        let mut found = Vec::new();
        for minute in 0..minutes {
            let mut all = Steps::default();
            for (sensor, step) in (0..).zip(steps(minute)) {
                all.merge(&Steps::of(sensor, Step::of(step)));
            }
            let start = EventTime(i64::try_from(minute).unwrap() * BUCKET_MS);
            let window = Window {
                start,
                end: start.plus_ms(BUCKET_MS),
            };
            if let Some(finding) = rule.window(window, "group_1", &all, 5.0) {
                assert_eq!((finding.rule, finding.kind), ("group-distance", None));
                found.push(minute);
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sensor_that_leaves_the_others_is_found_within_its_own_bounds() {
        // Three of its own deviations are little by themselves; against seven others on the other side they are much.
        let one = |minute| {
            let mut steps = together(minute);
            if minute == 700 {
                steps = vec![-1.5; 8];
                steps[3] = 3.0;
            }
            steps
        };
        check(1000, one, &[700]);
    }

    #[test]
    fn a_group_that_moves_together_as_it_always_did_is_not() {
        let all = |minute| match minute {
            700 => vec![2.5; 8],
            _ => together(minute),
        };
        check(3000, all, &[]);
    }

    #[test]
    fn sensors_that_are_missing_are_left_out_and_two_are_too_few() {
        let fewer = |n: usize| {
            move |minute: u64| {
                let mut steps = together(minute);
                if minute == 700 {
                    steps[0] = 9.0;
                }
                if minute % 3 == 1 {
                    steps.truncate(n);
                }
                steps
            }
        };
        check(1000, fewer(5), &[700]);
        check(1000, fewer(2), &[]);
    }

    #[test]
    fn nothing_is_said_before_the_group_is_known_and_a_long_change_is_said_once() {
        let wild = |from: u64| {
            move |minute: u64| match minute {
                minute if minute >= from && minute < from + 10 => vec![9.0, -9.0, 9.0, -9.0],
                _ => together(minute),
            }
        };
        check(215, wild(200), &[]);
        check(1000, wild(700), &[700]);
    }

    #[test]
    fn the_distance_is_that_of_the_formula() {
        // With S = [[4, 1], [1, 9]], (2, 3) S^-1 (2, 3)' = (9*4 - 2*6 + 4*9) / 35. A third sensor is as usual.
        let mut past = Past::default();
        let shrunk = 1.0 / (1.0 - SHRINK);
        (past.covariance[0][0], past.covariance[1][1]) = (4.0, 9.0);
        (past.covariance[0][1], past.covariance[1][0]) = (shrunk, shrunk);
        past.covariance[5][5] = 1.0;
        let sensors = [(0, 2.0), (1, 3.0), (5, 0.0)];
        let expected: f64 =
            ((60.0 / 35.0 / 3.0_f64).cbrt() - (1.0 - 2.0 / 27.0)) / (2.0 / 27.0_f64).sqrt();
        let found = past.distance(&sensors).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}");
        past.covariance[5][5] = f64::NAN;
        past.covariance[0][5] = f64::NAN;
        past.covariance[5][0] = f64::NAN;
        assert_eq!(past.distance(&sensors), None);
    }

    #[test]
    fn a_finding_names_the_sensor_that_left() {
        let mut past = Past::default();
        (0..SENSORS).for_each(|i| past.covariance[i][i] = 1.0 + i as f64);
        assert_eq!(past.furthest(&[(0, 2.5), (3, -6.0), (7, 4.0)]), Some(3));
        assert_eq!(past.furthest(&[]), None);
    }
}
