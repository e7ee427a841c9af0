//! A bare producer and a batch consumer: as little between the broker and the figures as can be.

use std::error::Error;
use std::ptr;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::bindings as sys;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::PARTITIONS;

const BATCH: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends records as fast as librdkafka takes them, in turn to all partitions.
pub struct BareProducer {
    producer: BaseProducer,
    topic: String,
    next: i32,
}

/// Receives records in batches, without a wrapper for each.
pub struct BatchConsumer {
    consumer: BaseConsumer,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

/// Creates a topic.
pub fn create_topic(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let created = block_on(admin.create_topics([&new], &AdminOptions::new()))?;
    for outcome in created {
        outcome.map_err(|(topic, code)| format!("cannot create topic `{topic}`: {code}"))?;
    }
    Ok(())
}

/// Deletes a topic, and with it the memory or the disk it takes.
pub fn delete_topic(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    block_on(admin.delete_topics(&[topic], &AdminOptions::new()))?;
    Ok(())
}

impl BareProducer {
    /// A producer of one topic.
    pub fn new(bootstrap: &str, topic: &str) -> Result<Self, KafkaError> {
        let producer = config(bootstrap)
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "2000000")
            .set("queue.buffering.max.kbytes", "1048576")
            .create()?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
            next: 0,
        })
    }

    /// Sends one record; waits when the queue is full.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), KafkaError> {
        self.next = (self.next + 1) % PARTITIONS;
        loop {
            let record = BaseRecord::<(), [u8]>::to(&self.topic)
                .partition(self.next)
                .payload(payload);
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Serves what has been acknowledged.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until everything is acknowledged.
    pub fn finish(&self) -> Result<(), KafkaError> {
        self.producer.flush(Timeout::After(PATIENCE))
    }
}

impl BatchConsumer {
    /// A consumer of all of one topic, from its beginning.
    pub fn new(bootstrap: &str, topic: &str) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer = config(bootstrap)
            .set("group.id", "bench")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "2")
            .set("queued.max.messages.kbytes", "262144")
            .create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;
        Ok(Self {
            consumer,
            messages: vec![ptr::null_mut(); BATCH],
        })
    }

    /// Receives what comes within `wait`, or a full batch if that is sooner, and shows every payload; how many
    /// records there were. librdkafka uses up the whole of `wait` otherwise: it is part of a latency.
    pub fn receive(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&[u8]),
    ) -> Result<u64, Box<dyn Error>> {
        let wait_ms = i32::try_from(wait.as_millis())?;
        // SAFETY: the client outlives the call; the queue is given back below.
        let queue =
            unsafe { sys::rd_kafka_queue_get_consumer(self.consumer.client().native_ptr()) };
        // SAFETY: the array has room for the number of pointers named.
        let n = unsafe {
            sys::rd_kafka_consume_batch_queue(queue, wait_ms, self.messages.as_mut_ptr(), BATCH)
        };
        // SAFETY: the queue was got above and is not used after this.
        unsafe { sys::rd_kafka_queue_destroy(queue) };
        let n = usize::try_from(n).map_err(|_| "the batch consumer failed")?;
        let mut received = 0;
        for message in &self.messages[..n] {
            // SAFETY: librdkafka filled in the first `n` pointers; each is destroyed once, here.
            unsafe {
                let m = &**message;
                if m.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && m.len > 0 {
                    each(std::slice::from_raw_parts(m.payload.cast::<u8>(), m.len));
                    received += 1;
                }
                sys::rd_kafka_message_destroy(*message);
            }
        }
        Ok(received)
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Runs the admin client's future: the two calls here are too few for a runtime of their own.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}
