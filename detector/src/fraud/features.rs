//! What the log says about sessions and accounts: the state behind a [`Case`].
//!
//! Time is event time, and events come in its order. Nothing that is looked up gets in here: addresses are
//! kept as addresses, and where they are is asked when a case is scored.

use std::{collections::VecDeque, sync::Arc};

use floodmark_contracts::{
    clock::EventTime,
    event::banking::{BankingUiEvent, event_type},
    status::StateSize,
};
use serde::{Deserialize, Serialize};

use super::{
    case::{Case, Stop},
    vector::{Feature, Vector},
};
use crate::{
    hash::Fnv,
    runtime::{
        Frozen, KeyedState, Reader, Saved as _, SavedError, Spill, State, heap_of, together,
    },
};

/// A session's state is kept this long after its last event, an account's this long.
const SESSION_TTL_MS: i64 = 30 * 60_000;
const ACCOUNT_TTL_MS: i64 = 7 * 24 * 3_600_000;

/// Devices, addresses and payees remembered of an account; the oldest goes.
const KNOWN: usize = 16;
/// Hashes of inputs remembered of an account: a recorded session has a handful.
const TYPED: usize = 48;
/// Places, failed logins and beginnings of sessions remembered of an account.
const STOPS: usize = 3;
const FAILURES: usize = 32;
const STARTS: usize = 16;

/// An input faster than this was not typed by a person.
const QUICK_MS: i32 = 40;
/// Spread of the logarithm of one person's latencies; the catalogue's people have about this one.
const RHYTHM_SPREAD: f64 = 0.6;
/// Latencies of an account after which older ones count less.
const RHYTHM_MEMORY: f64 = 200.0;

const QUARTER_MS: i64 = 15 * 60_000;
const HOUR_MS: i64 = 3_600_000;
const MANY_SESSIONS: u32 = 50;

/// An event of a customer, or of somebody in the customer's place.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// The session.
    pub session: &'a str,
    /// The account.
    pub user: &'a str,
    /// The device.
    pub device: &'a str,
    /// The address.
    pub address: &'a str,
    /// What was done.
    pub deed: Deed,
    /// Time since the input before, in milliseconds.
    pub latency_ms: i32,
}

/// What was done, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// The login page was opened.
    View,
    /// A login failed.
    FailedLogin,
    /// A login succeeded.
    Login,
    /// Something was typed into a field; its hash, if there is one.
    Input(Typed),
    /// The list of payees was changed.
    PayeeChange,
    /// Money was sent.
    Transfer,
    /// Anything else.
    Other,
}

/// The hash of what was typed into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Typed {
    /// Nothing, or nothing that is told.
    Nothing,
    /// Something that names a payee: it repeats in the customer's own sessions.
    Payee(u64),
    /// Anything else: by the catalogue, ordinary hashes of it never repeat.
    Other(u64),
}

impl Deed {
    /// What an event did.
    #[must_use]
    pub fn of(event: &BankingUiEvent<'_>) -> Self {
        match event.event_type {
            event_type::LOGIN_VIEW => Self::View,
            event_type::LOGIN_FAILED => Self::FailedLogin,
            event_type::LOGIN_SUCCESS => Self::Login,
            event_type::FIELD_INPUT => Self::Input(Typed::new(event.element_id, event.input_hash)),
            event_type::PAYEE_CHANGE => Self::PayeeChange,
            event_type::TRANSFER => Self::Transfer,
            _ => Self::Other,
        }
    }
}

impl Typed {
    /// What was typed into an element of the page.
    #[must_use]
    pub fn new(element: &str, hash: Option<&str>) -> Self {
        match hash.map(|text| Fnv::new().text(element).text(text).short()) {
            None => Self::Nothing,
            Some(hash) if matches!(element, "iban" | "payee-name") => Self::Payee(hash),
            Some(hash) => Self::Other(hash),
        }
    }
}

