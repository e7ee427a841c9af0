//! Pacing: each event at its own due time, computed from the start and never moved.
//!
//! An open loop. A late event is sent at once, and how late it was is recorded; nothing is skipped and
//! the schedule never waits for the sink.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    record::{SeriesRow, StreamFacts},
    stream::Stream,
};
use hdrhistogram::Histogram;

use super::{GenerateError, series::Series};
use crate::{
    events::{Event, Events},
    fingerprint::Fingerprint,
    histogram,
    realised::Realised,
    sink::{Handover, Report, Sink, SinkError},
};

/// The longest sleep: reports, signals and rows wait no longer than this.
const LONGEST_SLEEP_US: i64 = 5_000;
/// The shortest sleep: at higher rates several events are due after each.
const SHORTEST_SLEEP_US: i64 = 100;
/// How long a full sink is left alone before the next try.
const FULL_SLEEP: Duration = Duration::from_micros(100);
/// How long reports may take after the last event.
const FLUSH_LIMIT: Duration = Duration::from_secs(30);
/// The same when the run was cut short.
const SHORT_FLUSH_LIMIT: Duration = Duration::from_secs(3);
/// Events that are sent between two looks at reports and signals.
const BURST: u32 = 512;

/// The longest time that histograms can hold: an hour.
const HIGHEST_US: u64 = 3_600_000_000;

/// What a stream's thread shares with the others.
pub(super) struct Shared<'a> {
    pub(super) clock: &'a dyn Clock,
    /// The start of the run on both clocks.
    pub(super) started_at: WallTime,
    pub(super) started_mono_us: i64,
    pub(super) stop: &'a AtomicBool,
    pub(super) write_rows: &'a (dyn Fn(&[SeriesRow]) -> Result<(), GenerateError> + Sync),
    pub(super) sent: &'a AtomicU64,
    pub(super) acknowledged: &'a AtomicU64,
}

impl Shared<'_> {
    fn now_us(&self) -> i64 {
        self.clock.monotonic_us() - self.started_mono_us
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Sends one stream's events on schedule.
pub(super) struct Pacer<'a> {
    stream: Stream,
    shared: Shared<'a>,
    sink: Box<dyn Sink>,
    tally: Tally,
}

/// What is counted on the way.
struct Tally {
    facts: StreamFacts,
    lateness: Histogram<u64>,
    latency: Histogram<u64>,
    realised: Realised,
    fingerprint: Fingerprint,
    series: Series,
}

/// A stream's figures, and whether it was cut short.
pub(super) struct Outcome {
    pub(super) facts: StreamFacts,
    pub(super) interrupted: bool,
}

impl<'a> Pacer<'a> {
    pub(super) fn new(
        stream: Stream,
        topic: String,
        sink: Box<dyn Sink>,
        shared: Shared<'a>,
    ) -> Result<Self, GenerateError> {
        Ok(Self {
            stream,
            shared,
            sink,
            tally: Tally::new(stream, topic)?,
        })
    }

    /// Sends all events, waits for their reports, then sends the closing ones.
    pub(super) fn run(
        mut self,
        mut events: Events<'_>,
        closing: &[Event],
    ) -> Result<Outcome, GenerateError> {
        sharpen_timer();
        let mut event = Event::default();
        let mut more = events.next_into(&mut event);
        let mut interrupted = false;
        while more {
            self.tally.facts.silent = events.silent();
            if self.shared.stopped() {
                interrupted = true;
                self.count_unsent(&mut events, &mut event);
                break;
            }
            more = self.send_due(&mut events, &mut event)?;
            self.take_reports();
            let next_due_us = if more { event.due_ns / 1000 } else { i64::MAX };
            let now_us = self.shared.now_us();
            let rows = self.tally.series.finished(now_us, next_due_us);
            self.write_rows(&rows)?;
            if more && next_due_us > now_us {
                self.sleep_us(next_due_us - now_us);
            }
        }
        self.tally.facts.silent = events.silent();
        self.finish(closing, interrupted)
    }

