//! `stuck-value`: the sensor repeats one value exactly.
//!
//! Signal to noise: the equal readings in a row beyond the two that sample and hold usually gives.

use super::{Plant, Trouble};
use crate::{
    fault::Fault,
    incident::facts::{Facts, HappensTo, Scaling},
};

pub(crate) const FACTS: Facts = Facts::new(10, 120_000)
    .magnitude(0.3)
    .scaling(Scaling::Longer)
    .on(HappensTo::Sensors);

/// Fewest readings in which it can be seen at all.
pub(super) const LEAST_READINGS: u64 = 8;
/// Equal readings in a row that sample and hold gives now and then.
const USUAL: f64 = 2.0;

pub(super) fn trouble(plant: &Plant<'_>) -> Trouble {
    Trouble {
        faults: vec![(plant.sensor(), Fault::Stuck)],
        telling: 4,
        snr: (plant.count() as f64 - USUAL).max(0.0),
    }
}
