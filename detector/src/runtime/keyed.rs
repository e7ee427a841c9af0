//! State per key that expires by event time.

mod cold;
mod saved;

use std::{
    borrow::Borrow,
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use floodmark_contracts::{clock::EventTime, status::StateSize};
use hashbrown::HashTable;
use serde::{Serialize, de::DeserializeOwned};

use super::{chunks::Chunks, hashing::Names, spill::Spill, watermark::BEGINNING};
use cold::Cold;

/// What is kept of a key.
pub trait State: Clone + Default + Serialize + DeserializeOwned {
    /// Bytes that it holds outside of itself.
    fn heap(&self) -> usize;
}

/// Lists whose room on the heap can be told.
pub trait Listlike {
    /// Bytes that it has asked for.
    fn bytes(&self) -> usize;
}

impl<T> Listlike for Vec<T> {
    fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

impl<T> Listlike for VecDeque<T> {
    fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

/// Bytes that a list holds on the heap, used or not.
pub fn heap_of(list: &impl Listlike) -> usize {
    list.bytes()
}

impl<S: State> State for Box<S> {
    fn heap(&self) -> usize {
        size_of::<S>() + (**self).heap()
    }
}

/// State per key. A key that was not seen for longer than the time to live starts afresh, whether or
/// not its old state has been swept out yet: when the sweep runs changes memory, never results.
///
/// Keys stand for slots, so that events can be held with a number in place of their key. A million keys are
/// nothing special: the table that finds a key holds its slot alone, and the rest lies in [`Chunks`].
///
/// [`Within`](Self::within) a bound, states that were not used for long are on disk, and come back when they are asked for: that
/// changes memory too, never results. Keys and times stay in memory.
#[derive(Debug)]
pub struct KeyedState<K, S> {
    index: HashTable<Slot>,
    names: Names,
    ttl_ms: i64,
    /// Apart from the states: keys seldom change, so that they are seldom copied.
    keys: Chunks<K>,
    states: Chunks<Held<S>>,
    free: Vec<Slot>,
    next_sweep: EventTime,
    /// Uses of state since memory was looked at.
    uses: usize,
    cold: Option<Cold>,
}

/// Number of a key's state; valid until a sweep finds the key expired.
pub type Slot = u32;

#[derive(Debug, Clone)]
struct Held<S> {
    /// Newest event time for which the slot was asked for: events held back still need it.
    reserved: EventTime,
    /// Newest event time at which the state was used, in event-time order.
    used: EventTime,
    /// Absent if it is fresh, or on disk.
    state: Option<S>,
}

/// Sweeps per time to live: old state takes at most this much longer to go.
const SWEEPS_PER_TTL: i64 = 4;

impl<K, S> KeyedState<K, S> {
    /// No state; a key expires `ttl_ms` after it was last used.
    #[must_use]
    pub fn new(ttl_ms: i64) -> Self {
        Self {
            index: HashTable::new(),
            names: Names::default(),
            ttl_ms,
            keys: Chunks::default(),
            states: Chunks::default(),
            free: Vec::new(),
            next_sweep: BEGINNING,
            uses: 0,
            cold: None,
        }
    }

    /// The same with states on disk that there is no room for.
    #[must_use]
    pub fn within(mut self, room: &Arc<Spill>) -> Self {
        self.cold = Some(Cold::new(room.owner()));
        self
    }

    /// The key that `slot` stands for.
    pub fn key(&self, slot: Slot) -> &K {
        &self.keys[slot as usize]
    }

    /// What it takes, in memory and on disk. Without a bound, what a state holds on the heap is not in it.
    pub fn size(&self) -> StateSize {
        let mut size = StateSize {
            keys: self.index.len() as u64,
            bytes: self.fixed_bytes() as u64,
            ..StateSize::default()
        };
        if let Some(cold) = &self.cold {
            size.bytes += cold.heap_bytes(self.resident()) as u64;
            cold.add_to(&mut size);
        }
        size
    }

    /// What cannot go to disk.
    fn fixed_bytes(&self) -> usize {
        let index = self.index.capacity() * size_of::<Slot>();
        self.keys.bytes() + self.states.bytes() + index
    }

    /// States in memory, some of them fresh.
    fn resident(&self) -> usize {
        let away = self.cold.as_ref().map_or(0, Cold::away);
        let elsewhere = self.free.len() + away;
        self.states.len().saturating_sub(elsewhere)
    }
}

impl<K: Eq + Hash + Clone, S: State> KeyedState<K, S> {
    /// The slot of `key`, for an event at `at` that may still have to wait for its turn.
    pub fn reserve<Q>(&mut self, key: &Q, at: EventTime) -> Slot
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Eq + Hash + ?Sized,
    {
        let keys = &self.keys;
        let is_it = |slot: &Slot| keys[*slot as usize].borrow() == key;
        if let Some(slot) = self.index.find(self.names.hash_one(key), is_it) {
            let slot = *slot;
            let held = &mut self.states[slot as usize];
            held.reserved = at.max(held.reserved);
            return slot;
        }
        let held = Held {
            reserved: at,
            used: BEGINNING,
            state: None,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.keys[slot as usize] = K::from(key);
                self.states[slot as usize] = held;
                slot
            }
            None => {
                self.states.push(held);
                // More than four billion keys do not fit into memory anyway.
                u32::try_from(self.keys.push(K::from(key))).unwrap_or(Slot::MAX)
            }
        };
        self.list(slot);
        slot
    }

    /// The state in `slot` at `now`, fresh if it has expired.
    pub fn state(&mut self, slot: Slot, now: EventTime) -> &mut S {
        self.uses += 1;
        let held = &mut self.states[slot as usize];
        if held.state.is_none() {
            held.state = self.cold.as_mut().and_then(|cold| cold.bring(slot));
        }
        if held.used != BEGINNING && now.since(held.used) > self.ttl_ms {
            held.state = None;
        }
        held.used = now.max(held.used);
        held.state.get_or_insert_default()
    }

    /// The state in `slot` as it stands, without using it.
    pub fn peek(&mut self, slot: Slot) -> &mut S {
        self.uses += 1;
        let held = &mut self.states[slot as usize];
        if held.state.is_none() {
            held.state = self.cold.as_mut().and_then(|cold| cold.bring(slot));
        }
        held.state.get_or_insert_default()
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

    /// Drops what has expired at `now`, at most a few times per time to live, and puts on disk what there is no room for.
    pub fn sweep(&mut self, now: EventTime) {
        if now >= self.next_sweep {
            self.expire(now);
        }
        if self
            .cold
            .as_ref()
            .is_some_and(|cold| self.uses > cold.patience())
        {
            self.tend();
        }
    }

    fn expire(&mut self, now: EventTime) {
        let Self {
            index,
            ttl_ms,
            states,
            free,
            cold,
            ..
        } = self;
        self.next_sweep = now.plus_ms((*ttl_ms / SWEEPS_PER_TTL).max(1));
        let n_free = free.len();
        index.retain(|slot| {
            let number = *slot as usize;
            let keep = now.since(states[number].reserved) <= *ttl_ms;
            if !keep {
                states[number].state = None;
                if let Some(cold) = cold {
                    cold.forget(*slot);
                }
                free.push(*slot);
            }
            keep
        });
        // The table is walked in no order, and which slot a key gets next is to be the same in every process.
        free[n_free..].sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Takes note that a key has been read from a snapshot.
    fn came_back(&mut self) {
        self.uses += 1;
        if self
            .cold
            .as_ref()
            .is_some_and(|cold| self.uses > cold.patience())
        {
            self.tend();
        }
    }

    /// Lets the keys be found whose slots are not free.
    fn list_all(&mut self) {
        let unused: HashSet<Slot> = self.free.iter().copied().collect();
        // There are no more keys than slots.
        for slot in 0..self.keys.len() as Slot {
            if !unused.contains(&slot) {
                self.list(slot);
                continue;
            }
            self.states[slot as usize].state = None;
            if let Some(cold) = &mut self.cold {
                cold.forget(slot);
            }
        }
    }

    /// Number of keys held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Lets the key of `slot` be found.
    fn list(&mut self, slot: Slot) {
        let (keys, names) = (&self.keys, &self.names);
        let hash = |slot: &Slot| names.hash_one(&keys[*slot as usize]);
        self.index.insert_unique(hash(&slot), slot, hash);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::saved::{Reader, Saved as _, Writer};

    /// As if it were large, so that it can go to disk.
    impl State for u32 {
        fn heap(&self) -> usize {
            64
        }
    }

    impl State for u64 {
        fn heap(&self) -> usize {
            0
        }
    }

    fn saved(states: &mut KeyedState<Arc<str>, u32>) -> Vec<u8> {
        let mut writer = Writer::default();
        states.save(&mut writer).unwrap();
        writer.seal(7)
    }

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
        let then = saved(&mut states);
        let frozen = states.freeze().unwrap();
        for key in 500..2500 {
            *states.at(key.to_string().as_str(), EventTime(150)) += 7;
        }
        assert_ne!(saved(&mut states), then);
        let mut writer = Writer::default();
        frozen(&mut writer).unwrap();
        assert_eq!(writer.seal(7), then);
        let mut back: KeyedState<Arc<str>, u32> = KeyedState::new(100);
        back.load(&mut Reader::open(&then, 7).unwrap()).unwrap();
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
