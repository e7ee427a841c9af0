//! Records in, delivery reports out.
//!
//! [`Producer::send`] never blocks: a full queue is an outcome of its own, which a load generator
//! counts instead of hiding it in a wait. Reports arrive where [`Producer::poll`] or
//! [`Producer::flush`] is called, never from another thread.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys as sys;
use sys::rd_kafka_vtype_t as vtype;

use crate::error::{Error, ErrorCode};
use crate::native::{Client, Kind, code_of, code_text, cstring, millis};
use crate::settings::ClientSettings;

mod partitioner;
mod settings;
mod transactions;

pub use partitioner::{murmur2, partition_for_key};
pub use settings::{Acks, Compression, ProducerSettings};

/// A topic as one producer knows it: looked up once, not for each record.
#[derive(Clone)]
pub struct Topic {
    inner: Arc<TopicHandle>,
    name: Arc<str>,
}

struct TopicHandle {
    rkt: *mut sys::rd_kafka_topic_t,
    client: Arc<Client>,
}

// SAFETY: librdkafka's topic handles may be used from any thread.
unsafe impl Send for TopicHandle {}
// SAFETY: as above.
unsafe impl Sync for TopicHandle {}

impl Topic {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once, and before the client it belongs to.
        unsafe { sys::rd_kafka_topic_destroy(self.rkt) };
    }
}

/// A record to send. Its bytes are copied, so they can be reused at once.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The topic, from [`Producer::topic`] of the same producer.
    pub topic: &'a Topic,
    /// The partition; without one the key's hash decides, as in the Java client.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none at all is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// CreateTime in milliseconds since the epoch; without one, librdkafka's own clock.
    pub timestamp_ms: Option<i64>,
    /// Headers in their order; values may be absent.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

impl<'a> Record<'a> {
    /// A record with a payload and nothing else.
    #[must_use]
    pub fn new(topic: &'a Topic, payload: &'a [u8]) -> Self {
        Self {
            topic,
            partition: None,
            key: None,
            payload: Some(payload),
            timestamp_ms: None,
            headers: &[],
        }
    }

    /// The record with a key.
    #[must_use]
    pub fn key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// The record for one partition, whatever its key.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The record with a CreateTime.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// The record with headers.
    #[must_use]
    pub fn headers(mut self, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Self {
        self.headers = headers;
        self
    }
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The client's queue is full: poll, count it, and try again.
    #[error("the producer's queue is full")]
    QueueFull,
    /// The record is larger than `message.max.bytes`.
    #[error(
        "a record of {bytes} bytes for topic `{topic}` is larger than `message.max.bytes` allows"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// Key and value together.
        bytes: usize,
    },
    /// The topic or the partition does not exist.
    #[error("topic `{topic}` has no partition {partition:?}, or does not exist")]
    NoSuchPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: Option<i32>,
    },
    /// The topic handle is another producer's.
    #[error("topic `{topic}` was looked up with another producer; look it up with this one")]
    ForeignTopic {
        /// The topic.
        topic: String,
    },
    /// The producer is dead, e.g. fenced by a newer one with its transactional id.
    #[error("topic `{topic}`: the producer cannot go on: {detail}")]
    Fatal {
        /// The topic.
        topic: String,
        /// The reason.
        detail: String,
    },
    /// Anything else, such as a transaction that was not begun.
    #[error("topic `{topic}`: {detail}")]
    Refused {
        /// The topic.
        topic: String,
        /// librdkafka's code.
        code: ErrorCode,
        /// Its text.
        detail: String,
    },
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The tag given to [`Producer::send`].
    pub tag: u64,
    /// Where it is, or why not.
    pub outcome: Outcome,
}

/// Where a record is, or why it was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Delivered {
        /// The partition it went to.
        partition: i32,
        /// Its offset there; -1 without acknowledgements.
        offset: i64,
    },
    /// Given up.
    Failed {
        /// Why.
        code: ErrorCode,
        /// True if it may be in the log all the same: it was sent, and the answer is missing.
        perhaps_stored: bool,
    },
}

