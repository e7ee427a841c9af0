//! Simulated schedules: processes read, commit, crash, are cut off and come back, in an order drawn
//! from a seed; what is committed must be what an undisturbed run gives.
//!
//! The broker keeps to Kafka's rules: a transaction's outputs and offsets appear together; offsets are
//! taken from the current generation only; a newer producer of the same id ends the older one and its
//! transaction; a commit may be decided without its sender learning so; and a stable read waits until
//! nothing is undecided.

mod broker;
mod counting;
mod world;

use world::World;

/// Schedules of one process, of several, and seeds of each.
const SEEDS: u64 = 10_000;

/// Runs schedules; tells the seed of one that fails. In every other one no partition is taken for idle: then
/// the sums are those of an undisturbed run as well. Otherwise it is wall time that decides for whom mergers
/// wait; the exchange says how it decided.
fn check(seeds: std::ops::Range<u64>, processes: usize) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let ticks = seed % 2 == 0;
        let mut world = World::new(seed, processes, ticks);
        world.run();
        tally.add(&world.tally);
        let is_sum = |line: &String| line.starts_with("sum");
        let (sums, found): (Vec<_>, Vec<_>) = world.output().into_iter().partition(is_sum);
        let (mut whole, expected): (Vec<_>, Vec<_>) =
            world.undisturbed().into_iter().partition(is_sum);
        assert_eq!(found, expected, "seed {seed}, {processes} processes");
        if ticks {
            whole = world.sums_of_exchange();
        }
        tally.sums += whole.len();
        assert_eq!(sums, whole, "seed {seed}, {processes} processes");
    }
    tally
}

/// What happened in schedules, so that a test can tell that it tests something.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tally {
    lines: usize,
    sums: usize,
    crashes: usize,
    aborts: usize,
    undecided: usize,
    rebalances: usize,
    zombies: usize,
    refused: usize,
    replayed: usize,
    snapshots: usize,
    in_background: usize,
    unwritten: usize,
    loaded: usize,
    advances: usize,
    deleted: usize,
    /// Schedules with state on disk.
    on_disk: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.sums += other.sums;
        self.crashes += other.crashes;
        self.aborts += other.aborts;
        self.undecided += other.undecided;
        self.rebalances += other.rebalances;
        self.zombies += other.zombies;
        self.refused += other.refused;
        self.replayed += other.replayed;
        self.snapshots += other.snapshots;
        self.in_background += other.in_background;
        self.unwritten += other.unwritten;
        self.loaded += other.loaded;
        self.advances += other.advances;
        self.deleted += other.deleted;
        self.on_disk += other.on_disk;
    }

    fn all_happened(&self) -> bool {
        [
            self.lines,
            self.sums,
            self.crashes,
            self.aborts,
            self.undecided,
            self.rebalances,
            self.zombies,
            self.refused,
            self.replayed,
            self.snapshots,
            self.in_background,
            self.unwritten,
            self.loaded,
            self.advances,
            self.deleted,
            self.on_disk,
        ]
        .iter()
        .all(|n| *n > 100)
    }
}

#[test]
fn one_process_commits_what_an_undisturbed_run_gives() {
    let tally = check(0..SEEDS, 1);
    assert!(tally.all_happened(), "{tally:?}");
}

#[test]
fn several_processes_commit_what_an_undisturbed_run_gives() {
    for processes in [2, 3] {
        let tally = check(SEEDS..SEEDS + SEEDS / 2, processes);
        assert!(tally.all_happened(), "{tally:?}");
    }
}
