//! Clickstream: paths and beats per session, five-minute windows per user, one-minute counts per page.
//!
//! The topic is keyed by user, so that users and their sessions are whole within a partition. Pages
//! are not: their counts are put together by the merger.

use std::sync::Arc;

use floodmark_contracts::{
    clock::EventTime,
    event::clickstream::{ClickEvent, event_type},
    key::KeyType,
};
use serde::{Deserialize, Serialize};

use super::alert;
use crate::{
    finding::Output,
    pack::Packed,
    rules::{
        bot::{self, Bot, UserWindow},
        impossible_navigation::{ImpossibleNavigation, Links},
        page_counts::{self, PageCount, PageRules},
    },
    runtime::{
        Emit, KeyedState, Logic, MergedWindows, Merger, Once, Reader, Saved, SavedError, Window,
        WindowSpec, Windows, Writer, merge::Accepted, plausible, window::Parts,
    },
};

/// A session's state is kept this long after its last event; a visit's longest gap is two minutes.
const SESSION_TTL_MS: i64 = 30 * 60_000;

/// An event that waits for its turn.
#[derive(Debug, Serialize, Deserialize)]
pub struct Click {
    text: Packed<4>,
    action: Action,
}

const ID: usize = 0;
const USER: usize = 1;
const SESSION: usize = 2;
const PAGE: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    View,
    Error,
    Other,
}

/// A page's part of a minute.
pub type PagePart = (Window, String, PageCount);

/// Logic of one partition.
#[derive(Debug)]
pub struct Clickstream {
    links: Arc<Links>,
    sessions: KeyedState<Arc<str>, Session>,
    users: Windows<String, UserWindow>,
    users_found: Once<String>,
    pages: Windows<String, PageCount>,
    lateness_ms: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Session {
    bot: Bot,
    path: ImpossibleNavigation,
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
            lateness_ms,
        }
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
            Action::Other => page.visits = page.visits.saturating_add(1),
        }
    }
}

impl Logic for Clickstream {
    type Event = Click;
    type Partial = PagePart;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Click), String> {
        let event = ClickEvent::decode(value).map_err(|error| error.to_string())?;
        let at = plausible(event.timestamp)?;
        let action = match &*event.event_type {
            event_type::PAGE_VIEW => Action::View,
            event_type::ERROR => Action::Error,
            _ => Action::Other,
        };
        Packed::new([
            &event.event_id,
            &event.user_id,
            &event.session_id,
            &event.page_url,
        ])
        .map(|text| (at, Click { text, action }))
        .ok_or_else(|| "the event's texts are longer than 64 KiB".to_owned())
    }

    fn event(&mut self, at: EventTime, click: Click, emit: &mut Emit<PagePart, Output>) {
        self.count(at, &click);
        let (id, user) = (click.text.get(ID), click.text.get(USER));
        let page = self.links.page(click.text.get(PAGE));
        let session = self.sessions.at(click.text.get(SESSION), at);
        let found = [
            session.bot.event(at, id),
            session.path.event(&self.links, at, page, id),
        ];
        for finding in found.into_iter().flatten() {
            emit.outputs.push(alert(finding, KeyType::User, user));
        }
    }

    fn late_event(&mut self, at: EventTime, click: Click, emit: &mut Emit<PagePart, Output>) {
        // Sessions have moved on; counts can still be put right.
        self.count(at, &click);
        self.pages.correct(
            at,
            &click.text.get(PAGE).to_owned(),
            |window, page, parts| {
                emit.partials.push((window, page.clone(), parts.merged()));
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

    fn advance(&mut self, to: EventTime, emit: &mut Emit<PagePart, Output>) {
        self.pages.close(to, |window, page, parts| {
            emit.partials.push((window, page.clone(), parts.merged()));
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
}

impl Saved for Clickstream {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.sessions, &self.users, &self.users_found, &self.pages))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.sessions, self.users, self.users_found, self.pages) = from.get()?;
        Ok(())
    }
}

fn close_user(
    found: &mut Once<String>,
    window: Window,
    user: &str,
    parts: &Parts<'_, String, UserWindow>,
    emit: &mut Emit<PagePart, Output>,
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
    rules: PageRules,
    lateness_ms: i64,
}

impl PageMerger {
    /// A merger without state.
    #[must_use]
    pub fn new(lateness_ms: i64) -> Self {
        Self {
            windows: MergedWindows::new(0),
            rules: PageRules::default(),
            lateness_ms,
        }
    }
}

impl Merger for PageMerger {
    type Partial = PagePart;
    type Output = Output;

    fn accept(&mut self, source: i32, part: PagePart, _: &mut Vec<Output>) -> bool {
        let (window, page, count) = part;
        self.windows.put(source, window, page, count) != Accepted::TooLate
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let Self {
            windows,
            rules,
            lateness_ms,
        } = self;
        windows.close(to.plus_ms(-*lateness_ms), |window, counts| {
            for (page, finding) in rules.minute(window, &counts) {
                out.push(alert(finding, KeyType::Page, &page));
            }
        });
    }
}

impl Saved for PageMerger {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.windows, &self.rules))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.rules) = from.get()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
