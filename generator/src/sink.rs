//! Where events go: a Kafka topic, a file, standard output, or nowhere.

mod containers;
mod kafka;
mod lines;
mod traced;
mod transactions;

use std::{path::PathBuf, str::FromStr, time::Duration};

use floodmark_contracts::{
    job::GeneratorJob, profile::shape::RawFormat, stream::Stream, trace::Tracer,
};
use floodmark_kafka::ErrorCode;

pub(crate) use self::kafka::{MOST_HEADERS, prepare};
use crate::{events::Event, plan::Plan};

/// Where events go, as users choose it: `kafka`, `null`, `stdout`, `stdout:keyed`, `file:DIR` or `avro:DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkChoice {
    /// The topics of a cluster.
    Kafka,
    /// Nowhere: everything is made and counted, nothing is sent.
    Null,
    /// Standard output: one value a line, Avro records as JSON.
    Stdout,
    /// The same with the key and a tab in front of each value, as `kcat -K` takes it.
    StdoutKeyed,
    /// A file of such lines for each stream, in a directory: `clickstream.ndjson` and so on.
    Files(PathBuf),
    /// An Avro object container file for each stream that is written in Avro, such as `banking.avro`, and a
    /// file of lines for each other one.
    Containers(PathBuf),
}

impl SinkChoice {
    /// True if events go to standard output.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout | Self::StdoutKeyed)
    }

    /// The choice for one of several workers: files get a folder for each.
    #[must_use]
    pub fn of_worker(&self, index: u32) -> Self {
        let folder = |path: &PathBuf| path.join(format!("worker-{index}"));
        match self {
            Self::Files(path) => Self::Files(folder(path)),
            Self::Containers(path) => Self::Containers(folder(path)),
            other => other.clone(),
        }
    }
}

impl std::fmt::Display for SinkChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kafka => f.write_str("kafka"),
            Self::Null => f.write_str("null"),
            Self::Stdout => f.write_str("stdout"),
            Self::StdoutKeyed => f.write_str("stdout:keyed"),
            Self::Files(path) => write!(f, "file:{}", path.display()),
            Self::Containers(path) => write!(f, "avro:{}", path.display()),
        }
    }
}

/// Why a text is no sink.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no sink; use `kafka`, `null`, `stdout`, `stdout:keyed`, `file:DIR` or `avro:DIR`"
)]
pub struct SinkChoiceError {
    /// The text.
    pub found: String,
}

impl FromStr for SinkChoice {
    type Err = SinkChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "kafka" => Ok(Self::Kafka),
            None if text == "null" => Ok(Self::Null),
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("stdout", "keyed")) => Ok(Self::StdoutKeyed),
            Some(("avro", directory)) if !directory.is_empty() => {
                Ok(Self::Containers(directory.into()))
            }
            Some(("file", directory)) if !directory.is_empty() => Ok(Self::Files(directory.into())),
            _ => Err(SinkChoiceError {
                found: text.to_owned(),
            }),
        }
    }
}

/// Why a sink cannot be used, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] floodmark_kafka::Error),
    /// The schema registry.
    #[error(transparent)]
    Registry(#[from] floodmark_kafka::registry::RegistryError),
    /// There is no schema registry.
    #[error(
        "stream `{stream}` is written in Avro and needs a schema registry; name one with `--registry`"
    )]
    NoRegistry {
        /// The stream.
        stream: Stream,
    },
    /// The job names no topic for a stream, or not as many as it has.
    #[error("the job does not name the {wanted} topics of stream `{stream}`; add them to `topics`")]
    NoTopic {
        /// The stream.
        stream: Stream,
        /// Number of its topics.
        wanted: usize,
    },
    /// The registry gives one schema several ids.
    #[error(
        "the registry gives the schema of topic `{topic}` another id than for the stream's other topics; use \
         one that knows a schema by its content, or one topic"
    )]
    SchemaIds {
        /// The topic.
        topic: String,
    },
    /// The topic is missing or has another number of partitions.
    #[error("topic `{topic}` has {found} partitions, the profile asks for {wanted}; create it so")]
    Partitions {
        /// The topic.
        topic: String,
        /// Partitions that it has; 0 if there is no such topic.
        found: i32,
        /// Partitions that the profile asks for.
        wanted: u32,
    },
    /// A record was refused for good.
    #[error("event in slot {slot} of stream `{stream}` was refused")]
    Refused {
        /// The stream.
        stream: Stream,
        /// The event's slot.
        slot: u64,
        /// Why.
        #[source]
        source: floodmark_kafka::SendError,
    },
    /// A file or standard output.
    #[error("cannot write `{path}`")]
    Write {
        /// The file, or `standard output`.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl SinkError {
    /// True if a service that is needed did not answer.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_unreachable(),
            Self::Registry(error) => error.is_unreachable(),
            _ => false,
        }
    }
}

