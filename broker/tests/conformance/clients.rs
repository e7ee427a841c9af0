//! librdkafka as the cases use it: small wrappers that wait, with a deadline, and panic with what was wrong.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Headers, Message, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::target::{PATIENCE, Target, eventually, poll_until};

pub(crate) const POLL: Duration = Duration::from_millis(50);

pub(crate) type TestProducer = BaseProducer<Deliveries>;
pub(crate) type TestConsumer = BaseConsumer<Rebalances>;

/// Where each record went, or why it did not.
#[derive(Default)]
pub(crate) struct Deliveries(Mutex<Vec<Result<(i32, i64), KafkaError>>>);

impl ClientContext for Deliveries {
    // Lost connections and fenced producers are what some cases are about: nothing goes to the terminal.
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().unwrap().push(result);
    }
}

impl Deliveries {
    pub(crate) fn take(&self) -> Vec<Result<(i32, i64), KafkaError>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// How often a consumer was given or lost partitions.
#[derive(Default)]
pub(crate) struct Rebalances(Mutex<usize>);

impl ClientContext for Rebalances {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Rebalances {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        *self.0.lock().unwrap() += 1;
    }
}

impl Rebalances {
    pub(crate) fn count(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl From<&BorrowedMessage<'_>> for Seen {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(|headers| {
            headers
                .iter()
                .map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec)))
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.collect(),
        }
    }
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

pub(crate) fn config(target: &Target, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", target.bootstrap())
        .set("broker.address.family", "v4")
        .set("reconnect.backoff.ms", "20")
        .set("socket.timeout.ms", "20000");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

pub(crate) fn producer(target: &Target, settings: &[(&str, &str)]) -> TestProducer {
    let mut config = config(
        target,
        &[("linger.ms", "5"), ("message.timeout.ms", "30000")],
    );
    for (key, value) in settings {
        config.set(*key, *value);
    }
    BaseProducer::from_config_and_context(&config, Deliveries::default())
        .expect("the producer's settings are valid")
}

/// A transactional producer that is ready to begin.
pub(crate) fn transactional(target: &Target, id: &str, settings: &[(&str, &str)]) -> TestProducer {
    let mut all = vec![("transactional.id", id), ("message.timeout.ms", "20000")];
    all.extend_from_slice(settings);
    let producer = producer(target, &all);
    producer
        .init_transactions(PATIENCE)
        .expect("the transactional id is taken up");
    producer
}

/// Sends one value without waiting for it.
pub(crate) fn send(producer: &TestProducer, topic: &str, partition: i32, value: &str) {
    let record = BaseRecord::<str, str>::to(topic)
        .partition(partition)
        .payload(value);
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("the record is queued");
}

/// Waits for everything sent and gives the offsets, in the order of the acknowledgements.
pub(crate) fn acknowledged(producer: &TestProducer) -> Vec<(i32, i64)> {
    settle(producer);
    producer
        .context()
        .take()
        .into_iter()
        .map(|result| result.expect("the record is acknowledged"))
        .collect()
}

/// Waits until every record sent is acknowledged or given up.
pub(crate) fn settle(producer: &TestProducer) {
    poll_until("every record sent is settled", || {
        producer.poll(POLL);
        (producer.in_flight_count() == 0).then_some(())
    });
}

/// Produces values to one partition and waits for them.
pub(crate) fn produce_values<S: AsRef<str>>(
    target: &Target,
    topic: &str,
    partition: i32,
    values: &[S],
) {
    let producer = producer(target, &[]);
    for value in values {
        send(&producer, topic, partition, value.as_ref());
    }
    assert_eq!(acknowledged(&producer).len(), values.len());
}

pub(crate) fn consumer(target: &Target, settings: &[(&str, &str)]) -> TestConsumer {
    let defaults = [
        ("group.id", "unused"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        ("fetch.wait.max.ms", "100"),
        ("check.crcs", "true"),
    ];
    let mut config = config(target, &defaults);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    BaseConsumer::from_config_and_context(&config, Rebalances::default())
        .expect("the consumer's settings are valid")
}

/// A member of `group` that has subscribed to `topic`.
pub(crate) fn member(
    target: &Target,
    group: &str,
    topic: &str,
    settings: &[(&str, &str)],
) -> TestConsumer {
    let mut all = vec![
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "200"),
        ("topic.metadata.refresh.interval.ms", "500"),
    ];
    all.extend_from_slice(settings);
    let consumer = consumer(target, &all);
    consumer
        .subscribe(&[topic])
        .expect("the subscription is valid");
    consumer
}

/// Reads every partition from the first offset until its end, in the order of offsets within a partition.
pub(crate) fn read_to_end(
    target: &Target,
    topic: &str,
    n_partitions: i32,
    settings: &[(&str, &str)],
) -> Vec<Seen> {
    let consumer = consumer(target, settings);
    let mut list = TopicPartitionList::new();
    for partition in 0..n_partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).expect("the partitions are assigned");
    let mut seen = Vec::new();
    let mut ended = BTreeMap::new();
    poll_until("the end of every partition", || {
        match consumer.poll(POLL) {
            Some(Ok(message)) => seen.push(Seen::from(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition, ());
            }
            Some(Err(error)) => panic!("reading `{topic}`: {error}"),
            None => {}
        }
        (ended.len() == n_partitions as usize).then_some(())
    });
    seen
}

/// The values of partition 0, as text.
pub(crate) fn read_values(target: &Target, topic: &str, isolation: &str) -> Vec<String> {
    read_to_end(target, topic, 1, &[("isolation.level", isolation)])
        .iter()
        .map(Seen::text)
        .collect()
}

pub(crate) fn admin(target: &Target) -> AdminClient<DefaultClientContext> {
    config(target, &[])
        .create()
        .expect("the admin client's settings are valid")
}

pub(crate) fn admin_options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE))
}

/// Creates a topic of a fresh name and waits until its partitions have a leader.
pub(crate) fn create_topic(
    target: &Target,
    n_partitions: i32,
    settings: &[(&str, &str)],
) -> String {
    let name = target.unique("topic");
    let mut topic = NewTopic::new(&name, n_partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let results = wait(admin(target).create_topics([&topic], &admin_options())).unwrap();
    assert_eq!(results, [Ok(name.clone())]);
    await_topic(target, &name, n_partitions);
    name
}

/// A real Kafka acknowledges a new topic a moment before its partitions can be written to.
pub(crate) fn await_topic(target: &Target, name: &str, n_partitions: i32) {
    let consumer = consumer(target, &[]);
    eventually("the topic's partitions have leaders", || {
        let metadata = consumer.fetch_metadata(Some(name), PATIENCE).ok()?;
        let partitions = metadata.topics().first()?.partitions();
        let led = partitions
            .iter()
            .filter(|p| p.leader() >= 0 && p.error().is_none())
            .count();
        (led == n_partitions as usize).then_some(())
    });
}

pub(crate) fn wait<T>(future: impl Future<Output = KafkaResult<T>>) -> KafkaResult<T> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The partitions that a consumer owns at the moment, after a poll to let it take part in a rebalance.
pub(crate) fn owned(consumer: &TestConsumer) -> Vec<i32> {
    match consumer.poll(POLL) {
        Some(Err(error)) if !matches!(error, KafkaError::PartitionEOF(_)) => {
            panic!("while a member of a group: {error}")
        }
        _ => {}
    }
    let list = consumer.assignment().expect("the assignment is known");
    let mut partitions: Vec<i32> = list.elements().iter().map(|e| e.partition()).collect();
    partitions.sort_unstable();
    partitions
}
