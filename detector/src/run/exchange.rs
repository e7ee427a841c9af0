//! The topic between partitions and mergers: made if it is not there.

use floodmark_contracts::{job::DetectorJob, stream::Stream};
use floodmark_kafka::{
    Admin, Error, ErrorCode,
    admin::{NewTopic, TopicDescription},
};

use super::DetectError;
use crate::{engine::Engine, source::lane_number};

/// How long the broker keeps what went through the exchange, milliseconds of wall time: an hour, which is
/// many times what a restored process reads again.
const RETENTION_MS: &str = "3600000";

/// Makes the engine pass what is put together from several partitions through the job's topic for it, which is
/// created with as many partitions as the widest input has. Gives its name; nothing if the engine puts nothing
/// together.
///
/// # Errors
/// If an input is not there, or the broker refuses.
pub(super) fn prepare(
    admin: &Admin,
    job: &DetectorJob,
    engine: &mut Engine,
) -> Result<Option<String>, DetectError> {
    if !engine.needs_exchange() {
        return Ok(None);
    }
    let mut sources: Vec<(Stream, i32)> = Vec::new();
    let mut widest = 1;
    for (stream, topics) in &job.inputs {
        for (number, topic) in (0..).zip(topics) {
            let partitions = described(admin, topic)?.partitions;
            widest = widest.max(partitions);
            sources
                .extend((0..partitions).map(|partition| (*stream, lane_number(number, partition))));
        }
    }
    let name = job.exchange();
    let partitions = match admin.topic(&name)? {
        Some(found) => found.partitions,
        None => create(admin, &name, widest)?,
    };
    engine.exchange_over_topic(partitions, &sources);
    Ok(Some(name))
}

fn described(admin: &Admin, topic: &str) -> Result<TopicDescription, DetectError> {
    let found = admin.topic(topic)?;
    found.ok_or_else(|| DetectError::NoTopic {
        role: "events".to_owned(),
        topic: topic.to_owned(),
    })
}

/// Creates the topic, unless another process of the group was quicker. Gives its number of partitions.
fn create(admin: &Admin, name: &str, partitions: i32) -> Result<i32, DetectError> {
    let topic = NewTopic::new(name, partitions).config("retention.ms", RETENTION_MS);
    match admin.create_topics(&[topic]) {
        Ok(()) => Ok(partitions),
        Err(Error::Refused {
            code: ErrorCode::TopicAlreadyExists,
            ..
        }) => Ok(described(admin, name)?.partitions),
        Err(error) => Err(error.into()),
    }
}