impl Delivery {
    /// True if the record is in the log for sure.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        matches!(self.outcome, Outcome::Delivered { .. })
    }

    pub(crate) fn from_native(message: &sys::rd_kafka_message_t) -> Self {
        let tag = message._private as usize as u64;
        let outcome = if message.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            Outcome::Delivered {
                partition: message.partition,
                offset: message.offset,
            }
        } else {
            // SAFETY: a live message of a delivery callback.
            let status = unsafe { sys::rd_kafka_message_status(message) };
            Outcome::Failed {
                code: code_of(message.err),
                perhaps_stored: status
                    != sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
            }
        };
        Self { tag, outcome }
    }
}

/// Throttling by brokers so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttling {
    /// How many responses asked the client to slow down.
    pub times: u64,
    /// The delays asked for, summed, in milliseconds.
    pub total_ms: u64,
}

/// A producer. It can be shared between threads: one may send while another polls.
pub struct Producer {
    client: Arc<Client>,
}

impl Producer {
    /// Makes a producer. Brokers are contacted in the background: a wrong address shows in
    /// deliveries, not here.
    ///
    /// # Errors
    /// If options are unknown, contradict each other or belong to us.
    pub fn new(client: &ClientSettings, settings: &ProducerSettings) -> Result<Self, Error> {
        let options = settings.options(client)?;
        Ok(Self {
            client: Arc::new(Client::new(Kind::Producer, &options)?),
        })
    }

    /// Looks up a topic, which may be done before it exists.
    ///
    /// # Errors
    /// If the name cannot be one.
    pub fn topic(&self, name: &str) -> Result<Topic, Error> {
        let native = cstring("topic", name)?;
        // SAFETY: a live client; a null configuration means the client's defaults.
        let rkt = unsafe {
            sys::rd_kafka_topic_new(self.client.ptr(), native.as_ptr(), std::ptr::null_mut())
        };
        if rkt.is_null() {
            return Err(Error::Refused {
                attempt: format!("look up topic `{name}`"),
                code: ErrorCode::InvalidTopic,
                detail: "the name is not a valid topic name".to_owned(),
            });
        }
        let client = Arc::clone(&self.client);
        Ok(Topic {
            inner: Arc::new(TopicHandle { rkt, client }),
            name: name.into(),
        })
    }

    /// Hands a record to the client; `tag` comes back with its delivery report.
    ///
    /// # Errors
    /// [`SendError::QueueFull`] when the caller should poll and try again; others are final.
    pub fn send(&self, record: &Record<'_>, tag: u64) -> Result<(), SendError> {
        let topic = &record.topic.inner;
        if !Arc::ptr_eq(&topic.client, &self.client) {
            return Err(SendError::ForeignTopic {
                topic: record.topic.name().to_owned(),
            });
        }
        let headers = headers_of(record);
        let (payload, payload_len) = bytes_of(record.payload);
        let (key, key_len) = bytes_of(record.key);
        // The tag is never dereferenced: it only travels as a pointer.
        let opaque = std::ptr::without_provenance_mut::<c_void>(tag as usize);
        // SAFETY: each tag is followed by the arguments of the types it asks for, the list is
        // terminated, and the bytes are copied (`F_COPY`) before the call returns.
        let code = unsafe {
            sys::rd_kafka_producev(
                self.client.ptr(),
                vtype::RD_KAFKA_VTYPE_RKT,
                topic.rkt,
                vtype::RD_KAFKA_VTYPE_PARTITION,
                record.partition.unwrap_or(-1),
                vtype::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                vtype::RD_KAFKA_VTYPE_VALUE,
                payload,
                payload_len,
                vtype::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                vtype::RD_KAFKA_VTYPE_OPAQUE,
                opaque,
                vtype::RD_KAFKA_VTYPE_TIMESTAMP,
                record.timestamp_ms.unwrap_or(0),
                vtype::RD_KAFKA_VTYPE_HEADERS,
                headers,
                vtype::RD_KAFKA_VTYPE_END,
            )
        };
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        if !headers.is_null() {
            // SAFETY: librdkafka takes headers over only on success.
            unsafe { sys::rd_kafka_headers_destroy(headers) };
        }
        Err(self.send_error(record, code))
    }

