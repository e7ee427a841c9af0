//! Event ids: which labels list one, and how many of them alerts list.

use crate::{
    ahead,
    hashing::{Numbers, Set},
    matching::EventCounts,
    scope::{Scope, Standing},
};

/// No further owner.
const END: u32 = u32::MAX;

/// A label that lists an event id.
struct Owner<'a> {
    id: &'a str,
    label: u32,
    /// The place of another label that lists the same id, or [`END`].
    before: u32,
}

/// Which labels list an event id. An id's place is that of the last label that lists it.
pub(crate) struct Events<'a> {
    places: Numbers,
    owners: Vec<Owner<'a>>,
}

impl<'a> Events<'a> {
    /// Takes up the ids of all labels; none where no alert lists any: the ids are most of the labels' bytes.
    pub(crate) fn new(scope: &Scope<'a>) -> Self {
        let is_listing = scope.alerts.iter().any(|alert| !alert.event_ids.is_empty());
        let labels = if is_listing { scope.labels } else { &[] };
        let n_ids = labels.iter().map(|label| label.event_ids.len()).sum();
        let mut places = Numbers::with_capacity(n_ids);
        let mut owners: Vec<Owner<'a>> = Vec::with_capacity(n_ids);
        for (label, of) in (0u32..).zip(labels) {
            ahead::touch(of.event_ids.iter().map(String::as_str));
            for id in &of.event_ids {
                let next = u32::try_from(owners.len()).unwrap_or(END);
                let place = places.or_insert(id, next, |place| owners[place as usize].id);
                let before = if *place == next { END } else { *place };
                // A label that lists an id twice owns it once.
                if before == END || owners[before as usize].label != label {
                    *place = next;
                    owners.push(Owner { id, label, before });
                }
            }
        }
        Self { places, owners }
    }

    /// The place of an id that a label lists.
    pub(crate) fn place(&self, id: &str) -> Option<u32> {
        self.places.get(id, |place| self.owners[place as usize].id)
    }

    /// The labels that list the id with a place, each once.
    pub(crate) fn owners(&self, place: u32) -> impl Iterator<Item = u32> {
        let mut place = place;
        std::iter::from_fn(move || {
            let owner = self.owners.get(place as usize)?;
            place = owner.before;
            Some(owner.label)
        })
    }
}

/// The event ids that alerts which count have listed so far.
pub(crate) struct Listed<'a> {
    /// By place: those that a label lists as well.
    known: Vec<bool>,
    /// Those that none does.
    foreign: Set<&'a str>,
}

impl<'a> Listed<'a> {
    pub(crate) fn new(events: &Events<'_>) -> Self {
        Self {
            known: vec![false; events.owners.len()],
            foreign: Set::default(),
        }
    }

    /// Takes up an id with its place, if it has one.
    pub(crate) fn add(&mut self, id: &'a str, place: Option<u32>) {
        match place {
            Some(place) => self.known[place as usize] = true,
            None => {
                self.foreign.insert(id);
            }
        }
    }

    /// What was listed against what labels that count list. `None` if nothing was.
    pub(crate) fn counts(&self, scope: &Scope<'_>, events: &Events<'_>) -> Option<EventCounts> {
        let said = self.known.iter().filter(|is_listed| **is_listed).count() + self.foreign.len();
        let mut counts = EventCounts {
            said: said as u64,
            ..EventCounts::default()
        };
        for place in events.places.values() {
            let is_kept = |label: u32| scope.standings[label as usize] == Standing::Kept;
            if events.owners(place).any(is_kept) {
                counts.truth += 1;
                counts.both += u64::from(self.known[place as usize]);
            }
        }
        (said > 0).then_some(counts)
    }
}
