//! One visit: what is told of its way through the site.
//!
//! ```text
//! points     = views + 2 (clicks + searches) + 5 carts + 20 purchases + whole minutes (30 at most)
//! engagement = 100 (1 - exp(-points / 20))
//! ```
//! Ten pages come to 39, a purchase alone to 63; a page that is left again to 5. Everything here is the same in
//! whatever order the events come: late ones are simply added.

use std::collections::BTreeSet;

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, COUNTRY, DEVICE, ID, PAGE, Step};
use crate::runtime::Aggregate;

/// Different pages that a visit is told apart by: a crawler must not fill the memory.
const MOST_PAGES: usize = 64;

/// Points at which engagement has come to 63 of 100.
const SCALE: f64 = 20.0;

/// Minutes that count: a tab that is left open is no sign of interest.
const MOST_MINUTES: i64 = 30;

/// Views with which somebody looks around, rather than having come for one page.
const BROWSING: u32 = 3;

/// A visit, put together from its events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Visit {
    events: u32,
    views: u32,
    clicks: u32,
    searches: u32,
    carts: u32,
    purchases: u32,
    errors: u32,
    /// The first in the order of the alphabet, which does not depend on the order of events.
    pages: BTreeSet<Box<str>>,
    first: Option<Edge>,
    last: Option<Edge>,
    first_cart: Option<EventTime>,
    first_purchase: Option<EventTime>,
}

/// The first or the last event; of two in the same millisecond the id decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Edge {
    at: EventTime,
    id: Box<str>,
    page: Box<str>,
    country: Box<str>,
    device: Box<str>,
}

impl Edge {
    fn of(at: EventTime, step: &Step) -> Self {
        let text = |index| Box::from(step.text.get(index));
        Self {
            at,
            id: text(ID),
            page: text(PAGE),
            country: text(COUNTRY),
            device: text(DEVICE),
        }
    }
}

impl Visit {
    /// Adds an event.
    pub fn add(&mut self, at: EventTime, step: &Step) {
        self.events = self.events.saturating_add(1);
        let count = match step.action {
            Action::View => Some(&mut self.views),
            Action::Click => Some(&mut self.clicks),
            Action::Search => Some(&mut self.searches),
            Action::Cart => Some(&mut self.carts),
            Action::Purchase => Some(&mut self.purchases),
            Action::Error => Some(&mut self.errors),
            Action::Other => None,
        };
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
        match step.action {
            Action::Cart => self.first_cart = earlier(self.first_cart, Some(at)),
            Action::Purchase => self.first_purchase = earlier(self.first_purchase, Some(at)),
            _ => {}
        }
        let page = step.text.get(PAGE);
        if !self.pages.contains(page) {
            self.pages.insert(page.into());
            self.bound();
        }
        let key = (at, step.text.get(ID));
        if self
            .first
            .as_ref()
            .is_none_or(|edge| key < (edge.at, &*edge.id))
        {
            self.first = Some(Edge::of(at, step));
        }
        if self
            .last
            .as_ref()
            .is_none_or(|edge| key > (edge.at, &*edge.id))
        {
            self.last = Some(Edge::of(at, step));
        }
    }

    /// Number of events.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Number of purchases.
    pub fn purchases(&self) -> u32 {
        self.purchases
    }

    /// From the first event to the last, milliseconds.
    pub fn length_ms(&self) -> i64 {
        match (&self.first, &self.last) {
            (Some(first), Some(last)) => last.at.since(first.at),
            _ => 0,
        }
    }

    /// What kind of visit it is: how far it came.
    pub fn segment(&self) -> &'static str {
        if self.purchases > 0 {
            "buyer"
        } else if self.carts > 0 {
            "undecided"
        } else if self.searches > 0 {
            "searcher"
        } else if self.views >= BROWSING {
            "browser"
        } else {
            "passer-by"
        }
    }

    /// How much the visitor took part, from 0 to 1000.
    pub fn engagement_tenths(&self) -> i64 {
        let minutes = (self.length_ms() / 60_000).min(MOST_MINUTES);
        let points = i64::from(self.views)
            + 2 * (i64::from(self.clicks) + i64::from(self.searches))
            + 5 * i64::from(self.carts)
            + 20 * i64::from(self.purchases)
            + minutes;
        let share = 1.0 - (-(points as f64) / SCALE).exp();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "between 0 and 1000, whatever the points are"
        )]
        let tenths = (share * 1000.0).round() as i64;
        tenths
    }

    /// The fields of the visit's row.
    pub fn fields(&self) -> [(&'static str, Value); 19] {
        let edge = |edge: &Option<Edge>, what: fn(&Edge) -> &str| {
            edge.as_ref().map(what).map(str::to_owned).into()
        };
        let after_start = |at: Option<EventTime>| {
            let first = self.first.as_ref();
            at.zip(first).map(|(at, first)| at.since(first.at)).into()
        };
        let pages = self.pages.len() as u64;
        [
            ("events", self.events.into()),
            ("views", self.views.into()),
            ("clicks", self.clicks.into()),
            ("searches", self.searches.into()),
            ("carts", self.carts.into()),
            ("purchases", self.purchases.into()),
            ("errors", self.errors.into()),
            ("pages", pages.into()),
            ("length_ms", self.length_ms().into()),
            ("entry_page", edge(&self.first, |edge| &edge.page)),
            ("exit_page", edge(&self.last, |edge| &edge.page)),
            ("country", edge(&self.first, |edge| &edge.country)),
            ("device", edge(&self.first, |edge| &edge.device)),
            ("cart_after_ms", after_start(self.first_cart)),
            ("purchase_after_ms", after_start(self.first_purchase)),
            ("converted", (self.purchases > 0).into()),
            ("bounced", (self.events == 1).into()),
            ("segment", self.segment().into()),
            (
                "engagement",
                (self.engagement_tenths() as f64 / 10.0).into(),
            ),
        ]
    }

    fn bound(&mut self) {
        while self.pages.len() > MOST_PAGES {
            self.pages.pop_last();
        }
    }
}

