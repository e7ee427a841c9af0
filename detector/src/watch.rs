//! What the detector shows of itself while it runs.
//!
//! The loop that works counts in plain fields of its own ([`Meter`]) and copies them into a [`Watch`] a few times
//! a second; whoever shows them reads the copy. So a page that is asked for costs the loop nothing, and the loop
//! never waits for a reader.

mod graph;
mod laps;
mod meter;

use std::sync::{Mutex, MutexGuard, PoisonError};

use floodmark_contracts::{
    clock::WallTime,
    histogram::EncodedHistogram,
    job::DetectorJob,
    status::{DetectorStatus, Phase, SinkStatus},
    subject::SubjectFacts,
    trace::Tracer,
};

use hdrhistogram::Histogram;
pub(crate) use laps::Turn;
pub(crate) use meter::{Meter, Seen};

use crate::settings::{Delivery, Settings};

/// A detector's figures, shared between the thread that works and those that show.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Figures>);

#[derive(Debug, Default)]
struct Figures {
    /// Of the life since the last restart.
    now: DetectorStatus,
    /// What was counted before.
    before: DetectorStatus,
    /// It has been a member of the group, so that settings and addresses are right.
    joined: bool,
    /// From the timestamps of records until they were consumed, microseconds; none before the first.
    due_to_consumed: Option<Histogram<u64>>,
    /// What follows traces, if anything does.
    tracer: Option<Tracer>,
}

impl Watch {
    /// Nothing to see yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for a detector that follows traces.
    #[must_use]
    pub fn tracing(self, tracer: Tracer) -> Self {
        self.lock().tracer = Some(tracer);
        self
    }

    pub(crate) fn tracer(&self) -> Option<Tracer> {
        self.lock().tracer.clone()
    }

    /// The figures as the detector has shown them last.
    #[must_use]
    pub fn status(&self) -> DetectorStatus {
        let figures = self.lock();
        let mut status = figures.now.clone();
        status.add_counts(&figures.before);
        status
    }

