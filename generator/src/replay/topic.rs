//! Records of a topic, up to its present end.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{clock::Clock, stream::Stream};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings,
    consumer::{Event, Message, StartOffset},
};

use super::{Budget, Recorded, RecordedClock, Recording, ReplayError, sound_time};

/// How long the cluster may take to answer, and may give nothing before a partition's end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a poll waits for records.
const POLL: Duration = Duration::from_millis(100);

/// A topic to be replayed.
#[derive(Debug, Clone)]
pub struct TopicSource {
    /// The cluster.
    pub client: ClientSettings,
    /// The topic.
    pub topic: String,
    /// The stream that its events belong to.
    pub stream: Stream,
    /// Memory for the records.
    pub memory_mib: usize,
}

/// Reads all records that are committed, with their keys, headers, partitions and timestamps.
///
/// # Errors
/// If the cluster does not answer, or the topic is missing, empty or too large.
pub fn read_topic(source: &TopicSource, clock: &dyn Clock) -> Result<Recording, ReplayError> {
    let admin = Admin::new(&source.client, PATIENCE)?;
    admin.wait_until_reachable(PATIENCE)?;
    if admin.topic(&source.topic)?.is_none() {
        return Err(ReplayError::NoTopic {
            topic: source.topic.clone(),
        });
    }
    let (mut ends, mut places) = (BTreeMap::new(), Vec::new());
    for bounds in admin.watermarks(&[source.topic.as_str()])? {
        if bounds.low < bounds.high {
            ends.insert(bounds.partition.partition, bounds.high);
            places.push((bounds.partition, StartOffset::Beginning));
        }
    }
    if places.is_empty() {
        return Err(empty(source));
    }
    // The last offset may be a transaction's marker, so a partition's end is what the client reports.
    let settings = ConsumerSettings {
        report_ends: true,
        ..ConsumerSettings::default()
    };
    let mut consumer = BatchConsumer::new(&source.client, &settings)?;
    consumer.assign(&places, PATIENCE)?;
    let lanes = read_to(&ends, &mut consumer, source, clock)?;
    if lanes.is_empty() {
        return Err(empty(source));
    }
    Ok(Recording {
        stream: source.stream,
        clock: RecordedClock::Wall,
        lanes,
        truth: Vec::new(),
        // A record's timestamp is when it was sent; the event time is in its value, in whatever form.
        span: None,
        scored: None,
    })
}

fn empty(source: &TopicSource) -> ReplayError {
    ReplayError::Empty {
        source_name: source.topic.clone(),
    }
}

/// The records of each partition before its end, in their order.
fn read_to(
    ends: &BTreeMap<i32, i64>,
    consumer: &mut BatchConsumer,
    source: &TopicSource,
    clock: &dyn Clock,
) -> Result<Vec<Vec<Recorded>>, ReplayError> {
    let mut lanes: BTreeMap<i32, Vec<Recorded>> = BTreeMap::new();
    let mut left = ends.clone();
    let mut budget = Budget::new(&source.topic, source.memory_mib);
    let mut batch = Batch::with_capacity(10_000);
    let mut last_us = clock.monotonic_us();
    while !left.is_empty() {
        consumer.poll(&mut batch, POLL)?;
        for message in batch.messages() {
            // What is written while we read lies behind the present end, and shows that it is reached.
            let end = ends.get(&message.partition()).copied().unwrap_or_default();
            if message.offset() + 1 >= end {
                left.remove(&message.partition());
            }
            if message.offset() < end {
                let record = recorded(&message);
                budget.take(&record)?;
                lanes.entry(message.partition()).or_default().push(record);
                last_us = clock.monotonic_us();
            }
        }
        for event in batch.events() {
            if let Event::EndOfPartition { partition, offset } = event
                && ends
                    .get(&partition.partition)
                    .is_some_and(|end| offset >= end)
            {
                left.remove(&partition.partition);
            }
        }
        if clock.monotonic_us() - last_us > PATIENCE.as_micros() as i64 {
            return Err(floodmark_kafka::Error::TimedOut {
                attempt: format!("read topic `{}` to its end", source.topic),
                waited: PATIENCE,
                detail: format!("{} partitions are not read", left.len()),
            }
            .into());
        }
        batch.clear();
    }
    Ok(lanes.into_values().collect())
}

fn recorded(message: &Message<'_>) -> Recorded {
    Recorded {
        // Any producer can write any timestamp; what is no time counts as none.
        at_ms: message
            .timestamp()
            .and_then(|time| sound_time(time.millis).ok())
            .unwrap_or(0),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: message
            .headers()
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
            .collect(),
        partition: Some(message.partition()),
    }
}
