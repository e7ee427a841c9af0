//! Connectors: each reads topics with a consumer group of its own, on its own thread, and writes what it reads
//! to a destination, idempotently.
//!
//! A destination that is slow or away slows nothing else: its connector tries again, with growing pauses, and
//! goes on where it was. What was read and is not yet written stays in the topic.

mod batched;
mod bigquery;
mod clicks;
mod files;
mod held;
mod postgres;
mod reader;
mod redis;
mod rows;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::{Scope, ScopedJoinHandle},
};

use floodmark_contracts::{
    clock::Clock, job::DetectorJob, row::Row, stream::Stream, subject::SinkFacts,
};
use floodmark_kafka::{ClientSettings, PartitionOffset, TopicPartition};

use crate::{settings::SinkKind, watch::Watch};
use batched::Batched;
use reader::Reader;

/// What a connector could not do. It tries again.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt}")]
pub(crate) struct SinkError {
    /// What was attempted, on what.
    attempt: String,
    /// Why not.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
    /// What was taken is of no use: the connector has to begin anew.
    start_over: bool,
}

impl SinkError {
    fn new(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            attempt: attempt.into(),
            source: source.into(),
            start_over: false,
        }
    }

    /// The error, after which the connector has to begin anew.
    fn start_over(mut self) -> Self {
        self.start_over = true;
        self
    }
}

/// A record for a destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    at: &'a TopicPartition,
    offset: i64,
    /// When the broker or the producer says that it was written, milliseconds.
    written_ms: Option<i64>,
    key: Option<&'a [u8]>,
    value: &'a [u8],
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It will be written.
    Kept,
    /// The destination is not asked to hold it.
    Passed,
    /// It is no event or row.
    Invalid,
    /// It is behind the watermark.
    Late,
}

/// Which of what was taken is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// What has waited long enough, or is enough, at this time (microseconds).
    Due(i64),
    /// Everything.
    All,
}

/// Takes a value as the connectors to files do: what they would write is theirs to read again.
#[cfg(fuzzing)]
pub(crate) fn take_value(value: &[u8]) {
    use floodmark_contracts::{clock::EventTime, row::RowKind};
    let contents: [Box<dyn files::Content>; 2] = [
        Box::new(clicks::Clicks::new(300_000, 600_000)),
        Box::new(rows::Rows::new(&RowKind::ALL)),
    ];
    for mut content in contents {
        let (mut newest, mut out) = (EventTime(i64::MIN), Vec::new());
        if content.take(value, &mut newest, &mut out) == Taken::Kept {
            let line = out.strip_suffix(b"\n").unwrap_or_default();
            assert!(!line.contains(&b'\n'), "more than one line");
            let read = serde_json::from_slice::<serde_json::Value>(line);
            assert!(read.is_ok_and(|read| read.is_object()), "no object");
        }
    }
}

/// What stands in the destination now.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Up to where, for each partition of which something was written.
    offsets: Vec<PartitionOffset>,
    /// Number of records.
    records: u64,
}

/// Where a connector writes to.
pub(crate) trait Destination: Send {
    /// Takes a partition on for which the group has committed this offset. Gives the offset to go on at, if there
    /// is one.
    fn take_on(
        &mut self,
        partition: &TopicPartition,
        committed: Option<i64>,
    ) -> Result<Option<i64>, SinkError>;

    /// Drops what was taken from a partition and is not written: another member has it now.
    fn give_up(&mut self, partition: &TopicPartition);

    /// Takes a record, to be written later.
    fn take(&mut self, record: &Record<'_>, now_us: i64) -> Taken;

    /// Writes. After an error it is called again, and what was written by then is not written twice.
    fn write(&mut self, which: Which) -> Result<Written, SinkError>;
}

/// What a connector has done, for whoever looks at it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    read: AtomicU64,
    written: AtomicU64,
    invalid: AtomicU64,
    late: AtomicU64,
    failures: AtomicU64,
}

impl Tally {
    fn facts(&self) -> SinkFacts {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SinkFacts {
            read: value(&self.read),
            written: value(&self.written),
            invalid: value(&self.invalid),
            late: value(&self.late),
            failures: value(&self.failures),
        }
    }
}

