//! `level-shift`: the sensor's level moves and stays moved.
//!
//! Signal to noise: how far the level moves, in standard deviations of the sensor's noise.

use super::{Plant, Trouble, signed};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
};

pub(crate) const FACTS: Facts = Facts::new(9, 180_000)
    .magnitude(0.5)
    .on(HappensTo::Sensors)
    .ramps();

/// How far a level shifts, in standard deviations of the sensor's noise.
const SHIFT: (f64, f64) = (6.0, 9.0);

pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let noise = plant.noise(plant.sensor());
    let by = signed(SHIFT, &mut occasion.draws) * noise * occasion.magnitude;
    let fault = Fault::Offset {
        by,
        every: 1,
        ramp: plant.ramp(occasion),
    };
    Trouble {
        faults: vec![(plant.sensor(), fault)],
        telling: 2,
        snr: by.abs() / noise,
    }
}
