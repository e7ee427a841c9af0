//! The transaction coordinator, as a pure state machine.
//!
//! One node holds coordinator, groups and logs, so a transaction ends in one step: the coordinator
//! says what has to be done ([`Ending`]) and the caller does it before it lets go of the lock.
//! There is no prepared state that a crash could leave behind: a crash takes all data with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;

use crate::clock::Moment;
use crate::groups::offsets::TopicPartition;

/// Longer transactions are refused, as by Kafka's default.
const MAX_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// All transactional producers, and the source of producer ids.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    by_id: BTreeMap<String, Producer>,
    next_producer_id: i64,
}

/// Producer id and epoch: a newer epoch fences the older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// A transaction that ended, and where that has to be made known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Goes into the markers; may be newer than the producer's own, which fences it.
    pub(crate) identity: Identity,
    pub(crate) commit: bool,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    pub(crate) groups: BTreeSet<String>,
}

/// What a producer gets as it starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) identity: Identity,
    /// The transaction its predecessor left open.
    pub(crate) aborted: Option<Ending>,
}

#[derive(Debug)]
struct Producer {
    identity: Identity,
    /// The epoch before a bump that the producer itself asked for, so that it may ask again.
    bumped_from: Option<i16>,
    timeout: Duration,
    open: Option<Open>,
    last: Option<Outcome>,
}

#[derive(Debug, Default)]
struct Open {
    deadline: Moment,
    partitions: BTreeSet<TopicPartition>,
    groups: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Committed,
    Aborted,
}

impl Coordinator {
    /// A producer id for a producer that is idempotent only.
    pub(crate) fn new_identity(&mut self) -> Identity {
        let producer_id = self.next_producer_id;
        self.next_producer_id += 1;
        Identity {
            producer_id,
            epoch: 0,
        }
    }

