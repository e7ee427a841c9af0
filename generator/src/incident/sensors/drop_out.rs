//! `drop-out`: the sensor stops sending.
//!
//! Signal to noise: the readings that are missing, where ordinarily none is.

use super::{Plant, Trouble};
use crate::{
    fault::Fault,
    incident::facts::{Facts, HappensTo, Scaling},
};

pub(crate) const FACTS: Facts = Facts::new(11, 120_000)
    .magnitude(0.3)
    .scaling(Scaling::Longer)
    .on(HappensTo::Sensors);

/// Fewest readings in which it can be seen at all.
pub(super) const LEAST_READINGS: u64 = 8;

pub(super) fn trouble(plant: &Plant<'_>) -> Trouble {
    Trouble {
        faults: vec![(plant.sensor(), Fault::Silent)],
        telling: 3,
        snr: plant.count() as f64,
    }
}
