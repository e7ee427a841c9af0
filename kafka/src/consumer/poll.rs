//! One poll: carry out what the last one announced, take records off the queue, gather events.

use std::time::Duration;

use rdkafka_sys as sys;

use super::batch::{Batch, Event};
use super::{BatchConsumer, StartOffset};
use crate::error::Error;
use crate::native::{PartitionList, Rebalance, code_of, lossy, millis};
use crate::partition::TopicPartition;

/// How long finding the committed offsets of new partitions may take.
const LOOK_UP: Duration = Duration::from_secs(10);

impl BatchConsumer {
    /// Fills `batch` with what is there, waiting up to `timeout` if nothing is. A rebalance that
    /// the last poll announced is carried out first.
    ///
    /// # Errors
    /// If the client is dead, or the offsets of assigned partitions cannot be found; the latter
    /// is tried again by the next poll.
    pub fn poll(&mut self, batch: &mut Batch, timeout: Duration) -> Result<(), Error> {
        batch.clear();
        self.carry_out()?;
        batch.client = Some(self.client.clone());
        // librdkafka waits until the *whole* batch is full or the time is over. So take what is
        // there without waiting; only if that is nothing, wait for one record, then take the rest.
        self.consume(batch, batch.capacity(), Duration::ZERO);
        if batch.is_empty() && !timeout.is_zero() && !self.client.callbacks().has_news() {
            self.consume(batch, 1, timeout);
            self.consume(batch, batch.capacity() - batch.len(), Duration::ZERO);
        }
        self.sort_out(batch);
        self.gather(batch)
    }

    /// Carries out an announced assignment now, starting at the places given; partitions that are
    /// not named start at their committed offsets. Without an announced assignment, or after the
    /// group took it back, nothing happens and `false` is returned.
    ///
    /// # Errors
    /// If places must be looked up and no broker answers within `timeout`.
    pub fn accept(
        &mut self,
        starts: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<bool, Error> {
        let Some(rebalance) = self.pending.as_ref().filter(|rebalance| rebalance.assign) else {
            return Ok(false);
        };
        let wanted: Vec<(TopicPartition, StartOffset)> = rebalance
            .partitions
            .to_partitions()
            .into_iter()
            .map(|partition| {
                let start = starts.iter().find(|(named, _)| *named == partition);
                let start = start.map_or(StartOffset::Stored, |(_, start)| *start);
                (partition, start)
            })
            .collect();
        let list = self.resolve(&wanted, timeout)?;
        self.pending = None;
        self.take_on(&list)?;
        Ok(true)
    }

    /// Carries out an announced revocation now instead of with the next poll; `false` if there is
    /// none.
    ///
    /// # Errors
    /// If the client is dead.
    pub fn release(&mut self) -> Result<bool, Error> {
        match self.pending.take_if(|rebalance| !rebalance.assign) {
            Some(rebalance) => self.let_go(&rebalance.partitions).map(|()| true),
            None => Ok(false),
        }
    }

    fn carry_out(&mut self) -> Result<(), Error> {
        if !self.release()? {
            self.accept(&[], LOOK_UP)?;
        }
        Ok(())
    }

    fn take_on(&self, list: &PartitionList) -> Result<(), Error> {
        let attempt = || format!("take on {} partitions", list.elements().len());
        // SAFETY: live client and list, which is copied; error objects are taken over.
        unsafe {
            if self.is_cooperative() {
                let error = sys::rd_kafka_incremental_assign(self.client.ptr(), list.ptr());
                self.client.check_object(error, Duration::ZERO, attempt)
            } else {
                let code = sys::rd_kafka_assign(self.client.ptr(), list.ptr());
                self.client.check(code, Duration::ZERO, attempt)
            }
        }
    }

    fn let_go(&self, list: &PartitionList) -> Result<(), Error> {
        let attempt = || format!("let go of {} partitions", list.elements().len());
        // SAFETY: as above; null means all partitions.
        unsafe {
            if self.is_cooperative() {
                let error = sys::rd_kafka_incremental_unassign(self.client.ptr(), list.ptr());
                self.client.check_object(error, Duration::ZERO, attempt)
            } else {
                let code = sys::rd_kafka_assign(self.client.ptr(), std::ptr::null());
                self.client.check(code, Duration::ZERO, attempt)
            }
        }
    }

    pub(super) fn is_cooperative(&self) -> bool {
        // SAFETY: a live client; a static string or null.
        unsafe { lossy(sys::rd_kafka_rebalance_protocol(self.client.ptr())) == "COOPERATIVE" }
    }

    /// Settles what is pending before the end, offsets no longer being of interest.
    pub(super) fn settle(&mut self) {
        let settled = match self.pending.take() {
            Some(Rebalance {
                assign: true,
                partitions,
                ..
            }) => self.take_on(&partitions),
            Some(Rebalance { partitions, .. }) => self.let_go(&partitions),
            None => Ok(()),
        };
        if let Err(error) = settled {
            tracing::debug!(%error, "settling a rebalance at the end");
        }
    }

    /// Appends up to `most` messages to the batch.
    fn consume(&self, batch: &mut Batch, most: usize, timeout: Duration) {
        if most == 0 {
            return;
        }
        let len = batch.raw.len();
        batch.raw.reserve(most);
        let free = batch.raw.spare_capacity_mut();
        let space = free.as_mut_ptr().cast::<*mut sys::rd_kafka_message_t>();
        // Rebalance and commit callbacks run inside.
        // SAFETY: a live queue, and room for `most` pointers; that many at most are written.
        unsafe {
            let count =
                sys::rd_kafka_consume_batch_queue(self.queue.0, millis(timeout), space, most);
            batch.raw.set_len(len + usize::try_from(count).unwrap_or(0));
        }
    }

    /// Finds each message's topic, and turns those that are no records into events.
    fn sort_out(&mut self, batch: &mut Batch) {
        let mut kept = 0;
        for i in 0..batch.raw.len() {
            let raw = batch.raw[i];
            // SAFETY: ours since the poll.
            let message = unsafe { &*raw };
            if message.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                let topic = self.index_of(message.rkt);
                batch.topics.push(topic);
                batch.raw[kept] = raw;
                kept += 1;
            } else {
                batch.events.push(event_of(message));
                // SAFETY: ours, and not kept.
                unsafe { sys::rd_kafka_message_destroy(raw) };
            }
        }
        batch.raw.truncate(kept);
    }

