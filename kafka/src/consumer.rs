//! Whole batches of records, with everything a careful reader has to know beside them.
//!
//! [`BatchConsumer::poll`] fills a [`Batch`] with records *and* events: rebalances, ends of
//! partitions, lost data, errors, finished commits. A rebalance is carried out by the *next* poll,
//! so that between the two the caller can commit for what it loses, or choose other offsets for
//! what it gets.
//!
//! librdkafka never resets an offset by itself here (`auto.offset.reset=error`): a partition without
//! a committed offset starts where [`ConsumerSettings::start`] says, and one whose offset is gone
//! yields [`Event::DataLost`].

mod batch;
mod offsets;
mod poll;
mod settings;
mod tracker;

use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys as sys;

use crate::error::Error;
use crate::native::{Client, Kind, PartitionList, Rebalance};
use crate::partition::TopicPartition;
use crate::settings::ClientSettings;

pub use batch::{Batch, Event, Headers, Message, Timestamp, TimestampKind};
pub use offsets::{CommitMode, GroupMetadata, StartOffset};
pub use settings::{Assignor, ConsumerSettings, Isolation, Start};
pub use tracker::{OffsetTracker, Step};

/// librdkafka's mark for "any partition", a cast that the bindings leave out.
const UNASSIGNED: i32 = -1;

/// A consumer that reads in batches. One thread polls it.
pub struct BatchConsumer {
    client: Arc<Client>,
    queue: Queue,
    start: Start,
    group: Option<String>,
    /// What librdkafka announced and waits for us to carry out.
    pending: Option<Rebalance>,
    /// Topic names by index, with the native topic seen last under that index.
    topics: Vec<(Arc<str>, *const sys::rd_kafka_topic_t)>,
}

// SAFETY: the topic pointers are only compared, never read; the rest is safe to send.
unsafe impl Send for BatchConsumer {}

/// The consumer's queue, which belongs to its client.
struct Queue(*mut sys::rd_kafka_queue_t);

impl BatchConsumer {
    /// Makes a consumer. Without a group it can only be given partitions by hand, and commits
    /// nothing.
    ///
    /// # Errors
    /// If options are unknown, contradict each other or belong to us.
    pub fn new(client: &ClientSettings, settings: &ConsumerSettings) -> Result<Self, Error> {
        let options = settings.options(client)?;
        let client = Arc::new(Client::new(Kind::Consumer, &options)?);
        // SAFETY: a live consumer; its queue is released in `drop`, before the client.
        let queue = unsafe {
            // Errors of the client go to the same queue, so that one poll sees everything.
            sys::rd_kafka_poll_set_consumer(client.ptr());
            sys::rd_kafka_queue_get_consumer(client.ptr())
        };
        client.callbacks().wake_through(queue);
        Ok(Self {
            client,
            queue: Queue(queue),
            start: settings.start,
            group: settings.group.clone(),
            pending: None,
            topics: Vec::new(),
        })
    }

    /// Joins the group for these topics. Partitions arrive as [`Event::Assigned`].
    ///
    /// # Errors
    /// If the consumer has no group or a name cannot be one.
    pub fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error> {
        let mut list = PartitionList::with_capacity(topics.len());
        for topic in topics {
            list.push(topic, UNASSIGNED, 0, None)?;
            self.topic_index(topic);
        }
        // SAFETY: live client and list, which is copied.
        let code = unsafe { sys::rd_kafka_subscribe(self.client.ptr(), list.ptr()) };
        self.client.check(code, Duration::ZERO, || {
            format!("subscribe to `{}`", topics.join("`, `"))
        })
    }

    /// Leaves the group's subscription; its partitions are revoked.
    ///
    /// # Errors
    /// If the client is dead.
    pub fn unsubscribe(&mut self) -> Result<(), Error> {
        // SAFETY: a live client.
        let code = unsafe { sys::rd_kafka_unsubscribe(self.client.ptr()) };
        self.client
            .check(code, Duration::ZERO, || "unsubscribe".to_owned())
    }

