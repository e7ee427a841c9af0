//! State per key that expires by event time.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    hash::Hash,
};

use floodmark_contracts::{clock::EventTime, status::StateSize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{hashing::Names, watermark::BEGINNING};

/// State per key. A key that was not seen for longer than the time to live starts afresh, whether or
/// not its old state has been swept out yet: when the sweep runs changes memory, never results.
///
/// Keys stand for slots, so that events can be held with a number in place of their key.
#[derive(Debug)]
pub struct KeyedState<K, S> {
    ttl_ms: i64,
    slots: HashMap<K, Slot, Names>,
    entries: Vec<Entry<K, S>>,
    free: Vec<Slot>,
    next_sweep: EventTime,
}

/// Number of a key's state; valid until a sweep finds the key expired.
pub type Slot = u32;

#[derive(Debug)]
struct Entry<K, S> {
    key: K,
    /// Newest event time for which the slot was asked for: events held back still need it.
    reserved: EventTime,
    /// Newest event time at which the state was used, in event-time order.
    used: EventTime,
    state: S,
}

/// What is saved of a key: its slot is its place, and which slots are free is told apart.
#[derive(Serialize, Deserialize)]
struct SavedEntry<K, S>(K, EventTime, EventTime, S);

impl<K: AsRef<str>, S: Serialize> Serialize for KeyedState<K, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let entries: Vec<SavedEntry<&str, &S>> = self
            .entries
            .iter()
            .map(|entry| SavedEntry(entry.key.as_ref(), entry.reserved, entry.used, &entry.state))
            .collect();
        (self.ttl_ms, entries, &self.free, self.next_sweep).serialize(serializer)
    }
}

impl<'de, K, S> Deserialize<'de> for KeyedState<K, S>
where
    K: Eq + Hash + Clone + for<'a> From<&'a str>,
    S: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Parts<S> = (i64, Vec<SavedEntry<String, S>>, Vec<Slot>, EventTime);
        let (ttl_ms, saved, free, next_sweep) = Parts::<S>::deserialize(deserializer)?;
        let unused: HashSet<Slot> = free.iter().copied().collect();
        let mut slots = HashMap::with_capacity_and_hasher(saved.len(), Names::default());
        let mut entries = Vec::with_capacity(saved.len());
        for (slot, SavedEntry(key, reserved, used, state)) in (0..).zip(saved) {
            let key = K::from(&key);
            if !unused.contains(&slot) {
                slots.insert(key.clone(), slot);
            }
            entries.push(Entry {
                key,
                reserved,
                used,
                state,
            });
        }
        Ok(Self {
            ttl_ms,
            slots,
            entries,
            free,
            next_sweep,
        })
    }
}

/// Sweeps per time to live: old state takes at most this much longer to go.
const SWEEPS_PER_TTL: i64 = 4;

impl<K: Eq + Hash + Clone, S: Default> KeyedState<K, S> {
    /// No state; a key expires `ttl_ms` after it was last used.
    #[must_use]
    pub fn new(ttl_ms: i64) -> Self {
        Self {
            ttl_ms,
            slots: HashMap::default(),
            entries: Vec::new(),
            free: Vec::new(),
            next_sweep: BEGINNING,
        }
    }

