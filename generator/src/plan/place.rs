//! Where incidents go: when each begins, and on which entity, never two on one at once unless asked.

use std::{collections::BTreeMap, net::Ipv4Addr};

use floodmark_contracts::kind::Kind;

use crate::{draw::Draws, math};

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
    /// Length before the magnitude; 0 for a single reading.
    pub(crate) asked_ms: i64,
    pub(crate) magnitudes: Magnitudes,
    /// Event time over which an incident builds up.
    pub(crate) ramp_ms: i64,
    /// How many take part in one incident.
    pub(crate) size: u32,
    /// True if an entity may have another incident at the same time.
    pub(crate) overlap: bool,
    /// The window in which incidents may begin, offsets from the origin.
    pub(crate) earliest_ms: i64,
    pub(crate) latest_ms: i64,
    /// Path in the profile, for problems.
    pub(crate) path: String,
}

/// The strengths from which incidents draw theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Magnitudes {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Magnitudes {
    /// A strength, even on a logarithmic scale: `from (to / from)^u`.
    pub(crate) fn draw(self, draws: &mut Draws) -> f64 {
        if self.from == self.to {
            return self.from;
        }
        self.from * math::exp(draws.unit() * math::ln(self.to / self.from))
    }
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
    Device(u64),
    Sensor(u32),
}

/// What an incident asks of its entities.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) kind: Kind,
    /// First and last instant, offsets from the origin.
    pub(crate) span: (i64, i64),
    /// True if others may be on them at the same time.
    pub(crate) overlap: bool,
}

/// The times at which entities already have an incident.
#[derive(Debug, Default)]
pub(crate) struct Occupied {
    times: BTreeMap<Entity, Vec<(i64, i64)>>,
    /// Who was occupied, in order: what [`Occupied::back_to`] undoes.
    log: Vec<Entity>,
}

impl Occupied {
    /// Draws an entity that is free for an incident, and occupies it; none if a good many draws find
    /// none.
    pub(crate) fn draw(
        &mut self,
        claim: Claim,
        draws: &mut Draws,
        candidate: impl Fn(&mut Draws) -> Entity,
    ) -> Option<Entity> {
        let found = self.draw_all(claim, draws, |draws| vec![candidate(draws)])?;
        found.first().copied()
    }

    /// Draws several entities at once, all of which must be free.
    pub(crate) fn draw_all(
        &mut self,
        claim: Claim,
        draws: &mut Draws,
        candidates: impl Fn(&mut Draws) -> Vec<Entity>,
    ) -> Option<Vec<Entity>> {
        let (start_ms, end_ms) = claim.span;
        let lead_ms = if has_lead(claim.kind) { LEAD_MS } else { 0 };
        let from = start_ms - GUARD_MS - lead_ms;
        let to = end_ms + claim.kind.late_ms() + GUARD_MS;
        let free = |entity: &Entity| {
            claim.overlap
                || self
                    .times
                    .get(entity)
                    .is_none_or(|times| times.iter().all(|(a, b)| *b < from || *a > to))
        };
        let found = (0..TRIES)
            .map(|_| candidates(draws))
            .find(|entities| !entities.is_empty() && entities.iter().all(free))?;
        for entity in &found {
            self.times.entry(*entity).or_default().push((from, to));
            self.log.push(*entity);
        }
        Some(found)
    }

    /// How many entities were occupied so far.
    pub(crate) fn mark(&self) -> usize {
        self.log.len()
    }

    /// Frees those that were occupied since the mark: an incident that found no room after all.
    pub(crate) fn back_to(&mut self, mark: usize) {
        for entity in self.log.drain(mark.min(self.log.len())..).rev() {
            if let Some(times) = self.times.get_mut(&entity) {
                times.pop();
            }
        }
    }
}

fn has_lead(kind: Kind) -> bool {
    matches!(kind, Kind::AccountTakeover | Kind::BotThenTakeover)
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

            asked_ms: 1,
            magnitudes: Magnitudes { from: 1.0, to: 1.0 },
            ramp_ms: 0,
            size: 1,
            overlap: false,
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
    fn magnitudes_are_even_on_a_logarithmic_scale() {
        let range = Magnitudes {
            from: 0.1,
            to: 10.0,
        };
        let drawn: Vec<f64> = (0..4000)
            .map(|n| range.draw(&mut Key::root(1).draws(n)))
            .collect();
        assert!(drawn.iter().all(|m| (0.1..=10.0).contains(m)));
        for (from, to) in [(0.1, 0.316), (0.316, 1.0), (1.0, 3.16), (3.16, 10.0)] {
            let found = drawn.iter().filter(|m| (from..to).contains(*m)).count();
            assert!((850..1150).contains(&found), "{found} from {from} to {to}");
        }
    }

    fn claim(span: (i64, i64)) -> Claim {
        Claim {
            kind: Kind::Bot,
            span,
            overlap: false,
        }
    }

    #[test]
    fn an_entity_has_one_incident_at_a_time() {
        let mut occupied = Occupied::default();
        let mut draws = Key::root(1).draws(0);
        let mut draw = |span| occupied.draw(claim(span), &mut draws, |_| Entity::User(1));
        assert_eq!(draw((0, 1000)), Some(Entity::User(1)));
        assert_eq!(draw((500, 1500)), None);
        // The tolerance of the first, and the guard on both sides, must have passed.
        let clear = 1000 + Kind::Bot.late_ms() + 2 * GUARD_MS;
        assert_eq!(draw((clear, clear + 10)), None);
        assert_eq!(draw((clear + 1, clear + 10)), Some(Entity::User(1)));
    }

    #[test]
    fn what_is_undone_is_free_again() {
        let mut occupied = Occupied::default();
        let mut draws = Key::root(1).draws(0);
        let one = |_: &mut Draws| Entity::Page(1);
        let mark = occupied.mark();
        assert!(occupied.draw(claim((0, 9)), &mut draws, one).is_some());
        assert!(occupied.draw(claim((0, 9)), &mut draws, one).is_none());
        occupied.back_to(mark);
        assert!(occupied.draw(claim((0, 9)), &mut draws, one).is_some());
    }

    #[test]
    fn an_entity_has_two_at_a_time_only_if_asked() {
        let mut occupied = Occupied::default();
        let mut draws = Key::root(1).draws(0);
        let both = |_: &mut Draws| vec![Entity::User(1), Entity::User(2)];
        assert!(occupied.draw_all(claim((0, 9)), &mut draws, both).is_some());
        let one = |_: &mut Draws| Entity::User(2);
        assert_eq!(occupied.draw(claim((5, 9)), &mut draws, one), None);
        let overlap = Claim {
            overlap: true,
            ..claim((5, 9))
        };
        assert_eq!(
            occupied.draw(overlap, &mut draws, one),
            Some(Entity::User(2))
        );
    }
}
