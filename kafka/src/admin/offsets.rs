//! Watermarks, deleted records, and how far groups are.

use std::sync::PoisonError;
use std::time::Duration;

use rdkafka_sys as sys;

use super::Admin;
use crate::consumer::{BatchConsumer, ConsumerSettings, Isolation};
use crate::error::{Error, ErrorCode};
use crate::native::{Deadline, PartitionList, millis};
use crate::partition::{PartitionOffset, TopicPartition};

/// How long a partition's leader is given before it is asked for again.
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a partition's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the oldest record.
    pub low: i64,
    /// The offset that the next record will get.
    pub high: i64,
}

/// How far a group is behind in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: TopicPartition,
    /// The group's committed offset, if it has one.
    pub committed: Option<i64>,
    /// The offset that the next record will get.
    pub end: i64,
    /// Records not yet committed; without a committed offset, all that are there.
    pub records: u64,
}

/// Whether a partition has no leader at this moment, or another one than was known.
fn is_without_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderForPartition | ErrorCode::LeaderNotAvailable
    )
}

impl Admin {
    /// The bounds of all partitions of these topics, topic by topic.
    ///
    /// # Errors
    /// If a topic does not exist or no broker answers in time.
    pub fn watermarks(&self, topics: &[&str]) -> Result<Vec<Watermarks>, Error> {
        let partitions = self.partitions(topics)?;
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let lows = self.list_offsets(&partitions, i64::from(sys::RD_KAFKA_OFFSET_BEGINNING))?;
        let highs = self.list_offsets(&partitions, i64::from(sys::RD_KAFKA_OFFSET_END))?;
        let bounds = partitions.into_iter().zip(lows.into_iter().zip(highs));
        Ok(bounds
            .map(|(partition, (low, high))| Watermarks {
                partition,
                low,
                high,
            })
            .collect())
    }

    /// True if no partition of the topic holds a record.
    ///
    /// # Errors
    /// As for [`Admin::watermarks`].
    pub fn is_empty(&self, topic: &str) -> Result<bool, Error> {
        Ok(self
            .watermarks(&[topic])?
            .iter()
            .all(|bounds| bounds.low == bounds.high))
    }

    /// Deletes the records before these offsets and returns each partition's new low watermark.
    ///
    /// # Errors
    /// For the first partition whose records cannot be deleted.
    pub fn delete_records(
        &self,
        before: &[PartitionOffset],
    ) -> Result<Vec<PartitionOffset>, Error> {
        if before.is_empty() {
            return Ok(Vec::new());
        }
        let list = PartitionList::from_offsets(before)?;
        let attempt = format!("delete records of {} partitions", before.len());
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETERECORDS;
        let event = self.request(op, &attempt, |rk, options, queue| {
            // SAFETY: live objects; the request is copied, and freed at once.
            unsafe {
                let mut request = sys::rd_kafka_DeleteRecords_new(list.ptr());
                sys::rd_kafka_DeleteRecords(rk, &raw mut request, 1, options, queue);
                sys::rd_kafka_DeleteRecords_destroy(request);
            }
        })?;
        // SAFETY: the result belongs to the live event, and is copied.
        let result = unsafe {
            let result = sys::rd_kafka_event_DeleteRecords_result(event.ptr());
            PartitionList::copy_of(sys::rd_kafka_DeleteRecords_result_offsets(result))
        };
        self.parts(&attempt, &result)?;
        Ok(result.to_offsets())
    }