    /// Sends events that are due, at most a burst of them. False after the last event.
    fn send_due(
        &mut self,
        events: &mut Events<'_>,
        event: &mut Event,
    ) -> Result<bool, GenerateError> {
        for _ in 0..BURST {
            let now_us = self.shared.now_us();
            let due_us = event.due_ns / 1000;
            if due_us > now_us {
                break;
            }
            match self.hand_over(event, now_us)? {
                Handover::Full => {
                    self.tally.facts.queue_full += 1;
                    self.shared.clock.sleep(FULL_SLEEP);
                    break;
                }
                handover => self.count_sent(event, due_us, now_us, handover),
            }
            if !events.next_into(event) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The record bears the time at which it should be sent, whenever it is.
    fn hand_over(&mut self, event: &Event, now_us: i64) -> Result<Handover, SinkError> {
        let intended = self.shared.started_at.at(RunMicros(event.due_ns / 1000));
        // A tag of 0 is for closing events, which are not counted.
        self.sink
            .send(event, intended.as_millis(), now_us.unsigned_abs() + 1)
    }

    fn count_sent(&mut self, event: &Event, due_us: i64, now_us: i64, handover: Handover) {
        let tally = &mut self.tally;
        let lateness_us = (now_us - due_us).max(0);
        tally.lateness.saturating_record(lateness_us.unsigned_abs());
        tally.series.due(due_us);
        tally.series.sent(now_us, lateness_us);
        tally.fingerprint.add(&event.key, event.body());
        tally.facts.due += 1;
        tally.facts.sent += 1;
        tally.facts.bytes += (event.key.len() + event.value.len()) as u64;
        tally.realised.add(event);
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
        if handover == Handover::Stored {
            let now_us = self.shared.now_us();
            let tag = now_us.unsigned_abs() + 1;
            self.tally.report(
                Report { tag, stored: true },
                now_us,
                self.shared.acknowledged,
            );
        }
    }

    /// After a signal: the events that were due by now and were not sent count as due.
    fn count_unsent(&mut self, events: &mut Events<'_>, event: &mut Event) {
        let now_us = self.shared.now_us();
        while event.due_ns / 1000 <= now_us {
            self.tally.facts.due += 1;
            self.tally.series.due(event.due_ns / 1000);
            if !events.next_into(event) {
                break;
            }
        }
    }

    fn take_reports(&mut self) {
        let (now_us, acknowledged) = (self.shared.now_us(), self.shared.acknowledged);
        let tally = &mut self.tally;
        self.sink
            .poll(&mut |report| tally.report(report, now_us, acknowledged));
    }

    fn sleep_us(&self, until_due_us: i64) {
        let span = until_due_us.clamp(SHORTEST_SLEEP_US, LONGEST_SLEEP_US);
        self.shared
            .clock
            .sleep(Duration::from_micros(span.unsigned_abs()));
    }

    fn finish(mut self, closing: &[Event], interrupted: bool) -> Result<Outcome, GenerateError> {
        let limit = if interrupted {
            SHORT_FLUSH_LIMIT
        } else {
            FLUSH_LIMIT
        };
        self.flush(limit)?;
        for event in closing {
            let timestamp_ms = self.shared.clock.now().as_millis();
            if self.sink.send(event, timestamp_ms, 0)? != Handover::Full {
                self.tally.facts.closing += 1;
            }
        }
        self.flush(limit)?;
        let rows = self.tally.series.rest();
        self.write_rows(&rows)?;
        Ok(Outcome {
            facts: self.tally.facts()?,
            interrupted,
        })
    }

    fn flush(&mut self, limit: Duration) -> Result<(), GenerateError> {
        let (shared, tally) = (&self.shared, &mut self.tally);
        let flushed = self.sink.flush(limit, &mut |report| {
            tally.report(report, shared.now_us(), shared.acknowledged);
        })?;
        if !flushed {
            // Those events stay unacknowledged in the figures.
            tracing::warn!(stream = %self.stream, ?limit, "reports are outstanding");
        }
        Ok(())
    }

    fn write_rows(&self, rows: &[SeriesRow]) -> Result<(), GenerateError> {
        if rows.is_empty() {
            Ok(())
        } else {
            (self.shared.write_rows)(rows)
        }
    }
}

impl Tally {
    fn new(stream: Stream, topic: String) -> Result<Self, GenerateError> {
        Ok(Self {
            facts: StreamFacts {
                topic,
                ..StreamFacts::default()
            },
            lateness: histogram::up_to(HIGHEST_US)?,
            latency: histogram::up_to(HIGHEST_US)?,
            realised: Realised::new()?,
            fingerprint: Fingerprint::default(),
            series: Series::new(stream),
        })
    }

    fn report(&mut self, report: Report, now_us: i64, acknowledged: &AtomicU64) {
        if report.tag == 0 {
            return;
        }
        if !report.stored {
            self.facts.failed += 1;
            return;
        }
        self.facts.acknowledged += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        self.series.acknowledged(now_us);
        let handed_over_us = report.tag - 1;
        self.latency
            .saturating_record(now_us.unsigned_abs().saturating_sub(handed_over_us));
    }

    fn facts(mut self) -> Result<StreamFacts, GenerateError> {
        self.facts.send_lateness = histogram::encoded(&self.lateness)?;
        self.facts.acknowledge_latency = histogram::encoded(&self.latency)?;
        (self.facts.disorder, self.facts.extras) = self.realised.facts()?;
        self.facts.fingerprint = self.fingerprint.to_string();
        Ok(self.facts)
    }
}

/// Lets this thread's sleeps end on time: by default the kernel may stretch each by 50 us.
fn sharpen_timer() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        tracing::debug!(%error, "timer slack stays as it is");
    }
}
