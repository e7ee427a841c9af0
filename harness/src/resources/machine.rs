//! What the machine does while a run goes on: waits for its processors, its clock, its disks.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    resources::{ClockStep, DiskFacts, MachineFacts, Waits},
};

use super::procfs::TICKS;

/// Seconds that a role's threads may wait for a processor in a second, all together, before the second
/// counts as short. docs/adr/0028 has what was measured.
pub const SHORT: f64 = 0.2;

/// Waiting this long, a role has gone without a whole processor.
const STARVED: f64 = 1.0;

/// Share of the processors' time that may be stolen in a second before it counts as short.
const STOLEN_SHARE: f64 = 0.05;

/// How fast the wall clock may run against the monotonic one: what NTP's own slewing is held to.
const SLEW: f64 = 500e-6;

/// A step that no reading of two clocks explains, microseconds.
const STEP_US: i64 = 1_000;

/// Attempts to read both clocks without being interrupted in between.
const READINGS: u32 = 5;

/// Looks from one walk through the broker's data to the next: it can be thousands of files.
const WALK_EVERY: u64 = 5;

/// What is noted of the machine while it is looked at.
pub(super) struct Machine {
    noted: Noted,
    clock: ClockWatch,
    stolen: Option<(i64, f64)>,
    processors: f64,
    disks: Vec<(String, PathBuf)>,
    data: Option<PathBuf>,
    /// Seconds between looks below which nothing is said of what was stolen.
    least_span: f64,
}

/// What was noted, in wall time.
#[derive(Debug, Default)]
pub(super) struct Noted {
    facts: MachineFacts,
    /// Every look at who waited, and how long is too long: sixteen bytes of each role a second.
    waits: BTreeMap<String, (f64, Vec<(WallTime, f64)>)>,
    steps: Vec<(WallTime, i64)>,
}

impl Noted {
    /// The facts in seconds of the run; what was before its start is left out.
    pub(super) fn facts(&self, start: WallTime) -> MachineFacts {
        let mut facts = self.facts.clone();
        for (role, (bound, looks)) in &self.waits {
            let waits = facts.waits.entry(role.clone()).or_default();
            for (at, seconds) in looks {
                let t = super::rows::second(*at, start);
                // What starts up waits, and nothing is measured then.
                if t >= 1 {
                    note_wait(waits, t, *seconds, *bound);
                }
            }
        }
        facts.clock_steps = self
            .steps
            .iter()
            .map(|(at, us)| ClockStep {
                t: super::rows::second(*at, start),
                us: *us,
            })
            // What was set before the first event moves none.
            .filter(|step| step.t >= 1)
            .collect();
        facts
    }
}

