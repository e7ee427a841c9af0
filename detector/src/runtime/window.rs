//! Tumbling and sliding windows over event time, within one partition.
//!
//! ```text
//! windows: [k * slide, k * slide + size)   for every whole k
//! panes:   [k * slide, (k + 1) * slide)    size / slide of them make a window
//! ```
//! An event is added to one pane only, however many windows it falls into. A window closes when the
//! watermark reaches its end. For the allowed lateness it is kept, and an event that comes within it
//! gives the window's corrected result again.

use std::{borrow::Borrow, collections::BTreeMap, hash::Hash};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

use super::{
    groups::{Groups, Listed},
    saved::{Frozen, later},
    watermark::BEGINNING,
};

/// What is summed up over a window. Merging must not depend on the order.
pub trait Aggregate: Default {
    /// Takes over what another part of the same window found.
    fn merge(&mut self, other: &Self);
}

/// A window: from `start`, to `end` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First instant.
    pub start: EventTime,
    /// First instant after it.
    pub end: EventTime,
}

/// Size and slide of windows, milliseconds; the size is a multiple of the slide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    size_ms: i64,
    slide_ms: i64,
}

impl WindowSpec {
    /// Windows one after the other.
    #[must_use]
    pub const fn tumbling(size_ms: i64) -> Self {
        Self {
            size_ms,
            slide_ms: size_ms,
        }
    }

    /// Windows of `size_ms` that start every `slide_ms`; `None` unless the size is a multiple of
    /// the slide and both are above zero.
    #[must_use]
    pub const fn sliding(size_ms: i64, slide_ms: i64) -> Option<Self> {
        if slide_ms > 0 && size_ms >= slide_ms && size_ms % slide_ms == 0 {
            Some(Self { size_ms, slide_ms })
        } else {
            None
        }
    }

    /// Length of a window, milliseconds.
    #[must_use]
    pub fn size_ms(&self) -> i64 {
        self.size_ms
    }

    fn pane(&self, at: EventTime) -> i64 {
        at.0.div_euclid(self.slide_ms) * self.slide_ms
    }

    fn ending_at(&self, end: i64) -> Window {
        Window {
            start: EventTime(end - self.size_ms),
            end: EventTime(end),
        }
    }
}

/// The parts of one group in one window, oldest first.
pub struct Parts<'a, G, A> {
    panes: &'a [&'a Groups<G, A>],
    group: &'a G,
}

impl<'a, G: Eq + Hash, A> Parts<'a, G, A> {
    /// The parts.
    pub fn iter(&self) -> impl Iterator<Item = &'a A> + Clone + use<'a, G, A> {
        let group = self.group;
        self.panes.iter().filter_map(move |pane| pane.get(group))
    }

    /// All parts in one.
    #[must_use]
    pub fn merged(&self) -> A
    where
        A: Aggregate,
    {
        let mut whole = A::default();
        for part in self.iter() {
            whole.merge(part);
        }
        whole
    }
}

/// Windows per group, within one partition.
#[derive(Debug, Deserialize)]
#[serde(bound(
    deserialize = "G: Deserialize<'de> + Eq + Hash + Clone, A: Clone + Deserialize<'de>"
))]
pub struct Windows<G, A> {
    spec: WindowSpec,
    lateness_ms: i64,
    panes: BTreeMap<i64, Groups<G, A>>,
    /// Windows that end at or before this are closed.
    closed: EventTime,
    /// No window ends before this: nearly every call of [`close`](Self::close) stops here.
    next_boundary: EventTime,
    /// Start of the pane of the event before: mostly that of the next one too, which saves a division.
    #[serde(skip)]
    recent: i64,
}

impl<G: Eq + Hash + Ord + Clone, A: Clone + Default> Windows<G, A> {
    /// No windows yet; closed ones take events for another `lateness_ms`.
    #[must_use]
    pub fn new(spec: WindowSpec, lateness_ms: i64) -> Self {
        Self {
            spec,
            lateness_ms,
            panes: BTreeMap::new(),
            closed: BEGINNING,
            next_boundary: BEGINNING,
            recent: 0,
        }
    }

