//! One run, from an empty machine to a record of facts.
//!
//! `setup` brings broker, topics, collector and subject up; `generate` runs the generator as a child;
//! `drain` waits until the subject has read everything and its alerts have been seen. Labels reach
//! the run's folder only after the subject has ended.

mod audited;
mod disturbed;
mod drain;
pub(crate) mod files;
mod group;
mod kept;
mod live;
mod look;
mod lookout;
mod misses;
mod outcome;
mod progress;
mod several;
mod stages;
mod tail;
mod trim;
mod under_test;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    profile::Profile,
    record::{GeneratorFacts, RunRecord, SubjectFacts},
    setting::Setting,
    stream::Stream,
};
use floodmark_generator::{Plan, metrics::MetricsServer};
use floodmark_kafka::ClientSettings;

pub use self::{
    files::{
        FileError, hide_passwords, read_alerts, read_bare_alerts, read_generator_facts,
        read_labels, read_record, read_scored_rows, read_series, without_password,
    },
    kept::Kept,
    live::{AlertLatency, LagNow, Live},
};
use crate::{
    broker::BrokerError, child::ChildError, collect::CollectError, faults::FaultError,
    probe::ProbeError, profile::Sound, subject::SubjectError, topics::TopicsError,
    workers::WorkersError,
};

/// What a run needs to know. Everything in it has been validated.
pub struct Request<'a> {
    /// floodmark's own program, for the child processes.
    pub exe: &'a Path,
    /// The run's folder; it exists.
    pub out: &'a Path,
    /// The profile with its overrides.
    pub profile: &'a Profile,
    /// What the harness makes of it.
    pub sound: &'a Sound,
    /// What the generator makes of it.
    pub plan: &'a Plan,
    /// Properties of every client; the address is filled in once the broker is up.
    pub client: &'a ClientSettings,
    /// Every setting that was made, with where it comes from; without secrets.
    pub settings: &'a [Setting],
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Set by a signal: the run is cut short and recorded.
    pub stop: &'a AtomicBool,
    /// The command that makes the run again.
    pub reproduce: String,
    /// Version of floodmark.
    pub version: &'a str,
    /// Leave broker and topics up after the run.
    pub keep: bool,
    /// Processes that generate the events.
    pub workers: u32,
    /// Where what the generator has sent is shown while it runs.
    pub metrics: Option<&'a MetricsServer>,
}

