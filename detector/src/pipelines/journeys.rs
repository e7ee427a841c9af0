//! What is counted over the clickstream: pages and countries by the minute, visits, and segments of visits.
//!
//! The topic is keyed by user, so that visits are whole within a partition, and leave it as rows. The rest is
//! put together by the [`RowMerger`]. Results stay right under late events: see [`Sessions`].

mod merger;
mod visit;

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::EventTime,
    event::clickstream::{ClickEvent, event_type},
    row::{Row, RowKind, RowKinds},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use merger::RowMerger;
use visit::Visit;

use super::beside::{OfClicks, TOO_LONG, read_click};
use crate::{
    finding::Output,
    hash::Fnv,
    pack::Packed,
    runtime::{
        Aggregate, Emit, Frozen, Logic, Packet, Part, Reader, Saved, SavedError, Sessions, Window,
        WindowSpec, Windows, together,
    },
    settings::Rows,
};

/// Length of the windows of pages and countries: dashboards show minutes.
const MINUTE_MS: i64 = 60_000;

/// Length of the windows of segments. In a minute too few visits end to say anything.
const SEGMENT_MS: i64 = 300_000;

/// What a visitor did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    View,
    Click,
    Search,
    Cart,
    Purchase,
    Error,
    Other,
}

impl Action {
    fn of(name: &str) -> Self {
        match name {
            event_type::PAGE_VIEW => Self::View,
            event_type::CLICK => Self::Click,
            event_type::SEARCH => Self::Search,
            event_type::ADD_TO_CART => Self::Cart,
            event_type::PURCHASE => Self::Purchase,
            event_type::ERROR => Self::Error,
            _ => Self::Other,
        }
    }
}

/// An event that waits for its turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    text: Packed<5>,
    action: Action,
}

const ID: usize = 0;
const USER: usize = 1;
const PAGE: usize = 2;
const COUNTRY: usize = 3;
const DEVICE: usize = 4;

/// Events of a page or a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    events: u64,
    views: u64,
    purchases: u64,
    errors: u64,
}

impl Aggregate for Counts {
    fn merge(&mut self, other: &Self) {
        self.events += other.events;
        self.views += other.views;
        self.purchases += other.purchases;
        self.errors += other.errors;
    }
}

impl Counts {
    fn add(&mut self, action: Action) {
        self.events += 1;
        match action {
            Action::View => self.views += 1,
            Action::Purchase => self.purchases += 1,
            Action::Error => self.errors += 1,
            _ => {}
        }
    }

    fn row(&self, kind: RowKind, window: Window, key: &str) -> Row {
        let fields = [
            ("events", self.events),
            ("views", self.views),
            ("purchases", self.purchases),
            ("errors", self.errors),
        ];
        // Events are only ever added, so that their number tells a correction from what it corrects.
        row(
            kind,
            window,
            key,
            self.events,
            fields.map(|(name, n)| (name, n.into())),
        )
    }
}

/// Upper bounds of the classes of lengths, in milliseconds, with their names; the last class has none.
const LENGTHS: [(i64, &str); 5] = [
    (10_000, "under_10s"),
    (60_000, "under_1m"),
    (300_000, "under_5m"),
    (1_800_000, "under_30m"),
    (i64::MAX, "longer"),
];

/// Visits of a segment. Whole numbers only, so that the order of adding does not matter; a correction takes
/// away what it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SegmentTally {
    changes: u64,
    visits: i64,
    events: i64,
    purchases: i64,
    engagement_tenths: i64,
    length_ms: i64,
    lengths: [i64; LENGTHS.len()],
}

impl Aggregate for SegmentTally {
    fn merge(&mut self, other: &Self) {
        self.changes += other.changes;
        self.visits += other.visits;
        self.events += other.events;
        self.purchases += other.purchases;
        self.engagement_tenths += other.engagement_tenths;
        self.length_ms += other.length_ms;
        for (mine, others) in self.lengths.iter_mut().zip(other.lengths) {
            *mine += others;
        }
    }
}

impl SegmentTally {
    /// Adds a visit, or with a `sign` of -1 takes it away.
    fn add(&mut self, visit: &Visit, sign: i64) {
        self.changes += 1;
        self.visits += sign;
        self.events += sign * i64::from(visit.events());
        self.purchases += sign * i64::from(visit.purchases());
        self.engagement_tenths += sign * visit.engagement_tenths();
        let length_ms = visit.length_ms();
        self.length_ms += sign * length_ms;
        let class = LENGTHS.iter().position(|(below, _)| length_ms < *below);
        if let Some(count) = class.and_then(|class| self.lengths.get_mut(class)) {
            *count += sign;
        }
    }

