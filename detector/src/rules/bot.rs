//! One session that asks for pages at a regular, fast beat.
//!
//! ```text
//! gaps of the last 13 events of a session:   mean < 4 s   and   deviation / mean < 0.35
//!                                       or   mean < 9 s   and   deviation / mean < 0.15
//! ```
//! People's gaps have a coefficient of variation of about 0.8 and a mean of some 15 s. The
//! five-minute window of the user is the second look: a crawler that varies its beat still asks for
//! far more pages than people read.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::{Aggregate, Window},
};

/// Length of the tumbling windows per user.
pub const USER_WINDOW_MS: i64 = 300_000;

/// Gaps looked at: the fewest with which people's sessions almost never look this regular.
const GAPS: usize = 12;

/// Longest mean gap of a fast bot: hardly anyone's is so short. Its beat may miss an event, which
/// makes one gap of twice the length.
const FAST_MEAN_MS: f64 = 4_000.0;

/// Largest coefficient of variation of its gaps.
const FAST_VARIATION: f64 = 0.35;

/// Longest mean gap of a slow bot. People click as often for a while, so its beat has to be even.
const SLOW_MEAN_MS: f64 = 9_000.0;

/// Largest coefficient of variation of its gaps: the most even twelve in 200,000 visits had 0.22.
const SLOW_VARIATION: f64 = 0.15;

/// Page views in one session within five minutes that no reader makes: one every four seconds.
const MOST_VIEWS: u32 = 75;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Bot {
    gaps: [f64; GAPS],
    seen: usize,
    last: Option<EventTime>,
    found: bool,
}

impl Bot {
    /// True once the session has been found.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.found
    }

    /// Takes an event of the session; a finding if it completes a regular beat, once per session.
    pub fn event(&mut self, at: EventTime, event_id: &str) -> Option<Finding> {
        let last = self.last.replace(at)?;
        self.gaps[self.seen % GAPS] = at.since(last) as f64;
        self.seen += 1;
        if self.found || self.seen < GAPS {
            return None;
        }
        let n = GAPS as f64;
        let mean = self.gaps.iter().sum::<f64>() / n;
        let most = match mean {
            0.0..FAST_MEAN_MS if mean > 0.0 => FAST_VARIATION,
            FAST_MEAN_MS..SLOW_MEAN_MS => SLOW_VARIATION,
            _ => return None,
        };
        let variance = self
            .gaps
            .iter()
            .map(|gap| (gap - mean).powi(2))
            .sum::<f64>()
            / (n - 1.0);
        let variation = variance.sqrt() / mean;
        if variation >= most {
            return None;
        }
        self.found = true;
        let span = self.gaps.iter().sum::<f64>().round() as i64;
        Some(
            Finding::between("session-beat", Kind::Bot, at.plus_ms(-span), at)
                .score(1.0 - variation)
                .event(event_id)
                .evidence("mean_gap_ms", mean.round())
                .evidence("variation", two_decimals(variation)),
        )
    }
}

/// What a user did in five minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserWindow {
    /// Events.
    pub events: u32,
    /// Page views.
    pub views: u32,
    /// Error events.
    pub errors: u32,
    /// A session has been found by its beat: there is no more to say.
    pub beats: bool,
}

impl Aggregate for UserWindow {
    fn merge(&mut self, other: &Self) {
        self.events = self.events.saturating_add(other.events);
        self.views = self.views.saturating_add(other.views);
        self.errors = self.errors.saturating_add(other.errors);
        self.beats |= other.beats;
    }
}

/// Looks at a user's window: a finding if it holds more page views than anyone reads.
#[must_use]
pub fn user_window(window: Window, user: &UserWindow) -> Option<Finding> {
    (user.views > MOST_VIEWS && !user.beats).then(|| {
        Finding::between("user-views", Kind::Bot, window.start, window.end)
            .score(1.0 - f64::from(MOST_VIEWS) / (2.0 * f64::from(user.views)))
            .evidence("events", user.events)
            .evidence("views", user.views)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(gaps: impl IntoIterator<Item = i64>, expected: bool) {
        let (mut rule, mut at) = (Bot::default(), EventTime(0));
        let mut found = rule.event(at, "e").is_some();
        for gap in gaps {
            at = at.plus_ms(gap);
            found |= rule.event(at, "e").is_some();
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_regular_fast_beat_is_a_bot() {
        check((0..20).map(|i| 2_000 + i % 5 * 40), true);
        // One event lost makes one gap of twice the length.
        check((0..12).map(|i| if i == 5 { 4_000 } else { 2_000 }), true);
        check((0..14).map(|i| 6_500 + i % 5 * 130), true);
    }

    #[test]
    fn people_are_not() {
        check(
            [
                3_100, 9_000, 28_000, 4_500, 3_300, 15_000, 7_000, 41_000, 3_800, 12_000, 5_200,
                18_000, 4_100,
            ],
            false,
        );
        check(std::iter::repeat_n(15_000, 30), false);
        check(
            (0..20).map(|i| if i % 3 == 0 { 9_000 } else { 2_000 }),
            false,
        );
        check(std::iter::repeat_n(2_000, 10), false);
    }

    #[test]
    fn a_session_alerts_once() {
        let mut rule = Bot::default();
        let found = (0..100)
            .filter(|i| rule.event(EventTime(i * 2_000), "e").is_some())
            .count();
        assert_eq!(found, 1);
    }

    #[test]
    fn a_window_full_of_views_is_a_bot() {
        let window = Window {
            start: EventTime(0),
            end: EventTime(USER_WINDOW_MS),
        };
        let cases = [
            (20, false, false),
            (75, false, false),
            (90, false, true),
            (90, true, false),
        ];
        for (views, beats, found) in cases {
            let user = UserWindow {
                events: 100,
                views,
                errors: 0,
                beats,
            };
            assert_eq!(
                user_window(window, &user).is_some(),
                found,
                "{views} {beats}"
            );
        }
    }
}
