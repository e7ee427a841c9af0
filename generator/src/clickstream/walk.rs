//! The site as visitors walk it, each segment in its way, and how often pages are seen because of it.

use floodmark_contracts::site::Site;

use super::segments::{FUNNEL, SEGMENTS, Segment, is_product};
use crate::{
    alias::Alias,
    draw::{Draws, below},
    math::exp,
};

/// Share of the steps that stay on their page.
const STAY: f64 = 0.2;
/// Share of the steps that go to any page: a bookmark, a typed address.
const JUMP: f64 = 0.004;

/// The walks of all segments.
#[derive(Debug, Clone)]
pub(crate) struct Walks {
    site: &'static Site,
    segments: Vec<Walk>,
    /// Sums of the segments' shares of the users.
    sums: Vec<f64>,
    funnel: [u8; FUNNEL.len()],
    /// Share of the one-event visits, and of the events of the others, that each page has.
    singles: Vec<f64>,
    visited: Vec<f64>,
    mean_dwell_ms: f64,
}

/// How the visitors of one segment walk.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    site: &'static Site,
    landing: Alias,
    /// For each page, a choice among its links.
    links: Vec<Alias>,
    /// Of the pages that visits pass before they buy or end.
    anywhere: Alias,
    /// The chance that a step from each page puts it into the cart.
    buys: Vec<f64>,
}

/// A step of somebody who looks around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    To(u8),
    /// Into the cart with the product of the page.
    Buys,
}

impl Walks {
    pub(crate) fn new(site: &'static Site) -> Self {
        let usual: Vec<Usual> = SEGMENTS.iter().map(|s| Usual::of(s, site)).collect();
        let weighted = |of: &dyn Fn(&Usual) -> f64| -> f64 {
            let each = SEGMENTS.iter().zip(&usual);
            each.map(|(segment, usual)| segment.share * of(usual)).sum()
        };
        let events = weighted(&Usual::events);
        let of_pages = |of: &dyn Fn(&Usual, usize) -> f64, whole: f64| -> Vec<f64> {
            let pages = 0..site.pages().len();
            pages
                .map(|page| weighted(&|usual| of(usual, page)) / whole)
                .collect()
        };
        let dwell = SEGMENTS.iter().zip(&usual).map(|(segment, usual)| {
            let (shortest, further) = segment.dwell_ms;
            segment.share * usual.events() * (shortest + further)
        });
        let page = |(path, _)| page_number(site.page(path).unwrap_or_default());
        Self {
            site,
            sums: SEGMENTS
                .iter()
                .scan(0.0, |sum, segment| {
                    *sum += segment.share;
                    Some(*sum)
                })
                .collect(),
            funnel: FUNNEL.map(page),
            singles: of_pages(&|usual, page| usual.landing[page], 1.0),
            visited: of_pages(&|usual, page| usual.seen[page], events),
            mean_dwell_ms: dwell.sum::<f64>() / events,
            segments: SEGMENTS
                .iter()
                .zip(&usual)
                .map(|(segment, usual)| Walk::new(site, segment, usual))
                .collect(),
        }
    }

    /// The walk of a segment.
    pub(super) fn of(&self, segment: u8) -> &Walk {
        &self.segments[usize::from(segment) % self.segments.len()]
    }

    /// The walk of the largest segment: what machines do that pass for people.
    pub(crate) fn usual(&self) -> &Walk {
        self.of(0)
    }

    /// The segment of the user for whom this share was drawn.
    pub(super) fn segment(&self, drawn: f64) -> u8 {
        let found = self.sums.iter().position(|sum| drawn < *sum);
        page_number(found.unwrap_or_default())
    }

    /// The page of a purchase that comes after `done` others, and the chance that a visitor goes on to it.
    pub(super) fn funnel(&self, done: u8) -> Option<(u8, f64)> {
        let (_, goes_on) = FUNNEL.get(usize::from(done))?;
        Some((self.funnel[usize::from(done)], *goes_on))
    }

    /// Share of all events that a page has, where `singles` of them are visits by themselves.
    pub(crate) fn share(&self, page: u8, singles: f64) -> f64 {
        let page = usize::from(page);
        singles * self.singles[page] + (1.0 - singles) * self.visited[page]
    }

    /// Number of pages.
    pub(crate) fn pages(&self) -> u8 {
        page_number(self.site.pages().len())
    }

    /// Mean gap between two events of a visit, in milliseconds.
    pub(super) fn mean_dwell_ms(&self) -> f64 {
        self.mean_dwell_ms
    }

    /// Path of a page.
    pub(super) fn path(&self, page: u8) -> &'static str {
        self.site.pages()[usize::from(page)].as_str()
    }
}

impl Walk {
    fn new(site: &'static Site, segment: &Segment, usual: &Usual) -> Self {
        let links = (0..site.pages().len())
            .map(|page| Alias::new(&link_weights(site, segment, page)))
            .collect();
        let buys = site.pages().iter().map(|path| buys(segment, path));
        Self {
            site,
            landing: Alias::new(&usual.landing),
            links,
            anywhere: Alias::new(&usual.passed),
            buys: buys.collect(),
        }
    }

