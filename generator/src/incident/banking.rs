//! Incidents at the bank.

use std::collections::BTreeSet;

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    kind::Kind,
    stream::Stream,
};

use super::{Impossible, Occasion, Script, spread_times, uneven_times};
use crate::{
    address::AddressBook,
    banking::{Customers, latency_ms},
    content::{Bank, BankAction, Content, device_fingerprint, entity_name, session_id},
    draw::Draws,
    plan::{Entity, Occupied, Planned, StreamPlan},
};

/// Attempts per minute of a credential stuffing.
const ATTEMPTS_PER_MINUTE: f64 = 20.0;
/// Shortest and longest time from the customer's own visit to the takeover, in milliseconds.
const VISIT_BEFORE_MS: (f64, f64) = (180_000.0, 480_000.0);
/// Least distance of an impossible journey, and the most that a magnitude can ask for.
const FAR_KM: f64 = 4000.0;
const FARTHEST_KM: f64 = 12_000.0;
/// Inputs of a form that is filled in by a machine.
const MACHINE_INPUTS: usize = 12;

pub(super) fn script(
    plan: &StreamPlan,
    book: &AddressBook,
    mut occasion: Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let customers = Customers::new(book, plan.entities, plan.key);
    if occasion.spec.kind == Kind::CredentialStuffing {
        return credential_stuffing(plan, book, &customers, occasion, occupied);
    }
    let span = occasion.span();
    let entities = plan.entities;
    let found = occupied.draw(occasion.spec.kind, span, &mut occasion.draws, |draws| {
        Entity::User(draws.below(entities))
    });
    let Some(Entity::User(user)) = found else {
        return Err(Impossible::no_entity(plan, occasion.spec));
    };
    Ok(match occasion.spec.kind {
        Kind::AccountTakeover => account_takeover(plan, book, &customers, user, occasion),
        Kind::ImpossibleTravel => impossible_travel(book, &customers, user, occasion),
        _ => machine_speed_input(&customers, user, occasion),
    })
}

/// A session that an incident plays.
#[derive(Clone, Copy)]
struct Actor {
    user: u32,
    session: u64,
    device: u64,
    address: std::net::Ipv4Addr,
}

impl Actor {
    /// The customer at the usual place with the first device, in a new session.
    fn customer(customers: &Customers<'_>, user: u32, draws: &mut Draws) -> Self {
        Self {
            user,
            session: draws.bits(),
            device: customers.device(user, 0),
            address: customers.place(user).address,
        }
    }

    fn event(&self, at_ms: f64, action: BankAction, latency_ms: i32) -> Planned {
        let Self {
            user,
            session,
            device,
            address,
        } = *self;
        let bank = Bank {
            user,
            session,
            device,
            address,
            action,
            latency_ms,
        };
        Planned {
            at_ms,
            content: Content::Bank(bank),
            labelled: true,
        }
    }

    fn user_and_session(&self) -> Vec<TypedKey> {
        vec![
            TypedKey::new(KeyType::User, entity_name(Stream::Banking, self.user)),
            TypedKey::new(KeyType::Session, session_id(self.session).as_str()),
        ]
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "compared with the number of accounts right after"
)]
fn credential_stuffing(
    plan: &StreamPlan,
    book: &AddressBook,
    customers: &Customers<'_>,
    mut occasion: Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let minutes = occasion.spec.length_ms as f64 / 60_000.0;
    let attempts = (ATTEMPTS_PER_MINUTE * occasion.spec.magnitude * minutes).ceil() as usize;
    if attempts > plan.entities as usize / 2 {
        let text = format!(
            "tries {attempts} different accounts, and there are {}; lower `magnitude`, shorten `duration`, or raise \
             `population.entities`",
            plan.entities
        );
        return Err(Impossible { field: None, text });
    }
    let span = occasion.span();
    let found = occupied.draw(occasion.spec.kind, span, &mut occasion.draws, |draws| {
        let country = book.draw_country(draws);
        Entity::Address(book.draw_address(country, draws))
    });
    let Some(Entity::Address(address)) = found else {
        return Err(Impossible::no_entity(plan, occasion.spec));
    };
    let draws = &mut occasion.draws;
    let tools: Vec<u64> = (0..4)
        .map(|_| customers.spare_device(draws.below(plan.entities)))
        .collect();
    let mut tried = BTreeSet::new();
    let times = spread_times(attempts, draws);
    let mut planned = Vec::with_capacity(attempts);
    for share in times {
        let draws = &mut occasion.draws;
        let mut user = draws.below(plan.entities);
        while !tried.insert(user) {
            user = draws.below(plan.entities);
        }
        let device = tools[draws.below(4) as usize];
        let actor = Actor {
            user,
            session: draws.bits(),
            device,
            address,
        };
        let latency = latency_ms(draws);
        planned.push(actor.event(occasion.at(share), BankAction::LoginFailed, latency));
    }
    let keys = vec![TypedKey::new(KeyType::Ip, address.to_string())];
    Ok(Script {
        keys,
        planned,
        telling: 7,
    })
}

