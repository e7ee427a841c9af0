//! Banking: takeovers, journeys, failures and typing per account, logins per address and per device.
//!
//! The topic is keyed by account holder. Addresses and devices are shared between accounts, so what they
//! do is put together by the merger.

mod merger;

use std::sync::Arc;

use floodmark_contracts::{
    clock::EventTime,
    event::{
        banking::{BankingUiEvent, event_type},
        confluent::split_frame,
    },
    geo::Country,
    key::{KeyType, TypedKey},
    kind::Kind,
    status::StateSize,
};
use serde::{Deserialize, Serialize};

use super::{
    actors::{ActorPart, Routed},
    alert,
};
use crate::{
    enrichment::EnrichmentStore,
    finding::{Finding, HeldAlert, Output},
    fraud::features::{Act, Deed, Features},
    hash::Fnv,
    pack::Packed,
    places::Places,
    rules::{
        account_takeover::{AccountHistory, AccountTakeover},
        bot_then_takeover,
        credential_stuffing::{self, Logins},
        impossible_travel::ImpossibleTravel,
        machine_speed_input::MachineSpeedInput,
        mule_device::{self, DeviceLogins},
        replayed_input::{self, ReplayedInput},
        session_hijack::SessionHijack,
        slow_brute_force::SlowBruteForce,
    },
    runtime::{
        Emit, Frozen, KeyedState, Logic, Packet, Part, Reader, Saved, SavedError, Spill, State,
        Window, WindowSpec, Windows, plausible, together,
    },
};

pub(crate) use merger::BankingMerger;

/// A session's state is kept this long after its last event.
const SESSION_TTL_MS: i64 = 30 * 60_000;

/// An account's devices, addresses and place are kept this long after its last event.
const ACCOUNT_TTL_MS: i64 = 7 * 24 * 3_600_000;

/// An event that waits for its turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BankingEvent {
    text: Packed<5>,
    action: Action,
    deed: Deed,
    latency_ms: i32,
    /// Hash of what was typed, where that is new each time.
    input: Option<u64>,
}

const ID: usize = 0;
const USER: usize = 1;
const SESSION: usize = 2;
const DEVICE: usize = 3;
const ADDRESS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    View,
    Failed,
    Login,
    PayeeChange,
    Input,
    Other,
}

/// A partition's part of a window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum BankingPart {
    /// Of an address.
    Address(Window, String, Logins),
    /// Of a device.
    Device(Window, String, DeviceLogins),
}

impl Part for BankingPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        let (Self::Address(_, group, _) | Self::Device(_, group, _)) = self;
        Packet::new(super::ADDRESSES_AND_DEVICES, hash(group), self)
    }
}

/// What banking logic looks things up in, shared by all partitions.
#[derive(Debug)]
pub struct Lookups {
    /// GeoIP.
    pub places: Places,
    /// Devices and accounts.
    pub enrichment: EnrichmentStore,
}

