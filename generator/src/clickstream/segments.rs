//! Segments of visitors: where their visits begin, which links they follow, how long they stay, and how
//! readily they buy. The catalogue states these numbers.

/// A segment. Weights are relative to one another.
#[derive(Debug)]
pub(super) struct Segment {
    /// Share of the users.
    pub(super) share: f64,
    /// Where visits begin.
    pub(super) landing: Weights,
    /// Which links are followed.
    pub(super) links: Weights,
    /// Chance that a step from a product puts it into the cart.
    pub(super) buys: f64,
    /// Fewest, mean further and most events of a visit, unless it ends in the funnel.
    pub(super) steps: (f64, f64, f64),
    /// Shortest and mean further gap between two events of a visit, in milliseconds.
    pub(super) dwell_ms: (f64, f64),
}

/// Weights of pages by what they are.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) home: f64,
    pub(super) search: f64,
    pub(super) offers: f64,
    pub(super) category: f64,
    pub(super) product: f64,
    pub(super) blog: f64,
    pub(super) other: f64,
}

/// The pages of a purchase after the product, and the chance that a visitor who is a step before one goes
/// on to it. Whoever does not leaves the site.
pub(super) const FUNNEL: [(&str, f64); 4] = [
    ("/cart", 0.75),
    ("/checkout", 0.5),
    ("/checkout/payment", 0.75),
    ("/confirmation", 0.8),
];

/// The longest gap between two events of a visit, in milliseconds.
pub(super) const LONGEST_DWELL_MS: f64 = 120_000.0;

/// Browsers, searchers, buyers and readers.
pub(super) const SEGMENTS: [Segment; 4] = [
    Segment {
        share: 0.45,
        landing: Weights {
            home: 40.0,
            search: 8.0,
            offers: 8.0,
            category: 3.0,
            product: 0.8,
            blog: 1.0,
            other: 0.3,
        },
        links: Weights {
            home: 2.0,
            search: 1.0,
            offers: 3.0,
            category: 3.0,
            product: 3.0,
            blog: 3.0,
            other: 3.0,
        },
        buys: 0.06,
        steps: (2.0, 9.0, 40.0),
        dwell_ms: (3_000.0, 12_000.0),
    },
    Segment {
        share: 0.25,
        landing: Weights {
            home: 20.0,
            search: 40.0,
            offers: 4.0,
            category: 1.0,
            product: 2.0,
            blog: 0.5,
            other: 0.3,
        },
        links: Weights {
            home: 2.0,
            search: 4.0,
            offers: 2.0,
            category: 2.0,
            product: 3.0,
            blog: 1.0,
            other: 2.0,
        },
        buys: 0.1,
        steps: (2.0, 7.0, 40.0),
        dwell_ms: (3_000.0, 9_000.0),
    },
    Segment {
        share: 0.15,
        landing: Weights {
            home: 20.0,
            search: 8.0,
            offers: 25.0,
            category: 3.0,
            product: 2.0,
            blog: 0.1,
            other: 0.3,
        },
        links: Weights {
            home: 2.0,
            search: 1.0,
            offers: 3.0,
            category: 3.0,
            product: 5.0,
            blog: 0.3,
            other: 3.0,
        },
        buys: 0.35,
        steps: (3.0, 8.0, 40.0),
        dwell_ms: (3_000.0, 10_000.0),
    },
    Segment {
        share: 0.15,
        landing: Weights {
            home: 20.0,
            search: 2.0,
            offers: 1.0,
            category: 0.5,
            product: 0.2,
            blog: 10.0,
            other: 1.4,
        },
        links: Weights {
            home: 3.0,
            search: 1.0,
            offers: 2.0,
            category: 2.0,
            product: 1.0,
            blog: 8.0,
            other: 2.0,
        },
        buys: 0.01,
        steps: (2.0, 7.0, 40.0),
        dwell_ms: (3_000.0, 22_000.0),
    },
];

impl Segment {
    /// Weight of a page among those on which visits begin.
    pub(super) fn landing_weight(&self, path: &str) -> f64 {
        self.landing.of(path)
    }

    /// Weight of a page among the links to follow. The pages of a purchase are for those who buy; others
    /// look in now and then, but nobody is told that a purchase is confirmed who made none.
    pub(super) fn link_weight(&self, path: &str) -> f64 {
        match path {
            "/cart" | "/checkout" => 0.3,
            "/checkout/payment" => 1.0,
            "/confirmation" => 0.0,
            _ => self.links.of(path),
        }
    }
}

impl Weights {
    fn of(&self, path: &str) -> f64 {
        match path {
            "/home" => self.home,
            "/search" => self.search,
            "/offers" => self.offers,
            _ if path.starts_with("/category/") => self.category,
            _ if is_product(path) => self.product,
            _ if path.starts_with("/blog") => self.blog,
            _ => self.other,
        }
    }
}

/// True for the page of a product, from which it can be put into the cart.
pub(super) fn is_product(path: &str) -> bool {
    path.starts_with("/product/")
}
