//! A pipeline over all partitions of one stream that this process reads.

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, status::StateSize};

use super::{
    exchange::{Packet, Part, Standing},
    partition::{Emit, Fed, Logic, Partition},
    saved::{Frozen, Reader, SavedError},
    watermark::TimeSettings,
};

/// What a job has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records fed.
    pub consumed: u64,
    /// Events later than the watermark and the allowed lateness.
    pub late: u64,
    /// Records that were no events.
    pub malformed: u64,
}

/// What came of a call.
#[derive(Debug)]
pub struct Found<O> {
    /// For the world.
    pub outputs: Vec<O>,
    /// For the exchange, each with the partition that it comes from.
    pub packets: Vec<(i32, Packet)>,
    /// Partitions whose watermarks moved.
    pub moved: Vec<i32>,
}

impl<O> Default for Found<O> {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            packets: Vec::new(),
            moved: Vec::new(),
        }
    }
}

/// A job, whatever its events: what an engine holds one of per stream.
pub trait StreamJob<O>: Send {
    /// Starts reading a partition. Its state is fresh.
    fn assign(&mut self, partition: i32, wall_us: i64);

    /// Stops reading a partition and drops its state.
    fn revoke(&mut self, partition: i32);

    /// Takes a record. The reason, if it is not an event.
    ///
    /// # Errors
    /// Why the value is not an event.
    fn feed(
        &mut self,
        partition: i32,
        value: &[u8],
        wall_us: i64,
        found: &mut Found<O>,
    ) -> Result<(), String>;

    /// Takes note that a partition has been read to its end.
    fn reached_end(&mut self, partition: i32);

    /// Takes a record again whose output is out already: changes state, and nothing else.
    fn replay(&mut self, partition: i32, value: &[u8], wall_us: i64);

    /// Moves a partition's watermark as it was [taken along](Self::take_along) before.
    fn advance(&mut self, partition: i32, to: EventTime, found: &mut Found<O>);

    /// Hands over the advances of watermarks since the last call, each with its partition.
    fn take_advances(&mut self) -> Vec<(i32, EventTime)>;

    /// A partition's state as it is now; empty for one that is not assigned.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    fn freeze(&mut self, partition: i32) -> Result<Frozen, SavedError>;

    /// Starts a partition with the state saved.
    ///
    /// # Errors
    /// If the bytes are no state of this job.
    fn load(
        &mut self,
        partition: i32,
        from: &mut Reader<'_>,
        wall_us: i64,
    ) -> Result<(), SavedError>;

    /// Drops all partitions; what was counted stays.
    fn reset(&mut self);

    /// Looks for idle partitions: those read to their ends, without a record for the time set. True if there
    /// is one.
    fn judge_idle(&mut self, wall_us: i64) -> bool;

    /// Lets the silence of all partitions begin anew at `wall_us`: the broker was out of reach until then, and what was written
    /// meanwhile comes partition by partition. Without this the first of them would take the others along.
    fn restart_silence(&mut self, wall_us: i64);

    /// Moves the idle partitions to where the slowest of those is that are active, or fell silent after them. `elsewhere` are the stream's partitions that others
    /// read, as far as is known; those that are read here are passed over in it.
    fn take_along(&mut self, elsewhere: &[(i32, Standing)], found: &mut Found<O>);

    /// How far each partition is; those that are idle last, in the order in which they fell silent.
    fn standings(&self) -> Vec<(i32, Standing)>;

    /// How far a partition is; nothing for one that is not assigned.
    fn standing(&self, partition: i32) -> Option<Standing>;

    /// What was counted.
    fn counts(&self) -> Counts;

    /// How much state all partitions hold.
    fn size(&self) -> StateSize;
}

/// A job with logic `L` per partition.
pub struct Job<L: Logic> {
    settings: TimeSettings,
    partitions: BTreeMap<i32, Partition<L>>,
    new_logic: Box<dyn FnMut() -> L + Send>,
    counts: Counts,
    advances: Vec<(i32, EventTime)>,
    emit: Emit<L::Partial, L::Output>,
}

impl<L: Logic> Job<L> {
    /// A job without partitions; `new_logic` makes the logic of each that is assigned.
    pub fn new(settings: TimeSettings, new_logic: impl FnMut() -> L + Send + 'static) -> Self {
        Self {
            settings,
            partitions: BTreeMap::new(),
            new_logic: Box::new(new_logic),
            counts: Counts::default(),
            advances: Vec::new(),
            emit: Emit::default(),
        }
    }

    fn is_behind(&self, partition: i32, to: EventTime) -> bool {
        let task = self.partitions.get(&partition);
        task.is_some_and(|task| task.standing().watermark < to)
    }

    /// Hands on what a partition found.
    fn settle(&mut self, partition: i32, found: &mut Found<L::Output>) {
        for partial in self.emit.partials.drain(..) {
            match partial.packet() {
                Ok(packet) => found.packets.push((partition, packet)),
                // Plain numbers and texts, which always can be encoded.
                Err(error) => tracing::error!(partition, %error, "a part is lost"),
            }
        }
        found.outputs.append(&mut self.emit.outputs);
    }
}

