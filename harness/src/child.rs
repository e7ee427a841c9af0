//! Child processes of a run: started with a log of their own, watched, and ended by their own id.

mod again;
mod variables;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use floodmark_contracts::{clock::Clock, record::ProcessFacts};
use nix::{
    sys::signal::{Signal, killpg},
    time::ClockId,
    unistd::Pid,
};

use self::again::{Recipe, Standing};
pub use self::variables::ARGUMENT_VARIABLES;

/// How many of a child's last log lines an error shows.
pub const SHOWN_LINES: usize = 8;

/// Why a child process is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The program could not be started.
    #[error("cannot start the {role} as `{program}`; is it installed and executable?")]
    Start {
        /// What it was to be.
        role: String,
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its log could not be opened.
    #[error("cannot open `{}` for the log of the {role}", path.display())]
    Log {
        /// What it was to be.
        role: String,
        /// The log.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended before its time.
    #[error("the {role} ended early with {status}; its last lines:\n{lines}")]
    Ended {
        /// What it was.
        role: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        lines: String,
    },
}

/// A child process. It dies with this process, and when it is dropped.
#[derive(Debug)]
pub struct Child {
    role: String,
    process: std::process::Child,
    log: PathBuf,
    facts: ProcessFacts,
    status: Option<ExitStatus>,
    recipe: Recipe,
    standing: Standing,
    /// CPU time of the processes before this one in its place.
    earlier_cpu_seconds: f64,
    /// Where its own lines begin in the log.
    log_from: u64,
    /// It, or one before it in its place, was ended by force.
    was_forced: bool,
}

impl Child {
    /// Starts `command` in a process group of its own, so that a Ctrl-C at the terminal reaches only
    /// this process, which then ends its children in order. Both outputs go to `log`. [`ARGUMENT_VARIABLES`] stay out of
    /// its environment, unless `command` sets them.
    ///
    /// Call it on a thread that outlives the child: the kernel ends the child when that thread ends.
    ///
    /// # Errors
    /// [`ChildError::Start`] or [`ChildError::Log`].
    pub fn spawn(role: &str, command: &mut Command, log: &Path) -> Result<Self, ChildError> {
        variables::keep_out(command);
        let recipe = Recipe::of(command);
        let process = launch(role, command, log, File::create(log))?;
        let facts = ProcessFacts {
            role: role.to_owned(),
            ..ProcessFacts::default()
        };
        Ok(Self {
            role: role.to_owned(),
            process,
            log: log.to_owned(),
            facts,
            status: None,
            recipe,
            standing: Standing::Up,
            earlier_cpu_seconds: 0.0,
            log_from: 0,
            was_forced: false,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it has. Takes note of its resources on the way. One that is down on purpose has not
    /// ended: it comes back.
    pub fn poll(&mut self) -> Option<ExitStatus> {
        let ended = self.has_ended();
        self.status
            .filter(|_| ended && self.standing != Standing::Down)
    }

    /// An error with its last log lines if it has ended.
    ///
    /// # Errors
    /// [`ChildError::Ended`].
    pub fn check(&mut self) -> Result<(), ChildError> {
        match self.poll() {
            None => Ok(()),
            Some(status) => Err(ChildError::Ended {
                role: self.role.clone(),
                status,
                lines: self.last_lines(SHOWN_LINES),
            }),
        }
    }

    /// The last `n` lines of its log.
    #[must_use]
    pub fn last_lines(&self, n: usize) -> String {
        let tail = tail_of(&self.log, 16 * 1024).unwrap_or_default();
        let lines: Vec<&str> = tail.lines().collect();
        lines[lines.len().saturating_sub(n)..].join("\n")
    }

    /// Asks it to end, and does not wait.
    pub fn ask_to_end(&mut self) {
        if self.standing == Standing::Paused {
            self.signal(Signal::SIGCONT);
        }
        // Whatever it was down for, it does not come back.
        self.standing = Standing::Up;
        self.signal(Signal::SIGTERM);
    }

    /// Asks it to end, and ends it by force if it has not after `grace`.
    pub fn terminate(&mut self, grace: Duration, clock: &dyn Clock) -> Option<ExitStatus> {
        self.ask_to_end();
        self.wait_for_end(grace, clock)
    }

    /// Waits until it has ended, which it was asked for, and ends it by force if it has not after `grace`. It is not asked
    /// again: who is asked twice leaves everything as it is.
    pub fn wait_for_end(&mut self, grace: Duration, clock: &dyn Clock) -> Option<ExitStatus> {
        let deadline = clock.monotonic_us() + i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        while self.poll().is_none() {
            if clock.monotonic_us() >= deadline {
                self.force();
                break;
            }
            clock.sleep(Duration::from_millis(10));
        }
        // What it has started and left behind.
        self.signal_group(Signal::SIGKILL);
        self.status
    }

    /// Whether it, or one before it in its place, was ended by force, so that it could leave nothing.
    #[must_use]
    pub fn was_forced(&self) -> bool {
        self.was_forced
    }

    fn force(&mut self) {
        self.was_forced = true;
        self.signal(Signal::SIGKILL);
        self.status = self.process.wait().ok();
    }

    /// Sends a signal to it, if it still runs, and to all that it has started: a detector may hide behind a shell.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            self.signal_group(signal);
        }
    }

    /// Its group is its own, so that the signal reaches nobody else, and lives on while anybody of it does.
    fn signal_group(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.process.id()) {
            // They may have ended just now; then there is nothing left to signal.
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// The resources that it has used, as last seen.
    #[must_use]
    pub fn resources(&self) -> ProcessFacts {
        self.facts.clone()
    }

    fn sample(&mut self) {
        let seen = resources_of(&self.role, self.process.id());
        let cpu_seconds = self.earlier_cpu_seconds + seen.cpu_seconds;
        self.facts.cpu_seconds = self.facts.cpu_seconds.max(cpu_seconds);
        self.facts.peak_rss_bytes = self.facts.peak_rss_bytes.max(seen.peak_rss_bytes);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal_group(Signal::SIGKILL);
        if self.status.is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Starts `command` in a process group of its own, with both outputs going to a log.
fn launch(
    role: &str,
    command: &mut Command,
    log: &Path,
    out: std::io::Result<File>,
) -> Result<std::process::Child, ChildError> {
    let open = |source| ChildError::Log {
        role: role.to_owned(),
        path: log.to_owned(),
        source,
    };
    let out = out.map_err(open)?;
    let err = out.try_clone().map_err(open)?;
    command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0);
    // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)
        });
    }
    command.spawn().map_err(|source| ChildError::Start {
        role: role.to_owned(),
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })
}

/// CPU time and peak memory of process `id` as the kernel tells them now; zeros if it is gone.
#[must_use]
pub fn resources_of(role: &str, id: u32) -> ProcessFacts {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{id}/{name}"));
    ProcessFacts {
        role: role.to_owned(),
        cpu_seconds: cpu_clock_seconds(id)
            .or_else(|| cpu_seconds(&read("stat").ok()?))
            .unwrap_or(0.0),
        peak_rss_bytes: read("status").ok().and_then(|s| peak_rss(&s)).unwrap_or(0),
        ..ProcessFacts::default()
    }
}

/// CPU time of all threads that a process has had, seconds, from the clock that the kernel keeps of it: finer than ticks.
pub(crate) fn cpu_clock_seconds(id: u32) -> Option<f64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(id).ok()?)).ok()?;
    let time = clock.now().ok()?;
    Some(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// User and system time from `/proc/PID/stat`: fields 14 and 15, in ticks of 10 ms on Linux.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name in parentheses may hold spaces, so count from behind it: it ends field 2.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

fn tail_of(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(bytes)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).into_owned())
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::SystemClock;

    use super::*;

    fn shell(script: &str) -> (Child, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let child = Child::spawn("subject", &mut command, &dir.path().join("log")).unwrap();
        (child, dir)
    }

    #[test]
    fn a_child_that_dies_is_reported_with_its_last_lines() {
        let (mut child, _dir) = shell("echo first; echo cannot go on >&2; exit 3");
        let error = loop {
            match child.check() {
                Ok(()) => SystemClock::new().sleep(Duration::from_millis(5)),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.starts_with("the subject ended early with exit status: 3"),
            "{error}"
        );
        assert!(error.ends_with("first\ncannot go on"), "{error}");
    }

    #[test]
    fn a_child_that_ignores_the_request_to_end_is_ended_by_force() {
        let (mut child, _dir) = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        let clock = SystemClock::new();
        while !child.last_lines(1).contains("ready") {
            clock.sleep(Duration::from_millis(5));
        }
        let status = child.terminate(Duration::from_millis(50), &clock).unwrap();
        assert_eq!(status.code(), None, "ended by a signal");
    }

    #[test]
    fn a_child_that_was_asked_to_end_is_waited_for_and_not_asked_again() {
        // As detectors do: the first request begins an orderly end, a second one would break it off.
        let (mut child, _dir) = shell(
            "trap 'n=1$n; echo asked' TERM; echo ready; while [ -z \"$n\" ]; do sleep 0.02; done; \
             sleep 0.3; [ $n = 1 ] && echo all is told",
        );
        let clock = SystemClock::new();
        let said = |child: &Child, text: &str| child.last_lines(3).contains(text);
        while !said(&child, "ready") {
            clock.sleep(Duration::from_millis(5));
        }
        child.ask_to_end();
        while !said(&child, "asked") {
            clock.sleep(Duration::from_millis(5));
        }
        child.wait_for_end(Duration::from_secs(60), &clock).unwrap();
        // The shell may say besides that the request reached what it waits for as well.
        let lines = child.last_lines(9);
        assert!(lines.ends_with("asked\nall is told"), "{lines}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("/nonexistent/program");
        let error = Child::spawn("broker", &mut command, &dir.path().join("log")).unwrap_err();
        assert!(
            error.to_string().contains("`/nonexistent/program`"),
            "{error}"
        );
    }

    #[test]
    fn resources_are_read_whatever_the_name_of_the_process() {
        let stat = "17 (a ) b) S 1 17 17 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 9 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(
            peak_rss("VmPeak: 9 kB\nVmHWM:\t  2048 kB\n"),
            Some(2048 * 1024)
        );
    }
}
