//! The processes and the schedule that drives them.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::{clock::WallTime, stream::Stream};
use object_store::memory::InMemory;

use super::{
    super::{Assigned, Keeper, Snapshots, Verdict},
    Tally,
    broker::{Broker, Draw, Transaction},
    counting::{EXCHANGE_PARTITIONS, IDLENESS_US, engine, mergers},
};
use crate::{
    engine::{Engine, Lane},
    exactly_once::Round,
    finding::Output,
    reach::objects::Objects,
    runtime::{Spill, spill::unbounded},
};

struct Process {
    slot: usize,
    epoch: usize,
    generation: usize,
    keeper: Keeper,
    lanes: Vec<Lane>,
    cursors: BTreeMap<Lane, usize>,
    open: Transaction,
    /// A commit timed out: nothing else may be done before it is known how it ended.
    waits: bool,
    /// A snapshot in the background, not written yet.
    writing: Option<Round>,
}

/// A whole schedule.
pub struct World {
    draw: Draw,
    broker: Broker,
    processes: Vec<Process>,
    /// Cut off from the group without knowing it.
    zombies: Vec<Process>,
    snapshots: Snapshots,
    wall_us: i64,
    made: usize,
    /// Partitions may be taken for idle.
    ticks: bool,
    /// What state may take in memory: the rest is on disk.
    room: Arc<Spill>,
    /// What happened.
    pub tally: Tally,
}

impl World {
    /// Logs and processes drawn from `seed`. With `ticks`, partitions are taken for idle now and then.
    pub fn new(seed: u64, processes: usize, ticks: bool) -> Self {
        let mut draw = Draw(seed);
        let lanes = processes + draw.below(3);
        let broker = Broker::new(&mut draw, lanes, processes);
        let mut world = Self {
            draw,
            broker,
            processes: Vec::new(),
            zombies: Vec::new(),
            snapshots: Snapshots::new(Objects::of(Arc::new(InMemory::new()))),
            wall_us: 0,
            made: 0,
            ticks,
            // Of four schedules one has room for nothing, and one for little.
            room: match seed % 4 {
                0 => Spill::new(0, &std::env::temp_dir()),
                1 => Spill::new(600, &std::env::temp_dir()),
                _ => unbounded(),
            },
            tally: Tally::default(),
        };
        (0..processes).for_each(|slot| world.start(slot));
        world.rebalance();
        world
    }

    /// Runs the schedule to its end: everything read and committed.
    pub fn run(&mut self) {
        for _ in 0..40 + self.draw.below(120) {
            self.wall_us += i64::try_from(self.draw.below(400)).unwrap();
            self.step();
        }
        self.zombies.clear();
        self.broker.append_all();
        self.rebalance();
        // What one process commits another one reads: round after round, until nothing comes any more.
        for round in 0.. {
            assert!(round < 20, "it never ends");
            let mut moved = false;
            for index in 0..self.processes.len() {
                for lane in self.processes[index].lanes.clone() {
                    self.read(index, lane, usize::MAX);
                }
                if round == 0 {
                    self.processes[index].keeper.snapshot().unwrap();
                }
                moved |= self.processes[index].transaction().is_some();
                assert!(self.commit(index, 0), "the last commit");
            }
            if !moved {
                break;
            }
        }
        self.tally.lines = self.broker.output.len();
        self.room.check().unwrap();
        self.tally.on_disk += usize::from(self.room.file_bytes() > 0);
    }

    /// The committed output, sorted.
    pub fn output(&self) -> Vec<String> {
        let mut output = self.broker.output.clone();
        output.sort_unstable();
        output
    }

    /// The output of one engine that reads all logs without a break, its watermarks advanced where the
    /// committed ones were; sorted.
    pub fn undisturbed(&self) -> Vec<String> {
        let mut engine = engine(&unbounded());
        let inputs = self.broker.inputs();
        inputs.iter().for_each(|lane| engine.take_on(*lane, 0));
        for lane in inputs {
            let Lane::Input(stream, partition) = lane else {
                continue;
            };
            let of_lane = self.broker.moved.iter().filter(|moved| moved.0 == lane);
            let mut advances = of_lane.peekable();
            for (offset, value) in (0i64..).zip(&self.broker.logs[&lane].values) {
                while let Some((_, _, to)) = advances.next_if(|moved| moved.1 <= offset) {
                    engine.advance(stream, partition, *to);
                }
                if let Some(value) = value {
                    let _ = engine.feed_lane(lane, value, 0);
                }
            }
            advances.for_each(|(_, _, to)| engine.advance(stream, partition, *to));
        }
        let mut output = lines(&mut engine);
        output.sort_unstable();
        output
    }

