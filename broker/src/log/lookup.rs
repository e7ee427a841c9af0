//! Finding the first record of a batch that is not older than a timestamp.
//!
//! This is the one question that needs a look at records, inside compressed batches too. They are
//! read as a stream, so that what a hostile batch unpacks to is never held in memory.

use std::io::{BufRead, BufReader, Read};

use crate::log::batch::{HEADER_BYTES, Header};

/// Unpacked bytes looked through before a batch is given up as hostile.
const MAX_UNPACKED_BYTES: u64 = 256 << 20;
/// Snappy names its unpacked length in front and unpacks in one piece: more is not believed.
const MAX_SNAPPY_BYTES: usize = 32 << 20;
/// Memory zstd may ask for: 2 to this power.
const ZSTD_WINDOW_LOG: u32 = 25;
/// What Java's snappy streams begin with; then come blocks, each with its length.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// Offset and timestamp of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// The first record of a stored batch, from offset `from` on, whose timestamp is at least
/// `timestamp`. Records that cannot be read end the search.
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
    let packed = bytes.get(HEADER_BYTES..)?;
    let wanted = |found: &Found| found.timestamp >= timestamp && found.offset >= from;
    match header.codec() {
        1 => Records::new(
            BufReader::new(flate2::read::MultiGzDecoder::new(packed)),
            &header,
            base,
        )
        .find(wanted),
        2 => Records::new(&*unpack_snappy(packed)?, &header, base).find(wanted),
        3 => {
            let unpacked = lz4_flex::frame::FrameDecoder::new(packed);
            Records::new(BufReader::new(unpacked), &header, base).find(wanted)
        }
        4 => {
            let mut unpacked = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
            unpacked.window_log_max(ZSTD_WINDOW_LOG).ok()?;
            Records::new(BufReader::new(unpacked), &header, base).find(wanted)
        }
        _ => Records::new(packed, &header, base).find(wanted),
    }
}

/// Offsets and timestamps of the records in a stream of them; ends early if it makes no sense.
struct Records<R> {
    source: std::io::Take<R>,
    left: i32,
    base_offset: i64,
    base_timestamp: i64,
}

impl<R: BufRead> Records<R> {
    fn new(source: R, header: &Header, base_offset: i64) -> Self {
        Self {
            source: source.take(MAX_UNPACKED_BYTES),
            left: header.n_records,
            base_offset,
            base_timestamp: header.base_timestamp,
        }
    }

    fn read_one(&mut self) -> Option<Found> {
        let length = u64::try_from(self.varint()?).ok()?;
        let before = self.source.limit();
        let [_attributes] = self.bytes()?;
        let timestamp = self.base_timestamp.wrapping_add(self.varint()?);
        let offset = self.base_offset.wrapping_add(self.varint()?);
        let read = before - self.source.limit();
        self.skip(length.checked_sub(read)?)?;
        Some(Found { offset, timestamp })
    }

    /// A zigzag varint.
    fn varint(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn skip(&mut self, mut left: u64) -> Option<()> {
        while left > 0 {
            let there = self.source.fill_buf().ok()?.len();
            if there == 0 {
                return None;
            }
            let n = left.min(there as u64);
            self.source.consume(n as usize);
            left -= n;
        }
        Some(())
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        self.read_one()
    }
}

/// Both of the forms in which clients send snappy: Java's stream of blocks, and a single block.
fn unpack_snappy(packed: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    if !packed.starts_with(XERIAL_MAGIC) {
        unpack_block(packed, &mut unpacked)?;
        return Some(unpacked);
    }
    let mut rest = packed.get(XERIAL_HEADER_BYTES..)?;
    while let Some((length, blocks)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (block, next) = blocks.split_at_checked(length)?;
        unpack_block(block, &mut unpacked)?;
        rest = next;
    }
    Some(unpacked)
}

fn unpack_block(block: &[u8], unpacked: &mut Vec<u8>) -> Option<()> {
    let start = unpacked.len();
    let end = start + snap::raw::decompress_len(block).ok()?;
    if end > MAX_SNAPPY_BYTES {
        return None;
    }
    unpacked.resize(end, 0);
    snap::raw::Decoder::new()
        .decompress(block, &mut unpacked[start..])
        .ok()
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::log::batch::tests::{batch, repacked};
    use crate::log::batch::{Prepared, TimestampType};

    /// The records at 100, 90, 300 and 200 ms, at offsets from 40 on.
    const TIMES: [i64; 4] = [100, 90, 300, 200];

    fn packed(codec: i16) -> Bytes {
        let plain = batch(&TIMES, |h| h.attributes = codec);
        let records = &plain[HEADER_BYTES..];
        let packed = match codec {
            1 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                encoder.write_all(records).expect("in memory");
                encoder.finish().expect("in memory")
            }
            2 => snap::raw::Encoder::new()
                .compress_vec(records)
                .expect("in memory"),
            3 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(records).expect("in memory");
                encoder.finish().expect("in memory")
            }
            4 => zstd::stream::encode_all(records, 3).expect("in memory"),
            _ => records.to_vec(),
        };
        repacked(&plain, &packed)
    }

    #[track_caller]
    fn check(timestamp: i64, from: i64, expected: Option<(i64, i64)>) {
        for codec in 0..=4 {
            let found = first_at_or_after(&packed(codec), 40, from, timestamp);
            assert_eq!(
                found.map(|f| (f.offset, f.timestamp)),
                expected,
                "codec {codec}"
            );
        }
    }

    #[test]
    fn the_first_record_not_older_is_found_in_offset_order_whatever_the_codec() {
        check(0, 0, Some((40, 100)));
        check(100, 0, Some((40, 100)));
        check(101, 0, Some((42, 300)));
        check(250, 0, Some((42, 300)));
        check(301, 0, None);
    }

    #[test]
    fn deleted_records_are_passed_over() {
        check(95, 41, Some((42, 300)));
        check(0, 43, Some((43, 200)));
        check(0, 44, None);
    }

    #[test]
    fn snappy_as_java_writes_it_is_read_too() {
        let plain = batch(&TIMES, |h| h.attributes = 2);
        let mut stream = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for part in plain[HEADER_BYTES..].chunks(10) {
            let block = snap::raw::Encoder::new()
                .compress_vec(part)
                .expect("in memory");
            stream.extend_from_slice(&(block.len() as u32).to_be_bytes());
            stream.extend_from_slice(&block);
        }
        let found = first_at_or_after(&repacked(&plain, &stream), 40, 0, 150);
        assert_eq!(
            found,
            Some(Found {
                offset: 42,
                timestamp: 300
            })
        );
    }

    #[test]
    fn a_snappy_block_that_claims_gigabytes_is_not_believed() {
        let plain = batch(&TIMES, |h| h.attributes = 2);
        let claim = repacked(&plain, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        assert_eq!(first_at_or_after(&claim, 40, 0, 150), None);
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
        /// forall bytes behind a sound header, packed any way: looking into them never panics.
        #[test]
        fn hostile_records_never_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..100),
            codec in 0i16..8,
            timestamp: i64,
        ) {
            let plain = batch(&[100], |h| {
                h.attributes = codec;
                h.n_records = i32::MAX;
                h.max_timestamp = i64::MAX;
            });
            let _ = first_at_or_after(&repacked(&plain, &tail), 0, 0, timestamp);
        }
    }
}
