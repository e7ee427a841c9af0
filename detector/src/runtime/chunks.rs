//! A list that can be had as it is at one moment while it goes on changing.
//!
//! ```text
//! list:  [ 512 values ] [ 512 values ] ... [ up to 512 values ]
//! share: one more owner for each chunk; a chunk with another owner is copied before it is changed
//! ```
//! To share a million values takes as long as to count two thousand chunks, and the copying is spread over the
//! events that come behind. Whether a chunk is shared is told by where it stands and not by counting its owners, so
//! that a change of one that never was costs no atomic operation.

use std::{
    ops::{Index, IndexMut},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Values in a chunk, as a power of two: large enough to be found at once, small enough to be copied in microseconds.
const BITS: u32 = 9;
const CHUNK: usize = 1 << BITS;

/// Values by number, in chunks.
#[derive(Debug)]
pub struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
    len: usize,
}

/// Values that are in `shared` if there is one, and in `own` otherwise.
#[derive(Debug)]
pub struct Chunk<T> {
    own: Vec<T>,
    shared: Option<Arc<Vec<T>>>,
}

impl<T> Chunk<T> {
    /// These values.
    pub fn of(own: Vec<T>) -> Self {
        Self { own, shared: None }
    }

    /// The values.
    pub fn values(&self) -> &Vec<T> {
        self.shared.as_deref().unwrap_or(&self.own)
    }

    /// The values as they are now, for somebody else.
    pub fn share(&mut self) -> Arc<Vec<T>> {
        let own = &mut self.own;
        let shared = self
            .shared
            .get_or_insert_with(|| Arc::new(std::mem::take(own)));
        Arc::clone(shared)
    }
}

impl<T: Clone> Chunk<T> {
    /// The values, to be changed: copied, if somebody else still has them.
    #[inline]
    pub fn change(&mut self) -> &mut Vec<T> {
        if self.shared.is_some() {
            self.take_back();
        }
        &mut self.own
    }

    /// Once for each chunk and snapshot.
    #[cold]
    fn take_back(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.own = Arc::try_unwrap(shared).unwrap_or_else(|shared| Vec::clone(&shared));
        }
    }
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Chunks<T> {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The value of this number, if there is one.
    #[inline]
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&T> {
        let chunk = self.chunks.get(number >> BITS)?;
        chunk.values().get(number & (CHUNK - 1))
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(Chunk::values)
    }

    /// The values as they are now, for somebody else; what is changed here from now on does not show there.
    #[must_use]
    pub fn share(&mut self) -> Self {
        let chunks = self.chunks.iter_mut().map(|chunk| Chunk {
            own: Vec::new(),
            shared: Some(chunk.share()),
        });
        Self {
            chunks: chunks.collect(),
            len: self.len,
        }
    }

    /// Bytes taken, but for what values hold elsewhere.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let chunks = self.chunks.capacity() * size_of::<Chunk<T>>();
        let values = self.chunks.iter().map(|chunk| chunk.values().capacity());
        chunks + values.sum::<usize>() * size_of::<T>()
    }
}

impl<T: Clone> Chunks<T> {
    /// Adds a value; gives its number.
    pub fn push(&mut self, value: T) -> usize {
        let number = self.len;
        match self.chunks.get_mut(number >> BITS) {
            Some(chunk) => chunk.change().push(value),
            // The first chunk grows with what is in it, as most lists are short; whoever needs a second one will
            // need all of it, and no room beyond.
            None if number == 0 => self.chunks.push(Chunk::of(vec![value])),
            None => {
                let mut own = Vec::with_capacity(CHUNK);
                own.push(value);
                self.chunks.push(Chunk::of(own));
            }
        }
        self.len += 1;
        number
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: usize) -> &T {
        &self.chunks[number >> BITS].values()[number & (CHUNK - 1)]
    }
}

impl<T: Clone> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, number: usize) -> &mut T {
        &mut self.chunks[number >> BITS].change()[number & (CHUNK - 1)]
    }
}

impl<T: Clone> FromIterator<T> for Chunks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut chunks = Self::default();
        for value in values {
            chunks.push(value);
        }
        chunks
    }
}

impl<T: Serialize> Serialize for Chunks<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Not by the iterator, which cannot tell how many there are.
        let mut seq = serializer.serialize_seq(Some(self.len))?;
        for value in self.iter() {
            serde::ser::SerializeSeq::serialize_element(&mut seq, value)?;
        }
        serde::ser::SerializeSeq::end(seq)
    }
}

impl<'de, T: Clone + Deserialize<'de>> Deserialize<'de> for Chunks<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Values(std::marker::PhantomData))
    }
}

/// Puts values into chunks as they are read.
struct Values<T>(std::marker::PhantomData<T>);

impl<'de, T: Clone + Deserialize<'de>> de::Visitor<'de> for Values<T> {
    type Value = Chunks<T>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut values: A) -> Result<Chunks<T>, A::Error> {
        let mut chunks = Chunks::default();
        while let Some(value) = values.next_element()? {
            chunks.push(value);
        }
        Ok(chunks)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is done to a list.
    #[derive(Debug, Clone)]
    enum Deed {
        Push(u32),
        Change(prop::sample::Index, u32),
        Share,
        Forget,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            8 => any::<u32>().prop_map(Deed::Push),
            8 => (any::<prop::sample::Index>(), any::<u32>()).prop_map(|(at, value)| Deed::Change(at, value)),
            1 => Just(Deed::Share),
            1 => Just(Deed::Forget),
        ]
    }

    proptest! {
        /// forall deeds: the list is what a plain one would be, and every share what the list was then.
        #[test]
        fn a_share_stays_what_the_list_was(before in 0..3 * CHUNK, deeds in prop::collection::vec(deed(), 0..200)) {
            let mut plain: Vec<u32> = (0..).take(before).collect();
            let mut list: Chunks<u32> = plain.iter().copied().collect();
            let mut shares: Vec<(Vec<u32>, Chunks<u32>)> = Vec::new();
            for deed in deeds {
                match deed {
                    Deed::Push(value) => {
                        prop_assert_eq!(list.push(value), plain.len());
                        plain.push(value);
                    }
                    Deed::Change(at, value) if !plain.is_empty() => {
                        let at = at.index(plain.len());
                        list[at] = value;
                        plain[at] = value;
                    }
                    Deed::Share => shares.push((plain.clone(), list.share())),
                    Deed::Forget => drop(shares.pop()),
                    Deed::Change(..) => {}
                }
            }
            shares.push((plain, list));
            for (plain, list) in &shares {
                prop_assert_eq!(list.len(), plain.len());
                prop_assert!(list.iter().eq(plain));
                prop_assert!((0..plain.len()).all(|at| list.get(at) == plain.get(at)));
                prop_assert_eq!(list.get(plain.len()), None);
            }
        }

        /// forall lists: what is saved is what a plain list would save, and comes back.
        #[test]
        fn it_is_saved_as_a_plain_list(values in prop::collection::vec(any::<u16>(), 0..2 * CHUNK)) {
            let list: Chunks<u16> = values.iter().copied().collect();
            let bytes = postcard::to_allocvec(&list).unwrap();
            prop_assert_eq!(&bytes, &postcard::to_allocvec(&values).unwrap());
            let back: Chunks<u16> = postcard::from_bytes(&bytes).unwrap();
            prop_assert!(back.iter().eq(&values));
        }
    }
}
