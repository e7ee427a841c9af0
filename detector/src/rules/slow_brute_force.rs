//! Failed logins on one account, few a minute, each from another address.
//!
//! ```text
//! failures of the account in 15 minutes >= 5,  from >= 4 addresses
//! ```
//! No minute and no address shows it: only the account does.

use std::collections::{BTreeSet, VecDeque};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{finding::Finding, runtime::heap_of};

/// Time looked at: guessing that stays under lock-outs of a few an hour takes about this long.
const SPAN_MS: i64 = 15 * 60_000;

/// Failures in it. One visit in ten has one or two, and customers seldom visit twice in this time.
const FAILURES: usize = 5;

/// Different addresses among them. A customer who forgot the password fails from one or two.
const ADDRESSES: usize = 4;

/// Failures that are remembered: more say no more.
const MEMORY: usize = 16;

/// State of the rule for one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SlowBruteForce {
    /// Time and address of the last failures, oldest first.
    recent: VecDeque<(EventTime, u64)>,
    /// Set from an alert until the failures have ceased.
    found: bool,
}

impl SlowBruteForce {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.recent)
    }

    /// Takes a failed login; a finding if it is one too many, once until the failures cease.
    pub fn failure(&mut self, at: EventTime, address: u64, event_id: &str) -> Option<Finding> {
        while self
            .recent
            .front()
            .is_some_and(|(then, _)| at.since(*then) > SPAN_MS)
            || self.recent.len() >= MEMORY
        {
            self.recent.pop_front();
        }
        self.recent.push_back((at, address));
        let addresses: BTreeSet<u64> = self.recent.iter().map(|(_, address)| *address).collect();
        let many = self.recent.len() >= FAILURES && addresses.len() >= ADDRESSES;
        if std::mem::replace(&mut self.found, many) || !many {
            return None;
        }
        let (start, _) = *self.recent.front()?;
        Some(
            Finding::between("account-failures", Kind::SlowBruteForce, start, at)
                .score(0.9)
                .event(event_id)
                .evidence("failures", self.recent.len())
                .evidence("addresses", addresses.len()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failures as minute and address; the minutes that alert.
    fn check(failures: &[(i64, u64)], expected: &[i64]) {
        let mut rule = SlowBruteForce::default();
        let found: Vec<i64> = failures
            .iter()
            .filter(|(minute, address)| {
                rule.failure(EventTime(minute * 60_000), *address, "e")
                    .is_some()
            })
            .map(|(minute, _)| *minute)
            .collect();
        assert_eq!(found, expected, "{failures:?}");
    }

    #[test]
    fn a_dozen_failures_from_as_many_addresses_alert_once_at_the_fifth() {
        let failures: Vec<(i64, u64)> = (0..12_i64).map(|i| (i + 1, i.unsigned_abs())).collect();
        check(&failures, &[5]);
    }

    #[test]
    fn a_customer_who_forgot_the_password_does_not() {
        check(&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (5, 1)], &[]);
    }

    #[test]
    fn failures_spread_over_hours_do_not() {
        let failures: Vec<(i64, u64)> = (0..30_i64).map(|i| (i * 5, i.unsigned_abs())).collect();
        check(&failures, &[]);
    }

    #[test]
    fn a_second_attack_alerts_again() {
        let attack = |from: i64| (0..6_i64).map(move |i| (from + i, i.unsigned_abs()));
        let failures: Vec<(i64, u64)> = attack(0).chain(attack(100)).collect();
        check(&failures, &[4, 104]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut rule = SlowBruteForce::default();
        for i in 0..1000 {
            rule.failure(EventTime(0), i, "e");
        }
        assert_eq!(rule.recent.len(), MEMORY);
    }
}
