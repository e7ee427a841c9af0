//! Which states are on disk, which go next, and how they come back.
//!
//! ```text
//! memory:  slot -> state                          or  slot -> number
//! disk:    number -> slot, state                  numbers only grow
//! ```
//! A state that comes back leaves its entry behind: to delete it at once would cost more than to read it. When more
//! than half of the entries are such, the oldest are read, the live ones among them are written again behind the newest, and all
//! before that goes at once.
//!
//! What goes next is found by a hand that walks over the slots: of those that it passes, the ones that were asked for
//! longest ago, in event time. That is not quite the order of their last use, and costs nothing while states are used.

use std::hash::Hash;

use floodmark_contracts::{clock::EventTime, status::StateSize};

use super::{KeyedState, Slot, State};
use crate::runtime::{
    chunks::Chunks,
    spill::{Owner, SpillError, View},
};

/// States written at once, at most: what else is to be done waits for as long.
const BATCH: usize = 1024;

/// Batches at one look.
const BATCHES: usize = 4;

/// Slots that the hand passes for each that goes.
const CHOICE: usize = 4;

/// States that are weighed to tell what all of them weigh.
const SAMPLE: usize = 256;

/// Free bytes for each use of state that may go by without a look: few states are as large.
const SLACK_PER_USE: u64 = 64 * 1024;

/// Slots looked at for them, where most are on disk.
const MOST_LOOKS: usize = 4096;

/// Bytes of a slot's number before its state.
const SLOT: usize = size_of::<Slot>();

/// What a [`KeyedState`] has on disk.
#[derive(Debug)]
pub struct Cold {
    owner: Owner,
    /// Number of each slot's entry, 0 where there is none; short of those that never had one.
    places: Chunks<u64>,
    away: usize,
    /// Entries that nobody needs any more.
    dead: usize,
    hand: usize,
    /// Uses of state until memory is looked at.
    patience: usize,
    /// Of a state, on the heap.
    mean_bytes: usize,
    reads: u64,
}

/// What was on disk at one moment.
#[derive(Debug)]
pub struct Away {
    places: Chunks<u64>,
    view: View,
}

impl Cold {
    /// Nothing on disk yet.
    pub fn new(owner: Owner) -> Self {
        Self {
            patience: owner.spill().patience(),
            owner,
            places: Chunks::default(),
            away: 0,
            dead: 0,
            hand: 0,
            mean_bytes: 0,
            reads: 0,
        }
    }

    /// Number of states on disk.
    pub fn away(&self) -> usize {
        self.away
    }

    /// Uses of state that may go by until memory is to be looked at.
    pub fn patience(&self) -> usize {
        self.patience
    }

    /// What so many states in memory hold on the heap.
    pub fn heap_bytes(&self, resident: usize) -> usize {
        resident * self.mean_bytes
    }

    /// Adds what is on disk.
    pub fn add_to(&self, size: &mut StateSize) {
        size.disk_keys += self.away as u64;
        size.disk_bytes += self.owner.bytes();
        size.disk_reads += self.reads;
    }

    /// Takes a state back into memory; nothing if it is not on disk. What cannot be read is noted, and fresh.
    #[inline]
    pub fn bring<S: State>(&mut self, slot: Slot) -> Option<S> {
        if self.away == 0 {
            return None;
        }
        self.read(slot)
    }

    #[cold]
    fn read<S: State>(&mut self, slot: Slot) -> Option<S> {
        let number = self.forget(slot)?;
        self.reads += 1;
        let read = self.owner.read(number, decode::<S>).ok()?;
        if read.is_none() {
            self.owner.damaged(number);
        }
        read
    }

    /// Lets go of a slot's entry, if it has one; gives its number.
    pub fn forget(&mut self, slot: Slot) -> Option<u64> {
        let number = self.place(slot)?;
        self.places[slot as usize] = 0;
        self.away -= 1;
        self.dead += 1;
        Some(number)
    }

    /// What is on disk now; nothing if nothing is.
    pub fn share(&mut self) -> Result<Option<Away>, SpillError> {
        self.check()?;
        if self.away == 0 {
            return Ok(None);
        }
        Ok(Some(Away {
            view: self.owner.view()?,
            places: self.places.share(),
        }))
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.places = Chunks::default();
        self.dead += std::mem::take(&mut self.away);
    }

    /// Whether everything that was asked for could be read and written.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), SpillError> {
        self.owner.spill().check()
    }

    fn place(&self, slot: Slot) -> Option<u64> {
        let number = self.places.get(slot as usize).copied();
        number.filter(|number| *number != 0)
    }

    fn put(&mut self, slot: Slot, number: u64) {
        while self.places.len() <= slot as usize {
            self.places.push(0);
        }
        self.places[slot as usize] = number;
    }

    /// Writes the oldest entries that are needed again behind the newest, and lets all of that age go.
    fn clean(&mut self) -> Result<(), SpillError> {
        let oldest = self.owner.oldest(2 * BATCH)?;
        let Some((last, _)) = oldest.last() else {
            return Ok(());
        };
        let (end, n_entries) = (last + 1, oldest.len());
        let bytes = oldest.iter().map(|(_, entry)| entry.len() as u64).sum();
        let mut slots = Vec::new();
        let mut kept = Vec::new();
        for (number, entry) in oldest {
            let slot = slot_of(&entry).filter(|slot| self.place(*slot) == Some(number));
            if let Some(slot) = slot {
                slots.push(slot);
                kept.push(entry);
            }
        }
        let first = self.owner.write(kept, (end, bytes))?;
        self.dead = self.dead.saturating_sub(n_entries - slots.len());
        for (number, slot) in (first..).zip(slots) {
            self.put(slot, number);
        }
        Ok(())
    }
}

