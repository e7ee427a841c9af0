//! A session whose pages follow each other faster than anyone reads, at no particular beat.
//!
//! ```text
//! last 6 gaps of a session:   mean < 1.9 s  and   deviation / mean >= 0.3
//! ```
//! What is as fast and keeps a beat is a bot by the rule `session-beat`.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::heap_of,
};

/// Gaps looked at: a double click or two are not enough.
const GAPS: usize = 6;

/// Mean gap that nobody reads at. People take three seconds for a page at least; the fastest six in a
/// row of 200,000 visits took four each.
const FASTEST_MEAN_MS: f64 = 1_900.0;

/// Coefficient of variation below which it is a beat, perhaps with an event more or less.
const LEAST_VARIATION: f64 = 0.3;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct InhumanSpeed {
    /// Times of the last events, oldest first.
    recent: VecDeque<EventTime>,
    found: bool,
}

impl InhumanSpeed {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.recent)
    }

    /// Takes an event of the session; a finding if the last ones came too fast, once per session.
    pub fn event(&mut self, at: EventTime, event_id: &str) -> Option<Finding> {
        if self.found {
            return None;
        }
        if self.recent.len() > GAPS {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
        let start = *self.recent.front()?;
        let mean_ms = at.since(start) as f64 / GAPS as f64;
        if self.recent.len() <= GAPS || mean_ms >= FASTEST_MEAN_MS || mean_ms <= 0.0 {
            return None;
        }
        let gaps = self.recent.iter().zip(self.recent.iter().skip(1));
        let squares: f64 = gaps
            .map(|(from, to)| (to.since(*from) as f64 - mean_ms).powi(2))
            .sum();
        let variation = (squares / (GAPS as f64 - 1.0)).sqrt() / mean_ms;
        if variation < LEAST_VARIATION {
            return None;
        }
        self.found = true;
        self.recent = VecDeque::new();
        Some(
            Finding::between("session-speed", Kind::InhumanSpeed, start, at)
                .score(1.0 - mean_ms / (2.0 * FASTEST_MEAN_MS))
                .event(event_id)
                .evidence("mean_gap_ms", mean_ms.round())
                .evidence("variation", two_decimals(variation)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gaps in milliseconds; how often it alerts.
    fn check(gaps: impl IntoIterator<Item = i64>, expected: usize) {
        let (mut rule, mut at) = (InhumanSpeed::default(), EventTime(0));
        let mut found = usize::from(rule.event(at, "e").is_some());
        for gap in gaps {
            at = at.plus_ms(gap);
            found += usize::from(rule.event(at, "e").is_some());
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn pages_faster_than_reading_alert_once() {
        check((0..20).map(|i| 500 + i % 4 * 700), 1);
    }

    #[test]
    fn people_do_not() {
        check([3_000, 3_100, 9_000, 3_300, 15_000, 3_200, 3_050, 4_000], 0);
        // A double click, and a page that was opened by mistake.
        check([9_000, 200, 800, 300, 8_000, 3_000, 3_000], 0);
    }

    #[test]
    fn a_beat_is_left_to_the_rule_for_beats() {
        check((0..30).map(|i| 1_000 + i % 3 * 20), 0);
    }

    #[test]
    fn too_few_events_say_nothing() {
        check([500, 900, 700, 1_200, 600], 0);
    }
}
