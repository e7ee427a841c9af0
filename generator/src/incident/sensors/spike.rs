//! `sensor-spike`: single readings far from the sensor's level.
//!
//! Signal to noise: how far the reading is off, in standard deviations of the sensor's noise.

use super::{Plant, Trouble, signed};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
};

pub(crate) const FACTS: Facts = Facts::new(8, 0).magnitude(0.1).on(HappensTo::Sensors);

/// How far a spike is off, at least and at most.
const SPIKE: (f64, f64) = (90.0, 150.0);
/// In an incident of several spikes, one reading in this many is one.
const SPIKE_EVERY: u64 = 5;

pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let by = signed(SPIKE, &mut occasion.draws) * plant.scale() * occasion.magnitude;
    let fault = Fault::Offset {
        by,
        every: SPIKE_EVERY,
        ramp: 0,
    };
    Trouble {
        faults: vec![(plant.sensor(), fault)],
        telling: 0,
        snr: by.abs() / plant.noise(plant.sensor()),
    }
}
