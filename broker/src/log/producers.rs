//! What a partition remembers about its producers: epochs, sequence numbers, open transactions.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kafka_protocol::ResponseError;

use crate::log::batch::Header;

/// Batches a producer may have in flight, hence the duplicates that must be recognised.
const REMEMBERED_BATCHES: usize = 5;
/// Producers remembered by a partition; beyond them the one that wrote longest ago is forgotten,
/// which costs it no more than the recognition of its duplicates.
const MAX_PRODUCERS: usize = 10_000;

/// All producers with an id that wrote to one partition.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset of each transaction with records here, to its producer.
    open: BTreeMap<i64, i64>,
}

/// What to do with a batch whose producer is in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is new.
    Append,
    /// It was appended before, at this offset: its acknowledgement was lost.
    Duplicate(i64),
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    recent: VecDeque<Recent>,
    transaction: Transaction,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    /// None: transactional batches are refused, so that none can slip in behind a marker.
    None,
    /// The partition was added to a transaction and has no records of it yet.
    Added,
    /// Records were written, the first of them at this offset.
    Writing(i64),
}

impl Producers {
    /// Judges a batch before it is appended.
    pub(crate) fn admit(&self, header: &Header) -> Result<Admission, ResponseError> {
        if header.producer_id < 0 {
            return Ok(Admission::Append);
        }
        let Some(producer) = self.by_id.get(&header.producer_id) else {
            // Nothing known (its records may have been deleted): any number starts the sequence.
            return if header.is_transactional() {
                Err(ResponseError::InvalidTxnState)
            } else {
                Ok(Admission::Append)
            };
        };
        if header.producer_epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        let same_epoch = header.producer_epoch == producer.epoch;
        if same_epoch && let Some(base_offset) = producer.duplicate_of(header) {
            return Ok(Admission::Duplicate(base_offset));
        }
        if header.is_transactional() && (!same_epoch || producer.transaction == Transaction::None) {
            return Err(ResponseError::InvalidTxnState);
        }
        let in_order = match producer.recent.back() {
            Some(last) if same_epoch => {
                header.base_sequence == last.last_sequence.wrapping_add(1) & i32::MAX
            }
            Some(_) => header.base_sequence == 0,
            None => true,
        };
        if in_order {
            Ok(Admission::Append)
        } else {
            Err(ResponseError::OutOfOrderSequenceNumber)
        }
    }

    /// Notes a batch that was appended at `base_offset`.
    pub(crate) fn appended(&mut self, header: &Header, base_offset: i64) {
        if header.producer_id < 0 {
            return;
        }
        let producer = self.entry(header.producer_id, header.producer_epoch);
        if producer.recent.len() == REMEMBERED_BATCHES {
            producer.recent.pop_front();
        }
        producer.recent.push_back(Recent {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset,
        });
        if header.is_transactional() && producer.transaction == Transaction::Added {
            producer.transaction = Transaction::Writing(base_offset);
            self.open.insert(base_offset, header.producer_id);
        }
    }

    /// The partition joins a transaction of this producer.
    pub(crate) fn begin(&mut self, producer_id: i64, epoch: i16) {
        let producer = self.entry(producer_id, epoch);
        if producer.transaction == Transaction::None {
            producer.transaction = Transaction::Added;
        }
    }

    /// The transaction ends; the offset of its first record here, if it wrote any. The marker's
    /// epoch may be newer than the producer's: from here on the older one is fenced.
    pub(crate) fn end(&mut self, producer_id: i64, epoch: i16) -> Option<i64> {
        let producer = self.entry(producer_id, epoch);
        let ended = std::mem::replace(&mut producer.transaction, Transaction::None);
        let Transaction::Writing(first) = ended else {
            return None;
        };
        self.open.remove(&first);
        Some(first)
    }

    /// Offset of the first record whose transaction is still open.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    fn entry(&mut self, producer_id: i64, epoch: i16) -> &mut Producer {
        if self.by_id.len() >= MAX_PRODUCERS && !self.by_id.contains_key(&producer_id) {
            self.forget_oldest();
        }
        let producer = self.by_id.entry(producer_id).or_insert_with(|| Producer {
            epoch,
            recent: VecDeque::new(),
            transaction: Transaction::None,
        });
        if producer.epoch < epoch {
            producer.epoch = epoch;
            producer.recent.clear();
        }
        producer
    }

    fn forget_oldest(&mut self) {
        let idle = self
            .by_id
            .iter()
            .filter(|(_, p)| p.transaction == Transaction::None);
        let last_offset = |p: &Producer| p.recent.back().map_or(-1, |recent| recent.base_offset);
        let oldest = idle.min_by_key(|(_, p)| last_offset(p)).map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.by_id.remove(&oldest);
        }
    }
}

