//! Clickstream: paths, beats, places and clicks per session, five-minute windows per user, one-minute counts per page.
//!
//! The topic is keyed by user, so that users and their sessions are whole within a partition. Pages
//! are not: their counts are put together by the merger.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::{
    clock::EventTime,
    event::clickstream::{ClickEvent, event_type},
    key::KeyType,
    status::StateSize,
};
use serde::{Deserialize, Serialize};

use super::{
    actors::{ActorPart, Routed},
    alert,
    beside::{OfClicks, TOO_LONG, read_click},
};
use crate::{
    finding::{Finding, Output},
    hash::Fnv,
    pack::Packed,
    rules::{
        bot::{self, Bot, UserWindow},
        click_fraud::ClickFraud,
        geo_hop::GeoHop,
        impossible_navigation::{ImpossibleNavigation, Links},
        inhuman_speed::InhumanSpeed,
        page_counts::{self, PageCount, PageRules},
        referrer_spam::{self, Landings, ReferrerSpam},
    },
    runtime::{
        Aggregate, Emit, Frozen, KeyedState, Logic, MergedWindows, Merger, Once, Packet, Part,
        Reader, Saved, SavedError, Source, Spill, State, Window, WindowSpec, Windows, encoded,
        merge::Accepted, together, window::Parts,
    },
};

/// A session's state is kept this long after its last event; a visit's longest gap is two minutes.
const SESSION_TTL_MS: i64 = 30 * 60_000;

/// An event that waits for its turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Click {
    text: Packed<6>,
    address: u64,
    action: Action,
}

const ID: usize = 0;
const USER: usize = 1;
const SESSION: usize = 2;
const PAGE: usize = 3;
const COUNTRY: usize = 4;
const REFERRER: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    View,
    Click,
    Add,
    Error,
    Other,
}

/// A partition's part of a minute.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ClickPart {
    /// Of a page.
    Page(Window, String, PageCount),
    /// Of a page and a referrer's site.
    Referrer(Window, (String, String), Landings),
}

impl Part for ClickPart {
    /// The whole site meets in one place: what is usual for a page is its share of all visits.
    fn packet(&self) -> Result<Packet, SavedError> {
        Packet::new(super::SITE, u64::from(super::SITE.0), self)
    }
}

/// Logic of one partition.
#[derive(Debug)]
pub struct Clickstream {
    links: Arc<Links>,
    sessions: KeyedState<Arc<str>, Box<Session>>,
    users: Windows<String, UserWindow>,
    users_found: Once<String>,
    pages: Windows<String, PageCount>,
    referrers: Windows<(String, String), Landings>,
    lateness_ms: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Session {
    bot: Bot,
    speed: InhumanSpeed,
    path: ImpossibleNavigation,
    place: GeoHop,
    clicks: ClickFraud,
    stage: Stage,
}

impl State for Session {
    fn heap(&self) -> usize {
        let page = match &self.stage {
            Stage::Landed(page) => page.len(),
            Stage::New | Stage::Onward => 0,
        };
        self.speed.heap() + self.place.heap() + page
    }
}

/// How far a visit has got.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
enum Stage {
    /// Nothing was seen of it.
    #[default]
    New,
    /// One event, on this page.
    Landed(Box<str>),
    /// More than one.
    Onward,
}

impl Clickstream {
    /// Logic without state. Windows take events for `lateness_ms` after they closed.
    #[must_use]
    pub fn new(links: Arc<Links>, lateness_ms: i64) -> Self {
        let users = WindowSpec::tumbling(bot::USER_WINDOW_MS);
        let pages = WindowSpec::tumbling(page_counts::WINDOW_MS);
        Self {
            links,
            sessions: KeyedState::new(SESSION_TTL_MS),
            users: Windows::new(users, lateness_ms),
            users_found: Once::default(),
            pages: Windows::new(pages, lateness_ms),
            referrers: Windows::new(pages, lateness_ms),
            lateness_ms,
        }
    }

    /// The same, with what there is no room for on disk.
    #[must_use]
    pub fn within(mut self, room: &Arc<Spill>) -> Self {
        self.sessions = self.sessions.within(room);
        self
    }

