//! The detector under test: what a profile says of it, and its processes.
//!
//! Ours and foreign ones are treated alike: both are child processes that reach nothing but the broker, and both are
//! ready when their group has its partitions.

mod check;
mod disturbed;
mod environment;
mod ready;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use floodmark_contracts::{
    clock::Clock,
    job::{Connection, DetectorJob, PagePlace},
    profile::DetectorSection,
    record::ProcessFacts,
    stream::Stream,
};

pub(crate) use self::{
    check::check,
    ready::{Health, Readiness},
};
use crate::{
    child::{Child, ChildError, SHOWN_LINES},
    collect::AlertSource,
    profile::{Outputs, Sound},
    resources::{Roster, Target},
    run::FileError,
    run::files::write_private,
};

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// The detector under test, as a profile has it, known to be sound.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundSubject {
    /// Its name in results.
    pub name: String,
    /// What it is.
    pub kind: SubjectKind,
    /// Where its alerts are.
    pub alerts: Vec<AlertSource>,
    /// The bound of its watermark, milliseconds of event time, where it is known.
    pub watermark_bound_ms: Option<i64>,
    /// Whether the offsets that its group commits tell what it has consumed.
    pub commits: bool,
    /// What says that it is ready.
    pub ready: Ready,
    /// How long it may take until it is.
    pub ready_within: Duration,
}

/// What a detector under test is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectKind {
    /// There is none.
    Nothing,
    /// floodmark's own.
    Bundled {
        /// Whether it alerts on everything.
        always: bool,
    },
    /// Somebody's program.
    Command {
        /// The program and its arguments; not empty.
        run: Vec<String>,
        /// The folder in which it runs.
        dir: Option<PathBuf>,
        /// Variables besides ours.
        env: BTreeMap<String, String>,
        /// How many processes of it run.
        processes: u32,
    },
    /// One that is running already.
    External {
        /// Its consumer group.
        group: Option<String>,
    },
}

/// What says that a detector is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Its group has every partition.
    Group,
    /// The URL answers with success.
    Url(String),
}

/// What a subject's processes must be told.
pub(crate) struct Surroundings<'a> {
    /// floodmark's own program.
    pub(crate) exe: &'a Path,
    /// What the harness makes of it.
    pub(crate) sound: &'a Sound,
    /// Where broker and registry are, for the subject.
    pub(crate) connection: &'a Connection,
    /// Settings of our own detector, for the subject.
    pub(crate) detector: &'a DetectorSection,
    /// Consumer group of this run.
    pub(crate) group: &'a str,
    /// A folder that the subject may read.
    pub(crate) dir: &'a Path,
    /// Where its logs go.
    pub(crate) logs: &'a Path,
    /// Where what it writes besides its topics goes.
    pub(crate) written: &'a Path,
    /// Who is told of its processes, to look at what they use.
    pub(crate) roster: Roster,
}

impl Surroundings<'_> {
    fn inputs(&self) -> &BTreeMap<Stream, Vec<String>> {
        &self.sound.inputs
    }

    fn outputs(&self) -> &Outputs {
        &self.sound.outputs
    }

    fn enrichment(&self) -> PathBuf {
        self.dir.join("enrichment.ndjson")
    }
}

/// Why a subject could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// Its program.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// A file that it is told things in.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The processes of a subject.
#[derive(Default)]
pub(crate) struct RunningSubject {
    processes: Vec<Process>,
    /// What processes that have ended have used.
    past: Vec<ProcessFacts>,
    /// One of those was ended by force.
    was_forced: bool,
}

/// One of them.
struct Process {
    slot: u32,
    child: Child,
}

/// A subject of which a process ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Died {
    /// How it ended, such as `exit status: 3`.
    pub(crate) status: String,
    /// The end of its log.
    pub(crate) lines: String,
}

impl RunningSubject {
    /// Starts as many processes as the profile says.
    pub(crate) fn start(surroundings: &Surroundings<'_>) -> Result<Self, SubjectError> {
        let mut subject = Self::default();
        let processes = match &surroundings.sound.subject.kind {
            SubjectKind::Nothing | SubjectKind::External { .. } => 0,
            SubjectKind::Bundled { .. } => 1,
            SubjectKind::Command { processes, .. } => *processes,
        };
        for slot in 0..processes {
            subject.spawn(slot, surroundings)?;
        }
        Ok(subject)
    }