    /// The committed offsets of a group, its own or a foreign one; partitions without one are left
    /// out.
    ///
    /// They are read as a consumer reads them that never joins the group. librdkafka's call for admin clients,
    /// `ListConsumerGroupOffsets`, ends the process when a broker that has just started does not know yet whether it
    /// coordinates the group (<https://github.com/confluentinc/librdkafka/issues/5040>).
    ///
    /// # Errors
    /// If no broker answers in time.
    pub fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<PartitionOffset>, Error> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if !members.contains_key(group) {
            let settings = ConsumerSettings {
                // What a transaction has not decided must not keep anybody waiting.
                isolation: Isolation::Uncommitted,
                ..ConsumerSettings::in_group(group)
            };
            let member = BatchConsumer::new(&self.settings, &settings)?;
            members.insert(group.to_owned(), member);
        }
        members.get(group).map_or_else(
            || Ok(Vec::new()),
            |member| member.committed(partitions, self.timeout),
        )
    }

    /// How far a group is behind in all partitions of these topics.
    ///
    /// # Errors
    /// If a topic does not exist or no broker answers in time.
    pub fn lag(&self, group: &str, topics: &[&str]) -> Result<Vec<Lag>, Error> {
        // Committed offsets first: read the other way round, a quick group would seem to be ahead.
        let partitions = self.partitions(topics)?;
        let committed = self.committed(group, &partitions)?;
        let bounds = self.watermarks(topics)?;
        Ok(bounds
            .into_iter()
            .map(
                |Watermarks {
                     partition,
                     low,
                     high,
                 }| {
                    let offset = committed
                        .iter()
                        .find(|at| {
                            at.topic == partition.topic && at.partition == partition.partition
                        })
                        .map(|at| at.offset);
                    let behind = high - offset.unwrap_or(low).max(low);
                    let records = u64::try_from(behind).unwrap_or(0);
                    Lag {
                        partition,
                        committed: offset,
                        end: high,
                        records,
                    }
                },
            )
            .collect())
    }

    /// All partitions of these topics.
    ///
    /// # Errors
    /// If a topic does not exist or no broker answers in time.
    pub fn partitions(&self, topics: &[&str]) -> Result<Vec<TopicPartition>, Error> {
        let mut partitions = Vec::new();
        for name in topics {
            let Some(topic) = self.topic(name)? else {
                return Err(Error::Refused {
                    attempt: format!("look up topic `{name}`"),
                    code: ErrorCode::UnknownTopicOrPartition,
                    detail: "there is no such topic".to_owned(),
                });
            };
            partitions.extend((0..topic.partitions).map(|i| TopicPartition::new(*name, i)));
        }
        Ok(partitions)
    }

    /// One offset per partition, in their order; `mark` asks for the first or the last. A leader that moves, or that a topic
    /// which was made just now does not have yet, is waited for.
    fn list_offsets(&self, partitions: &[TopicPartition], mark: i64) -> Result<Vec<i64>, Error> {
        let deadline = Deadline::after(self.timeout);
        loop {
            let outcome = self.list_offsets_once(partitions, mark);
            let code = outcome.as_ref().err().and_then(Error::code);
            if !code.is_some_and(is_without_leader) || deadline.is_over() {
                return outcome;
            }
            self.pause(LEADER_PAUSE);
            let mut topics: Vec<&str> = partitions.iter().map(|it| it.topic.as_str()).collect();
            topics.dedup();
            for topic in topics {
                // What is known of the topic is looked up again, and with it who leads it.
                self.topic(topic)?;
            }
        }
    }

    fn list_offsets_once(
        &self,
        partitions: &[TopicPartition],
        mark: i64,
    ) -> Result<Vec<i64>, Error> {
        let list = PartitionList::at(partitions, mark)?;
        let attempt = format!("read watermarks of {} partitions", partitions.len());
        // One request per leader, whereas `rd_kafka_query_watermark_offsets` makes two for each
        // partition. The special offsets are the protocol's special times.
        // SAFETY: live client and list, in which the marks are replaced by offsets.
        let code = unsafe {
            sys::rd_kafka_offsets_for_times(self.client.ptr(), list.ptr(), millis(self.timeout))
        };
        self.client.check(code, self.timeout, || attempt.clone())?;
        self.parts(&attempt, &list)?;
        Ok(list
            .elements()
            .iter()
            .map(|element| element.offset)
            .collect())
    }

    /// The first error of a list of results.
    fn parts(&self, attempt: &str, list: &PartitionList) -> Result<(), Error> {
        match list.first_failure() {
            Some(code) => Err(self.client.error(attempt, code, self.timeout)),
            None => Ok(()),
        }
    }
}