    fn count(&mut self, at: EventTime, click: &Click) {
        let page = self.pages.pane(at, click.text.get(PAGE));
        let user = self.users.pane(at, click.text.get(USER));
        user.events = user.events.saturating_add(1);
        match click.action {
            Action::Error => {
                page.errors = page.errors.saturating_add(1);
                user.errors = user.errors.saturating_add(1);
            }
            Action::View => {
                page.visits = page.visits.saturating_add(1);
                user.views = user.views.saturating_add(1);
            }
            Action::Click | Action::Add | Action::Other => {
                page.visits = page.visits.saturating_add(1);
                if click.action == Action::Add {
                    page.adds = page.adds.saturating_add(1);
                }
            }
        }
    }

    /// Counts that a visit begins with this event, or that it goes on from the page where it began. Only of events
    /// in order.
    fn count_stage(&mut self, at: EventTime, click: &Click, before: Stage) {
        let path = click.text.get(PAGE);
        match before {
            Stage::New if click.action != Action::Error => {
                let page = self.pages.pane(at, path);
                page.landings = page.landings.saturating_add(1);
                if let Some(site) = referrer_spam::site(click.text.get(REFERRER)) {
                    let key = (path.to_owned(), site.to_owned());
                    self.referrers.pane(at, &key).merge(&Landings(1));
                }
            }
            Stage::Landed(first) => {
                let page = self.pages.pane(at, &*first);
                page.onward = page.onward.saturating_add(1);
            }
            Stage::New | Stage::Onward => {}
        }
    }
}

impl Stage {
    /// Moves on with an event; gives what was before it.
    fn follow(&mut self, path: &str, action: Action) -> Self {
        match self {
            // Nothing is made, and nothing let go, for most events.
            Self::Onward => Self::Onward,
            Self::New if action != Action::Error => {
                std::mem::replace(self, Self::Landed(path.into()))
            }
            Self::New | Self::Landed(_) => std::mem::replace(self, Self::Onward),
        }
    }
}

impl OfClicks for Clickstream {
    fn keep(&mut self, event: &ClickEvent<'_>) -> Result<Click, String> {
        let action = match &*event.event_type {
            event_type::PAGE_VIEW => Action::View,
            event_type::CLICK => Action::Click,
            event_type::ADD_TO_CART => Action::Add,
            event_type::ERROR => Action::Error,
            _ => Action::Other,
        };
        let text = Packed::new([
            &event.event_id,
            &event.user_id,
            &event.session_id,
            &event.page_url,
            &event.country,
            event.referrer.as_deref().unwrap_or_default(),
        ]);
        let text = text.ok_or_else(|| TOO_LONG.to_owned())?;
        Ok(Click {
            text,
            address: hash(&event.ip_address),
            action,
        })
    }
}

impl Logic for Clickstream {
    type Event = Click;
    type Partial = Routed<ClickPart>;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Click), String> {
        let (at, click) = read_click(value)?;
        Ok((at, self.keep(&click)?))
    }

    fn event(&mut self, at: EventTime, click: Click, emit: &mut Emit<Routed<ClickPart>, Output>) {
        self.count(at, &click);
        let (id, user) = (click.text.get(ID), click.text.get(USER));
        let path = click.text.get(PAGE);
        let page = self.links.page(path);
        let session = self.sessions.at(click.text.get(SESSION), at);
        let found = [
            session.bot.event(at, id),
            session.speed.event(at, id),
            session.path.event(&self.links, at, page, id),
            session
                .place
                .event(at, click.text.get(COUNTRY), click.address, id),
            clicks(&mut session.clicks, at, click.action, hash(path), id),
        ];
        let before = session.stage.follow(path, click.action);
        if session.bot.is_found() {
            self.users.pane(at, user).beats = true;
        }
        if found[0].is_some() {
            let part = ActorPart::Scraped(click.address, at, user.to_owned());
            emit.partials.push(Routed::Actor(part));
        }
        for finding in found.into_iter().flatten() {
            emit.outputs.push(alert(finding, KeyType::User, user));
        }
        self.count_stage(at, &click, before);
    }

