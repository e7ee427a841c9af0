//! A session from a device and an address that are both new to an account with a history, and in it
//! a change of payees.
//!
//! Each of these alone is ordinary. Enrichment, where it is known, moves the score by a little and
//! never decides: it is drawn for the whole population, good and bad.

use floodmark_contracts::{clock::EventTime, enrichment::AccountStatus, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// Devices and addresses remembered per account; the oldest goes.
const MEMORY: usize = 16;

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
    /// Takes a session's device and address at its first event; true if both are new to an account
    /// with a history.
    pub fn session(&mut self, device: u64, address: u64) -> bool {
        let history = !self.devices.is_empty();
        let new_device = remember(&mut self.devices, device);
        let new_address = remember(&mut self.addresses, address);
        history && new_device && new_address
    }
}

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AccountTakeover {
    /// Time of the session's first event, if its device and address are new to the account.
    pub strange_since: Option<EventTime>,
    found: bool,
}

impl AccountTakeover {
    /// Takes a change of payees in the session; a finding if it is a strange session, once.
    pub fn payee_change(
        &mut self,
        at: EventTime,
        standing: Standing,
        event_id: &str,
    ) -> Option<Finding> {
        let since = self.strange_since?;
        if std::mem::replace(&mut self.found, true) {
            return None;
        }
        let risk = standing.device_risk.unwrap_or(0.5);
        let dormant = standing.status == Some(AccountStatus::Dormant);
        let score =
            PAYEE_SCORE + RISK_WEIGHT * (risk - 0.5) + if dormant { DORMANT_SCORE } else { 0.0 };
        let mut finding = Finding::between("strange-session", Kind::AccountTakeover, since, at)
            .score(score)
            .event(event_id)
            .evidence("new_device", true)
            .evidence("new_address", true);
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
            .map(|(device, address)| history.session(*device, *address))
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

    #[test]
    fn a_change_of_payees_in_a_strange_session_is_found_once() {
        let mut rule = AccountTakeover {
            strange_since: Some(EventTime(5)),
            found: false,
        };
        let found = rule
            .payee_change(EventTime(9), Standing::default(), "e")
            .unwrap();
        assert_eq!((found.start, found.end), (EventTime(5), EventTime(9)));
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
            let mut rule = AccountTakeover {
                strange_since: Some(EventTime(5)),
                found: false,
            };
            rule.payee_change(
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
