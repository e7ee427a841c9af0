//! Events as records of a topic.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{
    event::banking::SUBJECT_SUFFIX,
    job::GeneratorJob,
    stream::Stream,
    trace::{TRACEPARENT, Tracer},
};
use floodmark_kafka::{
    Admin, ClientSettings, Delivery, ErrorCode, Producer, ProducerSettings, Record, Registry,
    SendError,
    producer::{Outcome, Topic},
};

use super::{
    Handover, Report, Sink, SinkError,
    traced::{Begun, Traced},
    transactions::Transactions,
};
use crate::{events::Event, plan::Plan, shape::SchemaIds};

/// How long the cluster may take to answer before the run.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most headers that a profile can ask for: they are laid out on the stack for each record.
pub(crate) const MOST_HEADERS: usize = 8;

/// A stream's producer.
pub(super) struct KafkaSink {
    stream: Stream,
    producer: Producer,
    topics: Vec<Topic>,
    /// Headers of every record.
    headers: Vec<(String, String)>,
    transactions: Option<Transactions>,
    traced: Option<Traced>,
    names: Vec<String>,
}

/// Checks that the cluster answers and its topics are as the plan has them, and registers the schemas, also
/// those that come in later: during the run nothing is asked of the registry, so an outage cannot change
/// what is sent. Gives the schemas' ids.
pub(crate) fn prepare(
    job: &GeneratorJob,
    plan: &Plan,
) -> Result<BTreeMap<Stream, SchemaIds>, SinkError> {
    let admin = Admin::new(&client(job), PATIENCE)?;
    admin.wait_until_reachable(PATIENCE)?;
    let mut schema_ids = BTreeMap::new();
    for stream in plan.streams() {
        let topics = topic_names(job, plan, stream)?;
        let wanted = plan.topics(stream).map_or(0, |(_, partitions)| partitions);
        for topic in topics {
            let found = admin
                .topic(topic)?
                .map_or(0, |description| description.partitions);
            if u32::try_from(found) != Ok(wanted) {
                return Err(SinkError::Partitions {
                    topic: topic.clone(),
                    found,
                    wanted,
                });
            }
        }
        let schemas = plan.schemas(stream);
        if !schemas.is_empty() {
            let url = job.connection.registry.as_ref();
            let registry = Registry::new(url.ok_or(SinkError::NoRegistry { stream })?)?;
            schema_ids.insert(stream, register_all(&registry, topics, &schemas)?);
        }
    }
    Ok(schema_ids)
}

/// Registers the schemas for each topic. A registry gives a schema one id, whatever the subject; records
/// are framed with it before it is known where they go, so that one which does otherwise is of no use.
fn register_all(
    registry: &Registry,
    topics: &[String],
    schemas: &[String],
) -> Result<SchemaIds, SinkError> {
    let mut common: Option<SchemaIds> = None;
    for topic in topics {
        let ids = register(registry, topic, schemas)?;
        if common.is_some_and(|common| common != ids) {
            return Err(SinkError::SchemaIds {
                topic: topic.clone(),
            });
        }
        common = Some(ids);
    }
    Ok(common.unwrap_or_default())
}

/// Registers the versions of a topic's schema in their order.
fn register(registry: &Registry, topic: &str, schemas: &[String]) -> Result<SchemaIds, SinkError> {
    let subject = format!("{topic}{SUBJECT_SUFFIX}");
    let ids: Result<Vec<u32>, _> = schemas
        .iter()
        .map(|schema| registry.register(&subject, schema))
        .collect();
    Ok(SchemaIds::new(&ids?))
}

impl KafkaSink {
    pub(super) fn open(
        job: &GeneratorJob,
        plan: &Plan,
        stream: Stream,
        tracer: Option<&Tracer>,
    ) -> Result<Self, SinkError> {
        let names = topic_names(job, plan, stream)?;
        let every = plan.transactions();
        let settings = every.map_or_else(ProducerSettings::default, |every| {
            transactional(&names[0], every)
        });
        let producer = Producer::new(&client(job), &settings)?;
        let topics: Result<Vec<Topic>, _> = names.iter().map(|name| producer.topic(name)).collect();
        let transactions = every.map(|every| Transactions::start(&producer, every));
        let headers = &job.section.producer.headers;
        let sink = Self {
            stream,
            topics: topics?,
            headers: headers.clone().into_iter().collect(),
            transactions: transactions.transpose()?,
            producer,
            traced: tracer.map(|tracer| Traced::new(tracer, stream)),
            names: names.to_vec(),
        };
        tracing::debug!(%stream, topics = ?names, slots = plan.slots(stream), "producer");
        Ok(sink)
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, event: &Event, timestamp_ms: i64, tag: u64) -> Result<Handover, SinkError> {
        // A record can only be sent inside of a transaction, if there are any.
        if let Some(transactions) = &mut self.transactions {
            transactions.open(&self.producer)?;
        }
        let begun = self.traced.as_ref().and_then(|traced| traced.begin(event));
        let text = begun.map(|begun| begun.context.to_string());
        // One more, for the context of a trace.
        let mut headers: [(&str, Option<&[u8]>); MOST_HEADERS + 1] = [("", None); MOST_HEADERS + 1];
        let mut count = 0;
        let own = self.headers.iter().take(MOST_HEADERS);
        let own = own.map(|(name, text)| (name.as_str(), text));
        for (slot, (name, text)) in headers
            .iter_mut()
            .zip(own.chain(text.iter().map(|text| (TRACEPARENT, text))))
        {
            *slot = (name, Some(text.as_bytes()));
            count += 1;
        }
        let topic = &self.topics[event.topic as usize];
        let mut record = Record::new(topic, &event.value)
            .headers(&headers[..count])
            .partition(event.partition)
            .timestamp_ms(timestamp_ms);
        // A profile can ask for records without a key, which is not the same as an empty one.
        if !event.key.is_empty() {
            record = record.key(&event.key);
        }
        let sent = self.producer.send(&record, tag);
        if sent.is_ok() {
            self.trace(begun, event, tag);
        }
        match (sent, &mut self.transactions) {
            (Ok(()), _) => Ok(Handover::Taken),
            (Err(SendError::QueueFull), _) => Ok(Handover::Full),
            (Err(error), Some(transactions)) if is_spoilt(&error) => {
                transactions.give_up();
                Ok(Handover::Later)
            }
            (Err(source), _) => Err(SinkError::Refused {
                stream: self.stream,
                slot: event.slot,
                source,
            }),
        }
    }

