//! What a broker keeps: logs, offsets, transactions, generations and epochs.

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, stream::Stream};

use super::counting::EXCHANGE_PARTITIONS;
use crate::{engine::Lane, exactly_once::protocol::LaneCommit};

/// SplitMix64.
pub struct Draw(pub u64);

impl Draw {
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(n).unwrap()).unwrap()
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// An advance of a lane's watermark before the record at an offset.
pub type Moved = (Lane, i64, EventTime);

/// What a transaction holds.
#[derive(Clone, Default)]
pub struct Transaction {
    pub output: Vec<String>,
    /// Frames for partitions of the exchange.
    pub frames: Vec<(i32, Vec<u8>)>,
    pub moved: Vec<Moved>,
    pub commits: Vec<LaneCommit>,
}

/// A log; `None` where it has a gap.
#[derive(Default)]
pub struct Log {
    pub values: Vec<Option<Vec<u8>>>,
    /// Records that were written so far.
    pub end: usize,
}

/// The broker.
#[derive(Default)]
pub struct Broker {
    /// Every lane's.
    pub logs: BTreeMap<Lane, Log>,
    /// Committed offsets with their texts.
    pub offsets: BTreeMap<Lane, (i64, String)>,
    /// Committed output.
    pub output: Vec<String>,
    /// Advances of committed transactions.
    pub moved: Vec<Moved>,
    /// The group's.
    pub generation: usize,
    /// Of the producer in each slot.
    pub epochs: Vec<usize>,
    /// Transactions whose offsets were accepted and whose end their sender does not know, by slot, and
    /// whether they were decided to be committed.
    pub undecided: BTreeMap<usize, (Transaction, bool)>,
}

impl Broker {
    /// A broker with logs that are still to be written, an empty exchange, and slots for processes.
    pub fn new(draw: &mut Draw, lanes: usize, slots: usize) -> Self {
        let inputs = (0..lanes).map(|number| {
            let values = log(draw, number);
            (lane_of(number), Log { values, end: 0 })
        });
        let mut logs: BTreeMap<Lane, Log> = inputs.collect();
        logs.extend(
            (0..EXCHANGE_PARTITIONS).map(|number| (Lane::Exchange(number), Log::default())),
        );
        Self {
            logs,
            epochs: vec![0; slots],
            ..Self::default()
        }
    }

    /// The lanes of the input.
    pub fn inputs(&self) -> Vec<Lane> {
        let all = self.logs.keys().copied();
        all.filter(|lane| matches!(lane, Lane::Input(..))).collect()
    }

    /// Records arrive in a lane.
    pub fn append(&mut self, draw: &mut Draw) {
        let inputs = self.inputs();
        let lane = inputs[draw.below(inputs.len())];
        let more = 1 + draw.below(8);
        let log = self.logs.get_mut(&lane).unwrap();
        log.end = (log.end + more).min(log.values.len());
    }

    /// All records arrive.
    pub fn append_all(&mut self) {
        for log in self.logs.values_mut() {
            log.end = log.values.len();
        }
    }

    /// Commits a transaction.
    pub fn apply(&mut self, transaction: Transaction) {
        self.output.extend(transaction.output);
        self.moved.extend(transaction.moved);
        for (number, frame) in transaction.frames {
            let log = self.logs.get_mut(&Lane::Exchange(number)).unwrap();
            // The mark of a transaction takes an offset too.
            log.values.extend([Some(frame), None]);
            log.end = log.values.len();
        }
        for commit in transaction.commits {
            let text = commit.mark.to_string();
            self.offsets.insert(commit.lane, (commit.offset, text));
        }
    }

    /// Ends what is undecided in a slot: as decided, or by its time-out, which fences its producer.
    pub fn resolve(&mut self, slot: usize) {
        if let Some((transaction, decided)) = self.undecided.remove(&slot) {
            if decided {
                self.apply(transaction);
            } else {
                self.epochs[slot] += 1;
            }
        }
    }

    /// What a stable read gives, which waits until nothing is undecided.
    pub fn stable(&mut self, lane: Lane) -> (i64, String) {
        (0..self.epochs.len()).for_each(|slot| self.resolve(slot));
        self.offsets.get(&lane).cloned().unwrap_or_default()
    }
}

/// The lane of an input's log.
fn lane_of(number: usize) -> Lane {
    Lane::Input(Stream::Sensors, i32::try_from(number).unwrap())
}

/// A log: event times that go up with some disorder, some late, some gaps, some rubbish.
fn log(draw: &mut Draw, lane: usize) -> Vec<Option<Vec<u8>>> {
    let mut at = 10;
    (0..5 + draw.below(40))
        .map(|_| {
            at += draw.below(4);
            let text = match draw.below(25) {
                0 => return None,
                1 => "rubbish".to_owned(),
                2 => format!("{} l{lane}-late", at.saturating_sub(20)),
                _ => {
                    let key = draw.below(3);
                    format!("{} l{lane}-{key}", at - draw.below(4))
                }
            };
            Some(text.into_bytes())
        })
        .collect()
}
