//! A session that goes on from another device and another address.
//!
//! A session belongs to the device that opened it: its token moves to another one only if somebody
//! took it along. A change of address alone is a phone that left the house.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionHijack {
    /// Hashes of device and address at the session's first event.
    opened: Option<(u64, u64)>,
    found: bool,
}

impl SessionHijack {
    /// Takes an event of the session; a finding at the first one from elsewhere, once per session.
    pub fn event(
        &mut self,
        at: EventTime,
        device: u64,
        address: u64,
        event_id: &str,
    ) -> Option<Finding> {
        let (first_device, first_address) = *self.opened.get_or_insert((device, address));
        if self.found || device == first_device || address == first_address {
            return None;
        }
        self.found = true;
        Some(
            Finding::at("session-device", Kind::SessionHijack, at)
                .score(0.95)
                .event(event_id)
                .evidence("other_device", true)
                .evidence("other_address", true),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of one session as device and address; which of them alert.
    fn check(events: &[(u64, u64)], expected: &[usize]) {
        let mut rule = SessionHijack::default();
        let found: Vec<usize> = events
            .iter()
            .enumerate()
            .filter(|(_, (device, address))| {
                rule.event(EventTime(0), *device, *address, "e").is_some()
            })
            .map(|(index, _)| index)
            .collect();
        assert_eq!(found, expected, "{events:?}");
    }

    #[test]
    fn the_first_event_from_another_device_and_address_alerts_once() {
        check(&[(1, 1), (1, 1), (2, 2), (2, 2), (1, 1), (3, 3)], &[2]);
    }

    #[test]
    fn a_phone_that_changes_networks_is_not_hijacked() {
        check(&[(1, 1), (1, 2), (1, 3), (1, 1)], &[]);
    }

    #[test]
    fn another_device_behind_the_same_address_is_not_a_thief_far_away() {
        check(&[(1, 1), (2, 1), (1, 1)], &[]);
    }
}
