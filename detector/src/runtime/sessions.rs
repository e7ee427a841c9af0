//! Session windows: events of one key without a pause of a gap or longer between them.
//!
//! ```text
//! session:  first event .. last event,   a next event belongs to it if it is less than gap away
//! window:   [first event, last event + gap),   closes when the watermark reaches its end
//! ```
//! A closed session is kept for the allowed lateness. A late event can lengthen it, put it together with its
//! neighbours, or be one of its own; what had come out for the sessions concerned is then withdrawn.

use std::{borrow::Borrow, hash::Hash};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

use super::{
    groups::Groups,
    saved::{Frozen, later},
    timers::Deadlines,
    watermark::BEGINNING,
    window::{Aggregate, Window},
};

/// Sessions per key, within one partition.
#[derive(Debug, Deserialize)]
#[serde(bound(
    deserialize = "K: Deserialize<'de> + Eq + Hash + Clone, A: Deserialize<'de> + Clone"
))]
pub struct Sessions<K, A> {
    gap_ms: i64,
    lateness_ms: i64,
    keys: Groups<K, Held<A>>,
    /// By the keys' slots.
    due: Deadlines<u32>,
    watermark: EventTime,
}

/// The sessions of one key, in the order of their starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held<A> {
    /// The one entry among the deadlines that counts; others are left over.
    due: EventTime,
    sessions: Vec<Session<A>>,
}

impl<A> Default for Held<A> {
    fn default() -> Self {
        Self {
            due: BEGINNING,
            sessions: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session<A> {
    first: EventTime,
    last: EventTime,
    closed: bool,
    whole: A,
}

/// What a late event made of the results that had come out.
#[derive(Debug, PartialEq, Eq)]
pub struct Correction<A> {
    /// Sessions that had closed and are no longer what they were.
    pub before: Vec<(Window, A)>,
    /// The session that the event belongs to, if that is closed; otherwise it comes when it closes.
    pub now: Option<(Window, A)>,
}

impl<K: Eq + Hash + Ord + Clone, A: Aggregate + Clone> Sessions<K, A> {
    /// No sessions yet; closed ones take events for another `lateness_ms`.
    #[must_use]
    pub fn new(gap_ms: i64, lateness_ms: i64) -> Self {
        Self {
            gap_ms: gap_ms.max(1),
            lateness_ms,
            keys: Groups::default(),
            due: Deadlines::default(),
            watermark: BEGINNING,
        }
    }

    /// The aggregate of the session that an event at `at`, not behind the watermark, belongs to.
    pub fn at<Q>(&mut self, at: EventTime, key: &Q) -> &mut A
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        &mut self.join(at, key, |_| ()).whole
    }

    /// Adds an event behind the watermark.
    pub fn correct<Q>(&mut self, at: EventTime, key: &Q, add: impl FnOnce(&mut A)) -> Correction<A>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let (gap_ms, watermark) = (self.gap_ms, self.watermark);
        let mut before = Vec::new();
        let session = self.join(at, key, |session| {
            if session.closed {
                before.push((session.window(gap_ms), session.whole.clone()));
            }
        });
        add(&mut session.whole);
        let window = session.window(gap_ms);
        session.closed = window.end <= watermark;
        let now = session.closed.then(|| (window, session.whole.clone()));
        Correction { before, now }
    }

    /// Closes every session whose window ends at or before `to`, in the order of their ends and keys.
    pub fn close(&mut self, to: EventTime, mut closed: impl FnMut(Window, &K, &A)) {
        self.watermark = self.watermark.max(to);
        while let Some((deadline, slot)) = self.due.pop(to) {
            let mut slots = vec![slot];
            while let Some((_, slot)) = self.due.pop(deadline) {
                slots.push(slot);
            }
            // Which slots keys have is nothing that results may depend on.
            slots.sort_unstable_by(|a, b| self.keys.name(*a).cmp(self.keys.name(*b)));
            for slot in slots {
                if self.keys.value(slot).due == deadline {
                    self.close_of(slot, deadline, &mut closed);
                }
            }
        }
    }

    /// Closes the sessions of a key that end at or before `deadline`, and forgets those that are over.
    fn close_of(
        &mut self,
        slot: u32,
        deadline: EventTime,
        closed: &mut impl FnMut(Window, &K, &A),
    ) {
        let (gap_ms, lateness_ms) = (self.gap_ms, self.lateness_ms);
        let mut sessions = std::mem::take(&mut self.keys.value(slot).sessions);
        for session in &mut sessions {
            let window = session.window(gap_ms);
            if !session.closed && window.end <= deadline {
                session.closed = true;
                closed(window, self.keys.name(slot), &session.whole);
            }
        }
        let next = |session: &Session<A>| {
            let keep_ms = if session.closed { lateness_ms } else { 0 };
            session.last.plus_ms(gap_ms + keep_ms)
        };
        sessions.retain(|session| !session.closed || next(session) > deadline);
        match sessions.iter().map(next).min() {
            Some(due) => {
                *self.keys.value(slot) = Held { due, sessions };
                self.due.set(due, slot);
            }
            None => self.keys.remove(slot),
        }
    }

    /// All sessions as they are now, to be saved later and elsewhere.
    #[must_use]
    pub fn freeze(&mut self) -> Frozen
    where
        K: Serialize + Send + Sync + 'static,
        A: Serialize + Send + Sync + 'static,
    {
        // In the order of the fields.
        let (keys, due) = (self.keys.share(), self.due.clone());
        later((self.gap_ms, self.lateness_ms, keys, due, self.watermark))
    }

    /// Number of keys held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The session of an event, after others that it bridges have been put into it. Those that were there
    /// before are shown to `look`, as they were.
    fn join<Q>(
        &mut self,
        at: EventTime,
        key: &Q,
        mut look: impl FnMut(&Session<A>),
    ) -> &mut Session<A>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let gap_ms = self.gap_ms;
        let end = at.plus_ms(gap_ms);
        let slot = self.keys.slot(key);
        let held = self.keys.value(slot);
        if held.due == BEGINNING {
            held.due = end;
            self.due.set(end, slot);
        }
        let near = |session: &Session<A>| {
            at.since(session.last) < gap_ms && session.first.since(at) < gap_ms
        };
        // The sessions near an event lie side by side, and there are two at most.
        let place = held
            .sessions
            .partition_point(|s| at.since(s.last) >= gap_ms);
        let mut joined = Session {
            first: at,
            last: at,
            closed: false,
            whole: A::default(),
        };
        let mut found = 0;
        while held.sessions.get(place).is_some_and(near) {
            let session = held.sessions.remove(place);
            look(&session);
            joined.first = joined.first.min(session.first);
            joined.last = joined.last.max(session.last);
            if found == 0 {
                joined.whole = session.whole;
            } else {
                joined.whole.merge(&session.whole);
            }
            found += 1;
        }
        if found == 0 && end < held.due {
            held.due = end;
            self.due.set(end, slot);
        }
        held.sessions.insert(place, joined);
        &mut held.sessions[place]
    }
}

impl<A> Session<A> {
    fn window(&self, gap_ms: i64) -> Window {
        Window {
            start: self.first,
            end: self.last.plus_ms(gap_ms),
        }
    }
}

#[cfg(test)]
mod tests;