fn account_takeover(
    plan: &StreamPlan,
    book: &AddressBook,
    customers: &Customers<'_>,
    user: u32,
    mut occasion: Occasion<'_>,
) -> Script {
    use BankAction::{
        BalanceView, FieldInput, LoginSuccess, LoginView, Logout, PayeeChange, Transfer,
    };
    let mut planned = Vec::new();
    // The customer's own visit: without it, nobody could tell that the device is new.
    let start_ms = occasion.at(0.0);
    let (soonest, longest) = VISIT_BEFORE_MS;
    let before = occasion.draws.between(soonest, longest).min(start_ms * 0.9);
    let customer = Actor::customer(customers, user, &mut occasion.draws);
    let mut at_ms = start_ms - before;
    for action in [LoginView, LoginSuccess, BalanceView, Logout] {
        let latency = latency_ms(&mut occasion.draws);
        planned.push(Planned {
            labelled: false,
            ..customer.event(at_ms, action, latency)
        });
        at_ms += (1000.0 + occasion.draws.exponential(4000.0)).min(before / 8.0);
    }
    let attacker = Actor {
        user,
        session: occasion.draws.bits(),
        // Any of the devices that no account is known to use, but the one of this account, which
        // its own customer may turn up with.
        device: customers.spare_device(other_user(user, plan.entities, &mut occasion.draws)),
        address: book.draw_address(customers.place(user).country, &mut occasion.draws),
    };
    let inputs = 2 + occasion.draws.below(3) as usize;
    let mut actions = vec![LoginView, LoginSuccess, BalanceView];
    actions.extend(std::iter::repeat_n(FieldInput, inputs));
    actions.extend([PayeeChange, Transfer]);
    let times = uneven_times(actions.len(), &mut occasion.draws);
    for (share, action) in times.into_iter().zip(actions) {
        let latency = latency_ms(&mut occasion.draws);
        planned.push(attacker.event(occasion.at(share), action, latency));
    }
    let mut keys = attacker.user_and_session();
    keys.push(TypedKey::new(
        KeyType::Device,
        device_fingerprint(attacker.device),
    ));
    Script {
        keys,
        planned,
        telling: 3 + inputs,
    }
}

/// A user other than this one, if there is another.
fn other_user(user: u32, entities: u32, draws: &mut Draws) -> u32 {
    let other = draws.below(entities - 1);
    other + u32::from(other >= user)
}

fn impossible_travel(
    book: &AddressBook,
    customers: &Customers<'_>,
    user: u32,
    mut occasion: Occasion<'_>,
) -> Script {
    use BankAction::{BalanceView, LoginSuccess, LoginView};
    let mut planned = Vec::new();
    let near = Actor::customer(customers, user, &mut occasion.draws);
    let mut at_ms = occasion.at(0.0);
    let step_ms = occasion.spec.length_ms as f64 / 100.0;
    for action in [LoginView, LoginSuccess, BalanceView] {
        let latency = latency_ms(&mut occasion.draws);
        planned.push(Planned {
            labelled: false,
            ..near.event(at_ms, action, latency)
        });
        at_ms += step_ms * occasion.draws.between(0.5, 1.5);
    }
    let km = (FAR_KM * occasion.spec.magnitude).min(FARTHEST_KM);
    let country = book.draw_far_country(customers.place(user).country, km, &mut occasion.draws);
    let address = book.draw_address(country, &mut occasion.draws);
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
        let latency = latency_ms(&mut occasion.draws);
        planned.push(far.event(
            occasion.at(arrival + (1.0 - arrival) * share),
            action,
            latency,
        ));
    }
    Script {
        keys: far.user_and_session(),
        planned,
        telling: 0,
    }
}

fn machine_speed_input(customers: &Customers<'_>, user: u32, mut occasion: Occasion<'_>) -> Script {
    use BankAction::{BalanceView, FieldInput, LoginSuccess, LoginView, Transfer};
    let actor = Actor::customer(customers, user, &mut occasion.draws);
    let mut planned = Vec::new();
    for (share, action) in [(0.0, LoginView), (0.2, LoginSuccess), (0.4, BalanceView)] {
        let latency = latency_ms(&mut occasion.draws);
        planned.push(actor.event(occasion.at(share), action, latency));
    }
    // The inputs are as close as the stream's slots let them be: all want the same instant.
    let form_ms = occasion.at(0.6);
    for _ in 0..MACHINE_INPUTS {
        let latency = machine_latency_ms(occasion.spec.magnitude, &mut occasion.draws);
        planned.push(actor.event(form_ms, FieldInput, latency));
    }
    let latency = latency_ms(&mut occasion.draws);
    planned.push(actor.event(occasion.at(1.0), Transfer, latency));
    Script {
        keys: actor.user_and_session(),
        planned,
        telling: 6,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 120 ms")]
fn machine_latency_ms(magnitude: f64, draws: &mut Draws) -> i32 {
    (draws.between(3.0, 13.0) / magnitude).max(1.0) as i32
}
