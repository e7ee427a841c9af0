//! The header of a record batch (magic 2): the only part of a batch the broker looks into.
//!
//! ```text
//!  0 base offset i64      21 attributes i16         43 producer id i64
//!  8 length i32           23 last offset delta i32  51 producer epoch i16
//! 12 leader epoch i32     27 base timestamp i64     53 base sequence i32
//! 16 magic i8             35 max timestamp i64      57 records i32
//! 17 crc u32              (the crc covers 21 to the end)
//! ```

use bytes::Bytes;
use kafka_protocol::ResponseError;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 61;

const ATTRIBUTES: usize = 21;
const CRC: usize = 17;
const MAX_TIMESTAMP: usize = 35;
const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
/// The highest compression codec there is (zstd).
const LAST_CODEC: i16 = 4;

/// Who sets the timestamps of a topic's records: `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TimestampType {
    /// The producer.
    #[default]
    CreateTime,
    /// The broker, as it appends.
    LogAppendTime,
}

/// The fields of a batch header that decide what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) n_records: i32,
}

impl Header {
    /// Reads the header; `None` when the bytes are too few.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            attributes: i16::from_be_bytes(array(bytes, ATTRIBUTES)?),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(array(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(array(bytes, MAX_TIMESTAMP)?),
            producer_id: i64::from_be_bytes(array(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(array(bytes, 51)?),
            base_sequence: i32::from_be_bytes(array(bytes, 53)?),
            n_records: i32::from_be_bytes(array(bytes, 57)?),
        })
    }

    /// How the records are compressed: 0 not at all, then gzip, snappy, lz4 and zstd.
    pub(crate) fn codec(&self) -> i16 {
        self.attributes & COMPRESSION_MASK
    }

    /// Whether the batch belongs to a transaction.
    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether all records carry the maximum timestamp, set by the broker.
    pub(crate) fn has_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// The last sequence number in the batch; sequence numbers wrap at `i32::MAX`.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }
}

/// A batch from a producer that was found sound and is ready to be given its offset.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its header, after the timestamp was set.
    pub(crate) header: Header,
    bytes: Vec<u8>,
}

