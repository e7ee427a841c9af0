//! Incidents on the web site: one module for each kind, and what they share.

pub(super) mod bot;
pub(super) mod cart_abandonment;
pub(super) mod click_fraud;
pub(super) mod error_burst;
pub(super) mod flash_sale;
mod flood;
pub(super) mod funnel_drop_off;
pub(super) mod geo_hop;
pub(super) mod impossible_navigation;
pub(super) mod inhuman_speed;
pub(super) mod referrer_spam;
pub(super) mod traffic_spike;
mod waves;

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    kind::Kind,
    site::Site,
    stream::Stream,
};

use super::{Impossible, Occasion, Script};
use crate::{
    address::AddressBook,
    clickstream::Visitors,
    content::{Click, ClickAction, Content, Origin, Visitor, entity_name, session_id},
    draw::Draws,
    plan::{Entity, Occupied, Planned, SINGLES, StreamPlan},
};

/// What an incident on the web site can look at.
pub(super) struct Ground<'a> {
    pub(super) plan: &'a StreamPlan,
    pub(super) book: &'a AddressBook,
    pub(super) visitors: &'a Visitors<'a>,
}

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    match occasion.spec.kind {
        Kind::TrafficSpike => traffic_spike::script(ground, occasion, occupied),
        Kind::Bot => bot::script(ground, occasion, occupied),
        Kind::ClickFraud => click_fraud::script(ground, occasion, occupied),
        Kind::ImpossibleNavigation => impossible_navigation::script(ground, occasion, occupied),
        Kind::GeoHop => geo_hop::script(ground, occasion, occupied),
        Kind::FunnelDropOff => funnel_drop_off::script(ground, occasion, occupied),
        Kind::InhumanSpeed => inhuman_speed::script(ground, occasion, occupied),
        Kind::CartAbandonment => cart_abandonment::script(ground, occasion, occupied),
        Kind::ReferrerSpam => referrer_spam::script(ground, occasion, occupied),
        Kind::FlashSale => flash_sale::script(ground, occasion, occupied),
        // The kinds of the other streams never come here.
        _ => error_burst::script(ground, occasion, occupied),
    }
}

impl Ground<'_> {
    /// Number of the page with this path.
    fn page(path: &str) -> u8 {
        let number = Site::published().page(path).unwrap_or_default();
        u8::try_from(number).unwrap_or_default()
    }

    /// Events that a page usually has in a minute of event time.
    fn usual_per_minute(&self, page: u8) -> f64 {
        self.plan.events_per_ms() * 60_000.0 * self.visitors.walks().share(page, SINGLES)
    }

    /// Refuses more events in a minute than the stream has room for.
    fn check_room(&self, per_minute: f64, what: &str) -> Result<(), Impossible> {
        let room = 0.7 * self.plan.events_per_ms() * 60_000.0 * SINGLES;
        if per_minute <= room {
            return Ok(());
        }
        Err(Impossible::of_magnitude(format!(
            "needs {per_minute:.0} events a minute of event time {what}, and the stream has room for about {room:.0}; \
             lower `magnitude`, or raise the stream's `rate`",
        )))
    }

    /// Refuses events that follow each other faster than the slots that incidents can take.
    fn check_gap(&self, gap_ms: f64, what: &str) -> Result<(), Impossible> {
        // Slots must come often enough not to blur the times.
        let slot_ms = 1.0 / (self.plan.events_per_ms() * SINGLES);
        if slot_ms <= 0.2 * gap_ms {
            return Ok(());
        }
        Err(Impossible::of_magnitude(format!(
            "{what} of {gap_ms:.0} ms would be lost in a stream with {:.1} events per second of event time; \
             raise its `rate` to {:.0} times as much, or lower `magnitude`",
            self.plan.events_per_ms() * 1000.0,
            (slot_ms / (0.2 * gap_ms)).ceil()
        )))
    }
}

/// A session that an incident plays.
#[derive(Clone, Copy)]
pub(super) struct Surfer {
    pub(super) user: u32,
    pub(super) session: u64,
    pub(super) visitor: Visitor,
}

impl Surfer {
    /// A user as always, in a new session.
    pub(super) fn new(ground: &Ground<'_>, user: u32, draws: &mut Draws) -> Self {
        Self {
            user,
            session: draws.bits(),
            visitor: ground.visitors.visitor(user),
        }
    }

    /// Anyone.
    fn anyone(ground: &Ground<'_>, draws: &mut Draws) -> Self {
        let user = draws.below(ground.plan.entities);
        Self::new(ground, user, draws)
    }

    pub(super) fn event(
        &self,
        at_ms: f64,
        page: u8,
        action: ClickAction,
        origin: Origin,
    ) -> Planned {
        let Self {
            user,
            session,
            visitor,
        } = *self;
        let click = Click {
            user,
            session,
            visitor,
            page,
            action,
            origin,
        };
        Planned {
            at_ms,
            content: Content::Click(click),
            labelled: true,
        }
    }

    /// Views of pages at these times, the first of them reached from outside.
    pub(super) fn views(&self, times_ms: &[f64], pages: &[u8]) -> Vec<Planned> {
        let mut origin = Origin::Outside;
        let view = |(at_ms, page): (&f64, &u8)| {
            let event = self.event(*at_ms, *page, ClickAction::PageView, origin);
            origin = Origin::Page(*page);
            event
        };
        times_ms.iter().zip(pages).map(view).collect()
    }

    pub(super) fn user_and_session(&self) -> Vec<TypedKey> {
        vec![
            TypedKey::new(KeyType::User, entity_name(Stream::Clickstream, self.user)),
            TypedKey::new(KeyType::Session, session_id(self.session).as_str()),
        ]
    }
}

/// Key of a page.
fn page_key(page: u8) -> TypedKey {
    let path = Site::published().pages()[usize::from(page)].clone();
    TypedKey::new(KeyType::Page, path)
}

/// Draws one of these pages that is free, and occupies it.
fn draw_page(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
    pages: &[u8],
) -> Result<u8, Impossible> {
    let count = u32::try_from(pages.len()).unwrap_or(0);
    let found = occupied.draw(occasion.claim(), &mut occasion.draws, |draws| {
        Entity::Page(pages[draws.below(count) as usize])
    });
    match found {
        Some(Entity::Page(page)) => Ok(page),
        _ => Err(Impossible::no_entity(ground.plan, occasion.spec)),
    }
}

/// Numbers of the product pages that `/offers` links to.
fn products_on_offer() -> Vec<u8> {
    let numbers = (0..6).map(|i| Ground::page(&format!("/product/{}", 4 * i + 1)));
    numbers.collect()
}
