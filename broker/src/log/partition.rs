//! One partition: its batches, its bounds, and the questions consumers ask about it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use crate::log::batch::{self, Prepared};
use crate::log::lookup::{self, Found};
use crate::log::producers::{Admission, Producers};
use crate::memory::Memory;
use crate::wake::Wake;

/// The log of one partition. Its users hold it under a lock and never wait while they do.
#[derive(Debug)]
pub(crate) struct Partition {
    start: i64,
    next: i64,
    bytes: usize,
    batches: VecDeque<Stored>,
    producers: Producers,
    aborted: Vec<Aborted>,
    memory: Arc<Memory>,
    watchers: Vec<Arc<Wake>>,
}

/// What a reader may see: `isolation.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Everything.
    ReadUncommitted,
    /// Nothing at or behind the first open transaction; aborted ones are listed.
    ReadCommitted,
}

/// A transaction that was aborted: consumers skip its records from `first` to its marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first: i64,
    marker: i64,
}

/// The bounds of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
}

/// Batches read from a partition.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) batches: Vec<Bytes>,
    pub(crate) bytes: usize,
    pub(crate) bounds: Bounds,
    pub(crate) aborted: Vec<Aborted>,
}

/// How much to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Bytes for this partition.
    pub(crate) partition: usize,
    /// Bytes left for the whole answer.
    pub(crate) total: usize,
    /// Whether the first batch may pass the budget, so that a consumer with small buffers gets on.
    pub(crate) first_passes: bool,
}

#[derive(Debug)]
struct Stored {
    base: i64,
    last: i64,
    max_timestamp: i64,
    /// The largest timestamp up to and including this batch: never falls, so it can be searched.
    high_timestamp: i64,
    bytes: Bytes,
}

