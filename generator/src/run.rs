//! A run of the generator: labels and enrichment data first, then the events on schedule, then figures.

mod pace;
mod series;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    job::GeneratorJob,
    problem::Problem,
    record::{EventSpan, GeneratorFacts, SeriesRow},
    stream::Stream,
};
use serde::Serialize;

use self::pace::{Outcome, Pacer, Shared};
use crate::{
    enrichment::enrichment,
    events::{closing_events, events},
    histogram::HistogramError,
    label::labels,
    plan::Plan,
    shape::SchemaIds,
    share::Share,
    sink::{self, Sink, SinkChoice, SinkError},
};

/// Time from the end of the preparations to the first due time: threads start meanwhile.
const LEAD_US: i64 = 100_000;
/// Time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Why a run of the generator failed.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The job's sections are not sound.
    #[error("the plan has {} problems, first {}", problems.len(), first_of(problems))]
    Plan {
        /// All of them.
        problems: Vec<Problem>,
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
    /// The sink cannot be used, or cannot go on.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A histogram cannot be made or written.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// A thread died.
    #[error("the thread that sends stream `{stream}` ended without a result")]
    Thread {
        /// Its stream.
        stream: Stream,
    },
}

impl GenerateError {
    /// True if a service that is needed did not answer.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Sink(error) if error.is_unreachable())
    }
}

fn first_of(problems: &[Problem]) -> String {
    problems
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// How far a run has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Time since the first due time; negative before it.
    pub elapsed: RunMicros,
    /// Time at which the last event arrives.
    pub duration: RunMicros,
    /// Events handed over, over all streams.
    pub sent: u64,
    /// Events acknowledged, over all streams.
    pub acknowledged: u64,
    /// Records of the whole run, as far as the plan tells: extra records are drawn.
    pub total: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at: RunMicros| at.0.max(0) as f64 / 1e6;
        write!(
            f,
            "{:.1} of {:.1} s, {} of {} events sent, {} acknowledged",
            seconds(self.elapsed),
            seconds(self.duration),
            self.sent,
            self.total,
            self.acknowledged
        )
    }
}

/// Generates what the job says into the sink. Before the first event, `labels.ndjson` and
/// `enrichment.ndjson` are written to the job's output directory; `generator-series.ndjson` grows by
/// the second, and `generator.json` holds the figures that are also given back.
///
/// Setting `stop` ends the run early; what was sent until then is in the figures.
///
/// # Errors
/// If the plan is not sound, a file cannot be written, or the sink cannot be used or cannot go on.
pub fn run(
    job: &GeneratorJob,
    choice: &SinkChoice,
    clock: &dyn Clock,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<GeneratorFacts, GenerateError> {
    let plan = Plan::resolve(&job.section).map_err(|problems| GenerateError::Plan { problems })?;
    let out = |name: &str| job.out.join(name);
    std::fs::create_dir_all(&job.out).map_err(|source| GenerateError::Write {
        path: job.out.clone(),
        source,
    })?;
    write_lines(&out("labels.ndjson"), labels(&plan))?;
    write_lines(&out("enrichment.ndjson"), enrichment(&plan))?;
    let schema_ids = match choice {
        SinkChoice::Kafka => sink::prepare(job, &plan)?,
        _ => BTreeMap::new(),
    };
    let mut sinks = Vec::new();
    for stream in plan.streams() {
        sinks.push((stream, sink::open(choice, job, &plan, stream)?));
    }
    let rows = RowFile::create(out("generator-series.ndjson"))?;
    let facts = Flood {
        job,
        plan: &plan,
        schema_ids: &schema_ids,
        clock,
        stop,
        rows: &rows,
    }
    .send(sinks, progress)?;
    let path = out("generator.json");
    let text = serde_json::to_vec_pretty(&facts).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&path, text))
        .map_err(|source| GenerateError::Write { path, source })?;
    Ok(facts)
}

/// All that the threads of a run need.
struct Flood<'a> {
    job: &'a GeneratorJob,
    plan: &'a Plan,
    schema_ids: &'a BTreeMap<Stream, SchemaIds>,
    clock: &'a dyn Clock,
    stop: &'a AtomicBool,
    rows: &'a RowFile,
}

