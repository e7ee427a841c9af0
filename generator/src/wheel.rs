//! A wheel of visits: which one goes on next, in constant time.
//!
//! A calendar of buckets, each a queue of visits that go on at about the same event time. Within a
//! bucket visits keep the order in which they were put in, so the wheel is deterministic.

/// Width of a bucket in milliseconds of event time.
const BUCKET_MS: i64 = 250;
/// Buckets of a wheel; times further ahead than all of them (128 s) go into the last.
const BUCKETS: i64 = 512;

/// No visit.
const NONE: u32 = u32::MAX;

/// Visits (`T`) in the order in which they go on.
#[derive(Debug, Clone)]
pub(crate) struct Wheel<T> {
    buckets: Vec<(u32, u32)>,
    /// Number of the earliest bucket that may hold a visit; none is earlier.
    earliest: i64,
    nodes: Vec<Node<T>>,
    free: u32,
    len: usize,
}

#[derive(Debug, Clone)]
struct Node<T> {
    visit: T,
    next: u32,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel that starts at event-time offset 0.
    pub(crate) fn new() -> Self {
        Self {
            buckets: vec![(NONE, NONE); BUCKETS as usize],
            earliest: 0,
            nodes: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// Number of visits.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts a visit in that goes on at `at_ms`.
    pub(crate) fn push(&mut self, at_ms: i64, visit: T) {
        let node = self.take_node(visit);
        let bucket = (at_ms / BUCKET_MS).clamp(self.earliest, self.earliest + BUCKETS - 1);
        let (head, tail) = &mut self.buckets[index(bucket)];
        if *head == NONE {
            *head = node;
        } else {
            self.nodes[*tail as usize].next = node;
        }
        *tail = node;
        self.len += 1;
    }

    /// Takes out the first visit that goes on at `now_ms` or before, with the beginning of its bucket.
    pub(crate) fn pop_due(&mut self, now_ms: i64) -> Option<(i64, T)> {
        let now = now_ms / BUCKET_MS;
        while self.earliest <= now {
            if self.buckets[index(self.earliest)].0 != NONE {
                return Some((self.earliest * BUCKET_MS, self.pop_head()));
            }
            if self.len == 0 {
                self.earliest = now;
                return None;
            }
            if self.earliest == now {
                return None;
            }
            self.earliest += 1;
        }
        None
    }

    /// Takes out the first visit, whenever it goes on.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        // The search leaves `earliest` alone, so that visits before the one found can still be put in.
        let found = (self.earliest..self.earliest + BUCKETS)
            .find(|bucket| self.buckets[index(*bucket)].0 != NONE)?;
        let kept = std::mem::replace(&mut self.earliest, found);
        let visit = self.pop_head();
        self.earliest = kept;
        Some(visit)
    }

    fn pop_head(&mut self) -> T {
        let (head, _) = &mut self.buckets[index(self.earliest)];
        let at = *head;
        let node = &mut self.nodes[at as usize];
        *head = node.next;
        node.next = self.free;
        self.free = at;
        self.len -= 1;
        node.visit
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most one visit for each user"
    )]
    fn take_node(&mut self, visit: T) -> u32 {
        if self.free == NONE {
            self.nodes.push(Node { visit, next: NONE });
            return (self.nodes.len() - 1) as u32;
        }
        let at = self.free;
        let node = &mut self.nodes[at as usize];
        self.free = node.next;
        *node = Node { visit, next: NONE };
        at
    }
}

fn index(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn visits_come_when_they_are_due_and_in_order() {
        let mut wheel = Wheel::new();
        wheel.push(5_000, 'b');
        wheel.push(1_000, 'a');
        wheel.push(5_010, 'c');
        assert_eq!(wheel.pop_due(500), None);
        assert_eq!(wheel.pop_due(6_000), Some((1_000, 'a')));
        assert_eq!(wheel.pop_due(6_000), Some((5_000, 'b')));
        assert_eq!(wheel.pop_first(), Some('c'));
        assert_eq!(wheel.pop_first(), None);
    }

    #[test]
    fn the_first_may_be_taken_early_without_losing_earlier_ones_put_in_later() {
        let mut wheel = Wheel::new();
        wheel.push(60_000, 'b');
        assert_eq!(wheel.pop_first(), Some('b'));
        wheel.push(1_000, 'a');
        assert_eq!(wheel.pop_due(2_000), Some((1_000, 'a')));
    }

    proptest! {
        /// forall pushes and pops: nothing is lost, doubled, or more than a bucket early.
        #[test]
        fn what_goes_in_comes_out_once(steps in prop::collection::vec((0i64..150_000, any::<bool>()), 1..300)) {
            let mut wheel = Wheel::new();
            let (mut now, mut popped) = (0, Vec::new());
            for (i, (ahead, pop)) in steps.iter().enumerate() {
                wheel.push(now + ahead, (i, now + ahead.min(&120_000)));
                now += 700;
                if *pop && let Some((_, (i, at))) = wheel.pop_due(now) {
                    prop_assert!(at <= now + BUCKET_MS);
                    popped.push(i);
                }
            }
            while let Some((i, _)) = wheel.pop_first() {
                popped.push(i);
            }
            popped.sort_unstable();
            prop_assert_eq!(popped, (0..steps.len()).collect::<Vec<_>>());
            prop_assert_eq!(wheel.len(), 0);
        }
    }
}
