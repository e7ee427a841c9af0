use std::collections::BTreeSet;

use floodmark_kafka::consumer::{Assignor, CommitMode, Event, StartOffset};
use floodmark_kafka::{Batch, BatchConsumer, ConsumerSettings, PartitionOffset, TopicPartition};

use crate::support::{Cluster, PATIENCE, STEP, poll_until, texts, wait_for};

/// A member with what it was told.
struct Member {
    consumer: BatchConsumer,
    batch: Batch,
    has: BTreeSet<i32>,
    assigned: Vec<Vec<i32>>,
    revoked: Vec<Vec<i32>>,
}

impl Member {
    fn join(cluster: &Cluster, group: &str, topic: &str, assignor: Assignor) -> Self {
        let settings = ConsumerSettings {
            assignor: Some(assignor),
            ..ConsumerSettings::in_group(group)
        };
        let mut consumer = cluster.consumer(settings);
        consumer.subscribe(&[topic]).unwrap();
        let batch = Batch::with_capacity(100);
        Self {
            consumer,
            batch,
            has: BTreeSet::new(),
            assigned: vec![],
            revoked: vec![],
        }
    }

    fn poll(&mut self) {
        self.consumer.poll(&mut self.batch, STEP).unwrap();
        for event in self.batch.events() {
            match event {
                Event::Assigned { partitions } => {
                    let numbers: Vec<i32> = partitions.iter().map(|one| one.partition).collect();
                    self.has.extend(&numbers);
                    self.assigned.push(numbers);
                }
                Event::Revoked { partitions, lost } => {
                    assert!(!lost);
                    let numbers: Vec<i32> = partitions.iter().map(|one| one.partition).collect();
                    self.has.retain(|number| !numbers.contains(number));
                    self.revoked.push(numbers);
                }
                _ => {}
            }
        }
    }
}

fn sorted(numbers: &[i32]) -> Vec<i32> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers
}

#[test]
fn an_eager_group_gives_all_up_and_shares_anew() {
    let cluster = Cluster::start();
    let topic = cluster.topic("eager", 4);
    let group = cluster.name("eager");
    let mut first = Member::join(&cluster, &group, &topic, Assignor::Range);
    wait_for("the first member's partitions", || {
        first.poll();
        first.has.len() == 4
    });
    let mut second = Member::join(&cluster, &group, &topic, Assignor::Range);
    wait_for("an even share", || {
        first.poll();
        second.poll();
        first.has.len() == 2 && second.has.len() == 2
    });
    assert_eq!(
        sorted(&first.revoked[0]),
        [0, 1, 2, 3],
        "eager: all at once"
    );
    assert!(first.has.is_disjoint(&second.has));
    drop(second);
    wait_for("all partitions back", || {
        first.poll();
        first.has.len() == 4
    });
}

#[test]
fn a_cooperative_group_moves_only_what_moves() {
    let cluster = Cluster::start();
    let topic = cluster.topic("cooperative", 4);
    let group = cluster.name("cooperative");
    let mut first = Member::join(&cluster, &group, &topic, Assignor::CooperativeSticky);
    wait_for("the first member's partitions", || {
        first.poll();
        first.has.len() == 4
    });
    let mut second = Member::join(&cluster, &group, &topic, Assignor::CooperativeSticky);
    wait_for("an even share", || {
        first.poll();
        second.poll();
        first.has.len() == 2 && second.has.len() == 2
    });
    let revoked: usize = first.revoked.iter().map(Vec::len).sum();
    assert_eq!(revoked, 2, "{:?}", first.revoked);
    assert!(first.has.is_disjoint(&second.has));
    drop(first);
    wait_for("all partitions", || {
        second.poll();
        second.has.len() == 4
    });
    let assigned: usize = second.assigned.iter().map(Vec::len).sum();
    assert_eq!(
        assigned, 4,
        "two to begin with, two more: {:?}",
        second.assigned
    );
}

#[test]
fn there_is_time_to_commit_between_the_revocation_and_its_end() {
    let cluster = Cluster::start();
    let topic = cluster.topic("handover", 1);
    let group = cluster.name("handover");
    cluster.write(&topic, 0, &["a", "b", "c"]);
    let mut first = cluster.consumer(ConsumerSettings::in_group(&group));
    first.subscribe(&[&topic]).unwrap();
    let mut read = 0;
    poll_until(&mut first, |batch| {
        read += batch.len();
        read == 3
    });
    // Nothing was committed so far: only what is committed on revocation tells the next member.
    let mut second = cluster.consumer(ConsumerSettings::in_group(&group));
    second.subscribe(&[&topic]).unwrap();
    let (mut ours, mut theirs) = (Batch::with_capacity(10), Batch::with_capacity(10));
    let (mut handed_over, mut seen) = (false, Vec::new());
    wait_for("the partition to be settled", || {
        first.poll(&mut ours, STEP).unwrap();
        for event in ours.events() {
            if let Event::Revoked {
                partitions,
                lost: false,
            } = event
            {
                let at = PartitionOffset::new(&topic, partitions[0].partition, 2);
                first.commit(&[at], CommitMode::Wait).unwrap();
                handed_over = true;
            }
        }
        second.poll(&mut theirs, STEP).unwrap();
        seen.extend(texts(&ours));
        seen.extend(texts(&theirs));
        handed_over && !seen.is_empty()
    });
    // Whoever got it starts at the commit.
    assert_eq!(seen, ["c"]);
}

#[test]
fn an_assignment_can_be_accepted_elsewhere_than_at_its_commit() {
    let cluster = Cluster::start();
    let topic = cluster.topic("replay", 1);
    let group = cluster.name("replay");
    cluster.write(&topic, 0, &["a", "b", "c"]);
    let mut consumer = cluster.consumer(ConsumerSettings::in_group(&group));
    consumer.subscribe(&[&topic]).unwrap();
    let mut batch = Batch::with_capacity(10);
    wait_for("the assignment", || {
        consumer.poll(&mut batch, STEP).unwrap();
        batch
            .events()
            .iter()
            .any(|event| matches!(event, Event::Assigned { .. }))
    });
    let start = (TopicPartition::new(&topic, 0), StartOffset::At(1));
    assert!(
        consumer
            .accept(std::slice::from_ref(&start), PATIENCE)
            .unwrap()
    );
    assert!(
        !consumer.accept(&[start], PATIENCE).unwrap(),
        "there is nothing more to accept"
    );
    let mut seen = Vec::new();
    poll_until(&mut consumer, |batch| {
        seen.extend(texts(batch));
        seen.len() == 2
    });
    assert_eq!(seen, ["b", "c"]);
    assert_eq!(
        consumer.assignment().unwrap(),
        [TopicPartition::new(&topic, 0)]
    );
}

#[test]
fn closing_with_an_unsettled_assignment_ends() {
    let cluster = Cluster::start();
    let topic = cluster.topic("unsettled", 2);
    for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
        let settings = ConsumerSettings {
            assignor: Some(assignor),
            ..ConsumerSettings::in_group(cluster.name(&format!("{assignor:?}")))
        };
        let mut consumer = cluster.consumer(settings);
        consumer.subscribe(&[&topic]).unwrap();
        let mut batch = Batch::with_capacity(10);
        wait_for("the assignment", || {
            consumer.poll(&mut batch, STEP).unwrap();
            batch
                .events()
                .iter()
                .any(|event| matches!(event, Event::Assigned { .. }))
        });
        consumer.close().unwrap();
    }
}
