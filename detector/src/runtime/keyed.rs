//! State per key that expires by event time.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{BuildHasher, Hash},
};

use floodmark_contracts::{clock::EventTime, status::StateSize};
use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{chunks::Chunks, hashing::Names, watermark::BEGINNING};

/// State per key. A key that was not seen for longer than the time to live starts afresh, whether or
/// not its old state has been swept out yet: when the sweep runs changes memory, never results.
///
/// Keys stand for slots, so that events can be held with a number in place of their key. A million keys are
/// nothing special: the table that finds a key holds its slot alone, and the rest lies in [`Chunks`].
#[derive(Debug)]
pub struct KeyedState<K, S> {
    index: HashTable<Slot>,
    names: Names,
    entries: Entries<K, S>,
}

/// Number of a key's state; valid until a sweep finds the key expired.
pub type Slot = u32;

/// What is saved of a [`KeyedState`]: all but the way to find a key in it.
#[derive(Debug)]
pub struct Entries<K, S> {
    ttl_ms: i64,
    /// Apart from the states: keys seldom change, so that they are seldom copied.
    keys: Chunks<K>,
    states: Chunks<Held<S>>,
    free: Vec<Slot>,
    next_sweep: EventTime,
}

#[derive(Debug, Clone)]
struct Held<S> {
    /// Newest event time for which the slot was asked for: events held back still need it.
    reserved: EventTime,
    /// Newest event time at which the state was used, in event-time order.
    used: EventTime,
    state: S,
}

/// What is saved of a key: its slot is its place, and which slots are free is told apart.
#[derive(Serialize, Deserialize)]
struct SavedEntry<K, S>(K, EventTime, EventTime, S);

impl<K: AsRef<str>, S: Serialize> Serialize for Entries<K, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        (self.ttl_ms, Listed(self), &self.free, self.next_sweep).serialize(serializer)
    }
}

/// The entries as a list that is never made.
struct Listed<'a, K, S>(&'a Entries<K, S>);

impl<K: AsRef<str>, S: Serialize> Serialize for Listed<'_, K, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.keys.len()))?;
        for (key, held) in self.0.keys.iter().zip(self.0.states.iter()) {
            let entry = SavedEntry(key.as_ref(), held.reserved, held.used, &held.state);
            serde::ser::SerializeSeq::serialize_element(&mut seq, &entry)?;
        }
        serde::ser::SerializeSeq::end(seq)
    }
}

impl<K: AsRef<str>, S: Serialize> Serialize for KeyedState<K, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de, K, S> Deserialize<'de> for KeyedState<K, S>
where
    K: Eq + Hash + Clone + for<'a> From<&'a str>,
    S: Clone + Default + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Parts<S> = (i64, Vec<SavedEntry<String, S>>, Vec<Slot>, EventTime);
        let (ttl_ms, saved, free, next_sweep) = Parts::<S>::deserialize(deserializer)?;
        let mut all = Self::new(ttl_ms);
        all.index.reserve(saved.len(), |_| 0);
        let unused: HashSet<Slot> = free.iter().copied().collect();
        for (slot, SavedEntry(key, reserved, used, state)) in (0..).zip(saved) {
            all.entries.keys.push(K::from(&key));
            let held = Held {
                reserved,
                used,
                state,
            };
            all.entries.states.push(held);
            if !unused.contains(&slot) {
                all.list(slot);
            }
        }
        (all.entries.free, all.entries.next_sweep) = (free, next_sweep);
        Ok(all)
    }
}

/// Sweeps per time to live: old state takes at most this much longer to go.
const SWEEPS_PER_TTL: i64 = 4;

impl<K: Eq + Hash + Clone, S: Clone + Default> KeyedState<K, S> {
    /// No state; a key expires `ttl_ms` after it was last used.
    #[must_use]
    pub fn new(ttl_ms: i64) -> Self {
        let entries = Entries {
            ttl_ms,
            keys: Chunks::default(),
            states: Chunks::default(),
            free: Vec::new(),
            next_sweep: BEGINNING,
        };
        Self {
            index: HashTable::new(),
            names: Names::default(),
            entries,
        }
    }

