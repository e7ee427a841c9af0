//! What the loop counts for itself, and copies into the [`Watch`] now and then.

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::{Clock, EventTime},
    counts::Spans,
    histogram::{HistogramError, up_to},
    status::{CheckpointStatus, PartitionStatus, Phase, StreamStatus},
    stream::Stream,
};
use floodmark_kafka::consumer::Message;
use hdrhistogram::Histogram;

use super::{
    Watch,
    laps::{Laps, Turn},
};
use crate::{
    engine::{Engine, Lane},
    runtime::BEGINNING,
    sink::Sink,
    source::Source,
};

/// Wall time between copies, microseconds.
const EVERY_US: i64 = 250_000;

/// Wall time over which rates are taken, microseconds.
const RATE_US: i64 = 1_000_000;

/// The longest time from a record's timestamp to its consumption that is told apart, microseconds: a day. Who reads
/// what was written long ago learns nothing from it.
const LONGEST_US: u64 = 86_400_000_000;

/// The counts of one life of the detector.
pub(crate) struct Meter<'a> {
    watch: &'a Watch,
    next_us: i64,
    laps: Laps,
    rates: BTreeMap<Stream, Rate>,
    /// Results of the engine that have been attributed to a record.
    n_outputs: usize,
    /// Records that brought out what is not settled yet: its lane's name, timestamp in milliseconds, number of results.
    caused: Vec<(&'static str, i64, u64)>,
    latency: BTreeMap<String, Spans>,
    /// When the records in work were received, microseconds.
    received_us: i64,
    /// From the timestamps of records to that, since the last copy, microseconds.
    due_to_consumed: Histogram<u64>,
    checkpoints: CheckpointStatus,
}

/// What a copy is made from.
pub(crate) struct Seen<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) source: &'a Source,
    pub(crate) sink: &'a Sink,
    /// Records of the banking stream that the engine never saw.
    pub(crate) unreadable: u64,
    /// Whether output counts: nothing is read again.
    pub(crate) live: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    since_us: i64,
    count: u64,
    per_s: f64,
}

impl<'a> Meter<'a> {
    /// Begins to count.
    ///
    /// # Errors
    /// Never in practice: the histogram's bounds are sound.
    pub(crate) fn new(watch: &'a Watch, clock: &dyn Clock) -> Result<Self, HistogramError> {
        Ok(Self {
            watch,
            next_us: i64::MIN,
            laps: Laps::new(clock.monotonic_us()),
            rates: BTreeMap::new(),
            n_outputs: 0,
            caused: Vec::new(),
            latency: BTreeMap::new(),
            received_us: 0,
            due_to_consumed: up_to(LONGEST_US)?,
            checkpoints: CheckpointStatus::default(),
        })
    }

    /// Takes note that records have been received.
    pub(crate) fn received(&mut self, clock: &dyn Clock) {
        self.received_us = clock.now().0;
    }

    /// Takes note of a record of an input that nobody has had before.
    #[inline]
    pub(crate) fn consumed(&mut self, lane: Lane, message: &Message<'_>) {
        if let Lane::Input(..) = lane
            && let Some(at) = message.timestamp()
        {
            // Clocks of two machines can differ by more than it took.
            let took_us = self.received_us - at.millis.saturating_mul(1000);
            self.due_to_consumed
                .saturating_record(took_us.max(0).unsigned_abs());
        }
    }

    /// Takes note of what the thread turns to.
    pub(crate) fn turn(&mut self, to: Turn, clock: &dyn Clock) {
        self.laps.turn(to, clock.monotonic_us());
    }

    /// Takes note that a record has been fed; the engine holds `n_outputs` results since.
    #[inline]
    pub(crate) fn fed(&mut self, lane: Lane, n_outputs: usize, message: &Message<'_>) {
        if n_outputs > self.n_outputs {
            let results = (n_outputs - self.n_outputs) as u64;
            self.n_outputs = n_outputs;
            if let Some(at) = message.timestamp() {
                self.caused.push((lane.name(), at.millis, results));
            }
        }
    }

    /// Takes note that the engine's results have been taken: it holds none now.
    pub(crate) fn taken(&mut self) {
        self.n_outputs = 0;
    }

    /// Takes note that what was taken is on its way for good.
    pub(crate) fn settled(&mut self, clock: &dyn Clock) {
        if self.caused.is_empty() {
            return;
        }
        let now_us = clock.now().0;
        for (name, at_ms, results) in self.caused.drain(..) {
            // Clocks of two machines can differ by more than it took.
            let took_us = now_us.saturating_sub(at_ms.saturating_mul(1000)).max(0);
            let spans = self.latency.entry(name.to_owned()).or_default();
            for _ in 0..results {
                spans.record(took_us.unsigned_abs());
            }
        }
    }

    /// Takes note that a commit that began at `began_us` went through.
    pub(crate) fn committed(&mut self, began_us: i64, clock: &dyn Clock) {
        let took_us = (clock.monotonic_us() - began_us).max(0);
        self.checkpoints.commits += 1;
        self.checkpoints.last_commit_at = Some(clock.now());
        self.checkpoints.commit.record(took_us.unsigned_abs());
    }

