//! A generator of several processes on this machine: started together, watched, and put together again.
//!
//! Each worker sends the events of whole partitions, so every partition's log is the same however many
//! workers there are. All begin at one instant, which is named once all of them are ready.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    job::{GeneratorJob, Start, StartFiles, WorkerShare},
    record::{GeneratorFacts, ProcessFacts, SeriesRow},
};
use floodmark_generator::{
    GenerateError, Plan, Progress, SinkChoice, merge, metrics::MetricsServer,
};

use crate::{
    child::{Child, ChildError, SHOWN_LINES},
    resources::{Roster, Target},
    run::{FileError, files, read_series},
};

/// How long workers may take to be ready: those with many entities work for a while.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Time from the last worker's word to the first due time: all of them see the start before it.
const LEAD_US: i64 = 200_000;
/// How long a worker may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// Why several workers did not make a run.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// A worker ended early.
    #[error("the run was ended")]
    Child(#[source] ChildError),
    /// A worker failed.
    #[error("{role} ended with {status}; its last lines:\n{lines}")]
    Failed {
        /// Which one.
        role: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of its log.
        lines: String,
    },
    /// The workers took too long.
    #[error("{ready} of {of} workers were ready after {waited_s} s; use fewer workers or entities")]
    NotReady {
        /// Those that were.
        ready: usize,
        /// All.
        of: usize,
        /// Seconds waited.
        waited_s: u64,
    },
    /// A file of the run.
    #[error(transparent)]
    File(#[from] FileError),
    /// The figures of the workers do not fit together.
    #[error("cannot put the workers' figures together")]
    Figures(#[source] GenerateError),
    /// A worker left no figures.
    #[error("no worker left any figures")]
    NoFigures,
    /// Whoever watches the run has given it up.
    #[error("the workers were ended because the run was given up")]
    GivenUp,
}

/// What the workers have to do.
pub struct Request<'a> {
    /// floodmark's own program.
    pub exe: &'a Path,
    /// What one worker would do.
    pub job: &'a GeneratorJob,
    /// Its plan.
    pub plan: &'a Plan,
    /// Where the events go. Files get a folder for each worker.
    pub sink: &'a SinkChoice,
    /// Number of workers.
    pub count: u32,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Whether the run is to be cut short, by a signal or otherwise.
    pub stop: &'a dyn Fn() -> bool,
    /// Folder in which the workers' logs are kept; without one they go with the run.
    pub logs: Option<&'a Path>,
    /// Where the sum of all workers is shown while they run.
    pub metrics: Option<&'a MetricsServer>,
    /// Who is told of the processes, to look at what they use.
    pub roster: Option<&'a Roster>,
    /// While it is set, the workers are stopped where they are.
    pub paused: Option<&'a AtomicBool>,
}

/// Runs the workers and leaves in the job's folder what one would have left: labels, enrichment data,
/// rows and figures. Gives the figures back with the resources of all workers together. Call it on a thread
/// that outlives them. `progress` is told how far they have got and may give the run up.
///
/// # Errors
/// [`WorkersError`]. A run that a signal cuts short is none: its figures say so.
pub fn generate(
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<(GeneratorFacts, ProcessFacts), WorkersError> {
    let work = files::work_dir()?;
    files::make_dir(&request.job.out)?;
    let mut workers = Vec::new();
    for index in 0..request.count {
        workers.push(Worker::start(request, index, work.path())?);
    }
    let started_at = start_together(request, &mut workers, &go_file(work.path()))?;
    if let Some(started_at) = started_at {
        watch(request, &mut workers, started_at, progress)?;
    } else {
        for worker in &mut workers {
            worker.child.terminate(GRACE, request.clock);
        }
    }
    Ok((gather(request, &workers)?, resources(&workers)))
}

/// What the workers have used, as if they were one process.
fn resources(workers: &[Worker]) -> ProcessFacts {
    let mut sum = ProcessFacts {
        role: "generator".to_owned(),
        ..ProcessFacts::default()
    };
    for used in workers.iter().map(|worker| worker.child.resources()) {
        sum.cpu_seconds += used.cpu_seconds;
        sum.peak_rss_bytes += used.peak_rss_bytes;
    }
    sum
}

/// One worker's process and its files.
struct Worker {
    role: String,
    child: Child,
    dir: PathBuf,
    ready: PathBuf,
    /// How much of its rows has been read.
    read: u64,
    done: Totals,
}

fn go_file(work: &Path) -> PathBuf {
    work.join("go")
}

impl Worker {
    fn start(request: &Request<'_>, index: u32, work: &Path) -> Result<Self, WorkersError> {
        let role = format!("worker {index}");
        let dir = work.join(index.to_string());
        files::make_dir(&dir)?;
        let ready = dir.join("ready");
        let counts = request.metrics.map(|metrics| {
            let file = dir.join("counts.json");
            metrics.add(file.clone());
            file
        });
        let job = GeneratorJob {
            out: dir.clone(),
            worker: WorkerShare {
                index,
                of: request.count,
            },
            start: Start::Told(StartFiles {
                ready: ready.clone(),
                go: go_file(work),
            }),
            counts,
            skews: if index == 0 {
                request.job.skews.clone()
            } else {
                Vec::new()
            },
            ..request.job.clone()
        };
        let job_file = dir.join("job.json");
        files::write_private(&job_file, &job)?;
        let mut command = Command::new(request.exe);
        command
            .args(["generate", "--sink"])
            .arg(request.sink.of_worker(index).to_string());
        command.arg("--job").arg(&job_file);
        let log = match request.logs {
            Some(logs) => logs.join(format!("generator-{index}.log")),
            None => dir.join("log"),
        };
        let child = Child::spawn(&role, &mut command, &log).map_err(WorkersError::Child)?;
        if let Some(roster) = request.roster {
            roster.watch("generator", Target::Tree(child.id()));
        }
        Ok(Self {
            role,
            child,
            dir,
            ready,
            read: 0,
            done: Totals::default(),
        })
    }

    fn rows_file(&self) -> PathBuf {
        self.dir.join("generator-series.ndjson")
    }

    /// Reads the rows that have come since the last time. A row that is only half there is left.
    fn read_on(&mut self) -> Option<()> {
        let mut file = File::open(self.rows_file()).ok()?;
        file.seek(SeekFrom::Start(self.read)).ok()?;
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        loop {
            line.clear();
            let length = lines.read_line(&mut line).ok()?;
            if !line.ends_with('\n') {
                return Some(());
            }
            self.read += length as u64;
            if let Ok(row) = serde_json::from_str(&line) {
                self.done.add(&row);
            }
        }
    }
}

/// What a worker has done so far.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    sent: f64,
    acknowledged: f64,
    failed: f64,
    queue_full: f64,
    last_second: i64,
    lateness_max_us: f64,
}

impl Totals {
    fn add(&mut self, row: &SeriesRow) {
        match row.metric.as_str() {
            "sent" => self.sent += row.value,
            "acknowledged" => self.acknowledged += row.value,
            "failed" => self.failed += row.value,
            "queue_full" => self.queue_full += row.value,
            "send_lateness_max_us" if row.t == self.last_second => {
                self.lateness_max_us = self.lateness_max_us.max(row.value);
            }
            "send_lateness_max_us" => self.lateness_max_us = row.value,
            _ => {}
        }
        self.last_second = self.last_second.max(row.t);
    }
}

/// Waits until all workers are ready and tells them when to start; none if the run was stopped before.
fn start_together(
    request: &Request<'_>,
    workers: &mut [Worker],
    go: &Path,
) -> Result<Option<WallTime>, WorkersError> {
    let clock = request.clock;
    let begun = clock.monotonic_us();
    loop {
        if (request.stop)() {
            return Ok(None);
        }
        for worker in &mut *workers {
            worker.child.check().map_err(WorkersError::Child)?;
        }
        let ready = workers
            .iter()
            .filter(|worker| worker.ready.exists())
            .count();
        if ready == workers.len() {
            break;
        }
        if clock.monotonic_us() - begun > files::micros(READY_LIMIT) {
            return Err(WorkersError::NotReady {
                ready,
                of: workers.len(),
                waited_s: READY_LIMIT.as_secs(),
            });
        }
        clock.sleep(Duration::from_millis(5));
    }
    let start = WallTime(clock.now().0 + LEAD_US);
    // Written whole and then named, so that no worker reads half a number.
    let half = go.with_extension("half");
    files::write_text(&half, &start.0.to_string())?;
    files::rename(&half, go)?;
    Ok(Some(start))
}

/// Follows the workers to their end.
fn watch(
    request: &Request<'_>,
    workers: &mut [Worker],
    started_at: WallTime,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), WorkersError> {
    let total = request
        .plan
        .streams()
        .map(|stream| request.plan.expected_records(stream))
        .sum();
    let mut asked_at = None;
    loop {
        let now = request.clock.monotonic_us();
        if asked_at.is_none() && (request.stop)() {
            // All at once: while one is waited for, the others would go on.
            workers
                .iter_mut()
                .for_each(|worker| worker.child.ask_to_end());
            asked_at = Some(now);
        }
        let is_overdue = asked_at.is_some_and(|at| now - at > files::micros(GRACE));
        let mut running = 0;
        let paused = request
            .paused
            .filter(|_| asked_at.is_none())
            .is_some_and(|paused| paused.load(Ordering::Relaxed));
        for worker in &mut *workers {
            if paused {
                worker.child.pause();
            } else {
                worker.child.go_on();
            }
            let status = if is_overdue {
                worker.child.terminate(Duration::ZERO, request.clock)
            } else {
                worker.child.poll()
            };
            match status {
                None => running += 1,
                Some(status) if !status.success() && asked_at.is_none() => {
                    return Err(WorkersError::Failed {
                        role: worker.role.clone(),
                        status,
                        lines: worker.child.last_lines(SHOWN_LINES),
                    });
                }
                Some(_) => {}
            }
            worker.read_on();
        }
        if running == 0 {
            return Ok(());
        }
        if progress(progress_of(request, workers, started_at, total)).is_break() {
            return Err(WorkersError::GivenUp);
        }
        request.clock.sleep(Duration::from_millis(50));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of events"
)]
fn progress_of(
    request: &Request<'_>,
    workers: &[Worker],
    started_at: WallTime,
    total: u64,
) -> Progress {
    let sum = |of: fn(&Totals) -> f64| workers.iter().map(|w| of(&w.done)).sum::<f64>() as u64;
    let late = workers.iter().map(|worker| worker.done.lateness_max_us);
    Progress {
        elapsed: RunMicros(request.clock.now().0 - started_at.0),
        duration: request.plan.duration(),
        sent: sum(|totals| totals.sent),
        acknowledged: sum(|totals| totals.acknowledged),
        failed: sum(|totals| totals.failed),
        queue_full: sum(|totals| totals.queue_full),
        lateness_max_us: late.fold(0.0, f64::max) as i64,
        total,
    }
}

/// Puts together what the workers left, and leaves it where one worker would have.
fn gather(request: &Request<'_>, workers: &[Worker]) -> Result<GeneratorFacts, WorkersError> {
    let out = &request.job.out;
    let mut parts = Vec::new();
    for worker in workers {
        let facts_file = worker.dir.join("generator.json");
        if facts_file.exists() {
            let facts: GeneratorFacts = files::read_json(&facts_file)?;
            parts.push((facts, read_series(&worker.rows_file())?));
        }
        for name in ["labels.ndjson", "enrichment.ndjson"] {
            let file = worker.dir.join(name);
            if file.exists() {
                files::copy(&file, &out.join(name))?;
            }
        }
    }
    leave(parts, out)
}

/// Merges the figures and rows of several workers and writes them into `out`.
///
/// # Errors
/// If they do not fit together, or cannot be written.
pub fn leave(
    parts: Vec<(GeneratorFacts, Vec<SeriesRow>)>,
    out: &Path,
) -> Result<GeneratorFacts, WorkersError> {
    let merged = merge(parts).map_err(WorkersError::Figures)?;
    let (facts, rows) = merged.ok_or(WorkersError::NoFigures)?;
    files::write_lines(&out.join("generator-series.ndjson"), &rows)?;
    files::write_json(&out.join("generator.json"), &facts)?;
    Ok(facts)
}