/// State of one partition's sessions and accounts.
#[derive(Debug)]
pub struct Features {
    accounts: KeyedState<Arc<str>, Box<Account>>,
    sessions: KeyedState<Arc<str>, Box<Session>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Account {
    sessions: u32,
    devices: Memory<KNOWN>,
    addresses: Memory<KNOWN>,
    payees: Memory<KNOWN>,
    typed: Memory<TYPED>,
    rhythm: Rhythm,
    stops: VecDeque<Stop>,
    failures: VecDeque<EventTime>,
    starts: VecDeque<EventTime>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Session {
    start: Option<Start>,
    other_device: u32,
    other_address: u32,
    payee_changes: u32,
    transfers: u32,
    inputs: u32,
    strange_payees: u32,
    known_payees: u32,
    repeated: u32,
    quick: u32,
    rhythm: Rhythm,
    /// What this session typed: it is the account's only once the session is over, or what is typed twice in
    /// one session would look like a replay.
    typed: Vec<u64>,
    payees: Vec<u64>,
}

impl State for Account {
    fn heap(&self) -> usize {
        let known = [
            &self.devices.0,
            &self.addresses.0,
            &self.payees.0,
            &self.typed.0,
        ];
        let stops = self.stops.iter().map(|stop| stop.address.capacity());
        known.map(heap_of).iter().sum::<usize>()
            + heap_of(&self.stops)
            + stops.sum::<usize>()
            + heap_of(&self.failures)
            + heap_of(&self.starts)
    }
}

impl State for Session {
    fn heap(&self) -> usize {
        heap_of(&self.typed) + heap_of(&self.payees)
    }
}

/// What a session's first event past the login tells, once and for all.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Start {
    device: u64,
    address: u64,
    earlier: u32,
    new_device: bool,
    new_address: bool,
    lately: u32,
}

impl Features {
    /// No sessions yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            accounts: KeyedState::new(ACCOUNT_TTL_MS),
            sessions: KeyedState::new(SESSION_TTL_MS),
        }
    }

    /// The same, with what there is no room for on disk.
    #[must_use]
    pub fn within(mut self, room: &Arc<Spill>) -> Self {
        self.accounts = self.accounts.within(room);
        self.sessions = self.sessions.within(room);
        self
    }

    /// How much state there is.
    #[must_use]
    pub fn size(&self) -> StateSize {
        let mut size = self.accounts.size();
        size.add(self.sessions.size());
        size
    }

    /// Takes an event; a case, if the session is to be scored now. When that is depends on the log alone.
    pub fn event(&mut self, at: EventTime, act: &Act<'_>) -> Option<Case> {
        if act.deed == Deed::View {
            // Anyone can open the login page.
            return None;
        }
        let account = self.accounts.at(act.user, at);
        if act.deed == Deed::FailedLogin {
            keep(&mut account.failures, at, FAILURES);
            return None;
        }
        let session = self.sessions.at(act.session, at);
        let is_due = session.act(at, act, account);
        account.visited(at, act.address);
        is_due.then(|| {
            let vector = session.vector(at, account);
            case(at, act, vector, account)
        })
    }

    /// Drops what has expired at `now`.
    pub fn sweep(&mut self, now: EventTime) {
        self.sessions.sweep(now);
        self.accounts.sweep(now);
    }

    /// The state as it is now.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(together([self.accounts.freeze()?, self.sessions.freeze()?]))
    }

    /// Takes the state over.
    ///
    /// # Errors
    /// If the bytes are no state of this.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.accounts.load(from)?;
        self.sessions.load(from)
    }
}

fn case(at: EventTime, act: &Act<'_>, vector: Vector, account: &Account) -> Case {
    Case {
        session_id: act.session.to_owned(),
        user_id: act.user.to_owned(),
        device: act.device.to_owned(),
        at,
        vector,
        address: act.address.to_owned(),
        // The newest one is this event's.
        stops: account.stops.iter().rev().skip(1).cloned().collect(),
        trace: None,
    }
}

impl Session {
    /// Takes an event past the login. True if it says something new about the session: its first one, what
    /// contradicts its beginning, inputs once they are enough to tell, and whatever moves money.
    fn act(&mut self, at: EventTime, act: &Act<'_>, account: &mut Account) -> bool {
        let (device, address) = (hash(act.device), hash(act.address));
        let mut is_due = false;
        match &self.start {
            None => {
                self.start = Some(account.begin(at, device, address));
                is_due = true;
            }
            Some(start) => {
                self.other_device += u32::from(start.device != device);
                self.other_address += u32::from(start.address != address);
                is_due |= start.device != device && matches!(self.other_device, 1 | 3);
                is_due |= start.address != address && self.other_address == 1;
            }
        }
        if act.deed != Deed::Login {
            let latency = f64::from(act.latency_ms.max(1));
            self.rhythm.add(latency);
            account.rhythm.add(latency);
            let quick = act.latency_ms < QUICK_MS;
            self.quick += u32::from(quick);
            is_due |= quick && matches!(self.quick, 3 | 6);
        }
        is_due | self.deed(act.deed, account)
    }

    fn deed(&mut self, deed: Deed, account: &mut Account) -> bool {
        match deed {
            Deed::PayeeChange => {
                self.payee_changes += 1;
                self.payee_changes <= 4
            }
            Deed::Transfer => {
                self.transfers += 1;
                // From here on the account knows whom it paid, and what was typed for it.
                for payee in self.payees.drain(..) {
                    account.payees.add(payee);
                }
                for typed in self.typed.drain(..) {
                    account.typed.add(typed);
                }
                self.transfers <= 4
            }
            Deed::Input(typed) => {
                self.inputs += 1;
                let repeated = self.typed(typed, account);
                (repeated && self.repeated <= 3) || matches!(self.inputs, 3 | 6 | 12)
            }
            _ => false,
        }
    }

    /// True if the input repeats one of an earlier session.
    fn typed(&mut self, typed: Typed, account: &Account) -> bool {
        match typed {
            Typed::Nothing => false,
            Typed::Payee(hash) => {
                let known = account.payees.knows(hash);
                self.known_payees += u32::from(known);
                // Of an account that never paid anybody, nobody is strange to it.
                self.strange_payees += u32::from(!known && !account.payees.is_empty());
                push(&mut self.payees, hash);
                false
            }
            Typed::Other(hash) => {
                let repeated = account.typed.knows(hash);
                self.repeated += u32::from(repeated);
                push(&mut self.typed, hash);
                repeated
            }
        }
    }

