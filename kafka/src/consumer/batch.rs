//! What a poll brought: records without copies, and events.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::Arc;

use rdkafka_sys as sys;

use super::StartOffset;
use crate::error::ErrorCode;
use crate::native::Client;
use crate::partition::{PartitionOffset, TopicPartition};

/// Records and events of one poll. It is filled again and again, and keeps the records' memory
/// until then.
pub struct Batch {
    capacity: usize,
    pub(super) raw: Vec<*mut sys::rd_kafka_message_t>,
    /// The topic's index for each record.
    pub(super) topics: Vec<u32>,
    pub(super) events: Vec<Event>,
    /// Keeps the client whose memory the records are in.
    pub(super) client: Option<Arc<Client>>,
}

// SAFETY: librdkafka's messages are plain memory, freed through their client, which may be done
// from any thread.
unsafe impl Send for Batch {}

/// What else happened, in the order in which it must be handled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The group gave these partitions to this member. The next poll starts reading them at the
    /// committed offsets, unless [`super::BatchConsumer::accept`] says where before that.
    Assigned {
        /// The new ones only, where the protocol is cooperative; otherwise all.
        partitions: Vec<TopicPartition>,
    },
    /// The group takes these partitions away with the next poll: commit for them now.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// True if another member may have them already: commits will fail.
        lost: bool,
    },
    /// All records that were in the partition have been read (if ends are reported).
    EndOfPartition {
        /// The partition.
        partition: TopicPartition,
        /// The offset at which the next record will be.
        offset: i64,
    },
    /// The offset to read from is gone, e.g. by retention: records were lost to this reader. The
    /// partition stands still until [`super::BatchConsumer::seek`].
    DataLost {
        /// The partition.
        partition: TopicPartition,
        /// Where reading can go on: at the oldest record, or where a log was cut off that had been read further, as
        /// after the crash of a broker.
        resume: StartOffset,
        /// librdkafka's words, with the offset.
        detail: String,
    },
    /// An asynchronous commit ended.
    Committed {
        /// What was to be committed.
        offsets: Vec<PartitionOffset>,
        /// Why it failed, if it did.
        failure: Option<ErrorCode>,
    },
    /// Something that librdkafka deals with, or that will come back if it lasts.
    Error {
        /// The partition, if it is about one.
        partition: Option<TopicPartition>,
        /// The code.
        code: ErrorCode,
        /// The text.
        detail: String,
    },
}

impl Batch {
    /// An empty batch for up to `capacity` records, at least one.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            capacity,
            raw: Vec::with_capacity(capacity),
            topics: Vec::with_capacity(capacity),
            events: Vec::new(),
            client: None,
        }
    }

    /// The most records it takes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// True without records; there may be events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The records, in order within each partition.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        self.raw
            .iter()
            .zip(&self.topics)
            .map(|(raw, topic)| Message {
                raw: *raw,
                topic: *topic,
                batch: PhantomData,
            })
    }

    /// The events. Records come first: those of a revoked partition are still ours to handle.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Gives the records' memory back.
    pub fn clear(&mut self) {
        for message in self.raw.drain(..) {
            // SAFETY: ours since the poll, freed once, with its client still alive.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
        self.topics.clear();
        self.events.clear();
        self.client = None;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Who stamped a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampKind {
    /// The producer.
    Create,
    /// The broker, when it appended the record.
    LogAppend,
}

/// A record's time in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since the epoch.
    pub millis: i64,
    /// Who stamped it.
    pub kind: TimestampKind,
}

/// One record, in librdkafka's memory.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    raw: *const sys::rd_kafka_message_t,
    topic: u32,
    batch: PhantomData<&'a Batch>,
}

impl<'a> Message<'a> {
    /// The index of its topic in [`super::BatchConsumer::topics`].
    #[must_use]
    pub fn topic_index(&self) -> usize {
        self.topic as usize
    }

    /// Its partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.native().partition
    }

    /// Its offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.native().offset
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        bytes(self.native().key, self.native().key_len)
    }

    /// Its value; none at all is a tombstone.
    #[must_use]
    pub fn payload(&self) -> Option<&'a [u8]> {
        bytes(self.native().payload, self.native().len)
    }

    /// Its time, which the oldest message formats lack.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a live message.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.raw, &raw mut kind) };
        let kind = match kind {
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => return None,
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => TimestampKind::Create,
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
                TimestampKind::LogAppend
            }
        };
        Some(Timestamp { millis, kind })
    }

    /// Its headers, read when asked for.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        let mut headers = std::ptr::null_mut();
        // SAFETY: a live message, which keeps the headers.
        let code = unsafe { sys::rd_kafka_message_headers(self.raw, &raw mut headers) };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            headers = std::ptr::null_mut();
        }
        Headers {
            headers,
            next: 0,
            batch: PhantomData,
        }
    }

    fn native(&self) -> &'a sys::rd_kafka_message_t {
        // SAFETY: live as long as the batch is borrowed.
        unsafe { &*self.raw }
    }
}

/// A record's headers in their order: name and value, which may be absent.
pub struct Headers<'a> {
    headers: *mut sys::rd_kafka_headers_t,
    next: usize,
    batch: PhantomData<&'a Batch>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.headers.is_null() {
            return None;
        }
        let (mut name, mut value, mut len) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: live headers; the pointers are into the message.
        let code = unsafe {
            sys::rd_kafka_header_get_all(
                self.headers,
                self.next,
                &raw mut name,
                &raw mut value,
                &raw mut len,
            )
        };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            return None;
        }
        self.next += 1;
        // SAFETY: librdkafka terminates header names.
        let name = unsafe { std::ffi::CStr::from_ptr(name) };
        // A foreign producer may write any bytes; such a header is shown without its name.
        Some((name.to_str().unwrap_or(""), bytes(value.cast_mut(), len)))
    }
}

/// Bytes in a message's memory; null means that there is no value.
fn bytes<'a>(pointer: *mut c_void, len: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: librdkafka gives the length of what it points to, alive as long as its message.
    Some(unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), len) })
}
