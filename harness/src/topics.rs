//! The run's topics: made as the run needs them, refused when somebody else's records are in them,
//! and deleted again only if they were made here.

use std::time::Duration;

use floodmark_contracts::{label::Label, profile::Profile};
use floodmark_kafka::{
    Admin, ClientSettings, Delivery, Error, Producer, ProducerSettings, Record, SendError,
    admin::{NewTopic, TopicDescription},
    producer::Outcome,
};

use crate::profile::Sound;

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The topic config that says who stamps records.
const TIMESTAMP_TYPE: &str = "message.timestamp.type";

/// A topic of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Full name.
    pub name: String,
    partitions: u32,
    /// Who stamps the records: the producer with the intended send time, or the broker.
    timestamps: &'static str,
}

impl TopicSpec {
    /// A topic whose records carry the time at which they were to be sent.
    #[must_use]
    pub fn input(name: &str, partitions: u32) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            timestamps: "CreateTime",
        }
    }

    /// A topic whose records carry the time at which the broker got them: no detector can make
    /// its alerts look earlier than they were.
    #[must_use]
    pub fn alerts(name: &str, partitions: u32) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            timestamps: "LogAppendTime",
        }
    }
}

/// The topics of the profile's streams.
#[must_use]
pub fn inputs(profile: &Profile, sound: &Sound) -> Vec<TopicSpec> {
    profile
        .streams
        .iter()
        .flat_map(|(stream, section)| {
            let names = sound.inputs[&stream].iter();
            names.map(|name| TopicSpec::input(name, section.partitions))
        })
        .collect()
}

/// All topics of a run.
#[must_use]
pub fn specs(profile: &Profile, sound: &Sound) -> Vec<TopicSpec> {
    let outputs = &sound.outputs;
    let mut specs = inputs(profile, sound);
    specs.push(TopicSpec::alerts(
        &outputs.anomalies,
        profile.topics.anomalies_partitions,
    ));
    specs.push(TopicSpec::alerts(&outputs.fraud_flags, 1));
    specs.push(TopicSpec::alerts(&outputs.dead_letters, 1));
    for source in &sound.subject.alerts {
        if specs.iter().all(|spec| spec.name != source.topic) {
            specs.push(TopicSpec::alerts(&source.topic, 1));
        }
    }
    if let Some(truth) = &outputs.ground_truth {
        specs.push(TopicSpec::input(truth, 1));
    }
    specs
}

/// Why the topics are not ready, or not gone.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The cluster could not be asked, or refused.
    #[error("the cluster did not do what was asked")]
    Cluster(#[source] Error),
    /// A topic holds records that the run did not write.
    #[error(
        "topic `{topic}` holds {records} records; empty it, delete it (`floodmark topics delete` with this profile and \
         broker), or use `--topic-prefix` for topics of this run's own"
    )]
    NotEmpty {
        /// The topic.
        topic: String,
        /// How many records are in it.
        records: i64,
    },
    /// A topic that is there already has another shape.
    #[error(
        "topic `{topic}` has {what} `{found}`, the run needs `{wanted}`; delete it, or use \
         `--topic-prefix` for topics of this run's own"
    )]
    Shape {
        /// The topic.
        topic: String,
        /// What differs.
        what: &'static str,
        /// What it has.
        found: String,
        /// What the run needs.
        wanted: String,
    },
    /// The labels could not be written to their topic.
    #[error("cannot write the labels to topic `{topic}`: {reason}")]
    Labels {
        /// The topic.
        topic: String,
        /// What went wrong.
        reason: String,
    },
}

impl TopicsError {
    /// Whether the cluster's topics do not fit what was asked for: another prefix would help.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::NotEmpty { .. } | Self::Shape { .. })
    }

    /// Whether no broker was reached at all.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_unreachable())
    }
}

/// The topics of a run, with a note of those that were made for it.
pub struct Topics {
    admin: Admin,
    created: Vec<String>,
}

impl Topics {
    /// Creates what is missing. A topic that is there already is used if it has the shape that the run
    /// needs and is empty, or may hold records (`append`): on a broker of the run's own nobody else's
    /// can be there.
    ///
    /// # Errors
    /// [`TopicsError`], before anything has been created, unless the cluster failed in between.
    pub fn create(
        client: &ClientSettings,
        specs: &[TopicSpec],
        append: bool,
    ) -> Result<Self, TopicsError> {
        let admin = Admin::new(client, TIMEOUT).map_err(TopicsError::Cluster)?;
        admin
            .wait_until_reachable(TIMEOUT)
            .map_err(TopicsError::Cluster)?;
        let mut missing = Vec::new();
        for spec in specs {
            match admin.topic(&spec.name).map_err(TopicsError::Cluster)? {
                Some(found) => check_shape(&admin, spec, &found, append)?,
                None => missing.push(spec),
            }
        }
        let new: Vec<NewTopic> = missing.iter().map(|spec| new_topic(spec)).collect();
        let created: Vec<String> = missing.iter().map(|spec| spec.name.clone()).collect();
        let topics = Self { admin, created };
        if let Err(error) = topics.admin.create_topics(&new) {
            // Some may have been made: without a `Topics` nobody else could remove them.
            if let Err(left) = topics.delete() {
                tracing::warn!(error = ?left, "topics of a run that did not start are left behind");
            }
            return Err(TopicsError::Cluster(error));
        }
        Ok(topics)
    }

