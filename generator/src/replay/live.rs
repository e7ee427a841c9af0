//! What a replay has done so far, for metrics.

use std::{collections::BTreeMap, path::Path};

use floodmark_contracts::{
    counts::{Counts, Spans, StreamCounts},
    record::StreamFacts,
    stream::Stream,
};

use super::{Due, Pace, ReplayError};
use crate::watched::{self, LastSecond};

/// Keeps what metrics show, if somebody asked for them.
pub(super) struct Live<'a> {
    file: Option<&'a Path>,
    stream: Stream,
    pace: Pace,
    pub(super) send_lateness: Spans,
    pub(super) acknowledgement: Spans,
    last_second: LastSecond,
}

impl<'a> Live<'a> {
    pub(super) fn new(file: Option<&'a Path>, stream: Stream, pace: Pace) -> Self {
        Self {
            file,
            stream,
            pace,
            send_lateness: Spans::default(),
            acknowledgement: Spans::default(),
            last_second: LastSecond::default(),
        }
    }

    /// Writes what has been done until now, with the `left` of the schedule still to send.
    pub(super) fn write(
        &mut self,
        facts: &StreamFacts,
        left: &[Due],
        now_us: i64,
    ) -> Result<(), ReplayError> {
        let Some(file) = self.file else {
            return Ok(());
        };
        let mut counts = StreamCounts {
            due: facts.due,
            sent: facts.sent,
            bytes: facts.bytes,
            acknowledged: facts.acknowledged,
            failed: facts.failures.clone(),
            queue_full: facts.queue_full,
            unsent: facts.due.saturating_sub(facts.sent) as f64,
            sent_per_s: self.last_second.rate(now_us, facts.sent),
            send_lateness: self.send_lateness.clone(),
            acknowledgement: self.acknowledgement.clone(),
            ..StreamCounts::default()
        };
        if !matches!(self.pace, Pace::Max) {
            let until = |at_us: i64| left.partition_point(|due| due.at.0 <= at_us) as f64;
            let next_us = left.first().map_or(now_us, |due| due.at.0);
            counts.unsent += until(now_us);
            counts.behind_us = (now_us - next_us).max(0).unsigned_abs();
            // Of what is left, as what was sent in this second already is not looked at again.
            counts.asked_per_s = Some(until(now_us + 1_000_000) - until(now_us));
        }
        let counts = Counts {
            processes: 1,
            streams: BTreeMap::from([(self.stream, counts)]),
        };
        watched::write(&counts, file).map_err(|source| ReplayError::Write {
            path: file.to_owned(),
            source,
        })
    }
}
