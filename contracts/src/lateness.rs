//! How late events were handed over, by the time at which they were due.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Width of a bucket at first, microseconds.
const FIRST_WIDTH_US: i64 = 10_000;

/// Buckets that are kept; beyond it neighbours are put together.
const MOST_BUCKETS: usize = 4096;

/// The worst lateness in short spans of due time. Spans in which nothing was late are left out, so that a good run takes no
/// room, and a bad one no more than some kilobytes: the spans get longer instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatenessByDue {
    /// Length of a span, microseconds of wall time.
    pub width_us: i64,
    /// By the number of the span, counted from due time 0: the worst lateness in it, microseconds.
    pub worst_us: BTreeMap<i64, i64>,
}

impl Default for LatenessByDue {
    fn default() -> Self {
        Self {
            width_us: FIRST_WIDTH_US,
            worst_us: BTreeMap::new(),
        }
    }
}

impl LatenessByDue {
    /// Lateness below this is not kept, microseconds: a timer of an ordinary machine reaches it on its own.
    pub const KEPT_FROM_US: i64 = 2_000;

    /// Takes note of an event's lateness.
    pub fn add(&mut self, due_us: i64, late_us: i64) {
        if late_us < Self::KEPT_FROM_US {
            return;
        }
        let worst = self
            .worst_us
            .entry(due_us.div_euclid(self.width_us))
            .or_default();
        *worst = late_us.max(*worst);
        while self.worst_us.len() > MOST_BUCKETS {
            self.widen();
        }
    }

    /// The worst lateness around `due_us`; 0 where nothing was late.
    #[must_use]
    pub fn at(&self, due_us: i64) -> i64 {
        let bucket = due_us.div_euclid(self.width_us);
        self.worst_us.get(&bucket).copied().unwrap_or(0)
    }

    /// Takes over what another saw of the same run.
    pub fn merge(&mut self, mut other: Self) {
        while self.width_us < other.width_us {
            self.widen();
        }
        while other.width_us < self.width_us {
            other.widen();
        }
        for (bucket, late_us) in other.worst_us {
            let worst = self.worst_us.entry(bucket).or_default();
            *worst = late_us.max(*worst);
        }
        while self.worst_us.len() > MOST_BUCKETS {
            self.widen();
        }
    }

    fn widen(&mut self) {
        self.width_us *= 2;
        for (bucket, late_us) in std::mem::take(&mut self.worst_us) {
            let worst = self.worst_us.entry(bucket.div_euclid(2)).or_default();
            *worst = late_us.max(*worst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_span_stands_and_a_timely_one_takes_no_room() {
        let mut lateness = LatenessByDue::default();
        for (due, late) in [
            (5_000, 1_999),
            (15_000, 3_000),
            (16_000, 9_000),
            (17_000, 4_000),
        ] {
            lateness.add(due, late);
        }
        assert_eq!(
            (lateness.at(5_000), lateness.at(11_000), lateness.at(20_000)),
            (0, 9_000, 0)
        );
        assert_eq!(lateness.worst_us.len(), 1);
    }

    #[test]
    fn room_is_bounded_and_nothing_gets_less_late_by_it() {
        let mut lateness = LatenessByDue::default();
        let late = |i: i64| 2_000 + i % 7_000;
        for i in 0..50_000 {
            lateness.add(i * 10_000, late(i));
        }
        assert!(lateness.worst_us.len() <= MOST_BUCKETS);
        assert!((0..50_000).all(|i| lateness.at(i * 10_000) >= late(i)));
    }

    #[test]
    fn workers_with_spans_of_different_lengths_are_put_together() {
        let (mut one, mut other) = (LatenessByDue::default(), LatenessByDue::default());
        one.add(35_000, 5_000);
        for i in 0..5_000 {
            other.add(i * 10_000, 2_500);
        }
        other.merge(one.clone());
        assert_eq!(other.at(35_000), 5_000);
        one.merge(other);
        assert_eq!((one.at(35_000), one.at(49_000_000)), (5_000, 2_500));
    }
}
