//! `bot-then-takeover`: one actor scrapes the web site from an address, and takes over an account at the
//! bank from the same address. One label over both streams.
//!
//! The two streams have no ids in common; the address is what joins them. Signal to noise: that of the
//! takeover, the stronger half.

use std::collections::BTreeMap;

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    kind::Kind,
    stream::Stream,
};

use super::{
    IDLE, Impossible, Incident, Occasion, People, Script, Stage,
    banking::{
        Actor, Branch,
        account_takeover::{attack, visit_before},
        stranger,
        surprise::Unusual,
    },
    clickstream::{Surfer, bot::beat},
    facts::Facts,
    settle,
};
use crate::plan::{Occupied, Planned, StreamPlan, take_slots};

pub(crate) const FACTS: Facts = Facts::new(29, 480_000);

/// Shares of the incident at which the bot ends and the takeover begins.
const BOT_ENDS: f64 = 0.5;
const TAKEOVER_BEGINS: f64 = 0.65;
/// Gap between the bot's requests in milliseconds, before the magnitude.
const GAP_MS: f64 = 3000.0;
/// Event time from the customer's own visit to the beginning.
const VISIT_BEFORE_MS: (f64, f64) = (120_000.0, 300_000.0);

pub(super) fn make(
    stages: &mut BTreeMap<Stream, Stage>,
    people: &People<'_>,
    occasion: &mut Occasion<'_>,
    number: u32,
) -> Result<Incident, Impossible> {
    let is_there = |stream| stages.contains_key(&stream);
    for stream in [Stream::Clickstream, Stream::Banking] {
        if !is_there(stream) {
            return Err(Impossible::stream_is_missing(Kind::BotThenTakeover, stream));
        }
    }
    let (Some(mut site), Some(mut bank)) = (
        stages.remove(&Stream::Clickstream),
        stages.remove(&Stream::Banking),
    ) else {
        return Err(Impossible::stream_is_missing(
            Kind::BotThenTakeover,
            Stream::Clickstream,
        ));
    };
    let made = over_both(&mut site, &mut bank, people, occasion, number);
    stages.insert(Stream::Clickstream, site);
    stages.insert(Stream::Banking, bank);
    made
}

fn over_both(
    site: &mut Stage,
    bank: &mut Stage,
    people: &People<'_>,
    occasion: &mut Occasion<'_>,
    number: u32,
) -> Result<Incident, Impossible> {
    let (surfer, requests) = scrape(&site.plan, people, occasion, &mut site.occupied)?;
    let mut script = takeover(&bank.plan, people, &surfer, occasion, &mut bank.occupied)?;
    script.keys.extend(surfer.user_and_session());
    let is_idle = |event: &Planned| {
        let slot = site.plan.first_slot_at(event.at_ms);
        site.plan.is_idle(slot, surfer.user)
    };
    if requests.iter().any(is_idle) {
        return Err(Impossible::of_plan(IDLE.to_owned()));
    }
    let slots = take_slots(&site.plan, &requests, &mut site.taken)
        .map_err(|no_room| Impossible::of_plan(no_room.0))?;
    let settled = settle(bank, occasion, number, script);
    let Ok(mut incident) = settled else {
        // All of the requests are labelled, so these are all the slots that were taken.
        for slot in &slots {
            site.taken.remove(slot);
        }
        return settled;
    };
    if let Some(first) = slots.first() {
        let stamp = site.plan.stamp_of_slot(*first, surfer.user);
        incident.start = incident.start.min(stamp);
        incident.first_sent = site.plan.sent(*first, surfer.user);
    }
    incident.elsewhere = Some((Stream::Clickstream, slots));
    Ok(incident)
}

/// The bot's session, and its requests.
fn scrape(
    plan: &StreamPlan,
    people: &People<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<(Surfer, Vec<Planned>), Impossible> {
    let ground = people.ground(plan)?;
    let user = occasion.user(plan, occupied)?;
    let surfer = Surfer::new(&ground, user, &mut occasion.draws);
    let span = (occasion.at(0.0), occasion.at(BOT_ENDS));
    let times = beat(GAP_MS / occasion.magnitude, span, occasion);
    let walk = ground.visitors.walks().usual();
    let mut pages = vec![walk.landing(&mut occasion.draws)];
    while pages.len() < times.len() {
        pages.push(walk.follow(pages[pages.len() - 1], &mut occasion.draws));
    }
    Ok((surfer, surfer.views(&times, &pages)))
}

/// The takeover of a customer in the bot's country, from the bot's address.
fn takeover(
    plan: &StreamPlan,
    people: &People<'_>,
    surfer: &Surfer,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let branch = Branch::new(plan, people.book);
    let in_country = |user| branch.customers.place(user).country == surfer.visitor.country;
    let user = occasion.user_who(plan, occupied, in_country)?;
    let (soonest, longest) = VISIT_BEFORE_MS;
    let before = occasion.draws.between(soonest, longest);
    let before = before.min(occasion.at(0.0) * 0.9);
    let mut planned = visit_before(&branch, user, before, occasion);
    let own = Actor::customer(&branch.customers, user, &mut occasion.draws);
    let attacker = Actor {
        device: branch.strange_device(user, &mut occasion.draws),
        address: surfer.visitor.address,
        ..stranger(own, occasion)
    };
    let (attack, telling) = attack(&attacker, TAKEOVER_BEGINS, occasion);
    planned.extend(attack);
    let address = surfer.visitor.address.to_string();
    let mut keys = vec![TypedKey::new(KeyType::Ip, address)];
    keys.extend(attacker.user_and_session());
    keys.push(attacker.device_key());
    let is_new = Unusual {
        device: true,
        address: true,
        payee: true,
    };
    Ok(Script {
        keys,
        planned,
        telling,
        snr: is_new.snr(),
    })
}
