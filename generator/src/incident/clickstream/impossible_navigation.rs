//! `impossible-navigation`: a session that moves between pages which no link connects.
//!
//! Signal to noise: the steps without a link, where an ordinary session has one in 250.

use super::{Ground, Surfer};
use crate::{
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{count_snr, uneven_times},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(2, 60_000).magnitude(0.5);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 80 steps"
)]
pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(ground.plan, occupied)?;
    let surfer = Surfer::new(ground, user, &mut occasion.draws);
    let steps = (8.0 * occasion.magnitude).round().max(4.0) as usize;
    let shares = uneven_times(steps + 1, &mut occasion.draws);
    let times: Vec<f64> = shares.into_iter().map(|share| occasion.at(share)).collect();
    let walk = ground.visitors.walks().usual();
    let mut pages = vec![walk.landing(&mut occasion.draws)];
    // Below the four steps that make an incident, the others follow links: harder to tell from a
    // bookmark and an event that came late.
    let impossible = (8.0 * occasion.magnitude).round().max(1.0) as usize;
    while pages.len() < times.len() {
        let from = pages[pages.len() - 1];
        let next = if pages.len() <= impossible {
            walk.unlinked(from, &mut occasion.draws)
        } else {
            walk.follow(from, &mut occasion.draws)
        };
        pages.push(next);
    }
    Ok(Script {
        keys: surfer.user_and_session(),
        planned: surfer.views(&times, &pages),
        telling: impossible.min(3),
        snr: count_snr(impossible as f64, steps as f64 / 250.0),
    })
}
