//! `season-shift`: the sensor's hourly season slowly moves out of step.
//!
//! Signal to noise: how far the season puts readings off at most, in standard deviations of the noise: the
//! sines of two phases differ by at most `2 sin(π turns)` amplitudes.

use super::{Plant, Trouble};
use crate::{
    fault::Fault,
    incident::{
        Occasion,
        facts::{Facts, HappensTo},
    },
    math::sin_turns,
};

pub(crate) const FACTS: Facts = Facts::new(26, 1_800_000).on(HappensTo::Sensors).ramps();

/// By how many turns the season is ahead in the end.
const TURNS: f64 = 0.4;
/// Share of the incident over which it gets there, where the profile says nothing.
const RAMP: f64 = 0.5;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the number of readings"
)]
pub(super) fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    let character = plant.character(plant.sensor());
    let turns = (TURNS * occasion.magnitude).min(0.5);
    let asked = plant.ramp(occasion);
    let ramp = if asked == 0 {
        (plant.count() as f64 * RAMP).round() as u64
    } else {
        asked
    };
    let fault = Fault::Season { turns, ramp };
    Trouble {
        faults: vec![(plant.sensor(), fault)],
        telling: ramp as usize,
        snr: 2.0 * sin_turns(turns / 2.0) * character.hourly.0 / character.noise,
    }
}
