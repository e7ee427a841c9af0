//! What has been said already.

use std::collections::BTreeSet;

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

/// Remembers findings by time and key, so that a corrected result repeats none of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Deserialize<'de> + Ord"))]
pub struct Once<K>(BTreeSet<(EventTime, K)>);

impl<K> Default for Once<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Once<K> {
    /// Notes a finding; true if it is the first of its kind.
    pub fn first(&mut self, at: EventTime, key: K) -> bool {
        self.0.insert((at, key))
    }

    /// Forgets findings before `to`.
    pub fn forget(&mut self, to: EventTime) {
        while self.0.first().is_some_and(|(at, _)| *at < to) {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_first_once_until_forgotten() {
        let mut once = Once::default();
        assert!(once.first(EventTime(5), 1));
        assert!(!once.first(EventTime(5), 1));
        assert!(once.first(EventTime(5), 2));
        assert!(once.first(EventTime(6), 1));
        once.forget(EventTime(6));
        assert!(once.first(EventTime(5), 1));
        assert!(!once.first(EventTime(6), 1));
    }
}
