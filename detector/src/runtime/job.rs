//! A pipeline over all partitions of one stream that this process reads.

use std::collections::BTreeMap;

use floodmark_contracts::clock::EventTime;

use super::{
    partition::{Emit, Fed, Logic, Merger, Partition},
    saved::{Reader, SavedError, Writer},
    watermark::{BEGINNING, TimeSettings},
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
    /// Partial results of a partition that came after their window was gone, because the partition
    /// had been taken for idle.
    pub late_partials: u64,
}

/// A job, whatever its events: what an engine holds one of per stream.
pub trait StreamJob<O>: Send {
    /// Starts reading a partition. Its state is fresh.
    fn assign(&mut self, partition: i32, wall_us: i64);

    /// Stops reading a partition and drops its state.
    fn revoke(&mut self, partition: i32, out: &mut Vec<O>);

    /// Takes a record. The reason, if it is not an event.
    ///
    /// # Errors
    /// Why the value is not an event.
    fn feed(
        &mut self,
        partition: i32,
        value: &[u8],
        wall_us: i64,
        out: &mut Vec<O>,
    ) -> Result<(), String>;

    /// Takes note that a partition has been read to its end.
    fn reached_end(&mut self, partition: i32);

    /// Takes a record again whose output is out already: changes state, and nothing else.
    fn replay(&mut self, partition: i32, value: &[u8], wall_us: i64);

    /// Moves a partition's watermark as a [`tick`](Self::tick) did before.
    fn advance(&mut self, partition: i32, to: EventTime, out: &mut Vec<O>);

    /// Hands over the advances of watermarks since the last call, each with its partition.
    fn take_advances(&mut self) -> Vec<(i32, EventTime)>;

    /// Adds a partition's state; nothing for one that is not assigned.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    fn save(&self, partition: i32, to: &mut Writer) -> Result<(), SavedError>;

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

    /// Adds the state of what is put together from all partitions.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    fn save_merged(&self, to: &mut Writer) -> Result<(), SavedError>;

