//! Records that wait to be written together, for stores that take many at once.

use std::{collections::BTreeMap, time::Duration};

use floodmark_kafka::{PartitionOffset, TopicPartition};

use super::{Record, Which, Written};

/// Records after which a store is written to.
const ENOUGH: usize = 1000;

/// Wall time after the first record at which it is written to anyway.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// What was taken and is not written.
#[derive(Debug)]
pub(super) struct Held<T> {
    items: Vec<(TopicPartition, T)>,
    ends: BTreeMap<TopicPartition, i64>,
    since_us: i64,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            ends: BTreeMap::new(),
            since_us: 0,
        }
    }
}

impl<T> Held<T> {
    /// Takes note of a record, and holds what is to be written of it, if anything.
    pub(super) fn take(&mut self, record: &Record<'_>, item: Option<T>, now_us: i64) {
        if self.ends.is_empty() {
            self.since_us = now_us;
        }
        match self.ends.get_mut(record.at) {
            Some(end) => *end = record.offset + 1,
            None => {
                self.ends.insert(record.at.clone(), record.offset + 1);
            }
        }
        if let Some(item) = item {
            self.items.push((record.at.clone(), item));
        }
    }

    /// Drops what is of this partition.
    pub(super) fn give_up(&mut self, partition: &TopicPartition) {
        self.items.retain(|(of, _)| of != partition);
        self.ends.remove(partition);
    }

    /// What is to be written now; nothing if it can wait.
    pub(super) fn due(&self, which: Which) -> Option<&[(TopicPartition, T)]> {
        let wait_us = i64::try_from(LONGEST_WAIT.as_micros()).unwrap_or(i64::MAX);
        let due = match which {
            Which::All => true,
            Which::Due(now_us) => self.items.len() >= ENOUGH || now_us - self.since_us >= wait_us,
        };
        (due && !self.ends.is_empty()).then_some(self.items.as_slice())
    }

    /// Takes note that all of it is written.
    pub(super) fn written(&mut self) -> Written {
        let offsets = std::mem::take(&mut self.ends)
            .into_iter()
            .map(|(at, end)| PartitionOffset::new(at.topic, at.partition, end))
            .collect();
        let records = self.items.len() as u64;
        self.items.clear();
        Written { offsets, records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_wait_for_others_and_those_given_up_are_dropped() {
        let (a, b) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
        let mut held: Held<u8> = Held::default();
        for (at, offset, item) in [(&a, 4, Some(1)), (&b, 9, Some(2)), (&a, 5, None)] {
            let record = Record {
                at,
                offset,
                written_ms: None,
                key: None,
                value: b"",
            };
            held.take(&record, item, 1_000);
        }
        assert!(held.due(Which::Due(100_999)).is_none());
        assert_eq!(held.due(Which::Due(101_000)).unwrap().len(), 2);
        held.give_up(&b);
        let written = held.written();
        assert_eq!(written.records, 1);
        assert_eq!(written.offsets, [PartitionOffset::new("t", 0, 6)]);
        assert!(held.due(Which::All).is_none());
    }
}