impl Partition {
    /// An empty partition that accounts for its bytes in `memory`.
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self {
            start: 0,
            next: 0,
            bytes: 0,
            batches: VecDeque::new(),
            producers: Producers::default(),
            aborted: Vec::new(),
            memory,
            watchers: Vec::new(),
        }
    }

    /// Appends a batch for which memory was reserved; its base offset. A duplicate, or a batch that
    /// is refused, gives the reservation back.
    pub(crate) fn append(&mut self, batch: Prepared) -> Result<i64, ResponseError> {
        let outcome = match self.producers.admit(&batch.header) {
            Ok(Admission::Append) => {
                let base = self.next;
                self.producers.appended(&batch.header, base);
                self.push(batch);
                return Ok(base);
            }
            Ok(Admission::Duplicate(base)) => Ok(base),
            Err(error) => Err(error),
        };
        self.memory.release(batch.len());
        outcome
    }

    /// The partition joins a transaction.
    pub(crate) fn begin(&mut self, producer_id: i64, epoch: i16) {
        self.producers.begin(producer_id, epoch);
    }

    /// Ends a transaction here with a marker, if it wrote anything here.
    pub(crate) fn end(&mut self, producer_id: i64, epoch: i16, commit: bool, now_ms: i64) {
        let Some(first) = self.producers.end(producer_id, epoch) else {
            return;
        };
        let marker = batch::marker(producer_id, epoch, commit, now_ms);
        self.memory.force(marker.len());
        if !commit {
            self.aborted.push(Aborted {
                producer_id,
                first,
                marker: self.next,
            });
        }
        self.push(marker);
    }

    /// Reads whole batches from the one that holds `offset` on.
    pub(crate) fn read(
        &self,
        offset: i64,
        isolation: Isolation,
        budget: Budget,
    ) -> Result<Slice, ResponseError> {
        if offset < self.start || offset > self.next {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let bounds = self.bounds();
        let end = bounds.visible(isolation);
        let limit = budget.partition.min(budget.total);
        let mut batches = Vec::new();
        let mut bytes = 0;
        let mut upper = offset;
        for stored in self.batches.range(self.position(offset)..) {
            let fits =
                bytes + stored.bytes.len() <= limit || (budget.first_passes && batches.is_empty());
            if stored.last >= end || !fits {
                break;
            }
            bytes += stored.bytes.len();
            batches.push(stored.bytes.clone());
            upper = stored.last + 1;
        }
        let aborted = match isolation {
            Isolation::ReadUncommitted => Vec::new(),
            Isolation::ReadCommitted => {
                let overlaps = |a: &&Aborted| a.marker >= offset && a.first < upper;
                self.aborted.iter().filter(overlaps).copied().collect()
            }
        };
        Ok(Slice {
            batches,
            bytes,
            bounds,
            aborted,
        })
    }

    /// First offset, end, and last stable offset.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            start: self.start,
            high_watermark: self.next,
            last_stable: self.producers.first_open().unwrap_or(self.next),
        }
    }

    /// The first record not older than `timestamp`.
    pub(crate) fn at_time(&self, timestamp: i64) -> Option<Found> {
        let from = self
            .batches
            .partition_point(|stored| stored.high_timestamp < timestamp);
        let mut candidates = self
            .batches
            .range(from..)
            .filter(|s| s.max_timestamp >= timestamp);
        // A batch may begin before the first offset: its deleted records are not to be named.
        candidates.find_map(|s| lookup::first_at_or_after(&s.bytes, s.base, self.start, timestamp))
    }

    /// The first record with the largest timestamp.
    pub(crate) fn at_max_timestamp(&self) -> Option<Found> {
        let largest = self
            .batches
            .iter()
            .map(|stored| stored.max_timestamp)
            .max()?;
        self.at_time(largest)
    }

    /// Forgets records below `offset` (-1: all there are); the new first offset.
    pub(crate) fn delete_to(&mut self, offset: i64) -> Result<i64, ResponseError> {
        let to = if offset == -1 { self.next } else { offset };
        if to < 0 || to > self.next {
            return Err(ResponseError::OffsetOutOfRange);
        }
        self.start = self.start.max(to);
        let gone = self
            .batches
            .partition_point(|stored| stored.last < self.start);
        for stored in self.batches.drain(..gone) {
            self.bytes -= stored.bytes.len();
            self.memory.release(stored.bytes.len());
        }
        let start = self.start;
        self.aborted.retain(|aborted| aborted.marker >= start);
        Ok(self.start)
    }

    /// Applies `retention.ms` (as the oldest timestamp to keep) and `retention.bytes` from the head.
    pub(crate) fn retain(&mut self, oldest_ms: Option<i64>, max_bytes: Option<usize>) {
        let mut keep_from = self.start;
        let mut bytes = self.bytes;
        for stored in &self.batches {
            let too_old = oldest_ms.is_some_and(|oldest| stored.max_timestamp < oldest);
            let too_many = max_bytes.is_some_and(|max| bytes > max);
            if !too_old && !too_many {
                break;
            }
            bytes -= stored.bytes.len();
            keep_from = stored.last + 1;
        }
        // Never past an open transaction: its marker needs its first offset.
        let keep_from = keep_from.min(self.bounds().last_stable).max(self.start);
        // In range by construction.
        let _ = self.delete_to(keep_from);
    }

    /// Asks to be woken at the next append.
    pub(crate) fn watch(&mut self, wake: &Arc<Wake>) {
        if !self.watchers.iter().any(|known| Arc::ptr_eq(known, wake)) {
            self.watchers.push(Arc::clone(wake));
        }
    }

    /// No longer asks.
    pub(crate) fn unwatch(&mut self, wake: &Arc<Wake>) {
        self.watchers.retain(|known| !Arc::ptr_eq(known, wake));
    }

    fn push(&mut self, batch: Prepared) {
        let base = self.next;
        let last = base + i64::from(batch.header.last_offset_delta);
        let max_timestamp = batch.header.max_timestamp;
        let before = self
            .batches
            .back()
            .map_or(i64::MIN, |stored| stored.high_timestamp);
        self.next = last + 1;
        self.bytes += batch.len();
        self.batches.push_back(Stored {
            base,
            last,
            max_timestamp,
            high_timestamp: before.max(max_timestamp),
            bytes: batch.place(base),
        });
        for wake in self.watchers.drain(..) {
            wake.raise();
        }
    }

    fn position(&self, offset: i64) -> usize {
        self.batches.partition_point(|stored| stored.last < offset)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        for stored in &self.batches {
            self.memory.release(stored.bytes.len());
        }
        // Whoever waits for records of a deleted topic should learn of it now.
        for wake in self.watchers.drain(..) {
            wake.raise();
        }
    }
}

impl Bounds {
    /// The offset behind the last record that may be seen.
    pub(crate) fn visible(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable,
        }
    }
}

impl From<i8> for Isolation {
    fn from(level: i8) -> Self {
        if level == 1 {
            Self::ReadCommitted
        } else {
            Self::ReadUncommitted
        }
    }
}

#[cfg(test)]
mod tests;
