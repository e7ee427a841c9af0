//! The topics of a broker.

pub(crate) mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use parking_lot::{Mutex, RwLock};

use crate::log::partition::Partition;
use crate::memory::Memory;
use crate::topics::settings::TopicSettings;

/// More partitions than this in one topic are a mistake on a single node.
pub(crate) const MAX_PARTITIONS: i32 = 4096;
/// As in Kafka: names become file names there.
const MAX_NAME_BYTES: usize = 249;

/// A topic, its settings and its partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Mutex<Partition>>,
}

/// All topics by name.
#[derive(Debug)]
pub(crate) struct Topics {
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    memory: Arc<Memory>,
}

impl Topics {
    /// No topics yet; their records will be accounted for in `memory`.
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self {
            by_name: RwLock::default(),
            memory,
        }
    }

    /// The topic of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.read().get(name).cloned()
    }

    /// Whether the topic has that partition.
    pub(crate) fn has(&self, name: &str, partition: i32) -> bool {
        self.get(name)
            .is_some_and(|topic| topic.partition(partition).is_some())
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.by_name.read().keys().cloned().collect()
    }

    /// Checks whether a topic could be created.
    pub(crate) fn check(&self, name: &str, n_partitions: i32) -> Result<(), ResponseError> {
        if !is_valid_name(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        if self.by_name.read().contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        if !(1..=MAX_PARTITIONS).contains(&n_partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        Ok(())
    }

    /// Creates a topic.
    pub(crate) fn create(
        &self,
        name: &str,
        n_partitions: i32,
        settings: TopicSettings,
    ) -> Result<(), ResponseError> {
        self.check(name, n_partitions)?;
        let new_partition = |_| Mutex::new(Partition::new(Arc::clone(&self.memory)));
        let partitions = (0..n_partitions).map(new_partition).collect();
        let mut by_name = self.by_name.write();
        if by_name.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        by_name.insert(
            name.to_owned(),
            Arc::new(Topic {
                settings,
                partitions,
            }),
        );
        Ok(())
    }

    /// Deletes a topic and frees its memory once nobody reads from it any more.
    pub(crate) fn delete(&self, name: &str) -> Result<(), ResponseError> {
        let removed = self.by_name.write().remove(name);
        removed
            .map(drop)
            .ok_or(ResponseError::UnknownTopicOrPartition)
    }

    /// Applies the retention of topics that have one.
    pub(crate) fn retain(&self, now_ms: i64) {
        let topics: Vec<_> = self.by_name.read().values().cloned().collect();
        for topic in topics {
            let oldest_ms = topic
                .settings
                .retention_ms
                .map(|ms| now_ms.saturating_sub(ms));
            let max_bytes = topic.settings.retention_bytes;
            if oldest_ms.is_none() && max_bytes.is_none() {
                continue;
            }
            for partition in &topic.partitions {
                partition.lock().retain(oldest_ms, max_bytes);
            }
        }
    }
}

impl Topic {
    /// The partition of that number.
    pub(crate) fn partition(&self, index: i32) -> Option<&Mutex<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// How many partitions there are.
    pub(crate) fn n_partitions(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

fn is_valid_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name != "."
        && name != ".."
        && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new(Arc::new(Memory::new(1 << 20)))
    }

    #[test]
    fn a_topic_is_created_once() {
        let topics = topics();
        assert_eq!(topics.create("events", 3, TopicSettings::default()), Ok(()));
        let again = topics.create("events", 3, TopicSettings::default());
        assert_eq!(again, Err(ResponseError::TopicAlreadyExists));
        assert!(topics.has("events", 2));
        assert!(!topics.has("events", 3));
        assert!(!topics.has("events", -1));
        assert_eq!(topics.names(), ["events"]);
    }

    #[test]
    fn names_and_partition_counts_are_checked() {
        let topics = topics();
        let long = "x".repeat(250);
        for name in ["", ".", "..", "a b", "a/b", "ünicode", &long] {
            let outcome = topics.check(name, 1);
            assert_eq!(
                outcome,
                Err(ResponseError::InvalidTopicException),
                "`{name}`"
            );
        }
        for n_partitions in [0, -1, MAX_PARTITIONS + 1] {
            let outcome = topics.check("events", n_partitions);
            assert_eq!(
                outcome,
                Err(ResponseError::InvalidPartitions),
                "{n_partitions}"
            );
        }
        assert_eq!(topics.check("sensor-data_2.x", 1), Ok(()));
    }

    #[test]
    fn a_deleted_topic_is_unknown() {
        let topics = topics();
        topics
            .create("events", 1, TopicSettings::default())
            .expect("new");
        assert_eq!(topics.delete("events"), Ok(()));
        assert_eq!(
            topics.delete("events"),
            Err(ResponseError::UnknownTopicOrPartition)
        );
        assert!(topics.get("events").is_none());
    }
}
