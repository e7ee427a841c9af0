//! What a generator has done so far: a file that one process writes several times a second, and that another
//! reads to show it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stream::Stream;

/// Upper bounds of the buckets of [`Spans`] in microseconds, inclusive. The bounds of the verdict on a load,
/// 2 ms and 10 ms, are among them.
pub const BOUNDS_US: [u64; 20] = [
    20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// What one process, or several together, have done so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Number of processes in it.
    pub processes: u32,
    /// Per stream.
    pub streams: BTreeMap<Stream, StreamCounts>,
}

/// What has been done so far for one stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamCounts {
    /// Records whose turn has come: those sent, and at the end of a run that is cut short those that were
    /// due and not sent.
    pub due: u64,
    /// Records handed to the client.
    pub sent: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records that the client gave up on, by the code of the error.
    pub failed: BTreeMap<String, u64>,
    /// Times that the client's queue was full.
    pub queue_full: u64,
    /// Requests that the client sent again.
    pub retries: u64,
    /// Events due and not sent: counted at the end, before it estimated from the schedule.
    pub unsent: f64,
    /// How long the next event has been due, in microseconds; 0 on time. Of several senders the worst.
    pub behind_us: u64,
    /// Events per second that the schedule asks for now; none where nothing is held back.
    pub asked_per_s: Option<f64>,
    /// Records per second that were sent in about the last second.
    pub sent_per_s: f64,
    /// Due time to hand-over.
    pub send_lateness: Spans,
    /// Hand-over to acknowledgement.
    pub acknowledgement: Spans,
}

/// Spans of time, counted in the buckets of [`BOUNDS_US`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spans {
    /// Number in each bucket; the last holds what is above all bounds.
    pub counts: [u64; BOUNDS_US.len() + 1],
    /// Sum of all, in microseconds.
    pub sum_us: u64,
}

impl Counts {
    /// Takes over what another process did.
    pub fn add(&mut self, more: &Self) {
        self.processes += more.processes;
        for (stream, counts) in &more.streams {
            self.streams.entry(*stream).or_default().add(counts);
        }
    }
}

impl StreamCounts {
    /// Takes over what another sender of the stream did.
    pub fn add(&mut self, more: &Self) {
        self.due += more.due;
        self.sent += more.sent;
        self.bytes += more.bytes;
        self.acknowledged += more.acknowledged;
        for (code, count) in &more.failed {
            *self.failed.entry(code.clone()).or_default() += count;
        }
        self.queue_full += more.queue_full;
        self.retries += more.retries;
        self.unsent += more.unsent;
        self.behind_us = self.behind_us.max(more.behind_us);
        if let Some(more) = more.asked_per_s {
            *self.asked_per_s.get_or_insert(0.0) += more;
        }
        self.sent_per_s += more.sent_per_s;
        self.send_lateness.add(&more.send_lateness);
        self.acknowledgement.add(&more.acknowledgement);
    }
}

impl Spans {
    /// Counts a span.
    ///
    /// ```
    /// use floodmark_contracts::counts::{BOUNDS_US, Spans};
    /// let mut spans = Spans::default();
    /// spans.record(2_000);
    /// let bucket = spans.counts.iter().position(|count| *count == 1).unwrap();
    /// assert_eq!(BOUNDS_US[bucket], 2_000);
    /// ```
    #[inline]
    pub fn record(&mut self, us: u64) {
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Takes over other spans.
    pub fn add(&mut self, more: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&more.counts) {
            *count += more;
        }
        self.sum_us = self.sum_us.saturating_add(more.sum_us);
    }

    /// Number of spans.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(sent: u64, behind_us: u64, asked: Option<f64>, code: &str) -> Counts {
        let mut counts = StreamCounts {
            sent,
            behind_us,
            asked_per_s: asked,
            failed: BTreeMap::from([(code.to_owned(), 1)]),
            ..StreamCounts::default()
        };
        counts.send_lateness.record(sent);
        Counts {
            processes: 1,
            streams: BTreeMap::from([(Stream::Sensors, counts)]),
        }
    }

    #[test]
    fn a_span_falls_into_the_bucket_whose_bound_it_does_not_pass() {
        let mut spans = Spans::default();
        for us in [0, 20, 21, 60_000_000, 60_000_001] {
            spans.record(us);
        }
        let last = BOUNDS_US.len();
        assert_eq!(
            (spans.counts[0], spans.counts[1], spans.counts[last - 1]),
            (2, 1, 1)
        );
        assert_eq!((spans.counts[last], spans.total()), (1, 5));
        assert_eq!(spans.sum_us, 120_000_042);
    }

    #[test]
    fn processes_add_up_and_the_latest_counts() {
        let mut sum = Counts::default();
        for more in [
            sender(10, 7, Some(2.5), "A"),
            sender(5, 900, Some(1.5), "B"),
            sender(1, 0, None, "A"),
        ] {
            sum.add(&more);
        }
        let found = &sum.streams[&Stream::Sensors];
        assert_eq!((sum.processes, found.sent, found.behind_us), (3, 16, 900));
        assert_eq!(found.asked_per_s, Some(4.0));
        assert_eq!(
            found.failed,
            BTreeMap::from([("A".to_owned(), 2), ("B".to_owned(), 1)])
        );
        assert_eq!(found.send_lateness.total(), 3);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let counts = sender(3, 4, None, "MessageTimedOut");
        let text = serde_json::to_vec(&counts).unwrap();
        assert_eq!(serde_json::from_slice::<Counts>(&text).unwrap(), counts);
    }
}