    fn row(&self, window: Window, segment: &str) -> Row {
        let mean = |sum: i64| {
            // A segment without visits has no mean; floodmark writes no 0 for it.
            (self.visits > 0).then(|| (sum as f64 / self.visits as f64).round())
        };
        let lengths: serde_json::Map<String, Value> = LENGTHS
            .iter()
            .zip(self.lengths)
            .map(|((_, name), n)| ((*name).to_owned(), n.into()))
            .collect();
        let fields = [
            ("visits", self.visits.into()),
            ("events", self.events.into()),
            ("purchases", self.purchases.into()),
            (
                "mean_engagement",
                mean(self.engagement_tenths)
                    .map(|tenths| tenths / 10.0)
                    .into(),
            ),
            ("mean_length_ms", mean(self.length_ms).into()),
            ("lengths", lengths.into()),
        ];
        row(RowKind::Segment, window, segment, self.changes, fields)
    }
}

/// A row, from its parts.
fn row<const N: usize>(
    kind: RowKind,
    window: Window,
    key: &str,
    revision: u64,
    fields: [(&str, Value); N],
) -> Row {
    let fields: BTreeMap<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Row {
        kind,
        key: key.to_owned(),
        start: window.start,
        end: window.end,
        revision,
        fields: Some(fields),
    }
}

/// What a partition found of something that lies in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowPart {
    /// A page's minute.
    Page(Window, String, Counts),
    /// A country's minute.
    Country(Window, String, Counts),
    /// A segment's five minutes.
    Segment(Window, String, SegmentTally),
}

impl Part for RowPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        let (Self::Page(_, key, _) | Self::Country(_, key, _) | Self::Segment(_, key, _)) = self;
        Packet::new(super::ROWS, Fnv::new().text(key).short(), self)
    }
}

/// Logic of one partition.
#[derive(Debug)]
pub struct Journeys {
    kinds: RowKinds,
    pages: Windows<String, Counts>,
    countries: Windows<String, Counts>,
    visits: Sessions<String, Visit>,
    segments: Windows<String, SegmentTally>,
}

impl Journeys {
    /// Logic without state; windows take events for `lateness_ms` after they closed.
    #[must_use]
    pub fn new(rows: Rows, lateness_ms: i64) -> Self {
        let minute = WindowSpec::tumbling(MINUTE_MS);
        let segment = WindowSpec::tumbling(SEGMENT_MS);
        Self {
            kinds: rows.kinds,
            pages: Windows::new(minute, lateness_ms),
            countries: Windows::new(minute, lateness_ms),
            visits: Sessions::new(rows.gap_ms, lateness_ms),
            segments: Windows::new(segment, lateness_ms),
        }
    }

    fn count(&mut self, at: EventTime, step: &Step) {
        if self.kinds.has(RowKind::PageMinute) {
            self.pages.pane(at, step.text.get(PAGE)).add(step.action);
        }
        if self.kinds.has(RowKind::CountryMinute) {
            self.countries
                .pane(at, step.text.get(COUNTRY))
                .add(step.action);
        }
    }

    /// Whether visits are put together: what is counted of a segment is its visits.
    fn sees_visits(&self) -> bool {
        self.kinds.has(RowKind::Session) || self.kinds.has(RowKind::Segment)
    }

    /// Adds a late event to the visit that it belongs to, and gives again what that changes.
    fn correct_visits(&mut self, at: EventTime, step: &Step, emit: &mut Emit<RowPart, Output>) {
        let user = step.text.get(USER);
        let correction = self.visits.correct(at, user, |visit| visit.add(at, step));
        let revision = correction.now.as_ref().map(|(_, visit)| visit.events());
        for (window, visit) in &correction.before {
            self.recount(*window, visit, -1, emit);
            let replaced = correction
                .now
                .as_ref()
                .is_some_and(|(now, _)| now.start == window.start);
            if !replaced && self.kinds.has(RowKind::Session) {
                // One event at least has come to what this visit is part of now.
                let next = revision.unwrap_or(visit.events() + 1);
                emit.outputs.push(withdrawn(*window, user, next));
            }
        }
        if let Some((window, visit)) = &correction.now {
            self.recount(*window, visit, 1, emit);
            if self.kinds.has(RowKind::Session) {
                emit.outputs.push(visit_row(*window, user, visit));
            }
        }
    }