/// Logic of one partition.
#[derive(Debug)]
pub struct Banking {
    lookups: Arc<Lookups>,
    accounts: KeyedState<Arc<str>, Box<Account>>,
    sessions: KeyedState<Arc<str>, Box<Session>>,
    logins: Windows<String, Logins>,
    devices: Windows<String, DeviceLogins>,
    features: Features,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Account {
    history: AccountHistory,
    travel: ImpossibleTravel,
    guessing: SlowBruteForce,
    replay: ReplayedInput,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Session {
    known: bool,
    takeover: AccountTakeover,
    hijack: SessionHijack,
    speed: MachineSpeedInput,
    travelled: bool,
    /// What was looked up last, so that it is not looked up again; no state.
    #[serde(skip)]
    place: Option<(u64, Option<&'static Country>)>,
}

impl State for Account {
    fn heap(&self) -> usize {
        let Self {
            history,
            travel,
            guessing,
            replay,
        } = self;
        history.heap() + travel.heap() + guessing.heap() + replay.heap()
    }
}

impl State for Session {
    fn heap(&self) -> usize {
        self.speed.heap()
    }
}

impl Banking {
    /// Logic without state. Windows take events for `lateness_ms` after they closed.
    #[must_use]
    pub fn new(lookups: Arc<Lookups>, lateness_ms: i64) -> Self {
        let devices = WindowSpec::tumbling(mule_device::WINDOW_MS);
        Self {
            lookups,
            accounts: KeyedState::new(ACCOUNT_TTL_MS),
            sessions: KeyedState::new(SESSION_TTL_MS),
            logins: Windows::new(credential_stuffing::windows(), lateness_ms),
            devices: Windows::new(devices, lateness_ms),
            features: Features::new(),
        }
    }

    /// The same, with what there is no room for on disk.
    #[must_use]
    pub fn within(mut self, room: &Arc<Spill>) -> Self {
        self.accounts = self.accounts.within(room);
        self.sessions = self.sessions.within(room);
        self.features = self.features.within(room);
        self
    }

    /// Counts a login attempt; false if the event is none.
    fn count(&mut self, at: EventTime, event: &BankingEvent) -> bool {
        let account = hash(event.text.get(USER));
        let address = event.text.get(ADDRESS);
        match event.action {
            Action::Failed => self.logins.pane(at, address).fail(at, account),
            Action::Login => {
                self.logins.pane(at, address).succeed(account);
                self.devices.pane(at, event.text.get(DEVICE)).add(account);
            }
            _ => return false,
        }
        true
    }

    /// The rules over the account's visits. Events before a login tell nothing about the customer: anyone
    /// can open the login page or mistype a password.
    fn judge_visit(&mut self, at: EventTime, event: &BankingEvent) -> [Option<Finding>; 2] {
        let Self {
            lookups,
            accounts,
            sessions,
            ..
        } = self;
        let session = sessions.at(event.text.get(SESSION), at);
        if matches!(event.action, Action::View | Action::Failed) {
            return [None, None];
        }
        let account = accounts.at(event.text.get(USER), at);
        let (device, address) = (event.text.get(DEVICE), event.text.get(ADDRESS));
        let address_hash = hash(address);
        if !session.known {
            session.known = true;
            let novelty = account.history.session(at, hash(device), address_hash);
            session.takeover.begin(at, novelty);
        }
        let mut takeover = None;
        if event.action == Action::PayeeChange {
            let standing = lookups.enrichment.standing(device, event.text.get(USER));
            takeover = session
                .takeover
                .payee_change(at, standing, event.text.get(ID));
        }
        let country = match session.place {
            Some((of, country)) if of == address_hash => country,
            _ => {
                let country = lookups.places.country(address);
                session.place = Some((address_hash, country));
                country
            }
        };
        let mut travel = None;
        if let Some(country) = country.filter(|_| !session.travelled) {
            let nearest = |of: &Country| lookups.places.nearest(of);
            travel = account
                .travel
                .event(at, hash(device), country, nearest, event.text.get(ID));
            session.travelled = travel.is_some();
        }
        [takeover, travel]
    }

    /// The rules over what the session itself shows.
    fn judge_session(&mut self, at: EventTime, event: &BankingEvent) -> [Option<Finding>; 2] {
        let id = event.text.get(ID);
        let (device, address) = (hash(event.text.get(DEVICE)), hash(event.text.get(ADDRESS)));
        let session = self.sessions.at(event.text.get(SESSION), at);
        let hijack = session.hijack.event(at, device, address, id);
        let mut speed = session.speed.event(at, event.latency_ms, id);
        if speed.is_none() && event.action == Action::Input {
            speed = session.speed.field(at, event.latency_ms, id);
        }
        [hijack, speed]
    }

    /// The rules over single events of the account, whatever session they are in.
    fn judge_account(&mut self, at: EventTime, event: &BankingEvent) -> Option<Finding> {
        let (id, user) = (event.text.get(ID), event.text.get(USER));
        if event.action == Action::Failed {
            let address = hash(event.text.get(ADDRESS));
            return self.accounts.at(user, at).guessing.failure(at, address, id);
        }
        let input = event.input?;
        let session = hash(event.text.get(SESSION));
        self.accounts
            .at(user, at)
            .replay
            .input(at, input, session, id)
    }
}

impl Logic for Banking {
    type Event = BankingEvent;
    type Partial = Routed<BankingPart>;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, BankingEvent), String> {
        let (_, body) = split_frame(value).map_err(|error| error.to_string())?;
        let event = BankingUiEvent::decode_body(body).map_err(|error| error.to_string())?;
        let at = plausible(event.timestamp)?;
        let action = match event.event_type {
            event_type::LOGIN_VIEW => Action::View,
            event_type::LOGIN_FAILED => Action::Failed,
            event_type::LOGIN_SUCCESS => Action::Login,
            event_type::PAYEE_CHANGE => Action::PayeeChange,
            event_type::FIELD_INPUT => Action::Input,
            _ => Action::Other,
        };
        let input = event
            .input_hash
            .filter(|_| action == Action::Input)
            .filter(|_| replayed_input::is_new_each_time(event.element_id))
            .map(hash);
        let deed = Deed::of(&event);
        let texts = [
            event.event_id,
            event.user_id,
            event.session_id,
            event.device_fingerprint,
            event.ip_address,
        ];
        Packed::new(texts)
            .map(|text| {
                (
                    at,
                    BankingEvent {
                        text,
                        action,
                        deed,
                        latency_ms: event.latency_ms,
                        input,
                    },
                )
            })
            .ok_or_else(|| "the event's texts are longer than 64 KiB".to_owned())
    }

    fn event(
        &mut self,
        at: EventTime,
        event: BankingEvent,
        emit: &mut Emit<Routed<BankingPart>, Output>,
    ) {
        self.count(at, &event);
        let act = act(&event);
        let case = self.features.event(at, &act);
        emit.outputs
            .extend(case.map(|case| Output::Case(Box::new(case))));
        let [takeover, travel] = self.judge_visit(at, &event);
        let [hijack, speed] = self.judge_session(at, &event);
        let account = self.judge_account(at, &event);
        let found = [takeover, travel, hijack, speed, account];
        for finding in found.into_iter().flatten() {
            if finding.kind == Some(Kind::AccountTakeover) {
                let part = took_over(at, &event, finding);
                emit.partials.push(Routed::Actor(part));
            } else {
                emit.outputs
                    .push(alert(finding, KeyType::User, event.text.get(USER)));
            }
        }
    }

    fn late_event(
        &mut self,
        at: EventTime,
        event: BankingEvent,
        emit: &mut Emit<Routed<BankingPart>, Output>,
    ) {
        // Sessions have moved on; counts can still be put right.
        if self.count(at, &event) {
            let partials = &mut emit.partials;
            let address = event.text.get(ADDRESS).to_owned();
            self.logins.correct(at, &address, |window, address, parts| {
                let part = BankingPart::Address(window, address.clone(), parts.merged());
                partials.push(Routed::Own(part));
            });
            let device = event.text.get(DEVICE).to_owned();
            self.devices.correct(at, &device, |window, device, parts| {
                let part = BankingPart::Device(window, device.clone(), parts.merged());
                partials.push(Routed::Own(part));
            });
        }
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<Routed<BankingPart>, Output>) {
        let partials = &mut emit.partials;
        self.logins.close(to, |window, address, parts| {
            let part = BankingPart::Address(window, address.clone(), parts.merged());
            partials.push(Routed::Own(part));
        });
        self.devices.close(to, |window, device, parts| {
            let part = BankingPart::Device(window, device.clone(), parts.merged());
            partials.push(Routed::Own(part));
        });
        self.sessions.sweep(to);
        self.accounts.sweep(to);
        self.features.sweep(to);
    }

    fn size(&self) -> StateSize {
        let mut size = self.accounts.size();
        size.add(self.sessions.size());
        size.add(self.features.size());
        size
    }
}

impl Saved for Banking {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(together([
            self.accounts.freeze()?,
            self.sessions.freeze()?,
            self.logins.freeze(),
            self.devices.freeze(),
            self.features.freeze()?,
        ]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.accounts.load(from)?;
        self.sessions.load(from)?;
        (self.logins, self.devices) = from.get()?;
        self.features.load(from)
    }
}

/// The event as the features of fraud see it.
fn act(event: &BankingEvent) -> Act<'_> {
    Act {
        session: event.text.get(SESSION),
        user: event.text.get(USER),
        device: event.text.get(DEVICE),
        address: event.text.get(ADDRESS),
        deed: event.deed,
        latency_ms: event.latency_ms,
    }
}

/// A takeover, which may be the second half of something larger.
fn took_over(at: EventTime, event: &BankingEvent, finding: Finding) -> ActorPart {
    let address = event.text.get(ADDRESS);
    let held = |finding: Finding| {
        HeldAlert(Box::new(
            finding.into_alert(TypedKey::new(KeyType::User, event.text.get(USER))),
        ))
    };
    let joined = bot_then_takeover::joined(&finding, address);
    ActorPart::TookOver(hash(address), at, held(finding), held(joined))
}

fn hash(text: &str) -> u64 {
    Fnv::new().text(text).short()
}

#[cfg(test)]
mod tests;
