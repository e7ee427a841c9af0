//! Incidents at the bank: one module for each kind, and what they share.

pub(super) mod account_takeover;
pub(super) mod credential_stuffing;
pub(super) mod impossible_travel;
pub(super) mod machine_speed_input;
pub(super) mod mule_device;
pub(super) mod replayed_input;
pub(super) mod session_hijack;
pub(super) mod slow_brute_force;
pub(super) mod surprise;
pub(super) mod traveller;

use std::net::Ipv4Addr;

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    kind::Kind,
    stream::Stream,
};

use super::{Impossible, Occasion, Script};
use crate::{
    address::AddressBook,
    banking::{Customers, Typing, new_payee},
    content::{Bank, BankAction, Content, Typed, device_fingerprint, entity_name, session_id},
    draw::Draws,
    plan::{Occupied, Planned, StreamPlan},
};

/// What an incident at the bank can look at.
pub(super) struct Branch<'a> {
    pub(super) plan: &'a StreamPlan,
    pub(super) book: &'a AddressBook,
    pub(super) customers: Customers<'a>,
}

pub(super) fn script(
    plan: &StreamPlan,
    book: &AddressBook,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let branch = Branch::new(plan, book);
    match occasion.spec.kind {
        Kind::CredentialStuffing => credential_stuffing::script(&branch, occasion, occupied),
        Kind::AccountTakeover => account_takeover::script(&branch, occasion, occupied),
        Kind::ImpossibleTravel => impossible_travel::script(&branch, occasion, occupied),
        Kind::SessionHijack => session_hijack::script(&branch, occasion, occupied),
        Kind::MuleDevice => mule_device::script(&branch, occasion, occupied),
        Kind::SlowBruteForce => slow_brute_force::script(&branch, occasion, occupied),
        Kind::ReplayedInput => replayed_input::script(&branch, occasion, occupied),
        Kind::Traveller => traveller::script(&branch, occasion, occupied),
        // The kinds of the other streams never come here.
        _ => machine_speed_input::script(&branch, occasion, occupied),
    }
}

impl<'a> Branch<'a> {
    pub(super) fn new(plan: &'a StreamPlan, book: &'a AddressBook) -> Self {
        Self {
            plan,
            book,
            customers: Customers::new(book, plan.entities, plan.key),
        }
    }

    /// An address in the customer's country.
    fn address_near(&self, user: u32, draws: &mut Draws) -> Ipv4Addr {
        let country = self.customers.place(user).country;
        self.book.draw_address(country, draws)
    }

    /// A device that no account is known to use, but the one of this account, which its own customer
    /// may turn up with.
    pub(super) fn strange_device(&self, user: u32, draws: &mut Draws) -> u64 {
        let other = other_user(user, self.plan.entities, draws);
        self.customers.spare_device(other)
    }

    /// Accounts that differ from each other.
    fn different_users(&self, count: usize, draws: &mut Draws) -> Vec<u32> {
        let mut users = Vec::with_capacity(count);
        while users.len() < count.min(self.plan.entities as usize) {
            let user = draws.below(self.plan.entities);
            if !users.contains(&user) {
                users.push(user);
            }
        }
        users
    }

    /// Refuses more accounts than half of those that there are.
    fn check_accounts(&self, wanted: usize, what: &str) -> Result<(), Impossible> {
        if wanted <= self.plan.entities as usize / 2 {
            return Ok(());
        }
        Err(Impossible::of_plan(format!(
            "{what} {wanted} different accounts, and there are {}; lower `magnitude`, shorten `duration`, or raise \
             `population.entities`",
            self.plan.entities
        )))
    }
}

/// A session that an incident plays.
#[derive(Clone, Copy)]
pub(super) struct Actor {
    pub(super) user: u32,
    pub(super) session: u64,
    pub(super) device: u64,
    pub(super) address: Ipv4Addr,
    pub(super) payee: u64,
    pub(super) typing: Typing,
}

impl Actor {
    /// The customer at the usual place with the first device, in a new session that pays to a payee whom the
    /// account knows.
    pub(super) fn customer(customers: &Customers<'_>, user: u32, draws: &mut Draws) -> Self {
        let session = draws.bits();
        Self {
            user,
            session,
            payee: customers.known_payee(user, session),
            typing: customers.habits(user).typing,
            device: customers.device(user, 0),
            address: customers.place(user).address,
        }
    }

    pub(super) fn event(&self, at_ms: f64, action: BankAction, latency_ms: i32) -> Planned {
        let Self {
            user,
            session,
            device,
            address,
            payee,
            ..
        } = *self;
        let bank = Bank {
            user,
            session,
            device,
            address,
            action,
            latency_ms,
            typed: Typed::For(payee),
        };
        Planned {
            at_ms,
            content: Content::Bank(bank),
            labelled: true,
        }
    }

    /// An event at a share of the incident's length, at a person's speed.
    pub(super) fn act(
        &self,
        occasion: &mut Occasion<'_>,
        share: f64,
        action: BankAction,
    ) -> Planned {
        let latency = self.typing.latency_ms(&mut occasion.draws);
        self.event(occasion.at(share), action, latency)
    }

    pub(super) fn user_and_session(&self) -> Vec<TypedKey> {
        vec![
            TypedKey::new(KeyType::User, entity_name(Stream::Banking, self.user)),
            TypedKey::new(KeyType::Session, session_id(self.session).as_str()),
        ]
    }

    pub(super) fn device_key(&self) -> TypedKey {
        TypedKey::new(KeyType::Device, device_fingerprint(self.device))
    }
}

/// Somebody else in the customer's place: with a payee and a way of typing that are not the customer's.
pub(super) fn stranger(customer: Actor, occasion: &mut Occasion<'_>) -> Actor {
    Actor {
        payee: new_payee(customer.session),
        typing: Typing::draw(&mut occasion.draws),
        ..customer
    }
}

/// A user other than this one, if there is another.
fn other_user(user: u32, entities: u32, draws: &mut Draws) -> u32 {
    let other = draws.below(entities.saturating_sub(1));
    other + u32::from(other >= user && entities > 1)
}
