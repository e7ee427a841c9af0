//! `recalibration`, a decoy: a planned check moves the sensor up and then down by equal amounts.
//!
//! Signal to noise: how far the level moves, in standard deviations of the sensor's noise.

use super::{Plant, Trouble};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
};

pub(crate) const FACTS: Facts = Facts::new(28, 60_000).on(HappensTo::Sensors);

/// How far the check moves the level, in standard deviations of the sensor's noise.
const STEP: (f64, f64) = (4.0, 5.0);

pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let noise = plant.noise(plant.sensor());
    let (least, most) = STEP;
    let by = occasion.draws.between(least, most) * noise * occasion.magnitude;
    let fault = Fault::Square {
        by,
        half: plant.count().div_ceil(2),
    };
    Trouble {
        faults: vec![(plant.sensor(), fault)],
        telling: 2,
        snr: by / noise,
    }
}