    /// Reads exactly these partitions from these places, without a group's help.
    ///
    /// # Errors
    /// If a place has to be looked up and no broker answers within `timeout`.
    pub fn assign(
        &mut self,
        partitions: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<(), Error> {
        let list = self.resolve(partitions, timeout)?;
        for (partition, _) in partitions {
            self.topic_index(&partition.topic);
        }
        // SAFETY: live client and list, which is copied.
        let code = unsafe { sys::rd_kafka_assign(self.client.ptr(), list.ptr()) };
        self.client.check(code, timeout, || {
            format!("assign {} partitions", partitions.len())
        })
    }

    /// The topics by the index that messages carry: those subscribed to or assigned, in that order.
    #[must_use]
    pub fn topics(&self) -> Vec<&str> {
        self.topics.iter().map(|(name, _)| &**name).collect()
    }

    /// The partitions this consumer has now.
    ///
    /// # Errors
    /// If the client is dead.
    pub fn assignment(&self) -> Result<Vec<TopicPartition>, Error> {
        let mut list = std::ptr::null_mut();
        // SAFETY: a live client; on success the list is ours.
        let code = unsafe { sys::rd_kafka_assignment(self.client.ptr(), &raw mut list) };
        self.client
            .check(code, Duration::ZERO, || "read the assignment".to_owned())?;
        Ok(PartitionList::from_raw(list).to_partitions())
    }

    /// The group's name, if there is one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Stops fetching from these partitions until they are resumed; what was fetched is kept.
    ///
    /// # Errors
    /// If one of them is not assigned.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.on_each(partitions, "pause", |rk, list| {
            // SAFETY: live client and list.
            unsafe { sys::rd_kafka_pause_partitions(rk, list) }
        })
    }

    /// Goes on with paused partitions.
    ///
    /// # Errors
    /// If one of them is not assigned.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.on_each(partitions, "resume", |rk, list| {
            // SAFETY: live client and list.
            unsafe { sys::rd_kafka_resume_partitions(rk, list) }
        })
    }

    /// Records that were fetched and wait to be polled, over all partitions; now and then an event is
    /// among them.
    #[must_use]
    pub fn read_ahead(&self) -> usize {
        // SAFETY: a live queue: only `shut_down`, which takes the consumer, lets go of it.
        unsafe { sys::rd_kafka_queue_length(self.queue.0) }
    }

    fn on_each(
        &self,
        partitions: &[TopicPartition],
        what: &str,
        call: impl FnOnce(
            *mut sys::rd_kafka_t,
            *mut sys::rd_kafka_topic_partition_list_t,
        ) -> sys::rd_kafka_resp_err_t,
    ) -> Result<(), Error> {
        let list = PartitionList::at(partitions, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        let code = call(self.client.ptr(), list.ptr());
        let attempt = || format!("{what} {} partitions", partitions.len());
        self.client.check(code, Duration::ZERO, attempt)?;
        match list.first_failure() {
            Some(code) => Err(self.client.error(attempt(), code, Duration::ZERO)),
            None => Ok(()),
        }
    }

    /// The index of a topic, which gets one if it has none.
    fn topic_index(&mut self, name: &str) -> usize {
        if let Some(index) = self.topics.iter().position(|(known, _)| &**known == name) {
            return index;
        }
        self.topics.push((name.into(), std::ptr::null()));
        self.topics.len() - 1
    }

    /// Leaves the group, so that others get the partitions at once, and stops. Dropping does the
    /// same without the error.
    ///
    /// # Errors
    /// If the client is dead.
    pub fn close(mut self) -> Result<(), Error> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), Error> {
        if self.queue.0.is_null() {
            return Ok(());
        }
        // A rebalance that still waits for us would keep the close waiting too.
        self.settle();
        self.client.callbacks().close_rebalances_from_here();
        // SAFETY: a live client, closed once; the queue is ours, and released before the client.
        let code = unsafe {
            let code = sys::rd_kafka_consumer_close(self.client.ptr());
            self.client.callbacks().wake_through(std::ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.0);
            code
        };
        self.queue.0 = std::ptr::null_mut();
        self.client
            .check(code, Duration::ZERO, || "close the consumer".to_owned())
    }
}

impl Drop for BatchConsumer {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::debug!(%error, "closing a consumer");
        }
    }
}