impl Machine {
    pub(super) fn new(least_span: f64) -> Self {
        Self {
            least_span,
            noted: Noted::default(),
            clock: ClockWatch::default(),
            stolen: None,
            processors: std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64),
            disks: Vec::new(),
            data: None,
        }
    }

    pub(super) fn disk(&mut self, of: String, folder: PathBuf) {
        self.disks.push((of, folder));
    }

    pub(super) fn data(&mut self, folder: PathBuf) {
        self.data = Some(folder);
    }

    /// Takes note of how long a role's threads waited, in seconds a second.
    pub(super) fn waited(&mut self, at: WallTime, role: &str, seconds: f64) {
        self.wait(at, role, seconds, SHORT);
    }

    fn wait(&mut self, at: WallTime, role: &str, seconds: f64, bound: f64) {
        let (_, looks) = self
            .noted
            .waits
            .entry(role.to_owned())
            .or_insert_with(|| (bound, Vec::new()));
        looks.push((at, seconds));
    }

    /// One look; gives the values for the time series.
    pub(super) fn look(&mut self, at: WallTime, clock: &dyn Clock) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        self.noted.facts.samples += 1;
        let (monotonic_us, offset_us, error_us) = read_both(clock);
        if let Some(step) = self.clock.take(monotonic_us, offset_us, error_us) {
            self.noted.steps.push((at, step));
        }
        if let Some(stolen) = self.steal(at, monotonic_us) {
            values.insert("steal_s".to_owned(), stolen);
        }
        let mut free = None;
        for (of, folder) in &self.disks {
            if let Some(found) = space(of, folder) {
                let least: Option<u64> = free;
                free =
                    Some(least.map_or(found.least_free_bytes, |f| f.min(found.least_free_bytes)));
                note_disk(&mut self.noted.facts.disks, found);
            }
        }
        if let Some(free) = free {
            values.insert("disk_free_bytes".to_owned(), free as f64);
        }
        if (self.noted.facts.samples % WALK_EVERY == 1)
            && let Some(bytes) = self.data.as_deref().map(bytes_in)
        {
            self.noted.facts.broker_bytes = Some(bytes);
            values.insert("broker_bytes".to_owned(), bytes as f64);
        }
        values
    }

    /// Seconds stolen since the last look, a second, over all processors.
    fn steal(&mut self, at: WallTime, now_us: i64) -> Option<f64> {
        let all = stolen_seconds(&std::fs::read_to_string("/proc/stat").ok()?)?;
        let (then_us, before) = self.stolen.replace((now_us, all))?;
        let span = (now_us - then_us).max(1) as f64 / 1e6;
        let stolen = (all - before).max(0.0);
        *self.noted.facts.steal_seconds.get_or_insert(0.0) += stolen;
        if span >= self.least_span {
            self.wait(at, "machine", stolen / span, STOLEN_SHARE * self.processors);
        }
        Some(stolen / span)
    }

    /// The last figures, and what all the looking cost.
    pub(super) fn finish(mut self, sampled_us: i64, cpu_seconds: Option<f64>) -> Noted {
        if let Some(data) = &self.data {
            self.noted.facts.broker_bytes = Some(bytes_in(data));
        }
        self.noted.facts.sampling_cpu_seconds = cpu_seconds;
        self.noted.facts.sampled_seconds = sampled_us as f64 / 1e6;
        self.noted
    }
}

/// Enters a second in which somebody waited this long.
fn note_wait(waits: &mut Waits, t: i64, seconds: f64, bound: f64) {
    waits.looks += 1;
    waits.worst_seconds = waits.worst_seconds.max(seconds);
    waits.starved += u64::from(seconds > STARVED);
    if seconds > bound && waits.short.last() != Some(&t) {
        waits.short.push(t);
    }
}

/// The wall clock against the monotonic one: plain arithmetic.
#[derive(Debug, Default)]
struct ClockWatch {
    last: Option<(i64, i64, i64)>,
}

impl ClockWatch {
    /// Takes a reading of how far the wall clock is ahead at a monotonic time, and how wrong that may be.
    /// Gives the step that the wall clock made since the last one, if it made one.
    fn take(&mut self, monotonic_us: i64, offset_us: i64, error_us: i64) -> Option<i64> {
        let (then, before, error_then) = self.last.replace((monotonic_us, offset_us, error_us))?;
        let slewed = (monotonic_us - then).max(0) as f64 * SLEW;
        let tolerated = STEP_US + error_us + error_then + slewed as i64;
        let step = offset_us - before;
        (step.abs() > tolerated).then_some(step)
    }
}

/// Monotonic time, how far the wall clock is ahead of it, and how wrong that may be: of some readings the
/// one in which least time passed.
fn read_both(clock: &dyn Clock) -> (i64, i64, i64) {
    let reading = |_| {
        let before = clock.monotonic_us();
        let wall = clock.now().0;
        let after = clock.monotonic_us();
        let middle = before + (after - before) / 2;
        (after - before, middle, wall - middle)
    };
    let best = (0..READINGS).map(reading).min_by_key(|(gap, ..)| *gap);
    let (gap, middle, offset) = best.unwrap_or_default();
    (middle, offset, gap)
}