    /// The topics that were made for this run.
    #[must_use]
    pub fn created(&self) -> &[String] {
        &self.created
    }

    /// Deletes the topics that were made for this run, and no others.
    ///
    /// # Errors
    /// If the cluster refuses or does not answer.
    pub fn delete(self) -> Result<(), TopicsError> {
        let names: Vec<&str> = self.created.iter().map(String::as_str).collect();
        self.admin
            .delete_topics(&names)
            .map_err(TopicsError::Cluster)
    }
}

/// The topics of a run on a cluster that outlives it: what was made for the run goes with this value,
/// however the run ends. On a broker of the run's own there is nothing to do.
pub struct Lent {
    topics: Option<Topics>,
}

impl Lent {
    /// Takes charge of the topics, unless the broker is the run's `own` and goes with them.
    #[must_use]
    pub fn new(topics: Topics, own: bool) -> Self {
        Self {
            topics: (!own).then_some(topics),
        }
    }

    /// Deletes those that were made for the run, now.
    ///
    /// # Errors
    /// If the cluster refuses or does not answer.
    pub fn delete(mut self) -> Result<(), TopicsError> {
        self.topics.take().map_or(Ok(()), Topics::delete)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.topics.take().map(Topics::delete) {
            tracing::warn!(?error, "topics that were made for the run are left behind");
        }
    }
}

fn new_topic(spec: &TopicSpec) -> NewTopic {
    // More partitions than a protocol's number can say are refused by the broker.
    let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
    NewTopic::new(&spec.name, partitions).config(TIMESTAMP_TYPE, spec.timestamps)
}

fn check_shape(
    admin: &Admin,
    spec: &TopicSpec,
    found: &TopicDescription,
    append: bool,
) -> Result<(), TopicsError> {
    let differs = |what, found: String, wanted: String| TopicsError::Shape {
        topic: spec.name.clone(),
        what,
        found,
        wanted,
    };
    if u32::try_from(found.partitions) != Ok(spec.partitions) {
        let (found, wanted) = (found.partitions.to_string(), spec.partitions.to_string());
        return Err(differs("a number of partitions of", found, wanted));
    }
    let configs = admin
        .topic_configs(&spec.name)
        .map_err(TopicsError::Cluster)?;
    let stamps = configs.get(TIMESTAMP_TYPE).map_or("", String::as_str);
    if stamps != spec.timestamps {
        return Err(differs(
            TIMESTAMP_TYPE,
            stamps.to_owned(),
            spec.timestamps.to_owned(),
        ));
    }
    if append {
        return Ok(());
    }
    let bounds = admin
        .watermarks(&[&spec.name])
        .map_err(TopicsError::Cluster)?;
    match bounds.iter().map(|bound| bound.high - bound.low).sum() {
        0 => Ok(()),
        records => Err(TopicsError::NotEmpty {
            topic: spec.name.clone(),
            records,
        }),
    }
}

/// Writes the labels to a topic, one JSON record each, keyed by their ids, and waits until they
/// are there.
///
/// # Errors
/// [`TopicsError::Labels`] with the first reason.
pub fn write_labels(
    client: &ClientSettings,
    topic: &str,
    labels: &[Label],
) -> Result<(), TopicsError> {
    let failed = |reason: String| TopicsError::Labels {
        topic: topic.to_owned(),
        reason,
    };
    let producer = Producer::new(client, &ProducerSettings::default())
        .map_err(|error| failed(error.to_string()))?;
    let handle = producer
        .topic(topic)
        .map_err(|error| failed(error.to_string()))?;
    let mut refused = None;
    let mut sink = |delivery: Delivery| {
        if let Outcome::Failed { code, .. } = delivery.outcome {
            refused.get_or_insert(code);
        }
    };
    for label in labels {
        let payload = serde_json::to_vec(label).map_err(|error| failed(error.to_string()))?;
        let record = Record::new(&handle, &payload).key(label.id.as_bytes());
        while let Err(error) = producer.send(&record, 0) {
            if error != SendError::QueueFull {
                return Err(failed(error.to_string()));
            }
            producer.poll(Duration::from_millis(10), &mut sink);
        }
    }
    producer
        .flush(TIMEOUT, &mut sink)
        .map_err(|error| failed(error.to_string()))?;
    refused.map_or(Ok(()), |code| Err(failed(code.to_string())))
}
