//! The noise of readings. Sensors that hang together share a part of it: that of sensor `i` in a cycle is
//!
//! ```text
//! s_i (√ρ g + √(1-ρ) e_i)      g: drawn for the group and the cycle, e_i: for the sensor and the cycle
//! ```
//! so its variance is `s_i²` whatever `ρ` is, and two sensors of a group correlate by `ρ`.

use crate::{
    draw::{Draws, Key, Purpose},
    incident::GROUP_SIZE,
};

/// Noise is cut at this many standard deviations. A single draw stays below it anyway; the sum of two
/// passes it once in some 8,000 readings.
const MOST_NOISE: f64 = 3.5;

/// The noise of readings, in standard deviations of their sensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    readings: Key,
    groups: Key,
    /// Weights of the group's part and of the sensor's own: their squares add up to 1.
    shared: f64,
    own: f64,
}

impl Noise {
    pub(super) fn new(correlation: f64, key: Key) -> Self {
        Self {
            readings: key.purpose(Purpose::Reading),
            groups: key.purpose(Purpose::Group),
            shared: correlation.sqrt(),
            own: (1.0 - correlation).sqrt(),
        }
    }

    /// The draws for a reading. The first is its noise.
    pub(super) fn draws(&self, sensor: u32, cycle: u64) -> Draws {
        self.readings.draws(place(sensor, cycle))
    }

    /// The noise of a reading, from its draws.
    pub(super) fn of(&self, sensor: u32, cycle: u64, draws: &mut Draws) -> f64 {
        let own = draws.bell();
        let group = self.groups.draws(place(sensor / GROUP_SIZE, cycle)).bell();
        (self.own * own + self.shared * group).clamp(-MOST_NOISE, MOST_NOISE)
    }

    pub(super) fn at(&self, sensor: u32, cycle: u64) -> f64 {
        self.of(sensor, cycle, &mut self.draws(sensor, cycle))
    }
}

/// One number for a sensor or group and a cycle.
fn place(number: u32, cycle: u64) -> u64 {
    cycle << 20 | u64::from(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The correlation of two rows of numbers with mean 0 and variance 1.
    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
    }

    #[test]
    fn sensors_of_a_group_share_noise_and_those_of_two_do_not() {
        // With 40,000 cycles the standard error of a correlation is 0.005.
        let rows = |rho: f64| -> Vec<Vec<f64>> {
            let noise = Noise::new(rho, Key::root(9));
            let row = |sensor| (0..40_000).map(|cycle| noise.at(sensor, cycle)).collect();
            [0, 7, 8, 15].into_iter().map(row).collect()
        };
        for rho in [0.0, 0.4, 0.9, 1.0] {
            let rows = rows(rho);
            for row in &rows {
                let variance = correlation(row, row);
                assert!((variance - 1.0).abs() < 0.03, "{rho}: {variance}");
                assert!(row.iter().all(|x| x.abs() <= MOST_NOISE));
            }
            for (a, b, expected) in [(0, 1, rho), (2, 3, rho), (1, 2, 0.0), (0, 3, 0.0)] {
                let found = correlation(&rows[a], &rows[b]);
                assert!((found - expected).abs() < 0.03, "{rho}: {a} {b} {found}");
            }
        }
    }
}
