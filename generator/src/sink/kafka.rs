//! Events as records of a topic.

use std::time::Duration;

use floodmark_contracts::{
    event::banking::{SCHEMA, SUBJECT_SUFFIX},
    job::GeneratorJob,
    stream::Stream,
};
use floodmark_kafka::{
    Admin, ClientSettings, Producer, ProducerSettings, Record, Registry, SendError, producer::Topic,
};

use super::{Handover, Report, Sink, SinkError};
use crate::{events::Event, plan::Plan};

/// How long the cluster may take to answer before the run.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream's producer.
pub(super) struct KafkaSink {
    stream: Stream,
    producer: Producer,
    topic: Topic,
}

/// Checks that the cluster answers and its topics are as the plan has them, and registers the schema.
/// Gives the schema's id; 1 if the plan has no stream that needs one.
pub(crate) fn prepare(job: &GeneratorJob, plan: &Plan) -> Result<u32, SinkError> {
    let admin = Admin::new(&client(job), PATIENCE)?;
    admin.wait_until_reachable(PATIENCE)?;
    let mut schema_id = 1;
    for stream in plan.streams() {
        let topic = topic_name(job, stream)?;
        let wanted = plan.topic(stream).map_or(0, |(_, partitions)| partitions);
        let found = admin
            .topic(topic)?
            .map_or(0, |description| description.partitions);
        if u32::try_from(found) != Ok(wanted) {
            return Err(SinkError::Partitions {
                topic: topic.to_owned(),
                found,
                wanted,
            });
        }
        if stream == Stream::Banking {
            let url = job
                .connection
                .registry
                .as_ref()
                .ok_or(SinkError::NoRegistry)?;
            let subject = format!("{topic}{SUBJECT_SUFFIX}");
            schema_id = Registry::new(url)?.register(&subject, SCHEMA)?;
        }
    }
    Ok(schema_id)
}

impl KafkaSink {
    pub(super) fn open(job: &GeneratorJob, plan: &Plan, stream: Stream) -> Result<Self, SinkError> {
        let producer = Producer::new(&client(job), &ProducerSettings::default())?;
        let topic = producer.topic(topic_name(job, stream)?)?;
        let sink = Self {
            stream,
            producer,
            topic,
        };
        tracing::debug!(%stream, topic = sink.topic.name(), slots = plan.slots(stream), "producer");
        Ok(sink)
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, event: &Event, timestamp_ms: i64, tag: u64) -> Result<Handover, SinkError> {
        let record = Record::new(&self.topic, &event.value)
            .key(&event.key)
            .partition(event.partition)
            .timestamp_ms(timestamp_ms);
        match self.producer.send(&record, tag) {
            Ok(()) => Ok(Handover::Taken),
            Err(SendError::QueueFull) => Ok(Handover::Full),
            Err(source) => Err(SinkError::Refused {
                stream: self.stream,
                slot: event.slot,
                source,
            }),
        }
    }

    fn poll(&mut self, report: &mut dyn FnMut(Report)) {
        self.producer.poll(Duration::ZERO, &mut |delivery| {
            report(Report {
                tag: delivery.tag,
                stored: delivery.is_delivered(),
            });
        });
    }

    fn flush(
        &mut self,
        limit: Duration,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, SinkError> {
        let flushed = self.producer.flush(limit, &mut |delivery| {
            report(Report {
                tag: delivery.tag,
                stored: delivery.is_delivered(),
            });
        });
        match flushed {
            Ok(()) => Ok(true),
            Err(_) if self.producer.in_flight() > 0 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn client(job: &GeneratorJob) -> ClientSettings {
    ClientSettings {
        bootstrap: job.connection.bootstrap.clone(),
        properties: job.connection.properties.clone(),
    }
}

fn topic_name(job: &GeneratorJob, stream: Stream) -> Result<&str, SinkError> {
    job.topics
        .get(&stream)
        .map(String::as_str)
        .ok_or(SinkError::NoTopic { stream })
}
