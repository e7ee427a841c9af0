//! Where reading starts, where it stands, and what the group is told of it.

use std::ptr::NonNull;
use std::time::Duration;

use rdkafka_sys as sys;

use super::{BatchConsumer, Start};
use crate::error::{Error, ErrorCode};
use crate::native::{Deadline, PartitionList, cstring, millis};
use crate::partition::{PartitionOffset, TopicPartition};

/// A place to start at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOffset {
    /// The oldest record.
    Beginning,
    /// After the newest record.
    End,
    /// This offset.
    At(i64),
    /// The first record with this time or a later one, in milliseconds since the epoch; after the
    /// newest record if there is none.
    Time(i64),
    /// The group's committed offset, or without one where the settings say.
    Stored,
}

/// Whether a commit waits for the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitMode {
    /// Returns when the broker has answered.
    Wait,
    /// Returns at once; the outcome is an event of a later poll.
    Background,
}

/// A group's generation as a transactional producer passes it on, read at one moment.
pub struct GroupMetadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: plain heap data without ties to a thread.
unsafe impl Send for GroupMetadata {}
// SAFETY: shared references only read.
unsafe impl Sync for GroupMetadata {}

impl GroupMetadata {
    pub(crate) fn ptr(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: owned, and dropped once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) };
    }
}

impl BatchConsumer {
    /// Commits offsets, each the next one to read, with their metadata. With
    /// [`CommitMode::Background`] the outcome comes as [`super::Event::Committed`].
    ///
    /// # Errors
    /// If the group has moved on, or the broker refuses.
    pub fn commit(&self, offsets: &[PartitionOffset], mode: CommitMode) -> Result<(), Error> {
        let list = PartitionList::from_offsets(offsets)?;
        // Only outcomes that nobody waits for go through the queue.
        // SAFETY: live client, queue and list, which is copied; the callbacks outlive the client.
        let code = unsafe {
            match mode {
                CommitMode::Wait => sys::rd_kafka_commit(self.client.ptr(), list.ptr(), 0),
                CommitMode::Background => {
                    self.client
                        .callbacks()
                        .commit_to(self.client.ptr(), list.ptr(), self.queue.0)
                }
            }
        };
        let attempt = || format!("commit offsets of {} partitions", offsets.len());
        self.client.check(code, Duration::ZERO, attempt)?;
        match list.first_failure() {
            Some(code) if mode == CommitMode::Wait => {
                Err(self.client.error(attempt(), code, Duration::ZERO))
            }
            _ => Ok(()),
        }
    }

