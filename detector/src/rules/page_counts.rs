//! One-minute counts per page, and the rules over them: traffic spikes, error bursts, filled carts, and
//! payments that go nowhere.
//!
//! A spike is counted in visits of one event: sessions that begin at the page, less those that go on
//! from there. Whoever comes for a sale, or to fill a cart, goes on.

use std::collections::{BTreeMap, VecDeque};

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::{
    cart_abandonment::CartAbandonment,
    funnel_drop_off::{CONFIRMATION, FunnelDropOff, PAYMENT},
    usual_share::UsualShare,
};
use crate::{
    finding::{Finding, two_decimals},
    runtime::{Aggregate, Window},
};

/// Length of the windows: people count visits by the minute, and a spike lasts two.
pub const WINDOW_MS: i64 = 60_000;

/// Visits of one event more than expected that make a spike, as a multiple of the expected ones and
/// at least. The weakest spikes have 30 more in a whole minute.
const EXTRA_SHARE: f64 = 1.0;
const LEAST_EXTRA: f64 = 20.0;

/// Standard deviations of a Poisson count that the extra visits must exceed as well.
const EXTRA_DEVIATIONS: f64 = 6.0;

/// Minutes that errors are counted over, and errors and their share of the page's events that make a burst.
/// One event in a hundred is an error at usual times: a page with 120 events in three minutes has nine
/// by chance once in 100,000 minutes, and a busier one needs more.
const ERROR_MINUTES: usize = 3;
const LEAST_ERRORS: u32 = 9;
const ERROR_SHARE: f64 = 0.06;

/// Errors in the last of these minutes: a burst that has ended is not reported again.
const LEAST_LAST_ERRORS: u32 = 3;

/// A page's history is dropped after this many minutes without a visit.
const FORGET_MS: i64 = 60 * WINDOW_MS;

/// Events of one page in one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCount {
    /// Events that are no errors.
    pub visits: u32,
    /// Error events.
    pub errors: u32,
    /// Sessions that began here, and not with an error.
    pub landings: u32,
    /// Sessions that began here, now or earlier, and made their second event.
    pub onward: u32,
    /// Products put into the cart.
    pub adds: u32,
}