    #[cold]
    fn send_error(&self, record: &Record<'_>, code: sys::rd_kafka_resp_err_t) -> SendError {
        use sys::rd_kafka_resp_err_t as e;
        let topic = record.topic.name().to_owned();
        match code {
            e::RD_KAFKA_RESP_ERR__QUEUE_FULL => SendError::QueueFull,
            e::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => SendError::TooLarge {
                topic,
                bytes: record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len),
            },
            e::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION | e::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC => {
                SendError::NoSuchPartition {
                    topic,
                    partition: record.partition,
                }
            }
            _ => match self.client.fatal() {
                Some((_, detail)) => SendError::Fatal { topic, detail },
                None => SendError::Refused {
                    topic,
                    code: code_of(code),
                    detail: code_text(code),
                },
            },
        }
    }

    /// Waits up to `timeout` for delivery reports and hands over all that are there. `sink` must
    /// not call this producer's `poll` or `flush`.
    pub fn poll(&self, timeout: Duration, sink: &mut dyn FnMut(Delivery)) {
        self.client.callbacks().with_sink(sink, || {
            // SAFETY: a live client.
            unsafe { sys::rd_kafka_poll(self.client.ptr(), millis(timeout)) };
        });
    }

    /// Records handed over whose report was not yet delivered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        // SAFETY: a live client.
        usize::try_from(unsafe { sys::rd_kafka_outq_len(self.client.ptr()) }).unwrap_or(0)
    }

    /// Sends all that waits at once, without its linger time, and waits for the reports.
    ///
    /// # Errors
    /// If records are still in flight after `timeout`.
    pub fn flush(&self, timeout: Duration, sink: &mut dyn FnMut(Delivery)) -> Result<(), Error> {
        // librdkafka polls inside, so reports reach `sink` as they come. rust-rdkafka's `flush`
        // flushes for no time at all and then polls in steps of 100 ms.
        let code = self.client.callbacks().with_sink(sink, || {
            // SAFETY: a live client.
            unsafe { sys::rd_kafka_flush(self.client.ptr(), millis(timeout)) }
        });
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        let detail = format!("{} records are still in flight", self.in_flight());
        Err(self
            .client
            .error_with("flush", code_of(code), detail, timeout))
    }

    /// Gives up all that is queued or in flight; the reports come as failed ones.
    pub fn purge(&self, sink: &mut dyn FnMut(Delivery)) {
        self.client.callbacks().with_sink(sink, || {
            // SAFETY: a live client. With valid flags this cannot fail.
            unsafe {
                sys::rd_kafka_purge(
                    self.client.ptr(),
                    sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT,
                );
                sys::rd_kafka_poll(self.client.ptr(), 0);
            }
        });
    }

    /// How much brokers throttled this producer so far.
    #[must_use]
    pub fn throttling(&self) -> Throttling {
        let (times, total_ms) = self.client.callbacks().throttled();
        Throttling { times, total_ms }
    }

    /// Requests that had to be sent again so far, each with many records; up to half a second old.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.client.callbacks().retries()
    }

    /// Connection errors since the last call, newest last: what a report shows when deliveries
    /// fail.
    #[must_use]
    pub fn take_errors(&self) -> Vec<(ErrorCode, String)> {
        self.client.callbacks().take_errors()
    }
}

/// librdkafka's headers for a record, null without any.
fn headers_of(record: &Record<'_>) -> *mut sys::rd_kafka_headers_t {
    if record.headers.is_empty() {
        return std::ptr::null_mut();
    }
    // SAFETY: names and values are copied, with their lengths given.
    unsafe {
        let headers = sys::rd_kafka_headers_new(record.headers.len());
        for (name, value) in record.headers {
            let (value, value_len) = bytes_of(*value);
            sys::rd_kafka_header_add(
                headers,
                name.as_ptr().cast(),
                name.len().cast_signed(),
                value,
                value_len.cast_signed(),
            );
        }
        headers
    }
}

fn bytes_of(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((std::ptr::null_mut(), 0), |bytes| {
        (bytes.as_ptr().cast_mut().cast(), bytes.len())
    })
}
