//! Values by name that can be had as they are at one moment while they go on changing.
//!
//! The table that finds a name holds its slot alone, and is no part of what is saved; names and values lie in [`Chunks`],
//! which are shared and not copied.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize};

use super::{chunks::Chunks, hashing::Names};

/// Values by name.
#[derive(Debug)]
pub struct Groups<G, A> {
    index: HashTable<u32>,
    hasher: Names,
    names: Chunks<G>,
    values: Chunks<A>,
    /// Slots whose names were removed.
    free: Vec<u32>,
}

/// All that is saved of [`Groups`], as it was at one moment.
#[derive(Debug, Serialize)]
#[serde(bound = "G: Serialize, A: Serialize")]
pub struct Listed<G, A> {
    names: Chunks<G>,
    values: Chunks<A>,
    free: Vec<u32>,
}

impl<G, A> Default for Groups<G, A> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            hasher: Names::default(),
            names: Chunks::default(),
            values: Chunks::default(),
            free: Vec::new(),
        }
    }
}

impl<G: Eq + Hash, A> Groups<G, A> {
    /// Number of names.
    #[cfg(test)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot of a name, if it has one.
    pub fn find<Q>(&self, name: &Q) -> Option<u32>
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let is_it = |slot: &u32| self.names[*slot as usize].borrow() == name;
        self.index.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// The value of a name, if it has one.
    pub fn get<Q>(&self, name: &Q) -> Option<&A>
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.find(name).map(|slot| &self.values[slot as usize])
    }

    /// The name in a slot that is in use.
    pub fn name(&self, slot: u32) -> &G {
        &self.names[slot as usize]
    }

    /// The names in no order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&G, &A)> {
        let at = |slot: &u32| (&self.names[*slot as usize], &self.values[*slot as usize]);
        self.index.iter().map(at)
    }

    /// Everything as it is now, to be saved later and elsewhere.
    pub fn share(&mut self) -> Listed<G, A> {
        Listed {
            names: self.names.share(),
            values: self.values.share(),
            free: self.free.clone(),
        }
    }

    /// Lets the name in a slot be found.
    fn list(&mut self, slot: u32) {
        let (names, hasher) = (&self.names, &self.hasher);
        let hash = |slot: &u32| hasher.hash_one(&names[*slot as usize]);
        self.index.insert_unique(hash(&slot), slot, hash);
    }
}

impl<G: Eq + Hash + Clone, A: Clone + Default> Groups<G, A> {
    /// The slot of a name, with a fresh value if it had none.
    pub fn slot<Q>(&mut self, name: &Q) -> u32
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = G> + ?Sized,
    {
        if let Some(slot) = self.find(name) {
            return slot;
        }
        let name = name.to_owned();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.names[slot as usize] = name;
                slot
            }
            None => {
                self.values.push(A::default());
                // More than four billion names do not fit into memory anyway.
                u32::try_from(self.names.push(name)).unwrap_or(u32::MAX)
            }
        };
        self.list(slot);
        slot
    }

    /// The value of a name, fresh if it had none.
    pub fn at<Q>(&mut self, name: &Q) -> &mut A
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = G> + ?Sized,
    {
        let slot = self.slot(name);
        &mut self.values[slot as usize]
    }

    /// The value in a slot; fresh in one that is not in use.
    pub fn value(&mut self, slot: u32) -> &mut A {
        &mut self.values[slot as usize]
    }

    /// Drops the name in a slot that is in use.
    pub fn remove(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(&self.names[slot as usize]);
        let entry = self.index.find_entry(hash, |held| *held == slot);
        if let Ok(entry) = entry {
            entry.remove();
            self.values[slot as usize] = A::default();
            self.free.push(slot);
        }
    }

    /// Drops the names whose values are not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&A) -> bool) {
        let goes = |slot: &u32| !keep(&self.values[*slot as usize]);
        let mut slots: Vec<u32> = self.index.iter().copied().filter(goes).collect();
        // The table is walked in no order, and which slot a name gets next is to be the same in every process.
        slots.sort_unstable();
        slots.into_iter().for_each(|slot| self.remove(slot));
    }
}

impl<'de, G, A> Deserialize<'de> for Groups<G, A>
where
    G: Deserialize<'de> + Eq + Hash + Clone,
    A: Deserialize<'de> + Clone,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Parts<G, A> = (Chunks<G>, Chunks<A>, Vec<u32>);
        let (names, values, free) = Parts::<G, A>::deserialize(deserializer)?;
        if names.len() != values.len() {
            return Err(serde::de::Error::invalid_length(
                values.len(),
                &"a value for each name",
            ));
        }
        let mut this = Self {
            names,
            values,
            ..Self::default()
        };
        let unused: std::collections::HashSet<u32> = free.iter().copied().collect();
        // There are no more names than slots.
        for slot in (0..this.names.len() as u32).filter(|slot| !unused.contains(slot)) {
            this.list(slot);
        }
        this.free = free;
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn all(groups: &Groups<String, u32>) -> BTreeMap<String, u32> {
        let pairs = groups.iter().map(|(name, value)| (name.clone(), *value));
        pairs.collect()
    }

    fn saved(groups: &mut Groups<String, u32>) -> Vec<u8> {
        postcard::to_allocvec(&groups.share()).unwrap()
    }

    proptest! {
        /// forall deeds: the groups are a plain map, what is shared stays as it was, and what is saved comes back.
        #[test]
        fn they_are_a_plain_map(deeds in prop::collection::vec((0u8..40, 0u32..4), 0..200)) {
            let mut plain: BTreeMap<String, u32> = BTreeMap::new();
            let mut groups: Groups<String, u32> = Groups::default();
            for (name, deed) in deeds {
                let name = name.to_string();
                match deed {
                    0 => {
                        plain.remove(&name);
                        if let Some(slot) = groups.find(name.as_str()) {
                            prop_assert_eq!(groups.name(slot), &name);
                            groups.remove(slot);
                            prop_assert_eq!(*groups.value(slot), 0);
                        }
                    }
                    1 => {
                        let shared = groups.share();
                        let then = postcard::to_allocvec(&shared).unwrap();
                        *groups.at(name.as_str()) += 7;
                        *plain.entry(name).or_default() += 7;
                        prop_assert_eq!(postcard::to_allocvec(&shared).unwrap(), then);
                    }
                    2 if plain.len() > 30 => {
                        plain.retain(|_, value| *value > 3);
                        groups.retain(|value| *value > 3);
                    }
                    2 => {
                        let bytes = saved(&mut groups);
                        groups = postcard::from_bytes(&bytes).unwrap();
                        prop_assert_eq!(saved(&mut groups), bytes);
                    }
                    _ => {
                        *groups.at(name.as_str()) += 1;
                        *plain.entry(name.clone()).or_default() += 1;
                        prop_assert_eq!(groups.get(name.as_str()), plain.get(&name));
                    }
                }
                prop_assert_eq!(groups.len(), plain.len());
            }
            prop_assert_eq!(all(&groups), plain);
        }
    }
}
