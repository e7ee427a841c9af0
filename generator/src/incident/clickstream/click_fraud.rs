//! `click-fraud`: a few users that click on one page again and again, at people's uneven gaps.
//!
//! Signal to noise: the clicks of one user on the page in five minutes, where one is much.

use std::collections::BTreeSet;

use super::{Ground, Surfer, draw_page, page_key, products_on_offer};
use crate::{
    content::{ClickAction, Origin},
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
        times::{at_least_one, count_snr, in_order, uneven_times},
    },
    plan::{Entity, Occupied},
};

pub(crate) const FACTS: Facts = Facts::new(13, 300_000)
    .on(HappensTo::Pages(6))
    .size(3, 1, 100);

/// Clicks of each user in a minute.
const CLICKS_PER_MINUTE: f64 = 6.0;
/// The click after which it can be known, of each user.
const TELLING_CLICK: usize = 5;

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let page = draw_page(ground, occasion, occupied, &products_on_offer())?;
    let users = draw_users(ground, occasion, occupied)?;
    let clicks = at_least_one(CLICKS_PER_MINUTE * occasion.magnitude * occasion.minutes());
    let mut keys = vec![page_key(page)];
    let mut planned = Vec::new();
    for user in &users {
        let surfer = Surfer::new(ground, *user, &mut occasion.draws);
        keys.extend(surfer.user_and_session());
        let times = uneven_times(clicks + 1, &mut occasion.draws);
        for (number, share) in times.into_iter().enumerate() {
            // The page is opened first, as by anyone.
            let (action, origin) = if number == 0 {
                (ClickAction::PageView, Origin::Outside)
            } else {
                (ClickAction::Click, Origin::Page(page))
            };
            planned.push(surfer.event(occasion.at(share), page, action, origin));
        }
    }
    Ok(Script {
        keys,
        planned: in_order(planned),
        telling: TELLING_CLICK * users.len(),
        snr: count_snr(clicks as f64 * 5.0 / occasion.minutes().max(5.0), 0.0),
    })
}

fn draw_users(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Vec<u32>, Impossible> {
    let (entities, size) = (ground.plan.entities, occasion.spec.size);
    let found = occupied.draw_all(occasion.claim(), &mut occasion.draws, |draws| {
        let mut users = BTreeSet::new();
        // As many as asked for, and each once; the incident cannot be where there are not so many.
        while users.len() < size.min(entities) as usize {
            users.insert(draws.below(entities));
        }
        users.into_iter().map(Entity::User).collect()
    });
    let user = |entity| match entity {
        Entity::User(user) => Some(user),
        _ => None,
    };
    match found {
        Some(users) => Ok(users.into_iter().filter_map(user).collect()),
        None => Err(Impossible::no_entity(ground.plan, occasion.spec)),
    }
}
