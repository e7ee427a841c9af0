//! What a sensor's minutes should be: a level with a slope and an hourly season, followed by a Kalman filter.
//!
//! ```text
//! expected(t) = level + slope (t - t0) + a cos(2 pi t / 1 h) + b sin(2 pi t / 1 h)
//! residual    = (median of the minute - expected) / noise
//! deviation^2 = x' P x / noise^2 + 1.57 / readings + 0.06      x = (1, t - t0, cos, sin)
//! ```
//! A minute is learnt ten minutes later, and not at all if it was far off, so that what builds up slowly is
//! measured against what was usual before it began. After 35 minutes that were far off everything is learnt anew. 1.57: the variance of a median, in that of a mean.

use std::{collections::VecDeque, f64::consts::TAU};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

use crate::runtime::heap_of;

/// Length of the buckets.
pub const MINUTE_MS: i64 = 60_000;

/// Length of the season, as machines that run by the clock have it.
pub const SEASON_MS: i64 = 3_600_000;

/// Minutes before a minute is learnt: a drift takes ten.
const WAITING: usize = 10;

/// Readings of a minute that its median is taken of.
const READINGS: usize = 64;

/// Deviations from which a minute is not learnt.
const FAR: f64 = 3.0;

/// Deviations to the same side that make the minutes right before such a one a part of it.
const PART: f64 = 1.0;

/// Minutes that may be left out; then what was learnt is given up. A season that runs ahead does so for half an
/// hour, and what was learnt from an incident in a sensor's first minutes would never be unlearnt otherwise.
const PATIENCE: u32 = 35;

/// Deviations, in noises, of what is not known at first: slope per hour, and the season's two amplitudes.
const FIRST_SLOPE: f64 = 3.0;
const FIRST_SEASON: f64 = 2.0;

/// Variance, in squared noises, by which each part may change in a minute.
const CHANGE: f64 = 0.0005;

/// Variance, in squared noises, of what minutes have beside their readings' noise: held values, and
/// seasons that are no sines.
const MODEL: f64 = 0.06;

const MEDIAN_VARIANCE: f64 = 1.57;

/// State for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SensorSeason {
    state: Option<Box<State>>,
    minute: i64,
    values: Vec<f64>,
    /// Readings of the last minute.
    readings: f64,
    waiting: VecDeque<Waiting>,
    left_out: u32,
}

/// A minute that was compared with what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// Its first instant.
    pub start: EventTime,
    /// Median of its readings.
    pub median: f64,
    /// The sensor's noise.
    pub noise: f64,
    /// How far its median lies from what was expected, in noises.
    pub residual: f64,
    /// Deviation of that, in noises.
    pub deviation: f64,
    /// Amplitudes of the season's cosine and sine, in noises.
    pub season: (f64, f64),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Waiting {
    start: EventTime,
    median: f64,
    readings: f64,
    /// Deviations from what was expected.
    deviations: f64,
    far: bool,
}

/// Level, slope an hour, and the two amplitudes at `at`; and their covariances.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    at: EventTime,
    parts: [f64; 4],
    covariance: [[f64; 4]; 4],
}