    /// The aggregate of `group` in the pane of `at`, to add an event to.
    pub fn pane<Q>(&mut self, at: EventTime, group: &Q) -> &mut A
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = G> + ?Sized,
    {
        if !(0..self.spec.slide_ms).contains(&at.0.saturating_sub(self.recent)) {
            self.recent = self.spec.pane(at);
        }
        self.panes.entry(self.recent).or_default().at(group)
    }

    /// All windows as they are now, to be saved later and elsewhere.
    #[must_use]
    pub fn freeze(&mut self) -> Frozen
    where
        G: Serialize + Send + Sync + 'static,
        A: Serialize + Send + Sync + 'static,
    {
        let panes = self.panes.iter_mut();
        let panes: BTreeMap<i64, Listed<G, A>> =
            panes.map(|(start, pane)| (*start, pane.share())).collect();
        // In the order of the fields.
        let (spec, lateness_ms) = (self.spec, self.lateness_ms);
        later((spec, lateness_ms, panes, self.closed, self.next_boundary))
    }

    /// Closes every window that ends at or before `to`, oldest first, and gives each group in it, in
    /// order, to `closed`. Windows without events are skipped.
    pub fn close(&mut self, to: EventTime, mut closed: impl FnMut(Window, &G, Parts<'_, G, A>)) {
        if to < self.next_boundary {
            return;
        }
        self.next_boundary = EventTime(self.spec.pane(to)).plus_ms(self.spec.slide_ms);
        while let Some(end) = self.next_end(to) {
            self.closed = EventTime(end);
            let window = self.spec.ending_at(end);
            let panes: Vec<&Groups<G, A>> = self
                .panes
                .range(window.start.0..end)
                .map(|(_, pane)| pane)
                .collect();
            let mut groups: Vec<&G> = panes
                .iter()
                .flat_map(|pane| pane.iter())
                .map(|(group, _)| group)
                .collect();
            groups.sort_unstable();
            groups.dedup();
            for group in groups {
                closed(
                    window,
                    group,
                    Parts {
                        panes: &panes,
                        group,
                    },
                );
            }
        }
        self.closed = self.closed.max(to);
        self.forget(to);
    }

    /// Gives the closed windows that hold `at` again, for one group: their corrected results.
    pub fn correct(
        &self,
        at: EventTime,
        group: &G,
        mut corrected: impl FnMut(Window, &G, Parts<'_, G, A>),
    ) {
        let pane = self.spec.pane(at);
        let mut end = pane + self.spec.slide_ms;
        while end <= pane + self.spec.size_ms && EventTime(end) <= self.closed {
            let window = self.spec.ending_at(end);
            let panes: Vec<&Groups<G, A>> = self
                .panes
                .range(window.start.0..end)
                .map(|(_, pane)| pane)
                .collect();
            corrected(
                window,
                group,
                Parts {
                    panes: &panes,
                    group,
                },
            );
            end += self.spec.slide_ms;
        }
    }

    /// Number of groups in all panes held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.panes.values().map(|pane| pane.len()).sum()
    }

    /// End of the oldest open window with events, if it is at or before `to`. Gaps are jumped over,
    /// because an event far ahead must not cost a step per empty window.
    fn next_end(&self, to: EventTime) -> Option<i64> {
        let first = self
            .closed
            .0
            .saturating_sub(self.spec.size_ms)
            .saturating_add(1);
        let (pane, _) = self.panes.range(first..).next()?;
        let end = self.spec.pane(self.closed.max(EventTime(*pane))) + self.spec.slide_ms;
        (end <= to.0).then_some(end)
    }

    /// Drops the panes whose last window takes no more events.
    fn forget(&mut self, to: EventTime) {
        while let Some(pane) = self.panes.first_entry() {
            if pane.key() + self.spec.size_ms + self.lateness_ms > to.0 {
                break;
            }
            pane.remove();
        }
    }
}

#[cfg(test)]
mod tests;
