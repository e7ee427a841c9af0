//! The offsets a group has committed, and those that wait for their transaction to end.

use std::collections::BTreeMap;

/// A partition by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Nothing was committed.
    None,
    /// This was.
    At(Committed),
    /// An open transaction is about to move it, and only a settled answer was asked for.
    Unstable,
}

/// Whether a look-up may be answered while a transaction is about to change the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stability {
    /// Answer with what is committed now.
    Any,
    /// `require_stable`: rather no answer than one that is about to change.
    Required,
}

/// The offsets of one group.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<TopicPartition, Committed>,
    /// Producer id, to what its open transaction would commit.
    in_transaction: BTreeMap<i64, BTreeMap<TopicPartition, Committed>>,
}

impl Offsets {
    /// Commits at once.
    pub(crate) fn commit(&mut self, partition: TopicPartition, position: Committed) {
        self.committed.insert(partition, position);
    }

    /// Commits when the producer's transaction does.
    pub(crate) fn commit_in_transaction(
        &mut self,
        producer_id: i64,
        partition: TopicPartition,
        position: Committed,
    ) {
        self.in_transaction
            .entry(producer_id)
            .or_default()
            .insert(partition, position);
    }

    /// The producer's transaction has ended.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        let Some(waiting) = self.in_transaction.remove(&producer_id) else {
            return;
        };
        if commit {
            self.committed.extend(waiting);
        }
    }

    /// The committed position of a partition.
    pub(crate) fn position(&self, partition: &TopicPartition, stability: Stability) -> Position {
        if stability == Stability::Required && self.is_unstable(partition) {
            return Position::Unstable;
        }
        self.committed
            .get(partition)
            .cloned()
            .map_or(Position::None, Position::At)
    }

    /// All partitions with a committed or waiting position.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let waiting = self.in_transaction.values().flat_map(BTreeMap::keys);
        let mut all: Vec<_> = self.committed.keys().chain(waiting).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// Whether a transaction has yet to settle offsets of this group.
    pub(crate) fn has_open_transaction(&self) -> bool {
        !self.in_transaction.is_empty()
    }

    /// Forgets a topic that was deleted.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.committed
            .retain(|partition, _| partition.topic != topic);
        for waiting in self.in_transaction.values_mut() {
            waiting.retain(|partition, _| partition.topic != topic);
        }
    }

    fn is_unstable(&self, partition: &TopicPartition) -> bool {
        self.in_transaction
            .values()
            .any(|waiting| waiting.contains_key(partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(n: i32) -> TopicPartition {
        TopicPartition {
            topic: "events".to_owned(),
            partition: n,
        }
    }

    fn at(offset: i64) -> Committed {
        Committed {
            offset,
            leader_epoch: -1,
            metadata: format!("note {offset}"),
        }
    }

    #[test]
    fn a_commit_replaces_the_one_before_and_keeps_its_metadata() {
        let mut offsets = Offsets::default();
        offsets.commit(partition(0), at(5));
        offsets.commit(partition(0), at(9));
        assert_eq!(
            offsets.position(&partition(0), Stability::Required),
            Position::At(at(9))
        );
        assert_eq!(
            offsets.position(&partition(1), Stability::Required),
            Position::None
        );
    }

    #[test]
    fn transactional_offsets_show_only_after_the_commit() {
        let mut offsets = Offsets::default();
        offsets.commit(partition(0), at(5));
        offsets.commit_in_transaction(7, partition(0), at(9));
        assert_eq!(
            offsets.position(&partition(0), Stability::Any),
            Position::At(at(5))
        );
        assert_eq!(
            offsets.position(&partition(0), Stability::Required),
            Position::Unstable
        );
        offsets.end_transaction(7, true);
        assert_eq!(
            offsets.position(&partition(0), Stability::Required),
            Position::At(at(9))
        );
    }

    #[test]
    fn an_abort_leaves_what_was_committed() {
        let mut offsets = Offsets::default();
        offsets.commit_in_transaction(7, partition(0), at(9));
        offsets.commit_in_transaction(8, partition(1), at(4));
        assert_eq!(offsets.partitions(), [partition(0), partition(1)]);
        offsets.end_transaction(7, false);
        assert_eq!(
            offsets.position(&partition(0), Stability::Required),
            Position::None
        );
        assert_eq!(
            offsets.position(&partition(1), Stability::Required),
            Position::Unstable
        );
        assert!(
            offsets.has_open_transaction(),
            "another producer's is still open"
        );
    }

    #[test]
    fn a_deleted_topic_takes_its_offsets_along() {
        let mut offsets = Offsets::default();
        offsets.commit(partition(0), at(5));
        offsets.commit_in_transaction(7, partition(1), at(9));
        offsets.forget("events");
        offsets.end_transaction(7, true);
        assert!(offsets.partitions().is_empty());
    }
}