impl Producer {
    fn duplicate_of(&self, header: &Header) -> Option<i64> {
        let same = |recent: &&Recent| {
            recent.first_sequence == header.base_sequence
                && recent.last_sequence == header.last_sequence()
        };
        self.recent
            .iter()
            .find(same)
            .map(|recent| recent.base_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch::tests::batch;

    fn header(epoch: i16, sequence: i32, n_records: usize) -> Header {
        let timestamps = vec![0; n_records];
        let bytes = batch(&timestamps, |h| {
            h.producer_id = 1;
            h.producer_epoch = epoch;
            h.base_sequence = sequence;
        });
        Header::read(&bytes).expect("header")
    }

    fn transactional(epoch: i16, sequence: i32) -> Header {
        Header {
            attributes: 0x10,
            ..header(epoch, sequence, 1)
        }
    }

    fn append(producers: &mut Producers, header: &Header, offset: i64) {
        assert_eq!(producers.admit(header), Ok(Admission::Append));
        producers.appended(header, offset);
    }

    #[test]
    fn sequences_must_follow_on() {
        let mut producers = Producers::default();
        append(&mut producers, &header(0, 0, 3), 10);
        append(&mut producers, &header(0, 3, 2), 13);
        let gap = producers.admit(&header(0, 6, 1));
        assert_eq!(gap, Err(ResponseError::OutOfOrderSequenceNumber));
    }

    #[test]
    fn a_repeated_batch_is_answered_with_its_first_offset() {
        let mut producers = Producers::default();
        for n in 0..6 {
            append(&mut producers, &header(0, n, 1), 100 + i64::from(n));
        }
        assert_eq!(
            producers.admit(&header(0, 1, 1)),
            Ok(Admission::Duplicate(101))
        );
        let forgotten = producers.admit(&header(0, 0, 1));
        assert_eq!(
            forgotten,
            Err(ResponseError::OutOfOrderSequenceNumber),
            "only five are kept"
        );
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old() {
        let mut producers = Producers::default();
        append(&mut producers, &header(0, 0, 1), 10);
        let jump = producers.admit(&header(1, 5, 1));
        assert_eq!(jump, Err(ResponseError::OutOfOrderSequenceNumber));
        append(&mut producers, &header(1, 0, 1), 11);
        assert_eq!(
            producers.admit(&header(0, 1, 1)),
            Err(ResponseError::InvalidProducerEpoch)
        );
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        append(&mut producers, &header(0, i32::MAX, 1), 10);
        append(&mut producers, &header(0, 0, 1), 11);
    }

    #[test]
    fn transactional_batches_need_a_transaction() {
        let mut producers = Producers::default();
        let refused = Err(ResponseError::InvalidTxnState);
        assert_eq!(producers.admit(&transactional(0, 0)), refused);
        producers.begin(1, 0);
        append(&mut producers, &transactional(0, 0), 20);
        append(&mut producers, &transactional(0, 1), 21);
        assert_eq!(producers.first_open(), Some(20));
        assert_eq!(producers.end(1, 0), Some(20));
        assert_eq!(producers.first_open(), None);
        assert_eq!(
            producers.admit(&transactional(0, 2)),
            refused,
            "nothing slips behind a marker"
        );
    }

    #[test]
    fn a_marker_with_a_newer_epoch_fences_the_producer() {
        let mut producers = Producers::default();
        producers.begin(1, 0);
        append(&mut producers, &transactional(0, 0), 20);
        assert_eq!(producers.end(1, 1), Some(20));
        let late = producers.admit(&transactional(0, 1));
        assert_eq!(late, Err(ResponseError::InvalidProducerEpoch));
    }

    #[test]
    fn of_too_many_producers_the_oldest_idle_one_is_forgotten() {
        let mut producers = Producers::default();
        producers.begin(0, 0);
        for id in 1..=MAX_PRODUCERS as i64 {
            let mut first = header(0, 0, 1);
            first.producer_id = id;
            append(&mut producers, &first, id);
        }
        assert_eq!(producers.by_id.len(), MAX_PRODUCERS);
        assert!(producers.by_id.contains_key(&0), "its transaction is open");
        assert!(!producers.by_id.contains_key(&1));
    }

    #[test]
    fn a_transaction_without_records_leaves_no_range() {
        let mut producers = Producers::default();
        producers.begin(1, 0);
        assert_eq!(producers.end(1, 0), None);
    }
}
