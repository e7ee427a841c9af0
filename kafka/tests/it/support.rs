//! A cluster with fresh names on it, and shorthands for what every test does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_kafka::admin::NewTopic;
use floodmark_kafka::consumer::{Event, StartOffset};
use floodmark_kafka::producer::Outcome;
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, Delivery, Producer,
    ProducerSettings, Record, TopicPartition,
};

/// Longer than anything takes on a busy machine; tests end as soon as what they wait for is there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One poll of a loop that waits for something.
pub(crate) const STEP: Duration = Duration::from_millis(50);

pub(crate) struct Cluster {
    bootstrap: String,
    run: String,
    _broker: Option<Broker>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // On a cluster that outlives the test, names must not meet those of earlier runs.
        let run = format!(
            "{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        if let Ok(bootstrap) = std::env::var("FLOODMARK_TEST_BOOTSTRAP") {
            return Self {
                bootstrap,
                run,
                _broker: None,
            };
        }
        let broker = Broker::start(BrokerConfig::default()).unwrap();
        Self {
            bootstrap: broker.bootstrap().to_string(),
            run,
            _broker: Some(broker),
        }
    }

    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings::plain(&self.bootstrap)
    }

    pub(crate) fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.run)
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.client(), PATIENCE).unwrap()
    }

    /// A new topic; its name.
    pub(crate) fn topic(&self, stem: &str, partitions: i32) -> String {
        let name = self.name(stem);
        self.admin()
            .create_topics(&[NewTopic::new(&name, partitions)])
            .unwrap();
        name
    }

    pub(crate) fn producer(&self, settings: ProducerSettings) -> Producer {
        Producer::new(&self.client(), &settings).unwrap()
    }

    pub(crate) fn consumer(&self, settings: ConsumerSettings) -> BatchConsumer {
        BatchConsumer::new(&self.client(), &settings).unwrap()
    }

    /// Writes `payloads` to one partition and waits until they are there; their offsets.
    pub(crate) fn write(&self, topic: &str, partition: i32, payloads: &[&str]) -> Vec<i64> {
        let producer = self.producer(ProducerSettings::default());
        let handle = producer.topic(topic).unwrap();
        for (tag, payload) in payloads.iter().enumerate() {
            let record = Record::new(&handle, payload.as_bytes()).partition(partition);
            producer.send(&record, tag as u64).unwrap();
        }
        let mut offsets = vec![-1; payloads.len()];
        producer
            .flush(PATIENCE, &mut |delivery| match delivery.outcome {
                Outcome::Delivered { offset, .. } => offsets[delivery.tag as usize] = offset,
                Outcome::Failed { code, .. } => panic!("record {}: {code}", delivery.tag),
            })
            .unwrap();
        offsets
    }

    /// All payloads of a topic's partition from an offset on, until its end.
    pub(crate) fn read(
        &self,
        topic: &str,
        partition: i32,
        settings: ConsumerSettings,
    ) -> Vec<String> {
        let mut consumer = self.consumer(ConsumerSettings {
            report_ends: true,
            ..settings
        });
        let place = (
            TopicPartition::new(topic, partition),
            StartOffset::Beginning,
        );
        consumer.assign(&[place], PATIENCE).unwrap();
        let mut payloads = Vec::new();
        poll_until(&mut consumer, |batch| {
            payloads.extend(texts(batch));
            batch
                .events()
                .iter()
                .any(|event| matches!(event, Event::EndOfPartition { .. }))
        });
        payloads
    }
}

/// A payload-only copy of a batch.
pub(crate) fn texts(batch: &Batch) -> Vec<String> {
    batch
        .messages()
        .map(|message| String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned())
        .collect()
}

/// Polls until `done` says so of a batch; panics when that takes too long.
pub(crate) fn poll_until(consumer: &mut BatchConsumer, mut done: impl FnMut(&Batch) -> bool) {
    let mut batch = Batch::with_capacity(1000);
    wait_for("the consumer", || {
        consumer.poll(&mut batch, STEP).unwrap();
        done(&batch)
    });
}

/// Calls `done` until it says so; panics when that takes too long.
#[expect(clippy::disallowed_methods, reason = "bounds a wait in a test")]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "still waiting for {what}");
    }
}

/// A sink for deliveries that must all succeed.
pub(crate) fn all_delivered(delivery: Delivery) {
    assert!(delivery.is_delivered(), "{delivery:?}");
}