/// What became of an event that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handover {
    /// It is where it should be.
    Stored,
    /// A report will follow.
    Taken,
    /// There is no room now; the event must be handed over again.
    Full,
    /// Something else has to happen first, when reports are taken; the event must be handed over again.
    Later,
}

/// What became of an event that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    /// The tag that was handed over with it.
    pub(crate) tag: u64,
    /// Why it was given up; none if it was stored.
    pub(crate) failure: Option<ErrorCode>,
}

/// A way out for one stream's events. The seam between pacing and whatever takes the load.
pub(crate) trait Sink: Send {
    /// Hands an event over, with the timestamp that its record is to bear and a tag for the report.
    fn send(&mut self, event: &Event, timestamp_ms: i64, tag: u64) -> Result<Handover, SinkError>;

    /// Takes the reports that are there.
    fn poll(&mut self, report: &mut dyn FnMut(Report));

    /// Sends all that waits, and takes reports for at most `limit`. True if none is outstanding.
    fn flush(&mut self, limit: Duration, report: &mut dyn FnMut(Report))
    -> Result<bool, SinkError>;

    /// Requests that had to be sent again so far.
    fn retries(&self) -> u64 {
        0
    }

    /// Times that a broker made the client wait so far, and for how many milliseconds in all.
    fn throttled(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Opens the sink of one stream. What goes to a cluster can be traced.
pub(crate) fn open(
    choice: &SinkChoice,
    job: &GeneratorJob,
    plan: &Plan,
    stream: Stream,
    tracer: Option<&Tracer>,
) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match choice {
        SinkChoice::Kafka => Box::new(kafka::KafkaSink::open(job, plan, stream, tracer)?),
        SinkChoice::Null => Box::new(NullSink),
        SinkChoice::Stdout => Box::new(lines::LineSink::stdout(plan, stream, false)?),
        SinkChoice::StdoutKeyed => Box::new(lines::LineSink::stdout(plan, stream, true)?),
        SinkChoice::Containers(directory) if plan.format(stream) == Some(RawFormat::Avro) => {
            Box::new(containers::ContainerSink::create(directory, plan, stream)?)
        }
        SinkChoice::Files(directory) | SinkChoice::Containers(directory) => {
            Box::new(lines::LineSink::create(directory, plan, stream)?)
        }
    })
}

/// Takes everything and does nothing: what is measured with it is the generator alone.
#[derive(Debug)]
struct NullSink;

impl Sink for NullSink {
    fn send(&mut self, event: &Event, _: i64, _: u64) -> Result<Handover, SinkError> {
        // Without this the compiler could leave out what makes the bytes.
        std::hint::black_box((&event.key, &event.value));
        Ok(Handover::Stored)
    }

    fn poll(&mut self, _: &mut dyn FnMut(Report)) {}

    fn flush(&mut self, _: Duration, _: &mut dyn FnMut(Report)) -> Result<bool, SinkError> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_are_read_by_their_names() {
        for (text, expected) in [
            ("kafka", Some(SinkChoice::Kafka)),
            ("null", Some(SinkChoice::Null)),
            ("stdout", Some(SinkChoice::Stdout)),
            ("file:out/a", Some(SinkChoice::Files("out/a".into()))),
            ("stdout:keyed", Some(SinkChoice::StdoutKeyed)),
            ("stdout:x", None),
            ("avro:out", Some(SinkChoice::Containers("out".into()))),
            ("avro:", None),
            ("file:", None),
            ("file", None),
            ("kafka:x", None),
            ("", None),
        ] {
            if let Some(choice) = &expected {
                assert_eq!(choice.to_string(), text);
            }
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
        let error = "tape".parse::<SinkChoice>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`tape` is no sink; use `kafka`, `null`, `stdout`, `stdout:keyed`, `file:DIR` or `avro:DIR`"
        );
    }
}
