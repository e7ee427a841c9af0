//! A session from a device and an address that are both new to an account with a history, and in it
//! a change of payees.
//!
//! Each of these alone is ordinary. With a short history even all three are: a customer who was seen once,
//! from a mobile network, comes home to another device. What tells then is the time that the session
//! takes, a customer with an errand changes the payee within a minute, while a thief looks round first; and that the
//! customer has been there right before: nobody changes device and place within minutes.
//! Enrichment, where it is known, moves the score by a little and
//! never decides: it is drawn for the whole population, good and bad.

use floodmark_contracts::{clock::EventTime, enrichment::AccountStatus, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{finding::Finding, runtime::heap_of};

/// Devices and addresses remembered per account; the oldest goes.
const MEMORY: usize = 16;

/// Sessions after which an account's devices and addresses are known well enough for the rest not to
/// matter: a second device makes one visit in five to ten, if there is one.
const KNOWN_SESSIONS: u32 = 6;

/// From one session to the change of payees, for accounts with two sessions or more before it. Customers
/// need 35 s in the mean with a spread of 12.
const LINGERING_MS: i64 = 60_000;

/// The same for accounts with a single session before it, which says next to nothing.
const LONG_LINGERING_MS: i64 = 90_000;

/// From the beginning of the account's session before to that of the strange one, for accounts that are not known
/// well.
const RIGHT_BEFORE_MS: i64 = 12 * 60_000;

/// Score without enrichment: for a change of payees, and for a transfer after it.
const PAYEE_SCORE: f64 = 0.8;

/// How far a device's risk, from 0 to 1, moves the score around its middle.
const RISK_WEIGHT: f64 = 0.2;

/// What a status adds: dormant accounts are preferred by thieves.
const DORMANT_SCORE: f64 = 0.05;

/// What is known about an account, over its sessions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AccountHistory {
    devices: Vec<u64>,
    addresses: Vec<u64>,
    sessions: u32,
    last: Option<EventTime>,
}

/// What is new about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Novelty {
    /// The device, to an account that was seen before.
    pub device: bool,
    /// The address, likewise.
    pub address: bool,
    /// Sessions that the account had before.
    pub sessions: u32,
    /// Time since the beginning of the last of them.
    pub since_ms: Option<i64>,
}

/// What the enrichment says about a session. Without an entry the risk counts as middling and the
/// account as active.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// Risk of the device, from 0 to 1.
    pub device_risk: Option<f64>,
    /// Status of the account.
    pub status: Option<AccountStatus>,
}

impl AccountHistory {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.devices) + heap_of(&self.addresses)
    }

    /// Takes a session's device and address at its first event; what is new about them.
    pub fn session(&mut self, at: EventTime, device: u64, address: u64) -> Novelty {
        let sessions = self.sessions;
        self.sessions = sessions.saturating_add(1);
        let last = self.last.replace(at);
        let new_device = remember(&mut self.devices, device);
        let new_address = remember(&mut self.addresses, address);
        Novelty {
            device: new_device && sessions > 0,
            address: new_address && sessions > 0,
            sessions,
            since_ms: last.map(|last| at.since(last)),
        }
    }
}

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AccountTakeover {
    /// Time of the session's first event, and the account's sessions before it, if device and
    /// address are new to the account, and enough is known of it.
    strange: Option<(EventTime, u32)>,
    found: bool,
}

impl AccountTakeover {
    /// Takes the session's first event.
    pub fn begin(&mut self, at: EventTime, novelty: Novelty) {
        let known = novelty.sessions >= KNOWN_SESSIONS;
        let right_before = novelty.since_ms.is_some_and(|ms| ms <= RIGHT_BEFORE_MS);
        if novelty.device && novelty.address && (known || right_before) {
            self.strange = Some((at, novelty.sessions));
        }
    }

    /// Takes a change of payees in the session; a finding if it is a strange session, once.
    pub fn payee_change(
        &mut self,
        at: EventTime,
        standing: Standing,
        event_id: &str,
    ) -> Option<Finding> {
        let (since, sessions) = self.strange?;
        let patience_ms = match sessions {
            KNOWN_SESSIONS.. => 0,
            2.. => LINGERING_MS,
            _ => LONG_LINGERING_MS,
        };
        if at.since(since) < patience_ms || std::mem::replace(&mut self.found, true) {
            return None;
        }
        let risk = standing.device_risk.unwrap_or(0.5);
        let dormant = standing.status == Some(AccountStatus::Dormant);
        let score =
            PAYEE_SCORE + RISK_WEIGHT * (risk - 0.5) + if dormant { DORMANT_SCORE } else { 0.0 };
        let mut finding = Finding::at("strange-session", Kind::AccountTakeover, at)
            .score(score)
            .event(event_id)
            .evidence("new_device", true)
            .evidence("new_address", true)
            .evidence("sessions_before", sessions)
            .evidence("after_ms", at.since(since));
        if let Some(risk) = standing.device_risk {
            finding = finding.evidence("device_risk", risk);
        }
        Some(finding)
    }
}