/// Stolen time over all processors, from the first line of `/proc/stat`.
fn stolen_seconds(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: u64 = line.split_whitespace().nth(7)?.parse().ok()?;
    Some(ticks as f64 / TICKS)
}

fn note_disk(disks: &mut Vec<DiskFacts>, found: DiskFacts) {
    match disks.iter_mut().find(|disk| disk.of == found.of) {
        Some(disk) => disk.least_free_bytes = disk.least_free_bytes.min(found.least_free_bytes),
        None => disks.push(found),
    }
}

/// The space that an ordinary user still has on the folder's disk.
fn space(of: &str, folder: &Path) -> Option<DiskFacts> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    let unit = found.fragment_size();
    Some(DiskFacts {
        of: of.to_owned(),
        least_free_bytes: found.blocks_available().saturating_mul(unit),
        bytes: found.blocks().saturating_mul(unit),
    })
}

/// Bytes that the files of a folder take on disk. Those that go meanwhile count for nothing.
fn bytes_in(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut open = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => open.push(entry.path()),
                // A log's index is laid out larger than it is: blocks tell what it takes.
                Ok(data) => bytes += data.blocks() * 512,
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings of (monotonic seconds, offset µs), each 50 µs wrong at most; the steps found.
    fn steps(readings: &[(f64, i64)]) -> Vec<Option<i64>> {
        let mut watch = ClockWatch::default();
        let take = |(at, offset): &(f64, i64)| watch.take((at * 1e6) as i64, *offset, 50);
        readings.iter().map(take).collect()
    }

    #[test]
    fn a_clock_that_is_slewed_does_not_step_and_one_that_is_set_does() {
        // 500 ppm over 10 s are 5 ms.
        assert_eq!(steps(&[(0.0, 7), (10.0, 5_007)]), [None, None]);
        assert_eq!(
            steps(&[(0.0, 0), (1.0, 200_000), (2.0, 200_000), (3.0, -100_000)]),
            [None, Some(200_000), None, Some(-300_000)]
        );
        // Reading two clocks is not exact.
        assert_eq!(steps(&[(0.0, 0), (1.0, 1_500)]), [None, None]);
        assert_eq!(steps(&[(0.0, 0), (1.0, 1_700)]), [None, Some(1_700)]);
    }

    #[test]
    fn time_that_is_stolen_is_read_from_the_line_of_all_processors() {
        let stat = "cpu  10 20 30 40 50 60 70 850 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(stolen_seconds(stat), Some(8.5));
        assert_eq!(stolen_seconds("intr 1 2 3"), None);
    }

    #[test]
    fn seconds_in_which_threads_waited_too_long_are_noted_in_the_runs_time() {
        let mut machine = Machine::new(0.5);
        let at = |s: f64| WallTime((s * 1e6) as i64);
        for (second, waited) in [(0.5, 0.9), (10.5, 0.1), (11.5, 0.3), (12.5, 1.4)] {
            machine.waited(at(second), "broker", waited);
        }
        let noted = machine.finish(4_000_000, Some(0.02));
        let facts = noted.facts(at(10.0));
        let waits = &facts.waits["broker"];
        assert_eq!(waits.short, [2, 3], "what was before the start is left out");
        assert_eq!((waits.looks, waits.starved), (3, 1));
        assert!((waits.worst_seconds - 1.4).abs() < 1e-9);
        assert_eq!(facts.sampling_cpu_seconds, Some(0.02));
    }

    #[test]
    fn a_folders_bytes_are_those_of_all_files_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("topic-0");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("log"), vec![1_u8; 100_000]).unwrap();
        let bytes = bytes_in(dir.path());
        assert!((100_000..200_000).contains(&bytes), "{bytes}");
        assert_eq!(bytes_in(Path::new("/nonexistent")), 0);
        assert!(
            space("run", dir.path()).is_some_and(|disk| disk.bytes > disk.least_free_bytes / 2)
        );
    }
}
