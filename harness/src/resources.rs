//! What every process of a run uses, looked at once a second by a thread of its own.
//!
//! The thread is told which processes belong to which role ([`Roster`]) and follows their children by
//! itself. Each look goes into a file, so that memory does not grow with the run; totals, waits for a
//! processor, steps of the clock and free space are kept.

mod account;
mod cgroup;
mod machine;
mod procfs;
mod rows;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    record::{ProcessFacts, SeriesRow},
    resources::{MachineFacts, Usage},
};

pub use self::cgroup::find as find_cgroup;
use self::{
    account::Account,
    machine::{Machine, Noted},
    procfs::Procfs,
    rows::Spill,
};
use crate::run::FileError;

/// Time from one look to the next.
pub const EVERY: Duration = Duration::from_secs(1);

/// What belongs to a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One process alone.
    Process(u32),
    /// A process and all that descend from it.
    Tree(u32),
    /// A container, by the folder of its control group (version 2).
    Cgroup(PathBuf),
}

/// Something that is told to the sampling thread.
enum Command {
    Watch(String, Target),
    Disk(String, PathBuf),
    Data(PathBuf),
    Finish,
}

/// Where processes are reported that belong to the run.
#[derive(Debug, Clone)]
pub struct Roster {
    commands: Sender<Command>,
}

impl Roster {
    /// One to which nobody listens.
    #[cfg(test)]
    pub(crate) fn nobodys() -> Self {
        Self {
            commands: channel().0,
        }
    }

    /// From now on `target` counts for `role`, beside what counts for it already.
    pub fn watch(&self, role: &str, target: Target) {
        self.tell(Command::Watch(role.to_owned(), target));
    }

    /// A disk whose free space is to be known, by a folder on it.
    pub fn disk(&self, of: &str, folder: &Path) {
        self.tell(Command::Disk(of.to_owned(), folder.to_owned()));
    }

    /// The folder in which the broker keeps its data.
    pub fn data(&self, folder: &Path) {
        self.tell(Command::Data(folder.to_owned()));
    }

    fn tell(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!("nobody samples resources any more");
        }
    }
}

/// The sampling thread.
pub struct Sampler {
    roster: Roster,
    thread: Option<JoinHandle<Result<Gathered, FileError>>>,
}

/// What was gathered when sampling ended.
pub struct Gathered {
    /// Totals by role.
    pub processes: Vec<ProcessFacts>,
    noted: Noted,
    spill: PathBuf,
}

impl Gathered {
    /// What the machine did, in seconds from the run's start.
    #[must_use]
    pub fn machine(&self, start: WallTime) -> MachineFacts {
        self.noted.facts(start)
    }

    /// What can be told when sampling failed: the looks that are in its file.
    pub(crate) fn cut_short(spill: &Path) -> Self {
        Self {
            processes: Vec::new(),
            noted: Noted::default(),
            spill: spill.to_owned(),
        }
    }

    /// The looks as rows of the time series, from the run's first second on, as far as their file can be read.
    pub fn rows(&self, start: WallTime) -> impl Iterator<Item = SeriesRow> + use<> {
        let rows = rows::read(&self.spill, start);
        let rows = rows.inspect_err(|error| tracing::warn!(%error, "looks at processes are lost"));
        rows.into_iter().flatten()
    }
}

impl Sampler {
    /// Starts looking `every` so often; the looks go into `spill`.
    ///
    /// # Errors
    /// If the file or the thread cannot be made.
    pub fn start(every: Duration, spill: &Path, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        let (commands, inbox) = channel();
        let looker = Looker {
            roles: BTreeMap::new(),
            machine: Machine::new(every.as_secs_f64() / 2.0),
            least_span: every.as_secs_f64() / 2.0,
            procfs: Procfs::default(),
            spill: Spill::create(spill)?,
            clock,
        };
        let thread = std::thread::Builder::new()
            .name("resources".to_owned())
            .spawn(move || looker.run(every, &inbox))
            .map_err(|source| FileError::Io {
                attempt: "start the thread that samples resources into",
                path: spill.to_owned(),
                source,
            })?;
        Ok(Self {
            roster: Roster { commands },
            thread: Some(thread),
        })
    }

    /// Where processes are reported.
    #[must_use]
    pub fn roster(&self) -> Roster {
        self.roster.clone()
    }

