//! Pacing: each event at its own due time, computed from the start and never moved.
//!
//! An open loop. A late event is sent at once, and how late it was is recorded; nothing is skipped and
//! the schedule never waits for the sink. Asked for the highest rate, the same loop sends every event at
//! once, and each is due when it is sent.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    job::{ClockSkew, Pace},
    stream::Stream,
};

use super::{
    GenerateError,
    board::Board,
    live::LaneCounts,
    tally::{Tag, Tally},
};
use crate::{
    events::{Event, Events},
    sink::{Handover, Sink, SinkError},
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
/// Events of a backlog that are sent between two looks at the clock: reading it costs as much as a tenth
/// of an event, and eight sends take a few microseconds.
const CLOCK_EVERY: u32 = 8;

/// What a thread shares with the others.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) clock: &'a dyn Clock,
    /// The start of the run on both clocks.
    pub(super) started_at: WallTime,
    pub(super) started_mono_us: i64,
    pub(super) stop: &'a AtomicBool,
    pub(super) board: &'a Board,
    pub(super) counters: &'a Counters,
    /// Where this thread stands, if somebody reads metrics.
    pub(super) lane: Option<&'a Mutex<LaneCounts>>,
    /// When timestamps are off.
    pub(super) skews: &'a [ClockSkew],
}

/// What has happened so far in a stream, for whoever watches. Updated after each burst.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) queue_full: AtomicU64,
    /// The latest hand-over since somebody last looked.
    pub(super) lateness_max_us: AtomicI64,
}

impl Shared<'_> {
    fn now_us(&self) -> i64 {
        self.clock.monotonic_us() - self.started_mono_us
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Which thread of which stream this is, and how it sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    pub(super) stream: Stream,
    pub(super) thread: usize,
    pub(super) pace: Pace,
}

/// A thread's share of one stream's events, ready to be sent.
pub(super) struct Pacer<'a> {
    lane: Lane,
    sink: Box<dyn Sink>,
    tally: Tally,
    events: Events<'a>,
    first: Option<Event>,
}

impl<'a> Pacer<'a> {
    /// Makes the first event, so that it is there when it is due.
    pub(super) fn new(
        lane: Lane,
        sink: Box<dyn Sink>,
        mut events: Events<'a>,
    ) -> Result<Self, GenerateError> {
        let mut first = Event::default();
        let first = events.next_into(&mut first).then_some(first);
        Ok(Self {
            lane,
            sink,
            tally: Tally::new()?,
            events,
            first,
        })
    }

    /// Sends all events, waits for their reports, then sends the closing ones.
    pub(super) fn run(
        mut self,
        shared: Shared<'_>,
        closing: &[Event],
    ) -> Result<Tally, GenerateError> {
        if shared.lane.is_some() {
            self.tally.watched();
        }
        let sender = Sender {
            lane: self.lane,
            shared,
            sink: self.sink,
            tally: self.tally,
        };
        sender.send_all(self.events, self.first, closing)
    }
}

/// Sends a thread's share of one stream's events.
struct Sender<'a> {
    lane: Lane,
    shared: Shared<'a>,
    sink: Box<dyn Sink>,
    tally: Tally,
}

