//! What was typed comes again, exactly, in another session of the account.
//!
//! Amounts and references are typed anew each time, and so are their hashes; the hashes of a payee's
//! fields repeat with the payee and are not looked at.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{finding::Finding, runtime::heap_of};

/// Inputs remembered per account: those of some twenty visits with a transfer. A replay follows
/// within minutes of what it replays.
const MEMORY: usize = 48;

/// What of an account's inputs is remembered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReplayedInput {
    /// Hashes of input and session, oldest first.
    seen: VecDeque<(u64, u64)>,
    /// The session that alerted last.
    found_in: Option<u64>,
}

impl ReplayedInput {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.seen)
    }

    /// Takes an input into a field whose content is new each time; a finding if another session of
    /// the account had it before, once per session.
    pub fn input(
        &mut self,
        at: EventTime,
        input: u64,
        session: u64,
        event_id: &str,
    ) -> Option<Finding> {
        let before = self.seen.iter().find(|(seen, _)| *seen == input);
        let Some((_, origin)) = before else {
            if self.seen.len() >= MEMORY {
                self.seen.pop_front();
            }
            self.seen.push_back((input, session));
            return None;
        };
        // The same session again is a copy made in transport, or somebody who corrects a typo back.
        if *origin == session || self.found_in.replace(session) == Some(session) {
            return None;
        }
        Some(
            Finding::at("input-replay", Kind::ReplayedInput, at)
                .score(0.9)
                .event(event_id)
                .evidence("input_seen_before", true),
        )
    }
}

/// True for a field whose content is new each time: not those that describe a payee.
#[must_use]
pub fn is_new_each_time(element_id: &str) -> bool {
    !matches!(element_id, "iban" | "payee-name")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs as hash and session; which of them alert.
    fn check(inputs: &[(u64, u64)], expected: &[usize]) {
        let mut rule = ReplayedInput::default();
        let found: Vec<usize> = inputs
            .iter()
            .enumerate()
            .filter(|(_, (input, session))| {
                rule.input(EventTime(0), *input, *session, "e").is_some()
            })
            .map(|(index, _)| index)
            .collect();
        assert_eq!(found, expected, "{inputs:?}");
    }

    #[test]
    fn each_replaying_session_alerts_once_at_its_first_repeated_input() {
        check(
            &[(1, 1), (2, 1), (1, 2), (2, 2), (7, 3), (2, 3), (1, 3)],
            &[2, 5],
        );
    }

    #[test]
    fn a_repeat_in_the_same_session_is_no_replay() {
        check(&[(1, 1), (1, 1), (2, 1)], &[]);
    }

    #[test]
    fn payees_repeat_by_nature() {
        assert!(!is_new_each_time("iban") && !is_new_each_time("payee-name"));
        assert!(is_new_each_time("amount") && is_new_each_time("reference"));
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut rule = ReplayedInput::default();
        for input in 0..1000 {
            rule.input(EventTime(0), input, input, "e");
        }
        assert_eq!(rule.seen.len(), MEMORY);
        assert!(rule.input(EventTime(0), 999, 5000, "e").is_some());
        assert!(rule.input(EventTime(0), 0, 5000, "e").is_none());
    }
}