impl SensorSeason {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        let state = self.state.as_ref().map_or(0, |_| size_of::<State>());
        state + heap_of(&self.values) + heap_of(&self.waiting)
    }

    /// Takes a reading of a sensor with this noise; the minute before, if this reading begins another.
    pub fn reading(&mut self, at: EventTime, value: f64, noise: f64) -> Option<Minute> {
        let minute = at.0.div_euclid(MINUTE_MS);
        let closed = if minute == self.minute {
            None
        } else {
            self.close(noise)
        };
        self.minute = minute;
        if self.values.len() < READINGS {
            self.values.push(value);
        }
        closed
    }

    /// What a reading at `at` should be about, once the sensor is known well enough to tell.
    #[must_use]
    pub fn expected(&self, at: EventTime) -> Option<f64> {
        let state = self
            .state
            .as_ref()
            .filter(|_| self.waiting.len() >= WAITING)?;
        Some(state.expected(&state.inputs(at)))
    }

    /// What is known about the sensor by now, of these minutes: how far their medians lie from what they should
    /// be, in noises, and how the errors of that hang together. A minute that is missing is as expected.
    pub fn compare<const N: usize>(
        &self,
        minutes: &[Option<(EventTime, f64)>; N],
        noise: f64,
    ) -> Option<([f64; N], [[f64; N]; N])> {
        let state = self.state.as_ref()?;
        let inputs = minutes.map(|minute| minute.map(|(start, _)| state.inputs(start)));
        let mut residuals = [0.0; N];
        let mut covariance = [[0.0; N]; N];
        let own = MEDIAN_VARIANCE / self.readings.max(1.0) + MODEL;
        for row in 0..N {
            covariance[row][row] = 1.0;
            let (Some((_, median)), Some(x)) = (minutes[row], inputs[row]) else {
                continue;
            };
            residuals[row] = (median - state.expected(&x)) / noise;
            let px = state.covariance.map(|row| dot(&row, &x));
            for column in 0..=row {
                if let Some(y) = inputs[column] {
                    covariance[row][column] = dot(&px, &y) / (noise * noise);
                }
            }
            covariance[row][row] += own;
        }
        Some((residuals, covariance))
    }

    fn close(&mut self, noise: f64) -> Option<Minute> {
        let readings = self.values.len() as f64;
        self.readings = readings;
        self.values.sort_by(f64::total_cmp);
        let median = self.values.get(self.values.len() / 2).copied();
        self.values.clear();
        let (median, start) = (median?, EventTime(self.minute * MINUTE_MS));
        let state = self
            .state
            .get_or_insert_with(|| Box::new(State::new(start, median, noise)));
        let x = state.inputs(start);
        let variance = state.variance(&x) / (noise * noise) + MEDIAN_VARIANCE / readings + MODEL;
        let minute = Minute {
            start,
            median,
            noise,
            residual: (median - state.expected(&x)) / noise,
            deviation: variance.sqrt(),
            season: (state.parts[2] / noise, state.parts[3] / noise),
        };
        let deviations = minute.residual / minute.deviation;
        let far = deviations.abs() > FAR;
        if far {
            // What builds up slowly began before it was far.
            let before = self.waiting.iter_mut().rev();
            before
                .take_while(|waiting| waiting.deviations * deviations.signum() > PART)
                .for_each(|waiting| waiting.far = true);
        }
        self.waiting.push_back(Waiting {
            start,
            median,
            readings,
            deviations,
            far,
        });
        if self.waiting.len() > WAITING {
            self.learn(noise);
        }
        Some(minute)
    }

    fn learn(&mut self, noise: f64) {
        let (Some(state), Some(next)) = (&mut self.state, self.waiting.pop_front()) else {
            return;
        };
        state.move_to(next.start, noise);
        if !next.far {
            self.left_out = self.left_out.saturating_sub(1);
            state.learn(&next, noise);
        } else if self.left_out < PATIENCE {
            self.left_out += 1;
        } else {
            self.left_out = 0;
            **state = State::new(next.start, next.median, noise);
            state.learn(&next, noise);
            // They were far from what has been given up.
            self.waiting
                .iter_mut()
                .for_each(|minute| minute.far = false);
        }
    }
}

impl State {
    fn new(at: EventTime, level: f64, noise: f64) -> Self {
        let mut covariance = [[0.0; 4]; 4];
        let first = [1.0, FIRST_SLOPE, FIRST_SEASON, FIRST_SEASON];
        for (i, deviation) in first.into_iter().enumerate() {
            covariance[i][i] = (deviation * noise).powi(2);
        }
        Self {
            at,
            parts: [level, 0.0, 0.0, 0.0],
            covariance,
        }
    }

    fn inputs(&self, at: EventTime) -> [f64; 4] {
        let turn = at.0.rem_euclid(SEASON_MS) as f64 / SEASON_MS as f64;
        let (sin, cos) = (TAU * turn).sin_cos();
        [1.0, hours(self.at, at), cos, sin]
    }

    fn expected(&self, x: &[f64; 4]) -> f64 {
        dot(&self.parts, x)
    }

    fn variance(&self, x: &[f64; 4]) -> f64 {
        dot(&self.covariance.map(|row| dot(&row, x)), x)
    }

    /// Moves the point of time that level and slope are counted from.
    fn move_to(&mut self, at: EventTime, noise: f64) {
        let step = hours(self.at, at);
        self.at = at;
        self.parts[0] += step * self.parts[1];
        for column in 0..4 {
            self.covariance[0][column] += step * self.covariance[1][column];
        }
        for row in &mut self.covariance {
            row[0] += step * row[1];
        }
        for i in 0..4 {
            self.covariance[i][i] += CHANGE * noise * noise;
        }
    }

