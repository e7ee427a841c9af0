//! `inhuman-speed`: a session whose pages follow each other faster than anyone reads, at uneven gaps.
//!
//! Signal to noise: the events of a session in a minute over those of people, four with a spread of two.

use super::{Ground, Surfer, bot::PEOPLE_PER_MINUTE};
use crate::{
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{at_least_one, uneven_times},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(15, 30_000);

/// Mean gap between two pages.
const GAP_MS: f64 = 1500.0;

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(ground.plan, occupied)?;
    let surfer = Surfer::new(ground, user, &mut occasion.draws);
    let gap_ms = GAP_MS / occasion.magnitude;
    ground.check_gap(gap_ms, "gaps")?;
    let events = 1 + at_least_one(occasion.length_ms as f64 / gap_ms);
    let shares = uneven_times(events, &mut occasion.draws);
    let times: Vec<f64> = shares.into_iter().map(|share| occasion.at(share)).collect();
    let walk = ground.visitors.walks().usual();
    let mut pages = vec![walk.landing(&mut occasion.draws)];
    while pages.len() < events {
        pages.push(walk.follow(pages[pages.len() - 1], &mut occasion.draws));
    }
    let (usual, spread) = PEOPLE_PER_MINUTE;
    Ok(Script {
        keys: surfer.user_and_session(),
        planned: surfer.views(&times, &pages),
        telling: 7,
        snr: ((60_000.0 / gap_ms - usual) / spread).max(0.0),
    })
}
