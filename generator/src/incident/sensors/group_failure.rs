//! `group-failure`: all sensors of a group are off by the same small amount.
//!
//! Signal to noise: how far the mean over the group is off, in standard deviations of that mean: the offset
//! over the noise, times the root of the number of sensors.

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
    let by = signed(OFFSET, &mut occasion.draws) * occasion.magnitude;
    let fault = Fault::Offset {
        by,
        every: 1,
        ramp: plant.ramp(occasion),
    };
    let variance: f64 = plant
        .sensors
        .iter()
        .map(|sensor| plant.noise(*sensor) * plant.noise(*sensor))
        .sum();
    Trouble {
        faults: plant
            .sensors
            .iter()
            .map(|sensor| (*sensor, fault))
            .collect(),
        // The second reading of the last sensor.
        telling: 2 * GROUP_SIZE as usize - 1,
        snr: by.abs() * f64::from(GROUP_SIZE) / variance.sqrt(),
    }
}
