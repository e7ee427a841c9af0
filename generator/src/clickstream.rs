//! Visitors of a web site: who they are, how they look around, and how some of them buy.

mod segments;
mod walk;

use std::net::Ipv4Addr;

use floodmark_contracts::site::Site;

pub(crate) use self::walk::Walks;
use self::{
    segments::{LONGEST_DWELL_MS, SEGMENTS},
    walk::Move,
};
use crate::{
    address::AddressBook,
    content::{Click, ClickAction, Content, DeviceType, Origin, Visitor},
    crowd::Visits,
    draw::{Draws, Key, Purpose},
};

/// Share of the events that are errors.
const ERRORS: f64 = 0.01;
/// The visitors of the site.
#[derive(Debug, Clone)]
pub(crate) struct Visitors<'a> {
    book: &'a AddressBook,
    users: Key,
    walks: Walks,
}

/// A visit between two events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    session: u64,
    user: u32,
    visitor: Visitor,
    segment: u8,
    page: u8,
    steps_left: u8,
    stage: Stage,
}

/// How far a visit has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    LooksAround,
    /// Something is in the cart, and so many pages of the purchase have been seen.
    Buys(u8),
}

impl<'a> Visitors<'a> {
    pub(crate) fn new(book: &'a AddressBook, key: Key) -> Self {
        Self {
            book,
            users: key.purpose(Purpose::User),
            walks: Walks::new(Site::published()),
        }
    }

    /// Where a user is and with what, the same in all their visits.
    pub(crate) fn visitor(&self, user: u32) -> Visitor {
        self.person(user).0
    }

    /// A user, and the segment that they belong to.
    fn person(&self, user: u32) -> (Visitor, u8) {
        let mut draws = self.users.draws(u64::from(user));
        let country = self.book.draw_country(&mut draws);
        let address: Ipv4Addr = self.book.draw_address(country, &mut draws);
        let device = match draws.below(20) {
            0..=8 => DeviceType::Desktop,
            9..=17 => DeviceType::Mobile,
            _ => DeviceType::Tablet,
        };
        let visitor = Visitor {
            address,
            country,
            device,
        };
        (visitor, self.walks.segment(draws.unit()))
    }

    /// How visitors walk.
    pub(crate) fn walks(&self) -> &Walks {
        &self.walks
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut at 40 steps"
    )]
    fn visit(&self, user: u32, draws: &mut Draws) -> Visit {
        let (visitor, segment) = self.person(user);
        let (fewest, further, most) = SEGMENTS[usize::from(segment)].steps;
        Visit {
            session: draws.bits(),
            user,
            visitor,
            segment,
            page: 0,
            steps_left: (fewest + draws.exponential(further)).min(most) as u8,
            stage: Stage::Begins,
        }
    }

    /// Moves a visit on by an event; gives the event's action, and whether another one follows.
    fn advance(&self, visit: &mut Visit, draws: &mut Draws) -> (ClickAction, bool) {
        let walk = self.walks.of(visit.segment);
        let mut action = ClickAction::PageView;
        match visit.stage {
            Stage::Begins => {
                visit.page = walk.landing(draws);
                visit.stage = Stage::LooksAround;
            }
            Stage::LooksAround => match walk.next(visit.page, draws) {
                Move::Buys => {
                    action = ClickAction::AddToCart;
                    visit.stage = Stage::Buys(0);
                }
                Move::To(page) if page == visit.page => action = self.stays(page),
                Move::To(page) => visit.page = page,
            },
            Stage::Buys(done) => {
                visit.stage = Stage::Buys(done + 1);
                if let Some((page, _)) = self.walks.funnel(done) {
                    visit.page = page;
                }
                if self.walks.funnel(done + 1).is_none() {
                    action = ClickAction::Purchase;
                }
            }
        }
        let goes_on = match visit.stage {
            Stage::Buys(done) => {
                let next = self.walks.funnel(done);
                next.is_some_and(|(_, goes_on)| draws.chance(goes_on))
            }
            _ => {
                visit.steps_left -= 1;
                visit.steps_left > 0
            }
        };
        (action, goes_on)
    }

    /// What people do on a page that they do not leave.
    fn stays(&self, page: u8) -> ClickAction {
        match self.walks.path(page) {
            "/search" => ClickAction::Search,
            _ => ClickAction::Click,
        }
    }
}

