//! `credential-stuffing`: failed logins on many accounts from one address.
//!
//! Signal to noise: the accounts with failed logins from the address in a minute, where one is much.

use std::collections::BTreeSet;

use floodmark_contracts::key::{KeyType, TypedKey};

use super::{Actor, Branch, stranger};
use crate::{
    content::BankAction,
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{count_snr, spread_times},
    },
    plan::{Entity, Occupied},
};

pub(crate) const FACTS: Facts = Facts::new(4, 120_000).magnitude(0.15).ramps();

const ATTEMPTS_PER_MINUTE: f64 = 20.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "compared with the number of accounts right after"
)]
pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let plan = branch.plan;
    let per_minute = ATTEMPTS_PER_MINUTE * occasion.magnitude;
    let ramp = occasion.ramp();
    let attempts = (per_minute * occasion.minutes() * (1.0 - ramp / 2.0)).ceil() as usize;
    branch.check_accounts(attempts, "tries")?;
    let found = occupied.draw(occasion.claim(), &mut occasion.draws, |draws| {
        let country = branch.book.draw_country(draws);
        Entity::Address(branch.book.draw_address(country, draws))
    });
    let Some(Entity::Address(address)) = found else {
        return Err(Impossible::no_entity(plan, occasion.spec));
    };
    let draws = &mut occasion.draws;
    let tools: Vec<u64> = (0..4)
        .map(|_| branch.customers.spare_device(draws.below(plan.entities)))
        .collect();
    let mut tried = BTreeSet::new();
    let times = spread_times(attempts, ramp, draws);
    let mut planned = Vec::with_capacity(attempts);
    for share in times {
        let draws = &mut occasion.draws;
        let mut user = draws.below(plan.entities);
        while !tried.insert(user) {
            user = draws.below(plan.entities);
        }
        let device = tools[draws.below(4) as usize];
        let customer = Actor::customer(&branch.customers, user, draws);
        let actor = Actor {
            device,
            address,
            ..stranger(customer, occasion)
        };
        planned.push(actor.act(occasion, share, BankAction::LoginFailed));
    }
    Ok(Script {
        keys: vec![TypedKey::new(KeyType::Ip, address.to_string())],
        planned,
        telling: 7,
        snr: count_snr(per_minute, 0.0),
    })
}
