//! What a running detector tells of itself: `/status.json`, and what its page and its metrics are made from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{EventTime, WallTime},
    counts::Spans,
    stream::Stream,
};

/// Longest time without a sign of life of a detector that works, in microseconds: twice what it waits for a
/// broker at most.
const SILENCE_US: i64 = 60_000_000;

/// A running detector, as it was at [`at`](Self::at).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DetectorStatus {
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Consumer group.
    pub group: String,
    /// Which of the group's processes it is.
    pub slot: u32,
    /// `at-least-once` or `exactly-once`.
    pub delivery: String,
    /// When the process began.
    pub started_at: WallTime,
    /// When the figures below were gathered.
    pub at: WallTime,
    /// What it is doing.
    pub phase: Phase,
    /// Times that it has begun again after a failure.
    pub restarts: u64,
    /// How often it may begin again before it gives up.
    pub restarts_left: u32,
    /// What made it begin again last.
    pub last_failure: Option<String>,
    /// Which topics go where.
    pub pipelines: Vec<PipelineStatus>,
    /// Bytes of the file with state that memory has no room for; 0 while there is none.
    pub state_file_bytes: u64,
    /// Per stream.
    pub streams: BTreeMap<Stream, StreamStatus>,
    /// From the timestamp of the record that brought a result out to its hand-over, or to the commit of its
    /// transaction: per stream, and for what was put together from several partitions, `exchange`.
    pub latency: BTreeMap<String, Spans>,
    /// Parts of results that came after their window was gone.
    pub late_parts: u64,
    /// The partitions that it has.
    pub partitions: Vec<PartitionStatus>,
    /// What it has written.
    pub written: Written,
    /// What takes records and rows on to files and stores, by its name.
    #[serde(default)]
    pub sinks: BTreeMap<String, SinkStatus>,
    /// Commits and snapshots.
    pub checkpoints: CheckpointStatus,
    /// What its time goes into, and what waits.
    pub pressure: Pressure,
}

/// What a detector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Looking for the broker and its topics.
    #[default]
    Starting,
    /// In the group, without partitions yet.
    Waiting,
    /// Reading again what a snapshot does not hold, without output.
    Replaying,
    /// Reading and writing.
    Running,
    /// Pausing after a failure, before it begins again.
    Restarting,
    /// Ending: output is flushed, offsets are committed.
    Ending,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Waiting,
        Self::Replaying,
        Self::Running,
        Self::Restarting,
        Self::Ending,
    ];

    /// Its name in files, metrics and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Replaying => "replaying",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Ending => "ending",
        }
    }
}

/// A pipeline with what it reads and writes: a node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PipelineStatus {
    /// Its name.
    pub name: String,
    /// What it does, in a few words.
    pub does: String,
    /// Topics that it reads.
    pub inputs: Vec<String>,
    /// Topics and stores that it writes.
    pub outputs: Vec<String>,
}

/// What has come of a stream so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StreamStatus {
    /// Records read; those read again after a restart count again.
    pub consumed: u64,
    /// Records read per second, of late.
    pub per_s: f64,
    /// Events behind the watermark and the allowed lateness.
    pub late: u64,
    /// Records that were no events.
    pub dead_letters: u64,
    /// What is held in memory.
    pub state: StateSize,
}

/// How much state there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StateSize {
    /// Keys that have state.
    pub keys: u64,
    /// Events that wait for the watermark.
    pub waiting: u64,
    /// Bytes that both take in memory, as far as they are counted: windows are not.
    pub bytes: u64,
    /// Of the keys, those whose state is on disk.
    pub disk_keys: u64,
    /// Bytes of state on disk, with what is not needed any more and not cleared away yet.
    pub disk_bytes: u64,
    /// States read back from disk so far.
    pub disk_reads: u64,
}

impl StateSize {
    /// Takes more state in.
    pub fn add(&mut self, more: Self) {
        self.keys += more.keys;
        self.waiting += more.waiting;
        self.bytes += more.bytes;
        self.disk_keys += more.disk_keys;
        self.disk_bytes += more.disk_bytes;
        self.disk_reads += more.disk_reads;
    }
}

/// An assigned partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PartitionStatus {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// What it is a part of: a stream's name, or `exchange`.
    pub of: String,
    /// The next record to read; unknown before the first.
    pub position: Option<i64>,
    /// Records in the partition that were not read; unknown before the first.
    pub lag: Option<u64>,
    /// Up to where its log is taken to be complete; nothing before the first event.
    pub watermark: Option<EventTime>,
    /// Read to its end.
    pub at_end: bool,
    /// Not read for now, because it is ahead of others.
    pub paused: bool,
}

