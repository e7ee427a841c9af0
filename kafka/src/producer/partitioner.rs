//! The Java client's way from a key to a partition.

/// The 32-bit murmur2 hash with the seed that Kafka's Java client uses.
#[must_use]
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // The algorithm works on 32-bit lengths; a key of 4 GiB does not fit in a record anyway.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "defined on the low 32 bits"
    )]
    let mut hash = SEED ^ (key.len() as u32);
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// The partition that Java's default partitioner, and librdkafka's `murmur2_random`, give a record
/// with this key in a topic of `partitions` partitions.
///
/// A topic without partitions has none to give: 0 is returned for it.
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX)
        .checked_rem(partitions)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_java_client() {
        let cases: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key), hash, "{:?}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn negative_hashes_still_give_a_partition_in_range() {
        for partitions in 1..=64 {
            for key in [&b"21"[..], b"foobar", b"abc", b""] {
                let partition = partition_for_key(key, partitions);
                assert!(
                    (0..partitions).contains(&partition),
                    "{partition} of {partitions}"
                );
            }
        }
        assert_eq!(
            partition_for_key(b"21", 4),
            (-973_932_308_i32 & 0x7fff_ffff) % 4
        );
    }

    #[test]
    fn a_topic_without_partitions_gives_the_first() {
        assert_eq!(partition_for_key(b"abc", 0), 0);
    }
}