    /// Looks a last time and ends.
    ///
    /// # Errors
    /// If the looks could not be written.
    pub fn finish(mut self) -> Result<Gathered, FileError> {
        self.roster.tell(Command::Finish);
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(gathered)) => gathered,
            _ => Err(FileError::Io {
                attempt: "sample resources into",
                path: PathBuf::from("resources.ndjson"),
                source: std::io::Error::other("the sampling thread ended by a panic"),
            }),
        }
    }
}

impl Drop for Sampler {
    /// A sampler that is given up looks no further.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.roster.tell(Command::Finish);
            if !matches!(thread.join(), Ok(Ok(_))) {
                tracing::debug!("resources were not sampled to the end");
            }
        }
    }
}

/// Totals as the kernel and the child's owner saw them, put together: the owner looks more often, the
/// sampler at more.
#[must_use]
pub fn combined(owners: Vec<ProcessFacts>, sampled: Vec<ProcessFacts>) -> Vec<ProcessFacts> {
    let mut all = owners;
    for seen in sampled {
        match all.iter_mut().find(|facts| facts.role == seen.role) {
            Some(facts) => {
                facts.cpu_seconds = facts.cpu_seconds.max(seen.cpu_seconds);
                facts.peak_rss_bytes = facts.peak_rss_bytes.max(seen.peak_rss_bytes);
                facts.usage = seen.usage;
            }
            None => all.push(seen),
        }
    }
    all
}

/// One role's processes.
#[derive(Default)]
struct Role {
    targets: Vec<Target>,
    account: Account,
    /// Totals and the time at the last look, for what came in between.
    last: Option<(i64, Usage)>,
}

/// The thread's own state.
struct Looker {
    roles: BTreeMap<String, Role>,
    machine: Machine,
    procfs: Procfs,
    spill: Spill,
    clock: Arc<dyn Clock>,
    /// Seconds between looks below which nothing is said of who waited: the last look comes when the run ends.
    least_span: f64,
}

impl Looker {
    fn run(mut self, every: Duration, inbox: &Receiver<Command>) -> Result<Gathered, FileError> {
        let every_us = crate::run::files::micros(every).max(1);
        let begun = self.clock.monotonic_us();
        let mut next = begun + every_us;
        loop {
            let left = next - self.clock.monotonic_us();
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
            match inbox.recv_timeout(left) {
                Ok(Command::Watch(role, target)) => self.watch(role, target),
                Ok(Command::Disk(of, folder)) => self.machine.disk(of, folder),
                Ok(Command::Data(folder)) => self.machine.data(folder),
                Ok(Command::Finish) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.look()?;
                    // What was slept over is not made good: a look is a look at now, and none is close behind another.
                    let now = self.clock.monotonic_us();
                    next += every_us;
                    if next - now < every_us / 2 {
                        next = now + every_us;
                    }
                }
            }
        }
        self.look()?;
        let spill = self.spill.finish()?;
        let sampled_us = self.clock.monotonic_us() - begun;
        Ok(Gathered {
            processes: self
                .roles
                .into_iter()
                .map(|(name, role)| role.account.facts(name))
                .collect(),
            noted: self.machine.finish(sampled_us, procfs::own_cpu_seconds()),
            spill,
        })
    }

    fn watch(&mut self, name: String, target: Target) {
        let role = self.roles.entry(name).or_default();
        role.targets.push(target);
        // The first look at it is what everything later is held against.
        let now = self.clock.monotonic_us();
        let seen = role.look(&mut self.procfs);
        role.last.get_or_insert((now, seen));
    }

    /// One look at everything.
    fn look(&mut self) -> Result<(), FileError> {
        let at = self.clock.now();
        for (name, role) in &mut self.roles {
            let now = self.clock.monotonic_us();
            let seen = role.look(&mut self.procfs);
            let Some((then, before)) = role.last.replace((now, seen)) else {
                continue;
            };
            let span = (now - then).max(1) as f64 / 1e6;
            self.spill.process(at, name, &before, &seen, span)?;
            let waited = before.run_delay_seconds.zip(seen.run_delay_seconds);
            if let Some((before, seen)) = waited.filter(|_| span >= self.least_span) {
                self.machine.waited(at, name, (seen - before) / span);
            }
        }
        let values = self.machine.look(at, &*self.clock);
        self.spill.machine(at, values)
    }
}

impl Role {
    /// Totals so far, with what there is of memory and threads now.
    fn look(&mut self, procfs: &mut Procfs) -> Usage {
        let (mut readings, mut groups) = (Vec::new(), Usage::default());
        for target in &self.targets {
            match target {
                Target::Process(id) => self.account.read(procfs, *id, false, &mut readings),
                Target::Tree(id) => self.account.read(procfs, *id, true, &mut readings),
                Target::Cgroup(folder) => groups.add(&cgroup::read(folder)),
            }
        }
        self.account.take(readings, &groups)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command as Program, Stdio};

