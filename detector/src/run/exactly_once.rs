//! The loop that delivers exactly once: the keeper between a consumer and a transactional producer.
//!
//! A transaction is begun with the first output and committed with everything that was read by then.
//! What an abort, an assignment and a start have in common is one path, [`Exact::restore`]: read the
//! stable committed offsets, load the snapshots, read from there.

mod background;

use std::{
    collections::BTreeMap,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{clock::Clock, subject::SubjectFacts};
use floodmark_kafka::{
    Admin, Batch, ClientSettings, PartitionOffset, TopicPartition,
    consumer::{Event, Message, StartOffset},
};

use super::{
    BATCH, DetectError, LONGEST_WAIT, PATIENCE, PROGRESS_EVERY_US, Progress, facts_of, is_banking,
    is_caught_up, note, poll,
};
use crate::{
    engine::Lane,
    exactly_once::{Assigned, KeepError, Keeper, StoreError, Verdict},
    finding::Output,
    restarts::chain,
    schemas::Schemas,
    sink::{DeadLetter, Sink},
    source::Source,
    watch::{Meter, Seen, Turn},
};
use background::{Background, Taken};

/// How long a transaction may stay undecided that others left: its time-out, and what a broker needs that has just
/// come back.
const UNDECIDED: Duration = Duration::from_secs(60);

/// When a snapshot that could not be written is tried again.
const PUT_OFF_US: i64 = 2_000_000;

/// The detector with its state kept.
pub(super) struct Exact<'a> {
    pub(super) keeper: Keeper,
    pub(super) schemas: Schemas,
    pub(super) sink: Sink,
    pub(super) source: Source,
    pub(super) meter: Meter<'a>,
    pub(super) max_ahead_ms: i64,
    pub(super) client: ClientSettings,
    pub(super) group: String,
    pub(super) lanes: BTreeMap<Lane, TopicPartition>,
    /// For standard output, once the transaction is committed.
    pub(super) lines: Vec<Output>,
    pub(super) commit_every_us: i64,
    pub(super) snapshot_every_us: i64,
    pub(super) next_snapshot_us: i64,
    pub(super) snapshots: Writer,
    /// Records whose schema we cannot read; the engine never saw them.
    pub(super) unreadable: u64,
    pub(super) clock: &'a dyn Clock,
    pub(super) stdout: &'a mut dyn Write,
    pub(super) progress: &'a mut dyn FnMut(Progress),
}

/// What becomes of snapshots until they are named.
#[derive(Debug, Default)]
pub(super) struct Writer {
    background: Background,
    unnamed: Option<Taken>,
}

