//! The sensor's hourly season has run ahead.
//!
//! ```text
//! s(t) = the season as it was, in noises          T(t) = s(t + 0.4 turns) - s(t)
//! C    = covariance of fourteen minutes' residuals r, as `sensor_season` knows it
//! c    = T' C^-1 r / T' C^-1 T                    z = T' C^-1 r / sqrt(T' C^-1 T)
//! alert:  z >= 5,  0.6 <= c <= 1.6,  (r - c T)' C^-1 (r - c T) <= 1.8 a minute,
//!         and 23 to 36 minutes ago  mean of min(r / d, 3)^2 < 4          d: a residual's own deviation
//! ```
//! Each reading looks ordinary, and a residual of two noises can be many things; fourteen of them that trace what
//! the season itself would leave if it ran ahead are hardly anything else. c tells how much of it there is, and so
//! allows for other phases than 0.4. A season that is not known well yet leaves residuals that go together, as C
//! says, so that they do not count as fourteen; and where what was expected was off before all this began, what is
//! known is wrong.

use std::{array, collections::VecDeque, f64::consts::TAU};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::{
    cholesky::{Cholesky, dot},
    sensor_season::{MINUTE_MS, Minute, SEASON_MS, SensorSeason},
};
use crate::{
    finding::{Finding, two_decimals},
    runtime::heap_of,
};

/// Minutes looked at, and how many of them must be there.
const MINUTES: usize = 14;
const LEAST_MINUTES: usize = 11;

/// Turns that the season is taken to be ahead.
const TURNS: f64 = 0.4;

/// How sure it must be, and how much of it there may be.
const LEAST_DEVIATIONS: f64 = 5.0;
const SHARES: std::ops::RangeInclusive<f64> = 0.6..=1.6;

/// Squared deviations a minute that may be left beside it.
const MOST_LEFT: f64 = 1.8;

/// Minutes whose residuals are remembered, those of them that may belong to it, and how many there must be.
const REMEMBERED: usize = 36;
const PART_OF_IT: usize = 22;
const WARM_UP: usize = 30;

/// Squared deviations: where a residual's are cut, and the mean above which what is known is wrong. They are
/// remembered in 25ths.
const CUT: f64 = 9.0;
const MOST_BEFORE: f64 = 4.0;
const SCALE: f64 = 25.0;

/// Noises off by which the last minute need not be looked into: nearly half of all are that close.
const SURELY_ORDINARY: f64 = 0.2;

/// Time between two findings: what was found lasts, and what was learnt from it has to be unlearnt.
const REST_MS: i64 = 50 * MINUTE_MS;

/// For this long after a finding the sensor is expected to come back at once.
const OUT_OF_STEP_MS: i64 = 25 * MINUTE_MS;

/// For this long after a drift or a step the residuals are those of it.
const DISTURBED_MS: i64 = 15 * MINUTE_MS;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SeasonShift {
    /// Starts and medians of the last minutes, oldest first.
    recent: VecDeque<(EventTime, f64)>,
    /// Squared deviations of the residuals of minutes, oldest first.
    before: VecDeque<u8>,
    found: Option<EventTime>,
    disturbed: Option<EventTime>,
}