impl<L> StreamJob<L::Output> for Job<L>
where
    L: Logic + Send,
    L::Event: Send,
    L::Partial: Send,
    L::Output: Send,
{
    fn assign(&mut self, partition: i32, wall_us: i64) {
        let logic = (self.new_logic)();
        self.partitions
            .insert(partition, Partition::new(&self.settings, logic, wall_us));
    }

    fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    fn feed(
        &mut self,
        partition: i32,
        value: &[u8],
        wall_us: i64,
        found: &mut Found<L::Output>,
    ) -> Result<(), String> {
        if !self.partitions.contains_key(&partition) {
            self.assign(partition, wall_us);
        }
        let Some(task) = self.partitions.get_mut(&partition) else {
            return Ok(());
        };
        self.counts.consumed += 1;
        let before = task.standing().watermark;
        let fed = task.feed(value, wall_us, &mut self.emit);
        if task.standing().watermark != before {
            found.moved.push(partition);
        }
        match fed {
            Fed::Taken => {}
            Fed::Late => self.counts.late += 1,
            Fed::Malformed(reason) => {
                self.counts.malformed += 1;
                return Err(reason);
            }
        }
        if !self.emit.partials.is_empty() || !self.emit.outputs.is_empty() {
            self.settle(partition, found);
        }
        Ok(())
    }

    fn reached_end(&mut self, partition: i32) {
        if let Some(task) = self.partitions.get_mut(&partition) {
            task.reached_end();
        }
    }

    fn replay(&mut self, partition: i32, value: &[u8], wall_us: i64) {
        let counts = self.counts;
        // What is no event changes nothing, now as then.
        let _ = self.feed(partition, value, wall_us, &mut Found::default());
        self.counts = counts;
    }

    fn advance(&mut self, partition: i32, to: EventTime, found: &mut Found<L::Output>) {
        if let Some(task) = self.partitions.get_mut(&partition) {
            task.advance(to, &mut self.emit);
            found.moved.push(partition);
        }
        self.settle(partition, found);
    }

    fn take_advances(&mut self) -> Vec<(i32, EventTime)> {
        std::mem::take(&mut self.advances)
    }

    fn freeze(&mut self, partition: i32) -> Result<Frozen, SavedError> {
        match self.partitions.get_mut(&partition) {
            Some(task) => task.freeze(),
            None => Ok(Box::new(|_| Ok(()))),
        }
    }

    fn load(
        &mut self,
        partition: i32,
        from: &mut Reader<'_>,
        wall_us: i64,
    ) -> Result<(), SavedError> {
        let logic = (self.new_logic)();
        let mut task = Partition::new(&self.settings, logic, wall_us);
        task.load(from)?;
        self.partitions.insert(partition, task);
        Ok(())
    }

    fn reset(&mut self) {
        self.partitions.clear();
        self.advances.clear();
    }

    fn judge_idle(&mut self, wall_us: i64) -> bool {
        let idle_since = wall_us.saturating_sub(self.settings.idleness_us);
        let mut is_any = false;
        for task in self.partitions.values_mut() {
            is_any |= task.judge_idle(idle_since);
        }
        is_any
    }

    fn restart_silence(&mut self, wall_us: i64) {
        for task in self.partitions.values_mut() {
            task.restart_silence(wall_us);
        }
    }

    fn take_along(&mut self, elsewhere: &[(i32, Standing)], found: &mut Found<L::Output>) {
        let here = self.partitions.values().map(Partition::standing);
        let others = elsewhere
            .iter()
            .filter(|(partition, _)| !self.partitions.contains_key(partition))
            .map(|(_, standing)| *standing);
        let active = here.chain(others).filter(|standing| !standing.idle);
        let mut least = active.map(|standing| standing.watermark).min();
        // Those that fell silent last first: they were active while the others were idle already, so that how often
        // anybody looks does not matter.
        let silent = |(partition, task): (&i32, &Partition<L>)| {
            Some((std::cmp::Reverse(task.silent_since_us()?), *partition))
        };
        let mut idle: Vec<_> = self.partitions.iter().filter_map(silent).collect();
        idle.sort_unstable();
        for together in idle.chunk_by(|a, b| a.0 == b.0) {
            let partitions = together.iter().map(|(_, partition)| *partition);
            for partition in partitions.clone() {
                // With nobody active, then or now, nothing tells how far event time has gone.
                let to = least.filter(|to| self.is_behind(partition, *to));
                if let Some(to) = to {
                    self.advances.push((partition, to));
                    self.advance(partition, to, found);
                }
            }
            let standings = partitions.filter_map(|partition| self.standing(partition));
            let of_these = standings.map(|standing| standing.watermark).min();
            least = least.into_iter().chain(of_these).min();
        }
    }

    fn standings(&self) -> Vec<(i32, Standing)> {
        let mut all: Vec<_> = self.partitions.iter().collect();
        all.sort_by_key(|(_, task)| task.silent_since_us());
        all.into_iter()
            .map(|(partition, task)| (*partition, task.standing()))
            .collect()
    }

    fn standing(&self, partition: i32) -> Option<Standing> {
        self.partitions.get(&partition).map(Partition::standing)
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn size(&self) -> StateSize {
        let mut size = StateSize::default();
        for task in self.partitions.values() {
            size.add(task.size());
        }
        size
    }
}

#[cfg(test)]
mod tests;
