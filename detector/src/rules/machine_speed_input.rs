//! A session whose inputs come at a speed that no person types at.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// Time between two inputs below which no person typed, milliseconds. People need 80 and more,
/// forms filled in by machines under 15. A negative time is a clock that was set, not a speed.
const FASTEST_PERSON_MS: i32 = 40;

/// Fast inputs in one session. A password manager makes one.
const INPUTS: u32 = 3;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MachineSpeedInput {
    fast: u32,
    first: EventTime,
}

impl MachineSpeedInput {
    /// Takes an input of the session; a finding if it is one fast input too many, once per session.
    pub fn event(&mut self, at: EventTime, latency_ms: i32, event_id: &str) -> Option<Finding> {
        if !(0..FASTEST_PERSON_MS).contains(&latency_ms) {
            return None;
        }
        if self.fast == 0 {
            self.first = at;
        }
        self.fast = self.fast.saturating_add(1);
        (self.fast == INPUTS).then(|| {
            Finding::between("input-speed", Kind::MachineSpeedInput, self.first, at)
                .score(0.9)
                .event(event_id)
                .evidence("fast_inputs", INPUTS)
                .evidence("latency_ms", latency_ms)
        })
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

    #[test]
    fn a_clock_that_was_set_is_no_speed() {
        check(&[-5, -3_600_000, -1, -1], 0);
    }
}