    /// The sums that mergers give who read the committed exchange without a break; sorted.
    pub fn sums_of_exchange(&self) -> Vec<String> {
        let mut found = Vec::new();
        for number in 0..EXCHANGE_PARTITIONS {
            let mut exchange = mergers();
            for lane in self.broker.inputs() {
                if let Lane::Input(stream, partition) = lane {
                    exchange.expect((crate::pipelines::input_of(stream), partition));
                }
            }
            let log = &self.broker.logs[&Lane::Exchange(number)];
            for frame in log.values.iter().flatten() {
                exchange.feed(frame, &mut found).unwrap();
            }
        }
        let mut found = texts(found);
        found.sort_unstable();
        found
    }

    fn step(&mut self) {
        let index = self.draw.below(self.processes.len());
        match self.draw.below(24) {
            0..8 => self.read_some(index),
            8..11 => self.broker.append(&mut self.draw),
            11..13 if self.ticks => self.tick(index),
            11..13 => self.read_some(index),
            13..18 => {
                let fate = self.draw.below(8);
                self.commit(index, fate);
            }
            18 => self.snapshot(index),
            19 => self.freeze_or_write(index),
            20 => self.crash(index),
            21 => self.rebalance(),
            22 => self.cut_off(index),
            _ => self.haunt(),
        }
    }

    fn read_some(&mut self, index: usize) {
        if self.processes[index].lanes.is_empty() {
            return;
        }
        let pick = self.draw.below(self.processes[index].lanes.len());
        let lane = self.processes[index].lanes[pick];
        let most = 1 + self.draw.below(6);
        self.read(index, lane, most);
    }

    /// A process takes up to `most` records of a lane.
    fn read(&mut self, index: usize, lane: Lane, most: usize) {
        let replayed = self.processes[index].read(&self.broker, lane, most, self.wall_us);
        self.tally.replayed += replayed;
    }

    fn tick(&mut self, index: usize) {
        self.wall_us += IDLENESS_US;
        if self.draw.below(2) == 0 {
            // Somebody is active: nothing else takes the idle ones along.
            self.read_some(index);
        }
        self.tally.advances += self.processes[index].tick(self.wall_us);
    }

    fn snapshot(&mut self, index: usize) {
        if self.processes[index].waits {
            return;
        }
        let is_obstructed = self.draw.below(4) == 0 && self.obstruct(index);
        let written = self.processes[index].keeper.snapshot();
        assert_eq!(written.is_err(), is_obstructed);
        self.tally.snapshots += usize::from(!is_obstructed);
        self.tally.unwritten += usize::from(is_obstructed);
    }

    /// Puts something in the way of one lane's next snapshot, so that it cannot be written; false if it has no lane.
    fn obstruct(&mut self, index: usize) -> bool {
        let keeper = &self.processes[index].keeper;
        let lanes: Vec<Lane> = keeper.protocol.live().collect();
        if lanes.is_empty() {
            return false;
        }
        let lane = lanes[self.draw.below(lanes.len())];
        let position = keeper.protocol.position(lane).unwrap();
        let unique = format!("{}-{}", keeper.instance, keeper.rounds + 1);
        let name = Snapshots::name(position, &unique);
        let folder = &keeper.folders[&lane];
        self.snapshots.put(folder, &name, Vec::new()).unwrap();
        true
    }

    /// A snapshot in the background, in two steps with anything between them.
    fn freeze_or_write(&mut self, index: usize) {
        let process = &mut self.processes[index];
        match process.writing.take() {
            None if !process.waits => process.writing = Some(process.keeper.freeze().unwrap()),
            None => {}
            Some(round) => {
                let written = round.write().unwrap();
                let named = process.keeper.written(&written);
                self.tally.in_background += usize::from(named);
            }
        }
    }