impl Prepared {
    /// Checks one batch as a producer sent it and stamps it with `now_ms` if the topic wants that.
    pub(crate) fn check(
        records: Bytes,
        timestamps: TimestampType,
        now_ms: i64,
    ) -> Result<Self, ResponseError> {
        let header = sound_header(&records)?;
        // The buffer is this request's own, so this takes it over without copying.
        let mut prepared = Self {
            header,
            bytes: Vec::from(records),
        };
        if timestamps == TimestampType::LogAppendTime {
            prepared.stamp(now_ms);
        }
        Ok(prepared)
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the offset of the first record and freezes the batch. Neither field is under the crc.
    pub(crate) fn place(mut self, base_offset: i64) -> Bytes {
        self.bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        self.bytes[12..16].copy_from_slice(&0i32.to_be_bytes());
        Bytes::from(self.bytes)
    }

    fn stamp(&mut self, now_ms: i64) {
        self.header.attributes |= LOG_APPEND_TIME;
        self.header.max_timestamp = now_ms;
        self.bytes[ATTRIBUTES..ATTRIBUTES + 2]
            .copy_from_slice(&self.header.attributes.to_be_bytes());
        self.bytes[MAX_TIMESTAMP..MAX_TIMESTAMP + 8].copy_from_slice(&now_ms.to_be_bytes());
        write_crc(&mut self.bytes);
    }
}

/// The control batch that ends a transaction in one partition.
pub(crate) fn marker(producer_id: i64, epoch: i16, commit: bool, now_ms: i64) -> Prepared {
    let header = Header {
        attributes: TRANSACTIONAL | CONTROL,
        last_offset_delta: 0,
        base_timestamp: now_ms,
        max_timestamp: now_ms,
        producer_id,
        producer_epoch: epoch,
        base_sequence: -1,
        n_records: 1,
    };
    // A control record in zigzag varints: attributes, timestamp and offset deltas, then a key of
    // 4 bytes (version 0, type: 0 abort, 1 commit), a value of 6 (version 0, coordinator epoch 0).
    let record = [
        0,
        0,
        0,
        8,
        0,
        0,
        0,
        u8::from(commit),
        12,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    let mut bytes = vec![0; HEADER_BYTES];
    write_header(&mut bytes, &header);
    bytes.push((record.len() as u8) << 1);
    bytes.extend_from_slice(&record);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    write_crc(&mut bytes);
    Prepared { header, bytes }
}

fn sound_header(bytes: &[u8]) -> Result<Header, ResponseError> {
    let header = Header::read(bytes).ok_or(ResponseError::CorruptMessage)?;
    if bytes.len() < HEADER_BYTES || bytes[16] != 2 {
        return Err(ResponseError::InvalidRecord);
    }
    let length = array(bytes, 8).map(i32::from_be_bytes).unwrap_or(-1);
    match usize::try_from(length) {
        Ok(n) if n + 12 == bytes.len() => {}
        // Exactly one batch for each partition of a request, as brokers demand since Produce 3.
        Ok(n) if n + 12 < bytes.len() => return Err(ResponseError::InvalidRecord),
        _ => return Err(ResponseError::CorruptMessage),
    }
    let crc = array(bytes, CRC)
        .map(u32::from_be_bytes)
        .unwrap_or_default();
    if crc != crc32c::crc32c(&bytes[ATTRIBUTES..]) {
        return Err(ResponseError::CorruptMessage);
    }
    if header.codec() > LAST_CODEC
        || header.attributes & CONTROL != 0
        || header.n_records < 1
        || header.last_offset_delta != header.n_records - 1
        || (header.is_transactional() && header.producer_id < 0)
        || (header.producer_id >= 0 && header.base_sequence < 0)
    {
        return Err(ResponseError::InvalidRecord);
    }
    if header.has_append_time() {
        return Err(ResponseError::InvalidTimestamp);
    }
    Ok(header)
}

fn write_header(bytes: &mut [u8], header: &Header) {
    bytes[16] = 2;
    bytes[21..23].copy_from_slice(&header.attributes.to_be_bytes());
    bytes[23..27].copy_from_slice(&header.last_offset_delta.to_be_bytes());
    bytes[27..35].copy_from_slice(&header.base_timestamp.to_be_bytes());
    bytes[35..43].copy_from_slice(&header.max_timestamp.to_be_bytes());
    bytes[43..51].copy_from_slice(&header.producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&header.producer_epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&header.base_sequence.to_be_bytes());
    bytes[57..61].copy_from_slice(&header.n_records.to_be_bytes());
}

fn write_crc(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES..]);
    bytes[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A batch of uncompressed records, one for each timestamp, as a producer would send it.
    pub(crate) fn batch(timestamps: &[i64], edit: impl FnOnce(&mut Header)) -> Bytes {
        let base = timestamps[0];
        let mut header = Header {
            attributes: 0,
            last_offset_delta: timestamps.len() as i32 - 1,
            base_timestamp: base,
            max_timestamp: timestamps.iter().copied().max().unwrap_or(base),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            n_records: timestamps.len() as i32,
        };
        edit(&mut header);
        let mut bytes = vec![0; HEADER_BYTES];
        write_header(&mut bytes, &header);
        for (delta, timestamp) in timestamps.iter().enumerate() {
            let mut record = vec![0];
            varint(&mut record, timestamp - base);
            varint(&mut record, delta as i64);
            record.extend_from_slice(&[1, 2, b'v', 0]); // null key, one byte of value, no headers
            varint(&mut bytes, record.len() as i64);
            bytes.extend_from_slice(&record);
        }
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        write_crc(&mut bytes);
        Bytes::from(bytes)
    }

    /// A batch with other bytes in place of its records.
    pub(crate) fn repacked(batch: &[u8], records: &[u8]) -> Bytes {
        let mut bytes = [&batch[..HEADER_BYTES], records].concat();
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        write_crc(&mut bytes);
        Bytes::from(bytes)
    }

    fn varint(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn fault(bytes: Bytes) -> ResponseError {
        Prepared::check(bytes, TimestampType::CreateTime, 0).expect_err("must be refused")
    }

    fn altered(at: usize, value: u8) -> Bytes {
        let mut bytes = batch(&[5], |_| {}).to_vec();
        bytes[at] = value;
        Bytes::from(bytes)
    }

    #[test]
    fn a_sound_batch_keeps_its_crc_when_placed() {
        let placed = Prepared::check(batch(&[5, 6], |_| {}), TimestampType::CreateTime, 99)
            .expect("sound")
            .place(1234);
        assert_eq!(&placed[..8], &1234i64.to_be_bytes());
        assert!(sound_header(&placed).is_ok());
        assert_eq!(Header::read(&placed).map(|h| h.max_timestamp), Some(6));
    }

    #[test]
    fn append_time_sets_timestamp_bit_and_crc() {
        let placed = Prepared::check(batch(&[5, 6], |_| {}), TimestampType::LogAppendTime, 99)
            .expect("sound")
            .place(0);
        let header = Header::read(&placed).expect("header");
        assert!(header.has_append_time());
        assert_eq!(header.max_timestamp, 99);
        assert_eq!(
            &placed[17..21],
            &crc32c::crc32c(&placed[21..]).to_be_bytes()
        );
    }

    #[test]
    fn unsound_batches_are_refused_each_with_its_code() {
        use ResponseError::{CorruptMessage, InvalidRecord, InvalidTimestamp};
        let good = batch(&[5], |_| {});
        let two = Bytes::from([&good[..], &good[..]].concat());
        let cases = [
            (
                Bytes::from_static(b"short"),
                CorruptMessage,
                "too short for a header",
            ),
            (altered(16, 1), InvalidRecord, "an old magic"),
            (
                altered(61, 0x7f),
                CorruptMessage,
                "a byte the crc does not cover for",
            ),
            (
                altered(8, 0x7f),
                CorruptMessage,
                "a length beyond the bytes",
            ),
            (two, InvalidRecord, "two batches"),
            (
                batch(&[5], |h| h.attributes = 5),
                InvalidRecord,
                "an unknown codec",
            ),
            (
                batch(&[5], |h| h.attributes = CONTROL),
                InvalidRecord,
                "a control batch",
            ),
            (
                batch(&[5], |h| h.n_records = 0),
                InvalidRecord,
                "no records",
            ),
            (
                batch(&[5], |h| h.last_offset_delta = 3),
                InvalidRecord,
                "offsets with gaps",
            ),
            (
                batch(&[5], |h| h.attributes = TRANSACTIONAL),
                InvalidRecord,
                "no producer",
            ),
            (
                batch(&[5], |h| h.producer_id = 1),
                InvalidRecord,
                "no sequence number",
            ),
            (
                batch(&[5], |h| h.attributes = LOG_APPEND_TIME),
                InvalidTimestamp,
                "a set bit",
            ),
        ];
        for (bytes, expected, what) in cases {
            assert_eq!(fault(bytes), expected, "{what}");
        }
    }

    #[test]
    fn markers_say_commit_or_abort() {
        for (commit, kind) in [(true, 1), (false, 0)] {
            let placed = marker(7, 3, commit, 50).place(9);
            let header = Header::read(&placed).expect("header");
            assert_eq!((header.producer_id, header.producer_epoch), (7, 3));
            assert_eq!(header.attributes, TRANSACTIONAL | CONTROL);
            assert_eq!(
                placed[HEADER_BYTES + 8],
                kind,
                "the type in the control record's key"
            );
            assert_eq!(
                &placed[17..21],
                &crc32c::crc32c(&placed[21..]).to_be_bytes()
            );
        }
    }

    #[test]
    fn sequence_numbers_wrap() {
        let bytes = batch(&[1, 2, 3], |h| {
            h.producer_id = 1;
            h.base_sequence = i32::MAX - 1;
        });
        assert_eq!(Header::read(&bytes).map(|h| h.last_sequence()), Some(0));
    }

    proptest! {
        /// forall bytes: checking them never panics.
        #[test]
        fn hostile_batches_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Prepared::check(Bytes::from(bytes), TimestampType::LogAppendTime, 1);
        }

        /// forall batches and one flipped bit under the crc: the batch is refused.
        #[test]
        fn a_flipped_bit_is_noticed(at in 21usize..60, bit in 0u8..8) {
            let mut bytes = batch(&[5, 9], |_| {}).to_vec();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(fault(Bytes::from(bytes)), ResponseError::CorruptMessage);
        }
    }
}
