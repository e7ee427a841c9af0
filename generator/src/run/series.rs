//! Counts per second of one thread: due, sent, acknowledged, and how late the latest was.

use std::collections::VecDeque;

pub(super) const SECOND_US: i64 = 1_000_000;

/// Counts for the seconds that are not over yet.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// The first second that is not handed on yet.
    first: i64,
    open: VecDeque<Counts>,
}

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) due: u64,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) queue_full: u64,
    pub(super) lateness_max_us: i64,
}

impl Counts {
    /// Takes over what happened elsewhere in the same second.
    pub(super) fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.queue_full += other.queue_full;
        self.lateness_max_us = self.lateness_max_us.max(other.lateness_max_us);
    }
}

impl Series {
    /// The counts of the second around `at_us`. What belongs to a second that is handed on already counts
    /// for the first open one.
    pub(super) fn at(&mut self, at_us: i64) -> &mut Counts {
        let index = (at_us.div_euclid(SECOND_US) - self.first).max(0);
        let index = usize::try_from(index).unwrap_or_default();
        if index >= self.open.len() {
            self.open.resize(index + 1, Counts::default());
        }
        &mut self.open[index]
    }

    /// Takes the counts of the seconds that are over: nothing more can fall into them once the clock
    /// stands at `now_us` and no event due before `due_us` is left.
    pub(super) fn finished(&mut self, now_us: i64, due_us: i64) -> Vec<Counts> {
        let until = now_us.min(due_us).div_euclid(SECOND_US);
        let mut over = Vec::new();
        while self.first < until {
            over.push(self.open.pop_front().unwrap_or_default());
            self.first += 1;
        }
        over
    }

    /// Takes the counts of all seconds in which anything was counted.
    pub(super) fn rest(&mut self) -> Vec<Counts> {
        self.first += i64::try_from(self.open.len()).unwrap_or(i64::MAX);
        self.open.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_over_when_clock_and_schedule_have_passed_it() {
        let mut series = Series::default();
        series.at(900_000).due += 1;
        series.at(1_200_000).sent += 1;
        assert!(series.finished(1_500_000, 900_000).is_empty());
        let due = |due| Counts {
            due,
            ..Counts::default()
        };
        assert_eq!(series.finished(1_500_000, 1_600_000), [due(1)]);
        // An acknowledgement of an event of long ago counts where it can.
        series.at(100_000).acknowledged += 1;
        let last = Counts {
            sent: 1,
            acknowledged: 1,
            ..Counts::default()
        };
        assert_eq!(series.rest(), [last]);
        assert!(series.rest().is_empty());
    }

    #[test]
    fn quiet_seconds_are_over_too() {
        let mut series = Series::default();
        series.at(2_100_000).due += 1;
        assert_eq!(series.finished(3_000_000, 3_000_000).len(), 3);
    }
}
