//! Incidents on the web site.

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    kind::Kind,
    site::Site,
    stream::Stream,
};

use super::{Impossible, Occasion, Script, spread_times, uneven_times};
use crate::{
    address::AddressBook,
    clickstream::Visitors,
    content::{Click, ClickAction, Content, entity_name, session_id},
    plan::{Entity, Occupied, Planned, SINGLES, StreamPlan},
};

/// Pages whose share of the events lies in this range can have incidents: on busier ones a rise is
/// too much for the stream to carry, on quieter ones a few visits are a rise.
const PAGE_SHARES: std::ops::Range<f64> = 0.01..0.04;
/// Gap between a bot's requests in milliseconds of event time, and how much it varies.
const BOT_GAP_MS: f64 = 2000.0;
const BOT_JITTER: f64 = 0.05;

pub(super) fn script(
    plan: &StreamPlan,
    book: &AddressBook,
    occasion: Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let visitors = Visitors::new(book, plan.key);
    match occasion.spec.kind {
        Kind::Bot | Kind::ImpossibleNavigation => session(plan, &visitors, occasion, occupied),
        kind => {
            let flood = if kind == Kind::TrafficSpike {
                SPIKE
            } else {
                ERRORS
            };
            on_page(plan, &visitors, flood, occasion, occupied)
        }
    }
}

/// Many one-event visits to a page.
struct Flood {
    action: ClickAction,
    least_per_minute: f64,
    times_usual: f64,
    telling: usize,
}

const SPIKE: Flood = Flood {
    action: ClickAction::PageView,
    least_per_minute: 60.0,
    times_usual: 3.0,
    telling: 19,
};
const ERRORS: Flood = Flood {
    action: ClickAction::Error,
    least_per_minute: 30.0,
    times_usual: 1.0,
    telling: 9,
};

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by what the stream carries, which is checked right after"
)]
fn on_page(
    plan: &StreamPlan,
    visitors: &Visitors<'_>,
    flood: Flood,
    mut occasion: Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let walk = visitors.walk();
    let eligible: Vec<u8> = (0..walk.pages())
        .filter(|p| PAGE_SHARES.contains(&walk.share(*p, SINGLES)))
        .collect();
    let span = occasion.span();
    let pages = u32::try_from(eligible.len()).unwrap_or(0);
    let found = occupied.draw(occasion.spec.kind, span, &mut occasion.draws, |draws| {
        Entity::Page(eligible[draws.below(pages) as usize])
    });
    let Some(Entity::Page(page)) = found else {
        return Err(Impossible::no_entity(plan, occasion.spec));
    };
    let usual = plan.events_per_ms() * 60_000.0 * walk.share(page, SINGLES);
    let per_minute =
        flood.least_per_minute.max(flood.times_usual * usual) * occasion.spec.magnitude;
    let minutes = occasion.spec.length_ms as f64 / 60_000.0;
    let room = plan.events_per_ms() * 60_000.0 * SINGLES;
    if per_minute > 0.7 * room {
        let text = format!(
            "needs {per_minute:.0} events a minute of event time on one page, and the stream has room for about {:.0}; \
             lower `magnitude`, or raise the stream's `rate`",
            0.7 * room
        );
        return Err(Impossible {
            field: Some("magnitude"),
            text,
        });
    }
    let count = (per_minute * minutes).round() as usize;
    let times = spread_times(count, &mut occasion.draws);
    let planned = times
        .into_iter()
        .map(|share| {
            let user = occasion.draws.below(plan.entities);
            let (session, visitor) = (occasion.draws.bits(), visitors.visitor(user));
            let content = Click {
                user,
                session,
                visitor,
                page,
                action: flood.action,
            };
            Planned {
                at_ms: occasion.at(share),
                content: Content::Click(content),
                labelled: true,
            }
        })
        .collect();
    let path = Site::published().pages()[usize::from(page)].clone();
    Ok(Script {
        keys: vec![TypedKey::new(KeyType::Page, path)],
        planned,
        telling: flood.telling,
    })
}

/// One session of one user.
fn session(
    plan: &StreamPlan,
    visitors: &Visitors<'_>,
    mut occasion: Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let span = occasion.span();
    let entities = plan.entities;
    let found = occupied.draw(occasion.spec.kind, span, &mut occasion.draws, |draws| {
        Entity::User(draws.below(entities))
    });
    let Some(Entity::User(user)) = found else {
        return Err(Impossible::no_entity(plan, occasion.spec));
    };
    let session = occasion.draws.bits();
    let (times_ms, telling) = match occasion.spec.kind {
        Kind::Bot => (beat(plan, &mut occasion)?, 9),
        _ => (impossible_steps(&mut occasion), 3),
    };
    let walk = visitors.walk();
    let mut page = walk.landing(&mut occasion.draws);
    let mut planned = Vec::with_capacity(times_ms.len());
    for at_ms in times_ms {
        let visitor = visitors.visitor(user);
        let click = Click {
            user,
            session,
            visitor,
            page,
            action: ClickAction::PageView,
        };
        planned.push(Planned {
            at_ms,
            content: Content::Click(click),
            labelled: true,
        });
        page = match occasion.spec.kind {
            Kind::Bot => walk.follow(page, &mut occasion.draws),
            _ => walk.unlinked(page, &mut occasion.draws),
        };
    }
    let keys = vec![
        TypedKey::new(KeyType::User, entity_name(Stream::Clickstream, user)),
        TypedKey::new(KeyType::Session, session_id(session).as_str()),
    ];
    Ok(Script {
        keys,
        planned,
        telling,
    })
}

/// The times of a bot's requests.
fn beat(plan: &StreamPlan, occasion: &mut Occasion<'_>) -> Result<Vec<f64>, Impossible> {
    let gap_ms = BOT_GAP_MS / occasion.spec.magnitude;
    // Slots that a bot can take must come often enough not to blur its beat.
    let slot_ms = 1.0 / (plan.events_per_ms() * SINGLES);
    if slot_ms > 0.2 * gap_ms {
        let text = format!(
            "a bot's beat of {gap_ms:.0} ms would be lost in a stream with {:.1} events per second of event time; \
             raise its `rate` to {:.0} times as much, or lower `magnitude`",
            plan.events_per_ms() * 1000.0,
            (slot_ms / (0.2 * gap_ms)).ceil()
        );
        return Err(Impossible {
            field: Some("magnitude"),
            text,
        });
    }
    let (mut at_ms, end_ms) = (occasion.at(0.0), occasion.at(1.0));
    let mut times = Vec::new();
    while at_ms <= end_ms {
        times.push(at_ms);
        at_ms += gap_ms * occasion.draws.between(1.0 - BOT_JITTER, 1.0 + BOT_JITTER);
    }
    Ok(times)
}

/// The times of a session whose every step but the first is impossible.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 80 steps"
)]
fn impossible_steps(occasion: &mut Occasion<'_>) -> Vec<f64> {
    let steps = (8.0 * occasion.spec.magnitude).round().max(4.0) as usize;
    let times = uneven_times(steps + 1, &mut occasion.draws);
    times.into_iter().map(|share| occasion.at(share)).collect()
}
