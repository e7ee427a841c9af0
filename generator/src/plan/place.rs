//! Where incidents go: when each begins, and on which entity, never two on one at once.

use std::{collections::BTreeMap, net::Ipv4Addr};

use floodmark_contracts::kind::Kind;

use crate::draw::Draws;

/// Event time around an incident that is kept free of others on its entity, besides the tolerance
/// in which its detection still counts.
const GUARD_MS: i64 = 60_000;
/// Event time before an incident that may belong to it: the visit before a takeover.
const LEAD_MS: i64 = 8 * 60_000;
/// Draws for a free entity before an incident counts as impossible to place.
const TRIES: u32 = 500;

/// Incidents of one kind as the profile asks for them.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) count: u32,
    /// Length in milliseconds of event time; 0 for a single reading.
    pub(crate) length_ms: i64,
    pub(crate) magnitude: f64,
    /// The window in which incidents may begin, offsets from the origin.
    pub(crate) earliest_ms: i64,
    pub(crate) latest_ms: i64,
    /// Path in the profile, for problems.
    pub(crate) path: String,
}

impl Spec {
    /// When the incident with this index (from 0) begins: the window is cut into equal parts, one for
    /// each, and the beginning drawn evenly within its part.
    #[expect(clippy::cast_possible_truncation, reason = "within the run")]
    pub(crate) fn start_ms(&self, index: u32, draws: &mut Draws) -> i64 {
        let window = (self.latest_ms - self.earliest_ms) as f64;
        let part = (f64::from(index) + draws.unit()) / f64::from(self.count);
        self.earliest_ms + (window * part) as i64
    }
}

/// What an incident happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entity {
    User(u32),
    Page(u8),
    Address(Ipv4Addr),
    Sensor(u32),
}

/// The times at which entities already have an incident.
#[derive(Debug, Clone, Default)]
pub(crate) struct Occupied(BTreeMap<Entity, Vec<(i64, i64)>>);

impl Occupied {
    /// Draws an entity that is free for an incident of `kind` from `start_ms` to `end_ms`, and
    /// occupies it; none if a good many draws find none.
    pub(crate) fn draw(
        &mut self,
        kind: Kind,
        (start_ms, end_ms): (i64, i64),
        draws: &mut Draws,
        candidate: impl Fn(&mut Draws) -> Entity,
    ) -> Option<Entity> {
        let from = start_ms - GUARD_MS - if kind_has_lead(kind) { LEAD_MS } else { 0 };
        let to = end_ms + kind.late_ms() + GUARD_MS;
        let free = |entity: &Entity| {
            self.0
                .get(entity)
                .is_none_or(|times| times.iter().all(|(a, b)| *b < from || *a > to))
        };
        let entity = (0..TRIES).map(|_| candidate(draws)).find(free)?;
        self.0.entry(entity).or_default().push((from, to));
        Some(entity)
    }
}

fn kind_has_lead(kind: Kind) -> bool {
    kind == Kind::AccountTakeover
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Key;

    #[test]
    fn incidents_are_spread_over_their_window() {
        let spec = Spec {
            kind: Kind::Bot,
            count: 4,
            length_ms: 1,
            magnitude: 1.0,
            earliest_ms: 1000,
            latest_ms: 5000,
            path: String::new(),
        };
        for index in 0..4 {
            let start = spec.start_ms(index, &mut Key::root(1).draws(u64::from(index)));
            let part = 1000 + 1000 * i64::from(index);
            assert!((part..part + 1000).contains(&start), "{index}: {start}");
        }
    }

    #[test]
    fn an_entity_has_one_incident_at_a_time() {
        let mut occupied = Occupied::default();
        let mut draws = Key::root(1).draws(0);
        let mut draw =
            |from, to| occupied.draw(Kind::Bot, (from, to), &mut draws, |_| Entity::User(1));
        assert_eq!(draw(0, 1000), Some(Entity::User(1)));
        assert_eq!(draw(500, 1500), None);
        // The tolerance of the first, and the guard on both sides, must have passed.
        let clear = 1000 + Kind::Bot.late_ms() + 2 * GUARD_MS;
        assert_eq!(draw(clear, clear + 10), None);
        assert_eq!(draw(clear + 1, clear + 10), Some(Entity::User(1)));
    }
}