    /// Adds a visit to its segment's window, or takes it away; the window's result comes again if it is closed.
    fn recount(
        &mut self,
        window: Window,
        visit: &Visit,
        sign: i64,
        emit: &mut Emit<RowPart, Output>,
    ) {
        if !self.kinds.has(RowKind::Segment) {
            return;
        }
        let (at, segment) = (ended(window), visit.segment());
        self.segments.pane(at, segment).add(visit, sign);
        self.segments
            .correct(at, &segment.to_owned(), |window, segment, parts| {
                let part = RowPart::Segment(window, segment.clone(), parts.merged());
                emit.partials.push(part);
            });
    }
}

impl OfClicks for Journeys {
    fn keep(&mut self, event: &ClickEvent<'_>) -> Result<Step, String> {
        let text = Packed::new([
            &event.event_id,
            &event.user_id,
            &event.page_url,
            &event.country,
            &event.device_type,
        ]);
        let text = text.ok_or_else(|| TOO_LONG.to_owned())?;
        let action = Action::of(&event.event_type);
        Ok(Step { text, action })
    }
}

impl Logic for Journeys {
    type Event = Step;
    type Partial = RowPart;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Step), String> {
        let (at, click) = read_click(value)?;
        Ok((at, self.keep(&click)?))
    }

    fn event(&mut self, at: EventTime, step: Step, _: &mut Emit<RowPart, Output>) {
        self.count(at, &step);
        if self.sees_visits() {
            self.visits.at(at, step.text.get(USER)).add(at, &step);
        }
    }

    fn late_event(&mut self, at: EventTime, step: Step, emit: &mut Emit<RowPart, Output>) {
        self.count(at, &step);
        let (page, country) = (step.text.get(PAGE), step.text.get(COUNTRY));
        if self.kinds.has(RowKind::PageMinute) {
            self.pages
                .correct(at, &page.to_owned(), |window, page, parts| {
                    let part = RowPart::Page(window, page.clone(), parts.merged());
                    emit.partials.push(part);
                });
        }
        if self.kinds.has(RowKind::CountryMinute) {
            self.countries
                .correct(at, &country.to_owned(), |window, country, parts| {
                    let part = RowPart::Country(window, country.clone(), parts.merged());
                    emit.partials.push(part);
                });
        }
        if self.sees_visits() {
            self.correct_visits(at, &step, emit);
        }
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<RowPart, Output>) {
        self.pages.close(to, |window, page, parts| {
            let part = RowPart::Page(window, page.clone(), parts.merged());
            emit.partials.push(part);
        });
        self.countries.close(to, |window, country, parts| {
            let part = RowPart::Country(window, country.clone(), parts.merged());
            emit.partials.push(part);
        });
        let Self {
            kinds,
            visits,
            segments,
            ..
        } = self;
        // Before the windows of segments close: those hold the visits that end before they do.
        visits.close(to, |window, user, visit| {
            if kinds.has(RowKind::Segment) {
                segments.pane(ended(window), visit.segment()).add(visit, 1);
            }
            if kinds.has(RowKind::Session) {
                emit.outputs.push(visit_row(window, user, visit));
            }
        });
        segments.close(to, |window, segment, parts| {
            let part = RowPart::Segment(window, segment.clone(), parts.merged());
            emit.partials.push(part);
        });
    }
}

impl Saved for Journeys {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let (pages, countries) = (self.pages.freeze(), self.countries.freeze());
        let (visits, segments) = (self.visits.freeze(), self.segments.freeze());
        Ok(together([pages, countries, visits, segments]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.pages, self.countries, self.visits, self.segments) = from.get()?;
        Ok(())
    }
}

/// The last instant of a visit's window, which says in which window of its segment it is.
fn ended(window: Window) -> EventTime {
    window.end.plus_ms(-1)
}

fn visit_row(window: Window, user: &str, visit: &Visit) -> Output {
    let revision = u64::from(visit.events());
    Output::Row(Box::new(row(
        RowKind::Session,
        window,
        user,
        revision,
        visit.fields(),
    )))
}

fn withdrawn(window: Window, user: &str, revision: u32) -> Output {
    Output::Row(Box::new(Row {
        kind: RowKind::Session,
        key: user.to_owned(),
        start: window.start,
        end: window.end,
        revision: u64::from(revision),
        fields: None,
    }))
}

#[cfg(test)]
mod tests;
