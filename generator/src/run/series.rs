//! Rows per second of a stream: due, sent, acknowledged, and how late the latest was.

use std::collections::VecDeque;

use floodmark_contracts::{record::SeriesRow, stream::Stream};

const SECOND_US: i64 = 1_000_000;

/// Counts for the seconds that are not over yet.
#[derive(Debug)]
pub(super) struct Series {
    stream: Stream,
    /// The first second that is not written yet.
    first: i64,
    open: VecDeque<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    due: u64,
    sent: u64,
    acknowledged: u64,
    lateness_max_us: i64,
}

impl Series {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            first: 0,
            open: VecDeque::new(),
        }
    }

    /// Counts an event that was due at `due_us`, whether it was sent or not.
    pub(super) fn due(&mut self, due_us: i64) {
        self.at(due_us).due += 1;
    }

    /// Counts an event that was handed over at `at_us`, so much after its due time.
    pub(super) fn sent(&mut self, at_us: i64, lateness_us: i64) {
        let counts = self.at(at_us);
        counts.sent += 1;
        counts.lateness_max_us = counts.lateness_max_us.max(lateness_us);
    }

    /// Counts an event that was acknowledged at `at_us`.
    pub(super) fn acknowledged(&mut self, at_us: i64) {
        self.at(at_us).acknowledged += 1;
    }

    /// Takes the rows of the seconds that are over: nothing more can fall into them once the clock
    /// stands at `now_us` and no event due before `due_us` is left.
    pub(super) fn finished(&mut self, now_us: i64, due_us: i64) -> Vec<SeriesRow> {
        let until = now_us.min(due_us).div_euclid(SECOND_US);
        let mut rows = Vec::new();
        while self.first < until {
            self.take_first(&mut rows);
        }
        rows
    }

    /// Takes the rows of all seconds in which anything was counted.
    pub(super) fn rest(&mut self) -> Vec<SeriesRow> {
        let mut rows = Vec::new();
        while !self.open.is_empty() {
            self.take_first(&mut rows);
        }
        rows
    }

    fn take_first(&mut self, rows: &mut Vec<SeriesRow>) {
        let counts = self.open.pop_front().unwrap_or_default();
        self.first += 1;
        let (t, stream) = (self.first, Some(self.stream));
        let values = [
            ("due", counts.due as f64),
            ("sent", counts.sent as f64),
            ("acknowledged", counts.acknowledged as f64),
            ("send_lateness_max_us", counts.lateness_max_us as f64),
        ];
        rows.extend(values.map(|(metric, value)| {
            let metric = metric.to_owned();
            SeriesRow {
                t,
                metric,
                stream,
                value,
            }
        }));
    }

    fn at(&mut self, at_us: i64) -> &mut Counts {
        // What belongs to a second that is written already counts for the first open one.
        let index = (at_us.div_euclid(SECOND_US) - self.first).max(0);
        let index = usize::try_from(index).unwrap_or_default();
        if index >= self.open.len() {
            self.open.resize(index + 1, Counts::default());
        }
        &mut self.open[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rows: &[SeriesRow]) -> Vec<(i64, &str, f64)> {
        rows.iter()
            .filter(|r| r.value != 0.0)
            .map(|r| (r.t, r.metric.as_str(), r.value))
            .collect()
    }

    #[test]
    fn a_second_is_written_when_clock_and_schedule_have_passed_it() {
        let mut series = Series::new(Stream::Sensors);
        series.due(900_000);
        series.sent(1_200_000, 300_000);
        assert!(series.finished(1_500_000, 900_000).is_empty());
        let rows = series.finished(1_500_000, 1_600_000);
        assert_eq!(values(&rows), [(1, "due", 1.0)]);
        assert_eq!(rows.len(), 4);
        series.acknowledged(1_700_000);
        let rows = series.rest();
        let expected = [
            (2, "sent", 1.0),
            (2, "acknowledged", 1.0),
            (2, "send_lateness_max_us", 300_000.0),
        ];
        assert_eq!(values(&rows), expected);
    }

    #[test]
    fn quiet_seconds_have_rows_of_zeros() {
        let mut series = Series::new(Stream::Banking);
        series.due(2_100_000);
        let rows = series.finished(3_000_000, 3_000_000);
        assert_eq!(rows.len(), 12);
        assert_eq!(values(&rows), [(3, "due", 1.0)]);
    }
}
