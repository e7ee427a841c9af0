//! Failed logins on many accounts from one address.
//!
//! Counted per address over three minutes, anew each minute in which an attempt failed. People fail too, but on one account each, and they
//! succeed: an office or a mobile network that fails on several accounts logs in on many more.

use std::collections::BTreeSet;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::Finding,
    runtime::{Aggregate, Window, WindowSpec},
};

/// Length of the windows, and the distance between them. An attack that goes slowly makes six attempts in
/// two minutes, which then lie in one window whole; one that goes fast is seen after a minute.
const WINDOW_MS: i64 = 180_000;
const SLIDE_MS: i64 = 60_000;

/// Accounts with a failed login from one address in a window, where ordinary addresses have one or
/// two.
const LEAST_ACCOUNTS: usize = 4;

/// Accounts that fail per account that logs in. At an office it is one in ten.
const FAILED_PER_SUCCESS: usize = 2;

/// Accounts that are told apart; beyond that the answer is the same.
const MOST_ACCOUNTS: usize = 512;

/// Logins from one address in one window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logins {
    failed: BTreeSet<u64>,
    succeeded: BTreeSet<u64>,
    attempts: u32,
    /// Times of the first and the last failed login.
    span: Option<(EventTime, EventTime)>,
}

impl Logins {
    /// Adds a failed login on the account with this hash.
    pub fn fail(&mut self, at: EventTime, account: u64) {
        self.stretch((at, at));
        self.attempts = self.attempts.saturating_add(1);
        add(&mut self.failed, account);
    }

    /// Adds a login.
    pub fn succeed(&mut self, account: u64) {
        add(&mut self.succeeded, account);
    }

    fn stretch(&mut self, (from, to): (EventTime, EventTime)) {
        let (first, last) = self.span.unwrap_or((from, to));
        self.span = Some((first.min(from), last.max(to)));
    }
}

impl Aggregate for Logins {
    fn merge(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        if let Some(span) = other.span {
            self.stretch(span);
        }
        other
            .failed
            .iter()
            .for_each(|account| add(&mut self.failed, *account));
        other
            .succeeded
            .iter()
            .for_each(|account| add(&mut self.succeeded, *account));
    }
}

/// Keeps the smallest hashes, so that which ones are kept does not depend on the order.
fn add(accounts: &mut BTreeSet<u64>, account: u64) {
    accounts.insert(account);
    if accounts.len() > MOST_ACCOUNTS {
        accounts.pop_last();
    }
}

/// The windows that addresses are counted in.
#[must_use]
pub fn windows() -> WindowSpec {
    WindowSpec::sliding(WINDOW_MS, SLIDE_MS).unwrap_or(WindowSpec::tumbling(WINDOW_MS))
}

/// Looks at an address's window.
#[must_use]
pub fn window(window: Window, logins: &Logins) -> Option<Finding> {
    let failed = logins.failed.len();
    // Who fails and then logs in is a customer with a typo.
    let only_failed = logins.failed.difference(&logins.succeeded).count();
    let suspicious =
        only_failed >= LEAST_ACCOUNTS && only_failed >= FAILED_PER_SUCCESS * logins.succeeded.len();
    let (first, last) = logins.span.filter(|_| suspicious)?;
    // An attack that has ended was reported by the windows before.
    if window.end.since(last) > SLIDE_MS {
        return None;
    }
    Some(
        Finding::between("ip-logins", Kind::CredentialStuffing, first, window.end)
            .score(1.0 - LEAST_ACCOUNTS as f64 / (2.0 * only_failed as f64))
            .evidence("accounts_failed", failed)
            .evidence("accounts_succeeded", logins.succeeded.len())
            .evidence("attempts", logins.attempts),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(failed: std::ops::Range<u64>, succeeded: std::ops::Range<u64>) -> Logins {
        let mut logins = Logins::default();
        failed.for_each(|account| logins.fail(EventTime(WINDOW_MS - 1), account));
        succeeded.for_each(|account| logins.succeed(account));
        logins
    }

    fn check(logins: &Logins, expected: bool) {
        let minute = Window {
            start: EventTime(0),
            end: EventTime(WINDOW_MS),
        };
        assert_eq!(window(minute, logins).is_some(), expected, "{logins:?}");
    }

    #[test]
    fn many_accounts_that_only_fail_are_stuffing() {
        check(&logins(0..20, 0..0), true);
        check(&logins(0..4, 0..0), true);
    }

    #[test]
    fn an_attack_that_has_ended_is_not_reported_again() {
        let mut ended = Logins::default();
        (0..20).for_each(|account| ended.fail(EventTime(WINDOW_MS - SLIDE_MS - 1), account));
        check(&ended, false);
    }

    #[test]
    fn offices_and_forgetful_people_are_not() {
        check(&logins(0..3, 0..0), false);
        check(&logins(0..8, 0..80), false);
        let mut forgetful = Logins::default();
        (0..30).for_each(|_| forgetful.fail(EventTime(WINDOW_MS - 1), 7));
        check(&forgetful, false);
    }

    #[test]
    fn parts_add_up_whatever_their_order_even_at_the_cap() {
        let (a, b) = (logins(0..400, 0..3), logins(300..900, 2..5));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        assert_eq!(ab, ba);
        assert_eq!(ab.failed.len(), MOST_ACCOUNTS);
        assert_eq!(ab.attempts, 1000);
    }
}
