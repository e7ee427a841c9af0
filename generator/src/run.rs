//! A run of the generator: labels and enrichment data first, then the events on schedule, then figures.

mod board;
mod flood;
mod live;
mod merge;
mod pace;
mod series;
mod speed;
mod start;
mod tally;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros},
    histogram::HistogramError,
    job::GeneratorJob,
    problem::Problem,
    record::GeneratorFacts,
    stream::Stream,
    trace::Tracer,
};
use serde::Serialize;

use self::{
    board::Board,
    flood::{Flood, OpenSink},
    live::Live,
    pace::Counters,
};
pub use self::{
    merge::merge,
    speed::{Measured, speed},
};
use crate::{
    enrichment::enrichment,
    label::labels,
    plan::Plan,
    sink::{self, SinkChoice, SinkError},
};

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
    /// A histogram cannot be made, read or written.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// A digest of another worker's figures is none.
    #[error("`{found}` is no digest of events; use the figures of a worker of the same version")]
    Digest {
        /// The text.
        found: String,
    },
    /// The workers do not fit the plan.
    #[error("worker {index} of {of} does not exist; count from 0")]
    NoSuchWorker {
        /// Which worker.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// There are more workers than partitions.
    #[error(
        "{workers} workers share whole partitions, and no stream has more than {partitions}; use fewer, or \
         raise `partitions`"
    )]
    TooManyWorkers {
        /// Workers, each with its threads.
        workers: u32,
        /// The most partitions of any stream.
        partitions: u32,
    },
    /// The sink takes one thread for each stream.
    #[error(
        "files and standard output are written by one thread for each stream, not {threads}; leave \
             `--threads` out, or use more workers with `file:DIR`"
    )]
    OneThreadOnly {
        /// Threads asked for.
        threads: u32,
    },
    /// The plan ran out of events before its speed was measured.
    #[error(
        "the plan was sent in less than the {wanted_ms} ms that are measured; use a longer `duration`"
    )]
    TooShort {
        /// Time that was to be measured.
        wanted_ms: i64,
    },
    /// The start lies in the past.
    #[error(
        "the start was {late_ms} ms ago when everything was ready; name one that is further ahead"
    )]
    StartPassed {
        /// How long ago.
        late_ms: i64,
    },
    /// The file that should hold the start holds something else.
    #[error("`{}` holds `{found}`, not a start in microseconds", path.display())]
    BadStart {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
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

    /// True if what was asked for does not fit together.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NoSuchWorker { .. }
                | Self::TooManyWorkers { .. }
                | Self::OneThreadOnly { .. }
                | Self::StartPassed { .. }
        )
    }
}

fn first_of(problems: &[Problem]) -> String {
    problems
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// How far a run has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Time since the first due time; negative before it.
    pub elapsed: RunMicros,
    /// Time at which the last event arrives.
    pub duration: RunMicros,
    /// Events handed over, over all streams.
    pub sent: u64,
    /// Events acknowledged, over all streams.
    pub acknowledged: u64,
    /// Events that the client gave up on.
    pub failed: u64,
    /// Times that the client's queue was full.
    pub queue_full: u64,
    /// The latest hand-over since the last report, in microseconds.
    pub lateness_max_us: i64,
    /// Records of the whole run over all workers, as far as the plan tells: extra records are drawn.
    pub total: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at: RunMicros| at.0.max(0) as f64 / 1e6;
        write!(
            f,
            "{:.1} of {:.1} s, {} of {} events sent, {} acknowledged, {} failed",
            seconds(self.elapsed),
            seconds(self.duration),
            self.sent,
            self.total,
            self.acknowledged,
            self.failed,
        )
    }
}

/// Generates what the job says into the sink. Before the first event, `labels.ndjson` and
/// `enrichment.ndjson` are written to the job's output directory, by the first worker alone;
/// `generator-series.ndjson` grows by the second, and `generator.json` holds the figures that are also
/// given back.
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
    run_traced(job, choice, None, clock, stop, progress)
}

