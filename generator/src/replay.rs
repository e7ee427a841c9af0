//! Replay: what was recorded elsewhere, sent again at another pace, with its labels.
//!
//! A [`Recording`] is a set of lanes, each with its records in the order in which they were found: a series
//! of a benchmark, a partition of a topic, a file. Nothing is sorted, joined or dropped within a lane, so
//! duplicates and rows out of order survive. A [`Pace`] gives each record a due time; the rest is as in a
//! run of the generator: labels first, then the records on schedule, then figures that `score` reads.

mod lines;
mod live;
mod pace;
mod send;
mod series;
mod topic;
mod truth;

use std::path::PathBuf;

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    histogram::HistogramError,
    key::TypedKey,
    kind::Kind,
    label::Label,
    record::EventSpan,
    stream::Stream,
};

pub use self::{
    lines::{LineSource, read_lines},
    pace::{Pace, PaceError},
    send::{ReplayJob, ReplayProgress, ReplaySink, replay},
    series::{CsvSource, SeriesOptions, read_csv, read_nab},
    topic::{TopicSource, read_topic},
};

/// Event time behind the last record in which alerts still count: longer than any kind's tolerance.
const ROOM_MS: i64 = 10 * 60_000;

/// Milliseconds since 1970 that a record can be of: the years 1 to 9999. What is beyond them is no time, and sums of such
/// numbers are none either.
const TIMES_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// A time in milliseconds since 1970, if it can be one.
///
/// # Errors
/// What was found and what would do.
pub(crate) fn sound_time(ms: i64) -> Result<i64, String> {
    if TIMES_MS.contains(&ms) {
        return Ok(ms);
    }
    Err(format!(
        "`{ms}` milliseconds since 1970 are no time; write one of the years 1 to 9999"
    ))
}

/// A record to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it was, on the recording's clock: milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its key; empty if it has none.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The partition in which it was, where it was in one.
    pub partition: Option<i32>,
}

/// Which clock a recording's times are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedClock {
    /// Event time: each lane begins with the replay.
    Event,
    /// Wall time: the earliest record of all lanes begins the replay.
    Wall,
}

/// What is to be replayed.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The stream that its events belong to.
    pub stream: Stream,
    /// What its times mean.
    pub clock: RecordedClock,
    /// Records by lane, each in the order in which they are to come.
    pub lanes: Vec<Vec<Recorded>>,
    /// Labels to lay over them.
    pub(crate) truth: Vec<Truth>,
    /// First and last event time, where the records tell.
    pub(crate) span: Option<(EventTime, EventTime)>,
    /// Event time that can be scored, where the recorded run said so.
    pub(crate) scored: Option<EventSpan>,
}

/// A series by its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesTruth {
    /// Its name, which is also its sensor's.
    pub name: String,
    /// The rows' times, in the order of the file.
    pub times: Vec<EventTime>,
    /// Labelled windows as first and last row.
    pub windows: Vec<[usize; 2]>,
}

/// A labelled stretch before its send times are known.
#[derive(Debug, Clone)]
pub(crate) enum Truth {
    /// A stretch of rows of a lane, by their indices, both inclusive; the rows' ids in between.
    Rows {
        id: String,
        kind: Kind,
        key: TypedKey,
        lane: usize,
        rows: Vec<usize>,
        ids: Vec<String>,
        span: (EventTime, EventTime),
    },
    /// A label of the run that was recorded.
    Kept(Box<Label>),
}