impl Sender<'_> {
    fn send_all(
        mut self,
        mut events: Events<'_>,
        first: Option<Event>,
        closing: &[Event],
    ) -> Result<Tally, GenerateError> {
        sharpen_timer();
        self.await_start();
        let mut more = first.is_some();
        let mut event = first.unwrap_or_default();
        while more {
            self.tally.facts.silent = events.silent();
            if self.shared.stopped() {
                self.tally.interrupted = true;
                self.count_unsent(&mut events, &mut event);
                break;
            }
            more = self.send_due(&mut events, &mut event)?;
            self.take_reports();
            let now_us = self.shared.now_us();
            let next_due_us = if more {
                self.due_us(&event, now_us)
            } else {
                i64::MAX
            };
            let over = self.tally.series.finished(now_us, next_due_us);
            let Lane { stream, thread, .. } = self.lane;
            self.shared.board.passed(stream, thread, &over);
            self.tally.tell(self.shared.counters);
            self.show(more.then_some(next_due_us));
            if more && next_due_us > now_us {
                self.sleep_us(next_due_us - now_us);
            }
        }
        self.tally.facts.silent = events.silent();
        self.finish(closing)
    }

    /// Asked for the highest rate, nothing holds events back but the start itself.
    fn await_start(&self) {
        while self.lane.pace == Pace::Max && !self.shared.stopped() {
            let now_us = self.shared.now_us();
            if now_us >= 0 {
                break;
            }
            self.sleep_us(-now_us);
        }
    }

    fn due_us(&self, event: &Event, now_us: i64) -> i64 {
        match self.lane.pace {
            Pace::Schedule => event.due_ns / 1000,
            Pace::Max => now_us,
        }
    }

    /// Sends events that are due, at most a burst of them. False after the last event.
    fn send_due(
        &mut self,
        events: &mut Events<'_>,
        event: &mut Event,
    ) -> Result<bool, GenerateError> {
        let mut now_us = self.shared.now_us();
        for number in 1..=BURST {
            let mut due_us = self.due_us(event, now_us);
            if due_us > now_us || number % CLOCK_EVERY == 0 {
                now_us = self.shared.now_us();
                due_us = self.due_us(event, now_us);
                if due_us > now_us {
                    break;
                }
            }
            match self.hand_over(event, due_us, now_us)? {
                Handover::Full => {
                    self.tally.full(now_us);
                    // Reports make room; the wait is for those that are not there yet.
                    self.take_reports();
                    self.shared.clock.sleep(FULL_SLEEP);
                    break;
                }
                Handover::Later => {
                    self.take_reports();
                    break;
                }
                handover => {
                    self.tally.sent(event, due_us, now_us);
                    if handover == Handover::Stored {
                        self.tally.stored_at_once(due_us, now_us);
                    }
                }
            }
            if !events.next_into(event) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The record bears the time at which it should be sent, whenever it is.
    fn hand_over(
        &mut self,
        event: &Event,
        due_us: i64,
        now_us: i64,
    ) -> Result<Handover, SinkError> {
        let intended = self.shared.started_at.at(RunMicros(due_us));
        let tag = Tag::new(due_us, now_us);
        let timestamp_ms = intended.as_millis() + skew_ms(self.shared.skews, due_us);
        self.sink.send(event, timestamp_ms, tag.0)
    }

    /// After a signal: the events that were due by now and were not sent count as due.
    fn count_unsent(&mut self, events: &mut Events<'_>, event: &mut Event) {
        let now_us = self.shared.now_us();
        while self.lane.pace == Pace::Schedule && event.due_ns / 1000 <= now_us {
            self.tally.due(event.due_ns / 1000);
            if !events.next_into(event) {
                break;
            }
        }
    }

    fn take_reports(&mut self) {
        let now_us = self.shared.now_us();
        let tally = &mut self.tally;
        self.sink.poll(&mut |report| tally.report(report, now_us));
    }

    fn sleep_us(&self, until_due_us: i64) {
        let span = until_due_us.clamp(SHORTEST_SLEEP_US, LONGEST_SLEEP_US);
        self.shared
            .clock
            .sleep(Duration::from_micros(span.unsigned_abs()));
    }

    fn finish(mut self, closing: &[Event]) -> Result<Tally, GenerateError> {
        let limit = if self.tally.interrupted {
            SHORT_FLUSH_LIMIT
        } else {
            FLUSH_LIMIT
        };
        self.flush(limit)?;
        for event in closing {
            let timestamp_ms = self.shared.clock.now().as_millis();
            let handover = self.sink.send(event, timestamp_ms, Tag::UNCOUNTED.0)?;
            if matches!(handover, Handover::Stored | Handover::Taken) {
                self.tally.facts.closing += 1;
            }
        }
        self.flush(limit)?;
        self.tally.facts.retries = self.sink.retries();
        (self.tally.facts.throttles, self.tally.facts.throttled_ms) = self.sink.throttled();
        self.tally.tell(self.shared.counters);
        self.show(None);
        let rest = self.tally.series.rest();
        let Lane { stream, thread, .. } = self.lane;
        self.shared.board.ended(stream, thread, &rest);
        Ok(self.tally)
    }

    /// Requests sent again are asked for here as well: they are counted by the client.
    fn show(&mut self, next_due_us: Option<i64>) {
        if let Some(lane) = self.shared.lane {
            self.tally.facts.retries = self.sink.retries();
            self.tally.show(lane, next_due_us);
        }
    }

    fn flush(&mut self, limit: Duration) -> Result<(), GenerateError> {
        let (shared, tally) = (&self.shared, &mut self.tally);
        let flushed = self
            .sink
            .flush(limit, &mut |report| tally.report(report, shared.now_us()))?;
        if !flushed {
            // Those events stay unacknowledged in the figures.
            tracing::warn!(stream = %self.lane.stream, ?limit, "reports are outstanding");
        }
        Ok(())
    }
}

/// How far the clock of the records is off for one that is due then: none of the clocks that the pacing goes by.
fn skew_ms(skews: &[ClockSkew], due_us: i64) -> i64 {
    let covers = |skew: &&ClockSkew| skew.from.0 <= due_us && due_us < skew.until.0;
    skews.iter().find(covers).map_or(0, |skew| skew.by_ms)
}

/// Lets this thread's sleeps end on time: by default the kernel may stretch each by 50 us.
fn sharpen_timer() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        tracing::debug!(%error, "timer slack stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_wrong_for_its_span_alone() {
        let skew = |from, until, by_ms| ClockSkew {
            from: RunMicros(from),
            until: RunMicros(until),
            by_ms,
        };
        let skews = [skew(100, 200, 30), skew(300, 400, -30)];
        let found = [99, 100, 199, 200, 350].map(|due| skew_ms(&skews, due));
        assert_eq!(found, [0, 30, 30, 0, -30]);
    }
}
