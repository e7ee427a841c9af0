//! Visitors of a web site: who they are and how they walk its pages.

use std::net::Ipv4Addr;

use floodmark_contracts::site::Site;

use crate::{
    address::AddressBook,
    alias::Alias,
    content::{Click, ClickAction, Content, DeviceType, Origin, Visitor},
    crowd::Visits,
    draw::{Draws, Key, Purpose},
};

/// Share of the steps that stay on their page.
const STAY: f64 = 0.2;
/// Share of the steps that go to any page: a bookmark, a typed address.
const JUMP: f64 = 0.004;
/// Share of the events that are errors.
const ERRORS: f64 = 0.01;
/// Shortest and mean further gap between two events of a visit, and the longest, in milliseconds.
const DWELL_MS: (f64, f64, f64) = (3_000.0, 12_000.0, 120_000.0);
/// Fewest, mean further and most events of a visit.
const STEPS: (f64, f64, f64) = (2.0, 8.0, 40.0);

/// The visitors of the site.
#[derive(Debug, Clone)]
pub(crate) struct Visitors<'a> {
    book: &'a AddressBook,
    users: Key,
    walk: Walk,
}

/// A visit between two events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    session: u64,
    user: u32,
    visitor: Visitor,
    page: u8,
    steps_left: u8,
    begun: bool,
}

impl<'a> Visitors<'a> {
    pub(crate) fn new(book: &'a AddressBook, key: Key) -> Self {
        Self {
            book,
            users: key.purpose(Purpose::User),
            walk: Walk::new(Site::published()),
        }
    }

    /// Where a user is and with what, the same in all their visits.
    pub(crate) fn visitor(&self, user: u32) -> Visitor {
        let mut draws = self.users.draws(u64::from(user));
        let country = self.book.draw_country(&mut draws);
        let address: Ipv4Addr = self.book.draw_address(country, &mut draws);
        let device = match draws.below(20) {
            0..=8 => DeviceType::Desktop,
            9..=17 => DeviceType::Mobile,
            _ => DeviceType::Tablet,
        };
        Visitor {
            address,
            country,
            device,
        }
    }

    /// How visitors walk.
    pub(crate) fn walk(&self) -> &Walk {
        &self.walk
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut at 40 steps"
    )]
    fn visit(&self, user: u32, page: u8, draws: &mut Draws) -> Visit {
        let (fewest, further, most) = STEPS;
        Visit {
            session: draws.bits(),
            user,
            visitor: self.visitor(user),
            page,
            steps_left: (fewest + draws.exponential(further)).min(most) as u8,
            begun: false,
        }
    }
}

impl Visits for Visitors<'_> {
    type Visit = Visit;

    fn open(&self, user: u32, draws: &mut Draws) -> Visit {
        let page = self.walk.landing(draws);
        self.visit(user, page, draws)
    }

    fn resume(&self, user: u32, draws: &mut Draws) -> Visit {
        let page = self.walk.anywhere(draws);
        let mut visit = self.visit(user, page, draws);
        visit.steps_left = 1 + draws.below(u32::from(visit.steps_left)) as u8;
        visit.begun = true;
        visit
    }

    fn step(&self, visit: &mut Visit, draws: &mut Draws) -> (Content, Option<i64>) {
        let mut action = ClickAction::PageView;
        let mut origin = Origin::Outside;
        if visit.begun {
            let from = visit.page;
            origin = Origin::Page(from);
            visit.page = self.walk.next(from, draws);
            action = self.walk.action(from, visit.page, draws);
        }
        visit.begun = true;
        if draws.chance(ERRORS) {
            action = ClickAction::Error;
        }
        visit.steps_left -= 1;
        let gap = (visit.steps_left > 0).then(|| dwell_ms(draws));
        let Visit {
            user,
            session,
            visitor,
            page,
            ..
        } = *visit;
        (
            Content::Click(Click {
                user,
                session,
                visitor,
                page,
                action,
                origin,
            }),
            gap,
        )
    }

    fn single(&self, user: u32, draws: &mut Draws) -> Content {
        let page = self.walk.landing(draws);
        let error = draws.chance(ERRORS);
        let action = if error {
            ClickAction::Error
        } else {
            ClickAction::PageView
        };
        let (session, visitor) = (draws.bits(), self.visitor(user));
        Content::Click(Click {
            user,
            session,
            visitor,
            page,
            action,
            origin: Origin::Outside,
        })
    }

    fn mean_dwell_ms(&self) -> f64 {
        DWELL_MS.0 + DWELL_MS.1
    }
}

#[expect(clippy::cast_possible_truncation, reason = "cut at two minutes")]
fn dwell_ms(draws: &mut Draws) -> i64 {
    let (shortest, further, longest) = DWELL_MS;
    (shortest + draws.exponential(further)).min(longest) as i64
}

/// The site as visitors walk it.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    site: &'static Site,
    landing: Alias,
    landing_weights: Vec<f64>,
    /// For each page, a choice among its links.
    links: Vec<Alias>,
    shares: Vec<f64>,
    anywhere: Alias,
}

