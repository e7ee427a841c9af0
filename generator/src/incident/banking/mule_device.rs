//! `mule-device`: one device that moves money on many accounts.
//!
//! Signal to noise: the accounts of the device beyond the one that a device usually has.

use floodmark_contracts::key::{KeyType, TypedKey};

use super::{Actor, Branch, stranger};
use crate::{
    content::BankAction,
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{at_least_one, count_snr, in_order},
    },
    plan::{Entity, Occupied},
};

pub(crate) const FACTS: Facts = Facts::new(20, 600_000).size(8, 2, 200);

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    use BankAction::{BalanceView, LoginSuccess, LoginView, Transfer};
    let entities = branch.plan.entities;
    let accounts = at_least_one(f64::from(occasion.spec.size) * occasion.magnitude).max(2);
    branch.check_accounts(accounts, "uses")?;
    let found = occupied.draw(occasion.claim(), &mut occasion.draws, |draws| {
        Entity::Device(branch.customers.spare_device(draws.below(entities)))
    });
    let Some(Entity::Device(device)) = found else {
        return Err(Impossible::no_entity(branch.plan, occasion.spec));
    };
    let country = branch.book.draw_country(&mut occasion.draws);
    let address = branch.book.draw_address(country, &mut occasion.draws);
    let users = branch.different_users(accounts, &mut occasion.draws);
    let mut planned = Vec::new();
    for (number, user) in users.iter().enumerate() {
        let customer = Actor::customer(&branch.customers, *user, &mut occasion.draws);
        let actor = Actor {
            device,
            address,
            ..stranger(customer, occasion)
        };
        // One account after the other, each visit within its part of the incident.
        let part = 1.0 / users.len() as f64;
        let begins = part * (number as f64 + occasion.draws.between(0.0, 0.4));
        for (step, action) in [LoginView, LoginSuccess, BalanceView, Transfer]
            .into_iter()
            .enumerate()
        {
            let jitter = occasion.draws.between(0.0, 0.1);
            let share = begins + part * (step as f64 * 0.13 + jitter);
            planned.push(actor.act(occasion, share, action));
        }
    }
    let keys = vec![
        TypedKey::new(KeyType::Device, crate::content::device_fingerprint(device)),
        TypedKey::new(KeyType::Ip, address.to_string()),
    ];
    Ok(Script {
        keys,
        planned: in_order(planned),
        // The login to the third account, or to the second where there are two.
        telling: 4 * (accounts - 1).min(2) + 1,
        snr: count_snr((accounts - 1) as f64, 0.0),
    })
}
