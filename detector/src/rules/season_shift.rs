//! The sensor's hourly season has run ahead.
//!
//! ```text
//! s(t)  = the season as it was, in noises          T(t) = s(t + 0.4 turns) - s(t)
//! c     = sum r T / d^2  /  sum T^2 / d^2          z = sum r T / d^2  /  sqrt(sum T^2 / d^2)
//! alert:  over twelve minutes  z >= 8, 0.7 <= c <= 1.5, sum (r - c T)^2 <= a quarter of sum r^2,
//!         and over each half of them  z >= 4, 0.5 <= c <= 1.7
//! ```
//! r: residuals of `sensor_season`, d: their deviations. Each reading looks ordinary, and a residual of two
//! noises can be many things; twelve of them that trace what the season itself would leave if it ran ahead are
//! hardly anything else. c tells how much of it there is, and so allows for other phases than 0.4.

use std::{collections::VecDeque, f64::consts::TAU};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::sensor_season::{MINUTE_MS, Minute, SEASON_MS};
use crate::finding::{Finding, two_decimals};

/// Minutes looked at, and how many of them must be there.
const MINUTES: i64 = 12;
const LEAST_MINUTES: usize = 10;

/// Turns that the season is taken to be ahead.
const TURNS: f64 = 0.4;

/// How sure the whole must be, and each half; and how much of it there may be.
const WHOLE: Bounds = Bounds {
    least_z: 8.0,
    shares: (0.7, 1.5),
};
const HALF: Bounds = Bounds {
    least_z: 4.0,
    shares: (0.5, 1.7),
};

/// Share of the residuals' squares that may be left.
const MOST_LEFT: f64 = 0.25;

/// Deviation, in noises, beyond which the season is not known well enough to tell.
const MOST_DEVIATION: f64 = 1.5;

/// Time between two findings: what was found lasts, and what was learnt from it has to be unlearnt.
const REST_MS: i64 = 50 * MINUTE_MS;

/// For this long after a finding the sensor is expected to come back at once.
const OUT_OF_STEP_MS: i64 = 25 * MINUTE_MS;

/// For this long after a drift or a step the residuals are those of it.
const DISTURBED_MS: i64 = 15 * MINUTE_MS;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SeasonShift {
    /// Starts, residuals and deviations of the last minutes, oldest first.
    recent: VecDeque<(EventTime, f64, f64)>,
    found: Option<EventTime>,
    disturbed: Option<EventTime>,
}

struct Bounds {
    least_z: f64,
    shares: (f64, f64),
}

/// How the residuals of some minutes fit.
struct Fit {
    z: f64,
    share: f64,
    /// Share of the squares that is left.
    left: f64,
}

impl SeasonShift {
    /// Takes a whole minute; a finding if the season is ahead by now.
    pub fn minute(&mut self, minute: Minute) -> Option<Finding> {
        let from = minute.start.plus_ms((1 - MINUTES) * MINUTE_MS);
        while self.recent.front().is_some_and(|(start, ..)| *start < from) {
            self.recent.pop_front();
        }
        let next = (minute.start, minute.residual, minute.deviation);
        self.recent.push_back(next);
        let within =
            |last: Option<EventTime>, ms| last.is_some_and(|last| minute.start.since(last) < ms);
        if self.recent.len() < LEAST_MINUTES
            || minute.deviation > MOST_DEVIATION
            || within(self.found, REST_MS)
            || within(self.disturbed, DISTURBED_MS)
        {
            return None;
        }
        let middle = from.plus_ms(MINUTES / 2 * MINUTE_MS);
        let whole = self.fit(minute, |_| true);
        let halves = [
            self.fit(minute, |start| start < middle),
            self.fit(minute, |start| start >= middle),
        ];
        if !WHOLE.hold(&whole) || whole.left > MOST_LEFT || !halves.iter().all(|fit| HALF.hold(fit))
        {
            return None;
        }
        self.found = Some(minute.start);
        Some(
            Finding::between(
                "season-phase",
                Kind::SeasonShift,
                minute.start,
                minute.start.plus_ms(MINUTE_MS),
            )
            .score(1.0 - WHOLE.least_z / (2.0 * whole.z))
            .evidence("deviations", two_decimals(whole.z))
            .evidence("of_what_0.4_turns_leave", two_decimals(whole.share)),
        )
    }

    /// Takes note of a drift or a step, whose minutes can look like anything.
    pub fn disturbed(&mut self, at: EventTime) {
        self.disturbed = Some(at);
    }

