//! A takeover from an address that has asked for pages like a machine before.
//!
//! Either half is found by its own rule: `session-beat` on the web site, `strange-session` at the bank. What
//! joins them is the address alone.

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// What an address did on the site is remembered for this long: whoever looks for accounts there uses them soon,
/// and an address has another owner some day.
const MEMORY_MS: i64 = 30 * 60_000;

/// Least score of such a takeover: two rules agree.
const LEAST_SCORE: f64 = 0.9;

/// Who has scraped, by the hashes of their addresses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Scrapers(BTreeMap<u64, BTreeMap<EventTime, String>>);

impl Scrapers {
    /// Takes note of a bot.
    pub fn add(&mut self, address: u64, at: EventTime, user: String) {
        let of_address = self.0.entry(address).or_default();
        // Two at one instant: the first by name, whichever came first.
        let known = of_address.entry(at).or_insert_with(|| user.clone());
        if user < *known {
            *known = user;
        }
    }

    /// The last bot at the address up to this instant, and when it was found.
    #[must_use]
    pub fn before(&self, address: u64, at: EventTime) -> Option<(EventTime, &str)> {
        let of_address = self.0.get(&address)?;
        let (since, user) = of_address.range(at.plus_ms(-MEMORY_MS)..=at).next_back()?;
        Some((*since, user))
    }

    /// Forgets what no takeover from `to` on can come after.
    pub fn forget(&mut self, to: EventTime) {
        let from = to.plus_ms(-MEMORY_MS);
        self.0.retain(|_, of_address| {
            *of_address = of_address.split_off(&from);
            !of_address.is_empty()
        });
    }
}

/// What a takeover is found to be if its address has scraped.
#[must_use]
pub fn joined(takeover: &Finding, address: &str) -> Finding {
    let mut finding = takeover.clone().evidence("address", address);
    finding.rule = "scraper-takeover";
    finding.kind = Some(Kind::BotThenTakeover);
    finding.score = finding.score.max(LEAST_SCORE);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn the_last_bot_at_an_address_is_remembered_for_half_an_hour() {
        let mut scrapers = Scrapers::default();
        let at = |minute: i64| EventTime(minute * MINUTE_MS);
        scrapers.add(7, at(10), "user-1".into());
        scrapers.add(7, at(20), "user-3".into());
        scrapers.add(7, at(20), "user-2".into());
        for (minute, expected) in [
            (9, None),
            (10, Some((at(10), "user-1"))),
            (50, Some((at(20), "user-2"))),
            (51, None),
        ] {
            assert_eq!(scrapers.before(7, at(minute)), expected, "{minute}");
        }
        assert_eq!(scrapers.before(8, at(20)), None);
        scrapers.forget(at(51));
        assert!(scrapers.0.is_empty());
    }
}