impl Flood<'_> {
    /// One thread for each stream; this one reports progress.
    fn send(
        &self,
        sinks: Vec<(Stream, Box<dyn Sink>)>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<GeneratorFacts, GenerateError> {
        let started_at = WallTime(self.clock.now().0 + LEAD_US);
        let started_mono_us = self.clock.monotonic_us() + LEAD_US;
        let (sent, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0));
        let write_rows = |rows: &[SeriesRow]| self.rows.write(rows);
        let total = self
            .plan
            .streams()
            .map(|stream| self.plan.expected_records(stream))
            .sum();
        let threads = sinks.len();
        let (done, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for (stream, sink) in sinks {
                let done = done.clone();
                let shared = Shared {
                    clock: self.clock,
                    started_at,
                    started_mono_us,
                    stop: self.stop,
                    write_rows: &write_rows,
                    sent: &sent,
                    acknowledged: &acknowledged,
                };
                scope.spawn(move || {
                    let outcome = self.send_stream(stream, sink, shared);
                    if outcome.is_err() {
                        // The others need not go on: the run has failed.
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    // The receiver lives until all threads have sent.
                    let _ = done.send((stream, outcome));
                });
            }
            drop(done);
            let mut facts = GeneratorFacts {
                started_at,
                ..empty_facts()
            };
            let mut failed = None;
            let mut left = threads;
            while left > 0 {
                match results.recv_timeout(PROGRESS_EVERY) {
                    Ok((stream, Ok(outcome))) => {
                        left -= 1;
                        facts.interrupted |= outcome.interrupted;
                        facts.streams.insert(stream, outcome.facts);
                    }
                    Ok((_, Err(error))) => {
                        left -= 1;
                        failed.get_or_insert(error);
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => progress(Progress {
                        elapsed: RunMicros(self.clock.monotonic_us() - started_mono_us),
                        duration: self.plan.duration(),
                        sent: sent.load(Ordering::Relaxed),
                        acknowledged: acknowledged.load(Ordering::Relaxed),
                        total,
                    }),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            let elapsed = RunMicros(self.clock.monotonic_us() - started_mono_us);
            facts.scored = self.scored(facts.interrupted.then_some(elapsed));
            failed.map_or(Ok(facts), Err)
        })
    }

    /// Event time that can be scored, if a signal stopped the run at `stopped`.
    fn scored(&self, stopped: Option<RunMicros>) -> EventSpan {
        let end = self.plan.event_time_end();
        EventSpan {
            from: self.plan.warm_up_until(),
            until: stopped.map_or(end, |at| self.plan.timeline().event_time(at).min(end)),
        }
    }

    fn send_stream(
        &self,
        stream: Stream,
        sink: Box<dyn Sink>,
        shared: Shared<'_>,
    ) -> Result<Outcome, GenerateError> {
        let events =
            events(self.plan, stream, Share::WHOLE).ok_or(GenerateError::Thread { stream })?;
        let schema_ids = self.schema_ids.get(&stream).copied().unwrap_or_default();
        let closing = closing_events(self.plan, stream, schema_ids);
        let topic = self.job.topics.get(&stream).cloned();
        let topic = topic.or_else(|| self.plan.topic(stream).map(|(name, _)| name.to_owned()));
        let pacer = Pacer::new(stream, topic.unwrap_or_default(), sink, shared)?;
        pacer.run(events.with_schema_ids(schema_ids), &closing)
    }
}

fn empty_facts() -> GeneratorFacts {
    GeneratorFacts {
        started_at: WallTime(0),
        streams: Default::default(),
        interrupted: false,
        scored: EventSpan::default(),
    }
}

/// The rows per second, from all threads.
struct RowFile {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
}

impl RowFile {
    fn create(path: PathBuf) -> Result<Self, GenerateError> {
        match File::create(&path) {
            Ok(file) => Ok(Self {
                path,
                file: Mutex::new(BufWriter::new(file)),
            }),
            Err(source) => Err(GenerateError::Write { path, source }),
        }
    }

    /// Writes rows through to the file, so that whoever watches it sees them.
    fn write(&self, rows: &[SeriesRow]) -> Result<(), GenerateError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter()
            .try_for_each(|row| write_line(&mut *file, row))
            .and_then(|()| file.flush())
            .map_err(|source| GenerateError::Write {
                path: self.path.clone(),
                source,
            })
    }
}

fn write_lines<T: Serialize>(
    path: &Path,
    values: impl IntoIterator<Item = T>,
) -> Result<(), GenerateError> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        values
            .into_iter()
            .try_for_each(|value| write_line(&mut file, &value))?;
        file.flush()
    };
    write().map_err(|source| GenerateError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write_line<T: Serialize>(out: &mut impl Write, value: &T) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
