//! Puts the events of a partition into event-time order, by holding them until the watermark passes.
//!
//! Events go into buckets of one watermark step. A bucket is sorted when the watermark passes it:
//! most events arrive nearly in order, so that this costs less than a heap.

use std::collections::BTreeMap;

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

/// Events that wait for the watermark.
#[derive(Debug, Serialize, Deserialize)]
pub struct OrderBuffer<E> {
    grain_ms: i64,
    buckets: BTreeMap<i64, Vec<(EventTime, E)>>,
    held: usize,
    /// Emptied buckets, kept so that a steady stream allocates nothing.
    #[serde(skip, default = "Vec::new")]
    spare: Vec<Vec<(EventTime, E)>>,
}

/// Emptied buckets worth keeping; more than that is garbage of a burst.
const SPARE_BUCKETS: usize = 64;

impl<E> OrderBuffer<E> {
    /// An empty buffer for watermarks that move in steps of `grain_ms`.
    #[must_use]
    pub fn new(grain_ms: i64) -> Self {
        Self {
            grain_ms: grain_ms.max(1),
            buckets: BTreeMap::new(),
            held: 0,
            spare: Vec::new(),
        }
    }

    /// Holds an event.
    pub fn push(&mut self, at: EventTime, event: E) {
        let spare = &mut self.spare;
        self.buckets
            .entry(at.0.div_euclid(self.grain_ms))
            .or_insert_with(|| spare.pop().unwrap_or_default())
            .push((at, event));
        self.held += 1;
    }

    /// Takes out the next bucket that ends at or before `watermark`, in event-time order; events of
    /// the same millisecond stay in the order of the log. Hand it back with [`recycle`](Self::recycle).
    pub fn pop(&mut self, watermark: EventTime) -> Option<Vec<(EventTime, E)>> {
        let first = self.buckets.first_entry()?;
        if (first.key() + 1).saturating_mul(self.grain_ms) > watermark.0 {
            return None;
        }
        let mut bucket = first.remove();
        if !bucket.is_sorted_by_key(|(at, _)| *at) {
            bucket.sort_by_key(|(at, _)| *at);
        }
        self.held -= bucket.len();
        Some(bucket)
    }

    /// Takes back an emptied bucket.
    pub fn recycle(&mut self, mut bucket: Vec<(EventTime, E)>) {
        if self.spare.len() < SPARE_BUCKETS {
            bucket.clear();
            self.spare.push(bucket);
        }
    }

    /// Number of events held.
    pub fn len(&self) -> usize {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(buffer: &mut OrderBuffer<usize>, watermark: i64) -> Vec<(i64, usize)> {
        let mut out = Vec::new();
        while let Some(mut bucket) = buffer.pop(EventTime(watermark)) {
            out.extend(bucket.drain(..).map(|(at, event)| (at.0, event)));
            buffer.recycle(bucket);
        }
        out
    }

    #[test]
    fn events_wait_for_the_watermark() {
        let mut buffer = OrderBuffer::new(10);
        for (event, at) in [25, 3, 19, 3].into_iter().enumerate() {
            buffer.push(EventTime(at), event);
        }
        assert_eq!(drain(&mut buffer, 9), []);
        assert_eq!(drain(&mut buffer, 20), [(3, 1), (3, 3), (19, 2)]);
        assert_eq!(buffer.len(), 1);
        assert_eq!(drain(&mut buffer, 30), [(25, 0)]);
        assert_eq!(buffer.len(), 0);
    }

    proptest! {
        /// forall arrivals and watermarks: what comes out is the stable sort of what went in.
        #[test]
        fn order_is_the_stable_sort(times in prop::collection::vec(-500i64..500, 0..200), grain in 1i64..50) {
            let mut buffer = OrderBuffer::new(grain);
            for (event, at) in times.iter().enumerate() {
                buffer.push(EventTime(*at), event);
            }
            let mut got = Vec::new();
            for step in (-500 / grain - 1)..=(500 / grain + 1) {
                got.extend(drain(&mut buffer, step * grain));
            }
            let mut want: Vec<_> = times.iter().copied().enumerate().map(|(i, at)| (at, i)).collect();
            want.sort_by_key(|(at, _)| *at);
            prop_assert_eq!(got, want);
        }
    }
}
