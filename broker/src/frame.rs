//! Requests off the wire: length-prefixed frames and their headers.

use std::io::Read;

use crate::guard::schemas::{self, Schema};
use crate::guard::{self, GuardError};

/// The largest Produce request. It bounds, with the batch it leaves in the log, what a single
/// connection can make the broker hold.
const MAX_PRODUCE_BYTES: usize = 64 << 20;
/// The largest of all others: decoded they take several times their bytes.
const MAX_OTHER_BYTES: usize = 4 << 20;
const PRODUCE_KEY: i16 = 0;
const FIRST_BUFFER_BYTES: usize = 64 << 10;
/// A buffer that grew beyond this for one large request is given back after it.
const KEPT_BUFFER_BYTES: usize = 2 << 20;

/// Reads frames one after the other from a connection.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where unread bytes begin and end.
    head: usize,
    tail: usize,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection failed or ended.
    #[error("cannot read from the connection")]
    Io(#[from] std::io::Error),
    /// The frame is longer than acceptable, or its length is negative.
    #[error("a request of `{claimed}` bytes; send at most `{limit}`")]
    TooLong {
        /// What the frame says.
        claimed: i64,
        /// What is accepted.
        limit: usize,
    },
}

/// A request before it is decoded.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: &'a str,
    /// `None` if this API, or this version of it, is not served: what follows was not looked at.
    pub(crate) schema: Option<&'static Schema>,
    pub(crate) body: &'a [u8],
}

