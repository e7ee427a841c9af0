//! Steps from offset to offset, for those who count what they read.

use std::collections::BTreeMap;

/// How an offset follows the one before it in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first one seen.
    First,
    /// The next one.
    Next,
    /// Offsets were passed over. In a topic with transactions or compaction that is ordinary; in
    /// a plain one, records are missing.
    Gap {
        /// How many.
        missing: u64,
    },
    /// An offset that was seen or passed before: the reader was set back.
    Back,
}

/// Keeps the next offset expected in each partition.
#[derive(Debug, Clone, Default)]
pub struct OffsetTracker {
    next: BTreeMap<(usize, i32), i64>,
}

impl OffsetTracker {
    /// Takes note of a record's place and says how it follows.
    pub fn observe(&mut self, topic_index: usize, partition: i32, offset: i64) -> Step {
        let Some(expected) = self.next.get_mut(&(topic_index, partition)) else {
            self.next.insert((topic_index, partition), offset + 1);
            return Step::First;
        };
        if offset < *expected {
            return Step::Back;
        }
        let missing = offset.abs_diff(*expected);
        *expected = offset + 1;
        if missing == 0 {
            Step::Next
        } else {
            Step::Gap { missing }
        }
    }

    /// The next offset expected in a partition, if it was seen.
    #[must_use]
    pub fn expected(&self, topic_index: usize, partition: i32) -> Option<i64> {
        self.next.get(&(topic_index, partition)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_apart_by_partition() {
        let mut tracker = OffsetTracker::default();
        let steps: Vec<Step> = [
            (0, 0, 5),
            (0, 0, 6),
            (0, 1, 0),
            (0, 0, 9),
            (1, 0, 3),
            (0, 0, 6),
        ]
        .into_iter()
        .map(|(topic, partition, offset)| tracker.observe(topic, partition, offset))
        .collect();
        let gap = Step::Gap { missing: 2 };
        assert_eq!(
            steps,
            [
                Step::First,
                Step::Next,
                Step::First,
                gap,
                Step::First,
                Step::Back
            ]
        );
        // A step back does not move the expectation: what follows it is back as well.
        assert_eq!(tracker.expected(0, 0), Some(10));
        assert_eq!(tracker.expected(2, 0), None);
    }
}
