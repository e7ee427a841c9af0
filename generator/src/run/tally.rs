//! What a thread counts on its way.

use std::sync::{Mutex, atomic::Ordering};

use floodmark_contracts::{
    counts::Spans,
    histogram::{EncodedHistogram, up_to},
    record::StreamFacts,
};
use hdrhistogram::Histogram;

use super::{
    GenerateError,
    live::{LaneCounts, lock},
    pace::Counters,
    series::{Counts, Series},
};
use crate::{events::Event, fingerprint::Fingerprint, realised::Realised, sink::Report};

/// The longest time that histograms can hold: an hour.
const HIGHEST_US: u64 = 3_600_000_000;

/// When an event was due and handed over, in the 64 bits that travel with it to its acknowledgement.
///
/// 40 bits for the hand-over in microseconds (twelve days), 24 for the lateness: exact up to 8.4 s, in
/// steps of 1,024 us (finer than a histogram's) up to 2.3 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u64);

impl Tag {
    /// For closing events, which are not counted.
    pub(super) const UNCOUNTED: Self = Self(0);

    const LATENESS_BITS: u32 = 24;
    const COARSE: u64 = 1 << 23;
    const COARSE_STEP_US: u64 = 1 << 10;

    pub(super) fn new(due_us: i64, handed_over_us: i64) -> Self {
        let at = handed_over_us.max(0).unsigned_abs();
        let late = (handed_over_us - due_us).max(0).unsigned_abs();
        let late = if late < Self::COARSE {
            late
        } else {
            Self::COARSE | (late / Self::COARSE_STEP_US).min(Self::COARSE - 1)
        };
        // One more, so that no tag is that of closing events.
        Self(((at + 1) << Self::LATENESS_BITS) | late)
    }

    /// Microseconds from the hand-over and from the due time to `now_us`.
    fn spans(self, now_us: i64) -> (u64, u64) {
        let at = (self.0 >> Self::LATENESS_BITS) - 1;
        let late = self.0 & ((1 << Self::LATENESS_BITS) - 1);
        let late = if late < Self::COARSE {
            late
        } else {
            (late - Self::COARSE) * Self::COARSE_STEP_US
        };
        let since = now_us.max(0).unsigned_abs().saturating_sub(at);
        (since, since + late)
    }
}

/// What is counted on the way.
pub(super) struct Tally {
    pub(super) facts: StreamFacts,
    pub(super) series: Series,
    /// True if the thread was stopped before its last event.
    pub(super) interrupted: bool,
    lateness: Histogram<u64>,
    latency: Histogram<u64>,
    due_to_acknowledged: Histogram<u64>,
    realised: Realised,
    fingerprint: Fingerprint,
    /// What the watchers know already.
    told: Counts,
    latest_us: i64,
    /// Only for whoever reads metrics: it costs a few nanoseconds an event.
    spans: Option<Box<LiveSpans>>,
}

/// Spans of time in the buckets that metrics have.
#[derive(Debug, Default)]
struct LiveSpans {
    send_lateness: Spans,
    acknowledgement: Spans,
}

impl Tally {
    pub(super) fn new() -> Result<Self, GenerateError> {
        Ok(Self {
            facts: StreamFacts::default(),
            series: Series::default(),
            interrupted: false,
            lateness: up_to(HIGHEST_US)?,
            latency: up_to(HIGHEST_US)?,
            due_to_acknowledged: up_to(HIGHEST_US)?,
            realised: Realised::new()?,
            fingerprint: Fingerprint::default(),
            told: Counts::default(),
            latest_us: 0,
            spans: None,
        })
    }

    /// Counts for metrics from now on.
    pub(super) fn watched(&mut self) {
        self.spans = Some(Box::default());
    }

    /// Counts an event that was due, whether it is sent or not.
    pub(super) fn due(&mut self, due_us: i64) {
        self.facts.due += 1;
        self.series.at(due_us).due += 1;
    }

    /// Counts an event that was handed over.
    #[inline]
    pub(super) fn sent(&mut self, event: &Event, due_us: i64, now_us: i64) {
        let lateness_us = (now_us - due_us).max(0);
        self.due(due_us);
        self.lateness.saturating_record(lateness_us.unsigned_abs());
        self.facts.lateness_by_due.add(due_us, lateness_us);
        if let Some(spans) = &mut self.spans {
            spans.send_lateness.record(lateness_us.unsigned_abs());
        }
        let second = self.series.at(now_us);
        second.sent += 1;
        second.lateness_max_us = second.lateness_max_us.max(lateness_us);
        self.latest_us = self.latest_us.max(lateness_us);
        self.fingerprint.add(&event.key, event.body());
        self.facts.sent += 1;
        self.facts.bytes += (event.key.len() + event.value.len()) as u64;
        self.realised.add(event);
    }

    /// Counts an event whose sink needs no report: it was stored when it was sent.
    #[inline]
    pub(super) fn stored_at_once(&mut self, due_us: i64, now_us: i64) {
        self.facts.acknowledged += 1;
        self.series.at(now_us).acknowledged += 1;
        let late = (now_us - due_us).max(0).unsigned_abs();
        self.after_acknowledgement(0, late);
    }

    #[inline]
    fn after_acknowledgement(&mut self, since_hand_over_us: u64, since_due_us: u64) {
        self.latency.saturating_record(since_hand_over_us);
        self.due_to_acknowledged.saturating_record(since_due_us);
        if let Some(spans) = &mut self.spans {
            spans.acknowledgement.record(since_hand_over_us);
        }
    }

