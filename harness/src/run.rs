//! One run, from an empty machine to a record of facts.
//!
//! `setup` brings broker, topics, collector and subject up; `generate` runs the generator as a child;
//! `drain` waits until the subject has read everything and its alerts have been seen. Labels reach
//! the run's folder only after the subject has ended.

mod audited;
mod drain;
pub(crate) mod files;
mod kept;
mod look;
mod several;
mod stages;
mod trim;
mod under_test;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    profile::Profile,
    record::{Ending, GeneratorFacts, Phase, RunRecord},
    result::SCHEMA_VERSION,
    stream::Stream,
};
use floodmark_generator::{Plan, metrics::MetricsServer};
use floodmark_kafka::ClientSettings;

use self::kept::LeftOver;
pub use self::{
    files::{
        FileError, read_alerts, read_bare_alerts, read_generator_facts, read_labels, read_record,
        read_series, without_password,
    },
    kept::Kept,
};
use crate::{
    broker::BrokerError,
    child::{ChildError, resources_of},
    collect::CollectError,
    environment,
    probe::ProbeError,
    profile::Sound,
    resources,
    subject::SubjectError,
    topics::TopicsError,
    validity,
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
    /// The generator has got this far.
    Progress {
        /// Seconds since the first due time.
        second: i64,
        /// Seconds in all.
        of: f64,
        /// Events sent in the last second.
        sent: u64,
        /// Alerts so far.
        alerts: u64,
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
    let clock = &*request.clock;
    let begun = clock.now();
    let work = files::work_dir()?;
    let folders = Folders::make(request.out, work.path())?;
    let mut setup = stages::set_up(request, &folders, watch)?;
    let generated = match setup.ending() {
        Some(_) => Generated::nothing(clock.now()),
        None => stages::generate(request, &folders, &mut setup, watch)?,
    };
    let generated_at = clock.now();
    watch(RunEvent::Stage(
        "drain: waiting for the last alerts".to_owned(),
    ));
    let drained = drain::drain(request, &mut setup, &generated.facts)?;
    let subject_facts = under_test::end(request, &folders, &mut setup)?;
    let start = generated.facts.started_at;
    let progress_series = setup.progress_series(start);
    let collector = setup.collector.finish().map_err(RunError::Collect)?;
    let ended_at = clock.now();
    let subject = &request.sound.subject;
    if subject
        .alerts
        .iter()
        .any(|source| source.shape.may_be_untimed())
    {
        files::settle_times(&alerts_file(request), start, &request.sound.timeline)?;
    }
    let ending = setup.ending.unwrap_or_default();
    let probed = setup.probe.finish();
    let watched = setup.sampler.finish()?;
    let machine = watched.machine(start);
    let remains = audited::Remains {
        client: &setup.client,
        admin: &setup.admin,
        inputs: &setup.inputs,
        starts: &setup.starts,
        generator: &generated.facts,
        subject: subject_facts.as_ref(),
        cut_short: ending != Ending::Completed,
    };
    let audit = audited::audit(request, &remains, watch);

    let mut series = generated.series;
    series.extend(progress_series);
    series.sort_by_key(|row| row.t);
    let validity = validity::judge(&validity::Evidence {
        generator: &generated.facts.streams,
        subject: subject_facts.as_ref(),
        collector: &collector,
        drain_cut_short: drained.cut_short,
        alerts_after_drain: drained.alerts_came,
        ending: &ending,
        series: &series,
        alerts: look::at_alerts(request, start)?,
        machine: &machine,
        audit: &audit,
        clock: &probed,
    });
    let mut processes = setup.processes;
    processes.extend(setup.broker.resources());
    processes.push(resources_of("harness", std::process::id()));
    let looks = watched.rows(start)?;
    let processes = resources::combined(processes, watched.processes);
    let record = RunRecord {
        schema_version: SCHEMA_VERSION,
        floodmark_version: request.version.to_owned(),
        plan: request.profile.into(),
        scoring: request.profile.scoring.clone(),
        gates: request.profile.gates.clone(),
        reproduce: request.reproduce.clone(),
        broker: setup.broker.kind().to_owned(),
        subject: subject.name.clone(),
        client: request.client.redacted(),
        started_at: start,
        phases: phases(start, &[begun, start, generated_at, ended_at]),
        timeline: request.sound.timeline,
        warm_up_until: request
            .sound
            .timeline
            .event_time(RunMicros(files::micros(request.sound.warm_up))),
        event_time_end: request
            .sound
            .timeline
            .event_time(RunMicros(files::micros(request.sound.duration))),
        watermark_bound_ms: subject.watermark_bound_ms,
        generator: generated.facts.streams,
        subject_facts: subject_facts.unwrap_or_default(),
        collector,
        processes,
        machine,
        audit,
        clock: probed,
        environment: environment::here(),
        validity,
        interrupted: generated.facts.interrupted,
        ending,
        subject_lines: setup.subject_lines,
    };
    files::leave(request, &folders, &record, series.into_iter().chain(looks))?;
    let left = LeftOver {
        broker: setup.broker,
        registry: setup.registry,
        registry_url: setup.connection.registry,
        client: setup.client,
        topics: setup.topics,
        work,
    };
    // Clients of a broker that is about to stop would only log that it has gone.
    drop(setup.admin);
    let kept = kept::leave(request, &record, left)?;
    Ok((record, kept))
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

fn phases(start: WallTime, ends: &[WallTime; 4]) -> Vec<Phase> {
    ["setup", "generate", "drain"]
        .iter()
        .zip(ends.windows(2))
        .map(|(name, pair)| Phase {
            name: (*name).to_owned(),
            from: pair[0].offset_from(start),
            to: pair[1].offset_from(start),
        })
        .collect()
}
