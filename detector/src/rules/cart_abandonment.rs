//! A wave of visits that put one product into the cart, and come to the product straight away.
//!
//! ```text
//! product and minute:  added - expected >= 10, >= 5 deviations of a Poisson count,
//!                      landings - expected landings >= half of that
//! ```
//! A sale fills carts too, but its visitors come by the page of offers and not straight to the product.

use floodmark_contracts::kind::Kind;
use serde::{Deserialize, Serialize};

use super::{page_counts::PageCount, usual_share::UsualShare};
use crate::{
    finding::{Finding, two_decimals},
    runtime::Window,
};

/// Products put into the cart more than expected.
const LEAST_EXTRA: f64 = 10.0;

/// Standard deviations of a Poisson count that they must exceed as well: products see five a minute.
const EXTRA_DEVIATIONS: f64 = 5.0;

/// Visits that begin at the product, for each of them.
const LANDINGS_PER_ADD: f64 = 0.5;

/// What is usual for one page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CartAbandonment {
    adds: UsualShare,
    landings: UsualShare,
}

impl CartAbandonment {
    /// Takes a page's whole minute, among `total` events of all pages.
    pub fn minute(&mut self, window: Window, count: PageCount, total: f64) -> Option<Finding> {
        let (adds, landings) = (f64::from(count.adds), f64::from(count.landings));
        let usual = self.adds.expected(total).zip(self.landings.expected(total));
        let surprise = usual.and_then(|(usual_adds, usual_landings)| {
            let extra = adds - usual_adds;
            let deviations = extra / (usual_adds + 1.0).sqrt();
            let many = extra >= LEAST_EXTRA && deviations >= EXTRA_DEVIATIONS;
            let straight = landings - usual_landings >= LANDINGS_PER_ADD * extra;
            many.then_some((usual_adds, deviations, straight))
        });
        let Some((usual_adds, deviations, straight)) = surprise else {
            self.adds.ordinary(adds, total);
            self.landings.ordinary(landings, total);
            return None;
        };
        self.adds.surprising(adds, total);
        self.landings.surprising(landings, total);
        straight.then(|| {
            Finding::between(
                "page-carts",
                Kind::CartAbandonment,
                window.start,
                window.end,
            )
            .score(1.0 - EXTRA_DEVIATIONS / (2.0 * deviations))
            .evidence("added", count.adds)
            .evidence("expected", two_decimals(usual_adds))
            .evidence("landings", count.landings)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::page_counts::tests::minute, *};

    /// Minutes of one product as products added and landings; which of them alert.
    fn check(minutes: &[(u32, u32)], expected: &[i64]) {
        let mut rule = CartAbandonment::default();
        let found: Vec<i64> = (0..)
            .zip(minutes)
            .filter(|(at, (adds, landings))| {
                let count = PageCount {
                    adds: *adds,
                    landings: *landings,
                    ..PageCount::default()
                };
                rule.minute(minute(*at), count, 4000.0).is_some()
            })
            .map(|(at, _)| at)
            .collect();
        assert_eq!(found, expected, "{minutes:?}");
    }

    #[test]
    fn carts_filled_by_visitors_who_come_straight_to_the_product_alert() {
        check(
            &[(5, 10), (4, 9), (6, 12), (32, 38), (30, 40), (5, 9)],
            &[3, 4],
        );
    }

    #[test]
    fn a_sale_does_not() {
        check(&[(5, 10), (4, 9), (6, 12), (52, 9), (48, 11), (5, 9)], &[]);
    }

    #[test]
    fn ordinary_ups_and_downs_do_not() {
        check(&[(5, 10), (4, 9), (6, 12), (12, 18), (9, 15), (1, 3)], &[]);
    }
}
