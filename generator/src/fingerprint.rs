//! Digests of all events, whatever their order: the sum of a 128-bit hash of each.

use crate::draw::multiply_fold;

/// Constants of wyhash, which has this structure.
const SECRET: [u64; 4] = [
    0x2d35_8dcc_aa6c_78a5,
    0x8bb8_4b93_962e_acc9,
    0x4b33_a62e_d433_d4a3,
    0x4d5a_2da5_1de1_aa47,
];

/// Adds up the digests of events. The sum does not depend on their order, so workers' sums add up to
/// that of one worker, and an event that is lost, doubled or changed shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Adds an event: its key, and its value without what differs between registries.
    pub fn add(&mut self, key: &[u8], body: &[u8]) {
        let (mut a, mut b) = (SECRET[0] ^ key.len() as u64, SECRET[1] ^ body.len() as u64);
        for part in [key, body] {
            let (chunks, tail) = part.as_chunks::<16>();
            for chunk in chunks {
                absorb(&mut a, &mut b, *chunk);
            }
            let mut last = [0; 16];
            last[..tail.len()].copy_from_slice(tail);
            absorb(&mut a, &mut b, last);
        }
        let high = multiply_fold(a ^ SECRET[2], b ^ SECRET[3]);
        let low = multiply_fold(a ^ SECRET[3], b.rotate_left(32) ^ SECRET[1]);
        self.0 = self
            .0
            .wrapping_add(u128::from(high) << 64 | u128::from(low));
    }

    /// Takes over the events of another sum.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

/// Mixes 16 bytes into both lanes.
fn absorb(a: &mut u64, b: &mut u64, chunk: [u8; 16]) {
    let bits = u128::from_le_bytes(chunk);
    #[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
    let (low, high) = (bits as u64, (bits >> 64) as u64);
    *a = multiply_fold(*a ^ low ^ SECRET[2], high ^ SECRET[1]);
    *b = multiply_fold(*b ^ high ^ SECRET[3], low ^ SECRET[0]).rotate_left(23) ^ *a;
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pair<'a> = (&'a [u8], &'a [u8]);

    fn of(events: &[Pair<'_>]) -> Fingerprint {
        let mut sum = Fingerprint::default();
        events.iter().for_each(|(key, body)| sum.add(key, body));
        sum
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let (a, b): (Pair<'_>, Pair<'_>) = ((b"user-1", b"one"), (b"user-2", b"two"));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        assert_ne!(of(&[a, b]), of(&[a, a]));
        assert_ne!(of(&[a, b]), of(&[a]));
        assert_ne!(of(&[(b"user-1", b"x")]), of(&[(b"user-", b"1x")]));
        let mut merged = of(&[a]);
        merged.merge(of(&[b]));
        assert_eq!(merged, of(&[a, b]));
    }

    proptest! {
        /// forall bytes, place: a changed bit changes the digest.
        #[test]
        fn a_changed_bit_shows(mut body in prop::collection::vec(any::<u8>(), 1..80), at: prop::sample::Index, bit in 0u8..8) {
            let before = of(&[(b"key", &body)]);
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            prop_assert_ne!(before, of(&[(b"key", &body)]));
        }
    }
}