    fn vector(&self, at: EventTime, account: &Account) -> Vector {
        use Feature as F;
        let mut vector = Vector::default();
        let Some(start) = &self.start else {
            return vector;
        };
        let lately = |times: &VecDeque<EventTime>, span_ms: i64| {
            let count = times.iter().filter(|time| at.since(**time) <= span_ms);
            u32::try_from(count.count()).unwrap_or(u32::MAX)
        };
        for (feature, count) in [
            (F::EarlierSessions, start.earlier.min(MANY_SESSIONS)),
            (F::NewDevice, u32::from(start.new_device)),
            (F::NewAddress, u32::from(start.new_address)),
            (F::OtherDevice, self.other_device),
            (F::OtherAddress, self.other_address),
            (F::PayeeChanges, self.payee_changes),
            (F::Transfers, self.transfers),
            (F::Inputs, self.inputs),
            (F::StrangePayees, self.strange_payees),
            (F::KnownPayees, self.known_payees),
            (F::RepeatedInputs, self.repeated),
            (F::QuickInputs, self.quick),
            (F::FailedLately, lately(&account.failures, QUARTER_MS)),
            (F::SessionsLately, start.lately),
        ] {
            vector.set(feature, count);
        }
        vector.set(F::MeanLatency, self.rhythm.mean_ms());
        vector.set(F::RhythmShift, self.rhythm.shift_from(&account.rhythm));
        vector
    }
}

impl Account {
    fn begin(&mut self, at: EventTime, device: u64, address: u64) -> Start {
        let new_device = self.devices.add(device);
        let new_address = self.addresses.add(address);
        let lately = self
            .starts
            .iter()
            .filter(|time| at.since(**time) <= HOUR_MS);
        let start = Start {
            device,
            address,
            earlier: self.sessions,
            new_device: new_device && self.sessions > 0,
            new_address: new_address && self.sessions > 0,
            lately: u32::try_from(lately.count()).unwrap_or(u32::MAX),
        };
        self.sessions = self.sessions.saturating_add(1);
        keep(&mut self.starts, at, STARTS);
        start
    }

    /// Takes note of where the account is. Its newest place is the last one.
    fn visited(&mut self, at: EventTime, address: &str) {
        match self.stops.back_mut() {
            Some(stop) if stop.address == address => stop.at = at,
            _ => {
                let address = address.to_owned();
                // One more than are looked at: the newest is where the account is now.
                keep(&mut self.stops, Stop { address, at }, STOPS + 1);
            }
        }
    }
}

/// Mean of the logarithms of latencies, the older ones fading where there are many.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Rhythm {
    count: f64,
    mean: f64,
}

impl Rhythm {
    fn add(&mut self, latency_ms: f64) {
        self.count = (self.count + 1.0).min(RHYTHM_MEMORY);
        self.mean += (libm::log(latency_ms) - self.mean) / self.count;
    }

    fn mean_ms(&self) -> f64 {
        if self.count == 0.0 {
            return -1.0;
        }
        libm::exp(self.mean).round()
    }

    /// Difference of the means in spreads of the difference. The account's mean holds this session too;
    /// the rest of it is what this one is compared with.
    fn shift_from(&self, account: &Self) -> f64 {
        let rest = account.count - self.count;
        if self.count < 2.0 || rest < 5.0 {
            return 0.0;
        }
        let mean = (account.mean * account.count - self.mean * self.count) / rest;
        let weight = self.count * rest / (self.count + rest);
        let shift = (self.mean - mean) * weight.sqrt() / RHYTHM_SPREAD;
        (shift * 100.0).round() / 100.0
    }
}

/// The last `N` different hashes, in the order of their use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Memory<const N: usize>(Vec<u64>);

impl<const N: usize> Memory<N> {
    /// Adds one; true if it was not there.
    fn add(&mut self, hash: u64) -> bool {
        let found = self.0.iter().position(|known| *known == hash);
        match found {
            // Last used, last to go.
            Some(place) => self.0[place..].rotate_left(1),
            None => {
                if self.0.len() >= N {
                    self.0.remove(0);
                }
                self.0.push(hash);
            }
        }
        found.is_none()
    }

    fn knows(&self, hash: u64) -> bool {
        self.0.contains(&hash)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Adds to what a session typed, up to what an account would remember.
fn push(typed: &mut Vec<u64>, hash: u64) {
    if typed.len() < TYPED {
        typed.push(hash);
    }
}

fn keep<T>(last: &mut VecDeque<T>, item: T, most: usize) {
    if last.len() >= most {
        last.pop_front();
    }
    last.push_back(item);
}

fn hash(text: &str) -> u64 {
    Fnv::new().text(text).short()
}

#[cfg(test)]
mod tests;
