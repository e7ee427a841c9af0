//! Numbers for keys: equal for equal keys, from 0 without gaps.

use std::collections::BTreeMap;

use floodmark_contracts::key::{KeyType, TypedKey};

use crate::hashing::Numbers;

/// The keys of a run by their numbers.
///
/// Every alert's key is looked up, so that names are copied to one place: where they come from they are spread over
/// all the memory that alerts take, and most of the time would go into waiting for it.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    names: String,
    /// Where each name ends; it begins where the one before it ends.
    ends: Vec<usize>,
    by_type: BTreeMap<KeyType, Numbers>,
}

impl Keys {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many there are of each type that has any.
    pub(crate) fn of_types(&self) -> BTreeMap<KeyType, u64> {
        let types = self.by_type.iter();
        types
            .map(|(key_type, numbers)| (*key_type, numbers.len() as u64))
            .collect()
    }

    /// The number of a key, the next one if it has none yet.
    pub(crate) fn number_of(&mut self, key: &TypedKey) -> u32 {
        let next = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let (names, ends) = (&self.names, &self.ends);
        let numbers = self.by_type.entry(key.key_type).or_default();
        let number = *numbers.or_insert(&key.id, next, |number| name(names, ends, number));
        if number == next {
            self.names.push_str(&key.id);
            self.ends.push(self.names.len());
        }
        number
    }
}

fn name<'a>(names: &'a str, ends: &[usize], number: u32) -> &'a str {
    let number = number as usize;
    let begin = number.checked_sub(1).map_or(0, |before| ends[before]);
    &names[begin..ends[number]]
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
        let numbers = listed.map(|(key_type, id)| keys.number_of(&TypedKey::new(key_type, id)));
        assert_eq!(numbers, [0, 1, 2, 0, 3, 2]);
        assert_eq!(keys.len(), 4);
        let of_types = BTreeMap::from([(KeyType::User, 3), (KeyType::Sensor, 1)]);
        assert_eq!(keys.of_types(), of_types);
    }
}