    /// Takes that state over.
    ///
    /// # Errors
    /// If the bytes are no state of this job.
    fn load_merged(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError>;

    /// Drops all partitions and what was put together from them; what was counted stays.
    fn reset(&mut self);

    /// Looks for idle partitions: those read to their ends, without a record for the time set.
    fn tick(&mut self, wall_us: i64, out: &mut Vec<O>);

    /// What was counted.
    fn counts(&self) -> Counts;
}

/// A job with logic `L` per partition and merger `M` over them.
pub struct Job<L: Logic, M> {
    settings: TimeSettings,
    partitions: BTreeMap<i32, Partition<L>>,
    new_logic: Box<dyn FnMut() -> L + Send>,
    new_merger: Box<dyn Fn() -> M + Send>,
    merger: M,
    merged: EventTime,
    counts: Counts,
    advances: Vec<(i32, EventTime)>,
    emit: Emit<L::Partial, L::Output>,
}

impl<L, M> Job<L, M>
where
    L: Logic,
    M: Merger<Partial = L::Partial, Output = L::Output>,
{
    /// A job without partitions; `new_logic` makes the logic of each that is assigned, `new_merger`
    /// what puts their parts together.
    pub fn new(
        settings: TimeSettings,
        new_merger: impl Fn() -> M + Send + 'static,
        new_logic: impl FnMut() -> L + Send + 'static,
    ) -> Self {
        Self {
            settings,
            partitions: BTreeMap::new(),
            new_logic: Box::new(new_logic),
            merger: new_merger(),
            new_merger: Box::new(new_merger),
            merged: BEGINNING,
            counts: Counts::default(),
            advances: Vec::new(),
            emit: Emit::default(),
        }
    }

    /// The watermark of the stream: the least of its active partitions'; `None` before one has an
    /// event.
    #[cfg(test)]
    fn watermark(&self) -> Option<EventTime> {
        (self.merged != BEGINNING).then_some(self.merged)
    }

    /// Hands what partition `source` found to the merger and the outputs on.
    fn settle(&mut self, source: i32, out: &mut Vec<L::Output>) {
        for partial in self.emit.partials.drain(..) {
            if !self.merger.accept(source, partial, out) {
                self.counts.late_partials += 1;
            }
        }
        out.append(&mut self.emit.outputs);
    }

    /// Moves the merged watermark to the least of all partitions'. An idle partition is in it too:
    /// it has been advanced to where the active ones are, see [`tick`](StreamJob::tick).
    fn merge(&mut self, out: &mut Vec<L::Output>) {
        let least = self.partitions.values().map(Partition::watermark).min();
        if let Some(least) = least
            && least > self.merged
        {
            self.merged = least;
            self.merger.advance(least, out);
        }
    }
}

impl<L, M> StreamJob<L::Output> for Job<L, M>
where
    L: Logic + Send,
    L::Event: Send,
    L::Partial: Send,
    L::Output: Send,
    M: Merger<Partial = L::Partial, Output = L::Output> + Send,
{
    fn assign(&mut self, partition: i32, wall_us: i64) {
        let logic = (self.new_logic)();
        self.partitions
            .insert(partition, Partition::new(&self.settings, logic, wall_us));
    }

    fn revoke(&mut self, partition: i32, out: &mut Vec<L::Output>) {
        if self.partitions.remove(&partition).is_some() {
            self.merge(out);
        }
    }

    fn feed(
        &mut self,
        partition: i32,
        value: &[u8],
        wall_us: i64,
        out: &mut Vec<L::Output>,
    ) -> Result<(), String> {
        if !self.partitions.contains_key(&partition) {
            self.assign(partition, wall_us);
        }
        let Some(task) = self.partitions.get_mut(&partition) else {
            return Ok(());
        };
        self.counts.consumed += 1;
        let before = task.watermark();
        let fed = task.feed(value, wall_us, &mut self.emit);
        let moved = task.watermark() != before;
        match fed {
            Fed::Taken => {}
            Fed::Late => self.counts.late += 1,
            Fed::Malformed(reason) => {
                self.counts.malformed += 1;
                return Err(reason);
            }
        }
        if !self.emit.partials.is_empty() || !self.emit.outputs.is_empty() {
            self.settle(partition, out);
        }
        if moved {
            self.merge(out);
        }
        Ok(())
    }

    fn reached_end(&mut self, partition: i32) {
        if let Some(task) = self.partitions.get_mut(&partition) {
            task.reached_end();
        }
    }

    fn replay(&mut self, partition: i32, value: &[u8], wall_us: i64) {
        let (counts, mut out) = (self.counts, Vec::new());
        // What is no event changes nothing, now as then.
        let _ = self.feed(partition, value, wall_us, &mut out);
        self.counts = counts;
    }

    fn advance(&mut self, partition: i32, to: EventTime, out: &mut Vec<L::Output>) {
        if let Some(task) = self.partitions.get_mut(&partition) {
            task.advance(to, &mut self.emit);
        }
        self.settle(partition, out);
        self.merge(out);
    }

    fn take_advances(&mut self) -> Vec<(i32, EventTime)> {
        std::mem::take(&mut self.advances)
    }

    fn save(&self, partition: i32, to: &mut Writer) -> Result<(), SavedError> {
        match self.partitions.get(&partition) {
            Some(task) => task.save(to),
            None => Ok(()),
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

    fn save_merged(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&self.merged)?;
        self.merger.save(to)
    }

    fn load_merged(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.merged = from.get()?;
        self.merger.load(from)
    }

    fn reset(&mut self) {
        self.partitions.clear();
        self.merger = (self.new_merger)();
        self.merged = BEGINNING;
        self.advances.clear();
    }

    fn tick(&mut self, wall_us: i64, out: &mut Vec<L::Output>) {
        let idle_since = wall_us.saturating_sub(self.settings.idleness_us);
        let active = |task: &&Partition<L>| !task.is_idle(idle_since);
        // With nobody active nothing tells how far event time has gone.
        let Some(to) = self
            .partitions
            .values()
            .filter(active)
            .map(Partition::watermark)
            .min()
        else {
            return;
        };
        let idle: Vec<i32> = self
            .partitions
            .iter()
            .filter(|(_, task)| !active(task) && task.watermark() < to)
            .map(|(partition, _)| *partition)
            .collect();
        for partition in idle {
            if let Some(task) = self.partitions.get_mut(&partition) {
                task.advance(to, &mut self.emit);
                self.advances.push((partition, to));
            }
            self.settle(partition, out);
        }
        self.merge(out);
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