    fn late_event(
        &mut self,
        at: EventTime,
        click: Click,
        emit: &mut Emit<Routed<ClickPart>, Output>,
    ) {
        // Sessions have moved on; counts can still be put right.
        self.count(at, &click);
        self.pages.correct(
            at,
            &click.text.get(PAGE).to_owned(),
            |window, page, parts| {
                emit.partials.push(Routed::Own(ClickPart::Page(
                    window,
                    page.clone(),
                    parts.merged(),
                )));
            },
        );
        let Self {
            users, users_found, ..
        } = self;
        users.correct(
            at,
            &click.text.get(USER).to_owned(),
            |window, user, parts| {
                close_user(users_found, window, user, &parts, emit);
            },
        );
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<Routed<ClickPart>, Output>) {
        let partials = &mut emit.partials;
        self.referrers.close(to, |window, key, parts| {
            partials.push(Routed::Own(ClickPart::Referrer(
                window,
                key.clone(),
                parts.merged(),
            )));
        });
        self.pages.close(to, |window, page, parts| {
            emit.partials.push(Routed::Own(ClickPart::Page(
                window,
                page.clone(),
                parts.merged(),
            )));
        });
        let Self {
            users, users_found, ..
        } = self;
        users.close(to, |window, user, parts| {
            close_user(users_found, window, user, &parts, emit)
        });
        users_found.forget(to.plus_ms(-self.lateness_ms));
        self.sessions.sweep(to);
    }

    fn size(&self) -> StateSize {
        self.sessions.size()
    }
}

impl Saved for Clickstream {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(together([
            self.sessions.freeze()?,
            self.users.freeze(),
            encoded(&self.users_found)?,
            self.pages.freeze(),
            self.referrers.freeze(),
        ]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.sessions.load(from)?;
        (self.users, self.users_found) = from.get()?;
        (self.pages, self.referrers) = from.get()?;
        Ok(())
    }
}

fn clicks(
    rule: &mut ClickFraud,
    at: EventTime,
    action: Action,
    page: u64,
    event_id: &str,
) -> Option<Finding> {
    if action == Action::Click {
        return rule.click(at, page, event_id);
    }
    rule.opened(page);
    None
}

fn hash(text: &str) -> u64 {
    Fnv::new().text(text).short()
}

fn close_user(
    found: &mut Once<String>,
    window: Window,
    user: &str,
    parts: &Parts<'_, String, UserWindow>,
    emit: &mut Emit<Routed<ClickPart>, Output>,
) {
    if let Some(finding) = bot::user_window(window, &parts.merged())
        && found.first(window.end, user.to_owned())
    {
        emit.outputs.push(alert(finding, KeyType::User, user));
    }
}

/// Puts the pages' minutes together and looks at each when it is final: what is usual for a page must
/// not depend on which partition's correction came first.
#[derive(Debug)]
pub struct PageMerger {
    windows: MergedWindows<String, PageCount>,
    referrers: MergedWindows<(String, String), Landings>,
    rules: PageRules,
    spam: ReferrerSpam,
    lateness_ms: i64,
}

impl PageMerger {
    /// A merger without state.
    #[must_use]
    pub fn new(lateness_ms: i64) -> Self {
        Self {
            windows: MergedWindows::new(0),
            referrers: MergedWindows::new(0),
            rules: PageRules::default(),
            spam: ReferrerSpam::default(),
            lateness_ms,
        }
    }
}

impl Merger for PageMerger {
    type Partial = ClickPart;
    type Output = Output;

    fn accept(&mut self, source: Source, part: ClickPart, _: &mut Vec<Output>) -> bool {
        match part {
            ClickPart::Page(window, page, count) => {
                self.windows.put(source, window, page, count) != Accepted::TooLate
            }
            ClickPart::Referrer(window, key, landings) => {
                self.referrers.put(source, window, key, landings) != Accepted::TooLate
            }
        }
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let Self {
            windows,
            referrers,
            rules,
            spam,
            lateness_ms,
        } = self;
        let to = to.plus_ms(-*lateness_ms);
        // What spam explains is no spike, so referrers come first.
        let mut explained: BTreeMap<Window, BTreeMap<String, u32>> = BTreeMap::new();
        referrers.close(to, |window, counts| {
            for (page, visits, finding) in spam.minute(window, &counts) {
                out.push(alert(finding, KeyType::Page, &page));
                let pages = explained.entry(window).or_default();
                *pages.entry(page).or_default() += visits;
            }
        });
        windows.close(to, |window, counts| {
            let explained = explained.remove(&window).unwrap_or_default();
            for (page, finding) in rules.minute(window, &counts, &explained) {
                out.push(alert(finding, KeyType::Page, &page));
            }
        });
    }
}

impl Saved for PageMerger {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let (windows, referrers) = (self.windows.freeze(), self.referrers.freeze());
        let rules = encoded(&(&self.rules, &self.spam))?;
        Ok(together([windows, referrers, rules]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.referrers, self.rules, self.spam) = from.get()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