impl Away {
    /// The state of a slot that was on disk then.
    pub fn state<S: State>(&self, slot: Slot) -> Result<Option<S>, SpillError> {
        let number = self.places.get(slot as usize).copied();
        let Some(number) = number.filter(|number| *number != 0) else {
            return Ok(None);
        };
        self.view.read(number, decode::<S>)
    }
}

impl<K: Eq + Hash + Clone, S: State> KeyedState<K, S> {
    /// Looks at how much memory there is in use, and puts states on disk if that is too much.
    #[cold]
    pub(super) fn tend(&mut self) {
        self.uses = 0;
        let mean_bytes = self.mean_bytes();
        let resident = self.resident();
        let fixed = self.fixed_bytes();
        let Some(cold) = &mut self.cold else {
            return;
        };
        cold.mean_bytes = mean_bytes;
        let heap = cold.heap_bytes(resident);
        let (excess, slack) = cold.owner.excess(fixed as u64, heap as u64);
        let least = resident / 16 + cold.owner.spill().patience();
        // Fits: it is a part of what is in memory.
        cold.patience = least.max((slack / SLACK_PER_USE) as usize);
        // Fits: states do not outnumber bytes.
        let mut excess = (excess / mean_bytes.max(1) as u64 + u64::from(excess > 0)) as usize;
        for _ in 0..BATCHES {
            let batch = excess.min(BATCH);
            if batch == 0 || !self.put_away(batch) {
                break;
            }
            excess -= batch;
        }
        for _ in 0..BATCHES {
            let Some(cold) = &mut self.cold else {
                return;
            };
            if cold.dead <= cold.away + BATCH || cold.clean().is_err() {
                break;
            }
        }
    }

    /// What a state in memory holds on the heap, by some of them.
    fn mean_bytes(&self) -> usize {
        let n_slots = self.states.len();
        let looks = (SAMPLE * n_slots / self.resident().max(1)).clamp(1, MOST_LOOKS);
        let step = (n_slots / looks).max(1);
        let (mut sum, mut n) = (0, 0);
        let mut looked = (0..n_slots).step_by(step);
        while n < SAMPLE
            && let Some(slot) = looked.next()
        {
            if let Some(state) = &self.states[slot].state {
                sum += state.heap();
                n += 1;
            }
        }
        sum / n.max(1)
    }

    /// Puts some states on disk; false if there are none, or the disk refuses.
    fn put_away(&mut self, most: usize) -> bool {
        let going = self.oldest(most);
        let mut entries = Vec::with_capacity(going.len());
        for slot in &going {
            let Some(state) = &self.states[*slot as usize].state else {
                return false;
            };
            match encode(*slot, state) {
                Ok(entry) => entries.push(entry),
                // Such states are snapshots' contents too, and those tell.
                Err(_) => return false,
            }
        }
        let Some(cold) = &mut self.cold else {
            return false;
        };
        if going.is_empty() {
            return false;
        }
        let Ok(first) = cold.owner.write(entries, (0, 0)) else {
            return false;
        };
        cold.away += going.len();
        for (number, slot) in (first..).zip(&going) {
            cold.put(*slot, number);
        }
        for slot in going {
            self.states[slot as usize].state = None;
        }
        true
    }

    /// Of the next slots with states in memory, those that were asked for longest ago.
    fn oldest(&mut self, most: usize) -> Vec<Slot> {
        let n_slots = self.states.len();
        let mut found: Vec<(EventTime, Slot)> = Vec::new();
        let Some(cold) = &mut self.cold else {
            return Vec::new();
        };
        for _ in 0..n_slots {
            cold.hand = (cold.hand + 1) % n_slots;
            let held = &self.states[cold.hand];
            if held.state.is_some() {
                // Slots are of this type.
                found.push((held.reserved, cold.hand as Slot));
                if found.len() == CHOICE * most {
                    break;
                }
            }
        }
        if found.len() > most {
            found.select_nth_unstable(most);
            found.truncate(most);
        }
        found.into_iter().map(|(_, slot)| slot).collect()
    }
}

fn encode<S: State>(slot: Slot, state: &S) -> postcard::Result<Vec<u8>> {
    let mut entry = Vec::with_capacity(SLOT + 64);
    entry.extend_from_slice(&slot.to_le_bytes());
    postcard::to_extend(state, entry)
}

fn decode<S: State>(entry: &[u8]) -> Option<S> {
    postcard::from_bytes(entry.get(SLOT..)?).ok()
}

fn slot_of(entry: &[u8]) -> Option<Slot> {
    Some(Slot::from_le_bytes(*entry.first_chunk()?))
}

#[cfg(test)]
mod tests;