    /// A commit, which may end in any way; true if the process knows that nothing is left to commit.
    fn commit(&mut self, index: usize, fate: usize) -> bool {
        let process = &mut self.processes[index];
        if process.waits {
            return self.retry(index);
        }
        if process.keeper.needs_snapshot() {
            process.keeper.snapshot().unwrap();
        }
        let Some(transaction) = process.transaction() else {
            return process.open.output.is_empty();
        };
        if !process.is_current(&self.broker) {
            // Refused: another one has its partitions, or its place.
            self.tally.refused += 1;
            self.abort(index);
            return false;
        }
        match fate {
            0..4 => {
                self.broker.apply(transaction.clone());
                self.acknowledge(index, &transaction);
                true
            }
            4 | 5 => {
                self.tally.aborts += 1;
                self.abort(index);
                false
            }
            _ => {
                self.tally.undecided += 1;
                process.waits = true;
                let (slot, decided) = (process.slot, self.draw.one_in(2));
                self.broker.undecided.insert(slot, (transaction, decided));
                false
            }
        }
    }

    /// A commit that timed out is tried again.
    fn retry(&mut self, index: usize) -> bool {
        let process = &mut self.processes[index];
        if process.epoch != self.broker.epochs[process.slot] {
            // Fenced meanwhile: fatal, the process ends.
            self.tally.refused += 1;
            self.crash(index);
            return false;
        }
        process.waits = false;
        let transaction = process.open.clone();
        if let Some((pending, _)) = self.broker.undecided.remove(&process.slot) {
            self.broker.apply(pending);
        }
        self.acknowledge(index, &transaction);
        true
    }

    fn acknowledge(&mut self, index: usize, transaction: &Transaction) {
        let process = &mut self.processes[index];
        process.keeper.committed(&transaction.commits);
        process.open = Transaction::default();
        // What is needed no more is deleted after a stable read.
        for lane in process.lanes.clone() {
            let (_, text) = self.broker.stable(lane);
            self.tally.deleted += process.keeper.clean(lane, &text).unwrap();
        }
    }

    /// The transaction is given up; state is found again as on an assignment, if there still is one.
    fn abort(&mut self, index: usize) {
        let process = &self.processes[index];
        if process.is_current(&self.broker) {
            let lanes = process.lanes.clone();
            self.assign(index, lanes);
        } else {
            self.crash(index);
        }
    }

    /// A process ends without a word, and another one takes its slot.
    fn crash(&mut self, index: usize) {
        self.tally.crashes += 1;
        let slot = self.processes.remove(index).slot;
        self.start(slot);
        self.rebalance();
    }

    /// A process is cut off: another one takes its slot, and it goes on all the same.
    fn cut_off(&mut self, index: usize) {
        self.tally.zombies += 1;
        let zombie = self.processes.remove(index);
        let slot = zombie.slot;
        if self.zombies.len() < 3 {
            self.zombies.push(zombie);
        }
        self.start(slot);
        self.rebalance();
    }

    /// A process that was cut off does what it can: reads, writes snapshots, deletes, commits.
    fn haunt(&mut self) {
        if self.zombies.is_empty() {
            return;
        }
        let index = self.draw.below(self.zombies.len());
        let zombie = &mut self.zombies[index];
        for lane in zombie.lanes.clone() {
            zombie.read(&self.broker, lane, 3, self.wall_us);
            let (_, text) = self.broker.stable(lane);
            zombie.keeper.clean(lane, &text).unwrap();
        }
        match zombie.writing.take() {
            Some(round) => drop(round.write().unwrap()),
            None => drop(zombie.keeper.snapshot().unwrap()),
        }
        zombie.tick(self.wall_us);
        if zombie.transaction().is_some() {
            assert!(!zombie.is_current(&self.broker), "a zombie would commit");
            self.tally.refused += 1;
        }
    }

    /// A new process in a slot: what the last one left is ended first.
    fn start(&mut self, slot: usize) {
        self.broker.resolve(slot);
        self.broker.epochs[slot] += 1;
        self.made += 1;
        let instance = format!("p{}", self.made);
        let sources: Vec<_> = self.broker.inputs().into_iter().filter_map(input).collect();
        let mut engine = engine(&self.room);
        engine.exchange_over_topic(EXCHANGE_PARTITIONS, &sources);
        self.processes.push(Process {
            slot,
            epoch: self.broker.epochs[slot],
            generation: 0,
            keeper: Keeper::new(engine, self.snapshots.clone(), 1, instance),
            lanes: Vec::new(),
            cursors: BTreeMap::new(),
            open: Transaction::default(),
            waits: false,
            writing: None,
        });
    }

