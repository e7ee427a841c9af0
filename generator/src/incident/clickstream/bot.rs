//! `bot`: one user that asks for pages at a regular, fast beat.
//!
//! Signal to noise: the requests of a session in a minute over those of people, four with a spread of two.

use super::{Ground, Surfer};
use crate::{
    incident::{Impossible, Occasion, Script, facts::Facts},
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(1, 180_000).magnitude(0.3);

/// Gap between a bot's requests in milliseconds of event time, and how much it varies.
const GAP_MS: f64 = 2000.0;
const JITTER: f64 = 0.05;
/// Events of a session in a minute, where a person makes them: mean and spread.
pub(super) const PEOPLE_PER_MINUTE: (f64, f64) = (4.0, 2.0);

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(ground.plan, occupied)?;
    let surfer = Surfer::new(ground, user, &mut occasion.draws);
    let gap_ms = GAP_MS / occasion.magnitude;
    ground.check_gap(gap_ms, "a bot's beat")?;
    let (from_ms, to_ms) = (occasion.at(0.0), occasion.at(1.0));
    let times = beat(gap_ms, (from_ms, to_ms), occasion);
    let walk = ground.visitors.walks().usual();
    let mut pages = vec![walk.landing(&mut occasion.draws)];
    while pages.len() < times.len() {
        pages.push(walk.follow(pages[pages.len() - 1], &mut occasion.draws));
    }
    let (usual, spread) = PEOPLE_PER_MINUTE;
    Ok(Script {
        keys: surfer.user_and_session(),
        planned: surfer.views(&times, &pages),
        telling: 9,
        snr: ((60_000.0 / gap_ms - usual) / spread).max(0.0),
    })
}

/// The times of a bot's requests.
pub(crate) fn beat(
    gap_ms: f64,
    (from_ms, to_ms): (f64, f64),
    occasion: &mut Occasion<'_>,
) -> Vec<f64> {
    let mut at_ms = from_ms;
    let mut times = Vec::new();
    while at_ms <= to_ms {
        times.push(at_ms);
        at_ms += gap_ms * occasion.draws.between(1.0 - JITTER, 1.0 + JITTER);
    }
    times
}
