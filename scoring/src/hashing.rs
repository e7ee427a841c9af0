//! Hashing for tables with as many entries as a run has alerts.
//!
//! The standard library's hash costs more than what is done with most entries. This one is seeded anew in every
//! process, so that names that collide cannot be prepared. No table is walked into an output.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash},
};

use hashbrown::{HashTable, hash_table::Entry};

/// Seeded anew in every process.
pub(crate) type Hashing = foldhash::quality::RandomState;

/// A map by such a hash.
pub(crate) type Map<K, V> = HashMap<K, V, Hashing>;

/// A set by such a hash.
pub(crate) type Set<K> = HashSet<K, Hashing>;

/// Names by their numbers, kept where they are near at hand.
pub(crate) trait Names<N> {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether a number is that of the name.
    fn is(&self, number: u32, name: N) -> bool;
    /// The hash of the name that has a number.
    fn hash(&self, number: u32, hashing: &Hashing) -> u64;
    /// Takes up a name, whose number is the next one.
    fn push(&mut self, name: N);
}

impl<'a> Names<&'a str> for Vec<&'a str> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn is(&self, number: u32, name: &'a str) -> bool {
        self[number as usize] == name
    }

    fn hash(&self, number: u32, hashing: &Hashing) -> u64 {
        hashing.hash_one(self[number as usize])
    }

    fn push(&mut self, name: &'a str) {
        Vec::push(self, name);
    }
}

/// A number for each of many names: equal for equal names, from 0 without gaps, by first sight.
///
/// Beside each number the table has a mark of its name, so that hardly any name is looked at but those that are equal. A
/// table that held the names as well would be several times as large.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    table: HashTable<Slot>,
    hashing: Hashing,
    /// Of the names that are being numbered.
    hashes: Vec<u64>,
}

/// A number and the upper half of its name's hash.
#[derive(Debug, Clone, Copy)]
struct Slot {
    mark: u32,
    number: u32,
}

/// No number.
const NONE: u32 = u32::MAX;

impl Numbers {
    /// For so many names.
    pub(crate) fn with_capacity(n_names: usize) -> Self {
        Self {
            table: HashTable::with_capacity(n_names),
            ..Self::default()
        }
    }

    /// Adds the number of each of some names to `numbers`; `known` has those of before.
    ///
    /// The table is asked for all of them before any name is looked at. What has to be waited for does not depend on one
    /// another then, so that the waits lie over each other.
    pub(crate) fn number_all<N: Copy + Hash>(
        &mut self,
        names: &[N],
        known: &mut impl Names<N>,
        numbers: &mut Vec<u32>,
    ) {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        hashes.extend(names.iter().map(|name| self.hashing.hash_one(name)));
        let first = numbers.len();
        numbers.extend(hashes.iter().map(|hash| self.likely(*hash)));
        for ((name, hash), number) in names.iter().zip(&hashes).zip(&mut numbers[first..]) {
            if *number == NONE || !known.is(*number, *name) {
                *number = self.or_insert(*name, *hash, known);
            }
        }
        self.hashes = hashes;
    }

    /// The number of the first name with such a mark.
    fn likely(&self, hash: u64) -> u32 {
        let found = self.table.find(hash, |slot| slot.mark == mark(hash));
        found.map_or(NONE, |slot| slot.number)
    }

    fn or_insert<N: Copy>(&mut self, name: N, hash: u64, known: &mut impl Names<N>) -> u32 {
        let is_same = |slot: &Slot| slot.mark == mark(hash) && known.is(slot.number, name);
        let rehash = |slot: &Slot| known.hash(slot.number, &self.hashing);
        let next = u32::try_from(known.len()).unwrap_or(NONE);
        let number = match self.table.entry(hash, is_same, rehash) {
            Entry::Occupied(slot) => return slot.get().number,
            Entry::Vacant(slot) => {
                let mark = mark(hash);
                slot.insert(Slot { mark, number: next }).get().number
            }
        };
        known.push(name);
        number
    }
}

/// What of a hash does not tell the place in the table.
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_while_the_table_grows() {
        let names: Vec<&'static str> = (0..1000)
            .map(|number| &*format!("name-{number}").leak())
            .collect();
        let mut numbers = Numbers::with_capacity(0);
        let mut known = Vec::new();
        let expected: Vec<u32> = (0..1000).collect();
        for _ in 0..2 {
            let mut found = Vec::new();
            for part in names.chunks(7) {
                numbers.number_all(part, &mut known, &mut found);
            }
            assert_eq!(found, expected);
        }
        assert_eq!(known, names);
    }

    #[test]
    fn names_that_come_together_are_numbered_once_and_marks_do_not_make_them_equal() {
        let mut numbers = Numbers::default();
        let mut known = Vec::new();
        let mut found = vec![9];
        numbers.number_all(&["a", "b", "a", "", "b"], &mut known, &mut found);
        assert_eq!(found, [9, 0, 1, 0, 2, 1]);
        // With one hash for all only the names themselves tell them apart.
        let names = ["a", "b", "a", "c", "b"];
        // It must not grow: it would ask for hashes then.
        let mut numbers = Numbers::with_capacity(names.len());
        let mut known = Vec::new();
        let found = names.map(|name| numbers.or_insert(name, 7, &mut known));
        assert_eq!(found, [0, 1, 0, 2, 1]);
    }
}