    /// Shows what the detector is, before it does anything.
    pub(crate) fn begin(&self, job: &DetectorJob, settings: &Settings, now: WallTime) {
        let delivery = match settings.delivery {
            Delivery::AtLeastOnce => "at-least-once",
            Delivery::ExactlyOnce { .. } => "exactly-once",
        };
        let mut figures = self.lock();
        figures.now = DetectorStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            group: job.group.clone(),
            slot: job.slot,
            delivery: delivery.to_owned(),
            started_at: now,
            at: now,
            restarts_left: settings.restarts,
            pipelines: graph::of(job),
            ..DetectorStatus::default()
        };
        figures.now.pressure.read_ahead_limit_kib = u64::from(settings.read_ahead_kib);
    }

    /// Takes note that the group and the topics are there, that between partitions and mergers among them.
    pub(crate) fn joined(&self, exchange: Option<&str>, now: WallTime) {
        let mut figures = self.lock();
        if let Some(topic) = exchange {
            graph::add_exchange(&mut figures.now.pipelines, topic);
        }
        figures.joined = true;
        (figures.now.phase, figures.now.at) = (Phase::Waiting, now);
    }

    /// Whether it has ever been a member of its group.
    pub(crate) fn has_joined(&self) -> bool {
        self.lock().joined
    }

    /// For how long nothing has been committed, in microseconds.
    pub(crate) fn quiet_us(&self, now: WallTime) -> i64 {
        let figures = self.lock();
        let committed = figures.now.checkpoints.last_commit_at;
        now.0.saturating_sub(committed.map_or(0, |at| at.0))
    }

    /// Takes note that it will begin again, and why.
    pub(crate) fn restarting(&self, failure: &str, left: u32, now: WallTime) {
        let mut figures = self.lock();
        let ended = std::mem::take(&mut figures.now);
        figures.before.add_counts(&ended);
        let of_process = DetectorStatus {
            streams: Default::default(),
            latency: Default::default(),
            late_parts: 0,
            partitions: Vec::new(),
            written: Default::default(),
            sinks: Default::default(),
            checkpoints: Default::default(),
            restarts: ended.restarts + 1,
            restarts_left: left,
            last_failure: Some(failure.to_owned()),
            phase: Phase::Restarting,
            at: now,
            ..ended
        };
        figures.now = of_process;
        let limit = figures.now.pressure.read_ahead_limit_kib;
        figures.now.pressure = Default::default();
        figures.now.pressure.read_ahead_limit_kib = limit;
    }

    /// Shows how a sink is doing.
    pub(crate) fn sink(&self, name: &str, change: impl FnOnce(&mut SinkStatus)) {
        self.update(|status| change(status.sinks.entry(name.to_owned()).or_default()));
    }

    /// Takes over how long records have waited, and leaves nothing behind.
    pub(crate) fn consumed(&self, waits: &mut Histogram<u64>) {
        if waits.is_empty() {
            return;
        }
        let mut figures = self.lock();
        match &mut figures.due_to_consumed {
            // Both have the same bounds: adding cannot fail.
            Some(sum) => _ = sum.add(&*waits),
            none => *none = Some(waits.clone()),
        }
        waits.reset();
    }

    /// Gives a sign of life while nothing else happens.
    pub(crate) fn alive(&self, now: WallTime) {
        self.lock().now.at = now;
    }

    /// Adds what was counted before restarts to the figures of the last life, and the restarts themselves.
    pub(crate) fn complete(&self, facts: &mut SubjectFacts) {
        let figures = self.lock();
        let before = &figures.before;
        for (stream, more) in &before.streams {
            *facts.consumed.entry(*stream).or_default() += more.consumed;
            *facts.late.entry(*stream).or_default() += more.late;
            *facts.unreadable.entry(*stream).or_default() += more.dead_letters;
        }
        facts.alerts += before.written.alerts;
        facts.dead_letters += before.written.dead_letters;
        facts.rows += before.written.rows;
        let now = &figures.now;
        facts.restarts = now.restarts;
        facts.last_failure.clone_from(&now.last_failure);
        facts.refused_commits = before.checkpoints.aborts + now.checkpoints.aborts;
        if let Some(waits) = &figures.due_to_consumed {
            // Writing one of these bounds cannot fail; left out, it says that nobody measured.
            facts.due_to_consumed = EncodedHistogram::of(waits).unwrap_or_default();
        }
    }

    fn update(&self, change: impl FnOnce(&mut DetectorStatus)) {
        change(&mut self.lock().now);
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{status::StreamStatus, stream::Stream};

    use super::*;

    #[test]
    fn counts_of_all_lives_add_up_and_what_is_held_is_that_of_the_last() {
        let watch = Watch::new();
        let mut waits = Histogram::new(3).unwrap();
        let mut live = |consumed| {
            watch.joined(None, WallTime(1));
            waits.record(1_000 * consumed).unwrap();
            watch.consumed(&mut waits);
            assert!(waits.is_empty(), "taken over");
            watch.update(|status| {
                let of = StreamStatus {
                    consumed,
                    dead_letters: 1,
                    ..StreamStatus::default()
                };
                status.streams.insert(Stream::Sensors, of);
                status.checkpoints.aborts = 3;
                status.written.alerts = 2;
                status.sinks.entry("lake".to_owned()).or_default().written += consumed;
                status.pressure.paused = 1;
                status.pressure.pauses = 4;
            });
        };
        assert!(!watch.has_joined());
        live(10);
        watch.restarting("broken", 2, WallTime(2));
        let between = watch.status();
        assert_eq!((between.phase, between.restarts), (Phase::Restarting, 1));
        assert_eq!(between.streams[&Stream::Sensors].consumed, 10);
        assert_eq!(between.sinks["lake"].written, 10);
        assert_eq!((between.pressure.paused, between.pressure.pauses), (0, 4));
        live(5);
        watch.restarting("broken again", 1, WallTime(3));
        live(1);
        let status = watch.status();
        assert_eq!(status.streams[&Stream::Sensors].consumed, 16);
        assert_eq!(status.sinks["lake"].written, 16);
        assert_eq!((status.restarts, status.restarts_left), (2, 1));
        assert_eq!(status.last_failure.as_deref(), Some("broken again"));
        let mut facts = SubjectFacts {
            alerts: 2,
            ..SubjectFacts::default()
        };
        watch.complete(&mut facts);
        assert_eq!((facts.alerts, facts.consumed[&Stream::Sensors]), (6, 15));
        assert_eq!(
            facts.unreadable[&Stream::Sensors],
            2,
            "the last life's come with its own figures"
        );
        assert_eq!((facts.restarts, facts.refused_commits), (2, 9));
        assert_eq!(facts.last_failure.as_deref(), Some("broken again"));
        let waits = facts.due_to_consumed.decoded().unwrap();
        assert_eq!((waits.len(), waits.min()), (3, 1_000), "of all lives");
    }
}
