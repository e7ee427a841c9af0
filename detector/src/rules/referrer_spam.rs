//! Visits that begin at one page and all name the same unlikely referrer.
//!
//! ```text
//! page, referrer and minute:  landings >= 8,  and  >= 3 * the referrer's usual landings on all pages
//! ```

use std::collections::BTreeMap;

use floodmark_contracts::kind::Kind;
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::{Aggregate, Window},
};

/// Visits that begin at one page with one referrer in a minute. Small sites send two at most.
const LEAST_LANDINGS: u32 = 8;

/// How many times what the referrer usually sends in a minute, to all pages together: a search engine sends
/// hundreds, and to some page it may send many.
const TIMES_USUAL: f64 = 3.0;

/// Weight of a minute in what is usual.
const RATE: f64 = 0.1;

/// Minutes before anything is said: it takes some to tell search engines from strangers.
const WARM_UP: u32 = 3;

/// Referrers that are told apart; further ones are taken for strangers.
const MOST_REFERRERS: usize = 4096;

/// A referrer that sends less than this a minute is forgotten.
const FORGET: f64 = 0.001;

/// Visits of one page with one referrer in one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landings(pub u32);

impl Aggregate for Landings {
    fn merge(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

/// What referrers usually send.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReferrerSpam {
    usual: BTreeMap<String, f64>,
    minutes: u32,
}

impl ReferrerSpam {
    /// Takes a whole minute, pages and referrers in order; what is found, with the page and the number of visits.
    pub fn minute(
        &mut self,
        window: Window,
        counts: &[((String, String), Landings)],
    ) -> Vec<(String, u32, Finding)> {
        let mut findings = Vec::new();
        let mut sent: BTreeMap<&str, u32> = BTreeMap::new();
        for ((page, referrer), Landings(landings)) in counts {
            let usual = self.usual.get(referrer).copied().unwrap_or_default();
            let many = *landings >= LEAST_LANDINGS && f64::from(*landings) >= TIMES_USUAL * usual;
            if self.minutes < WARM_UP || !many {
                let sent = sent.entry(referrer).or_default();
                *sent = sent.saturating_add(*landings);
                continue;
            }
            let finding = Finding::between(
                "page-referrer",
                Kind::ReferrerSpam,
                window.start,
                window.end,
            )
            .score(1.0 - f64::from(LEAST_LANDINGS) / (2.0 * f64::from(*landings)))
            .evidence("referrer", referrer.as_str())
            .evidence("visits", *landings)
            .evidence("usual", two_decimals(usual));
            findings.push((page.clone(), *landings, finding));
        }
        self.learn(&sent);
        findings
    }

    fn learn(&mut self, sent: &BTreeMap<&str, u32>) {
        self.minutes = self.minutes.saturating_add(1);
        let rate = RATE.max(1.0 / f64::from(self.minutes));
        for (referrer, usual) in &mut self.usual {
            let count = sent.get(referrer.as_str()).copied().unwrap_or_default();
            *usual += rate * (f64::from(count) - *usual);
        }
        self.usual.retain(|_, usual| *usual >= FORGET);
        for (referrer, count) in sent {
            if self.usual.len() < MOST_REFERRERS && !self.usual.contains_key(*referrer) {
                self.usual
                    .insert((*referrer).to_owned(), rate * f64::from(*count));
            }
        }
    }
}

/// The site of a referrer, such as `https://site-7.example`; `None` for an empty one.
#[must_use]
pub fn site(referrer: &str) -> Option<&str> {
    let host = referrer.find("://").map_or(0, |scheme| scheme + 3);
    let end = referrer[host..]
        .find('/')
        .map_or(referrer.len(), |path| host + path);
    Some(&referrer[..end]).filter(|site| !site.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{super::page_counts::tests::minute, *};

    /// Minutes of visits to `/offers` from a site, beside 300 from a search engine; those that alert.
    fn check(visits: &[u32], site: &str, expected: &[i64]) {
        let mut rule = ReferrerSpam::default();
        let mut found = Vec::new();
        for (at, visits) in (0..).zip(visits) {
            let page = |page: &str, site: &str| (page.to_owned(), site.to_owned());
            let counts = [
                (page("/home", "https://search.example"), Landings(300)),
                (page("/offers", site), Landings(*visits)),
            ];
            for (page, landings, _) in rule.minute(minute(at), &counts) {
                assert_eq!((page.as_str(), landings), ("/offers", *visits));
                found.push(at);
            }
        }
        assert_eq!(found, expected, "{visits:?}");
    }

    #[test]
    fn a_small_site_that_sends_many_to_one_page_alerts() {
        check(&[1, 0, 1, 0, 18, 22, 1], "https://site-7.example", &[4, 5]);
    }

    #[test]
    fn a_few_do_not_and_neither_does_a_search_engine() {
        check(&[1, 0, 1, 0, 5, 7, 1], "https://site-7.example", &[]);
        check(&[40, 38, 44, 90, 60], "https://search.example", &[]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut rule = ReferrerSpam::default();
        for at in 0..20_i64 {
            let counts: Vec<_> = (0..1000)
                .map(|i| (("/home".to_owned(), format!("site-{at}-{i}")), Landings(1)))
                .collect();
            rule.minute(minute(at), &counts);
        }
        assert!(rule.usual.len() <= MOST_REFERRERS);
    }

    #[test]
    fn referrers_are_told_apart_by_site() {
        for (referrer, expected) in [
            ("", None),
            ("https://site-7.example/", Some("https://site-7.example")),
            ("https://a.example/b/c?d", Some("https://a.example")),
            ("https://a.example", Some("https://a.example")),
            ("a.example/b", Some("a.example")),
        ] {
            assert_eq!(site(referrer), expected, "{referrer}");
        }
    }
}