impl Walk {
    pub(crate) fn new(site: &'static Site) -> Self {
        let landing_weights: Vec<f64> = site.pages().iter().map(|p| landing_weight(p)).collect();
        let links = (0..site.pages().len())
            .map(|page| Alias::new(&link_weights(site, page)))
            .collect();
        let shares = visited_shares(site, &landing_weights);
        Self {
            site,
            landing: Alias::new(&landing_weights),
            links,
            anywhere: Alias::new(&shares),
            shares,
            landing_weights,
        }
    }

    /// A page on which a visit begins.
    pub(crate) fn landing(&self, draws: &mut Draws) -> u8 {
        page_number(self.landing.pick(draws.bits()))
    }

    /// A page by how often visits of several steps come by.
    fn anywhere(&self, draws: &mut Draws) -> u8 {
        page_number(self.anywhere.pick(draws.bits()))
    }

    /// The page after `from`.
    pub(crate) fn next(&self, from: u8, draws: &mut Draws) -> u8 {
        let kind = draws.unit();
        if kind < STAY {
            from
        } else if kind < STAY + JUMP {
            page_number(draws.below(page_count(self.site)))
        } else {
            self.follow(from, draws)
        }
    }

    /// A page that `from` links to.
    pub(crate) fn follow(&self, from: u8, draws: &mut Draws) -> u8 {
        let from = usize::from(from);
        let choice = self.links[from].pick(draws.bits()) as usize;
        u8::try_from(self.site.links(from)[choice]).unwrap_or_default()
    }

    /// A page to which `from` does not link.
    pub(crate) fn unlinked(&self, from: u8, draws: &mut Draws) -> u8 {
        let far: Vec<usize> = (0..self.site.pages().len())
            .filter(|page| !self.site.connects(usize::from(from), *page))
            .collect();
        let choice = draws.below(u32::try_from(far.len()).unwrap_or(0)) as usize;
        u8::try_from(far[choice]).unwrap_or_default()
    }

    /// Share of all events that a page has, where `singles` of them are visits by themselves.
    pub(crate) fn share(&self, page: u8, singles: f64) -> f64 {
        let page = usize::from(page);
        let landing = self.landing_weights[page] / self.landing_weights.iter().sum::<f64>();
        singles * landing + (1.0 - singles) * self.shares[page]
    }

    /// Number of pages.
    pub(crate) fn pages(&self) -> u8 {
        page_number(page_count(self.site))
    }

    fn action(&self, from: u8, to: u8, draws: &mut Draws) -> ClickAction {
        let path = self.site.pages()[usize::from(to)].as_str();
        match path {
            "/confirmation" if from != to => ClickAction::Purchase,
            _ if from != to => ClickAction::PageView,
            "/search" => ClickAction::Search,
            _ if path.starts_with("/product/") && draws.chance(0.5) => ClickAction::AddToCart,
            _ => ClickAction::Click,
        }
    }
}

/// Weights of the pages on which visits begin.
fn landing_weight(path: &str) -> f64 {
    match path {
        "/home" => 40.0,
        "/search" | "/offers" => 8.0,
        _ if path.starts_with("/category/") => 3.0,
        _ if path.starts_with("/product/") => 0.8,
        _ if path.starts_with("/blog") => 1.0,
        _ => 0.3,
    }
}

/// Weights of a page's links: those of the header, which every page has, are followed less.
fn link_weights(site: &Site, page: usize) -> Vec<f64> {
    let weight = |to: &usize| match site.pages()[*to].as_str() {
        "/home" | "/search" => 1.0,
        _ => 3.0,
    };
    site.links(page).iter().map(weight).collect()
}

/// Share of the events of visits of several steps that fall on each page: the walk's distribution
/// after each step, weighted by the share of visits that get so far.
fn visited_shares(site: &Site, landing: &[f64]) -> Vec<f64> {
    let n = site.pages().len();
    let total: f64 = landing.iter().sum();
    let mut at: Vec<f64> = landing.iter().map(|w| w / total).collect();
    let mut shares = vec![0.0; n];
    let (fewest, further, most) = STEPS;
    let mut step = 0.0;
    while step < most {
        let reached = if step < fewest {
            1.0
        } else {
            crate::math::exp((fewest - step) / further)
        };
        let mut after = vec![JUMP / n as f64; n];
        for page in 0..n {
            shares[page] += reached * at[page];
            after[page] += STAY * at[page];
            let weights = link_weights(site, page);
            let sum: f64 = weights.iter().sum();
            for (to, weight) in site.links(page).iter().zip(weights) {
                after[*to] += (1.0 - STAY - JUMP) * at[page] * weight / sum;
            }
        }
        at = after;
        step += 1.0;
    }
    let total: f64 = shares.iter().sum();
    shares.iter().map(|share| share / total).collect()
}

fn page_count(site: &Site) -> u32 {
    u32::try_from(site.pages().len()).unwrap_or(0)
}

fn page_number(index: u32) -> u8 {
    // The site has 49 pages.
    u8::try_from(index).unwrap_or_default()
}