impl PartitionStatus {
    /// How far its watermark is behind the clock, in seconds. Of recorded events it is their age.
    #[must_use]
    pub fn watermark_lag_s(&self, at: WallTime) -> Option<f64> {
        let watermark = self.watermark?;
        Some((at.0 as f64 / 1e3 - watermark.0 as f64) / 1e3)
    }
}

/// What was written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// Alerts.
    pub alerts: u64,
    /// Lines `sessionId,score`.
    pub flags: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Rows of counts.
    pub rows: u64,
}

/// A sink: it reads topics with a group of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SinkStatus {
    /// What it writes, in a few words.
    pub does: String,
    /// Where to; no secrets.
    pub place: String,
    /// Topics that it reads.
    pub inputs: Vec<String>,
    /// Records read.
    pub read: u64,
    /// Of those, what stands in the destination.
    pub written: u64,
    /// Records in its partitions that it has not read; unknown before it has any, and while it fails.
    pub lag: Option<u64>,
    /// Attempts to write that failed; each was made again.
    pub failures: u64,
    /// It pauses after a failure, and will try again.
    pub failing: bool,
    /// What failed last.
    pub last_failure: Option<String>,
}

/// Commits and snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointStatus {
    /// Commits of offsets; with transactions, transactions committed.
    pub commits: u64,
    /// Commits that failed and will be made again; with transactions, transactions aborted.
    pub aborts: u64,
    /// When something was committed last.
    pub last_commit_at: Option<WallTime>,
    /// How long commits took.
    pub commit: Spans,
    /// Snapshots of the whole state.
    pub snapshots: u64,
    /// When one was committed last.
    pub last_snapshot_at: Option<WallTime>,
    /// How long that one took, in microseconds.
    pub last_snapshot_us: u64,
    /// How long no record was read for it, in microseconds.
    pub last_snapshot_stop_us: u64,
    /// Bytes of that one.
    pub snapshot_bytes: u64,
    /// How long snapshots took.
    pub snapshot: Spans,
}

/// Where the time of the thread that works goes, and what waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Share of the last second in which it waited for records.
    pub idle: f64,
    /// Share in which it worked on records.
    pub busy: f64,
    /// Share in which it waited for its output: acknowledgements, commits, snapshots.
    pub blocked: f64,
    /// Records that were read ahead and wait.
    pub read_ahead: u64,
    /// What may be read ahead, in KiB: when it is full, nothing is fetched.
    pub read_ahead_limit_kib: u64,
    /// Partitions paused, because they are ahead of others.
    pub paused: u64,
    /// Times that a partition was paused.
    pub pauses: u64,
    /// Results handed to the producer and not acknowledged yet.
    pub in_flight: u64,
}

impl DetectorStatus {
    /// Whether the process works.
    ///
    /// # Errors
    /// Why not.
    pub fn health(&self, now: WallTime) -> Result<(), String> {
        let silent_us = now.0.saturating_sub(self.at.0);
        if silent_us > SILENCE_US {
            let seconds = silent_us / 1_000_000;
            return Err(format!("no sign of life for {seconds} s"));
        }
        Ok(())
    }

