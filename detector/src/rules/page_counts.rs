//! One-minute counts per page, and the two rules over them: a traffic spike and an error burst.
//!
//! ```text
//! expected(page) = share(page) * events of all pages in the minute
//! share(page)    = median over the page's last ordinary minutes of  count / events of all pages
//! ```
//! Counting shares keeps both rules quiet when the whole site gets busier.

use std::collections::{HashMap, VecDeque};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::{Aggregate, Window},
};

/// Length of the windows: people count visits by the minute, and a spike lasts two.
pub const WINDOW_MS: i64 = 60_000;

/// Minutes that a page's share is the median of.
const HISTORY: usize = 15;

/// Minutes before a share is believed. The first minute is often cut, so it takes one more to be
/// outvoted.
const WARM_UP: usize = 2;

/// Visits more than expected that make a spike, as a multiple of the expected ones and at least.
/// A spike has three times more in a whole minute, and 60 at least: half of that is well clear of
/// chance and of a page's usual ups and downs.
const EXTRA_SHARE: f64 = 1.5;
const LEAST_EXTRA: f64 = 30.0;

/// Standard deviations of a Poisson count that the extra visits must exceed as well.
const EXTRA_DEVIATIONS: f64 = 6.0;

/// Errors in a minute that make a burst, and their share of the page's events. One event in a
/// hundred is an error at usual times: a page needs 1200 a minute for twelve errors by chance, and
/// then they are far below the share.
const LEAST_ERRORS: u32 = 12;
const ERROR_SHARE: f64 = 0.15;

/// After this many minutes without a rest a spike is the page's new usual.
const LONGEST_SPIKE: u32 = 10;

/// A page's history is dropped after this many minutes without a visit.
const FORGET_MS: i64 = 60 * WINDOW_MS;

/// Events of one page in one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCount {
    /// Events that are no errors.
    pub visits: u32,
    /// Error events.
    pub errors: u32,
}

impl Aggregate for PageCount {
    fn merge(&mut self, other: &Self) {
        self.visits = self.visits.saturating_add(other.visits);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// What is usual for the pages.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PageRules {
    pages: HashMap<String, Page>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    shares: VecDeque<f64>,
    spiking: u32,
    seen: EventTime,
}

impl PageRules {
    /// Takes a whole minute, all its pages in order; what is found, with the page.
    pub fn minute(
        &mut self,
        window: Window,
        counts: &[(String, PageCount)],
    ) -> Vec<(String, Finding)> {
        let mut findings = Vec::new();
        let total: f64 = counts
            .iter()
            .map(|(_, count)| f64::from(count.visits))
            .sum();
        for (path, count) in counts {
            findings.extend(error_burst(window, *count).map(|found| (path.clone(), found)));
            if let Some(found) = self.visits(window, path, *count, total) {
                findings.push((path.clone(), found));
            }
        }
        self.pages
            .retain(|_, page| window.end.since(page.seen) <= FORGET_MS);
        findings
    }

    fn visits(
        &mut self,
        window: Window,
        path: &str,
        count: PageCount,
        total: f64,
    ) -> Option<Finding> {
        if !self.pages.contains_key(path) {
            self.pages.insert(path.to_owned(), Page::default());
        }
        let page = self.pages.get_mut(path)?;
        page.seen = window.end;
        let visits = f64::from(count.visits);
        let usual = median(&page.shares).filter(|_| page.shares.len() >= WARM_UP);
        let Some(expected) = usual.map(|share| share * total) else {
            page.learn(visits, total);
            return None;
        };
        let extra = visits - expected;
        let found = extra >= LEAST_EXTRA.max(EXTRA_SHARE * expected)
            && extra >= EXTRA_DEVIATIONS * (expected + 1.0).sqrt();
        page.spiking = if found { page.spiking + 1 } else { 0 };
        if !found || page.spiking > LONGEST_SPIKE {
            page.learn(visits, total);
        }
        found.then(|| {
            Finding::between("page-count", Kind::TrafficSpike, window.start, window.end)
                .score(extra / visits)
                .evidence("visits", count.visits)
                .evidence("expected", two_decimals(expected))
        })
    }
}

impl Page {
    fn learn(&mut self, visits: f64, total: f64) {
        if total > 0.0 {
            self.shares.push_back(visits / total);
            if self.shares.len() > HISTORY {
                self.shares.pop_front();
            }
        }
    }
}

fn error_burst(window: Window, count: PageCount) -> Option<Finding> {
    let share = f64::from(count.errors) / f64::from(count.errors.saturating_add(count.visits));
    (count.errors >= LEAST_ERRORS && share >= ERROR_SHARE).then(|| {
        Finding::between("page-errors", Kind::ErrorBurst, window.start, window.end)
            .score(0.5 + share / 2.0)
            .evidence("errors", count.errors)
            .evidence("share", two_decimals(share))
    })
}

fn median(values: &VecDeque<f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    // The lower of the two middle ones: with two minutes, one of them may hold a spike's start.
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(visits: u32, errors: u32) -> PageCount {
        PageCount { visits, errors }
    }

    /// Minutes of visits to one page among 2000 visits elsewhere; the minutes found.
    fn spikes(visits: &[u32], elsewhere: impl Fn(usize) -> u32) -> Vec<usize> {
        let mut rules = PageRules::default();
        let mut found = Vec::new();
        for (minute, visits) in visits.iter().enumerate() {
            let start = EventTime(i64::try_from(minute).unwrap() * WINDOW_MS);
            let window = Window {
                start,
                end: start.plus_ms(WINDOW_MS),
            };
            let counts = [
                ("/home".into(), count(elsewhere(minute), 0)),
                ("/offers".into(), count(*visits, 0)),
            ];
            if rules
                .minute(window, &counts)
                .iter()
                .any(|(page, _)| page == "/offers")
            {
                found.push(minute);
            }
        }
        found
    }

    #[test]
    fn four_times_the_usual_is_a_spike_and_ordinary_ups_are_not() {
        assert_eq!(spikes(&[40, 44, 38, 160, 165, 41], |_| 2000), [3, 4]);
        assert_eq!(spikes(&[40, 44, 38, 65, 20, 41], |_| 2000), [0usize; 0]);
    }

    #[test]
    fn a_rare_page_needs_thirty_visits_more() {
        assert_eq!(spikes(&[2, 1, 2, 25, 2, 62], |_| 2000), [5]);
    }

    #[test]
    fn a_busier_site_is_no_spike() {
        let busy = |minute| if minute < 4 { 1000 } else { 5000 };
        assert_eq!(spikes(&[50, 50, 50, 50, 250, 250], busy), [0usize; 0]);
    }

    #[test]
    fn a_page_that_stays_busy_gets_a_new_usual() {
        let mut visits = vec![50; 5];
        visits.extend([400; 40]);
        let found = spikes(&visits, |_| 5000);
        assert!(found.contains(&5) && !found.contains(&44), "{found:?}");
    }

    #[test]
    fn a_burst_needs_errors_in_number_and_in_share() {
        let window = Window {
            start: EventTime(0),
            end: EventTime(WINDOW_MS),
        };
        for (visits, errors, burst) in [
            (40, 30, true),
            (0, 12, true),
            (40, 11, false),
            (4000, 60, false),
        ] {
            assert_eq!(
                error_burst(window, count(visits, errors)).is_some(),
                burst,
                "{visits} {errors}"
            );
        }
    }
}
