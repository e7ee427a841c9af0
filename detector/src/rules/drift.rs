//! The sensor's level moves away evenly.
//!
//! ```text
//! line through the last seven minutes' residuals r (`sensor_season`):
//! alert:  |slope| >= 0.65 noises a minute,  what is left of them <= 0.7 noises in the root mean square,
//!         |r_7| >= 6 noises and 4 deviations, on the side of the slope,
//!         and not 0.5 to 1.6 times what the season would leave if it ran 0.4 turns ahead (`season_shift`)
//! ```
//! A shift is one step, and no line; a season that runs ahead or was misjudged moves by less, and not so far.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::{
    season_shift::ahead,
    sensor_season::{MINUTE_MS, Minute},
};
use crate::{
    finding::{Finding, two_decimals},
    runtime::{heap_of, recent::keep_last},
};

/// Minutes looked at.
const MINUTES: usize = 7;

/// Noises a minute, and noises that may be left beside the line: minutes vary by a third of one.
const LEAST_SLOPE: f64 = 0.65;
const MOST_LEFT: f64 = 0.7;

/// How far the last minute must lie from what was expected, in noises and in deviations, and the deviations
/// below which a drift is over. Seasons that run ahead get to five noises, and drifts to eight and more.
const LEAST_NOISES: f64 = 6.0;
const LEAST_DEVIATIONS: f64 = 4.0;
const OVER_DEVIATIONS: f64 = 3.0;

/// How much of what a season that runs ahead leaves is taken for that: large seasons get as far as drifts do.
const SEASON_SHARES: std::ops::RangeInclusive<f64> = 0.5..=1.6;

/// Minutes before anything is said.
const WARM_UP: u32 = 12;

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
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.recent)
    }

    /// Takes a whole minute; a finding if a drift has become plain, once until the sensor is back.
    pub fn minute(&mut self, minute: Minute) -> Option<Finding> {
        self.seen = self.seen.saturating_add(1);
        let gap = |(last, _): &(EventTime, f64)| minute.start.since(*last) > 2 * MINUTE_MS;
        if self.recent.back().is_some_and(gap) {
            self.recent.clear();
        }
        keep_last(&mut self.recent, (minute.start, minute.residual), MINUTES);
        let side = minute.residual.signum();
        let deviations = minute.residual.abs() / minute.deviation;
        if deviations < OVER_DEVIATIONS || side != self.drifting {
            self.drifting = 0.0;
        }
        if self.drifting != 0.0
            || self.seen < WARM_UP
            || self.recent.len() < MINUTES
            || minute.residual.abs() < LEAST_NOISES
            || deviations < LEAST_DEVIATIONS
            || SEASON_SHARES.contains(&(minute.residual / ahead(minute.season, minute.start)))
        {
            return None;
        }
        let (slope, left) = self.line();
        if slope * side < LEAST_SLOPE || left > MOST_LEFT {
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
            .score(1.0 - LEAST_NOISES / (2.0 * minute.residual.abs()))
            .evidence("off_noises", two_decimals(minute.residual))
            .evidence("off_noises_before", two_decimals(first))
            .evidence("over_ms", minute.start.since(since)),
        )
    }

    /// Slope of the line through the minutes, and the root mean square of what is left of them.
    fn line(&self) -> (f64, f64) {
        let n = self.recent.len() as f64;
        let (last, _) = self.recent.back().copied().unwrap_or_default();
        let minutes = self.recent.iter().map(|(start, residual)| {
            let x = start.since(last) as f64 / MINUTE_MS as f64;
            (x, *residual)
        });
        let sum = |of: fn((f64, f64)) -> f64| minutes.clone().map(of).sum::<f64>();
        let (x, y) = (sum(|(x, _)| x) / n, sum(|(_, y)| y) / n);
        let xx = sum(|(x, _)| x * x) - n * x * x;
        let xy = sum(|(x, y)| x * y) - n * x * y;
        let yy = sum(|(_, y)| y * y) - n * y * y;
        let slope = xy / xx;
        (slope, ((yy - slope * xy).max(0.0) / (n - 2.0)).sqrt())
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