    fn poll(&mut self, report: &mut dyn FnMut(Report)) {
        let traced = &mut self.traced;
        let report = &mut |said: Report| {
            if let Some(traced) = traced {
                traced.reported(said);
            }
            report(said);
        };
        let Some(transactions) = &mut self.transactions else {
            self.producer
                .poll(Duration::ZERO, &mut |delivery| report(report_of(delivery)));
            return;
        };
        self.producer
            .poll(Duration::ZERO, &mut |delivery| transactions.keep(delivery));
        transactions.tick(&self.producer, report);
    }

    fn retries(&self) -> u64 {
        self.producer.retries()
    }

    fn throttled(&self) -> (u64, u64) {
        let throttling = self.producer.throttling();
        (throttling.times, throttling.total_ms)
    }

    fn flush(
        &mut self,
        limit: Duration,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, SinkError> {
        let traced = &mut self.traced;
        let report = &mut |said: Report| {
            if let Some(traced) = traced {
                traced.reported(said);
            }
            report(said);
        };
        if let Some(transactions) = &mut self.transactions {
            transactions.end(&self.producer, report)?;
            return Ok(true);
        }
        let flushed = self
            .producer
            .flush(limit, &mut |delivery| report(report_of(delivery)));
        match flushed {
            Ok(()) => Ok(true),
            Err(_) if self.producer.in_flight() > 0 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl KafkaSink {
    /// Takes note of a record that was taken, if it is traced.
    fn trace(&mut self, begun: Option<Begun>, event: &Event, tag: u64) {
        if let (Some(begun), Some(traced)) = (begun, &mut self.traced)
            && let Some(topic) = self.names.get(event.topic as usize)
        {
            traced.taken(begun, topic, event, tag);
        }
    }
}

/// True if a record of the open transaction has failed, so that nothing more can be put into it.
fn is_spoilt(error: &SendError) -> bool {
    matches!(
        error,
        SendError::Refused {
            code: ErrorCode::State,
            ..
        }
    )
}

/// What a delivery means for the figures.
pub(super) fn report_of(delivery: Delivery) -> Report {
    let failure = match delivery.outcome {
        Outcome::Delivered { .. } => None,
        Outcome::Failed { code, .. } => Some(code),
    };
    Report {
        tag: delivery.tag,
        failure,
    }
}

/// Settings of a producer that writes in transactions. Its id is new each time: nothing of an earlier run
/// is to be fenced, and producers that run side by side must not fence each other.
fn transactional(topic: &str, every: Duration) -> ProducerSettings {
    let least = Duration::from_secs(10);
    ProducerSettings {
        transactional_id: Some(format!("floodmark-{topic}-{}", uuid::Uuid::new_v4())),
        // Room for a commit that takes its time, and for the flush in front of it.
        transaction_timeout: Some(least.max(every * 3)),
        ..ProducerSettings::default()
    }
}

fn client(job: &GeneratorJob) -> ClientSettings {
    ClientSettings {
        bootstrap: job.connection.bootstrap.clone(),
        properties: job.connection.properties.clone(),
    }
}

/// The full names of a stream's topics, as many as the plan has.
fn topic_names<'a>(
    job: &'a GeneratorJob,
    plan: &Plan,
    stream: Stream,
) -> Result<&'a [String], SinkError> {
    let wanted = plan.topics(stream).map_or(0, |(names, _)| names.len());
    job.topics
        .get(&stream)
        .map(Vec::as_slice)
        .filter(|names| names.len() == wanted && wanted > 0)
        .ok_or(SinkError::NoTopic { stream, wanted })
}
