//! `drift`: the sensor's level moves away at a steady rate.
//!
//! Signal to noise: how far off the last reading is, in standard deviations of the sensor's noise.

use super::{Plant, Trouble, signed};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
};

pub(crate) const FACTS: Facts = Facts::new(24, 600_000).on(HappensTo::Sensors);

/// How far the level has moved in the end, in standard deviations of the sensor's noise.
const DRIFT: (f64, f64) = (8.0, 12.0);

#[expect(
    clippy::cast_possible_truncation,
    reason = "a share of the number of readings"
)]
pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let noise = plant.noise(plant.sensor());
    let in_the_end = signed(DRIFT, &mut occasion.draws) * noise * occasion.magnitude;
    let fault = Fault::Drift {
        by: in_the_end / plant.count() as f64,
    };
    let snr = in_the_end.abs() / noise;
    // Where the drift has passed two standard deviations.
    let share = (2.0 / snr).min(1.0);
    Trouble {
        faults: vec![(plant.sensor(), fault)],
        telling: (plant.count() as f64 * share).floor() as usize,
        snr,
    }
}
