//! A session that moves between pages which no link connects.
//!
//! The site's owner knows which page links to which. People take one step in 250 without a link, and
//! an event that is lost leaves a hole that looks like one; so a single such step means nothing, and
//! three of the last four mean a lot.

use std::collections::HashMap;

use floodmark_contracts::{clock::EventTime, kind::Kind, site::Site};
use serde::{Deserialize, Serialize};

use crate::{finding::Finding, runtime::hashing::Names};

/// Steps looked at, and how many of them must be impossible. With one ordinary step in 50 without a
/// link, lost events included, chance does this once in 30,000 steps.
const STEPS: u32 = 4;
const IMPOSSIBLE: u32 = 3;

/// Links of the site, by path.
#[derive(Debug, Clone)]
pub struct Links {
    pages: HashMap<&'static str, u16, Names>,
    /// `connected[from * pages + to]`.
    connected: Vec<bool>,
}

impl Links {
    /// The links of the published site.
    #[must_use]
    pub fn published() -> Self {
        let site = Site::published();
        let n = site.pages().len();
        let pages = (0..)
            .zip(site.pages())
            .map(|(index, path)| (path.as_str(), index))
            .collect();
        let connected = (0..n * n)
            .map(|pair| site.connects(pair / n.max(1), pair % n.max(1)))
            .collect();
        Self { pages, connected }
    }

    /// Number of a page, if it is one of the site's.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<u16> {
        self.pages.get(path).copied()
    }

    fn connects(&self, from: u16, to: u16) -> bool {
        let pair = usize::from(from) * self.pages.len() + usize::from(to);
        self.connected.get(pair).copied().unwrap_or(true)
    }
}

/// State of the rule for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImpossibleNavigation {
    page: Option<u16>,
    /// The last steps, newest in the lowest bit, set where impossible.
    steps: u32,
    first_impossible: Option<EventTime>,
    found: bool,
}

impl ImpossibleNavigation {
    /// Takes an event on `page`; a finding if too many of the last steps had no link, once per
    /// session.
    pub fn event(
        &mut self,
        links: &Links,
        at: EventTime,
        page: Option<u16>,
        event_id: &str,
    ) -> Option<Finding> {
        // A page that the site's owner does not know says nothing, and neither does staying.
        let page = page?;
        let from = self.page.replace(page)?;
        if from == page {
            return None;
        }
        let impossible = !links.connects(from, page);
        self.steps = (self.steps << 1) | u32::from(impossible);
        let recent = (self.steps & ((1 << STEPS) - 1)).count_ones();
        if recent == 0 {
            self.first_impossible = None;
        } else if impossible {
            self.first_impossible.get_or_insert(at);
        }
        if self.found || recent < IMPOSSIBLE {
            return None;
        }
        self.found = true;
        let start = self.first_impossible.unwrap_or(at);
        Some(
            Finding::between("session-path", Kind::ImpossibleNavigation, start, at)
                .score(0.9)
                .event(event_id)
                .evidence("impossible_steps", recent)
                .evidence("steps", STEPS),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pages: &[&str], expected: &[usize]) {
        let links = Links::published();
        let mut rule = ImpossibleNavigation::default();
        let found: Vec<usize> = pages
            .iter()
            .enumerate()
            .filter(|(i, page)| {
                let at = EventTime(i64::try_from(*i).unwrap() * 1000);
                rule.event(&links, at, links.page(page), "e").is_some()
            })
            .map(|(i, _)| i)
            .collect();
        assert_eq!(found, expected, "{pages:?}");
    }

    #[test]
    fn a_walk_along_links_is_possible() {
        check(
            &[
                "/home",
                "/category/books",
                "/product/1",
                "/product/1",
                "/cart",
                "/checkout",
            ],
            &[],
        );
    }

    #[test]
    fn the_third_step_without_a_link_alerts_once() {
        check(
            &[
                "/home",
                "/confirmation",
                "/blog/2",
                "/checkout",
                "/contact",
                "/product/9",
            ],
            &[3],
        );
    }

    #[test]
    fn one_jump_in_a_session_means_nothing() {
        check(
            &[
                "/home",
                "/help",
                "/checkout",
                "/cart",
                "/home",
                "/blog",
                "/cart",
                "/home",
            ],
            &[],
        );
    }

    #[test]
    fn unknown_pages_are_passed_over() {
        check(
            &[
                "/home",
                "/nowhere",
                "/elsewhere",
                "/search",
                "/gone",
                "/home",
            ],
            &[],
        );
    }
}
