//! One device that logs in to many accounts.
//!
//! Devices' minutes are put together over all partitions; what a device did is then known for half
//! an hour, since whoever moves other people's money goes from account to account at leisure.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::Finding,
    runtime::{Aggregate, Frozen, Window, groups::Groups, later},
};

/// Length of the windows in which partitions count.
pub const WINDOW_MS: i64 = 60_000;

/// Accounts that a device's logins are remembered for this long.
const SPAN_MS: i64 = 30 * 60_000;

/// Accounts on one device. Ordinary devices have one; a couple shares a tablet.
const ACCOUNTS: usize = 3;

/// Accounts that are told apart: more say no more.
const MOST_ACCOUNTS: usize = 32;

/// Accounts that a device logged in to in one window, by their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLogins(BTreeSet<u64>);

impl DeviceLogins {
    /// Adds a login to the account with this hash.
    pub fn add(&mut self, account: u64) {
        self.0.insert(account);
        // The smallest hashes are kept, so that the order does not matter.
        if self.0.len() > MOST_ACCOUNTS {
            self.0.pop_last();
        }
    }
}

impl Aggregate for DeviceLogins {
    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|account| self.add(*account));
    }
}

/// What devices did lately.
#[derive(Debug, Default, Deserialize)]
pub struct MuleDevices(Groups<String, Device>);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Device {
    /// Accounts, with the start of the last window that each was logged in to in.
    accounts: BTreeMap<u64, EventTime>,
    seen: EventTime,
    found: bool,
}

impl MuleDevices {
    /// Takes a device's whole window; a finding if it completes the number of accounts, once until
    /// the device has rested.
    pub fn window(
        &mut self,
        window: Window,
        device: &str,
        logins: &DeviceLogins,
    ) -> Option<Finding> {
        let known = self.0.at(device);
        known.seen = window.end;
        for account in &logins.0 {
            if known.accounts.len() < MOST_ACCOUNTS || known.accounts.contains_key(account) {
                known.accounts.insert(*account, window.start);
            }
        }
        known.forget(window.end);
        let many = known.accounts.len() >= ACCOUNTS;
        if std::mem::replace(&mut known.found, many) || !many {
            return None;
        }
        let start = known.accounts.values().min().copied()?;
        Some(
            Finding::between("device-accounts", Kind::MuleDevice, start, window.end)
                .score(0.9)
                .evidence("accounts", known.accounts.len()),
        )
    }

    /// Forgets the devices that have rested.
    pub fn sweep(&mut self, to: EventTime) {
        self.0.retain(|device| to.since(device.seen) <= SPAN_MS);
    }

    /// All that is known now, to be saved later and elsewhere.
    #[must_use]
    pub fn freeze(&mut self) -> Frozen {
        later(self.0.share())
    }
}

impl Device {
    fn forget(&mut self, now: EventTime) {
        self.accounts.retain(|_, at| now.since(*at) <= SPAN_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logins of one device as minute and account; the minutes that alert.
    fn check(logins: &[(i64, u64)], expected: &[i64]) {
        let mut rule = MuleDevices::default();
        let mut found = Vec::new();
        for (minute, account) in logins {
            let start = EventTime(minute * WINDOW_MS);
            let window = Window {
                start,
                end: start.plus_ms(WINDOW_MS),
            };
            rule.sweep(start);
            let mut part = DeviceLogins::default();
            part.add(*account);
            if rule.window(window, "device", &part).is_some() {
                found.push(*minute);
            }
        }
        assert_eq!(found, expected, "{logins:?}");
    }

    #[test]
    fn the_third_account_on_a_device_alerts_once() {
        check(&[(0, 1), (2, 2), (3, 1), (5, 3), (6, 4), (9, 5)], &[5]);
    }

    #[test]
    fn a_couple_that_shares_a_tablet_does_not() {
        check(&[(0, 1), (2, 2), (3, 1), (5, 2), (6, 1)], &[]);
    }

    #[test]
    fn accounts_over_a_day_do_not() {
        check(&[(0, 1), (20, 2), (40, 3), (60, 4), (80, 5)], &[]);
    }

    #[test]
    fn a_device_that_rested_alerts_again() {
        check(
            &[(0, 1), (1, 2), (2, 3), (100, 4), (101, 5), (102, 6)],
            &[2, 102],
        );
    }

    #[test]
    fn parts_of_two_partitions_count_as_one() {
        let (mut a, mut b) = (DeviceLogins::default(), DeviceLogins::default());
        a.add(1);
        a.add(2);
        b.add(3);
        let mut ab = a.clone();
        ab.merge(&b);
        b.merge(&a);
        assert_eq!(ab, b);
        let window = Window {
            start: EventTime(0),
            end: EventTime(WINDOW_MS),
        };
        assert!(MuleDevices::default().window(window, "d", &ab).is_some());
    }

    #[test]
    fn what_rested_is_forgotten() {
        let mut rule = MuleDevices::default();
        let window = Window {
            start: EventTime(0),
            end: EventTime(WINDOW_MS),
        };
        rule.window(window, "d", &DeviceLogins::default());
        rule.sweep(EventTime(WINDOW_MS + SPAN_MS));
        assert_eq!(rule.0.len(), 1);
        rule.sweep(EventTime(WINDOW_MS + SPAN_MS + 1));
        assert_eq!(rule.0.len(), 0);
    }
}
