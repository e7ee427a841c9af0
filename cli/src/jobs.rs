//! Detectors on this machine: a folder with a small file for each, by which others find it, end it and start it
//! again.
//!
//! A file says what the process was started with, so it is for its owner alone. It stays when the process has
//! ended: that is what a job is resumed from. Whether a process still runs is read off the kernel, by its id and
//! the time at which it began, since ids are used again.

use std::{
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use floodmark_contracts::clock::WallTime;
use floodmark_harness::calibrate::Store;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

/// The folder of jobs, beside the calibrations.
const FOLDER: &str = "jobs";

/// A detector that runs, or has run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// What it is called by: group and slot.
    pub(crate) id: String,
    pub(crate) pid: u32,
    /// When the process began, in the kernel's ticks since the machine did.
    pub(crate) began: u64,
    pub(crate) group: String,
    pub(crate) slot: u32,
    /// Whether it keeps snapshots.
    pub(crate) snapshots: bool,
    /// Its page.
    pub(crate) url: Option<String>,
    pub(crate) started_at: WallTime,
    /// What the program was started with, and where.
    pub(crate) args: Vec<String>,
    pub(crate) folder: PathBuf,
    /// How it ended, if it could say.
    pub(crate) ended: Option<Ended>,
}

/// The last words of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: WallTime,
    /// When its last snapshot was committed.
    pub(crate) snapshot_at: Option<WallTime>,
    pub(crate) alerts: u64,
    /// Why, if it failed.
    pub(crate) failure: Option<String>,
}

/// What has become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    /// It ended, and said so.
    Stopped,
    /// It failed, and said so.
    Failed,
    /// It is not there any more, and said nothing.
    Gone,
}

impl Condition {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

impl Job {
    /// What has become of it.
    pub(crate) fn condition(&self) -> Condition {
        let runs = began(self.pid) == Some(self.began);
        match &self.ended {
            None if runs => Condition::Running,
            None => Condition::Gone,
            Some(Ended { failure: None, .. }) => Condition::Stopped,
            Some(_) => Condition::Failed,
        }
    }

    /// Whether its process is there, be it on its last legs.
    pub(crate) fn is_there(&self) -> bool {
        began(self.pid) == Some(self.began)
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Jobs(PathBuf);

impl Jobs {
    /// Those of `state`, or else of the user's folder of state.
    pub(crate) fn open(state: Option<&Path>) -> Result<Self, Failure> {
        let store = Store::open(state).map_err(|_| {
            let message =
                "there is no folder for jobs: set `FLOODMARK_STATE`, `XDG_STATE_HOME` or `HOME`";
            Failure::usage(message)
        })?;
        Ok(Self(store.path().with_file_name(FOLDER)))
    }

    /// All jobs, by id.
    pub(crate) fn list(&self) -> Result<Vec<Job>, Failure> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read", error)),
        };
        let mut jobs: Vec<Job> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            // One that is just being written by another version is none of ours.
            .filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok())
            .collect();
        jobs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(jobs)
    }

    /// The job that is called `name`: by its id or its process id.
    pub(crate) fn find(&self, name: &str) -> Result<Job, Failure> {
        let jobs = self.list()?;
        let mut known = jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>();
        let found = jobs
            .iter()
            .find(|job| job.id == name || job.pid.to_string() == name);
        if let Some(job) = found {
            return Ok(job.clone());
        }
        known.truncate(10);
        let message = match known.as_slice() {
            [] => format!(
                "there is no job `{name}`, nor any other in `{}`",
                self.0.display()
            ),
            known => format!(
                "there is no job `{name}`; there are `{}`",
                known.join("`, `")
            ),
        };
        Err(Failure::usage(message))
    }