/// When connectors end. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Write what is there, then end.
    drain: AtomicBool,
    /// End now.
    now: AtomicBool,
}

/// Ends connectors when it goes out of scope, whatever happened.
pub(crate) struct EndsWithScope<'a>(pub(crate) &'a Ending);

impl Drop for EndsWithScope<'_> {
    fn drop(&mut self) {
        self.0.now.store(true, Ordering::Relaxed);
    }
}

/// The connectors of a process.
pub(crate) struct Connectors<'scope> {
    threads: Vec<(String, ScopedJoinHandle<'scope, SinkFacts>)>,
}

impl<'scope> Connectors<'scope> {
    /// Starts a thread for each sink.
    pub(crate) fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        sinks: &BTreeMap<String, SinkKind>,
        client: &'env ClientSettings,
        job: &'env DetectorJob,
        (watch, clock): (&'env Watch, &'env dyn Clock),
        ending: &'env Ending,
    ) -> Self {
        let threads = sinks
            .iter()
            .map(|(name, kind)| {
                let topics = topics(kind, job);
                watch.sink(name, |of| {
                    (of.does, of.place) = described(kind);
                    of.inputs.clone_from(&topics);
                });
                let reader = Reader {
                    name: name.clone(),
                    group: format!("{}-{name}", job.group),
                    topics,
                    client,
                    watch,
                    clock,
                    ending,
                    tally: Tally::default(),
                };
                let (name, kind) = (name.clone(), kind.clone());
                let thread = scope.spawn(move || reader.run(&|| destination(&kind)));
                (name, thread)
            })
            .collect();
        Self { threads }
    }

    /// Waits until everything that is in the topics now is written, for a while, and ends the connectors.
    pub(crate) fn drain(self, ending: &Ending) -> BTreeMap<String, SinkFacts> {
        ending.drain.store(true, Ordering::Relaxed);
        let mut facts = BTreeMap::new();
        for (name, thread) in self.threads {
            match thread.join() {
                Ok(found) => {
                    facts.insert(name, found);
                }
                Err(_) => tracing::error!(sink = name, "a connector has panicked"),
            }
        }
        facts
    }
}

fn topics(kind: &SinkKind, job: &DetectorJob) -> Vec<String> {
    match kind {
        SinkKind::ClickFiles(_) => job
            .inputs
            .get(&Stream::Clickstream)
            .cloned()
            .unwrap_or_default(),
        SinkKind::RowFiles(_) | SinkKind::Redis(_) | SinkKind::BigQuery(_) => {
            vec![Row::topic_of(&job.group)]
        }
        SinkKind::Postgres(_) => job.inputs.values().flatten().cloned().collect(),
    }
}

/// What a sink writes, and where to.
fn described(kind: &SinkKind) -> (String, String) {
    let (does, place) = match kind {
        SinkKind::ClickFiles(of) => ("click events in files", of.place.to_string()),
        SinkKind::RowFiles(of) => ("rows in files", of.place.to_string()),
        SinkKind::Redis(of) => ("page counts in Redis", of.address.url.clone()),
        SinkKind::Postgres(of) => {
            let place = format!("{}, table {}", of.url, of.table);
            ("records in PostgreSQL", place)
        }
        SinkKind::BigQuery(of) => {
            let place = format!("{}.{}.{}", of.project, of.dataset, of.table);
            ("rows in BigQuery", place)
        }
    };
    (does.to_owned(), place)
}

/// Opens a destination.
fn destination(kind: &SinkKind) -> Result<Box<dyn Destination>, SinkError> {
    Ok(match kind {
        SinkKind::ClickFiles(section) => {
            let content = clicks::Clicks::new(section.window_ms, section.bound_ms);
            Box::new(files::Files::open(&section.place, section.roll, content)?)
        }
        SinkKind::RowFiles(section) => {
            let content = rows::Rows::new(&section.kinds);
            Box::new(files::Files::open(&section.place, section.roll, content)?)
        }
        SinkKind::Redis(settings) => Box::new(Batched::new(redis::PageCounts(settings.clone()))),
        SinkKind::Postgres(settings) => Box::new(Batched::new(postgres::Table(settings.clone()))),
        SinkKind::BigQuery(settings) => Box::new(Batched::new(bigquery::Table(settings.clone()))),
    })
}
