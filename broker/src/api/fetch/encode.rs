//! The bytes of a Fetch answer, versions 4 to 12 (12 is the flexible one).

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use crate::api::fetch::PartitionRead;

/// From this version on lengths are compact and structures end with tags.
const FLEXIBLE: i16 = 12;

/// The whole answer with its length and header, in pieces: framing in one buffer, cut where the
/// batches go between.
pub(super) fn answer(
    version: i16,
    correlation: i32,
    error: i16,
    topics: &[(StrBytes, Vec<PartitionRead>)],
) -> Vec<Bytes> {
    let mut out = Pieces {
        version,
        framing: Vec::with_capacity(1024),
        batches: Vec::new(),
    };
    out.i32(0); // the length, known at the end
    out.i32(correlation);
    out.tags();
    out.i32(0); // throttle time
    if version >= 7 {
        out.i16(error);
        out.i32(0); // no session
    }
    out.count(topics.len());
    for (name, partitions) in topics {
        out.string(name);
        out.count(partitions.len());
        for partition in partitions {
            out.partition(partition);
        }
        out.tags();
    }
    out.tags();
    out.finish()
}

struct Pieces {
    version: i16,
    framing: Vec<u8>,
    /// Batches, each with the place in the framing that it follows.
    batches: Vec<(usize, Bytes)>,
}

impl Pieces {
    fn partition(&mut self, read: &PartitionRead) {
        self.i32(read.index);
        let (error, bounds) = match &read.outcome {
            Ok(slice) => (
                0,
                (
                    slice.bounds.high_watermark,
                    slice.bounds.last_stable,
                    slice.bounds.start,
                ),
            ),
            Err(error) => (error.code(), (-1, -1, -1)),
        };
        self.i16(error);
        self.i64(bounds.0);
        self.i64(bounds.1);
        if self.version >= 5 {
            self.i64(bounds.2);
        }
        match &read.outcome {
            Ok(slice) if read.lists_aborted => {
                self.count(slice.aborted.len());
                for aborted in &slice.aborted {
                    self.i64(aborted.producer_id);
                    self.i64(aborted.first);
                    self.tags();
                }
            }
            _ => self.null(),
        }
        if self.version >= 11 {
            self.i32(-1); // no preferred replica
        }
        match &read.outcome {
            Ok(slice) => {
                self.count(slice.bytes);
                let at = self.framing.len();
                self.batches
                    .extend(slice.batches.iter().map(|batch| (at, batch.clone())));
            }
            Err(_) => self.count(0),
        }
        self.tags();
    }

    fn finish(mut self) -> Vec<Bytes> {
        let batch_bytes: usize = self.batches.iter().map(|(_, batch)| batch.len()).sum();
        let length = (self.framing.len() - 4 + batch_bytes) as u32;
        self.framing[..4].copy_from_slice(&length.to_be_bytes());
        let framing = Bytes::from(self.framing);
        let mut pieces = Vec::with_capacity(self.batches.len() * 2 + 1);
        let mut written = 0;
        for (at, batch) in self.batches {
            if at > written {
                pieces.push(framing.slice(written..at));
                written = at;
            }
            pieces.push(batch);
        }
        pieces.push(framing.slice(written..));
        pieces
    }

    /// The length of an array or of bytes.
    fn count(&mut self, n: usize) {
        if self.version >= FLEXIBLE {
            self.varint(n + 1);
        } else {
            self.i32(n as i32);
        }
    }

    fn null(&mut self) {
        if self.version >= FLEXIBLE {
            self.varint(0)
        } else {
            self.i32(-1)
        }
    }

    fn string(&mut self, text: &str) {
        if self.version >= FLEXIBLE {
            self.varint(text.len() + 1);
        } else {
            self.i16(text.len() as i16);
        }
        self.framing.extend_from_slice(text.as_bytes());
    }

    /// An empty section of tagged fields, where the version has them.
    fn tags(&mut self) {
        if self.version >= FLEXIBLE {
            self.varint(0);
        }
    }

    fn varint(&mut self, mut rest: usize) {
        while rest >= 0x80 {
            self.framing.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.framing.push(rest as u8);
    }

    fn i16(&mut self, value: i16) {
        self.framing.extend_from_slice(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.framing.extend_from_slice(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.framing.extend_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;
    use kafka_protocol::messages::{FetchResponse, ResponseHeader};
    use kafka_protocol::protocol::Decodable;

    use super::*;
    use crate::log::partition::{Bounds, Slice};

    fn reads() -> Vec<(StrBytes, Vec<PartitionRead>)> {
        let slice = |batches: &[&'static str]| Slice {
            batches: batches
                .iter()
                .map(|b| Bytes::from_static(b.as_bytes()))
                .collect(),
            bytes: batches.iter().map(|b| b.len()).sum(),
            bounds: Bounds {
                start: 1,
                high_watermark: 9,
                last_stable: 7,
            },
            aborted: Vec::new(),
        };
        let read = |index, outcome| PartitionRead {
            index,
            outcome,
            lists_aborted: true,
        };
        vec![
            (
                "events".into(),
                vec![read(0, Ok(slice(&["one", "two"]))), read(1, Ok(slice(&[])))],
            ),
            (
                "other".into(),
                vec![read(0, Err(ResponseError::OffsetOutOfRange))],
            ),
        ]
    }

    #[test]
    fn every_version_reads_back_as_it_was_meant() {
        for version in 4..=12 {
            let pieces = answer(version, 77, 0, &reads());
            let mut bytes = Bytes::from(pieces.concat());
            let length = u32::from_be_bytes(bytes.split_to(4)[..].try_into().expect("4 bytes"));
            assert_eq!(length as usize, bytes.len(), "version {version}");
            let header_version = i16::from(version >= FLEXIBLE);
            let header = ResponseHeader::decode(&mut bytes, header_version).expect("header");
            assert_eq!(header.correlation_id, 77);
            let response = FetchResponse::decode(&mut bytes, version).expect("body");
            assert!(bytes.is_empty(), "version {version} leaves nothing over");
            let first = &response.responses[0].partitions[0];
            assert_eq!(first.records.as_deref(), Some(&b"onetwo"[..]));
            assert_eq!((first.high_watermark, first.last_stable_offset), (9, 7));
            assert_eq!(first.aborted_transactions.as_ref().map(Vec::len), Some(0));
            assert_eq!(
                response.responses[0].partitions[1].records.as_deref(),
                Some(&b""[..])
            );
            let failed = &response.responses[1].partitions[0];
            assert_eq!(failed.error_code, ResponseError::OffsetOutOfRange.code());
        }
    }

    #[test]
    fn long_lengths_take_several_bytes() {
        let mut out = Pieces {
            version: 12,
            framing: Vec::new(),
            batches: Vec::new(),
        };
        out.varint(300);
        assert_eq!(out.framing, [0xac, 0x02]);
    }
}