    /// The group's committed offsets; partitions without one are left out.
    ///
    /// # Errors
    /// If the broker does not answer within `timeout`. With [`super::Isolation::Committed`] that
    /// includes offsets of a transaction that does not end.
    pub fn committed(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<PartitionOffset>, Error> {
        let list = self.committed_list(partitions, timeout)?;
        let mut offsets = list.to_offsets();
        offsets.retain(|at| at.offset >= 0);
        Ok(offsets)
    }

    /// The offsets after the last records that polls handed over; partitions from which none was
    /// are left out.
    ///
    /// # Errors
    /// If the client is dead.
    pub fn position(&self, partitions: &[TopicPartition]) -> Result<Vec<PartitionOffset>, Error> {
        let list = PartitionList::at(partitions, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        // SAFETY: live client and list.
        let code = unsafe { sys::rd_kafka_position(self.client.ptr(), list.ptr()) };
        self.client
            .check(code, Duration::ZERO, || "read positions".to_owned())?;
        let mut offsets = list.to_offsets();
        offsets.retain(|at| at.offset >= 0);
        Ok(offsets)
    }

    /// Goes on reading assigned partitions at other places, also those that stand still after
    /// [`super::Event::DataLost`].
    ///
    /// # Errors
    /// If a partition is not assigned, or a place cannot be looked up within `timeout`.
    pub fn seek(
        &mut self,
        places: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<(), Error> {
        let list = self.resolve(places, timeout)?;
        let attempt = || format!("seek in {} partitions", places.len());
        // SAFETY: live client and list; the error object is taken over.
        unsafe {
            let error =
                sys::rd_kafka_seek_partitions(self.client.ptr(), list.ptr(), millis(timeout));
            self.client.check_object(error, timeout, attempt)?;
        }
        match list.first_failure() {
            // A partition that stands still cannot be sought in, only assigned again.
            Some(ErrorCode::State) => self.assign_again(places, timeout),
            Some(code) => Err(self.client.error(attempt(), code, timeout)),
            None => Ok(()),
        }
    }

    /// Where a partition's log ended when this consumer last heard of it; `None` if it never did. Asks
    /// nobody. Marks of transactions lie before the end and are never handed over.
    #[must_use]
    pub fn known_end(&self, partition: &TopicPartition) -> Option<i64> {
        let topic = cstring("topic", &partition.topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: a live client, a terminated string and two places to write to.
        let code = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.client.ptr(),
                topic.as_ptr(),
                partition.partition,
                &raw mut low,
                &raw mut high,
            )
        };
        let known = code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0;
        known.then_some(high)
    }

    /// The group's generation at this moment, for a transaction's offsets.
    ///
    /// # Errors
    /// If the consumer has no group.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        // SAFETY: a live client; the object is ours.
        let metadata = unsafe { sys::rd_kafka_consumer_group_metadata(self.client.ptr()) };
        NonNull::new(metadata)
            .filter(|_| self.group.is_some())
            .map(GroupMetadata)
            .ok_or_else(|| Error::Refused {
                attempt: "read the group's metadata".to_owned(),
                code: ErrorCode::UnknownGroup,
                detail: "the consumer has no group; give it one in its settings".to_owned(),
            })
    }

    /// Gives partitions that stand still a new start; the others go on where they are.
    fn assign_again(
        &mut self,
        places: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<(), Error> {
        let assigned = self.assignment()?;
        let positions = self.position(&assigned)?;
        let starts: Vec<(TopicPartition, StartOffset)> = assigned
            .into_iter()
            .map(|partition| {
                let sought = places.iter().find(|(named, _)| *named == partition);
                let position = positions
                    .iter()
                    .find(|at| at.topic_partition() == partition);
                let start = match (sought, position) {
                    (Some((_, start)), _) => *start,
                    (None, Some(position)) => StartOffset::At(position.offset),
                    (None, None) => StartOffset::Stored,
                };
                (partition, start)
            })
            .collect();
        if !self.is_cooperative() {
            return self.assign(&starts, timeout);
        }
        let stuck: Vec<_> = starts
            .into_iter()
            .filter(|(p, _)| places.iter().any(|(named, _)| named == p))
            .collect();
        let list = self.resolve(&stuck, timeout)?;
        let attempt = || format!("assign {} partitions again", stuck.len());
        // SAFETY: live client and list, which is copied; error objects are taken over.
        unsafe {
            let error = sys::rd_kafka_incremental_unassign(self.client.ptr(), list.ptr());
            self.client.check_object(error, timeout, attempt)?;
            let error = sys::rd_kafka_incremental_assign(self.client.ptr(), list.ptr());
            self.client.check_object(error, timeout, attempt)
        }
    }

    /// Places as offsets. Only `Time` and `Stored` cost a round trip.
    pub(super) fn resolve(
        &self,
        places: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<PartitionList, Error> {
        let deadline = Deadline::after(timeout);
        let stored = self.stored(places, deadline.left())?;
        let timed = self.offsets_for_times(places, deadline.left())?;
        let mut list = PartitionList::with_capacity(places.len());
        for (partition, start) in places {
            let found = |offsets: &[PartitionOffset]| {
                offsets
                    .iter()
                    .find(|at| at.topic_partition() == *partition)
                    .map(|at| at.offset)
            };
            let offset = match start {
                StartOffset::Beginning => i64::from(sys::RD_KAFKA_OFFSET_BEGINNING),
                StartOffset::End => i64::from(sys::RD_KAFKA_OFFSET_END),
                StartOffset::At(offset) => *offset,
                StartOffset::Time(_) => {
                    found(&timed).unwrap_or(i64::from(sys::RD_KAFKA_OFFSET_END))
                }
                StartOffset::Stored => found(&stored).unwrap_or(match self.start {
                    Start::Earliest => i64::from(sys::RD_KAFKA_OFFSET_BEGINNING),
                    Start::Latest => i64::from(sys::RD_KAFKA_OFFSET_END),
                }),
            };
            list.push(&partition.topic, partition.partition, offset, None)?;
        }
        Ok(list)
    }

    fn stored(
        &self,
        places: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<Vec<PartitionOffset>, Error> {
        let wanted: Vec<TopicPartition> = places
            .iter()
            .filter(|(_, start)| *start == StartOffset::Stored)
            .map(|(partition, _)| partition.clone())
            .collect();
        if wanted.is_empty() || self.group.is_none() {
            return Ok(Vec::new());
        }
        self.committed(&wanted, timeout)
    }

    fn offsets_for_times(
        &self,
        places: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<Vec<PartitionOffset>, Error> {
        let mut list = PartitionList::with_capacity(places.len());
        for (partition, start) in places {
            if let StartOffset::Time(millis) = start {
                list.push(&partition.topic, partition.partition, *millis, None)?;
            }
        }
        if list.elements().is_empty() {
            return Ok(Vec::new());
        }
        let attempt = || format!("look up offsets by time in {} partitions", places.len());
        // SAFETY: live client and list, in which the times are replaced by offsets.
        let code = unsafe {
            sys::rd_kafka_offsets_for_times(self.client.ptr(), list.ptr(), millis(timeout))
        };
        self.client.check(code, timeout, attempt)?;
        match list.first_failure() {
            Some(code) => Err(self.client.error(attempt(), code, timeout)),
            None => Ok(list.to_offsets()),
        }
    }

    fn committed_list(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<PartitionList, Error> {
        let list = PartitionList::at(partitions, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        let attempt = || format!("read committed offsets of {} partitions", partitions.len());
        // SAFETY: live client and list.
        let code =
            unsafe { sys::rd_kafka_committed(self.client.ptr(), list.ptr(), millis(timeout)) };
        self.client.check(code, timeout, attempt)?;
        match list.first_failure() {
            Some(code) => Err(self.client.error(attempt(), code, timeout)),
            None => Ok(list),
        }
    }
}
