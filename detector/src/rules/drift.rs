//! The sensor's level moves away at a steady rate.
//!
//! ```text
//! r: residuals of the last five minutes against level, slope and season (`sensor_season`), in noises
//! alert:  each minute lies further off than the one before,  |r_5| >= 6 deviations,
//!         |r_5 - r_1| - its largest step >= 2.3
//! ```
//! A shift is one step, and leaves nothing when its largest step is taken out; a season that was misjudged moves
//! by less.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_season::{MINUTE_MS, Minute};
use crate::finding::{Finding, two_decimals};

/// Minutes looked at.
const MINUTES: usize = 5;

/// Noises by which each minute moves on at least: half of what it varies by.
const LEAST_STEP: f64 = 0.15;

/// Noises of the way that are left without the largest step.
const LEAST_RAMP: f64 = 2.3;

/// Deviations of the last minute from what was expected, and those below which a drift is over.
const LEAST_DEVIATIONS: f64 = 6.0;
const OVER_DEVIATIONS: f64 = 3.0;

/// Minutes before anything is said.
const WARM_UP: u32 = 15;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Drift {
    /// Starts and residuals of the last minutes, oldest first.
    recent: VecDeque<(EventTime, f64)>,
    seen: u32,
    /// Side of the level to which the sensor drifts, while it does.
    drifting: f64,
}

impl Drift {
    /// Takes a whole minute; a finding if a drift has become plain, once until the sensor is back.
    pub fn minute(&mut self, minute: Minute) -> Option<Finding> {
        self.seen = self.seen.saturating_add(1);
        let gap = |(last, _): &(EventTime, f64)| minute.start.since(*last) > 2 * MINUTE_MS;
        if self.recent.back().is_some_and(gap) {
            self.recent.clear();
        }
        if self.recent.len() >= MINUTES {
            self.recent.pop_front();
        }
        self.recent.push_back((minute.start, minute.residual));
        let side = minute.residual.signum();
        let deviations = minute.residual.abs() / minute.deviation;
        if deviations < OVER_DEVIATIONS || side != self.drifting {
            self.drifting = 0.0;
        }
        if self.drifting != 0.0
            || self.seen < WARM_UP
            || deviations < LEAST_DEVIATIONS
            || self.ramp(side) < LEAST_RAMP
        {
            return None;
        }
        self.drifting = side;
        let (since, first) = *self.recent.front()?;
        Some(
            Finding::between(
                "drift",
                Kind::Drift,
                minute.start,
                minute.start.plus_ms(MINUTE_MS),
            )
            .score(1.0 - LEAST_DEVIATIONS / (2.0 * deviations))
            .evidence("off_noises", two_decimals(minute.residual))
            .evidence("off_noises_before", two_decimals(first))
            .evidence("over_ms", minute.start.since(since)),
        )
    }

    /// The way of the last minutes to `side` without its largest step; nothing if one of them goes back.
    fn ramp(&self, side: f64) -> f64 {
        let steps = self.recent.iter().zip(self.recent.iter().skip(1));
        let (mut sum, mut largest) = (0.0, 0.0_f64);
        for ((_, from), (_, to)) in steps {
            let step = side * (to - from);
            if step < LEAST_STEP {
                return 0.0;
            }
            sum += step;
            largest = largest.max(step);
        }
        if self.recent.len() < MINUTES {
            return 0.0;
        }
        sum - largest
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_season::tests::minutes, *};

    /// Minutes that alert, with what is added to an ordinary sensor at a minute.
    fn found(added: impl Fn(f64) -> f64) -> Vec<i64> {
        let mut rule = Drift::default();
        minutes(added)
            .into_iter()
            .filter(|minute| rule.minute(*minute).is_some())
            .map(|minute| minute.start.0 / MINUTE_MS)
            .collect()
    }

    fn within(minute: f64, from: f64, length: f64) -> bool {
        (from..from + length).contains(&minute)
    }

    #[test]
    fn a_drift_alerts_once_before_it_ends() {
        for side in [1.0, -1.0] {
            let drift = |minute| {
                let share = (minute - 200.0) / 10.0;
                if within(minute, 200.0, 10.0) {
                    side * 10.0 * share
                } else {
                    0.0
                }
            };
            let found = found(drift);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!((203..210).contains(&found[0]), "{found:?}");
        }
    }

    #[test]
    fn a_shift_is_no_drift() {
        let shift = |minute| if within(minute, 200.0, 3.0) { 8.0 } else { 0.0 };
        assert_eq!(found(shift), [0i64; 0]);
    }

    #[test]
    fn seasons_and_noise_are_no_drift() {
        assert_eq!(found(|_| 0.0), [0i64; 0]);
    }
}