/// Adds to a short memory; true if it was not there.
fn remember(memory: &mut Vec<u64>, item: u64) -> bool {
    if let Some(place) = memory.iter().position(|known| *known == item) {
        // Last used, last to go.
        memory[place..].rotate_left(1);
        return false;
    }
    if memory.len() >= MEMORY {
        memory.remove(0);
    }
    memory.push(item);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions as device and address; whether the last is strange.
    fn check(sessions: &[(u64, u64)], expected: bool) {
        let mut history = AccountHistory::default();
        let strange = sessions
            .iter()
            .map(|(device, address)| history.session(EventTime(0), *device, *address))
            .map(|novelty| novelty.device && novelty.address)
            .last();
        assert_eq!(strange, Some(expected), "{sessions:?}");
    }

    #[test]
    fn a_session_is_strange_if_device_and_address_are_new() {
        check(&[(1, 1), (2, 2)], true);
        check(&[(1, 1), (2, 1)], false);
        check(&[(1, 1), (1, 2)], false);
        check(&[(1, 1), (2, 2), (2, 2)], false);
    }

    #[test]
    fn the_first_session_of_an_account_is_not() {
        check(&[(1, 1)], false);
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_used() {
        let mut sessions = vec![(1, 1)];
        for other in 100..130 {
            sessions.extend([(other, other), (1, 1)]);
        }
        check(&sessions, false);
        sessions.push((100, 100));
        check(&sessions, true);
    }

    /// A session that began strangely at 5, on an account with so many sessions before.
    fn strange(sessions: u32) -> AccountTakeover {
        let mut rule = AccountTakeover::default();
        let novelty = Novelty {
            device: true,
            address: true,
            sessions,
            since_ms: Some(RIGHT_BEFORE_MS),
        };
        rule.begin(EventTime(5), novelty);
        rule
    }

    #[test]
    fn with_a_short_history_only_a_session_that_lingers_is_found() {
        for (sessions, seconds, found) in [
            (1, 60, false),
            (1, 95, true),
            (2, 55, false),
            (5, 65, true),
            (6, 10, true),
        ] {
            let at = EventTime(5 + seconds * 1000);
            let finding = strange(sessions).payee_change(at, Standing::default(), "e");
            assert_eq!(finding.is_some(), found, "{sessions} {seconds}");
        }
    }

    #[test]
    fn with_a_short_history_the_customer_must_have_been_there_right_before() {
        for (sessions, minutes, found) in [(5, 11, true), (5, 13, false), (6, 13, true)] {
            let mut history = AccountHistory::default();
            for number in 0..sessions {
                history.session(EventTime(number), 1, 1);
            }
            let at = EventTime(minutes * 60_000);
            let mut rule = AccountTakeover::default();
            rule.begin(at, history.session(at, 2, 2));
            let change = at.plus_ms(100_000);
            let finding = rule.payee_change(change, Standing::default(), "e");
            assert_eq!(finding.is_some(), found, "{sessions} {minutes}");
        }
    }

    #[test]
    fn a_change_of_payees_in_a_strange_session_is_found_once() {
        let mut rule = strange(KNOWN_SESSIONS);
        let found = rule
            .payee_change(EventTime(9), Standing::default(), "e")
            .unwrap();
        assert_eq!((found.start, found.end), (EventTime(9), EventTime(9)));
        assert_eq!(
            rule.payee_change(EventTime(10), Standing::default(), "f"),
            None
        );
        let mut ordinary = AccountTakeover::default();
        assert_eq!(
            ordinary.payee_change(EventTime(9), Standing::default(), "e"),
            None
        );
    }

    #[test]
    fn enrichment_moves_the_score_and_never_decides() {
        let score = |device_risk, status| {
            strange(KNOWN_SESSIONS)
                .payee_change(
                    EventTime(9),
                    Standing {
                        device_risk,
                        status,
                    },
                    "e",
                )
                .unwrap()
                .score
        };
        let without = score(None, None);
        assert!(score(Some(1.0), None) > without);
        assert!(score(Some(0.0), None) < without);
        assert!(score(None, Some(AccountStatus::Dormant)) > without);
        assert_eq!(score(Some(0.5), Some(AccountStatus::Active)), without);
    }
}