    /// Whether it reads: it has partitions, and what a snapshot does not hold has been read again.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self, now: WallTime) -> Result<(), String> {
        self.health(now)?;
        if self.phase == Phase::Running {
            return Ok(());
        }
        Err(format!("it is {}", self.phase.name()))
    }

    /// Records that were not read, over all partitions; unknown if it is of one.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        self.partitions.iter().map(|of| of.lag).sum()
    }

    /// What was counted before a restart goes on being counted.
    pub fn add_counts(&mut self, before: &Self) {
        for (stream, more) in &before.streams {
            let of = self.streams.entry(*stream).or_default();
            of.consumed += more.consumed;
            of.late += more.late;
            of.dead_letters += more.dead_letters;
        }
        for (name, more) in &before.latency {
            self.latency.entry(name.clone()).or_default().add(more);
        }
        self.late_parts += before.late_parts;
        self.written.alerts += before.written.alerts;
        self.written.flags += before.written.flags;
        self.written.dead_letters += before.written.dead_letters;
        self.written.rows += before.written.rows;
        for (name, more) in &before.sinks {
            let of = self
                .sinks
                .entry(name.clone())
                .or_insert_with(|| SinkStatus {
                    does: more.does.clone(),
                    place: more.place.clone(),
                    inputs: more.inputs.clone(),
                    ..SinkStatus::default()
                });
            of.read += more.read;
            of.written += more.written;
            of.failures += more.failures;
            let last = || more.last_failure.clone();
            of.last_failure = of.last_failure.take().or_else(last);
        }
        let (mine, more) = (&mut self.checkpoints, &before.checkpoints);
        mine.commits += more.commits;
        mine.aborts += more.aborts;
        mine.snapshots += more.snapshots;
        mine.commit.add(&more.commit);
        mine.snapshot.add(&more.snapshot);
        mine.last_commit_at = mine.last_commit_at.max(more.last_commit_at);
        if mine.last_snapshot_at.is_none() {
            mine.last_snapshot_at = more.last_snapshot_at;
            mine.last_snapshot_us = more.last_snapshot_us;
            mine.last_snapshot_stop_us = more.last_snapshot_stop_us;
            mine.snapshot_bytes = more.snapshot_bytes;
        }
        self.pressure.pauses += before.pressure.pauses;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(phase: Phase, at_us: i64) -> DetectorStatus {
        DetectorStatus {
            phase,
            at: WallTime(at_us),
            ..DetectorStatus::default()
        }
    }

    #[test]
    fn it_is_ready_while_it_reads_and_healthy_while_it_moves() {
        let now = WallTime(100_000_000);
        for (phase, age_us, healthy, ready) in [
            (Phase::Running, 200_000, true, true),
            (Phase::Waiting, 200_000, true, false),
            (Phase::Replaying, 200_000, true, false),
            (Phase::Restarting, 30_000_000, true, false),
            (Phase::Running, 60_000_001, false, false),
        ] {
            let status = status(phase, now.0 - age_us);
            assert_eq!(status.health(now).is_ok(), healthy, "{phase:?} {age_us}");
            assert_eq!(status.readiness(now).is_ok(), ready, "{phase:?} {age_us}");
        }
        let silent = status(Phase::Running, 0).readiness(now).unwrap_err();
        assert_eq!(silent, "no sign of life for 100 s");
        let waiting = status(Phase::Waiting, now.0).readiness(now).unwrap_err();
        assert_eq!(waiting, "it is waiting");
    }

    #[test]
    fn a_lag_of_one_unknown_partition_is_unknown() {
        let of = |lag| PartitionStatus {
            lag,
            ..PartitionStatus::default()
        };
        let mut status = DetectorStatus::default();
        assert_eq!(status.lag(), Some(0));
        status.partitions = vec![of(Some(3)), of(Some(4))];
        assert_eq!(status.lag(), Some(7));
        status.partitions.push(of(None));
        assert_eq!(status.lag(), None);
    }

    #[test]
    fn a_watermark_lags_behind_the_clock_that_is_passed_in() {
        let partition = PartitionStatus {
            watermark: Some(EventTime(10_000)),
            ..PartitionStatus::default()
        };
        assert_eq!(partition.watermark_lag_s(WallTime(12_500_000)), Some(2.5));
        let nothing = PartitionStatus::default();
        assert_eq!(nothing.watermark_lag_s(WallTime(12_500_000)), None);
    }

    #[test]
    fn counts_go_on_over_a_restart_and_what_is_held_does_not() {
        let mut before = status(Phase::Restarting, 1);
        let of = StreamStatus {
            consumed: 10,
            late: 2,
            state: StateSize {
                keys: 5,
                ..StateSize::default()
            },
            ..StreamStatus::default()
        };
        before.streams.insert(Stream::Sensors, of);
        let spans = before.latency.entry("sensors".to_owned()).or_default();
        spans.record(7);
        before.written.alerts = 3;
        before.written.rows = 6;
        before.checkpoints.commits = 4;
        before.checkpoints.last_commit_at = Some(WallTime(9));
        let mut after = status(Phase::Running, 2);
        after.streams.entry(Stream::Sensors).or_default().consumed = 1;
        after.add_counts(&before);
        let of = &after.streams[&Stream::Sensors];
        assert_eq!((of.consumed, of.late, of.state.keys), (11, 2, 0));
        assert_eq!(
            (after.latency["sensors"].total(), after.written.alerts),
            (1, 3)
        );
        assert_eq!(after.written.rows, 6);
        assert_eq!(after.checkpoints.last_commit_at, Some(WallTime(9)));
    }

    #[test]
    fn phases_have_the_names_that_files_have() {
        for phase in Phase::ALL {
            let json = serde_json::to_value(phase).unwrap();
            assert_eq!(json, phase.name());
        }
    }
}
