//! `session-hijack`: a session that goes on from another device and address.
//!
//! Signal to noise: the events that contradict the session's first device, where an ordinary session has
//! none.

use super::{Actor, Branch};
use crate::{
    banking::Typing,
    content::BankAction,
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{at_least_one, count_snr, uneven_times},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(19, 180_000);

/// Events of the thief.
const STOLEN_EVENTS: f64 = 5.0;

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    use BankAction::{BalanceView, FieldInput, LoginSuccess, LoginView, Transfer};
    let user = occasion.user(branch.plan, occupied)?;
    let customer = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let thief = Actor {
        device: branch.strange_device(user, &mut occasion.draws),
        address: branch.address_near(user, &mut occasion.draws),
        typing: Typing::draw(&mut occasion.draws),
        ..customer
    };
    let own = [LoginView, LoginSuccess, BalanceView];
    let stolen = at_least_one(STOLEN_EVENTS * occasion.magnitude);
    // The thief looks, fills in a form and sends it; with fewer events, there is less of that.
    let mut actions = vec![BalanceView];
    actions.extend(std::iter::repeat_n(FieldInput, stolen.saturating_sub(2)));
    actions.push(Transfer);
    let times = uneven_times(own.len() + stolen, &mut occasion.draws);
    let actions = own.into_iter().chain(actions);
    let mut planned = Vec::new();
    for (number, (share, action)) in times.into_iter().zip(actions).enumerate() {
        let actor = if number < own.len() { customer } else { thief };
        planned.push(actor.act(occasion, share, action));
    }
    let mut keys = customer.user_and_session();
    keys.push(thief.device_key());
    Ok(Script {
        keys,
        planned,
        telling: own.len(),
        snr: count_snr(stolen as f64, 0.0),
    })
}
