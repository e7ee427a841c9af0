//! Hashing for tables with as many entries as a run has alerts.
//!
//! The standard library's hash costs more than what is done with most entries. This one is seeded anew in every
//! process, so that names that collide cannot be prepared. No table is walked into an output.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
};

use hashbrown::{HashTable, hash_table::Entry};

/// Seeded anew in every process.
type Hashing = foldhash::quality::RandomState;

/// A map by such a hash.
pub(crate) type Map<K, V> = HashMap<K, V, Hashing>;

/// A set by such a hash.
pub(crate) type Set<K> = HashSet<K, Hashing>;

/// A number for each of many names. The names stay where they are: a table that holds them as well would be five
/// times as large.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    table: HashTable<u32>,
    hashing: Hashing,
}

impl Numbers {
    /// For so many names.
    pub(crate) fn with_capacity(n_names: usize) -> Self {
        Self {
            table: HashTable::with_capacity(n_names),
            hashing: Hashing::default(),
        }
    }

    /// How many names have one.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of a name, if it has one. `name_of` gives the name of a number.
    pub(crate) fn get<'a>(&self, name: &str, name_of: impl Fn(u32) -> &'a str) -> Option<u32> {
        let hash = self.hashing.hash_one(name);
        let found = self.table.find(hash, |number| name_of(*number) == name);
        found.copied()
    }

    /// The place for the number of a name, which gets `next` if it had none.
    pub(crate) fn or_insert<'a>(
        &mut self,
        name: &str,
        next: u32,
        name_of: impl Fn(u32) -> &'a str,
    ) -> &mut u32 {
        let hash = self.hashing.hash_one(name);
        let rehash = |number: &u32| self.hashing.hash_one(name_of(*number));
        let is_same = |number: &u32| name_of(*number) == name;
        match self.table.entry(hash, is_same, rehash) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(slot) => slot.insert(next).into_mut(),
        }
    }

    /// All numbers, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = u32> {
        self.table.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_while_the_table_grows() {
        let names: Vec<String> = (0..1000).map(|number| format!("name-{number}")).collect();
        let mut numbers = Numbers::with_capacity(0);
        for _ in 0..2 {
            for (number, name) in (0u32..).zip(&names) {
                let found = *numbers.or_insert(name, number, |it| &names[it as usize]);
                assert_eq!(found, number);
            }
        }
        assert_eq!(numbers.get("name-7", |it| &names[it as usize]), Some(7));
        assert_eq!(numbers.len(), 1000);
        assert_eq!(numbers.get("none", |it| &names[it as usize]), None);
        assert_eq!(numbers.values().map(u64::from).sum::<u64>(), 499_500);
    }
}