    /// Takes note that a transaction was aborted, or a commit refused; what was taken did not happen.
    pub(crate) fn aborted(&mut self) {
        self.checkpoints.aborts += 1;
        self.caused.clear();
    }

    /// Takes note that a snapshot, which took so long and let records wait for so long, has been committed.
    pub(crate) fn snapshot(
        &mut self,
        (took_us, stop_us): (i64, i64),
        bytes: u64,
        clock: &dyn Clock,
    ) {
        let of = &mut self.checkpoints;
        of.snapshots += 1;
        of.last_snapshot_at = Some(clock.now());
        of.last_snapshot_us = took_us.max(0).unsigned_abs();
        of.last_snapshot_stop_us = stop_us.max(0).unsigned_abs();
        of.snapshot_bytes = bytes;
        of.snapshot.record(of.last_snapshot_us);
    }

    /// Whether it is time for a copy.
    pub(crate) fn is_due(&self, now_us: i64) -> bool {
        now_us >= self.next_us
    }

    /// Copies all figures.
    pub(crate) fn show(&mut self, seen: &Seen<'_>, clock: &dyn Clock) {
        let now_us = clock.monotonic_us();
        self.next_us = now_us.saturating_add(EVERY_US);
        let streams = self.streams(seen, now_us);
        let partitions = partitions(seen);
        let (idle, busy, blocked) = self.laps.shares(now_us);
        let phase = match () {
            () if partitions.is_empty() => Phase::Waiting,
            () if !seen.live => Phase::Replaying,
            () => Phase::Running,
        };
        let checkpoints = CheckpointStatus {
            aborts: self.checkpoints.aborts + seen.source.refused_commits(),
            ..self.checkpoints.clone()
        };
        self.watch.consumed(&mut self.due_to_consumed);
        self.watch.update(|status| {
            (status.at, status.phase) = (clock.now(), phase);
            status.streams = streams;
            status.latency = self.latency.clone();
            status.state_file_bytes = seen.engine.state_file_bytes();
            status.late_parts = seen.engine.late_parts();
            status.written = seen.sink.written();
            status.checkpoints = checkpoints;
            let pressure = &mut status.pressure;
            (pressure.idle, pressure.busy, pressure.blocked) = (idle, busy, blocked);
            pressure.read_ahead = seen.source.consumer.read_ahead() as u64;
            pressure.paused = partitions.iter().filter(|of| of.paused).count() as u64;
            pressure.pauses = seen.source.n_pauses();
            pressure.in_flight = seen.sink.in_flight() as u64;
            status.partitions = partitions;
        });
    }

    /// Says that the detector ends.
    pub(crate) fn ending(&self, clock: &dyn Clock) {
        self.watch.update(|status| {
            (status.at, status.phase) = (clock.now(), Phase::Ending);
        });
    }

    fn streams(&mut self, seen: &Seen<'_>, now_us: i64) -> BTreeMap<Stream, StreamStatus> {
        let mut streams = BTreeMap::new();
        for (stream, counts) in seen.engine.counts() {
            let unseen = match stream {
                Stream::Banking => seen.unreadable,
                Stream::Clickstream | Stream::Sensors => 0,
            };
            let consumed = counts.consumed + unseen;
            let rate = self.rates.entry(stream).or_insert(Rate {
                since_us: now_us,
                count: consumed,
                per_s: 0.0,
            });
            let status = StreamStatus {
                consumed,
                per_s: rate.at(consumed, now_us),
                late: counts.late,
                dead_letters: counts.malformed + unseen,
                state: seen.engine.size(stream),
            };
            streams.insert(stream, status);
        }
        streams
    }
}

impl Rate {
    /// The rate at `now_us`, when there were `count` in all.
    fn at(&mut self, count: u64, now_us: i64) -> f64 {
        let span_us = now_us - self.since_us;
        if span_us >= RATE_US {
            let more = count.saturating_sub(self.count);
            self.per_s = more as f64 * 1e6 / span_us as f64;
            (self.since_us, self.count) = (now_us, count);
        }
        self.per_s
    }
}

fn partitions(seen: &Seen<'_>) -> Vec<PartitionStatus> {
    let mut all = seen.source.partitions();
    for (lane, status) in &mut all {
        let watermark: Option<EventTime> = seen.engine.watermark(*lane);
        status.watermark = watermark.filter(|watermark| *watermark != BEGINNING);
    }
    all.into_iter().map(|(_, status)| status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_second_or_more() {
        let mut rate = Rate {
            since_us: 0,
            count: 0,
            per_s: 0.0,
        };
        assert!(rate.at(50, 500_000).abs() < 1e-9, "too early to tell");
        assert!((rate.at(200, 2_000_000) - 100.0).abs() < 1e-9);
        assert!((rate.at(900, 2_100_000) - 100.0).abs() < 1e-9, "kept");
        assert!((rate.at(1200, 3_000_000) - 1000.0).abs() < 1e-9);
    }
}