    /// True while a step of the sensor's is likely to be the way back into step.
    #[must_use]
    pub fn is_out_of_step(&self, at: EventTime) -> bool {
        self.found
            .is_some_and(|found| at.since(found) < OUT_OF_STEP_MS)
    }

    fn fit(&self, now: Minute, part: impl Fn(EventTime) -> bool) -> Fit {
        let (mut with, mut own, mut squares) = (0.0, 0.0, 0.0);
        let minutes = self.recent.iter().filter(|(start, ..)| part(*start));
        for (start, residual, deviation) in minutes.clone() {
            let ahead = ahead(now.season, *start);
            with += residual * ahead / deviation.powi(2);
            own += ahead.powi(2) / deviation.powi(2);
            squares += residual.powi(2);
        }
        if own <= 0.0 || squares <= 0.0 {
            return Fit {
                z: 0.0,
                share: 0.0,
                left: 1.0,
            };
        }
        let share = with / own;
        let rest = minutes
            .map(|(start, residual, _)| (residual - share * ahead(now.season, *start)).powi(2));
        Fit {
            z: with / own.sqrt(),
            share,
            left: rest.sum::<f64>() / squares,
        }
    }
}

impl Bounds {
    fn hold(&self, fit: &Fit) -> bool {
        fit.z >= self.least_z && fit.share >= self.shares.0 && fit.share <= self.shares.1
    }
}

/// What a season with these amplitudes leaves at `at` when it runs ahead.
fn ahead((a, b): (f64, f64), at: EventTime) -> f64 {
    let turn = at.0.rem_euclid(SEASON_MS) as f64 / SEASON_MS as f64;
    let season = |turn: f64| {
        let (sin, cos) = (TAU * turn).sin_cos();
        a * cos + b * sin
    };
    season(turn + TURNS) - season(turn)
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_season::tests::minutes, *};

    /// Minutes that alert, with what is added to an ordinary sensor at a minute.
    fn found(added: impl Fn(f64) -> f64) -> Vec<i64> {
        let mut rule = SeasonShift::default();
        minutes(added)
            .into_iter()
            .filter(|minute| rule.minute(*minute).is_some())
            .map(|minute| minute.start.0 / MINUTE_MS)
            .collect()
    }

    /// The season of the tests' sensor.
    fn season(minute: f64) -> f64 {
        3.0 * (TAU * minute / 60.0 + 1.0).sin()
    }

    #[test]
    fn a_season_that_runs_ahead_is_found_once_before_it_is_back() {
        let shift = |minute: f64| {
            let turns = ((minute - 180.0) / 15.0).clamp(0.0, 1.0) * 0.4;
            if (180.0..210.0).contains(&minute) {
                season(minute + 60.0 * turns) - season(minute)
            } else {
                0.0
            }
        };
        let found = found(shift);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((190..212).contains(&found[0]), "{found:?}");
    }

    #[test]
    fn short_shifts_and_noise_are_no_seasons() {
        assert_eq!(found(|_| 0.0), [0i64; 0]);
        for size in [-4.0, -2.0, 2.0, 4.0] {
            let within = |minute: f64| (180.0..183.0).contains(&minute);
            let shift = |minute| if within(minute) { size } else { 0.0 };
            assert_eq!(found(shift), [0i64; 0], "shift of {size}");
        }
    }

    #[test]
    fn after_a_step_nothing_is_said() {
        let ahead = |minute: f64| season(minute + 24.0) - season(minute);
        let shifted = |minute| if minute >= 180.0 { ahead(minute) } else { 0.0 };
        let mut rule = SeasonShift::default();
        let mut found = Vec::new();
        for minute in minutes(shifted) {
            let number = minute.start.0 / MINUTE_MS;
            if number == 185 {
                rule.disturbed(minute.start);
            }
            found.extend(rule.minute(minute).map(|_| number));
        }
        assert_eq!(found.first(), Some(&200), "{found:?}");
    }

    #[test]
    fn after_a_finding_the_way_back_is_known() {
        let mut rule = SeasonShift::default();
        assert!(!rule.is_out_of_step(EventTime(0)));
        rule.found = Some(EventTime(0));
        assert!(rule.is_out_of_step(EventTime(20 * MINUTE_MS)));
        assert!(!rule.is_out_of_step(EventTime(30 * MINUTE_MS)));
    }
}