    /// A transactional producer starts (or recovers, if it names what it believes to be): its
    /// predecessors are fenced and what they left open is aborted.
    pub(crate) fn start(
        &mut self,
        id: &str,
        timeout: Duration,
        believed: Option<Identity>,
    ) -> Result<Started, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let Some(mut producer) = self.by_id.remove(id) else {
            let identity = self.new_identity();
            let producer = Producer {
                identity,
                bumped_from: None,
                timeout,
                open: None,
                last: None,
            };
            self.by_id.insert(id.to_owned(), producer);
            return Ok(Started {
                identity,
                aborted: None,
            });
        };
        let outcome = self.restart(&mut producer, timeout, believed);
        self.by_id.insert(id.to_owned(), producer);
        outcome
    }

    /// Partitions join the transaction, which begins with the first of them.
    pub(crate) fn add_partitions(
        &mut self,
        id: &str,
        identity: Identity,
        partitions: impl IntoIterator<Item = TopicPartition>,
        now: Moment,
    ) -> Result<(), ResponseError> {
        self.open(id, identity, now)?.partitions.extend(partitions);
        Ok(())
    }

    /// A group's offsets will be committed with the transaction.
    pub(crate) fn add_group(
        &mut self,
        id: &str,
        identity: Identity,
        group_id: &str,
        now: Moment,
    ) -> Result<(), ResponseError> {
        self.open(id, identity, now)?
            .groups
            .insert(group_id.to_owned());
        Ok(())
    }

    /// Whether this producer may commit offsets of the group in its transaction.
    pub(crate) fn check_group(
        &self,
        id: &str,
        identity: Identity,
        group_id: &str,
    ) -> Result<(), ResponseError> {
        let producer = self
            .by_id
            .get(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        producer.check(identity)?;
        match &producer.open {
            Some(open) if open.groups.contains(group_id) => Ok(()),
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Ends the transaction; `None` if it has ended just so before and the reply was lost.
    pub(crate) fn end(
        &mut self,
        id: &str,
        identity: Identity,
        commit: bool,
    ) -> Result<Option<Ending>, ResponseError> {
        let producer = self
            .by_id
            .get_mut(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        producer.check(identity)?;
        let outcome = if commit {
            Outcome::Committed
        } else {
            Outcome::Aborted
        };
        match producer.close(outcome) {
            Some(ending) => Ok(Some(ending)),
            None if producer.last == Some(outcome) => Ok(None),
            None => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Aborts transactions that took too long; their producers are fenced.
    pub(crate) fn tick(&mut self, now: Moment) -> Vec<Ending> {
        let late = |p: &&mut Producer| p.open.as_ref().is_some_and(|open| open.deadline <= now);
        let mut endings = Vec::new();
        for producer in self.by_id.values_mut().filter(late) {
            producer.bumped_from = None;
            // At the last epoch there is none left to fence with; the start that follows takes a
            // new producer id.
            producer.identity.epoch = producer.identity.epoch.saturating_add(1);
            endings.extend(producer.close(Outcome::Aborted));
            producer.last = None;
        }
        endings
    }

    /// When `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.by_id
            .values()
            .filter_map(|p| p.open.as_ref())
            .map(|open| open.deadline)
            .min()
    }

    fn restart(
        &mut self,
        producer: &mut Producer,
        timeout: Duration,
        believed: Option<Identity>,
    ) -> Result<Started, ResponseError> {
        if let Some(believed) = believed {
            let is_current = believed == producer.identity;
            let asks_again = believed.producer_id == producer.identity.producer_id
                && producer.bumped_from == Some(believed.epoch);
            if asks_again {
                return Ok(Started {
                    identity: producer.identity,
                    aborted: None,
                });
            }
            if !is_current {
                return Err(ResponseError::ProducerFenced);
            }
        }
        producer.timeout = timeout;
        producer.bumped_from = believed.map(|identity| identity.epoch);
        let aborted = if producer.identity.epoch >= i16::MAX - 1 {
            // The marker takes the last epoch of the old id, and the producer goes on with a new.
            producer.identity.epoch = i16::MAX;
            let aborted = producer.close(Outcome::Aborted);
            producer.identity = self.new_identity();
            producer.bumped_from = None;
            aborted
        } else {
            producer.identity.epoch += 1;
            producer.close(Outcome::Aborted)
        };
        producer.last = None;
        Ok(Started {
            identity: producer.identity,
            aborted,
        })
    }

    fn open(
        &mut self,
        id: &str,
        identity: Identity,
        now: Moment,
    ) -> Result<&mut Open, ResponseError> {
        let producer = self
            .by_id
            .get_mut(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        producer.check(identity)?;
        let deadline = now + producer.timeout;
        Ok(producer.open.get_or_insert_with(|| Open {
            deadline,
            ..Open::default()
        }))
    }
}

impl Producer {
    fn check(&self, identity: Identity) -> Result<(), ResponseError> {
        if identity.producer_id != self.identity.producer_id {
            Err(ResponseError::InvalidProducerIdMapping)
        } else if identity.epoch != self.identity.epoch {
            Err(ResponseError::ProducerFenced)
        } else {
            Ok(())
        }
    }

    fn close(&mut self, outcome: Outcome) -> Option<Ending> {
        let Open {
            partitions, groups, ..
        } = self.open.take()?;
        self.last = Some(outcome);
        let commit = outcome == Outcome::Committed;
        Some(Ending {
            identity: self.identity,
            commit,
            partitions,
            groups,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const NOW: Moment = Duration::from_secs(1000);

    fn started(coordinator: &mut Coordinator) -> Identity {
        coordinator
            .start("t", MINUTE, None)
            .expect("valid")
            .identity
    }

    fn partition(n: i32) -> TopicPartition {
        TopicPartition {
            topic: "events".to_owned(),
            partition: n,
        }
    }

    fn writing(coordinator: &mut Coordinator) -> Identity {
        let identity = started(coordinator);
        coordinator
            .add_partitions("t", identity, [partition(0)], NOW)
            .expect("in order");
        identity
    }

    #[test]
    fn a_commit_names_what_took_part() {
        let mut coordinator = Coordinator::default();
        let identity = writing(&mut coordinator);
        coordinator
            .add_partitions("t", identity, [partition(0), partition(1)], NOW)
            .expect("ok");
        coordinator
            .add_group("t", identity, "readers", NOW)
            .expect("ok");
        assert_eq!(coordinator.check_group("t", identity, "readers"), Ok(()));
        let other = coordinator.check_group("t", identity, "others");
        assert_eq!(other, Err(ResponseError::InvalidTxnState));
        let ending = coordinator
            .end("t", identity, true)
            .expect("open")
            .expect("first time");
        assert!(ending.commit);
        assert_eq!(
            ending.partitions,
            BTreeSet::from([partition(0), partition(1)])
        );
        assert_eq!(ending.groups, BTreeSet::from(["readers".to_owned()]));
    }

    #[test]
    fn ending_twice_alike_is_harmless_and_otherwise_an_error() {
        let mut coordinator = Coordinator::default();
        let identity = writing(&mut coordinator);
        coordinator.end("t", identity, true).expect("open");
        assert_eq!(coordinator.end("t", identity, true), Ok(None));
        let abort = coordinator.end("t", identity, false);
        assert_eq!(abort, Err(ResponseError::InvalidTxnState));
    }

    #[test]
    fn nothing_can_be_ended_that_was_not_begun() {
        let mut coordinator = Coordinator::default();
        let identity = started(&mut coordinator);
        assert_eq!(
            coordinator.end("t", identity, true),
            Err(ResponseError::InvalidTxnState)
        );
        let unknown = coordinator.end("other", identity, true);
        assert_eq!(unknown, Err(ResponseError::InvalidProducerIdMapping));
    }

    #[test]
    fn a_successor_fences_and_aborts() {
        let mut coordinator = Coordinator::default();
        let old = writing(&mut coordinator);
        let started = coordinator.start("t", MINUTE, None).expect("valid");
        assert_eq!(started.identity, Identity { epoch: 1, ..old });
        let aborted = started.aborted.expect("left open");
        assert!(!aborted.commit);
        assert_eq!(
            aborted.identity.epoch, 1,
            "the marker fences the old epoch in the logs"
        );
        assert_eq!(
            coordinator.end("t", old, true),
            Err(ResponseError::ProducerFenced)
        );
        let late = coordinator.add_partitions("t", old, [partition(0)], NOW);
        assert_eq!(late, Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
        let mut coordinator = Coordinator::default();
        let identity = writing(&mut coordinator);
        assert_eq!(coordinator.next_deadline(), Some(NOW + MINUTE));
        assert!(
            coordinator
                .tick(NOW + MINUTE - Duration::from_millis(1))
                .is_empty()
        );
        let endings = coordinator.tick(NOW + MINUTE);
        assert_eq!(endings.len(), 1);
        assert!(!endings[0].commit);
        assert_eq!(endings[0].identity.epoch, identity.epoch + 1);
        assert_eq!(
            coordinator.end("t", identity, true),
            Err(ResponseError::ProducerFenced)
        );
        assert_eq!(coordinator.next_deadline(), None);
    }

    #[test]
    fn a_producer_that_recovers_must_be_the_current_one() {
        let mut coordinator = Coordinator::default();
        let first = started(&mut coordinator);
        let second = coordinator
            .start("t", MINUTE, Some(first))
            .expect("current")
            .identity;
        assert_eq!(second.epoch, first.epoch + 1);
        let again = coordinator
            .start("t", MINUTE, Some(first))
            .expect("its reply was lost");
        assert_eq!(again.identity, second, "asking twice bumps once");
        let third = coordinator
            .start("t", MINUTE, None)
            .expect("a successor")
            .identity;
        let zombie = coordinator.start("t", MINUTE, Some(second));
        assert_eq!(zombie, Err(ResponseError::ProducerFenced));
        assert_eq!(third.epoch, second.epoch + 1);
    }

    #[test]
    fn when_epochs_run_out_a_new_producer_id_follows() {
        let mut coordinator = Coordinator::default();
        let first = writing(&mut coordinator);
        coordinator
            .by_id
            .get_mut("t")
            .expect("known")
            .identity
            .epoch = i16::MAX - 1;
        let started = coordinator.start("t", MINUTE, None).expect("valid");
        assert_ne!(started.identity.producer_id, first.producer_id);
        assert_eq!(started.identity.epoch, 0);
        let aborted = started.aborted.expect("left open");
        assert_eq!(
            aborted.identity,
            Identity {
                epoch: i16::MAX,
                ..first
            }
        );
    }

    #[test]
    fn bad_starts_are_refused() {
        let mut coordinator = Coordinator::default();
        let nameless = coordinator.start("", MINUTE, None);
        assert_eq!(nameless, Err(ResponseError::InvalidRequest));
        for timeout in [Duration::ZERO, MAX_TIMEOUT + MINUTE] {
            let outcome = coordinator.start("t", timeout, None);
            assert_eq!(outcome, Err(ResponseError::InvalidTransactionTimeout));
        }
    }
}