    /// The index of a native topic: nearly always the one found last for some topic.
    fn index_of(&mut self, rkt: *const sys::rd_kafka_topic_t) -> u32 {
        let known = self
            .topics
            .iter()
            .position(|(_, seen)| std::ptr::eq(*seen, rkt));
        let index = known.unwrap_or_else(|| {
            // SAFETY: the topic of a live message.
            let name = unsafe { lossy(sys::rd_kafka_topic_name(rkt)) };
            let index = self.topic_index(&name);
            self.topics[index].1 = rkt;
            index
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Adds what callbacks left, rebalances last: commits that ended belong before them.
    fn gather(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let callbacks = self.client.callbacks();
        let errors = callbacks.take_errors();
        if !errors.is_empty()
            && let Some((code, detail)) = self.client.fatal()
        {
            return Err(Error::Fatal {
                attempt: "poll".to_owned(),
                code,
                detail,
            });
        }
        for (code, detail) in errors {
            batch.events.push(Event::Error {
                partition: None,
                code,
                detail,
            });
        }
        for commit in callbacks.take_commits() {
            batch.events.push(Event::Committed {
                offsets: commit.offsets,
                failure: commit.failure,
            });
        }
        for rebalance in callbacks.take_rebalances() {
            let partitions = rebalance.partitions.to_partitions();
            batch.events.push(match rebalance.failure {
                Some(code) => Event::Error {
                    partition: None,
                    code,
                    detail: "the rebalance failed".to_owned(),
                },
                None if rebalance.assign => Event::Assigned { partitions },
                None => Event::Revoked {
                    partitions,
                    lost: rebalance.lost,
                },
            });
            // librdkafka announces the next one only after this one is carried out. A failed one
            // ends like a revocation.
            self.pending = Some(rebalance);
        }
        Ok(())
    }
}

fn event_of(message: &sys::rd_kafka_message_t) -> Event {
    use sys::rd_kafka_resp_err_t as e;
    let partition = (!message.rkt.is_null()).then(|| {
        // SAFETY: the topic of a live message.
        let topic = unsafe { lossy(sys::rd_kafka_topic_name(message.rkt)) };
        TopicPartition::new(topic, message.partition)
    });
    let code = code_of(message.err);
    // SAFETY: a live message, which keeps the text.
    let detail = unsafe { lossy(sys::rd_kafka_message_errstr(message)) };
    match (message.err, partition) {
        (e::RD_KAFKA_RESP_ERR__PARTITION_EOF, Some(partition)) => Event::EndOfPartition {
            partition,
            offset: message.offset,
        },
        (e::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Some(partition)) => {
            let resume = cut_off_at(&detail).map_or(StartOffset::Beginning, StartOffset::At);
            Event::DataLost {
                partition,
                resume,
                detail,
            }
        }
        (_, partition) => Event::Error {
            partition,
            code,
            detail,
        },
    }
}

/// Where a log ends that had been read beyond that. librdkafka tells it in words alone.
fn cut_off_at(detail: &str) -> Option<i64> {
    let (_, told) = detail
        .strip_prefix("Partition log truncation detected")?
        .split_once("broker end offset is ")?;
    let digits = told.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_cut_off_is_read_on_from_its_end_and_no_other_loss_is_taken_for_that() {
        let cut = "Partition log truncation detected at offset 90 (leader epoch 0): broker end offset is 89 \
                   (offset leader epoch 0). Reset to INVALID.: Local: Partition log truncation detected (broker 1)";
        assert_eq!(cut_off_at(cut), Some(89));
        let expired = "fetch failed due to requested offset not available on the broker: Broker: Offset out of range";
        assert_eq!(cut_off_at(expired), None);
    }
}
