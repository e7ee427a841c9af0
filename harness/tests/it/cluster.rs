//! A cluster and shorthands for what every test does.

use std::time::Duration;

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_contracts::{
    alert::Alert,
    clock::EventTime,
    key::{KeyType, TypedKey},
    stream::Stream,
};
use floodmark_kafka::{
    Admin, ClientSettings, Producer, ProducerSettings, Record, admin::NewTopic, producer::Outcome,
};

/// Longer than anything takes on a busy machine; tests end as soon as what they wait for is there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Cluster {
    broker: Broker,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self {
            broker: Broker::start(BrokerConfig::default()).unwrap(),
        }
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.broker.bootstrap().to_string()
    }

    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings::plain(self.bootstrap())
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.client(), PATIENCE).unwrap()
    }

    pub(crate) fn make(&self, topic: &str, partitions: i32, timestamps: &str) {
        let new = NewTopic::new(topic, partitions).config("message.timestamp.type", timestamps);
        self.admin().create_topics(&[new]).unwrap();
    }

    pub(crate) fn has(&self, topic: &str) -> bool {
        self.admin().topic(topic).unwrap().is_some()
    }

    /// Writes the values to the topic's first partition and waits until they are there.
    pub(crate) fn write(&self, topic: &str, values: &[String]) {
        let producer = Producer::new(&self.client(), &ProducerSettings::default()).unwrap();
        let handle = producer.topic(topic).unwrap();
        for (tag, value) in values.iter().enumerate() {
            let record = Record::new(&handle, value.as_bytes()).partition(0);
            producer.send(&record, tag as u64).unwrap();
        }
        producer
            .flush(PATIENCE, &mut |delivery| {
                if let Outcome::Failed { code, .. } = delivery.outcome {
                    panic!("record {}: {code}", delivery.tag);
                }
            })
            .unwrap();
    }
}

/// An alert with this id.
pub(crate) fn alert(id: &str) -> Alert {
    Alert {
        id: id.to_owned(),
        detector: "test".to_owned(),
        stream: Some(Stream::Sensors),
        kind: Some("sensor-spike".to_owned()),
        key: TypedKey {
            key_type: KeyType::Sensor,
            id: "sensor_1".to_owned(),
        },
        start: EventTime(1000),
        end: EventTime(2000),
        score: Some(0.5),
        event_ids: Vec::new(),
        emitted_at: None,
        evidence: std::collections::BTreeMap::new(),
    }
}
