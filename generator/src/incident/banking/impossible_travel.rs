//! `impossible-travel`: one customer active from two far-apart countries within an impossible time.
//!
//! Signal to noise: the distance over 500 km, by which databases of addresses are often wrong.

use super::{Actor, Branch};
use crate::{
    content::BankAction,
    incident::{Impossible, Occasion, Script, facts::Facts, times::uneven_times},
    plan::{Occupied, Planned},
};

pub(crate) const FACTS: Facts = Facts::new(6, 600_000);

/// Least distance of the journey, and the most that a magnitude can ask for.
const FAR_KM: f64 = 4000.0;
const FARTHEST_KM: f64 = 12_000.0;
/// Distance by which databases of addresses are often wrong.
const NOISE_KM: f64 = 500.0;

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    use BankAction::{BalanceView, LoginSuccess, LoginView};
    let user = occasion.user(branch.plan, occupied)?;
    let mut planned = Vec::new();
    let near = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let mut at_ms = occasion.at(0.0);
    let step_ms = occasion.length_ms as f64 / 100.0;
    for action in [LoginView, LoginSuccess, BalanceView] {
        let latency = near.typing.latency_ms(&mut occasion.draws);
        planned.push(Planned {
            labelled: false,
            ..near.event(at_ms, action, latency)
        });
        at_ms += step_ms * occasion.draws.between(0.5, 1.5);
    }
    let km = (FAR_KM * occasion.magnitude).min(FARTHEST_KM);
    let home = branch.customers.place(user).country;
    let country = branch.book.draw_far_country(home, km, &mut occasion.draws);
    let address = branch.book.draw_address(country, &mut occasion.draws);
    let far = Actor {
        session: occasion.draws.bits(),
        address,
        ..near
    };
    let arrival = occasion.draws.between(0.5, 0.8);
    let balances = 1 + occasion.draws.below(4) as usize;
    let mut actions = vec![LoginView, LoginSuccess];
    actions.extend(std::iter::repeat_n(BalanceView, balances));
    let times = uneven_times(actions.len(), &mut occasion.draws);
    for (share, action) in times.into_iter().zip(actions) {
        planned.push(far.act(occasion, arrival + (1.0 - arrival) * share, action));
    }
    Ok(Script {
        keys: far.user_and_session(),
        planned,
        telling: 0,
        snr: km / NOISE_KM,
    })
}
