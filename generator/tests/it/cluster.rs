//! An embedded broker and registry, and what tests read back from them.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use floodmark_broker::{
    Broker, BrokerConfig,
    registry::{self, RegistryServer},
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings,
    admin::NewTopic,
    consumer::{Event, Isolation, StartOffset},
};

/// Longer than anything takes on a busy machine; tests end as soon as what they wait for is there.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A record as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp_ms: i64,
}

/// A broker with a registry beside it, which can be stopped.
pub struct Cluster {
    bootstrap: String,
    _broker: Option<Broker>,
    registry: Mutex<Option<RegistryServer>>,
    url: String,
}

impl Cluster {
    pub fn start() -> Self {
        let broker = Broker::start(BrokerConfig::default()).unwrap();
        Self::with(broker.bootstrap().to_string(), Some(broker))
    }

    /// The cluster that `FLOODMARK_TEST_BOOTSTRAP` names, for the lane with real parts, or one of our own. Its
    /// topics must have names that nobody else uses.
    pub fn given_or_own() -> Self {
        match std::env::var("FLOODMARK_TEST_BOOTSTRAP") {
            Ok(bootstrap) => Self::with(bootstrap, None),
            Err(_) => Self::start(),
        }
    }

    fn with(bootstrap: String, broker: Option<Broker>) -> Self {
        let server = registry::start("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            bootstrap,
            _broker: broker,
            url: server.url(),
            registry: Mutex::new(Some(server)),
        }
    }

    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    pub fn client(&self) -> ClientSettings {
        ClientSettings::plain(self.bootstrap())
    }

    pub fn registry_url(&self) -> String {
        self.url.clone()
    }

    /// Ends the registry and its connections.
    pub fn stop_registry(&self) {
        drop(self.registry.lock().unwrap().take());
    }

    pub fn registry_is_up(&self) -> bool {
        self.registry.lock().unwrap().is_some()
    }

    pub fn topic(&self, name: &str, partitions: i32) {
        self.create(NewTopic::new(name, partitions));
    }

    pub fn create(&self, topic: NewTopic) {
        let admin = Admin::new(&self.client(), PATIENCE).unwrap();
        admin.create_topics(&[topic]).unwrap();
    }

    /// Everything in a topic: partition by partition, each in its order.
    pub fn read(&self, topic: &str, isolation: Isolation) -> Vec<Read> {
        let admin = Admin::new(&self.client(), PATIENCE).unwrap();
        let mut left: Vec<_> = admin
            .watermarks(&[topic])
            .unwrap()
            .into_iter()
            .filter(|bounds| bounds.high > bounds.low)
            .collect();
        let places: Vec<_> = left
            .iter()
            .map(|bounds| (bounds.partition.clone(), StartOffset::Beginning))
            .collect();
        let settings = ConsumerSettings {
            report_ends: true,
            isolation,
            ..ConsumerSettings::default()
        };
        let mut consumer = BatchConsumer::new(&self.client(), &settings).unwrap();
        consumer.assign(&places, PATIENCE).unwrap();
        let mut batch = Batch::with_capacity(5000);
        let mut found = Vec::new();
        wait_for("the end of the topic", || {
            consumer
                .poll(&mut batch, Duration::from_millis(20))
                .unwrap();
            found.extend(batch.messages().map(|message| {
                Read {
                    partition: message.partition(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().unwrap_or_default().to_vec(),
                    headers: message
                        .headers()
                        .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                        .collect(),
                    timestamp_ms: message.timestamp().map_or(-1, |t| t.millis),
                }
            }));
            for event in batch.events() {
                if let Event::EndOfPartition { partition, .. } = event {
                    left.retain(|bounds| bounds.partition != *partition);
                }
            }
            left.is_empty()
        });
        found.sort_by_key(|record| record.partition);
        found
    }
}

/// Calls `done` until it says so; panics when that takes too long.
#[expect(clippy::disallowed_methods, reason = "bounds a wait in a test")]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "still waiting for {what}");
    }
}
