//! `traveller`, a decoy: a customer who is abroad for the whole run logs in with a new phone and pays
//! somebody known.
//!
//! Signal to noise: how surprising the visit is, as for a takeover.

use super::{Actor, Branch, surprise::Unusual};
use crate::{
    content::BankAction,
    incident::{Impossible, Occasion, Script, facts::Facts, times::uneven_times},
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(23, 180_000);

/// Least magnitude at which the traveller is in another network than before as well.
const OTHER_NETWORK: f64 = 0.5;

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    use BankAction::{BalanceView, FieldInput, LoginSuccess, LoginView, Logout, Transfer};
    let abroad = |user| branch.customers.place(user).abroad;
    let user = occasion.user_who(branch.plan, occupied, abroad)?;
    let known = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let is_new = Unusual {
        device: true,
        address: occasion.magnitude >= OTHER_NETWORK,
        payee: false,
    };
    let network = branch.address_near(user, &mut occasion.draws);
    let traveller = Actor {
        device: branch.customers.spare_device(user),
        address: if is_new.address {
            network
        } else {
            known.address
        },
        ..known
    };
    let mut actions = vec![LoginView, LoginSuccess, BalanceView];
    actions.extend([FieldInput; 3]);
    actions.extend([Transfer, Logout]);
    let times = uneven_times(actions.len(), &mut occasion.draws);
    let event = |(share, action)| traveller.act(occasion, share, action);
    let planned = times.into_iter().zip(actions).map(event).collect();
    let mut keys = traveller.user_and_session();
    keys.push(traveller.device_key());
    Ok(Script {
        keys,
        planned,
        telling: 1,
        snr: is_new.snr(),
    })
}
