//! `noise-burst`: the sensor's noise grows.
//!
//! Signal to noise: how far the variance of ten readings is off, in standard deviations of that of ten
//! ordinary ones: `(times² - 1) √(n/2)` with `n = 10`.

use super::{Plant, Trouble};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
};

pub(crate) const FACTS: Facts = Facts::new(25, 180_000).on(HappensTo::Sensors).ramps();

/// By how many times the noise grows, less one, before the magnitude.
const GROWTH: (f64, f64) = (2.5, 3.5);
const READINGS: f64 = 10.0;

pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let (least, most) = GROWTH;
    let times = 1.0 + occasion.draws.between(least, most) * occasion.magnitude;
    let fault = Fault::Noise {
        times,
        ramp: plant.ramp(occasion),
    };
    Trouble {
        faults: vec![(plant.sensor(), fault)],
        telling: 9,
        snr: (times * times - 1.0) * (READINGS / 2.0).sqrt(),
    }
}
