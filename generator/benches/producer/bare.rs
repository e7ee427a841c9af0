//! A loop around rdkafka's producer and nothing else.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_generator::{Event, Measured};
use floodmark_kafka::{Admin, ClientSettings, admin::NewTopic};
use rdkafka::{
    ClientContext,
    config::ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig},
};

use crate::PARTITIONS;

const PATIENCE: Duration = Duration::from_secs(30);
/// Records between two looks at reports and the clock, as in ours.
const BURST: usize = 512;

/// Counts what is acknowledged.
struct Counter(Arc<AtomicU64>);

impl ClientContext for Counter {}

impl ProducerContext for Counter {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Makes a topic, does the work, and deletes the topic.
pub fn with_topic<T>(
    bootstrap: &str,
    topic: &str,
    work: impl FnOnce(&str) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let admin = Admin::new(&ClientSettings::plain(bootstrap), PATIENCE)?;
    admin.create_topics(&[NewTopic::new(topic, PARTITIONS)])?;
    let result = work(topic);
    admin.delete_topics(&[topic])?;
    result
}

/// Acknowledged records per second at the highest rate.
pub fn rate(
    bootstrap: &str,
    topic: &str,
    records: &[Event],
    span: Measured,
) -> Result<f64, Box<dyn Error>> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    // The generator's own settings.
    let producer: BaseProducer<Counter> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "5")
        .set("batch.size", "131072")
        .set("acks", "all")
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", "262144")
        .set("socket.nagle.disable", "true")
        .create_with_context(Counter(Arc::clone(&acknowledged)))?;
    let clock = SystemClock::new();
    let seconds = |since_us: i64| (clock.monotonic_us() - since_us) as f64 / 1e6;
    let mut ready = records.iter().cycle();
    let (mut begun, mut first) = (None, None);
    loop {
        for event in ready.by_ref().take(BURST) {
            let mut record = BaseRecord::to(topic)
                .key(event.key.as_slice())
                .payload(event.value.as_slice())
                .partition(event.partition)
                .timestamp(1);
            while let Err((error, back)) = producer.send(record) {
                if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                // The client waits in whole milliseconds: with less it would spin, and take the
                // processor from its own threads and from the broker.
                producer.poll(Duration::from_millis(1));
                record = back;
            }
        }
        producer.poll(Duration::ZERO);
        let started = *begun.get_or_insert_with(|| clock.monotonic_us());
        let count = acknowledged.load(Ordering::Relaxed);
        if seconds(started) < span.settle.as_secs_f64() {
            continue;
        }
        let (from, before) = *first.get_or_insert_with(|| (clock.monotonic_us(), count));
        let measured = seconds(from);
        if measured >= span.measure.as_secs_f64() {
            // What is still queued is of no use.
            producer.purge(PurgeConfig::default().queue().inflight());
            producer.flush(PATIENCE)?;
            return Ok((count - before) as f64 / measured);
        }
    }
}