    /// Writes a job's file, whole or not at all.
    pub(crate) fn write(&self, job: &Job) -> Result<(), Failure> {
        let written = || -> std::io::Result<()> {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.0)?;
            let file = self
                .0
                .join(format!("{}.{}.new", job.id, std::process::id()));
            let mut out = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&file)?;
            out.write_all(&serde_json::to_vec_pretty(job)?)?;
            std::fs::rename(file, self.file(&job.id))
        };
        written().map_err(|error| self.failed("write", error))
    }

    /// Forgets a job that does not run.
    pub(crate) fn forget(&self, job: &Job) -> Result<(), Failure> {
        std::fs::remove_file(self.file(&job.id))
            .map_err(|error| self.failed("delete from", error))?;
        // There is a log only of those that were resumed.
        let _ = std::fs::remove_file(self.log(&job.id));
        Ok(())
    }

    /// An id for a process of a group: of those that run, nobody else has it.
    pub(crate) fn id_for(&self, group: &str, slot: u32) -> Result<String, Failure> {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let group: String = group.chars().map(plain).collect();
        let base = format!("{group}-{slot}");
        let taken: Vec<String> = self
            .list()?
            .into_iter()
            .filter(|job| job.is_there() && job.pid != std::process::id())
            .map(|job| job.id)
            .collect();
        let numbered = (2u32..).map(|n| format!("{base}-{n}"));
        let mut free = std::iter::once(base.clone())
            .chain(numbered)
            .filter(|id| !taken.contains(id));
        Ok(free.next().unwrap_or(base))
    }

    /// Where a resumed job's output goes.
    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.log"))
    }

    fn file(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    fn failed(&self, attempt: &str, error: std::io::Error) -> Failure {
        let message = format!("cannot {attempt} the folder of jobs `{}`", self.0.display());
        Failure::new(Exit::Internal, anyhow::Error::new(error).context(message))
    }
}

/// When a process began, in ticks; nothing if it is not there. One that ended and was not waited for is not there.
pub(crate) fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; behind it come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, pid: u32, began: u64) -> Job {
        Job {
            id: id.to_owned(),
            pid,
            began,
            group: "g".to_owned(),
            slot: 0,
            snapshots: true,
            url: None,
            started_at: WallTime(0),
            args: vec!["detect".to_owned()],
            folder: PathBuf::from("/"),
            ended: None,
        }
    }

    #[test]
    fn a_job_runs_while_the_very_process_is_there() {
        let own = std::process::id();
        let mine = began(own).unwrap();
        assert_eq!(job("a", own, mine).condition(), Condition::Running);
        assert_eq!(
            job("a", own, mine - 1).condition(),
            Condition::Gone,
            "an id used again"
        );
        let mut over = job("a", own, mine);
        over.ended = Some(Ended {
            at: WallTime(1),
            snapshot_at: None,
            alerts: 0,
            failure: None,
        });
        assert_eq!(over.condition(), Condition::Stopped);
    }

    #[test]
    fn ids_name_group_and_slot_and_are_not_shared_by_processes_that_run() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(Some(folder.path())).unwrap();
        assert_eq!(jobs.id_for("a/b", 1).unwrap(), "a_b-1");
        let parent = std::os::unix::process::parent_id();
        jobs.write(&job("g-0", parent, began(parent).unwrap()))
            .unwrap();
        jobs.write(&job("g-1", parent, 1)).unwrap();
        assert_eq!(jobs.id_for("g", 0).unwrap(), "g-0-2");
        assert_eq!(jobs.id_for("g", 1).unwrap(), "g-1", "that one is gone");
        let ids: Vec<String> = jobs.list().unwrap().into_iter().map(|job| job.id).collect();
        assert_eq!(ids, ["g-0", "g-1"]);
        assert_eq!(jobs.find("g-1").unwrap().pid, parent);
        let error = format!("{:?}", jobs.find("h").unwrap_err());
        assert!(error.contains("there are `g-0`, `g-1`"), "{error}");
    }

    #[test]
    fn files_of_jobs_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(Some(folder.path())).unwrap();
        let written = job("g-0", 1, 1);
        jobs.write(&written).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&jobs.file("g-0")), 0o600);
        assert_eq!(mode(&jobs.0), 0o700);
        jobs.forget(&written).unwrap();
        assert_eq!(jobs.list().unwrap(), []);
    }
}
