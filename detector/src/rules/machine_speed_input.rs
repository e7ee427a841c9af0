//! A session whose inputs come at a speed that no person types at.
//!
//! ```text
//! 3 inputs below 40 ms,   or   mean of 8 inputs into fields <= 115 ms
//! ```
//! The second catches machines that wait a little. People type at means of 255 to 405 ms and never below 80.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{finding::Finding, runtime::heap_of};

/// Time between two inputs below which no person typed, milliseconds. People need 80 and more,
/// forms filled in by machines under 15. A negative time is a clock that was set, not a speed.
const FASTEST_PERSON_MS: i32 = 40;

/// Fast inputs in one session. A password manager makes one.
const INPUTS: u32 = 3;

/// Inputs into fields whose mean is looked at. Ordinary forms have six, so that two are filled in.
const MEAN_OF: usize = 8;

/// Mean of so many inputs that people do not reach: the fastest have 255 with a spread of 62.
const FASTEST_MEAN_MS: f64 = 115.0;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MachineSpeedInput {
    fast: u32,
    first: EventTime,
    /// Times and latencies of the last inputs into fields, oldest first.
    inputs: VecDeque<(EventTime, i32)>,
    found: bool,
}

impl MachineSpeedInput {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.inputs)
    }

    /// Takes an input of the session; a finding if it is one fast input too many, once per session.
    pub fn event(&mut self, at: EventTime, latency_ms: i32, event_id: &str) -> Option<Finding> {
        if !(0..FASTEST_PERSON_MS).contains(&latency_ms) {
            return None;
        }
        if self.fast == 0 {
            self.first = at;
        }
        self.fast = self.fast.saturating_add(1);
        if self.fast != INPUTS || std::mem::replace(&mut self.found, true) {
            return None;
        }
        Some(
            Finding::between("input-speed", Kind::MachineSpeedInput, self.first, at)
                .score(0.9)
                .event(event_id)
                .evidence("fast_inputs", INPUTS)
                .evidence("latency_ms", latency_ms),
        )
    }

    /// Takes an input into a field, after [`event`](Self::event) has; a finding if the last ones are faster
    /// in the mean than anyone types, once per session.
    pub fn field(&mut self, at: EventTime, latency_ms: i32, event_id: &str) -> Option<Finding> {
        if latency_ms < 0 {
            return None;
        }
        if self.inputs.len() >= MEAN_OF {
            self.inputs.pop_front();
        }
        self.inputs.push_back((at, latency_ms));
        let sum: f64 = self.inputs.iter().map(|(_, ms)| f64::from(*ms)).sum();
        let mean_ms = sum / MEAN_OF as f64;
        if self.found || self.inputs.len() < MEAN_OF || mean_ms > FASTEST_MEAN_MS {
            return None;
        }
        self.found = true;
        let (start, _) = *self.inputs.front()?;
        Some(
            Finding::between("input-speed", Kind::MachineSpeedInput, start, at)
                .score(1.0 - mean_ms / (2.0 * FASTEST_MEAN_MS))
                .event(event_id)
                .evidence("inputs", MEAN_OF)
                .evidence("mean_latency_ms", mean_ms.round()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(latencies: &[i32], expected: usize) {
        let mut rule = MachineSpeedInput::default();
        let found = (0..)
            .zip(latencies)
            .filter(|(at, latency)| rule.event(EventTime(*at), **latency, "e").is_some())
            .count();
        assert_eq!(found, expected, "{latencies:?}");
    }

    #[test]
    fn a_machine_is_found_once() {
        check(&[200, 12, 3, 7, 5, 4, 9, 11], 1);
    }

    #[test]
    fn people_and_password_managers_are_not_found() {
        check(&[250, 5, 300, 80, 90, 2000], 0);
        check(&[5, 7], 0);
        check(&[39, 40, 39], 0);
    }

    /// Latencies of inputs into fields.
    fn check_fields(latencies: &[i32], expected: usize) {
        let mut rule = MachineSpeedInput::default();
        let found = (0..)
            .zip(latencies)
            .filter(|(at, ms)| {
                let any = rule.event(EventTime(*at), **ms, "e");
                any.or_else(|| rule.field(EventTime(*at), **ms, "e"))
                    .is_some()
            })
            .count();
        assert_eq!(found, expected, "{latencies:?}");
    }

    #[test]
    fn a_machine_that_waits_a_little_is_found_once() {
        check_fields(&[70, 31, 118, 95, 44, 60, 102, 80, 75, 66, 90, 41], 1);
        check_fields(&[12, 3, 7, 5, 4, 9, 11, 5, 6, 7, 8, 9], 1);
    }

    #[test]
    fn the_fastest_people_are_not_found() {
        check_fields(&[85, 90, 240, 110, 81, 420, 95, 130, 84, 92, 300, 88], 0);
        check_fields(&[85, 90, 84, 88, 91, 95, 83], 0);
    }

    #[test]
    fn a_clock_that_was_set_is_no_speed() {
        check(&[-5, -3_600_000, -1, -1], 0);
    }
}
