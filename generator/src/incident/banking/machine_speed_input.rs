//! `machine-speed-input`: a session whose inputs come at a speed that no person types at.
//!
//! Signal to noise: how far the inputs' mean latency is below that of people, 330 ms with a spread of 250 ms
//! for one input, in spreads of the mean of twelve.

use super::{Actor, Branch};
use crate::{
    content::BankAction,
    draw::Draws,
    incident::{Impossible, Occasion, Script, facts::Facts},
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(7, 30_000).magnitude(0.1);

/// Inputs of a form that is filled in by a machine.
const INPUTS: usize = 12;
/// Shortest and longest latency of a machine's input in milliseconds, before the magnitude.
const LATENCY_MS: (f64, f64) = (3.0, 13.0);
/// Mean of people's latencies, the spread of one person's, and of one person's mean from another's.
const PEOPLE_MS: (f64, f64, f64) = (330.0, 250.0, 43.0);

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    use BankAction::{BalanceView, FieldInput, LoginSuccess, LoginView, Transfer};
    let user = occasion.user(branch.plan, occupied)?;
    let actor = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let mut planned = Vec::new();
    for (share, action) in [(0.0, LoginView), (0.2, LoginSuccess), (0.4, BalanceView)] {
        planned.push(actor.act(occasion, share, action));
    }
    // The inputs are as close as the stream's slots let them be: all want the same instant.
    let form_ms = occasion.at(0.6);
    for _ in 0..INPUTS {
        let latency = machine_latency_ms(occasion.magnitude, &mut occasion.draws);
        planned.push(actor.event(form_ms, FieldInput, latency));
    }
    planned.push(actor.act(occasion, 1.0, Transfer));
    let (mean, spread, of_people) = PEOPLE_MS;
    let spread = (spread * spread / INPUTS as f64 + of_people * of_people).sqrt();
    let machine = (LATENCY_MS.0 + LATENCY_MS.1) / 2.0 / occasion.magnitude;
    Ok(Script {
        keys: actor.user_and_session(),
        planned,
        telling: 6,
        snr: ((mean - machine) / spread).max(0.0),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "cut at two seconds")]
fn machine_latency_ms(magnitude: f64, draws: &mut Draws) -> i32 {
    let (shortest, longest) = LATENCY_MS;
    (draws.between(shortest, longest) / magnitude).clamp(1.0, 2000.0) as i32
}
