use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::SystemClock;
use crate::log::batch::tests::batch;
use crate::log::batch::{Header, TimestampType};

const ALL: Budget = Budget {
    partition: usize::MAX,
    total: usize::MAX,
    first_passes: true,
};

fn partition() -> Partition {
    Partition::new(Arc::new(Memory::new(1 << 20)))
}

fn append_as(
    log: &mut Partition,
    timestamps: &[i64],
    edit: impl FnOnce(&mut Header),
) -> Result<i64, ResponseError> {
    let prepared = Prepared::check(batch(timestamps, edit), TimestampType::CreateTime, 0)?;
    let reserved = log
        .memory
        .reserve(prepared.len(), Duration::ZERO, &SystemClock::new());
    reserved.expect("room in the test's memory");
    log.append(prepared)
}

fn append(log: &mut Partition, timestamps: &[i64]) -> i64 {
    append_as(log, timestamps, |_| {}).expect("sound batch")
}

fn transactional(log: &mut Partition, producer_id: i64, sequence: i32) -> i64 {
    log.begin(producer_id, 0);
    append_as(log, &[1], |h| {
        h.attributes = 0x10;
        h.producer_id = producer_id;
        h.producer_epoch = 0;
        h.base_sequence = sequence;
    })
    .expect("in a transaction")
}

/// Base offsets of the batches read.
fn bases(slice: &Slice) -> Vec<i64> {
    let base = |b: &Bytes| i64::from_be_bytes(b[..8].try_into().expect("8 bytes"));
    slice.batches.iter().map(base).collect()
}

#[test]
fn offsets_follow_on_and_reads_start_at_the_batch_that_holds_the_offset() {
    let mut log = partition();
    assert_eq!(append(&mut log, &[1, 2, 3]), 0);
    assert_eq!(append(&mut log, &[4]), 3);
    let slice = log
        .read(2, Isolation::ReadUncommitted, ALL)
        .expect("in range");
    assert_eq!(bases(&slice), [0, 3]);
    let end = log
        .read(4, Isolation::ReadUncommitted, ALL)
        .expect("the end is in range");
    assert!(end.batches.is_empty());
    let beyond = log.read(5, Isolation::ReadUncommitted, ALL);
    assert_eq!(
        beyond.expect_err("beyond the end"),
        ResponseError::OffsetOutOfRange
    );
}

#[test]
fn a_small_budget_still_gets_one_batch_when_it_is_the_first() {
    let mut log = partition();
    append(&mut log, &[1]);
    append(&mut log, &[2]);
    let tiny = Budget {
        partition: 1,
        total: 1,
        first_passes: true,
    };
    let slice = log
        .read(0, Isolation::ReadUncommitted, tiny)
        .expect("in range");
    assert_eq!(bases(&slice), [0]);
    let none = Budget {
        first_passes: false,
        ..tiny
    };
    let slice = log
        .read(0, Isolation::ReadUncommitted, none)
        .expect("in range");
    assert!(slice.batches.is_empty());
}

#[test]
fn committed_readers_stop_at_the_first_open_transaction() {
    let mut log = partition();
    append(&mut log, &[1]);
    assert_eq!(transactional(&mut log, 7, 0), 1);
    append(&mut log, &[1]);
    assert_eq!(
        log.bounds(),
        Bounds {
            start: 0,
            high_watermark: 3,
            last_stable: 1
        }
    );
    let slice = log
        .read(0, Isolation::ReadCommitted, ALL)
        .expect("in range");
    assert_eq!(bases(&slice), [0]);
    log.end(7, 0, true, 5);
    let slice = log
        .read(0, Isolation::ReadCommitted, ALL)
        .expect("in range");
    assert_eq!(
        bases(&slice),
        [0, 1, 2, 3],
        "records, other records, marker"
    );
    assert!(slice.aborted.is_empty());
}

#[test]
fn aborted_transactions_are_listed_where_they_overlap() {
    let mut log = partition();
    transactional(&mut log, 7, 0);
    transactional(&mut log, 8, 0);
    log.end(7, 0, false, 5); // marker at 2
    log.end(8, 0, true, 5); // marker at 3
    append(&mut log, &[1]);
    let aborted = |from| {
        log.read(from, Isolation::ReadCommitted, ALL)
            .expect("in range")
            .aborted
    };
    assert_eq!(
        aborted(0),
        [Aborted {
            producer_id: 7,
            first: 0,
            marker: 2
        }]
    );
    assert_eq!(aborted(2).len(), 1, "the marker itself still belongs to it");
    assert!(aborted(3).is_empty());
    let plain = log
        .read(0, Isolation::ReadUncommitted, ALL)
        .expect("in range");
    assert!(plain.aborted.is_empty());
}