impl Aggregate for Visit {
    fn merge(&mut self, other: &Self) {
        let sums = [
            (&mut self.events, other.events),
            (&mut self.views, other.views),
            (&mut self.clicks, other.clicks),
            (&mut self.searches, other.searches),
            (&mut self.carts, other.carts),
            (&mut self.purchases, other.purchases),
            (&mut self.errors, other.errors),
        ];
        for (mine, others) in sums {
            *mine = mine.saturating_add(others);
        }
        self.pages.extend(other.pages.iter().cloned());
        self.bound();
        if self.first.is_none()
            || other
                .first
                .as_ref()
                .is_some_and(|o| Some(o) < self.first.as_ref())
        {
            self.first.clone_from(&other.first);
        }
        if other.last > self.last {
            self.last.clone_from(&other.last);
        }
        self.first_cart = earlier(self.first_cart, other.first_cart);
        self.first_purchase = earlier(self.first_purchase, other.first_purchase);
    }
}

fn earlier(a: Option<EventTime>, b: Option<EventTime>) -> Option<EventTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pack::Packed;

    fn step(id: usize, page: &str, action: Action) -> Step {
        let id = id.to_string();
        let text = Packed::new([&id, "u", page, "DE", "mobile"]).unwrap();
        Step { text, action }
    }

    fn visit(steps: &[(i64, &str, Action)]) -> Visit {
        let mut visit = Visit::default();
        for (id, (at, page, action)) in steps.iter().enumerate() {
            visit.add(EventTime(*at), &step(id, page, *action));
        }
        visit
    }

    #[test]
    fn a_segment_says_how_far_a_visit_came() {
        use Action::{Cart, Purchase, Search, View};
        for (actions, segment) in [
            (vec![View], "passer-by"),
            (vec![View, View, View], "browser"),
            (vec![View, Search], "searcher"),
            (vec![Search, Cart], "undecided"),
            (vec![Cart, Purchase], "buyer"),
        ] {
            let steps: Vec<_> = actions.iter().map(|action| (0, "/", *action)).collect();
            assert_eq!(visit(&steps).segment(), segment);
        }
    }

    #[test]
    fn engagement_grows_with_what_is_done_and_stays_below_a_hundred() {
        use Action::{Purchase, View};
        assert_eq!(visit(&[]).engagement_tenths(), 0);
        assert_eq!(visit(&[(0, "/", View)]).engagement_tenths(), 49);
        let ten: Vec<_> = (0..10).map(|i| (i, "/", View)).collect();
        assert_eq!(visit(&ten).engagement_tenths(), 393);
        let many: Vec<_> = (0..500).map(|i| (i * 60_000, "/", Purchase)).collect();
        assert_eq!(visit(&many).engagement_tenths(), 1000);
    }

    #[test]
    fn a_visit_tells_its_way() {
        use Action::{Cart, Purchase, View};
        let visit = visit(&[
            (5_000, "/cart", Cart),
            (0, "/home", View),
            (95_000, "/pay", Purchase),
            (65_000, "/home", View),
        ]);
        let fields: serde_json::Map<String, Value> = visit
            .fields()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        insta::assert_snapshot!(Value::from(fields).to_string(), @r#"{"events":4,"views":2,"clicks":0,"searches":0,"carts":1,"purchases":1,"errors":0,"pages":3,"length_ms":95000,"entry_page":"/home","exit_page":"/pay","country":"DE","device":"mobile","cart_after_ms":5000,"purchase_after_ms":95000,"converted":true,"bounced":false,"segment":"buyer","engagement":75.3}"#);
    }

    proptest! {
        /// forall events and ways of adding them up: the visit is the same.
        #[test]
        fn order_and_parts_do_not_matter(
            steps in prop::collection::vec((0i64..5, 0usize..100, 0usize..7), 0..120),
            cut in any::<prop::sample::Index>(),
        ) {
            use Action::{Cart, Click, Error, Other, Purchase, Search, View};
            let actions = [View, Click, Search, Cart, Purchase, Error, Other];
            let steps: Vec<(EventTime, Step)> = steps
                .iter()
                .enumerate()
                .map(|(id, (at, page, action))| {
                    (EventTime(*at), step(id, &format!("/{page}"), actions[*action]))
                })
                .collect();
            let of = |steps: &mut dyn Iterator<Item = &(EventTime, Step)>| {
                let mut visit = Visit::default();
                for (at, step) in steps {
                    visit.add(*at, step);
                }
                visit
            };
            let whole = of(&mut steps.iter());
            prop_assert_eq!(&of(&mut steps.iter().rev()), &whole);
            let (left, right) = steps.split_at(cut.index(steps.len() + 1));
            let mut merged = of(&mut right.iter());
            merged.merge(&of(&mut left.iter()));
            prop_assert_eq!(merged, whole);
        }
    }
}