    /// Counts a hand-over that found no room.
    pub(super) fn full(&mut self, now_us: i64) {
        self.facts.queue_full += 1;
        self.series.at(now_us).queue_full += 1;
    }

    /// Counts what became of an event.
    pub(super) fn report(&mut self, report: Report, now_us: i64) {
        if report.tag == Tag::UNCOUNTED.0 {
            return;
        }
        if let Some(code) = report.failure {
            self.facts.failed += 1;
            *self.facts.failures.entry(format!("{code:?}")).or_default() += 1;
            self.series.at(now_us).failed += 1;
            return;
        }
        self.facts.acknowledged += 1;
        self.series.at(now_us).acknowledged += 1;
        let (handed_over, due) = Tag(report.tag).spans(now_us);
        self.after_acknowledgement(handed_over, due);
    }

    /// Tells the watchers what has happened since the last time.
    pub(super) fn tell(&mut self, counters: &Counters) {
        let now = Counts {
            sent: self.facts.sent,
            acknowledged: self.facts.acknowledged,
            failed: self.facts.failed,
            queue_full: self.facts.queue_full,
            ..Counts::default()
        };
        let told = std::mem::replace(&mut self.told, now);
        for (counter, now, told) in [
            (&counters.sent, now.sent, told.sent),
            (&counters.acknowledged, now.acknowledged, told.acknowledged),
            (&counters.failed, now.failed, told.failed),
            (&counters.queue_full, now.queue_full, told.queue_full),
        ] {
            if now > told {
                counter.fetch_add(now - told, Ordering::Relaxed);
            }
        }
        let latest_us = std::mem::take(&mut self.latest_us);
        counters
            .lateness_max_us
            .fetch_max(latest_us, Ordering::Relaxed);
    }

    /// Tells whoever reads metrics where the sender stands, and when its next event is due; none is left if
    /// there is no such time.
    pub(super) fn show(&self, lane: &Mutex<LaneCounts>, next_due_us: Option<i64>) {
        let Some(spans) = &self.spans else { return };
        let mut lane = lock(lane);
        lane.next_due_us = next_due_us;
        let counts = &mut lane.counts;
        let facts = &self.facts;
        for (into, value) in [
            (&mut counts.due, facts.due),
            (&mut counts.sent, facts.sent),
            (&mut counts.bytes, facts.bytes),
            (&mut counts.acknowledged, facts.acknowledged),
            (&mut counts.queue_full, facts.queue_full),
            (&mut counts.retries, facts.retries),
        ] {
            *into = value;
        }
        if counts.failed != facts.failures {
            counts.failed.clone_from(&facts.failures);
        }
        counts.send_lateness.clone_from(&spans.send_lateness);
        counts.acknowledgement.clone_from(&spans.acknowledgement);
    }

    /// The figures as they stand in files.
    pub(super) fn facts(mut self) -> Result<StreamFacts, GenerateError> {
        self.facts.send_lateness = EncodedHistogram::of(&self.lateness)?;
        self.facts.acknowledge_latency = EncodedHistogram::of(&self.latency)?;
        self.facts.due_to_acknowledged = EncodedHistogram::of(&self.due_to_acknowledged)?;
        (self.facts.disorder, self.facts.extras) = self.realised.facts()?;
        self.facts.fingerprint = self.fingerprint.to_string();
        Ok(self.facts)
    }
}

#[cfg(test)]
mod tests {
    use floodmark_kafka::ErrorCode;

    use super::*;

    #[test]
    fn a_tag_holds_both_times() {
        for (due, handed_over, acknowledged, expected) in [
            (0, 0, 10, (10, 10)),
            (1_000, 1_250, 2_000, (750, 1_000)),
            // An event is never handed over before it is due; if the clock says so, it was not late.
            (1_000, 900, 1_500, (600, 600)),
            (5_000_000, 13_000_000, 13_000_500, (500, 8_000_500)),
            // Twelve seconds late: in steps of a millisecond.
            (0, 12_288_000, 12_288_100, (100, 12_288_100)),
            (
                86_400_000_000 * 11,
                86_400_000_000 * 11 + 7,
                86_400_000_000 * 11 + 9,
                (2, 9),
            ),
        ] {
            let tag = Tag::new(due, handed_over);
            assert_ne!(tag, Tag::UNCOUNTED);
            assert_eq!(tag.spans(acknowledged), expected, "{due} {handed_over}");
        }
    }

    #[test]
    fn a_lost_event_is_failed_and_has_no_latency() {
        let mut tally = Tally::new().unwrap();
        let tag = Tag::new(0, 5).0;
        let failure = Some(ErrorCode::MessageTimedOut);
        tally.report(Report { tag, failure }, 10);
        let failure = None;
        tally.report(Report { tag: 0, failure }, 10);
        assert_eq!((tally.facts.failed, tally.facts.acknowledged), (1, 0));
        let by_code: Vec<_> = tally.facts.failures.iter().collect();
        assert_eq!(by_code, [(&"MessageTimedOut".to_owned(), &1)]);
        assert!(tally.due_to_acknowledged.is_empty());
    }

    #[test]
    fn watchers_are_told_each_thing_once() {
        let (mut tally, counters) = (Tally::new().unwrap(), Counters::default());
        tally.full(0);
        tally.tell(&counters);
        tally.full(0);
        tally.tell(&counters);
        tally.tell(&counters);
        assert_eq!(counters.queue_full.load(Ordering::Relaxed), 2);
    }
}