    use floodmark_contracts::clock::SystemClock;

    use super::*;

    fn sampler(dir: &Path) -> Sampler {
        let clock = Arc::new(SystemClock::new());
        Sampler::start(Duration::from_millis(20), &dir.join("looks"), clock).unwrap()
    }

    /// Waits for a condition, up to a limit that only a broken machine needs.
    fn wait(mut done: impl FnMut() -> bool) {
        let clock = SystemClock::new();
        let end = clock.monotonic_us() + 120_000_000;
        while !done() {
            assert!(clock.monotonic_us() < end, "gave up waiting");
            clock.sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_children_of_a_subject_count_and_keep_what_they_had_when_they_die() {
        let dir = tempfile::tempdir().unwrap();
        let (burnt, file) = (dir.path().join("burnt"), dir.path().join("bytes"));
        let script = format!(
            "sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; \
             head -c 3000000 /dev/zero > {}; sync {0}; touch {}; exec sleep 100' & wait",
            file.display(),
            burnt.display()
        );
        let sampler = sampler(dir.path());
        let mut child = Program::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        sampler.roster().watch("subject", Target::Tree(child.id()));
        wait(|| burnt.exists());
        // Some looks later the shell and what it started are gone, and what they used is not.
        let looks = || std::fs::metadata(dir.path().join("looks")).map_or(0, |file| file.len());
        let before = looks();
        wait(|| looks() > before + 2000);
        let started = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()));
        for id in started.unwrap().split_whitespace() {
            let id = nix::unistd::Pid::from_raw(id.parse().unwrap());
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        child.wait().unwrap();
        let gathered = sampler.finish().unwrap();
        let [subject] = &gathered.processes[..] else {
            panic!("{:?}", gathered.processes)
        };
        assert_eq!(subject.role, "subject");
        assert!(subject.cpu_seconds >= 0.01, "{subject:?}");
        assert!(subject.peak_rss_bytes > 0, "{subject:?}");
        assert!(subject.usage.processes >= Some(2), "{subject:?}");
        assert!(
            subject.usage.written_bytes >= Some(3_000_000),
            "{subject:?}"
        );
        assert!(subject.usage.voluntary_switches > Some(0), "{subject:?}");
    }

    #[test]
    fn looks_become_rows_of_each_process_from_the_first_second_on() {
        let dir = tempfile::tempdir().unwrap();
        let sampler = sampler(dir.path());
        let roster = sampler.roster();
        roster.watch("harness", Target::Process(std::process::id()));
        roster.disk("run", dir.path());
        wait(|| std::fs::metadata(dir.path().join("looks")).is_ok_and(|file| file.len() > 0));
        let clock = SystemClock::new();
        let gathered = sampler.finish().unwrap();
        // A start two seconds ago: all looks lie behind it.
        let start = WallTime(clock.now().0 - 2_000_000);
        let rows: Vec<SeriesRow> = gathered.rows(start).collect();
        let rss = rows.iter().find(|row| row.metric == "rss_bytes").unwrap();
        assert_eq!(rss.process.as_deref(), Some("harness"));
        assert!(rss.value > 1e6 && rss.t >= 1, "{rss:?}");
        let free = rows.iter().find(|row| row.metric == "disk_free_bytes");
        assert!(free.is_some_and(|row| row.value > 0.0), "{free:?}");
        let later = WallTime(clock.now().0 + 60_000_000);
        assert_eq!(gathered.rows(later).count(), 0);
        let machine = gathered.machine(start);
        assert!(machine.samples > 0 && machine.sampling_cpu_seconds.is_some());
        assert_eq!(machine.disks[0].of, "run");
    }

    #[test]
    fn owners_and_sampler_are_put_together_by_role() {
        let facts = |role: &str, cpu_seconds, peak_rss_bytes| ProcessFacts {
            role: role.to_owned(),
            cpu_seconds,
            peak_rss_bytes,
            ..ProcessFacts::default()
        };
        let all = combined(
            vec![facts("subject", 2.0, 5)],
            vec![facts("registry", 1.0, 1), facts("subject", 1.9, 9)],
        );
        assert_eq!(all, [facts("subject", 2.0, 9), facts("registry", 1.0, 1)]);
    }
}