impl SeasonShift {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.recent) + heap_of(&self.before)
    }

    /// Takes a whole minute of a sensor of which this is known; a finding if the season is ahead by now.
    pub fn minute(&mut self, season: &SensorSeason, minute: Minute) -> Option<Finding> {
        let from = minute.start.plus_ms((1 - MINUTES as i64) * MINUTE_MS);
        while self.recent.front().is_some_and(|(start, _)| *start < from) {
            self.recent.pop_front();
        }
        self.recent.push_back((minute.start, minute.median));
        self.remember(minute.residual / minute.deviation);
        let within =
            |last: Option<EventTime>, ms| last.is_some_and(|last| minute.start.since(last) < ms);
        if self.recent.len() < LEAST_MINUTES
            || !self.was_as_expected()
            || within(self.found, REST_MS)
            || within(self.disturbed, DISTURBED_MS)
        {
            return None;
        }
        let (deviations, share) = self.fit(season, minute, from)?;
        self.found = Some(minute.start);
        Some(
            Finding::between(
                "season-phase",
                Kind::SeasonShift,
                minute.start,
                minute.start.plus_ms(MINUTE_MS),
            )
            .score(1.0 - LEAST_DEVIATIONS / (2.0 * deviations))
            .evidence("deviations", two_decimals(deviations))
            .evidence("of_what_0.4_turns_leave", two_decimals(share)),
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

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 225"
    )]
    fn remember(&mut self, deviations: f64) {
        if self.before.len() >= REMEMBERED {
            self.before.pop_front();
        }
        let squared = deviations.powi(2).min(CUT);
        self.before.push_back((squared * SCALE) as u8);
    }

    /// True if the residuals before the last minutes were as small as they should be.
    fn was_as_expected(&self) -> bool {
        let Some(count) = self.before.len().checked_sub(PART_OF_IT) else {
            return false;
        };
        let sum: u32 = self.before.iter().take(count).copied().map(u32::from).sum();
        self.before.len() >= WARM_UP && f64::from(sum) < MOST_BEFORE * SCALE * count as f64
    }

    /// How sure it is that the season is ahead, and how much of it there is, if both suffice.
    fn fit(&self, season: &SensorSeason, now: Minute, from: EventTime) -> Option<(f64, f64)> {
        if now.residual.abs() < SURELY_ORDINARY {
            return None;
        }
        let mut minutes = [None; MINUTES];
        for (start, median) in &self.recent {
            let place = usize::try_from(start.since(from) / MINUTE_MS).ok()?;
            *minutes.get_mut(place)? = Some((*start, *median));
        }
        let ahead: [f64; MINUTES] = array::from_fn(|place| match minutes[place] {
            Some((start, _)) => ahead(now.season, start),
            None => 0.0,
        });
        let (residuals, covariance) = season.compare(&minutes, now.noise)?;
        let errors = Cholesky::of(&covariance)?;
        let (ahead, residuals) = (errors.whiten(&ahead), errors.whiten(&residuals));
        let (own, with) = (dot(&ahead, &ahead), dot(&ahead, &residuals));
        let (deviations, share) = (with / own.sqrt(), with / own);
        let left = dot(&residuals, &residuals) - with * share;
        let sure = deviations >= LEAST_DEVIATIONS && SHARES.contains(&share);
        (sure && left <= MOST_LEFT * (self.recent.len() - 1) as f64).then_some((deviations, share))
    }
}

/// What a season with these amplitudes leaves at `at` when it runs ahead.
pub fn ahead((a, b): (f64, f64), at: EventTime) -> f64 {
    let turn = at.0.rem_euclid(SEASON_MS) as f64 / SEASON_MS as f64;
    let season = |turn: f64| {
        let (sin, cos) = (TAU * turn).sin_cos();
        a * cos + b * sin
    };
    season(turn + TURNS) - season(turn)
}

#[cfg(test)]
mod tests {
    use super::{super::sensor_season::tests::each_minute, *};

    /// Minutes that alert, with what is added to an ordinary sensor at a minute.
    fn found(added: impl Fn(f64) -> f64) -> Vec<i64> {
        let (mut rule, mut found) = (SeasonShift::default(), Vec::new());
        each_minute(added, |season, minute| {
            let finding = rule.minute(season, minute);
            found.extend(finding.map(|_| minute.start.0 / MINUTE_MS));
        });
        found
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
        each_minute(shifted, |season, minute| {
            let number = minute.start.0 / MINUTE_MS;
            if number == 185 {
                rule.disturbed(minute.start);
            }
            found.extend(rule.minute(season, minute).map(|_| number));
        });
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
