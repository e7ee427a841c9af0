//! Ids that look random and are not: UUIDs from a keyed permutation of slot numbers.
//!
//! An event's id is its global slot number (stream and slot), permuted. An audit that knows the seed
//! turns it back into the slot, and so finds events that are lost or doubled without a list of them.

use floodmark_contracts::stream::Stream;

use crate::{
    draw::{Key, Purpose, scramble},
    hex,
};

/// Random bits of a UUID of version 4: 128 less 6 for version and variant.
const HALF_BITS: u32 = 61;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
/// Bits of a slot number; the stream stands above them.
const SLOT_BITS: u32 = 56;
/// The bit of a slot number that marks an event's second id.
const NEW_ID: u64 = 1 << (SLOT_BITS - 1);
/// The left half of the number that is permuted. An id that does not give it back is not ours.
const TAG: u64 = 0x0f10_0d3a_4b5c_6d7e & HALF_MASK;
/// Rounds of the Feistel network: four make a strong pseudo-random permutation (Luby and Rackoff).
const ROUNDS: usize = 4;

/// The keyed permutation between slots and event ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventIds {
    round_keys: [u64; ROUNDS],
}

impl EventIds {
    pub(crate) fn new(seed: u64) -> Self {
        let key = Key::root(seed).purpose(Purpose::EventId);
        Self {
            round_keys: std::array::from_fn(|round| key.bits(round as u64)),
        }
    }

    /// The id of the event in `slot` of `stream`.
    pub(crate) fn id(&self, stream: Stream, slot: u64) -> u128 {
        let (mut left, mut right) = (TAG, (stream as u64) << SLOT_BITS | slot);
        for key in self.round_keys {
            (left, right) = (right, left ^ (scramble(right ^ key) & HALF_MASK));
        }
        with_version(left, right)
    }

    /// The id under which the event in `slot` of `stream` is sent a second time.
    pub(crate) fn new_id(&self, stream: Stream, slot: u64) -> u128 {
        self.id(stream, slot | NEW_ID)
    }

    /// The stream and slot of an event id, if it is one of this seed's. Both ids of an event give its
    /// slot.
    pub(crate) fn slot(&self, id: u128) -> Option<(Stream, u64)> {
        let (mut left, mut right) = without_version(id)?;
        for key in self.round_keys.iter().rev() {
            (left, right) = (right ^ (scramble(left ^ key) & HALF_MASK), left);
        }
        let stream = Stream::ALL
            .into_iter()
            .find(|stream| *stream as u64 == right >> SLOT_BITS)?;
        (left == TAG).then_some((stream, right & (NEW_ID - 1)))
    }
}

/// A UUID of version 4 from 128 random bits.
pub(crate) fn random_uuid(high: u64, low: u64) -> u128 {
    with_version(high & HALF_MASK, low & HALF_MASK)
}

/// Lays 2 x 61 bits out around the version (4) and the variant (binary 10).
fn with_version(left: u64, right: u64) -> u128 {
    let bits = u128::from(left) << HALF_BITS | u128::from(right);
    let high = (bits >> 74) << 80;
    let middle = ((bits >> 62) & 0xfff) << 64;
    let low = bits & ((1 << 62) - 1);
    high | 0x4 << 76 | middle | 0b10 << 62 | low
}

#[expect(clippy::cast_possible_truncation, reason = "masked to 61 bits")]
fn without_version(id: u128) -> Option<(u64, u64)> {
    if (id >> 76) & 0xf != 0x4 || (id >> 62) & 0b11 != 0b10 {
        return None;
    }
    let bits = (id >> 80) << 74 | ((id >> 64) & 0xfff) << 62 | (id & ((1 << 62) - 1));
    Some(((bits >> HALF_BITS) as u64, bits as u64 & HALF_MASK))
}

/// A UUID as text, without allocation.
pub(crate) struct UuidText([u8; 36]);

impl UuidText {
    pub(crate) fn new(id: u128) -> Self {
        Self(hex::uuid(id))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 36] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hexadecimal digits and hyphens are always valid UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// forall seed, slot: the id gives the slot back, and is a UUID of version 4.
        #[test]
        fn ids_can_be_turned_back(seed: u64, slot in 0u64..NEW_ID, stream in 0usize..3) {
            let ids = EventIds::new(seed);
            let stream = Stream::ALL[stream];
            let id = ids.id(stream, slot);
            prop_assert_eq!(ids.slot(id), Some((stream, slot)));
            let second = ids.new_id(stream, slot);
            prop_assert_eq!(ids.slot(second), Some((stream, slot)));
            prop_assert_ne!(id, second);
            prop_assert_eq!(uuid::Uuid::from_u128(id).get_version_num(), 4);
            prop_assert_eq!(uuid::Uuid::from_u128(id).get_variant(), uuid::Variant::RFC4122);
        }

        /// forall id, seed: an id that was made elsewhere is nobody's slot.
        #[test]
        fn foreign_ids_are_recognised(seed: u64, other: u64, slot in 0u64..NEW_ID) {
            prop_assume!(seed != other);
            let id = EventIds::new(other).id(Stream::Banking, slot);
            prop_assert_eq!(EventIds::new(seed).slot(id), None);
            prop_assert_eq!(EventIds::new(seed).slot(u128::from(other)), None);
        }
    }

    #[test]
    fn text_is_that_of_the_uuid() {
        let id = random_uuid(1, 2);
        assert_eq!(
            UuidText::new(id).as_str(),
            uuid::Uuid::from_u128(id).to_string()
        );
    }
}