impl Visits for Visitors<'_> {
    type Visit = Visit;

    fn open(&self, user: u32, draws: &mut Draws) -> Visit {
        self.visit(user, draws)
    }

    fn resume(&self, user: u32, draws: &mut Draws) -> Visit {
        let mut visit = self.visit(user, draws);
        visit.page = self.walks.of(visit.segment).anywhere(draws);
        visit.steps_left = 1 + draws.below(u32::from(visit.steps_left)) as u8;
        visit.stage = Stage::LooksAround;
        visit
    }

    fn step(&self, visit: &mut Visit, draws: &mut Draws) -> (Content, Option<i64>) {
        let origin = match visit.stage {
            Stage::Begins => Origin::Outside,
            _ => Origin::Page(visit.page),
        };
        let (mut action, goes_on) = self.advance(visit, draws);
        if draws.chance(ERRORS) {
            action = ClickAction::Error;
        }
        let gap = goes_on.then(|| dwell_ms(visit.segment, draws));
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
        let (visitor, segment) = self.person(user);
        let page = self.walks.of(segment).landing(draws);
        let error = draws.chance(ERRORS);
        let action = if error {
            ClickAction::Error
        } else {
            ClickAction::PageView
        };
        let session = draws.bits();
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
        self.walks.mean_dwell_ms()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "cut at two minutes")]
fn dwell_ms(segment: u8, draws: &mut Draws) -> i64 {
    let (shortest, further) = SEGMENTS[usize::from(segment)].dwell_ms;
    (shortest + draws.exponential(further)).min(LONGEST_DWELL_MS) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a visit that begins, each with the gap after it.
    fn visit(visitors: &Visitors<'_>, user: u32, draws: &mut Draws) -> Vec<(Click, Option<i64>)> {
        let mut visit = visitors.open(user, draws);
        let mut events = Vec::new();
        loop {
            let (Content::Click(click), gap) = visitors.step(&mut visit, draws) else {
                return events;
            };
            events.push((click, gap));
            if gap.is_none() {
                return events;
            }
        }
    }

    fn with_visitors<T>(look: impl Fn(&Visitors<'_>, &mut Draws) -> T) -> T {
        let book = AddressBook::load().unwrap();
        let visitors = Visitors::new(&book, Key::root(5));
        look(&visitors, &mut Key::root(6).draws(0))
    }

    #[test]
    fn pages_are_seen_as_often_as_their_shares_say() {
        with_visitors(|visitors, draws| {
            let pages = usize::from(visitors.walks.pages());
            let (mut seen, mut landed) = (vec![0.0; pages], vec![0.0; pages]);
            let users = 60_000;
            for user in 0..users {
                for (click, _) in visit(visitors, user, draws) {
                    seen[usize::from(click.page)] += 1.0;
                }
                if let Content::Click(click) = visitors.single(user, draws) {
                    landed[usize::from(click.page)] += 1.0;
                }
            }
            let events: f64 = seen.iter().sum();
            for page in 0..visitors.walks.pages() {
                let check = |count: f64, whole: f64, share: f64| {
                    let spread = (share / whole).sqrt();
                    // Visits come to a page more than once, so counts spread more than independent ones.
                    let off = (count / whole - share).abs();
                    assert!(
                        off < 8.0 * spread,
                        "{}: {share} {off}",
                        visitors.walks.path(page)
                    );
                };
                let number = usize::from(page);
                check(seen[number], events, visitors.walks.share(page, 0.0));
                check(
                    landed[number],
                    f64::from(users),
                    visitors.walks.share(page, 1.0),
                );
            }
        });
    }

    #[test]
    fn people_of_a_segment_dwell_and_buy_in_its_way() {
        with_visitors(|visitors, draws| {
            let mut gaps = [(0.0, 0.0); SEGMENTS.len()];
            let mut visits = [(0.0, 0.0); SEGMENTS.len()];
            for user in 0..40_000 {
                let segment = usize::from(visitors.person(user).1);
                let events = visit(visitors, user, draws);
                visits[segment].0 += 1.0;
                let buys = events
                    .last()
                    .is_some_and(|(click, _)| visitors.walks.path(click.page) == "/confirmation");
                visits[segment].1 += f64::from(u8::from(buys));
                for gap in events.iter().filter_map(|(_, gap)| *gap) {
                    gaps[segment] = (gaps[segment].0 + 1.0, gaps[segment].1 + gap as f64);
                }
            }
            let all: f64 = visits.iter().map(|(count, _)| count).sum();
            for ((segment, (count, _)), (n, sum)) in SEGMENTS.iter().zip(visits).zip(gaps) {
                assert!((count / all - segment.share).abs() < 0.01);
                let dwell = segment.dwell_ms.0 + segment.dwell_ms.1;
                assert!((sum / n / dwell - 1.0).abs() < 0.03, "{}", sum / n);
            }
            let bought: Vec<f64> = visits
                .iter()
                .map(|(count, bought)| bought / count)
                .collect();
            // Readers hardly ever, buyers in one visit of six or seven.
            assert!(
                bought[3] < 0.01 && (0.1..0.25).contains(&bought[2]),
                "{bought:?}"
            );
            assert!(bought[3] < bought[0] && bought[0] < bought[1] && bought[1] < bought[2]);
        });
    }
}