/// What is going on, for whoever watches.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// A step begins.
    Stage(String),
    /// Something that whoever runs this should know, and that does not touch the run.
    Notice(String),
    /// A second of generating is over.
    Progress(Live),
    /// Nothing is generated any more, and the subject reads on.
    Draining {
        /// What it has not read; `None` where nothing tells of it.
        lag: Option<LagNow>,
        /// Alerts so far.
        alerts: u64,
        /// How long the latest of them took; `None` where there is none.
        latency: Option<AlertLatency>,
    },
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No broker.
    #[error("cannot bring the broker up")]
    Broker(#[source] BrokerError),
    /// A stream in Avro has no registry.
    #[error(
        "stream `{stream}` needs a schema registry, and broker `{broker}` brings none; pass `--registry URL`"
    )]
    NoRegistry {
        /// The stream.
        stream: Stream,
        /// The broker.
        broker: String,
    },
    /// The topics could not be made ready.
    #[error("cannot make the topics ready")]
    Topics(#[source] TopicsError),
    /// The alerts cannot be read.
    #[error("cannot read the alerts")]
    Collect(#[source] CollectError),
    /// The cluster did not answer.
    #[error("cannot ask the cluster about the subject")]
    Cluster(#[source] floodmark_kafka::Error),
    /// Nobody could be set to ask it.
    #[error("cannot start the thread that asks the cluster about the subject")]
    Lookout(#[source] std::io::Error),
    /// A child process failed.
    #[error("the run was ended")]
    Child(#[source] ChildError),
    /// The subject could not be started.
    #[error("cannot start the subject")]
    Subject(#[source] SubjectError),
    /// The generator left nothing behind.
    #[error("the generator left no figures; its last lines:\n{lines}")]
    NoFigures {
        /// The end of its log.
        lines: String,
    },
    /// The generator's processes.
    #[error("cannot generate the events")]
    Workers(#[source] WorkersError),
    /// The clocks cannot be compared.
    #[error("cannot compare the broker's clock with ours")]
    Probe(#[source] ProbeError),
    /// A fault could not be carried out or undone.
    #[error("the run was ended")]
    Fault(#[source] FaultError),
    /// A file of the run.
    #[error(transparent)]
    File(#[from] FileError),
}

impl RunError {
    /// Whether what was asked for does not fit the cluster as it is.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NoRegistry { .. } => true,
            Self::Topics(error) => error.is_refusal(),
            _ => false,
        }
    }

    /// Whether a broker or service could not be reached or started.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Broker(_) => true,
            Self::Topics(error) => error.is_unreachable(),
            Self::Cluster(error) => error.is_unreachable(),
            _ => false,
        }
    }
}

/// Runs the profile and writes `record.json`, `labels.ndjson`, `alerts.ndjson`, `enrichment.ndjson` and
/// `timeseries.ndjson` into the run's folder. With `keep`, broker and topics stay up in what comes back
/// beside the record, until it is held to its end or dropped.
///
/// # Errors
/// [`RunError`]. A run that is cut short is no error, by a signal, the time limit or a subject that does not become
/// ready or dies: its record says which.
pub fn execute(
    request: &Request<'_>,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<(RunRecord, Option<Kept>), RunError> {
    let work = files::work_dir()?;
    let folders = Folders::make(request.out, work.path())?;
    let course = run_through(request, &folders, watch)?;
    let (observed, up) = outcome::observe(request, &folders, course, watch)?;
    let record = outcome::write_down(request, &folders, observed)?;
    let kept = kept::leave(request, &record, up, work)?;
    Ok((record, kept))
}

/// From an empty machine to the end of the subject.
fn run_through(
    request: &Request<'_>,
    folders: &Folders,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Course, RunError> {
    let clock = &*request.clock;
    let begun = clock.now();
    let mut setup = stages::set_up(request, folders, watch)?;
    let generated = match setup.ending() {
        Some(_) => Generated::nothing(clock.now()),
        None => stages::generate(request, folders, &mut setup, watch)?,
    };
    let generated_at = clock.now();
    watch(RunEvent::Stage(
        "drain: waiting for the last alerts".to_owned(),
    ));
    let drained = drain::drain(request, folders, &mut setup, &generated.facts, watch)?;
    setup.end_faults(request, folders)?;
    let subject_facts = under_test::end(request, folders, &mut setup)?;
    Ok(Course {
        setup,
        generated,
        drained,
        subject_facts,
        begun,
        generated_at,
    })
}

/// A run whose subject has ended, with everything else still up.
struct Course {
    setup: stages::Setup,
    generated: Generated,
    drained: drain::Drained,
    subject_facts: Option<SubjectFacts>,
    begun: WallTime,
    generated_at: WallTime,
}

/// The folders of a run.
struct Folders {
    /// What people keep.
    out: PathBuf,
    /// Logs of the child processes, kept as well.
    logs: PathBuf,
    /// What the generator writes. The subject never learns of it.
    generator: PathBuf,
    /// What the subject may read.
    subject: PathBuf,
    /// What it writes besides its topics, where its settings name a relative place. People keep it.
    written: PathBuf,
    /// Data and settings of the broker.
    broker: PathBuf,
}

impl Folders {
    fn make(out: &Path, work: &Path) -> Result<Self, FileError> {
        let folders = Self {
            out: out.to_owned(),
            logs: out.join("logs"),
            generator: work.join("generator"),
            subject: work.join("subject"),
            written: out.join("detector-files"),
            broker: work.join("broker"),
        };
        for dir in [
            &folders.logs,
            &folders.generator,
            &folders.subject,
            &folders.broker,
        ] {
            files::make_dir(dir)?;
        }
        // Offsets begin anew with each run: what one before has left there would be taken for this one's.
        files::remove_dir(&folders.written)?;
        Ok(folders)
    }
}

/// What the generator left behind.
struct Generated {
    facts: GeneratorFacts,
    series: Vec<floodmark_contracts::record::SeriesRow>,
}

impl Generated {
    /// Where nothing was generated.
    fn nothing(now: WallTime) -> Self {
        Self {
            facts: GeneratorFacts {
                started_at: now,
                streams: std::collections::BTreeMap::new(),
                interrupted: true,
                scored: floodmark_contracts::record::EventSpan::default(),
            },
            series: Vec::new(),
        }
    }
}

/// The file of the run's alerts.
fn alerts_file(request: &Request<'_>) -> PathBuf {
    request.out.join("alerts.ndjson")
}
