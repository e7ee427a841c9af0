//! What is looked at in a series: one number a row each, 0 or more, higher is stranger.
//!
//! Each uses what was learnt before the row, which then learns it. Every rate of a running mean is at least one
//! over the rows seen, so that the first rows are a plain mean.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Variant;

use crate::runtime::heap_of;

/// Features of the variant with the most.
pub(super) const MOST: usize = 5;

/// Names, in the order of the numbers.
pub(super) const NAMES: [&str; MOST] = ["spread", "level", "prediction", "step", "shape"];

/// Rows whose deviation is the spread.
const SPREAD_ROWS: usize = 60;

/// Rows before the spread is looked at: two of its windows.
const SPREAD_WARM_UP: u32 = 120;

/// Rate of the usual spread and of the level.
const SLOW: f64 = 0.001;

/// Share of the usual spread below which spreads are alike; otherwise a series that never moved would be
/// infinitely strange at its first move.
const LEAST_SPREAD: f64 = 0.001;

/// Values that the predictor looks back on.
const PREDICTOR: usize = 8;

/// Rate of the predictor's mean and variance.
const PREDICTOR_RATE: f64 = 0.0005;

/// Step of the predictor's weights.
const STEP: f64 = 0.01;

/// Deviations at which an error is cut before the weights learn from it.
const CUT: f64 = 3.0;

/// Values that make a shape.
const SHAPE: usize = 5;

/// Rows of the past in which a shape is looked for.
const SHAPE_ROWS: usize = 1500;

/// What is kept of a series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Features {
    rows: u32,
    /// The last values, the newest first.
    recent: VecDeque<f64>,
    usual_spread: f64,
    level: f64,
    predictor: Predictor,
    /// The last values, the newest last; for shapes alone.
    history: Vec<f32>,
}

impl Features {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub(super) fn heap(&self) -> usize {
        heap_of(&self.recent) + heap_of(&self.history)
    }

    /// The features of the next value. How many there are depends on the variant.
    pub(super) fn row(&mut self, value: f64, variant: Variant) -> [f64; MOST] {
        let before = self.recent.front().copied();
        let prediction = self
            .predictor
            .error(value, &self.recent, rate(PREDICTOR_RATE, self.rows));
        self.recent.push_front(value);
        self.recent.truncate(SPREAD_ROWS);
        let level = if self.rows == 0 {
            0.0
        } else {
            (value - self.level).abs()
        };
        self.level += rate(SLOW, self.rows) * (value - self.level);
        let spread = self.spread();
        let (step, shape) = match variant {
            Variant::Light => (0.0, 0.0),
            Variant::Full => {
                let step = before.map_or(0.0, |before| (value - before).abs());
                (step, self.shape(value))
            }
        };
        self.rows = self.rows.saturating_add(1);
        [spread, level, prediction, step, shape]
    }

    /// Logarithm of the spread of the last rows over the usual one; 0 where it is no wider.
    fn spread(&mut self) -> f64 {
        // Summed afresh: running sums lose digits where the level is large.
        let n = self.recent.len() as f64;
        let mean = self.recent.iter().sum::<f64>() / n;
        let squares: f64 = self.recent.iter().map(|x| (x - mean) * (x - mean)).sum();
        let spread = (squares / n).sqrt();
        let usual = self.usual_spread;
        self.usual_spread += rate(SLOW, self.rows) * (spread - usual);
        if self.rows < SPREAD_WARM_UP || spread <= usual {
            return 0.0;
        }
        if usual > 0.0 {
            ((spread + LEAST_SPREAD * usual) / ((1.0 + LEAST_SPREAD) * usual)).ln()
        } else {
            (1.0 / LEAST_SPREAD).ln()
        }
    }

    /// Smallest distance of the last values to as many consecutive ones of the past.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "distances need no more than single precision"
    )]
    fn shape(&mut self, value: f64) -> f64 {
        self.history.push(value as f32);
        if self.history.len() > 2 * SHAPE_ROWS {
            self.history
                .drain(..self.history.len() - (SHAPE_ROWS + SHAPE));
        }
        let len = self.history.len();
        let (past, now) = self.history.split_at(len.saturating_sub(SHAPE));
        let past = &past[past.len().saturating_sub(SHAPE_ROWS + SHAPE - 1 - SHAPE)..];
        let mut least = f32::INFINITY;
        for shape in past.windows(SHAPE) {
            let distance: f32 = shape.iter().zip(now).map(|(a, b)| (a - b) * (a - b)).sum();
            least = least.min(distance);
        }
        if least.is_finite() {
            f64::from(least).sqrt()
        } else {
            0.0
        }
    }
}

/// A linear predictor over the last values less their running mean, learnt by normalised least mean squares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Predictor {
    weights: [f64; PREDICTOR],
    mean: f64,
    variance: f64,
}

