//! One session that clicks on one page again and again.
//!
//! ```text
//! clicks in a row on one page >= 10,  within 10 minutes
//! ```

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// Clicks on one page without leaving it. A visit has one or two; in 200,000 visits the most were
/// nine, over all its pages.
const CLICKS: u32 = 10;

/// Time for them: slower ones are somebody who left the page open.
const SPAN_MS: i64 = 600_000;

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClickFraud {
    page: u64,
    since: EventTime,
    clicks: u32,
    found: bool,
}

impl ClickFraud {
    /// Takes an event of the session that is no click: a page that was opened.
    pub fn opened(&mut self, page: u64) {
        if page != self.page {
            self.page = page;
            self.clicks = 0;
        }
    }

    /// Takes a click on a page; a finding if it is one too many, once per session.
    pub fn click(&mut self, at: EventTime, page: u64, event_id: &str) -> Option<Finding> {
        self.opened(page);
        if self.clicks == 0 || at.since(self.since) > SPAN_MS {
            self.since = at;
            self.clicks = 0;
        }
        self.clicks = self.clicks.saturating_add(1);
        if self.found || self.clicks < CLICKS {
            return None;
        }
        self.found = true;
        Some(
            Finding::between("session-clicks", Kind::ClickFraud, self.since, at)
                .score(0.9)
                .event(event_id)
                .evidence("clicks", self.clicks),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clicks as second and page; the seconds that alert.
    fn check(clicks: impl IntoIterator<Item = (i64, u64)>, expected: &[i64]) {
        let mut rule = ClickFraud::default();
        let found: Vec<i64> = clicks
            .into_iter()
            .filter(|(second, page)| rule.click(EventTime(second * 1000), *page, "e").is_some())
            .map(|(second, _)| second)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_tenth_click_on_a_page_alerts_once() {
        check((0..30).map(|i| (i * 10, 1)), &[90]);
    }

    #[test]
    fn clicks_on_many_pages_do_not() {
        check((0..60_i64).map(|i| (i * 10, i.unsigned_abs() / 4)), &[]);
    }

    #[test]
    fn a_page_left_open_does_not() {
        check((0..30).map(|i| (i * 100, 1)), &[]);
    }

    #[test]
    fn coming_back_to_a_page_starts_over() {
        let mut rule = ClickFraud::default();
        for visit in 0..5 {
            for i in 0..6 {
                let at = EventTime((visit * 60 + i) * 1000);
                assert!(rule.click(at, 1, "e").is_none());
            }
            rule.opened(2);
        }
    }
}
