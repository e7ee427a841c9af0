//! `account-takeover`: a login from a device and an address that are both new, then a payee change and a
//! transfer.
//!
//! Signal to noise: how surprising the visit is, in spreads of what visits usually are. Weak ones come from
//! an address that the customer uses, the weakest from the customer's own device too.

use super::{Actor, Branch, stranger, surprise::Unusual};
use crate::{
    content::BankAction,
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, Scaling},
        times::uneven_times,
    },
    plan::{Occupied, Planned},
};

pub(crate) const FACTS: Facts = Facts::new(5, 180_000).scaling(Scaling::Shorter);

/// Shortest and longest time from the customer's own visit to the takeover, in milliseconds.
const VISIT_BEFORE_MS: (f64, f64) = (180_000.0, 480_000.0);
/// Least magnitudes at which the address is new, and at which the device is.
const NEW_ADDRESS: f64 = 0.5;
const NEW_DEVICE: f64 = 0.25;

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(branch.plan, occupied)?;
    let (soonest, longest) = VISIT_BEFORE_MS;
    let start_ms = occasion.at(0.0);
    let before = occasion.draws.between(soonest, longest).min(start_ms * 0.9);
    let mut planned = visit_before(branch, user, before, occasion);
    let own = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let device = branch.strange_device(user, &mut occasion.draws);
    let address = branch.address_near(user, &mut occasion.draws);
    let is_new = Unusual {
        device: occasion.magnitude >= NEW_DEVICE,
        address: occasion.magnitude >= NEW_ADDRESS,
        payee: true,
    };
    let attacker = Actor {
        device: if is_new.device { device } else { own.device },
        address: if is_new.address { address } else { own.address },
        ..stranger(own, occasion)
    };
    let (attack, telling) = attack(&attacker, 0.0, occasion);
    planned.extend(attack);
    let mut keys = attacker.user_and_session();
    keys.push(attacker.device_key());
    Ok(Script {
        keys,
        planned,
        telling,
        snr: is_new.snr(),
    })
}

/// The customer's own visit: without it, nobody could tell that the device is new.
pub(crate) fn visit_before(
    branch: &Branch<'_>,
    user: u32,
    before_ms: f64,
    occasion: &mut Occasion<'_>,
) -> Vec<Planned> {
    use BankAction::{BalanceView, LoginSuccess, LoginView, Logout};
    let customer = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let mut at_ms = occasion.at(0.0) - before_ms;
    let mut planned = Vec::new();
    for action in [LoginView, LoginSuccess, BalanceView, Logout] {
        let latency = customer.typing.latency_ms(&mut occasion.draws);
        planned.push(Planned {
            labelled: false,
            ..customer.event(at_ms, action, latency)
        });
        at_ms += (1000.0 + occasion.draws.exponential(4000.0)).min(before_ms / 8.0);
    }
    planned
}

/// What the attacker does from `from`, a share of the incident's length, to its end; and the index of the
/// payee change.
pub(crate) fn attack(
    attacker: &Actor,
    from: f64,
    occasion: &mut Occasion<'_>,
) -> (Vec<Planned>, usize) {
    use BankAction::{BalanceView, FieldInput, LoginSuccess, LoginView, PayeeChange, Transfer};
    let inputs = 2 + occasion.draws.below(3) as usize;
    let mut actions = vec![LoginView, LoginSuccess, BalanceView];
    actions.extend(std::iter::repeat_n(FieldInput, inputs));
    actions.extend([PayeeChange, Transfer]);
    let times = uneven_times(actions.len(), &mut occasion.draws);
    let event = |(share, action): (f64, BankAction)| {
        attacker.act(occasion, from + (1.0 - from) * share, action)
    };
    let planned = times.into_iter().zip(actions).map(event).collect();
    (planned, 3 + inputs)
}
