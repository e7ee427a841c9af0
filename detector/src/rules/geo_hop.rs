//! A session that goes on from another country.
//!
//! A visit to a web site takes minutes: it ends in the country in which it began.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GeoHop {
    /// Country and hash of the address at the session's first event.
    first: Option<(Box<str>, u64)>,
    found: bool,
}

impl GeoHop {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.first.as_ref().map_or(0, |(country, _)| country.len())
    }

    /// Takes an event of the session; a finding at the first one from another country and address,
    /// once per session. An event without a country says nothing.
    pub fn event(
        &mut self,
        at: EventTime,
        country: &str,
        address: u64,
        event_id: &str,
    ) -> Option<Finding> {
        if self.found || country.is_empty() {
            return None;
        }
        let Some((first, first_address)) = &self.first else {
            self.first = Some((country.into(), address));
            return None;
        };
        if **first == *country || *first_address == address {
            return None;
        }
        self.found = true;
        Some(
            Finding::at("session-country", Kind::GeoHop, at)
                .score(0.9)
                .event(event_id)
                .evidence("from", &**first)
                .evidence("to", country),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of one session as country and address; which of them alert.
    fn check(events: &[(&str, u64)], expected: &[usize]) {
        let mut rule = GeoHop::default();
        let found: Vec<usize> = events
            .iter()
            .enumerate()
            .filter(|(_, (country, address))| {
                rule.event(EventTime(0), country, *address, "e").is_some()
            })
            .map(|(index, _)| index)
            .collect();
        assert_eq!(found, expected, "{events:?}");
    }

    #[test]
    fn the_first_event_from_another_country_alerts_once() {
        check(
            &[("DE", 1), ("DE", 1), ("JP", 2), ("JP", 2), ("BR", 3)],
            &[2],
        );
    }

    #[test]
    fn another_address_in_the_country_does_not() {
        check(&[("DE", 1), ("DE", 2), ("DE", 3)], &[]);
    }

    #[test]
    fn a_country_that_was_corrected_for_the_same_address_does_not() {
        check(&[("DE", 1), ("AT", 1), ("", 2), ("DE", 1)], &[]);
    }
}