    /// A page on which a visit begins.
    pub(crate) fn landing(&self, draws: &mut Draws) -> u8 {
        picked(&self.landing, draws)
    }

    /// A page by how often visits come by before they buy or end.
    pub(super) fn anywhere(&self, draws: &mut Draws) -> u8 {
        picked(&self.anywhere, draws)
    }

    /// What comes after a look at `from`.
    pub(super) fn next(&self, from: u8, draws: &mut Draws) -> Move {
        let kind = draws.unit();
        if kind < STAY {
            Move::To(from)
        } else if kind < STAY + JUMP {
            let pages = u32::try_from(self.site.pages().len()).unwrap_or(0);
            Move::To(page_number(below(draws.bits(), pages) as usize))
        } else if kind < STAY + JUMP + self.buys[usize::from(from)] {
            Move::Buys
        } else {
            Move::To(self.follow(from, draws))
        }
    }

    /// A page that `from` links to.
    pub(crate) fn follow(&self, from: u8, draws: &mut Draws) -> u8 {
        let from = usize::from(from);
        let choice = self.links[from].pick(draws.bits()) as usize;
        page_number(self.site.links(from)[choice])
    }

    /// A page to which `from` does not link.
    pub(crate) fn unlinked(&self, from: u8, draws: &mut Draws) -> u8 {
        let far: Vec<usize> = (0..self.site.pages().len())
            .filter(|page| !self.site.connects(usize::from(from), *page))
            .collect();
        let choice = draws.below(u32::try_from(far.len()).unwrap_or(0)) as usize;
        page_number(far[choice])
    }
}

/// What comes out of the walks of a segment's visits of several steps.
struct Usual {
    /// Share of the visits that begin on each page.
    landing: Vec<f64>,
    /// Events of a visit on each page, in the mean, but for those of purchases.
    passed: Vec<f64>,
    /// Events of a visit on each page, in the mean.
    seen: Vec<f64>,
}

impl Usual {
    /// The walk's distribution after each step, weighted by the share of visits that get so far, and what
    /// purchases add to it: who puts something into the cart goes on by the funnel alone.
    fn of(segment: &Segment, site: &Site) -> Self {
        let pages = site.pages();
        let n = pages.len();
        let weights: Vec<f64> = pages.iter().map(|p| segment.landing_weight(p)).collect();
        let total: f64 = weights.iter().sum();
        let landing: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let (mut passed, mut bought) = (vec![0.0; n], vec![0.0; n]);
        let mut at = landing.clone();
        let mut step = 1.0;
        while step <= segment.steps.2 {
            let mut after = vec![0.0; n];
            for (page, path) in pages.iter().enumerate() {
                passed[page] += reached(segment, step) * at[page];
                let buys = buys(segment, path);
                bought[page] += reached(segment, step + 1.0) * at[page] * buys;
                after[page] += STAY * at[page];
                after
                    .iter_mut()
                    .for_each(|a| *a += JUMP / n as f64 * at[page]);
                let weights = link_weights(site, segment, page);
                let sum: f64 = weights.iter().sum();
                let goes_on = (1.0 - STAY - JUMP - buys) * at[page];
                for (to, weight) in site.links(page).iter().zip(weights) {
                    after[*to] += goes_on * weight / sum;
                }
            }
            at = after;
            step += 1.0;
        }
        let mut seen: Vec<f64> = passed.iter().zip(&bought).map(|(p, b)| p + b).collect();
        let mut buyers: f64 = bought.iter().sum();
        for (path, goes_on) in FUNNEL {
            buyers *= goes_on;
            seen[site.page(path).unwrap_or_default()] += buyers;
        }
        Self {
            landing,
            passed,
            seen,
        }
    }

    /// Events of a visit, in the mean.
    fn events(&self) -> f64 {
        self.seen.iter().sum()
    }
}

/// Share of the visits that have at least `count` events, if they do not buy.
fn reached(segment: &Segment, count: f64) -> f64 {
    let (fewest, further, most) = segment.steps;
    if count > most {
        0.0
    } else if count <= fewest {
        1.0
    } else {
        exp((fewest - count) / further)
    }
}

fn buys(segment: &Segment, path: &str) -> f64 {
    if is_product(path) { segment.buys } else { 0.0 }
}

fn link_weights(site: &Site, segment: &Segment, page: usize) -> Vec<f64> {
    let weight = |to: &usize| segment.link_weight(&site.pages()[*to]);
    site.links(page).iter().map(weight).collect()
}

fn picked(table: &Alias, draws: &mut Draws) -> u8 {
    page_number(table.pick(draws.bits()) as usize)
}

fn page_number(index: usize) -> u8 {
    // The site has 49 pages.
    u8::try_from(index).unwrap_or_default()
}