/// As [`run`], with traces of those records that the tracer picks.
///
/// # Errors
/// As [`run`].
pub fn run_traced(
    job: &GeneratorJob,
    choice: &SinkChoice,
    tracer: Option<&Tracer>,
    clock: &dyn Clock,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<GeneratorFacts, GenerateError> {
    let plan = Plan::resolve(&job.section).map_err(|problems| GenerateError::Plan { problems })?;
    check_workers(job, &plan)?;
    check_threads(job, choice)?;
    let out = |name: &str| job.out.join(name);
    std::fs::create_dir_all(&job.out).map_err(|source| GenerateError::Write {
        path: job.out.clone(),
        source,
    })?;
    if job.worker.index == 0 {
        write_lines(&out("labels.ndjson"), labels(&plan))?;
        write_lines(&out("enrichment.ndjson"), enrichment(&plan))?;
    }
    let schema_ids = match choice {
        SinkChoice::Kafka => sink::prepare(job, &plan)?,
        _ => BTreeMap::new(),
    };
    let sinks = open_sinks(job, &plan, choice, tracer)?;
    let threads = || {
        let threads = job.threads.max(1) as usize;
        plan.streams().map(move |stream| (stream, threads))
    };
    let board = Board::create(out("generator-series.ndjson"), threads())?;
    let live = Live::of(job, &plan, threads());
    let facts = Flood {
        job,
        plan: &plan,
        schema_ids: &schema_ids,
        clock,
        stop,
        board: &board,
        live: live.as_ref(),
    }
    .send(sinks, PROGRESS_EVERY, &mut |elapsed, counters| {
        progress(progress_of(&plan, elapsed, counters));
    })?;
    let path = out("generator.json");
    let text = serde_json::to_vec_pretty(&facts).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&path, text))
        .map_err(|source| GenerateError::Write { path, source })?;
    Ok(facts)
}

/// A sink for each thread of each stream.
fn open_sinks(
    job: &GeneratorJob,
    plan: &Plan,
    choice: &SinkChoice,
    tracer: Option<&Tracer>,
) -> Result<Vec<OpenSink>, GenerateError> {
    let mut sinks = Vec::new();
    for stream in plan.streams() {
        for thread in 0..job.threads.max(1) as usize {
            let sink = sink::open(choice, job, plan, stream, tracer)?;
            sinks.push((stream, thread, sink));
        }
    }
    Ok(sinks)
}

/// How far the run has got, over all streams.
fn progress_of(plan: &Plan, elapsed: RunMicros, counters: &BTreeMap<Stream, Counters>) -> Progress {
    let mut progress = Progress {
        elapsed,
        duration: plan.duration(),
        total: plan
            .streams()
            .map(|stream| plan.expected_records(stream))
            .sum(),
        ..Progress::default()
    };
    for counters in counters.values() {
        progress.sent += counters.sent.load(Ordering::Relaxed);
        progress.acknowledged += counters.acknowledged.load(Ordering::Relaxed);
        progress.failed += counters.failed.load(Ordering::Relaxed);
        progress.queue_full += counters.queue_full.load(Ordering::Relaxed);
        let late_us = counters.lateness_max_us.swap(0, Ordering::Relaxed);
        progress.lateness_max_us = progress.lateness_max_us.max(late_us);
    }
    progress
}

/// Workers own whole partitions, so more of them than any stream has would be idle.
fn check_workers(job: &GeneratorJob, plan: &Plan) -> Result<(), GenerateError> {
    let (index, of) = (job.worker.index, job.worker.of);
    if index >= of {
        return Err(GenerateError::NoSuchWorker { index, of });
    }
    let workers = of.saturating_mul(job.threads.max(1));
    let lanes = plan.streams().map(|stream| plan.lanes(stream));
    let partitions = lanes.max().unwrap_or(1);
    if workers > partitions {
        return Err(GenerateError::TooManyWorkers {
            workers,
            partitions,
        });
    }
    Ok(())
}

/// Lines of several threads would run into one another.
fn check_threads(job: &GeneratorJob, choice: &SinkChoice) -> Result<(), GenerateError> {
    match choice {
        SinkChoice::Kafka | SinkChoice::Null => Ok(()),
        _ if job.threads > 1 => Err(GenerateError::OneThreadOnly {
            threads: job.threads,
        }),
        _ => Ok(()),
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
