//! Numbers for keys: equal for equal keys, from 0 without gaps.

use std::{collections::BTreeMap, hash::BuildHasher};

use floodmark_contracts::key::{KeyType, TypedKey};

use crate::hashing::{Hashing, Names, Numbers};

/// The keys of a run by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    numbers: Numbers,
    known: Known,
}

/// A key that is looked up.
pub(crate) type Key<'a> = (KeyType, &'a str);

/// The keys that have a number.
///
/// Every alert's key is looked up, so that names are copied to one place: where they come from they are spread over
/// all the memory that alerts take, and most of the time would go into waiting for it.
#[derive(Debug, Default)]
struct Known {
    names: String,
    /// The type of each key, and where its name begins and ends.
    places: Vec<(KeyType, usize, usize)>,
}

impl Keys {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.places.len()
    }

    /// How many there are of each type that has any.
    pub(crate) fn of_types(&self) -> BTreeMap<KeyType, u64> {
        let mut counts = BTreeMap::new();
        for (key_type, ..) in &self.known.places {
            *counts.entry(*key_type).or_default() += 1;
        }
        counts
    }

    /// Adds the number of each key to `numbers`, the next one if it has none yet.
    pub(crate) fn number_all(&mut self, keys: &[Key<'_>], numbers: &mut Vec<u32>) {
        self.numbers.number_all(keys, &mut self.known, numbers);
    }
}

/// What a key is looked up by.
pub(crate) fn looked_up(key: &TypedKey) -> Key<'_> {
    (key.key_type, &key.id)
}

impl Known {
    fn key(&self, number: u32) -> Key<'_> {
        let (key_type, begin, end) = self.places[number as usize];
        (key_type, &self.names[begin..end])
    }
}

impl<'a> Names<Key<'a>> for Known {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn is(&self, number: u32, key: Key<'a>) -> bool {
        self.key(number) == key
    }

    fn hash(&self, number: u32, hashing: &Hashing) -> u64 {
        hashing.hash_one(self.key(number))
    }

    fn push(&mut self, (key_type, name): Key<'a>) {
        let begin = self.names.len();
        self.names.push_str(name);
        self.places.push((key_type, begin, self.names.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_have_one_number_and_a_type_parts_equal_names() {
        let mut keys = Keys::default();
        let listed = [
            (KeyType::User, "u1"),
            (KeyType::Sensor, "u1"),
            (KeyType::User, ""),
            (KeyType::User, "u1"),
            (KeyType::User, "u"),
            (KeyType::User, ""),
        ];
        let mut numbers = Vec::new();
        keys.number_all(&listed[..4], &mut numbers);
        keys.number_all(&listed[4..], &mut numbers);
        assert_eq!(numbers, [0, 1, 2, 0, 3, 2]);
        assert_eq!(keys.len(), 4);
        let of_types = BTreeMap::from([(KeyType::User, 3), (KeyType::Sensor, 1)]);
        assert_eq!(keys.of_types(), of_types);
    }
}
