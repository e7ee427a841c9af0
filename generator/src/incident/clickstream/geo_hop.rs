//! `geo-hop`: a session that goes on from another country.
//!
//! Signal to noise: the distance over 500 km, by which databases of addresses are often wrong.

use super::{Ground, Surfer};
use crate::{
    content::Visitor,
    incident::{Impossible, Occasion, Script, facts::Facts, times::uneven_times},
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(14, 180_000);

/// Least distance of the hop, and the least and most that a magnitude can ask for. Under the least,
/// the session goes on from another address of the same country.
const FAR_KM: f64 = 4000.0;
const NEAREST_KM: f64 = 800.0;
const FARTHEST_KM: f64 = 12_000.0;
/// Distance by which databases of addresses are often wrong.
const NOISE_KM: f64 = 500.0;
/// Events of the session, and how many of them are before the hop.
const EVENTS: usize = 10;
const BEFORE: usize = 5;

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(ground.plan, occupied)?;
    let home = Surfer::new(ground, user, &mut occasion.draws);
    let km = (FAR_KM * occasion.magnitude).min(FARTHEST_KM);
    let country = if km < NEAREST_KM {
        home.visitor.country
    } else {
        let here = home.visitor.country;
        ground.book.draw_far_country(here, km, &mut occasion.draws)
    };
    let away = Surfer {
        visitor: Visitor {
            country,
            address: ground.book.draw_address(country, &mut occasion.draws),
            ..home.visitor
        },
        ..home
    };
    let shares = uneven_times(EVENTS, &mut occasion.draws);
    let times: Vec<f64> = shares.into_iter().map(|share| occasion.at(share)).collect();
    let walk = ground.visitors.walks().usual();
    let mut pages = vec![walk.landing(&mut occasion.draws)];
    while pages.len() < EVENTS {
        pages.push(walk.follow(pages[pages.len() - 1], &mut occasion.draws));
    }
    // One walk, of which only the address changes on the way.
    let mut planned = home.views(&times, &pages);
    planned.truncate(BEFORE);
    planned.extend(away.views(&times, &pages).split_off(BEFORE));
    Ok(Script {
        keys: home.user_and_session(),
        planned,
        telling: BEFORE,
        snr: km / NOISE_KM,
    })
}