    /// The slot of `key`, for an event at `at` that may still have to wait for its turn.
    pub fn reserve<Q>(&mut self, key: &Q, at: EventTime) -> Slot
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(slot) = self.slots.get(key) {
            let reserved = &mut self.entries[*slot as usize].reserved;
            *reserved = at.max(*reserved);
            return *slot;
        }
        let key = K::from(key);
        let entry = Entry {
            key: key.clone(),
            reserved: at,
            used: BEGINNING,
            state: S::default(),
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = entry;
            slot
        } else {
            self.entries.push(entry);
            // More than four billion keys do not fit into memory anyway.
            u32::try_from(self.entries.len() - 1).unwrap_or(Slot::MAX)
        };
        self.slots.insert(key, slot);
        slot
    }

    /// The state in `slot` at `now`, fresh if it has expired.
    pub fn state(&mut self, slot: Slot, now: EventTime) -> &mut S {
        let ttl_ms = self.ttl_ms;
        let entry = &mut self.entries[slot as usize];
        if entry.used != BEGINNING && now.since(entry.used) > ttl_ms {
            entry.state = S::default();
        }
        entry.used = now.max(entry.used);
        &mut entry.state
    }

    /// The key that `slot` stands for.
    pub fn key(&self, slot: Slot) -> &K {
        &self.entries[slot as usize].key
    }

    /// The state in `slot` as it stands, without using it.
    pub fn peek(&mut self, slot: Slot) -> &mut S {
        &mut self.entries[slot as usize].state
    }

    /// The state of `key` at `now`, fresh if there is none or it has expired.
    pub fn at<Q>(&mut self, key: &Q, now: EventTime) -> &mut S
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Eq + Hash + ?Sized,
    {
        let slot = self.reserve(key, now);
        self.state(slot, now)
    }

    /// Drops what has expired at `now`, at most a few times per time to live.
    pub fn sweep(&mut self, now: EventTime) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now.plus_ms((self.ttl_ms / SWEEPS_PER_TTL).max(1));
        let (entries, free, ttl_ms) = (&mut self.entries, &mut self.free, self.ttl_ms);
        self.slots.retain(|_, slot| {
            let entry = &mut entries[*slot as usize];
            let keep = now.since(entry.reserved) <= ttl_ms;
            if !keep {
                entry.state = S::default();
                free.push(*slot);
            }
            keep
        });
    }

    /// What the tables take; what a state holds on the heap is not in it.
    pub fn size(&self) -> StateSize {
        let entries = self.entries.capacity() * size_of::<Entry<K, S>>();
        let slots = self.slots.capacity() * size_of::<(K, Slot)>();
        StateSize {
            keys: self.slots.len() as u64,
            waiting: 0,
            bytes: (entries + slots) as u64,
        }
    }

    /// Number of keys held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_keeps_its_state_until_it_expires() {
        let mut states: KeyedState<Arc<str>, u32> = KeyedState::new(100);
        *states.at("a", EventTime(0)) = 7;
        assert_eq!(*states.at("a", EventTime(100)), 7);
        assert_eq!(*states.at("a", EventTime(201)), 0, "100 ms are over");
    }

    #[test]
    fn a_sweep_frees_slots_for_other_keys() {
        let mut states: KeyedState<Arc<str>, u32> = KeyedState::new(100);
        let first = states.reserve("a", EventTime(0));
        states.sweep(EventTime(101));
        assert_eq!(states.len(), 0);
        assert_eq!(states.reserve("b", EventTime(101)), first);
        assert_eq!(states.len(), 1);
    }

    #[test]
    fn its_size_grows_with_keys_and_counts_those_that_are_there() {
        let mut states: KeyedState<Arc<str>, u64> = KeyedState::new(100);
        assert_eq!(states.size(), StateSize::default());
        for key in 0..1000 {
            states.at(key.to_string().as_str(), EventTime(0));
        }
        let full = states.size();
        assert_eq!(full.keys, 1000);
        assert!(full.bytes >= 1000 * (16 + 8 + 16 + 16), "{full:?}");
        states.sweep(EventTime(101));
        assert_eq!(states.size().keys, 0);
    }

    #[test]
    fn a_slot_with_an_event_that_waits_is_not_swept() {
        let mut states: KeyedState<Arc<str>, u32> = KeyedState::new(100);
        let slot = states.reserve("a", EventTime(500));
        states.sweep(EventTime(550));
        assert_eq!(states.reserve("a", EventTime(500)), slot);
    }

    proptest! {
        /// forall uses in order of time: sweeping more or less often changes no state.
        #[test]
        fn sweeps_change_no_result(uses in prop::collection::vec((0u8..5, 0i64..80, any::<bool>()), 0..100)) {
            let mut swept: KeyedState<Arc<str>, u32> = KeyedState::new(100);
            let mut unswept: KeyedState<Arc<str>, u32> = KeyedState::new(100);
            let mut now = EventTime(0);
            for (key, step, sweep) in uses {
                now = now.plus_ms(step);
                let key = key.to_string();
                if sweep {
                    swept.sweep(now);
                }
                *swept.at(key.as_str(), now) += 1;
                *unswept.at(key.as_str(), now) += 1;
                prop_assert_eq!(*swept.at(key.as_str(), now), *unswept.at(key.as_str(), now));
            }
        }
    }
}