    /// All give up what they have, with a commit if they can, and partitions are spread anew.
    fn rebalance(&mut self) {
        self.tally.rebalances += 1;
        for process in &mut self.processes {
            let able = !process.waits
                && process.is_current(&self.broker)
                && !process.keeper.needs_snapshot();
            if let Some(transaction) = process.transaction()
                && able
                && self.draw.one_in(2)
            {
                self.broker.apply(transaction);
            }
        }
        self.broker.generation += 1;
        let mut shares = vec![Vec::new(); self.processes.len()];
        for lane in self.broker.logs.keys() {
            shares[self.draw.below(self.processes.len())].push(*lane);
        }
        for (index, share) in shares.into_iter().enumerate() {
            self.assign(index, share);
        }
    }

    fn assign(&mut self, index: usize, lanes: Vec<Lane>) {
        let mut assigned = Vec::new();
        for lane in &lanes {
            let (offset, metadata) = self.broker.stable(*lane);
            self.tally.loaded += usize::from(metadata.contains("-p"));
            assigned.push(Assigned {
                lane: *lane,
                folder: folder(*lane),
                offset,
                metadata,
            });
        }
        let process = &mut self.processes[index];
        // Fenced by the time-out of its own transaction, it makes itself a new producer.
        process.epoch = self.broker.epochs[process.slot];
        process.generation = self.broker.generation;
        process.waits = false;
        process.open = Transaction::default();
        let starts = process.keeper.restore(&assigned, self.wall_us).unwrap();
        let cursor = |(lane, start)| (lane, usize::try_from(start).unwrap());
        process.cursors = starts.into_iter().map(cursor).collect();
        process.lanes = lanes;
    }
}

impl Process {
    /// Takes records; gives the number that it had taken before.
    fn read(&mut self, broker: &Broker, lane: Lane, most: usize, wall_us: i64) -> usize {
        let log = &broker.logs[&lane];
        let mut replayed = 0;
        for _ in 0..most {
            let at = self.cursors[&lane];
            let offset = i64::try_from(at).unwrap();
            if self.waits {
                break;
            }
            if at >= log.end {
                self.keeper.reached(lane, offset);
                if let Some((stream, partition)) = input(lane) {
                    self.keeper.engine.reached_end(stream, partition);
                }
                break;
            }
            if let Some(value) = &log.values[at] {
                let verdict = self.keeper.judge(lane, offset);
                replayed += usize::from(verdict == Verdict::Replay);
                let _ = self.keeper.take(lane, offset, verdict, value, wall_us);
            }
            self.cursors.insert(lane, at + 1);
        }
        self.open.output.extend(lines(&mut self.keeper.engine));
        replayed
    }

    fn tick(&mut self, wall_us: i64) -> usize {
        if self.waits {
            return 0;
        }
        let moved = self.keeper.tick(wall_us);
        for (lane, to) in &moved {
            let offset = self.keeper.position(*lane).unwrap();
            self.open.moved.push((*lane, offset, *to));
        }
        self.open.output.extend(lines(&mut self.keeper.engine));
        moved.len()
    }

    /// What it would commit now; nothing if nothing changed.
    fn transaction(&mut self) -> Option<Transaction> {
        self.open
            .frames
            .extend(self.keeper.engine.take_frames(false));
        self.open.commits = self.keeper.commits(&self.open.frames);
        (!self.open.commits.is_empty()).then(|| self.open.clone())
    }

    fn is_current(&self, broker: &Broker) -> bool {
        self.generation == broker.generation && self.epoch == broker.epochs[self.slot]
    }
}

fn lines(engine: &mut Engine) -> Vec<String> {
    texts(engine.take(WallTime(0)))
}

fn texts(outputs: Vec<Output>) -> Vec<String> {
    let text = |output| match output {
        Output::Line(line) => Some(line),
        _ => None,
    };
    outputs.into_iter().filter_map(text).collect()
}

fn input(lane: Lane) -> Option<(Stream, i32)> {
    match lane {
        Lane::Input(stream, partition) => Some((stream, partition)),
        Lane::Exchange(_) => None,
    }
}

fn folder(lane: Lane) -> String {
    match lane {
        Lane::Input(_, partition) => format!("group/topic/{partition}"),
        Lane::Exchange(number) => format!("group/exchange/{number}"),
    }
}
