//! Records in transactions, on the embedded broker and, in the lane with real parts, on Kafka: a consumer that
//! reads what is committed sees each record that counts as acknowledged once, and none of the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use floodmark_contracts::{
    clock::SystemClock,
    job::{GeneratorJob, GeneratorSection},
    record::StreamFacts,
    stream::Stream,
};
use floodmark_generator::{SchemaIds, SinkChoice, closing_events, run};
use floodmark_kafka::{Admin, admin::NewTopic, consumer::Isolation};

use super::{
    cluster::{Cluster, PATIENCE, Read},
    fixture::{all_events, resolved},
    sinks,
};

/// A topic of a cluster on which others may be, into which sensors are written in transactions.
struct Topic {
    cluster: Cluster,
    name: String,
}

impl Topic {
    fn new(stem: &str, configs: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = Cluster::given_or_own();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{stem}-{}-{number}", std::process::id());
        let mut topic = NewTopic::new(&name, 3);
        for (key, value) in configs {
            topic = topic.config(*key, *value);
        }
        cluster.create(topic);
        Self { cluster, name }
    }

    /// Sends the section's sensors as they are due, and gives the figures back.
    fn send(&self, section: &GeneratorSection) -> StreamFacts {
        let out = tempfile::tempdir().unwrap();
        let mut job = GeneratorJob {
            topics: BTreeMap::from([(Stream::Sensors, vec![self.name.clone()])]),
            ..sinks::job(section.clone(), out.path(), None)
        };
        job.connection.bootstrap = self.cluster.bootstrap();
        // Batches behind one that is refused would be tried again until they time out, which takes ten seconds.
        let key = "max.in.flight.requests.per.connection";
        let properties = &mut job.connection.properties;
        properties.insert(key.to_owned(), "1".to_owned());
        let stop = AtomicBool::new(false);
        let clock = SystemClock::new();
        let facts = run(&job, &SinkChoice::Kafka, &clock, &stop, &mut |_| {}).unwrap();
        facts.streams[&Stream::Sensors].clone()
    }

    fn committed(&self) -> Vec<Read> {
        self.cluster.read(&self.name, Isolation::Committed)
    }

    /// Offsets in use; markers of transactions take some as well.
    fn offsets(&self) -> u64 {
        let admin = Admin::new(&self.cluster.client(), PATIENCE).unwrap();
        let bounds = admin.watermarks(&[&self.name]).unwrap();
        let sum: i64 = bounds.iter().map(|bounds| bounds.high - bounds.low).sum();
        sum.unsigned_abs()
    }
}

/// Sensors of three seconds in transactions.
fn section(lines: &str) -> GeneratorSection {
    let mut section = sinks::one(Stream::Sensors, lines);
    section.duration = "3s".to_owned();
    section.producer.transactions = Some("50ms".to_owned());
    if let Some(sensors) = &mut section.streams.sensors {
        sensors.anomalies.clear();
    }
    section
}

/// Values of all events and closing ones, which are all different.
fn expected(section: &GeneratorSection) -> BTreeSet<Vec<u8>> {
    let plan = resolved(section.clone());
    let closing = closing_events(&plan, Stream::Sensors, SchemaIds::default());
    let events = all_events(&plan, Stream::Sensors).into_iter();
    events.chain(closing).map(|event| event.value).collect()
}

#[test]
fn what_is_committed_is_read_once_and_counts_as_acknowledged() {
    let topic = Topic::new("committed", &[]);
    let section = section("");
    let found = topic.send(&section);
    assert_eq!((found.acknowledged, found.failed), (found.sent, 0));
    let records = topic.committed();
    assert_eq!(records.len() as u64, found.sent + found.closing);
    let values: BTreeSet<Vec<u8>> = records.into_iter().map(|record| record.value).collect();
    assert_eq!(values, expected(&section));
    // That is how a topic shows that it was written in transactions.
    assert!(topic.offsets() > found.sent + found.closing);
}

#[test]
fn what_is_aborted_is_not_read_and_counts_as_failed_and_the_run_goes_on() {
    // One record in nine hundred is larger than the topic takes: its transaction cannot be committed.
    let topic = Topic::new("aborted", &[("max.message.bytes", "8000")]);
    let words: Vec<String> = (0..899).map(|number| format!("n{number}")).collect();
    let large = "x".repeat(9_000);
    let section = section(&format!(
        "fields: {{ add: {{ note: {{ choice: [{}, {large}] }} }} }}",
        words.join(", ")
    ));
    let found = topic.send(&section);
    assert_eq!(found.acknowledged + found.failed, found.sent);
    let plan = resolved(section.clone());
    let all = all_events(&plan, Stream::Sensors);
    let large = all.iter().filter(|event| event.value.len() > 9_000).count();
    assert!(large > 0, "the plan has large records");
    assert!(found.failed >= large as u64, "{found:?}");
    // Those that were aborted with a large one are failed too, but not the rest of the run.
    assert!(found.acknowledged > found.sent / 4, "{found:?}");
    assert!(found.failures.values().sum::<u64>() == found.failed);

    let records = topic.committed();
    let values: BTreeSet<Vec<u8>> = records.iter().map(|r| r.value.clone()).collect();
    assert_eq!(values.len(), records.len(), "each is there once");
    let events: BTreeSet<Vec<u8>> = all.into_iter().map(|event| event.value).collect();
    let committed = values.intersection(&events).count();
    assert_eq!(committed as u64, found.acknowledged);
    assert!(values.is_subset(&expected(&section)));
    assert!(values.iter().all(|value| value.len() <= 9_000));
}