    /// Starts one process in a slot; the first is in slot 0.
    pub(crate) fn spawn(
        &mut self,
        slot: u32,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), SubjectError> {
        let mut command = match &surroundings.sound.subject.kind {
            SubjectKind::Nothing | SubjectKind::External { .. } => return Ok(()),
            SubjectKind::Bundled { always } => bundled(slot, *always, surroundings)?,
            SubjectKind::Command { run, dir, env, .. } => {
                let mut command = Command::new(run.first().map_or("", String::as_str));
                command.args(run.iter().skip(1));
                if let Some(dir) = dir {
                    command.current_dir(dir);
                }
                command.envs(env);
                environment::tell(&mut command, slot, surroundings)?;
                command
            }
        };
        let log = surroundings.logs.join(log_name(slot));
        let child = Child::spawn("subject", &mut command, &log)?;
        let tree = Target::Tree(child.id());
        surroundings.roster.watch("subject", tree);
        self.processes.push(Process { slot, child });
        Ok(())
    }

    /// Whether any process of it is ours to watch.
    pub(crate) fn is_ours(&self) -> bool {
        !self.processes.is_empty()
    }

    /// The first process that has ended by itself.
    pub(crate) fn died(&mut self) -> Option<Died> {
        self.processes.iter_mut().find_map(|process| {
            let status = process.child.poll()?;
            Some(Died {
                status: status.to_string(),
                lines: process.child.last_lines(SHOWN_LINES),
            })
        })
    }

    /// The end of the first process's log.
    pub(crate) fn last_lines(&self) -> String {
        let first = self.processes.first();
        first.map_or_else(String::new, |process| process.child.last_lines(SHOWN_LINES))
    }

    /// Ends all processes: asks, and insists after a while.
    pub(crate) fn terminate(&mut self, clock: &dyn Clock) {
        self.reduce_to(0, clock);
    }

    /// What all processes together have used.
    pub(crate) fn resources(&self) -> Option<ProcessFacts> {
        let running = self
            .processes
            .iter()
            .map(|process| process.child.resources());
        self.past
            .iter()
            .cloned()
            .chain(running)
            .reduce(|mut sum, one| {
                sum.cpu_seconds += one.cpu_seconds;
                sum.peak_rss_bytes += one.peak_rss_bytes;
                sum
            })
    }
}

fn log_name(slot: u32) -> String {
    match slot {
        0 => "subject.log".to_owned(),
        slot => format!("subject-{slot}.log"),
    }
}

/// The file in which a bundled detector in this slot leaves its figures.
pub(crate) fn facts_file(dir: &Path, slot: u32) -> PathBuf {
    match slot {
        0 => dir.join("facts.json"),
        slot => dir.join(format!("facts-{slot}.json")),
    }
}

fn bundled(
    slot: u32,
    always: bool,
    surroundings: &Surroundings<'_>,
) -> Result<Command, SubjectError> {
    let outputs = surroundings.outputs();
    let job = DetectorJob {
        section: section(surroundings),
        connection: surroundings.connection.clone(),
        group: surroundings.group.to_owned(),
        slot,
        inputs: surroundings.inputs().clone(),
        anomalies: outputs.anomalies.clone(),
        fraud_flags: outputs.fraud_flags.clone(),
        dead_letters: outputs.dead_letters.clone(),
        enrichment: Some(surroundings.enrichment()),
        facts: Some(facts_file(surroundings.dir, slot)),
        page: Some(PagePlace {
            listen: "127.0.0.1:0".to_owned(),
            url_file: surroundings.dir.join(format!("page-{slot}.url")),
        }),
    };
    let file = surroundings.dir.join(format!("job-{slot}.json"));
    write_private(&file, &job)?;
    let mut command = Command::new(surroundings.exe);
    command.args(["detect", "--job"]).arg(&file);
    if always {
        command.arg("--always");
    }
    Ok(command)
}

/// The section with its relative places in the run's folder.
fn section(surroundings: &Surroundings<'_>) -> DetectorSection {
    let mut section = surroundings.detector.clone();
    for place in section.places_mut().filter(|place| !place.contains("://")) {
        *place = surroundings.written.join(&*place).display().to_string();
    }
    section
}

/// Writes what detectors may look up.
pub(crate) fn write_enrichment(
    dir: &Path,
    plan: &floodmark_generator::Plan,
) -> Result<(), FileError> {
    let file = dir.join("enrichment.ndjson");
    crate::run::files::write_lines(&file, floodmark_generator::enrichment(plan))
}
