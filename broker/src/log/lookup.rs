//! Finding the first record of a batch that is not older than a timestamp.

use crate::log::batch::{HEADER_BYTES, Header};

/// Offset and timestamp of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// The first record of a stored batch, from offset `from` on, whose timestamp is at least
/// `timestamp`.
///
/// The records of a compressed batch stay closed: the answer is then the batch's first record,
/// which may be too early by less than one batch, but never skips a record that was asked for.
pub(crate) fn first_at_or_after(
    bytes: &[u8],
    base: i64,
    from: i64,
    timestamp: i64,
) -> Option<Found> {
    let header = Header::read(bytes)?;
    if header.max_timestamp < timestamp {
        return None;
    }
    if header.has_append_time() {
        return Some(Found {
            offset: base.max(from),
            timestamp: header.max_timestamp,
        });
    }
    if header.is_compressed() {
        return Some(Found {
            offset: base.max(from),
            timestamp: header.base_timestamp,
        });
    }
    let mut rest = bytes.get(HEADER_BYTES..)?;
    for _ in 0..header.n_records {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let (mut record, next) = rest.split_at_checked(length)?;
        record = record.get(1..)?; // attributes
        let at = header.base_timestamp.wrapping_add(varint(&mut record)?);
        let offset = base.wrapping_add(varint(&mut record)?);
        if at >= timestamp && offset >= from {
            return Some(Found {
                offset,
                timestamp: at,
            });
        }
        rest = next;
    }
    None
}

/// One zigzag varint off the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::batch::tests::batch;
    use crate::log::batch::{Prepared, TimestampType};

    #[track_caller]
    fn check(timestamp: i64, expected: Option<(i64, i64)>) {
        let bytes = batch(&[100, 90, 300, 200], |_| {});
        let found = first_at_or_after(&bytes, 40, 0, timestamp);
        assert_eq!(found.map(|f| (f.offset, f.timestamp)), expected);
    }

    #[test]
    fn the_first_record_not_older_is_found_in_offset_order() {
        check(0, Some((40, 100)));
        check(100, Some((40, 100)));
        check(101, Some((42, 300)));
        check(250, Some((42, 300)));
        check(301, None);
    }

    #[test]
    fn deleted_records_are_passed_over() {
        let bytes = batch(&[100, 90, 300, 400], |_| {});
        assert_eq!(
            first_at_or_after(&bytes, 40, 41, 95).map(|f| f.offset),
            Some(42)
        );
    }

    #[test]
    fn a_compressed_batch_answers_with_its_first_record() {
        let bytes = batch(&[100, 300], |h| h.attributes = 2);
        let found = first_at_or_after(&bytes, 40, 0, 200);
        assert_eq!(
            found,
            Some(Found {
                offset: 40,
                timestamp: 100
            })
        );
    }

    #[test]
    fn with_append_time_all_records_have_the_same_time() {
        let sent = batch(&[100, 300], |_| {});
        let stored = Prepared::check(sent, TimestampType::LogAppendTime, 1000).expect("sound");
        let found = first_at_or_after(&stored.place(7), 7, 0, 500);
        assert_eq!(
            found,
            Some(Found {
                offset: 7,
                timestamp: 1000
            })
        );
    }

    proptest! {
        /// forall bytes behind a sound header: looking into them never panics.
        #[test]
        fn hostile_records_never_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..100),
            timestamp: i64,
        ) {
            let mut bytes = batch(&[100], |h| { h.n_records = i32::MAX; h.max_timestamp = i64::MAX; })
                .to_vec();
            bytes.truncate(HEADER_BYTES);
            bytes.extend(tail);
            let _ = first_at_or_after(&bytes, 0, 0, timestamp);
        }
    }
}
