//! `slow-brute-force`: failed logins on one account, few a minute, each from another address.
//!
//! Signal to noise: the account's failed logins in a quarter of an hour, where one is much.

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    stream::Stream,
};

use super::{Actor, Branch, stranger};
use crate::{
    content::{BankAction, entity_name},
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{at_least_one, count_snr, uneven_times},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(21, 900_000);

/// Attempts in a quarter of an hour.
const ATTEMPTS: f64 = 12.0;
const QUARTER_MINUTES: f64 = 15.0;
/// Devices that take turns.
const TOOLS: u32 = 3;

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(branch.plan, occupied)?;
    let quarters = occasion.minutes() / QUARTER_MINUTES;
    let attempts = at_least_one(ATTEMPTS * occasion.magnitude * quarters);
    let tools: Vec<u64> = (0..TOOLS)
        .map(|_| branch.strange_device(user, &mut occasion.draws))
        .collect();
    let times = uneven_times(attempts, &mut occasion.draws);
    let mut planned = Vec::new();
    for share in times {
        let customer = Actor::customer(&branch.customers, user, &mut occasion.draws);
        let actor = Actor {
            device: tools[occasion.draws.below(TOOLS) as usize],
            address: branch.address_near(user, &mut occasion.draws),
            ..stranger(customer, occasion)
        };
        planned.push(actor.act(occasion, share, BankAction::LoginFailed));
    }
    Ok(Script {
        keys: vec![TypedKey::new(
            KeyType::User,
            entity_name(Stream::Banking, user),
        )],
        planned,
        telling: 4,
        snr: count_snr(attempts as f64 / quarters.max(1.0), 0.0),
    })
}