impl Default for Predictor {
    fn default() -> Self {
        let mut weights = [0.0; PREDICTOR];
        weights[0] = 1.0;
        Self {
            weights,
            mean: 0.0,
            variance: 0.0,
        }
    }
}

impl Predictor {
    /// How far `value` is from the prediction; `recent` are the values before it, the newest first.
    fn error(&mut self, value: f64, recent: &VecDeque<f64>, rate: f64) -> f64 {
        self.mean += rate * (value - self.mean);
        let off = value - self.mean;
        self.variance += rate * (off * off - self.variance);
        let mut past = [0.0; PREDICTOR];
        for (place, value) in past.iter_mut().zip(recent) {
            *place = value - self.mean;
        }
        let dot = |a: &[f64; PREDICTOR], b: &[f64; PREDICTOR]| -> f64 {
            a.iter().zip(b).map(|(a, b)| a * b).sum()
        };
        let error = off - dot(&self.weights, &past);
        let cut = CUT * self.variance.sqrt();
        let step =
            STEP * error.clamp(-cut, cut) / (dot(&past, &past) + self.variance + f64::EPSILON);
        for (weight, value) in self.weights.iter_mut().zip(past) {
            *weight += step * value;
        }
        error.abs()
    }
}

/// A rate, or one over the rows seen with this one, where that is more.
fn rate(rate: f64, rows_before: u32) -> f64 {
    rate.max(1.0 / (f64::from(rows_before) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::{super::super::sensor_level::tests::noise, *};

    /// The features of the last of some values.
    fn last(values: impl IntoIterator<Item = f64>, variant: Variant) -> [f64; MOST] {
        let mut features = Features::default();
        let rows = values.into_iter().map(|x| features.row(x, variant));
        rows.last().unwrap()
    }

    #[test]
    fn a_line_is_predicted_and_a_turn_is_not() {
        let line = |i: u32| f64::from(i % 50);
        let on = last((0..4990).map(line), Variant::Light)[2];
        let turn = last((0..5001).map(line), Variant::Light)[2];
        assert!(on < 5.0 && turn > 40.0, "{on} {turn}");
    }

    #[test]
    fn a_predictor_beats_the_last_value_on_a_series_that_swings() {
        // x_t = -0.9 x_(t-1) + noise: the last value is on the wrong side.
        let mut x = 0.0;
        let values: Vec<f64> = (0..4000)
            .map(|i| {
                x = -0.9 * x + noise(i);
                x
            })
            .collect();
        let mut features = Features::default();
        let (mut errors, mut steps) = (0.0, 0.0);
        for value in values {
            let [_, _, error, step, _] = features.row(value, Variant::Full);
            (errors, steps) = (errors + error, steps + step);
        }
        assert!(errors < 0.7 * steps, "{errors} {steps}");
    }

    #[test]
    fn spread_is_the_logarithm_of_what_it_has_grown_by_and_0_where_it_has_shrunk() {
        let values =
            |factor: f64| (0..2000u64).map(move |i| noise(i) * if i < 1940 { 1.0 } else { factor });
        let spread = last(values(10.0), Variant::Light)[0];
        assert!((spread - 10f64.ln()).abs() < 0.4, "{spread}");
        assert_eq!(last(values(0.1), Variant::Light)[0], 0.0);
        // A series that has never moved has no spread to be compared with.
        let first = (0..500).map(|i| if i < 499 { 1.0 } else { 2.0 });
        let spread = last(first, Variant::Light)[0];
        assert!(spread.is_finite() && spread > 5.0, "{spread}");
    }

    #[test]
    fn a_shape_is_as_far_as_the_nearest_of_1500_rows() {
        let saw = |i: u32| f64::from(i % 7);
        assert_eq!(last((0..5000).map(saw), Variant::Full)[4], 0.0);
        // One value of five is 3 off.
        let odd = |i: u32| saw(i) + if i == 4999 { 3.0 } else { 0.0 };
        assert!((last((0..5000).map(odd), Variant::Full)[4] - 3.0).abs() < 1e-6);
        // The same shape was there, but longer ago.
        let again = |i: u32| match i {
            0..5 => 100.0,
            _ if i >= 1504 + 5 => 100.0,
            _ => 0.0,
        };
        let at = |n: u32| last((0..n).map(again), Variant::Full)[4];
        assert!(at(1504 + 10) > 90.0, "{}", at(1504 + 10));
        assert_eq!(last((0..9).map(saw), Variant::Full)[4], 0.0, "no past yet");
    }

    #[test]
    fn the_plain_level_is_the_mean_at_first() {
        let level = last([1.0, 2.0, 3.0, 10.0], Variant::Light)[1];
        assert_eq!(level, 8.0);
    }
}