    /// The slot of `key`, for an event at `at` that may still have to wait for its turn.
    pub fn reserve<Q>(&mut self, key: &Q, at: EventTime) -> Slot
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Eq + Hash + ?Sized,
    {
        let keys = &self.entries.keys;
        let is_it = |slot: &Slot| keys[*slot as usize].borrow() == key;
        if let Some(slot) = self.index.find(self.names.hash_one(key), is_it) {
            let slot = *slot;
            let held = self.held(slot);
            held.reserved = at.max(held.reserved);
            return slot;
        }
        let held = Held {
            reserved: at,
            used: BEGINNING,
            state: S::default(),
        };
        let entries = &mut self.entries;
        let slot = match entries.free.pop() {
            Some(slot) => {
                entries.keys[slot as usize] = K::from(key);
                *self.held(slot) = held;
                slot
            }
            None => {
                entries.states.push(held);
                // More than four billion keys do not fit into memory anyway.
                u32::try_from(entries.keys.push(K::from(key))).unwrap_or(Slot::MAX)
            }
        };
        self.list(slot);
        slot
    }

    /// The state in `slot` at `now`, fresh if it has expired.
    pub fn state(&mut self, slot: Slot, now: EventTime) -> &mut S {
        let ttl_ms = self.entries.ttl_ms;
        let held = self.held(slot);
        if held.used != BEGINNING && now.since(held.used) > ttl_ms {
            held.state = S::default();
        }
        held.used = now.max(held.used);
        &mut held.state
    }

    /// The key that `slot` stands for.
    pub fn key(&self, slot: Slot) -> &K {
        &self.entries.keys[slot as usize]
    }

    /// The state in `slot` as it stands, without using it.
    pub fn peek(&mut self, slot: Slot) -> &mut S {
        &mut self.held(slot).state
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
        let entries = &mut self.entries;
        if now < entries.next_sweep {
            return;
        }
        let ttl_ms = entries.ttl_ms;
        entries.next_sweep = now.plus_ms((ttl_ms / SWEEPS_PER_TTL).max(1));
        self.index.retain(|slot| {
            let number = *slot as usize;
            let keep = now.since(entries.states[number].reserved) <= ttl_ms;
            if !keep {
                entries.states[number].state = S::default();
                entries.free.push(*slot);
            }
            keep
        });
    }

    /// All state as it is now, to be saved later and elsewhere. Takes no longer for a million keys than for a few
    /// thousand events.
    pub fn share(&mut self) -> Entries<K, S> {
        let entries = &mut self.entries;
        Entries {
            ttl_ms: entries.ttl_ms,
            keys: entries.keys.share(),
            states: entries.states.share(),
            free: entries.free.clone(),
            next_sweep: entries.next_sweep,
        }
    }

    /// What the tables take; what a state holds on the heap is not in it.
    pub fn size(&self) -> StateSize {
        let entries = self.entries.keys.bytes() + self.entries.states.bytes();
        let index = self.index.capacity() * size_of::<Slot>();
        StateSize {
            keys: self.index.len() as u64,
            waiting: 0,
            bytes: (entries + index) as u64,
        }
    }

    /// Number of keys held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    fn held(&mut self, slot: Slot) -> &mut Held<S> {
        &mut self.entries.states[slot as usize]
    }

    /// Lets the key of `slot` be found.
    fn list(&mut self, slot: Slot) {
        let (keys, names) = (&self.entries.keys, &self.names);
        let hash = |slot: &Slot| names.hash_one(&keys[*slot as usize]);
        self.index.insert_unique(hash(&slot), slot, hash);
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
        assert!(full.bytes >= 1000 * (16 + 8 + 16 + 4), "{full:?}");
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

    #[test]
    fn what_is_shared_is_saved_as_it_was_and_comes_back_with_its_slots() {
        let mut states: KeyedState<Arc<str>, u32> = KeyedState::new(100);
        for key in 0..2000 {
            *states.at(
                key.to_string().as_str(),
                EventTime(i64::from(key / 1000) * 101),
            ) = key;
        }
        states.sweep(EventTime(101));
        let then = postcard::to_allocvec(&states).unwrap();
        let shared = states.share();
        for key in 500..2500 {
            *states.at(key.to_string().as_str(), EventTime(150)) += 7;
        }
        assert_ne!(postcard::to_allocvec(&states).unwrap(), then);
        assert_eq!(postcard::to_allocvec(&shared).unwrap(), then);
        let mut back: KeyedState<Arc<str>, u32> = postcard::from_bytes(&then).unwrap();
        assert_eq!(back.len(), 1000);
        assert_eq!(*back.at("1500", EventTime(102)), 1500);
        assert_eq!(*back.at("10", EventTime(102)), 0, "it had expired");
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