impl Recording {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.iter().map(Vec::len).sum()
    }

    /// True if there is nothing to replay.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of labels.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.truth.len()
    }

    /// The rows and windows of each lane of a series: what a score by rows needs.
    #[must_use]
    pub fn series(&self) -> Vec<SeriesTruth> {
        let mut all: Vec<SeriesTruth> = self
            .lanes
            .iter()
            .map(|records| SeriesTruth {
                name: records.first().map_or_else(String::new, |record| {
                    String::from_utf8_lossy(&record.key).into_owned()
                }),
                times: records
                    .iter()
                    .map(|record| EventTime(record.at_ms))
                    .collect(),
                windows: Vec::new(),
            })
            .collect();
        for truth in &self.truth {
            // A window without a row is no window of the series.
            if let Truth::Rows { lane, rows, .. } = truth
                && let (Some(first), Some(last)) = (rows.iter().min(), rows.iter().max())
                && let Some(series) = all.get_mut(*lane)
            {
                series.windows.push([*first, *last]);
            }
        }
        all
    }

    /// How far a record's time lies behind that of one before it in its lane, at most, in milliseconds: with
    /// so much disorder to expect, no record is late.
    #[must_use]
    pub fn disorder_ms(&self) -> i64 {
        let of = |records: &Vec<Recorded>| {
            let mut latest = i64::MIN;
            let behind = records.iter().map(|record| {
                latest = latest.max(record.at_ms);
                latest - record.at_ms
            });
            behind.max().unwrap_or(0)
        };
        self.lanes.iter().map(of).max().unwrap_or(0)
    }

    /// Lays the labels of the recorded run over the records.
    #[must_use]
    pub fn with_labels(mut self, labels: Vec<Label>) -> Self {
        let kept = labels.into_iter().map(|label| Truth::Kept(Box::new(label)));
        self.truth.extend(kept);
        self
    }

    /// Takes over from the recorded run which part of event time can be scored.
    #[must_use]
    pub fn with_scored(mut self, scored: EventSpan) -> Self {
        self.scored = Some(scored);
        self
    }

    /// Event time that can be scored: all of it, with room behind the last record for the alerts about it,
    /// where nothing else is known.
    #[must_use]
    pub fn scored(&self) -> EventSpan {
        self.scored.unwrap_or_else(|| {
            let everything = (EventTime(i64::MIN), EventTime(i64::MAX - ROOM_MS - 1));
            let (first, last) = self.span.unwrap_or(everything);
            EventSpan {
                from: first,
                until: last.plus_ms(ROOM_MS + 1),
            }
        })
    }

    /// The labels as they are at a pace: their send times are those of the replay.
    #[must_use]
    pub fn labels(&self, pace: Pace) -> Vec<Label> {
        truth::labels(self, &pace.schedule(self))
    }
}

/// A record's place in a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When it is to be sent, from the start of the replay.
    pub at: RunMicros,
    /// Its lane.
    pub lane: usize,
    /// Its place in the lane.
    pub row: usize,
}

/// Why something cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line of a file is not what it should be.
    #[error("line {line} of `{}`: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What was found and what would do.
        reason: String,
    },
    /// A file or folder is not what it should be.
    #[error("`{}`: {reason}", path.display())]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// What was found and what would do.
        reason: String,
    },
    /// There is nothing to send.
    #[error("`{source_name}` holds no record to replay")]
    Empty {
        /// The source.
        source_name: String,
    },
    /// More than may be held in memory.
    #[error(
        "`{source_name}` holds more than the {limit_mib} MiB that a replay may keep in memory; raise `--memory`, or \
         replay a part of it"
    )]
    TooLarge {
        /// The source.
        source_name: String,
        /// The limit.
        limit_mib: usize,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] floodmark_kafka::Error),
    /// The topic does not exist.
    #[error("topic `{topic}` does not exist; create it, or let `--partitions N` do so")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// A record was refused for good.
    #[error("record {number} was refused")]
    Refused {
        /// Its number in the replay, from 0.
        number: usize,
        /// Why.
        #[source]
        source: floodmark_kafka::SendError,
    },
    /// A histogram cannot be made or written.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

impl ReplayError {
    /// True if the cluster did not answer.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_unreachable())
    }

    /// True if what was named cannot be replayed, whatever the machine does.
    #[must_use]
    pub fn is_about_the_source(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Line { .. }
                | Self::Layout { .. }
                | Self::Empty { .. }
                | Self::TooLarge { .. }
                | Self::NoTopic { .. }
        )
    }
}

/// Counts the bytes that records take, up to a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    source_name: String,
    limit_mib: usize,
    left: usize,
}

impl Budget {
    pub(crate) fn new(source_name: &str, limit_mib: usize) -> Self {
        Self {
            source_name: source_name.to_owned(),
            limit_mib,
            left: limit_mib << 20,
        }
    }

    /// Takes a record's bytes from what is left.
    pub(crate) fn take(&mut self, record: &Recorded) -> Result<(), ReplayError> {
        let headers: usize = record
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + 48)
            .sum();
        let bytes = size_of::<Recorded>() + record.key.len() + record.value.len() + headers;
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ReplayError::TooLarge {
                source_name: self.source_name.clone(),
                limit_mib: self.limit_mib,
            }),
        }
    }
}
