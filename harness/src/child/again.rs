//! Children that are stopped, taken down and started again on purpose.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    path::PathBuf,
    process::Command,
};

use nix::sys::signal::Signal;

use super::{Child, ChildError, launch};

/// What it takes to start the same process once more.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    program: OsString,
    arguments: Vec<OsString>,
    /// Variables that are set, or taken away.
    environment: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
}

impl Recipe {
    pub(super) fn of(command: &Command) -> Self {
        Self {
            program: command.get_program().to_owned(),
            arguments: command.get_args().map(OsString::from).collect(),
            environment: command
                .get_envs()
                .map(|(name, value)| (name.to_owned(), value.map(OsString::from)))
                .collect(),
            directory: command.get_current_dir().map(PathBuf::from),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

/// Whether a child is as it should be, or how it was disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs, or has ended by itself.
    Up,
    /// It was stopped and will go on.
    Paused,
    /// It was ended and will be started again.
    Down,
}

impl Child {
    /// Stops it where it is; [`Child::go_on`] lets it go on.
    pub fn pause(&mut self) {
        if self.standing == Standing::Up {
            self.signal(Signal::SIGSTOP);
            self.standing = Standing::Paused;
        }
    }

    /// Lets it go on after [`Child::pause`].
    pub fn go_on(&mut self) {
        if self.standing == Standing::Paused {
            self.signal(Signal::SIGCONT);
            self.standing = Standing::Up;
        }
    }

    /// Ends it by `signal`, to be started again: until then its absence is no failure.
    pub fn take_down(&mut self, signal: Signal) {
        self.standing = Standing::Down;
        self.was_forced |= signal == Signal::SIGKILL;
        self.signal(signal);
    }

    /// Whether its process is gone, on purpose or not.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.sample();
            self.status = self.process.try_wait().ok().flatten();
        }
        self.status.is_some()
    }

    /// Starts it again as it was started before; what is left of it is ended by force. Its log goes on.
    ///
    /// # Errors
    /// [`ChildError::Start`] or [`ChildError::Log`].
    pub fn start_again(&mut self) -> Result<(), ChildError> {
        if !self.has_ended() {
            self.force();
        }
        // Nor may anything that it has started work beside the new one.
        self.signal_group(Signal::SIGKILL);
        self.log_from = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let log: std::io::Result<File> = OpenOptions::new().append(true).open(&self.log);
        self.process = launch(&self.role, &mut self.recipe.command(), &self.log, log)?;
        self.earlier_cpu_seconds = self.facts.cpu_seconds;
        self.status = None;
        self.standing = Standing::Up;
        Ok(())
    }

    /// Whether this process, not one before it, has written `text` into its log.
    #[must_use]
    pub fn has_logged(&self, text: &str) -> bool {
        std::fs::read(&self.log).is_ok_and(|log| {
            let from = usize::try_from(self.log_from).unwrap_or(usize::MAX);
            let own = log.get(from..).unwrap_or_default();
            String::from_utf8_lossy(own).contains(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use floodmark_contracts::clock::{Clock, SystemClock};

    use super::*;

    /// A shell that says how often it was started, and waits.
    fn counting(dir: &std::path::Path) -> Child {
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "echo x >> starts; echo $(wc -l < starts) $WHO; sleep 60",
            ])
            .env("WHO", "me")
            .current_dir(dir);
        Child::spawn("subject", &mut command, &dir.join("log")).unwrap()
    }

    fn until(mut met: impl FnMut() -> bool) {
        let clock = SystemClock::new();
        let deadline = clock.monotonic_us() + 20_000_000;
        while !met() {
            assert!(clock.monotonic_us() < deadline, "waited for 20 s");
            clock.sleep(Duration::from_millis(5));
        }
    }

    /// The letter by which the kernel says what a process does.
    fn state(child: &Child) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let rest = stat.rsplit_once(')').unwrap().1;
        rest.split_whitespace().next().unwrap().to_owned()
    }

    #[test]
    fn a_child_that_is_down_on_purpose_is_no_failure_and_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = counting(dir.path());
        until(|| child.has_logged("1 me"));
        child.take_down(Signal::SIGKILL);
        until(|| child.has_ended());
        assert!(child.check().is_ok(), "its absence is wanted");
        child.start_again().unwrap();
        until(|| child.has_logged("2 me"));
        assert!(!child.has_logged("1 me"), "that was the one before");
        assert!(child.check().is_ok());
        child.signal(Signal::SIGKILL);
        until(|| child.check().is_err());
    }

    #[test]
    fn a_paused_child_stands_still_goes_on_and_can_be_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = counting(dir.path());
        until(|| child.has_logged("1 me"));
        child.pause();
        // Stopped while it starts a program it waits for that one, which is stopped as well.
        until(|| matches!(&*state(&child), "T" | "D"));
        child.go_on();
        until(|| state(&child) == "S");
        child.pause();
        let clock = SystemClock::new();
        // Without going on first it would not hear the request, and be ended by force much later.
        let status = child.terminate(Duration::from_secs(60), &clock).unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(15)
        );
    }

    #[test]
    fn what_a_child_has_started_shares_its_fate() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 60 & echo $! > inner; wait"])
            .current_dir(dir.path());
        let mut child = Child::spawn("subject", &mut command, &dir.path().join("log")).unwrap();
        let read = || std::fs::read_to_string(dir.path().join("inner")).unwrap_or_default();
        until(|| read().ends_with('\n'));
        let inner = format!("/proc/{}/stat", read().trim());
        let is_stopped = || std::fs::read_to_string(&inner).is_ok_and(|stat| stat.contains(") T "));
        child.pause();
        until(is_stopped);
        child.go_on();
        until(|| !is_stopped());
        child.terminate(Duration::from_secs(60), &SystemClock::new());
        // Nobody may have waited for it; then it is a zombie.
        let is_gone = || std::fs::read_to_string(&inner).map_or(true, |stat| stat.contains(") Z "));
        until(is_gone);
    }

    #[test]
    fn a_child_that_is_down_can_be_ended_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = counting(dir.path());
        child.take_down(Signal::SIGKILL);
        until(|| child.has_ended());
        let clock = SystemClock::new();
        assert!(child.terminate(Duration::from_secs(1), &clock).is_some());
    }
}
