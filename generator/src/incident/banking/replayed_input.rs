//! `replayed-input`: sessions whose inputs have the hashes of an earlier session's.
//!
//! Signal to noise: the inputs that repeat, where ordinary ones into the same fields never do.

use super::{Actor, Branch};
use crate::{
    content::{BankAction, Content, FORM, Typed},
    draw::Draws,
    incident::{
        Impossible, Occasion, Script,
        facts::Facts,
        times::{at_least_one, count_snr},
    },
    plan::{Occupied, Planned},
};

pub(crate) const FACTS: Facts = Facts::new(22, 600_000).size(3, 1, 50);

/// Inputs of the session that is recorded, and how many of them are replayed.
const INPUTS: usize = 5;
const REPLAYED: f64 = 4.0;
/// What the recorded inputs are typed into: fields whose hashes never repeat by themselves, as those of a payee
/// do.
const FIELDS: [&str; INPUTS] = ["amount", "reference", "amount", "reference", "amount"];

pub(super) fn script(
    branch: &Branch<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let user = occasion.user(branch.plan, occupied)?;
    let recorded = FIELDS.map(|field| typed_into(field, &mut occasion.draws));
    let replayed = at_least_one(REPLAYED * occasion.magnitude).min(INPUTS);
    // The session that is recorded, and then as many that replay it.
    let sessions = occasion.spec.size as usize + 1;
    let part = 1.0 / sessions as f64;
    let mut keys = Vec::new();
    let mut planned = Vec::new();
    for number in 0..sessions {
        let actor = Actor::customer(&branch.customers, user, &mut occasion.draws);
        let begins = part * (number as f64 + occasion.draws.between(0.0, 0.3));
        let is_replay = number > 0;
        let visit = transfer_visit(&actor, (begins, part * 0.6), occasion, |input| {
            (!is_replay || input < replayed).then(|| recorded[input])
        });
        planned.extend(visit.into_iter().map(|event| Planned {
            labelled: is_replay,
            ..event
        }));
        if is_replay {
            // The user once, then every session.
            let own = actor.user_and_session();
            keys.extend(own.into_iter().skip(usize::from(number > 1)));
        }
    }
    Ok(Script {
        keys,
        planned,
        // The first replay's first input.
        telling: 3,
        snr: count_snr(replayed as f64, 0.0),
    })
}

/// What was typed into a field of the form: the highest two bits name it.
fn typed_into(field: &str, draws: &mut Draws) -> u64 {
    let number = FORM.iter().position(|name| *name == field);
    (number.unwrap_or_default() as u64) << 62 | draws.bits() >> 2
}

/// A visit that makes a transfer, begun and as long as said, in shares of the incident's length. What is
/// typed into an input is given, or as always.
fn transfer_visit(
    actor: &Actor,
    (begins, length): (f64, f64),
    occasion: &mut Occasion<'_>,
    typed: impl Fn(usize) -> Option<u64>,
) -> Vec<Planned> {
    use BankAction::{BalanceView, FieldInput, LoginSuccess, LoginView, Transfer};
    let mut actions = vec![LoginView, LoginSuccess, BalanceView];
    actions.extend(std::iter::repeat_n(FieldInput, INPUTS));
    actions.push(Transfer);
    let step = length / actions.len() as f64;
    let mut visit = Vec::new();
    for (number, action) in actions.into_iter().enumerate() {
        let jitter = occasion.draws.between(0.0, 0.8);
        let at_ms = occasion.at(begins + step * (number as f64 + jitter));
        let latency = actor.typing.latency_ms(&mut occasion.draws);
        let mut event = actor.event(at_ms, action, latency);
        if let (Content::Bank(bank), FieldInput) = (&mut event.content, action) {
            bank.typed = typed(number - 3).map_or(bank.typed, Typed::Before);
        }
        visit.push(event);
    }
    visit
}