    fn learn(&mut self, minute: &Waiting, noise: f64) {
        let x = self.inputs(minute.start);
        let px = self.covariance.map(|row| dot(&row, &x));
        let variance = dot(&px, &x) + noise * noise * (MEDIAN_VARIANCE / minute.readings + MODEL);
        let limit = FAR * variance.sqrt();
        let surprise = (minute.median - self.expected(&x)).clamp(-limit, limit);
        for i in 0..4 {
            let gain = px[i] / variance;
            self.parts[i] += gain * surprise;
            for (covariance, other) in self.covariance[i].iter_mut().zip(px) {
                *covariance -= gain * other;
            }
        }
    }
}

fn hours(from: EventTime, to: EventTime) -> f64 {
    to.since(from) as f64 / 3_600_000.0
}

fn dot(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::sensor_level::tests::noise, *};

    /// A sensor that reports every two seconds for five hours: level, slow trend, season and noise, and
    /// what is added to it at a minute.
    pub(in super::super) fn each_minute(
        added: impl Fn(f64) -> f64,
        mut take: impl FnMut(&SensorSeason, Minute),
    ) {
        let mut season = SensorSeason::default();
        for i in 0..9_000_i32 {
            let minute = f64::from(i) / 30.0;
            let turn = TAU * minute / 60.0;
            let value = 50.0 + minute / 60.0 + 3.0 * (turn + 1.0).sin();
            let value = value + noise(u64::from(i.unsigned_abs())) + added(minute);
            if let Some(minute) = season.reading(EventTime(i64::from(i) * 2_000), value, 1.0) {
                take(&season, minute);
            }
        }
    }

    /// All minutes of such a sensor.
    pub(in super::super) fn minutes(added: impl Fn(f64) -> f64) -> Vec<Minute> {
        let mut all = Vec::new();
        each_minute(added, |_, minute| all.push(minute));
        all
    }

    #[test]
    fn ordinary_minutes_are_as_expected_from_the_start() {
        for minute in minutes(|_| 0.0) {
            assert!(minute.residual.abs() < 4.0 * minute.deviation, "{minute:?}");
        }
    }

    #[test]
    fn after_two_seasons_expectations_are_narrow() {
        let minutes = minutes(|_| 0.0);
        let late = &minutes[150..];
        assert!(late.iter().all(|minute| minute.deviation < 0.6));
        assert!(late.iter().all(|minute| minute.residual.abs() < 1.5));
    }

    #[test]
    fn what_is_far_off_is_not_learnt() {
        let minutes = minutes(|minute| {
            if (200.0..230.0).contains(&minute) {
                8.0
            } else {
                0.0
            }
        });
        assert!(
            (minutes[229].residual - 8.0).abs() < 1.5,
            "{:?}",
            minutes[229]
        );
        assert!(minutes[235].residual.abs() < 1.5, "{:?}", minutes[235]);
    }

    #[test]
    fn what_was_learnt_from_an_incident_is_given_up() {
        // The first half an hour of the sensor is another one's.
        let strange = |minute: f64| 9.0 * (TAU * minute / 60.0).sin();
        let minutes = minutes(|minute| if minute < 35.0 { strange(minute) } else { 0.0 });
        let late = &minutes[180..];
        assert!(late.iter().all(|minute| minute.residual.abs() < 2.0));
        let (a, b) = late[100].season;
        assert!((a.hypot(b) - 3.0).abs() < 0.7, "{:?}", late[100]);
    }

    #[test]
    fn errors_of_a_sensor_that_is_hardly_known_go_together() {
        let mut shares = Vec::new();
        each_minute(
            |_| 0.0,
            |season, minute| {
                let before = minute.start.plus_ms(-MINUTE_MS);
                let pair = [before, minute.start].map(|start| Some((start, minute.median)));
                let (_, covariance) = season.compare(&pair, 1.0).unwrap();
                shares.push(covariance[1][0] / covariance[1][1]);
            },
        );
        assert!(shares[3] > 0.9, "{}", shares[3]);
        assert!(shares[250] < 0.4, "{}", shares[250]);
        let mut season = SensorSeason::default();
        assert_eq!(season.compare(&[None], 1.0), None, "nothing is known");
        season.reading(EventTime(0), 5.0, 1.0);
        season.reading(EventTime(MINUTE_MS), 5.0, 1.0);
        assert_eq!(season.compare(&[None], 1.0), Some(([0.0], [[1.0]])));
    }

    #[test]
    fn a_lasting_change_becomes_usual() {
        let minutes = minutes(|minute| if minute >= 150.0 { 8.0 } else { 0.0 });
        let last = minutes.last().unwrap();
        assert!(last.residual.abs() < 3.0, "{last:?}");
    }
}
