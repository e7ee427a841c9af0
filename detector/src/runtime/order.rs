//! Puts the events of a partition into event-time order, by holding them until the watermark passes.
//!
//! Events go into buckets of one watermark step. A bucket is sorted when the watermark passes it:
//! most events arrive nearly in order, so that this costs less than a heap.
//!
//! Buckets near the watermark, which nearly all events go into, lie in a ring, where one is found
//! without a search; the others lie in a map.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq};

use super::{
    chunks::Chunk,
    saved::{Frozen, later},
};

/// Buckets in the ring: more than steps of the watermark fit into its bound, but for bounds of many
/// minutes, whose newest buckets wait in the map.
const RING: usize = 2048;

/// Emptied buckets worth keeping; more than that is garbage of a burst.
const SPARE_BUCKETS: usize = 64;

/// Events that wait for the watermark.
#[derive(Debug)]
pub struct OrderBuffer<E> {
    grain_ms: i64,
    /// Buckets `base` to `base + RING`, each at its number modulo `RING`; made with the first event.
    ring: Vec<Bucket<E>>,
    base: i64,
    in_ring: usize,
    /// All others, and those that came before the ring reached up to them.
    far: BTreeMap<i64, Bucket<E>>,
    held: usize,
    /// The bucket of the event before: mostly that of the next one too, which saves a division.
    recent: i64,
    /// Emptied buckets, kept so that a steady stream allocates nothing.
    spare: Vec<Vec<(EventTime, E)>>,
}

/// The events of one step, in the order of the log; shared while a snapshot is written.
type Bucket<E> = Chunk<(EventTime, E)>;

/// What is saved: all buckets in one map.
#[derive(Serialize, Deserialize)]
struct SavedBuffer<B> {
    grain_ms: i64,
    buckets: BTreeMap<i64, B>,
    held: usize,
}

/// A bucket of which a part came before the ring reached up to it.
struct Parts<E>(Vec<Arc<Vec<(EventTime, E)>>>);

impl<E: Serialize> Serialize for Parts<E> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let n_events = self.0.iter().map(|part| part.len()).sum();
        let mut seq = serializer.serialize_seq(Some(n_events))?;
        for event in self.0.iter().flat_map(|part| part.iter()) {
            seq.serialize_element(event)?;
        }
        seq.end()
    }
}

impl<'de, E: Deserialize<'de>> Deserialize<'de> for OrderBuffer<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved: SavedBuffer<Vec<(EventTime, E)>> = SavedBuffer::deserialize(deserializer)?;
        let mut this = Self::new(saved.grain_ms);
        let buckets = saved.buckets.into_iter();
        this.far = buckets
            .map(|(number, events)| (number, Chunk::of(events)))
            .collect();
        this.held = saved.held;
        Ok(this)
    }
}

/// Place of a bucket in the ring.
fn place(number: i64) -> usize {
    // The remainder is below `RING`.
    number.rem_euclid(RING as i64) as usize
}

impl<E> OrderBuffer<E> {
    /// An empty buffer for watermarks that move in steps of `grain_ms`.
    #[must_use]
    pub fn new(grain_ms: i64) -> Self {
        Self {
            grain_ms: grain_ms.max(1),
            ring: Vec::new(),
            base: 0,
            in_ring: 0,
            far: BTreeMap::new(),
            held: 0,
            recent: 0,
            spare: Vec::new(),
        }
    }

    /// All events as they are now, to be saved later and elsewhere.
    pub fn freeze(&mut self) -> Frozen
    where
        E: Serialize + Send + Sync + 'static,
    {
        let mut buckets: BTreeMap<i64, Parts<E>> = BTreeMap::new();
        for (number, bucket) in &mut self.far {
            buckets.insert(*number, Parts(vec![bucket.share()]));
        }
        for number in (self.base..).take(self.ring.len()) {
            let bucket = &mut self.ring[place(number)];
            if !bucket.values().is_empty() {
                let parts = buckets.entry(number).or_insert(Parts(Vec::new()));
                parts.0.push(bucket.share());
            }
        }
        later(SavedBuffer {
            grain_ms: self.grain_ms,
            buckets,
            held: self.held,
        })
    }

    /// Number of events held.
    pub fn len(&self) -> usize {
        self.held
    }
}

impl<E: Clone> OrderBuffer<E> {
    /// Holds an event.
    pub fn push(&mut self, at: EventTime, event: E) {
        if !(0..self.grain_ms).contains(&at.0.wrapping_sub(self.recent * self.grain_ms)) {
            self.recent = at.0.div_euclid(self.grain_ms);
        }
        let number = self.recent;
        let spare = &mut self.spare;
        self.held += 1;
        if number < self.base || number - self.base >= RING as i64 {
            let bucket = self.far.entry(number);
            let bucket = bucket.or_insert_with(|| Chunk::of(spare.pop().unwrap_or_default()));
            bucket.change().push((at, event));
            return;
        }
        if self.ring.is_empty() {
            self.ring.resize_with(RING, || Chunk::of(Vec::new()));
        }
        let bucket = self.ring[place(number)].change();
        if bucket.capacity() == 0 {
            *bucket = spare.pop().unwrap_or_default();
        }
        bucket.push((at, event));
        self.in_ring += 1;
    }