impl Aggregate for PageCount {
    fn merge(&mut self, other: &Self) {
        for (count, more) in [
            (&mut self.visits, other.visits),
            (&mut self.errors, other.errors),
            (&mut self.landings, other.landings),
            (&mut self.onward, other.onward),
            (&mut self.adds, other.adds),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

/// What is usual for the pages.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PageRules {
    pages: BTreeMap<String, Page>,
    funnel: FunnelDropOff,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Page {
    singles: UsualShare,
    carts: CartAbandonment,
    /// Errors and events of the last minutes, oldest first.
    errors: VecDeque<(EventTime, u32, u32)>,
    seen: EventTime,
}

impl PageRules {
    /// Takes a whole minute, all its pages in order; what is found, with the page. `spam` tells how many of a
    /// page's visits another rule has explained.
    pub fn minute(
        &mut self,
        window: Window,
        counts: &[(String, PageCount)],
        spam: &BTreeMap<String, u32>,
    ) -> Vec<(String, Finding)> {
        let mut findings = Vec::new();
        let total: f64 = counts
            .iter()
            .map(|(_, count)| f64::from(count.visits))
            .sum();
        for (path, count) in counts {
            if !self.pages.contains_key(path) {
                self.pages.insert(path.clone(), Page::default());
            }
            let Some(page) = self.pages.get_mut(path) else {
                continue;
            };
            page.seen = window.end;
            let explained = spam.get(path).copied().unwrap_or_default();
            let found = [
                page.error_burst(window, *count),
                page.spike(window, *count, explained, total),
                page.carts.minute(window, *count, total),
            ];
            findings.extend(
                found
                    .into_iter()
                    .flatten()
                    .map(|found| (path.clone(), found)),
            );
        }
        let visits = |of: &str| {
            let page = counts.iter().find(|(page, _)| page == of);
            // Visits of one event to a page of the funnel are no part of it.
            page.map_or(0, |(_, count)| {
                let singles = count.landings.saturating_sub(count.onward);
                count.visits.saturating_sub(singles)
            })
        };
        let funnel = self
            .funnel
            .minute(window, visits(PAYMENT), visits(CONFIRMATION), total);
        findings.extend(funnel.map(|found| (PAYMENT.to_owned(), found)));
        self.pages
            .retain(|_, page| window.end.since(page.seen) <= FORGET_MS);
        findings
    }
}

impl Page {
    fn spike(
        &mut self,
        window: Window,
        count: PageCount,
        explained: u32,
        total: f64,
    ) -> Option<Finding> {
        let accounted = count.onward.saturating_add(explained);
        let visits = count.landings.saturating_sub(accounted);
        let singles = f64::from(visits);
        let Some(expected) = self.singles.expected(total) else {
            self.singles.ordinary(singles, total);
            return None;
        };
        let extra = singles - expected;
        let found = extra >= LEAST_EXTRA.max(EXTRA_SHARE * expected)
            && extra >= EXTRA_DEVIATIONS * (expected + 1.0).sqrt();
        if !found {
            self.singles.ordinary(singles, total);
            return None;
        }
        self.singles.surprising(singles, total);
        Some(
            Finding::between("page-count", Kind::TrafficSpike, window.start, window.end)
                .score(extra / singles)
                .evidence("visits", visits)
                .evidence("expected", two_decimals(expected)),
        )
    }

    fn error_burst(&mut self, window: Window, count: PageCount) -> Option<Finding> {
        let span_ms = ERROR_MINUTES as i64 * WINDOW_MS;
        while self
            .errors
            .front()
            .is_some_and(|(start, ..)| window.end.since(*start) > span_ms)
        {
            self.errors.pop_front();
        }
        let events = count.errors.saturating_add(count.visits);
        self.errors.push_back((window.start, count.errors, events));
        let sums = |(errors, events): (u32, u32), (_, e, n): &(EventTime, u32, u32)| {
            (errors.saturating_add(*e), events.saturating_add(*n))
        };
        let (errors, events) = self.errors.iter().fold((0, 0), sums);
        let share = f64::from(errors) / f64::from(events.max(1));
        if errors < LEAST_ERRORS || share < ERROR_SHARE || count.errors < LEAST_LAST_ERRORS {
            return None;
        }
        Some(
            Finding::between("page-errors", Kind::ErrorBurst, window.start, window.end)
                .score(0.5 + share / 2.0)
                .evidence("errors", errors)
                .evidence("share", two_decimals(share)),
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The minute of this number.
    pub(in super::super) fn minute(number: i64) -> Window {
        let start = EventTime(number * WINDOW_MS);
        Window {
            start,
            end: start.plus_ms(WINDOW_MS),
        }
    }

    fn landings(landings: u32, onward: u32) -> PageCount {
        PageCount {
            visits: landings + onward,
            landings,
            onward,
            ..PageCount::default()
        }
    }

    /// Minutes of a page, as sessions that begin there and that go on from there, among visits
    /// elsewhere; the minutes found.
    fn spikes(visits: &[(u32, u32)], elsewhere: impl Fn(i64) -> u32, spam: u32) -> Vec<i64> {
        let mut rules = PageRules::default();
        let mut found = Vec::new();
        for (at, (begin, onward)) in (0..).zip(visits) {
            let counts = [
                ("/home".into(), landings(elsewhere(at), elsewhere(at) / 2)),
                ("/offers".into(), landings(*begin, *onward)),
            ];
            let spam = if *begin > 80 { spam } else { 0 };
            let spam = BTreeMap::from([("/offers".to_owned(), spam)]);
            let findings = rules.minute(minute(at), &counts, &spam);
            if findings.iter().any(|(page, _)| page == "/offers") {
                found.push(at);
            }
        }
        found
    }

    #[test]
    fn four_times_the_usual_is_a_spike_and_ordinary_ups_are_not() {
        let spike = [(20, 10), (22, 9), (19, 11), (90, 10), (95, 12), (21, 10)];
        assert_eq!(spikes(&spike, |_| 2000, 0), [3, 4]);
        let ordinary = [(20, 10), (22, 9), (19, 11), (34, 12), (10, 8), (21, 10)];
        assert_eq!(spikes(&ordinary, |_| 2000, 0), [0i64; 0]);
    }

    #[test]
    fn a_crowd_that_walks_on_is_no_spike() {
        let sale = [(20, 10), (22, 9), (19, 11), (90, 70), (95, 85), (21, 30)];
        assert_eq!(spikes(&sale, |_| 2000, 0), [0i64; 0]);
    }

    #[test]
    fn visits_that_another_rule_explains_are_no_spike() {
        let spam = [(40, 10), (42, 9), (39, 11), (90, 10)];
        assert_eq!(spikes(&spam, |_| 2000, 0), [3]);
        assert_eq!(spikes(&spam, |_| 2000, 60), [0i64; 0]);
    }

    #[test]
    fn a_busier_site_is_no_spike() {
        let busy = |at| if at < 4 { 1000 } else { 5000 };
        let visits = [
            (50, 20),
            (50, 20),
            (50, 20),
            (50, 20),
            (250, 100),
            (250, 100),
        ];
        assert_eq!(spikes(&visits, busy, 0), [0i64; 0]);
    }

    #[test]
    fn a_page_that_stays_busy_gets_a_new_usual() {
        let mut visits = vec![(50, 20); 5];
        visits.extend([(400, 20); 40]);
        let found = spikes(&visits, |_| 5000, 0);
        assert!(found.contains(&5) && !found.contains(&44), "{found:?}");
    }

    /// Minutes of one page as errors and visits; those that alert.
    fn bursts(minutes: &[(u32, u32)], expected: &[i64]) {
        let mut rules = PageRules::default();
        let found: Vec<i64> = (0..)
            .zip(minutes)
            .filter(|(at, (errors, visits))| {
                let count = PageCount {
                    errors: *errors,
                    visits: *visits,
                    ..PageCount::default()
                };
                let counts = [("/cart".to_owned(), count)];
                !rules
                    .minute(minute(*at), &counts, &BTreeMap::new())
                    .is_empty()
            })
            .map(|(at, _)| at)
            .collect();
        assert_eq!(found, expected, "{minutes:?}");
    }

    #[test]
    fn a_burst_needs_errors_in_number_and_in_share() {
        bursts(&[(30, 40)], &[0]);
        bursts(&[(12, 0)], &[0]);
        bursts(&[(8, 40)], &[]);
        bursts(&[(60, 4000)], &[]);
    }

    #[test]
    fn a_weak_burst_adds_up_over_three_minutes_and_ends() {
        bursts(&[(0, 40), (4, 36), (6, 40), (0, 38), (1, 40)], &[2]);
        bursts(&[(4, 36), (0, 40), (0, 40), (0, 40), (6, 40)], &[]);
    }

    #[test]
    fn forgotten_pages_leave_no_state() {
        let mut rules = PageRules::default();
        let counts = [("/old".to_owned(), landings(5, 2))];
        rules.minute(minute(0), &counts, &BTreeMap::new());
        rules.minute(minute(61), &[], &BTreeMap::new());
        assert!(rules.pages.is_empty());
    }
}