impl Exact<'_> {
    /// Works until told to stop, then takes a snapshot and commits.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<SubjectFacts, DetectError> {
        let worked = self.work(stop);
        self.show();
        worked?;
        self.meter.ending(self.clock);
        self.emit()?;
        if self.keeper.is_live() {
            match self.snapshot() {
                Err(KeepError::Store(error)) if !error.is_refusal() => self.put_off(&error),
                other => other?,
            }
        }
        self.commit()?;
        self.show();
        self.meter.ending(self.clock);
        let facts = facts_of(self.keeper.engine.counts(), self.unreadable, &self.sink);
        self.source.consumer.close()?;
        Ok(facts)
    }

    fn work(&mut self, stop: &AtomicBool) -> Result<(), DetectError> {
        let mut batch = Batch::with_capacity(BATCH);
        let wait = Duration::from_micros(self.commit_every_us.unsigned_abs()).min(LONGEST_WAIT);
        let (mut next_commit, mut next_progress) = (i64::MIN, i64::MIN);
        let (mut caught_up, mut alerted) = (false, false);
        self.next_snapshot_us = self.clock.monotonic_us() + self.snapshot_every_us;
        while !stop.load(Ordering::Relaxed) {
            self.meter.turn(Turn::Idle, self.clock);
            poll(&mut self.source.consumer, &mut batch, wait, self.clock)?;
            self.meter.turn(Turn::Busy, self.clock);
            self.feed(&batch)?;
            for event in batch.events() {
                self.handle(event)?;
            }
            self.note_ends();
            let now_us = self.clock.monotonic_us();
            for (lane, to) in self.keeper.tick(now_us) {
                tracing::debug!(?lane, to = to.0, "an idle partition is taken along");
            }
            self.emit()?;
            if now_us >= next_commit {
                self.commit()?;
                next_commit = now_us.saturating_add(self.commit_every_us);
                if !std::mem::replace(&mut alerted, self.sink.alerts() > 0) && alerted {
                    (self.progress)(Progress::FirstAlert);
                }
            }
            if now_us >= next_progress {
                self.report();
                next_progress = now_us + PROGRESS_EVERY_US;
            }
            if self.meter.is_due(now_us) {
                self.hold_back()?;
                self.show();
            }
            let mut is_caught_up = self.is_caught_up();
            if is_caught_up && !caught_up {
                // What the commit sends through the exchange has to come back first.
                self.commit()?;
                is_caught_up = self.is_caught_up();
                if is_caught_up {
                    (self.progress)(Progress::CaughtUp);
                }
            }
            caught_up = is_caught_up;
        }
        Ok(())
    }

    fn is_caught_up(&self) -> bool {
        self.keeper.is_live() && is_caught_up(&self.source, &self.sink)
    }

    fn feed(&mut self, batch: &Batch) -> Result<(), DetectError> {
        let now_us = self.clock.monotonic_us();
        self.meter.received(self.clock);
        if self.source.is_back(batch) {
            self.keeper.engine.reconnected(now_us);
        }
        for message in batch.messages() {
            let Some((lane, topic)) = self.source.place_of(&message) else {
                continue;
            };
            let topic = topic.to_owned();
            let verdict = self.keeper.judge(lane, message.offset());
            match verdict {
                Verdict::Skip => continue,
                Verdict::Live | Verdict::Replay => {
                    if verdict == Verdict::Live {
                        self.meter.consumed(lane, &message);
                    }
                    self.take(lane, &topic, verdict, &message, now_us)?;
                    self.source.handled(&message);
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        lane: Lane,
        topic: &str,
        verdict: Verdict,
        message: &Message<'_>,
        now_us: i64,
    ) -> Result<(), DetectError> {
        let value = message.payload().unwrap_or_default();
        // What is replayed was traced when it came in.
        let traces = self.sink.traces().filter(|_| verdict == Verdict::Live);
        let traced = traces.and_then(|traces| traces.begin(message));
        let mut outcome = Ok(());
        if is_banking(lane) {
            outcome = self
                .schemas
                .admit(value, self.clock)
                .map_err(|source| DetectError::Registry { source })?;
        }
        let readable = outcome.is_ok();
        if readable {
            outcome = self
                .keeper
                .take(lane, message.offset(), verdict, value, now_us);
            let n_outputs = self.keeper.engine.n_outputs();
            self.meter.fed(lane, n_outputs, message);
        } else {
            self.keeper.pass(lane, message.offset());
        }
        if let (Some(taken), Some(traces)) = (traced, self.sink.traces()) {
            let refused = outcome.as_ref().err().map(String::as_str);
            traces.end(taken, (lane, topic), message, refused);
        }
        let Err(reason) = outcome else {
            return Ok(());
        };
        if verdict == Verdict::Replay {
            // Its copy is in the topic of dead letters already.
            return Ok(());
        }
        self.unreadable += u64::from(!readable);
        let letter = DeadLetter {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            key: message.key(),
            value: message.payload(),
            reason: &reason,
        };
        self.sink.begin()?;
        self.sink.bury(letter, self.clock)
    }

    /// Tells the engine which partitions have been read to their ends. While lanes are replayed none is idle.
    fn note_ends(&mut self) {
        if !self.keeper.is_live() {
            return;
        }
        for lane in self.source.at_end() {
            if let Lane::Input(stream, number) = lane {
                self.keeper.engine.reached_end(stream, number);
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), DetectError> {
        match event {
            Event::Assigned { partitions } => {
                let before: Vec<TopicPartition> = self.lanes.values().cloned().collect();
                self.emit()?;
                self.commit()?;
                self.source.assign(partitions);
                for partition in partitions {
                    if let Some(lane) = self.source.lane_of(partition) {
                        self.lanes.insert(lane, partition.clone());
                    }
                }
                let starts = self.restore()?;
                self.source.consumer.accept(&starts, PATIENCE)?;
                self.go_back(&starts, &before)?;
                let partitions = self.source.n_assigned();
                (self.progress)(Progress::Assigned { partitions });
            }
            Event::Revoked { partitions, lost } => self.revoke(partitions, *lost)?,
            Event::EndOfPartition { partition, offset } => {
                if let Some(lane) = self.source.reached_end(partition, *offset) {
                    self.keeper.reached(lane, *offset);
                }
            }
            other => note(&mut self.source, other)?,
        }
        Ok(())
    }

    /// Commits for what it loses, if it still may, and drops all state: what stays is taken on again
    /// with the next assignment.
    fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), DetectError> {
        self.emit()?;
        if lost {
            self.give_up()?;
        } else {
            self.commit()?;
        }
        let stays: Vec<TopicPartition> = {
            self.source.revoke(partitions);
            self.lanes
                .retain(|_, partition| !partitions.contains(partition));
            self.lanes.values().cloned().collect()
        };
        self.keeper.drop_all();
        if stays.is_empty() {
            return Ok(());
        }
        let starts = self.restore()?;
        self.go_back(&starts, &stays)
    }

    /// Takes all lanes on as their stable committed offsets say; gives where to read each from.
    fn restore(&mut self) -> Result<Vec<(TopicPartition, StartOffset)>, DetectError> {
        // What no commit has named yet is none of the state that is restored.
        self.snapshots.unnamed = None;
        let partitions: Vec<TopicPartition> = self.lanes.values().cloned().collect();
        let committed = if partitions.is_empty() {
            Vec::new()
        } else {
            self.stable(&partitions)?
        };
        let mut assigned = Vec::new();
        for (lane, partition) in &self.lanes {
            let found = committed
                .iter()
                .find(|at| at.topic_partition() == *partition);
            let offset = match found {
                Some(at) => at.offset,
                None => oldest(&self.client, partition)?,
            };
            assigned.push(Assigned {
                lane: *lane,
                folder: self.folder(partition),
                offset,
                metadata: found.and_then(|at| at.metadata.clone()).unwrap_or_default(),
            });
        }
        let starts = self.keeper.restore(&assigned, self.clock.monotonic_us())?;
        Ok(starts
            .into_iter()
            .filter_map(|(lane, at)| Some((self.lanes.get(&lane)?.clone(), StartOffset::At(at))))
            .collect())
    }

    /// Reads these partitions, which it has been reading, from other places.
    fn go_back(
        &mut self,
        starts: &[(TopicPartition, StartOffset)],
        which: &[TopicPartition],
    ) -> Result<(), DetectError> {
        let places: Vec<(TopicPartition, StartOffset)> = starts
            .iter()
            .filter(|(partition, _)| which.contains(partition))
            .cloned()
            .collect();
        if places.is_empty() {
            return Ok(());
        }
        self.source.went_back(which);
        self.source.consumer.seek(&places, PATIENCE)?;
        Ok(self.source.consumer.resume(which)?)
    }

    /// The group's committed offsets; the broker does not answer while a transaction is undecided, for
    /// as long as that may take.
    fn stable(&self, partitions: &[TopicPartition]) -> Result<Vec<PartitionOffset>, DetectError> {
        Ok(self.source.consumer.committed(partitions, UNDECIDED)?)
    }

    fn folder(&self, partition: &TopicPartition) -> String {
        format!("{}/{}/{}", self.group, partition.topic, partition.partition)
    }

    /// Hands the engine's outputs to the producer, within a transaction.
    fn emit(&mut self) -> Result<(), DetectError> {
        self.keeper.engine.check()?;
        let outputs = self.keeper.engine.take(self.clock.now());
        self.meter.taken();
        if outputs.is_empty() {
            return Ok(());
        }
        self.sink.begin()?;
        let is_line = |output: &Output| matches!(output, Output::Line(_));
        let (lines, records) = outputs.into_iter().partition(is_line);
        self.lines.extend::<Vec<Output>>(lines);
        self.sink.write(records, self.clock, self.stdout)
    }

    /// Commits output and offsets together, or starts over from what is committed.
    fn commit(&mut self) -> Result<(), DetectError> {
        if !self.keeper.is_any_live() {
            // Frames that are taken now could not be sent, and count as told.
            return Ok(());
        }
        self.meter.turn(Turn::Blocked, self.clock);
        self.keep()?;
        let frames = self.keeper.engine.take_frames(false);
        let commits = self.keeper.commits(&frames);
        if commits.is_empty() {
            self.meter.turn(Turn::Busy, self.clock);
            return Ok(());
        }
        let began_us = self.clock.monotonic_us();
        self.sink.begin()?;
        self.sink.send_frames(&frames, self.clock)?;
        let offsets: Vec<PartitionOffset> = commits
            .iter()
            .filter_map(|commit| {
                let partition = self.lanes.get(&commit.lane)?;
                let at = PartitionOffset::new(&partition.topic, partition.partition, commit.offset);
                Some(at.with_metadata(commit.mark.to_string()))
            })
            .collect();
        if !self
            .sink
            .commit(&offsets, &self.source.consumer, self.clock)?
        {
            return self.start_over();
        }
        self.keeper.committed(&commits);
        self.meter.committed(began_us, self.clock);
        self.meter.settled(self.clock);
        let lines = std::mem::take(&mut self.lines);
        self.sink.write(lines, self.clock, self.stdout)?;
        if let Some(taken) = self.snapshots.unnamed.take() {
            let took = (taken.took_us, taken.stop_us);
            self.meter.snapshot(took, taken.n_bytes, self.clock);
            self.clean()?;
        }
        self.meter.turn(Turn::Busy, self.clock);
        Ok(())
    }

    /// Sees to snapshots before a commit: begins one that is due, and lets the commit name one that is written.
    fn keep(&mut self) -> Result<(), KeepError> {
        if self.snapshots.background.is_done() || self.keeper.needs_snapshot() {
            self.take_written()?;
        }
        if self.keeper.needs_snapshot() {
            return self.snapshot();
        }
        let now_us = self.clock.monotonic_us();
        if now_us < self.next_snapshot_us
            || !self.keeper.is_live()
            || self.snapshots.background.is_busy()
        {
            return Ok(());
        }
        self.next_snapshot_us = now_us.saturating_add(self.snapshot_every_us);
        let round = self.keeper.freeze()?;
        let frozen_us = self.clock.monotonic_us();
        self.snapshots.background.begin(round, now_us, frozen_us);
        Ok(())
    }

    /// Takes a snapshot at once, for the next commit to name.
    fn snapshot(&mut self) -> Result<(), KeepError> {
        // What is being written is older: nobody will name it.
        self.take_written()?;
        let now_us = self.clock.monotonic_us();
        let n_bytes = self.keeper.snapshot()?;
        let took_us = self.clock.monotonic_us() - now_us;
        self.snapshots.unnamed = Some(Taken {
            took_us,
            stop_us: took_us,
            n_bytes,
        });
        self.next_snapshot_us = now_us.saturating_add(self.snapshot_every_us);
        Ok(())
    }

    /// Lets the next commit name what was written in the background, which is waited for.
    fn take_written(&mut self) -> Result<(), KeepError> {
        let clock = self.clock;
        match self.snapshots.background.finish(|| clock.monotonic_us()) {
            Ok(Some((written, taken))) if self.keeper.written(&written) => {
                self.snapshots.unnamed = Some(taken);
            }
            Ok(_) => {}
            Err(KeepError::Store(error)) if !error.is_refusal() => self.put_off(&error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Goes on with the snapshot that there is: more would be read again after a crash, and nothing is lost.
    fn put_off(&mut self, error: &StoreError) {
        tracing::warn!(
            reason = chain(error),
            "a snapshot cannot be written; trying again soon"
        );
        self.next_snapshot_us = self.clock.monotonic_us().saturating_add(PUT_OFF_US);
    }

    /// After an abort: everything since the last commit is done again.
    fn start_over(&mut self) -> Result<(), DetectError> {
        tracing::warn!("a transaction was aborted; going back to what is committed");
        self.meter.aborted();
        self.lines.clear();
        let all: Vec<TopicPartition> = self.lanes.values().cloned().collect();
        let starts = self.restore()?;
        self.go_back(&starts, &all)
    }

    fn give_up(&mut self) -> Result<(), DetectError> {
        self.meter.aborted();
        self.lines.clear();
        self.sink.abort(self.clock)
    }

    /// Deletes the snapshots that are needed no more.
    fn clean(&mut self) -> Result<(), DetectError> {
        let partitions: Vec<TopicPartition> = self.lanes.values().cloned().collect();
        for at in self.stable(&partitions)? {
            let Some(lane) = self.source.lane_of(&at.topic_partition()) else {
                continue;
            };
            let text = at.metadata.unwrap_or_default();
            if let Err(error) = self.keeper.clean(lane, &text) {
                // An object too many does no harm, and the next one goes with it.
                tracing::warn!(%error, "old snapshots cannot be deleted");
            }
        }
        Ok(())
    }

    /// Pauses what is too far ahead, unless the lanes are being put where they belong.
    fn hold_back(&mut self) -> Result<(), DetectError> {
        if self.keeper.is_live() {
            let engine = &self.keeper.engine;
            self.source
                .hold_back(|lane| engine.watermark(lane), self.max_ahead_ms)?;
        }
        Ok(())
    }

    /// Copies the figures to where they are shown.
    fn show(&mut self) {
        let seen = Seen {
            engine: &self.keeper.engine,
            source: &self.source,
            sink: &self.sink,
            unreadable: self.unreadable,
            live: self.keeper.is_live(),
        };
        self.meter.show(&seen, self.clock);
    }

    fn report(&mut self) {
        let counts = self.keeper.engine.counts();
        let consumed = counts.map(|(_, counts)| counts.consumed).sum();
        (self.progress)(Progress::Position {
            consumed,
            alerts: self.sink.alerts(),
        });
    }
}

/// Where a partition begins that the group has never committed for.
fn oldest(client: &ClientSettings, partition: &TopicPartition) -> Result<i64, DetectError> {
    let marks = Admin::new(client, PATIENCE)?.watermarks(&[&partition.topic])?;
    let found = marks.iter().find(|mark| mark.partition == *partition);
    Ok(found.map_or(0, |mark| mark.low))
}