    /// Takes out the next bucket that ends at or before `watermark`, in event-time order; events of
    /// the same millisecond stay in the order of the log. Hand it back with [`recycle`](Self::recycle).
    pub fn pop(&mut self, watermark: EventTime) -> Option<Vec<(EventTime, E)>> {
        // Buckets below this one have ended.
        let end = watermark.0.div_euclid(self.grain_ms);
        let near = self.next_in_ring(end);
        let far = self.far.first_key_value().map(|(number, _)| *number);
        let far = far.filter(|number| *number < end);
        let number = match (near, far) {
            (Some(near), Some(far)) => near.min(far),
            (near, far) => near.or(far)?,
        };
        let mut bucket = Vec::new();
        if far == Some(number) {
            // These came before those in the ring, which did not reach up to them yet.
            if let Some(mut far) = self.far.remove(&number) {
                bucket = std::mem::take(far.change());
            }
        }
        if near == Some(number) {
            let mut ringed = std::mem::take(self.ring[place(number)].change());
            self.in_ring -= ringed.len();
            if bucket.is_empty() {
                bucket = ringed;
            } else {
                bucket.append(&mut ringed);
                self.recycle(ringed);
            }
        }
        if !bucket.is_sorted_by_key(|(at, _)| *at) {
            bucket.sort_by_key(|(at, _)| *at);
        }
        self.held -= bucket.len();
        Some(bucket)
    }

    /// The first bucket in the ring with events, if it is before `end`. The ring moves up to it, or to
    /// `end`: what is before that is empty, and what still comes for it goes into the map.
    fn next_in_ring(&mut self, end: i64) -> Option<i64> {
        while self.in_ring > 0 && self.base < end {
            if !self.ring[place(self.base)].values().is_empty() {
                return Some(self.base);
            }
            self.base += 1;
        }
        if self.in_ring == 0 {
            self.base = self.base.max(end);
        }
        None
    }

    /// Takes back an emptied bucket.
    pub fn recycle(&mut self, mut bucket: Vec<(EventTime, E)>) {
        if self.spare.len() < SPARE_BUCKETS {
            bucket.clear();
            self.spare.push(bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::saved::{Reader, Writer},
        *,
    };

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

    #[test]
    fn gaps_of_any_length_are_passed_over() {
        let mut buffer = OrderBuffer::new(10);
        for (event, at) in [0, 1 << 40, 5, (1 << 40) + 3].into_iter().enumerate() {
            buffer.push(EventTime(at), event);
            if event == 1 {
                assert_eq!(drain(&mut buffer, 0), []);
            }
        }
        assert_eq!(drain(&mut buffer, 1 << 40), [(0, 0), (5, 2)]);
        assert_eq!(
            drain(&mut buffer, i64::MAX),
            [(1 << 40, 1), ((1 << 40) + 3, 3)]
        );
        assert_eq!(drain(&mut buffer, i64::MAX), []);
    }

    proptest! {
        /// forall streams whose watermark follows at a distance, saved and loaded anywhere, within the
        /// ring and beyond it: what comes out is the stable sort of what went in.
        #[test]
        fn a_saved_buffer_goes_on_as_if_nothing_had_happened(
            steps in prop::collection::vec((-300i64..400, any::<bool>()), 1..300),
            grain in 1i64..4,
            bound in prop::sample::select(vec![500i64, 20_000]),
            stride in prop::sample::select(vec![1i64, 700]),
        ) {
            let mut buffer = OrderBuffer::new(grain);
            let (mut newest, mut watermark) = (1_000_000i64, i64::MIN);
            let (mut got, mut want) = (Vec::new(), Vec::new());
            for (event, (step, save)) in steps.into_iter().enumerate() {
                let at = newest + step * stride;
                if at < watermark {
                    continue;
                }
                buffer.push(EventTime(at), event);
                want.push((at, event));
                newest = newest.max(at);
                watermark = watermark.max((newest - bound).div_euclid(grain) * grain);
                got.extend(drain(&mut buffer, watermark));
                if save {
                    let mut writer = Writer::default();
                    buffer.freeze()(&mut writer).unwrap();
                    let sealed = writer.seal(1);
                    buffer = Reader::open(&sealed, 1).unwrap().get().unwrap();
                }
            }
            got.extend(drain(&mut buffer, i64::MAX));
            want.sort_by_key(|(at, _)| *at);
            prop_assert_eq!(buffer.len(), 0);
            prop_assert_eq!(got, want);
        }

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