#[test]
fn deleting_frees_memory_batch_by_batch() {
    let mut log = partition();
    append(&mut log, &[1, 2]);
    append(&mut log, &[3, 4]);
    let full = log.memory.used();
    assert_eq!(log.delete_to(1), Ok(1));
    assert_eq!(log.memory.used(), full, "half a batch cannot be freed");
    assert_eq!(log.delete_to(2), Ok(2));
    assert_eq!(log.memory.used(), full / 2);
    let gone = log.read(1, Isolation::ReadUncommitted, ALL);
    assert_eq!(gone.expect_err("deleted"), ResponseError::OffsetOutOfRange);
    assert_eq!(log.delete_to(9), Err(ResponseError::OffsetOutOfRange));
    assert_eq!(log.delete_to(-1), Ok(4));
    assert_eq!(log.memory.used(), 0);
    assert_eq!(append(&mut log, &[5]), 4, "offsets go on");
}

#[test]
fn dropping_a_partition_frees_its_memory() {
    let mut log = partition();
    append(&mut log, &[1, 2]);
    let memory = Arc::clone(&log.memory);
    drop(log);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_duplicate_or_refused_batch_gives_its_reservation_back() {
    let mut log = partition();
    let idempotent = |h: &mut Header| {
        h.producer_id = 3;
        h.producer_epoch = 0;
        h.base_sequence = 0;
    };
    assert_eq!(append_as(&mut log, &[1], idempotent), Ok(0));
    let used = log.memory.used();
    assert_eq!(append_as(&mut log, &[1], idempotent), Ok(0));
    let gap = append_as(&mut log, &[1], |h| {
        idempotent(h);
        h.base_sequence = 9;
    });
    assert_eq!(gap, Err(ResponseError::OutOfOrderSequenceNumber));
    assert_eq!(log.memory.used(), used);
    assert_eq!(log.bounds().high_watermark, 1);
}

#[test]
fn times_are_looked_up_over_batches_out_of_order() {
    let mut log = partition();
    append(&mut log, &[100, 400]);
    append(&mut log, &[200]);
    append(&mut log, &[500]);
    let at = |log: &Partition, t| log.at_time(t).map(|f| (f.offset, f.timestamp));
    assert_eq!(at(&log, 150), Some((1, 400)));
    assert_eq!(at(&log, 401), Some((3, 500)));
    assert_eq!(at(&log, 501), None);
    assert_eq!(log.at_max_timestamp().map(|f| f.offset), Some(3));
    log.delete_to(2).expect("in range");
    assert_eq!(at(&log, 150), Some((2, 200)));
    assert_eq!(
        at(&log, 300),
        Some((3, 500)),
        "a batch with an older maximum is passed over"
    );
}

#[test]
fn retention_cuts_from_the_head_only() {
    let mut log = partition();
    append(&mut log, &[100]);
    append(&mut log, &[900]);
    append(&mut log, &[200]);
    log.retain(Some(500), None);
    assert_eq!(
        log.bounds().start,
        1,
        "the young batch keeps the old one behind it"
    );
    log.retain(None, Some(0));
    assert_eq!(log.bounds().start, 3);
}

#[test]
fn retention_spares_an_open_transaction() {
    let mut log = partition();
    append(&mut log, &[1]);
    transactional(&mut log, 7, 0);
    log.retain(None, Some(0));
    assert_eq!(log.bounds().start, 1);
}

#[test]
fn watchers_are_woken_once_by_an_append() {
    let mut log = partition();
    let (woken, left) = (Arc::new(Wake::default()), Arc::new(Wake::default()));
    log.watch(&woken);
    log.watch(&woken);
    log.watch(&left);
    assert_eq!(log.watchers.len(), 2);
    log.unwatch(&left);
    append(&mut log, &[1]);
    assert!(woken.sleep(Duration::ZERO));
    assert!(!left.sleep(Duration::ZERO));
    assert!(log.watchers.is_empty());
}

proptest! {
    /// forall appends and deletions: every record kept is read back once, in order, and the
    /// account equals what is stored.
    #[test]
    fn reading_gives_what_was_kept(sizes in proptest::collection::vec(1usize..5, 1..30), cut in 0f64..1.0) {
        let mut log = partition();
        for n in &sizes {
            append(&mut log, &vec![0; *n]);
        }
        let total: usize = sizes.iter().sum();
        let start = (cut * total as f64) as i64;
        log.delete_to(start).expect("in range");
        let mut next = start;
        let one = Budget { partition: 1, total: 1, first_passes: true };
        while next < total as i64 {
            let slice = log.read(next, Isolation::ReadUncommitted, one).expect("in range");
            prop_assert_eq!(slice.batches.len(), 1);
            let header = Header::read(&slice.batches[0]).expect("header");
            let base = bases(&slice)[0];
            prop_assert!(base <= next);
            next = base + i64::from(header.n_records);
        }
        prop_assert_eq!(next, total as i64);
        log.delete_to(-1).expect("in range");
        prop_assert_eq!(log.memory.used(), 0);
    }
}
