//! Deadlines in event time, one per key.
//!
//! A deadline that moves with every event would cost a queue operation per event. So a key has at
//! most one entry, and its owner says, when the entry comes up, whether the key is done or when to
//! look again.

use std::{cmp::Reverse, collections::BinaryHeap};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

/// Entries ordered by deadline, then by key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize + Ord",
    deserialize = "K: Deserialize<'de> + Ord"
))]
pub struct Deadlines<K> {
    queue: BinaryHeap<Reverse<(EventTime, K)>>,
}

impl<K: Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            queue: BinaryHeap::new(),
        }
    }
}

impl<K: Ord> Deadlines<K> {
    /// Asks to be reminded of `key` at `deadline`. The owner keeps it to one entry a key.
    pub fn set(&mut self, deadline: EventTime, key: K) {
        self.queue.push(Reverse((deadline, key)));
    }

    /// Takes out the first entry whose deadline is at or before `now`.
    pub fn pop(&mut self, now: EventTime) -> Option<(EventTime, K)> {
        if self.queue.peek()?.0.0 > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry)
    }

    /// Number of entries.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_up_in_order_and_not_before_their_time() {
        let mut deadlines = Deadlines::default();
        for (at, key) in [(30, "c"), (10, "b"), (10, "a")] {
            deadlines.set(EventTime(at), key);
        }
        assert_eq!(deadlines.pop(EventTime(9)), None);
        assert_eq!(deadlines.pop(EventTime(10)), Some((EventTime(10), "a")));
        assert_eq!(deadlines.pop(EventTime(29)), Some((EventTime(10), "b")));
        assert_eq!(deadlines.pop(EventTime(29)), None);
        assert_eq!(deadlines.len(), 1);
    }
}
