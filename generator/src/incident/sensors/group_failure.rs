//! `group-failure`: all sensors of a group are off by the same small amount.
//!
//! Signal to noise: how far the mean over the group is off, in standard deviations of that mean. Of `n`
//! sensors with noise `s_i` that correlates by `ρ` the mean has the variance
//!
//! ```text
//! (ρ (Σ s_i)² + (1 - ρ) Σ s_i²) / n²
//! ```

use super::{GROUP_SIZE, Plant, Trouble, signed};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
};

pub(crate) const FACTS: Facts = Facts::new(27, 180_000).on(HappensTo::Groups).ramps();

/// How far the readings are off, where one sensor's noise has a standard deviation of 0.8 to 2.
const OFFSET: (f64, f64) = (2.5, 3.5);

pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let by = signed(OFFSET, &mut occasion.draws) * plant.scale() * occasion.magnitude;
    let fault = Fault::Offset {
        by,
        every: 1,
        ramp: plant.ramp(occasion),
    };
    Trouble {
        faults: plant
            .sensors
            .iter()
            .map(|sensor| (*sensor, fault))
            .collect(),
        // The second reading of the last sensor.
        telling: 2 * GROUP_SIZE as usize - 1,
        snr: by.abs() / noise_of_mean(plant),
    }
}

/// Standard deviation of the mean over the group.
fn noise_of_mean(plant: &Plant<'_>) -> f64 {
    let noises = || plant.sensors.iter().map(|sensor| plant.noise(*sensor));
    let (sum, squares): (f64, f64) = (noises().sum(), noises().map(|s| s * s).sum());
    let rho = plant.plan.correlation;
    (rho * sum * sum + (1.0 - rho) * squares).sqrt() / plant.sensors.len() as f64
}