impl<R: Read> FrameReader<R> {
    /// A reader with an empty buffer.
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; FIRST_BUFFER_BYTES],
            head: 0,
            tail: 0,
        }
    }

    /// The next frame without its length; `None` when the connection was closed between frames.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if self.head == self.tail {
            (self.head, self.tail) = (0, 0);
            if self.buffer.len() > KEPT_BUFFER_BYTES {
                self.buffer = vec![0; FIRST_BUFFER_BYTES];
            }
        }
        while self.unread() < 4 {
            let between_frames = self.unread() == 0;
            if self.fill(4)? == 0 {
                return if between_frames {
                    Ok(None)
                } else {
                    Err(ended())
                };
            }
        }
        let claimed = i64::from(self.peek_i32(0));
        if claimed > MAX_PRODUCE_BYTES as i64 {
            return Err(FrameError::TooLong {
                claimed,
                limit: MAX_PRODUCE_BYTES,
            });
        }
        // The key tells which limit applies; a frame too short for one is refused as a request.
        while self.unread() < 6 && claimed >= 2 {
            if self.fill(6)? == 0 {
                return Err(ended());
            }
        }
        let is_produce = claimed >= 2 && self.peek_i32(2) as i16 == PRODUCE_KEY;
        let limit = if is_produce {
            MAX_PRODUCE_BYTES
        } else {
            MAX_OTHER_BYTES
        };
        let size = match usize::try_from(claimed) {
            Ok(size) if size <= limit => size,
            _ => return Err(FrameError::TooLong { claimed, limit }),
        };
        while self.unread() < 4 + size {
            if self.fill(4 + size)? == 0 {
                return Err(ended());
            }
        }
        let start = self.head + 4;
        self.head = start + size;
        Ok(Some(&self.buffer[start..start + size]))
    }

    /// Reads some more of a frame of `wanted` bytes in all. The buffer doubles at most: memory
    /// follows the bytes that came, not those that were announced.
    fn fill(&mut self, wanted: usize) -> Result<usize, FrameError> {
        if self.head > 0 && self.head + wanted > self.buffer.len() {
            self.buffer.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        if self.tail == self.buffer.len() {
            let doubled = self.buffer.len() * 2;
            self.buffer
                .resize(doubled.min(wanted.max(self.tail + 1)), 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.tail..]) {
                Ok(n) => {
                    self.tail += n;
                    return Ok(n);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn unread(&self) -> usize {
        self.tail - self.head
    }

    fn peek_i32(&self, at: usize) -> i32 {
        let bytes = self.buffer[self.head + at..].first_chunk();
        bytes.map_or(-1, |bytes| i32::from_be_bytes(*bytes))
    }
}

impl<'a> Request<'a> {
    /// Reads the header of a request.
    pub(crate) fn parse(frame: &'a [u8]) -> Result<Self, GuardError> {
        let (key, rest) = split_i16(frame)?;
        let (version, rest) = split_i16(rest)?;
        let (correlation, rest) = rest.split_first_chunk().ok_or(GuardError::Truncated)?;
        let correlation = i32::from_be_bytes(*correlation);
        let schema = schemas::find(key).filter(|schema| schema.serves(version));
        let Some(schema) = schema else {
            return Ok(Self {
                key,
                version,
                correlation,
                client_id: "",
                schema: None,
                body: &[],
            });
        };
        let (length, rest) = split_i16(rest)?;
        let length = match length {
            -1 => 0,
            n => usize::try_from(n).map_err(|_| GuardError::BadLength)?,
        };
        let (client_id, rest) = rest.split_at_checked(length).ok_or(GuardError::Truncated)?;
        let client_id = std::str::from_utf8(client_id).map_err(|_| GuardError::BadLength)?;
        let body = if schema.is_flexible(version) {
            guard::skip_tags(rest)?
        } else {
            rest
        };
        Ok(Self {
            key,
            version,
            correlation,
            client_id,
            schema: Some(schema),
            body,
        })
    }
}

fn split_i16(bytes: &[u8]) -> Result<(i16, &[u8]), GuardError> {
    let (first, rest) = bytes.split_first_chunk().ok_or(GuardError::Truncated)?;
    Ok((i16::from_be_bytes(*first), rest))
}

fn ended() -> FrameError {
    FrameError::Io(std::io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// Hands out its bytes a few at a time, as a slow connection does.
    struct Trickle(Cursor<Vec<u8>>, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(buffer.len());
            self.0.read(&mut buffer[..n])
        }
    }

    fn frames(bytes: Vec<u8>, step: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut reader = FrameReader::new(Trickle(Cursor::new(bytes), step));
        let mut frames = Vec::new();
        while let Some(frame) = reader.next()? {
            frames.push(frame.to_vec());
        }
        Ok(frames)
    }

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        let frame = |b: &Vec<u8>| [&(b.len() as i32).to_be_bytes()[..], b].concat();
        bodies.iter().flat_map(frame).collect()
    }

    #[test]
    fn large_frames_grow_the_buffer_and_small_ones_follow() {
        let bodies = vec![vec![0; 3 << 20], vec![1; 10], vec![2; 100_000]];
        assert_eq!(
            frames(framed(&bodies), 1 << 20).expect("whole frames"),
            bodies
        );
    }

    #[test]
    fn lengths_beyond_the_limit_are_refused_before_they_are_reserved() {
        let produce = (MAX_PRODUCE_BYTES as i32 + 1).to_be_bytes().to_vec();
        let metadata = [&(MAX_OTHER_BYTES as i32 + 1).to_be_bytes()[..], &[0, 3]].concat();
        let negative = vec![0xff; 8];
        for bytes in [produce, metadata, negative] {
            assert!(matches!(
                frames(bytes, 100),
                Err(FrameError::TooLong { .. })
            ));
        }
    }

    #[test]
    fn memory_follows_the_bytes_that_came() {
        let announced = [&(MAX_PRODUCE_BYTES as i32).to_be_bytes()[..], &[0; 1000]].concat();
        let mut reader = FrameReader::new(Cursor::new(announced));
        assert!(matches!(reader.next(), Err(FrameError::Io(_))));
        assert_eq!(reader.buffer.len(), FIRST_BUFFER_BYTES);
    }

    #[test]
    fn a_connection_cut_inside_a_frame_is_an_error_and_between_frames_an_end() {
        assert!(frames(vec![], 10).expect("a clean end").is_empty());
        for cut in [1, 5, 7] {
            let mut bytes = framed(&[vec![9; 20]]);
            bytes.truncate(cut);
            assert!(
                matches!(frames(bytes, 10), Err(FrameError::Io(_))),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn headers_of_both_kinds_are_read() {
        let plain = [&[0, 3, 0, 4, 0, 0, 0, 9, 0, 2][..], b"me", b"BODY"].concat();
        let request = Request::parse(&plain).expect("sound");
        assert_eq!(
            (request.key, request.version, request.correlation),
            (3, 4, 9)
        );
        assert_eq!((request.client_id, request.body), ("me", &b"BODY"[..]));
        let tagged = [
            &[0, 3, 0, 9, 0, 0, 0, 9, 0xff, 0xff, 1, 5, 2, 7, 7][..],
            b"BODY",
        ]
        .concat();
        let request = Request::parse(&tagged).expect("sound");
        assert_eq!((request.client_id, request.body), ("", &b"BODY"[..]));
        let unserved = Request::parse(&[0, 3, 0, 99, 0, 0, 0, 9]).expect("a header at least");
        assert!(unserved.schema.is_none());
    }

    proptest! {
        /// forall frames and network chunks: the frames come out as they went in.
        #[test]
        fn chunking_does_not_matter(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 2..300), 0..20),
            step in 1usize..700,
        ) {
            prop_assert_eq!(frames(framed(&bodies), step).expect("whole frames"), bodies);
        }

        /// forall bytes: reading a header never panics.
        #[test]
        fn hostile_headers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Request::parse(&bytes);
        }
    }
}
