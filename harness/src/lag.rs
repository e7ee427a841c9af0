//! How far a subject is behind, in seconds: the age of the first record that it has not read.
//!
//! Reading that record at every look would be a load of its own. Instead the end of each partition is
//! remembered at every look; when the committed offset was the end lies between two of them.

use std::collections::{BTreeMap, VecDeque};

use floodmark_kafka::{TopicPartition, admin::Lag};

/// Ends that are remembered per partition; past that, every second one goes. An hour of looks once a second.
const MOST: usize = 4096;

/// When each partition ended where.
#[derive(Debug, Default)]
pub(crate) struct LagClock {
    ends: BTreeMap<TopicPartition, VecDeque<End>>,
}

/// The end of a partition, as it stood from one look to another.
#[derive(Debug, Clone, Copy)]
struct End {
    offset: i64,
    first_us: i64,
    last_us: i64,
}

impl LagClock {
    /// Takes note of one partition's end at `now_us`, and tells for how long the first uncommitted record has been
    /// there, in seconds; 0 if there is none.
    pub(crate) fn observe(&mut self, now_us: i64, part: &Lag) -> f64 {
        let ends = self.ends.entry(part.partition.clone()).or_default();
        match ends.back_mut() {
            // The record that comes next is younger than this look.
            Some(last) if last.offset >= part.end => last.last_us = now_us,
            _ => ends.push_back(End {
                offset: part.end,
                first_us: now_us,
                last_us: now_us,
            }),
        }
        let committed = part.committed.unwrap_or(0);
        // What lies before the committed offset is of no more use, but for the last end in front of it.
        while ends.get(1).is_some_and(|end| end.offset <= committed) {
            ends.pop_front();
        }
        if ends.len() > MOST {
            let mut odd = false;
            ends.retain(|_| {
                odd = !odd;
                odd
            });
        }
        if committed >= part.end {
            return 0.0;
        }
        let age = now_us - appended(ends, committed);
        age.max(0) as f64 / 1e6
    }
}

/// When the record at `offset` was appended: between two looks, as if records had come evenly.
fn appended(ends: &VecDeque<End>, offset: i64) -> i64 {
    let after = ends.iter().find(|end| end.offset > offset);
    let before = ends.iter().rev().find(|end| end.offset <= offset);
    match (before, after) {
        (Some(before), Some(after)) => {
            let span = after.first_us - before.last_us;
            before.last_us + span * (offset - before.offset) / (after.offset - before.offset)
        }
        (None, Some(after)) => after.first_us,
        (Some(before), None) => before.last_us,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks of (second, end, committed); the lag in seconds at each.
    fn check(looks: &[(f64, i64, Option<i64>)], expected: &[f64]) {
        let mut clock = LagClock::default();
        let found: Vec<f64> = looks
            .iter()
            .map(|(at, end, committed)| {
                let part = Lag {
                    partition: TopicPartition::new("t", 0),
                    committed: *committed,
                    end: *end,
                    records: 0,
                };
                clock.observe((at * 1e6) as i64, &part)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_subject_that_has_read_everything_is_not_behind() {
        check(&[(1.0, 100, Some(100)), (2.0, 200, Some(200))], &[0.0, 0.0]);
        check(&[(1.0, 0, None)], &[0.0]);
    }

    #[test]
    fn one_that_stands_falls_behind_a_second_a_second() {
        check(
            &[
                (0.0, 0, None),
                (1.0, 100, Some(100)),
                (2.0, 200, Some(100)),
                (3.0, 300, Some(100)),
                (4.0, 400, Some(250)),
            ],
            &[0.0, 0.0, 1.0, 2.0, 1.5],
        );
    }

    #[test]
    fn a_partition_that_was_silent_makes_nothing_old() {
        // Nothing came for a minute; then one record, a second ago at most.
        check(
            &[
                (0.0, 5, Some(5)),
                (59.0, 5, Some(5)),
                (60.0, 6, Some(5)),
                (70.0, 6, Some(5)),
            ],
            &[0.0, 0.0, 1.0, 11.0],
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_stays_right() {
        let mut clock = LagClock::default();
        let mut lag = 0.0;
        for second in 0..20_000 {
            let part = Lag {
                partition: TopicPartition::new("t", 0),
                committed: Some(0),
                end: second * 10,
                records: 0,
            };
            lag = clock.observe(second * 1_000_000, &part);
        }
        assert!(clock.ends.values().all(|ends| ends.len() <= MOST));
        assert!((lag - 19_999.0).abs() < 10.0, "{lag}");
    }
}
