//! What the threads of a broker share, and the steps that touch more than one part of it.
//!
//! Locks are taken in this order and held briefly: transactions, groups, a partition. No thread
//! waits (for memory, records or a reply) while it holds one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::groups::{Groups, Outbox};
use crate::memory::Memory;
use crate::peers::{Endpoint, Peers};
use crate::topics::Topics;
use crate::txn::{Coordinator, Ending};
use crate::wake::Wake;

/// The number of the only broker there is.
pub(crate) const BROKER_ID: BrokerId = BrokerId(1);
/// What clients are told of the cluster.
pub(crate) const CLUSTER_ID: &str = "floodmark-embedded";
/// How often retention is applied.
const RETENTION_INTERVAL: Duration = Duration::from_secs(1);

/// The state of one broker.
pub(crate) struct Shared {
    /// Where clients of the first listener are told to find the broker.
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) auto_create_partitions: Option<i32>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) topics: Topics,
    pub(crate) groups: Mutex<Groups>,
    pub(crate) transactions: Mutex<Coordinator>,
    pub(crate) peers: Peers,
    /// Connections so far, which numbers them.
    pub(crate) connections: AtomicU64,
    /// Wakes the timer thread when a deadline may have come nearer.
    pub(crate) timer: Wake,
    stopping: AtomicBool,
}

impl Shared {
    /// The state of a broker that clients reach at `host` and `port`.
    pub(crate) fn new(config: &BrokerConfig, host: &str, port: u16, clock: Box<dyn Clock>) -> Self {
        let memory = Arc::new(Memory::new(config.memory_cap_bytes));
        let groups = Groups::new(config.group_initial_rebalance_delay, clock.wall_ms());
        Self {
            endpoint: Arc::new(Endpoint {
                host: StrBytes::from_string(host.to_owned()),
                port,
            }),
            auto_create_partitions: config.auto_create_partitions,
            clock,
            topics: Topics::new(Arc::clone(&memory)),
            memory,
            groups: Mutex::new(groups),
            transactions: Mutex::default(),
            peers: Peers::default(),
            connections: AtomicU64::new(0),
            timer: Wake::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Works on the groups and delivers the replies that became due.
    pub(crate) fn with_groups<T>(&self, work: impl FnOnce(&mut Groups, &mut Outbox) -> T) -> T {
        let mut outbox = Outbox::new();
        let result = work(&mut self.groups.lock(), &mut outbox);
        self.peers.deliver(outbox);
        result
    }

    /// Makes the end of a transaction known. The caller holds the coordinator's lock, so that
    /// nothing of the producer's next transaction can come between.
    pub(crate) fn settle(&self, ending: &Ending) {
        let identity = ending.identity;
        let now_ms = self.clock.wall_ms();
        for at in &ending.partitions {
            let Some(topic) = self.topics.get(&at.topic) else {
                continue;
            };
            if let Some(partition) = topic.partition(at.partition) {
                let mut log = partition.lock();
                log.end(identity.producer_id, identity.epoch, ending.commit, now_ms);
            }
        }
        if ending.groups.is_empty() {
            return;
        }
        let mut groups = self.groups.lock();
        for group_id in &ending.groups {
            groups.end_transaction(group_id, identity.producer_id, ending.commit);
        }
    }

    /// Lets time pass for groups, transactions and retention; how long until the next time.
    pub(crate) fn tick(&self) -> Duration {
        let now = self.clock.moment();
        let groups_next = self.with_groups(|groups, outbox| {
            groups.tick(now, outbox);
            groups.next_deadline()
        });
        let transactions_next = {
            let mut transactions = self.transactions.lock();
            for ending in transactions.tick(now) {
                tracing::warn!(
                    producer_id = ending.identity.producer_id,
                    "transaction timed out: aborted, and its producer fenced"
                );
                self.settle(&ending);
            }
            transactions.next_deadline()
        };
        self.topics.retain(self.clock.wall_ms());
        let next = groups_next.into_iter().chain(transactions_next).min();
        let left = next.map_or(RETENTION_INTERVAL, |next| next.saturating_sub(now));
        // Never at once again: deadlines are at most this much late instead.
        left.clamp(Duration::from_millis(1), RETENTION_INTERVAL)
    }

    /// Whether the broker is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Lets nobody wait any more, and serves on.
    #[cfg(fuzzing)]
    pub(crate) fn serve_without_waiting(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Tells all threads to stop; true for the first call.
    pub(crate) fn stop(&self) -> bool {
        let is_first = !self.stopping.swap(true, Ordering::AcqRel);
        self.memory.close();
        self.peers.cut();
        self.timer.raise();
        is_first
    }
}
