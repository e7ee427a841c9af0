//! Banking: takeovers, journeys and typing speed per account, failed logins per address.
//!
//! The topic is keyed by account holder. Addresses are shared between accounts, so their counts are
//! put together by the merger.

use std::sync::Arc;

use floodmark_contracts::{
    alert::FraudFlag,
    clock::EventTime,
    event::{
        banking::{BankingUiEvent, event_type},
        confluent::split_frame,
    },
    geo::Country,
    key::KeyType,
};
use serde::{Deserialize, Serialize};

use super::alert;
use crate::{
    enrichment::EnrichmentStore,
    finding::{Finding, Output},
    hash::Fnv,
    pack::Packed,
    places::Places,
    rules::{
        account_takeover::{AccountHistory, AccountTakeover},
        credential_stuffing::{self, Logins},
        impossible_travel::ImpossibleTravel,
        machine_speed_input::MachineSpeedInput,
    },
    runtime::{
        Emit, KeyedState, Logic, MergedWindows, Merger, Once, Reader, Saved, SavedError, Window,
        WindowSpec, Windows, Writer, merge::Accepted, plausible,
    },
};

/// A session's state is kept this long after its last event.
const SESSION_TTL_MS: i64 = 30 * 60_000;

/// An account's devices, addresses and place are kept this long after its last event.
const ACCOUNT_TTL_MS: i64 = 7 * 24 * 3_600_000;

/// An event that waits for its turn.
#[derive(Debug, Serialize, Deserialize)]
pub struct BankingEvent {
    text: Packed<5>,
    action: Action,
    latency_ms: i32,
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
    Other,
}

/// An address's part of a window.
pub type AddressPart = (Window, String, Logins);

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
    accounts: KeyedState<Arc<str>, Account>,
    sessions: KeyedState<Arc<str>, Session>,
    logins: Windows<String, Logins>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    history: AccountHistory,
    travel: ImpossibleTravel,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Session {
    known: bool,
    takeover: AccountTakeover,
    speed: MachineSpeedInput,
    travelled: bool,
    /// What was looked up last, so that it is not looked up again; no state.
    #[serde(skip)]
    place: Option<(u64, Option<&'static Country>)>,
}

impl Banking {
    /// Logic without state. Windows take events for `lateness_ms` after they closed.
    #[must_use]
    pub fn new(lookups: Arc<Lookups>, lateness_ms: i64) -> Self {
        let spec = WindowSpec::tumbling(credential_stuffing::WINDOW_MS);
        Self {
            lookups,
            accounts: KeyedState::new(ACCOUNT_TTL_MS),
            sessions: KeyedState::new(SESSION_TTL_MS),
            logins: Windows::new(spec, lateness_ms),
        }
    }

    /// Counts a login attempt; false if the event is none.
    fn count(&mut self, at: EventTime, event: &BankingEvent) -> bool {
        let account = hash(event.text.get(USER));
        let address = event.text.get(ADDRESS);
        match event.action {
            Action::Failed => self.logins.pane(at, address).fail(account),
            Action::Login => self.logins.pane(at, address).succeed(account),
            _ => return false,
        }
        true
    }

    /// The rules that need the account's history. Events before a login tell nothing about the
    /// customer: anyone can open the login page or mistype a password.
    fn judge(&mut self, at: EventTime, event: &BankingEvent) -> [Option<Finding>; 2] {
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
            if account.history.session(hash(device), address_hash) {
                session.takeover.strange_since = Some(at);
            }
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
                .event(at, country, nearest, event.text.get(ID));
            session.travelled = travel.is_some();
        }
        [takeover, travel]
    }
}

impl Logic for Banking {
    type Event = BankingEvent;
    type Partial = AddressPart;
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
            _ => Action::Other,
        };
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
                        latency_ms: event.latency_ms,
                    },
                )
            })
            .ok_or_else(|| "the event's texts are longer than 64 KiB".to_owned())
    }

    fn event(&mut self, at: EventTime, event: BankingEvent, emit: &mut Emit<AddressPart, Output>) {
        self.count(at, &event);
        let [takeover, travel] = self.judge(at, &event);
        let id = event.text.get(ID);
        let session = self.sessions.at(event.text.get(SESSION), at);
        let speed = session.speed.event(at, event.latency_ms, id);
        for finding in [takeover, travel, speed].into_iter().flatten() {
            // Sessions may be named by anyone: a comma in one would break the line.
            let session_id = event.text.get(SESSION).replace([',', '\n', '\r'], "_");
            emit.outputs.push(Output::Flag(FraudFlag {
                session_id,
                score: finding.score,
            }));
            emit.outputs
                .push(alert(finding, KeyType::User, event.text.get(USER)));
        }
    }

    fn late_event(
        &mut self,
        at: EventTime,
        event: BankingEvent,
        emit: &mut Emit<AddressPart, Output>,
    ) {
        // Sessions have moved on; counts can still be put right.
        if self.count(at, &event) {
            self.logins.correct(
                at,
                &event.text.get(ADDRESS).to_owned(),
                |window, address, parts| {
                    emit.partials
                        .push((window, address.clone(), parts.merged()));
                },
            );
        }
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<AddressPart, Output>) {
        self.logins.close(to, |window, address, parts| {
            emit.partials
                .push((window, address.clone(), parts.merged()));
        });
        self.sessions.sweep(to);
        self.accounts.sweep(to);
    }
}

impl Saved for Banking {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.accounts, &self.sessions, &self.logins))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.accounts, self.sessions, self.logins) = from.get()?;
        Ok(())
    }
}

fn hash(text: &str) -> u64 {
    Fnv::new().text(text).short()
}

/// Puts the addresses' windows together. A correction can only add failed accounts, so a window is
/// looked at when it closes and again with every correction.
#[derive(Debug)]
pub struct AddressMerger {
    windows: MergedWindows<String, Logins>,
    found: Once<String>,
    lateness_ms: i64,
}

impl AddressMerger {
    /// A merger without state.
    #[must_use]
    pub fn new(lateness_ms: i64) -> Self {
        Self {
            windows: MergedWindows::new(lateness_ms),
            found: Once::default(),
            lateness_ms,
        }
    }
}

impl Merger for AddressMerger {
    type Partial = AddressPart;
    type Output = Output;

    fn accept(&mut self, source: i32, part: AddressPart, out: &mut Vec<Output>) -> bool {
        let (window, address, logins) = part;
        match self.windows.put(source, window, address.clone(), logins) {
            Accepted::Waiting => true,
            Accepted::TooLate => false,
            Accepted::Corrected(logins) => {
                look(&mut self.found, window, &address, &logins, out);
                true
            }
        }
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let Self {
            windows,
            found,
            lateness_ms,
        } = self;
        windows.close(to, |window, addresses| {
            for (address, logins) in addresses {
                look(found, window, &address, &logins, out);
            }
        });
        found.forget(to.plus_ms(-*lateness_ms));
    }
}

impl Saved for AddressMerger {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.windows, &self.found))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.found) = from.get()?;
        Ok(())
    }
}

fn look(
    found: &mut Once<String>,
    window: Window,
    address: &str,
    logins: &Logins,
    out: &mut Vec<Output>,
) {
    if let Some(finding) = credential_stuffing::window(window, logins)
        && found.first(window.end, address.to_owned())
    {
        out.push(alert(finding, KeyType::Ip, address));
    }
}

#[cfg(test)]
mod tests;
