//! Windows over groups that are not the record key: what several partitions found, put together.
//!
//! A partition sends its part of a window when its own watermark closes it, and sends it again,
//! whole, when a late event corrects it. Parts are kept per source partition and replaced, never
//! added to: so neither order nor repetition matters, and a window is complete when every active
//! partition's watermark has passed it.

use std::{collections::BTreeMap, hash::Hash};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

use super::{
    exchange::Source,
    groups::{Groups, Listed},
    saved::{Frozen, later},
    watermark::BEGINNING,
    window::{Aggregate, Window},
};

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted<A> {
    /// The window is still open.
    Waiting,
    /// The window has closed before: this is its corrected result for the group.
    Corrected(A),
    /// The window is gone. Only a partition that was taken for idle sends so late.
    TooLate,
}

/// What each source found of a group, in order of the sources.
type Parts<A> = Vec<(Source, A)>;

/// Windows being put together.
#[derive(Debug, Deserialize)]
#[serde(bound(
    deserialize = "G: Deserialize<'de> + Eq + Hash + Clone, A: Deserialize<'de> + Clone"
))]
pub struct MergedWindows<G, A> {
    lateness_ms: i64,
    windows: BTreeMap<Window, Groups<G, Parts<A>>>,
    closed: EventTime,
}

impl<G: Eq + Hash + Ord + Clone, A: Aggregate + Clone> MergedWindows<G, A> {
    /// No windows yet; closed ones take corrections for another `lateness_ms`.
    #[must_use]
    pub fn new(lateness_ms: i64) -> Self {
        Self {
            lateness_ms,
            windows: BTreeMap::new(),
            closed: BEGINNING,
        }
    }

    /// Takes the part of partition `source` in `window` of `group`, in place of an earlier one.
    pub fn put(&mut self, source: Source, window: Window, group: G, part: A) -> Accepted<A> {
        if window.end.plus_ms(self.lateness_ms) <= self.closed {
            return Accepted::TooLate;
        }
        let parts = self.windows.entry(window).or_default().at(&group);
        match parts.binary_search_by_key(&source, |(source, _)| *source) {
            Ok(found) => parts[found].1 = part,
            Err(place) => parts.insert(place, (source, part)),
        }
        if window.end <= self.closed {
            Accepted::Corrected(whole(parts))
        } else {
            Accepted::Waiting
        }
    }

    /// All windows as they are now, to be saved later and elsewhere.
    #[must_use]
    pub fn freeze(&mut self) -> Frozen
    where
        G: Serialize + Send + Sync + 'static,
        A: Serialize + Send + Sync + 'static,
    {
        let windows = self.windows.iter_mut();
        let windows: BTreeMap<Window, Listed<G, Parts<A>>> = windows
            .map(|(window, groups)| (*window, groups.share()))
            .collect();
        // In the order of the fields.
        later((self.lateness_ms, windows, self.closed))
    }

    /// Closes every window that ends at or before `to`, in order of their starts, and gives each with
    /// its groups, in order, to `closed`.
    pub fn close(&mut self, to: EventTime, mut closed: impl FnMut(Window, Vec<(G, A)>)) {
        if to <= self.closed {
            return;
        }
        for (window, groups) in &self.windows {
            // Windows are of one size, so that their ends are in the order of their starts.
            if window.end > to {
                break;
            }
            if window.end > self.closed {
                let mut groups: Vec<(G, A)> = groups
                    .iter()
                    .map(|(group, parts)| (group.clone(), whole(parts)))
                    .collect();
                groups.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                closed(*window, groups);
            }
        }
        self.closed = to;
        while let Some(window) = self.windows.first_entry() {
            if window.key().end.plus_ms(self.lateness_ms) > to {
                break;
            }
            window.remove();
        }
    }

    /// Number of windows held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.windows.len()
    }
}

fn whole<A: Aggregate>(parts: &[(Source, A)]) -> A {
    let mut whole = A::default();
    for (_, part) in parts {
        whole.merge(part);
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default, Clone, PartialEq, Eq)]
    struct Count(u32);

    impl Aggregate for Count {
        fn merge(&mut self, other: &Self) {
            self.0 += other.0;
        }
    }

    fn window(start: i64) -> Window {
        Window {
            start: EventTime(start),
            end: EventTime(start + 60),
        }
    }

    fn close(
        merged: &mut MergedWindows<&'static str, Count>,
        to: i64,
    ) -> Vec<(i64, Vec<(&'static str, u32)>)> {
        let mut out = Vec::new();
        merged.close(EventTime(to), |window, groups| {
            out.push((
                window.start.0,
                groups.into_iter().map(|(g, n)| (g, n.0)).collect(),
            ));
        });
        out
    }

    #[test]
    fn parts_of_two_partitions_add_up() {
        let mut merged = MergedWindows::new(0);
        assert_eq!(
            merged.put((0, 1), window(0), "b", Count(2)),
            Accepted::Waiting
        );
        merged.put((0, 0), window(0), "b", Count(3));
        merged.put((0, 0), window(0), "a", Count(1));
        assert_eq!(close(&mut merged, 59), []);
        assert_eq!(close(&mut merged, 60), [(0, vec![("a", 1), ("b", 5)])]);
        assert_eq!(merged.len(), 0);
    }

    #[test]
    fn a_correction_replaces_the_part_of_its_partition() {
        let mut merged = MergedWindows::new(30);
        merged.put((0, 0), window(0), "a", Count(3));
        merged.put((0, 1), window(0), "a", Count(2));
        assert_eq!(close(&mut merged, 60).len(), 1);
        assert_eq!(
            merged.put((0, 0), window(0), "a", Count(4)),
            Accepted::Corrected(Count(6))
        );
        assert_eq!(close(&mut merged, 90), []);
        assert_eq!(merged.len(), 0);
        assert_eq!(
            merged.put((0, 0), window(0), "a", Count(5)),
            Accepted::TooLate
        );
    }

    proptest! {
        /// forall parts and orders of arrival: windows come out the same.
        #[test]
        fn order_of_arrival_does_not_matter(
            parts in prop::collection::vec((0i32..4, 0i64..4, prop::sample::select(vec!["a", "b"]), 0u32..9), 0..40),
            seed in any::<u64>(),
        ) {
            // One part a source, window and group, as a partition sends it.
            let parts: BTreeMap<_, _> = parts.into_iter().map(|(s, w, g, n)| ((s, w, g), n)).collect();
            let mut shuffled: Vec<_> = parts.iter().collect();
            shuffled.sort_by_key(|((s, w, _), n)| (*s as u64 ^ *w as u64 ^ u64::from(**n)).wrapping_mul(seed | 1));
            let mut a = MergedWindows::new(0);
            let mut b = MergedWindows::new(0);
            for ((s, w, g), n) in &parts {
                a.put((0, *s), window(w * 60), *g, Count(*n));
            }
            for ((s, w, g), n) in shuffled {
                b.put((0, *s), window(w * 60), *g, Count(*n));
            }
            prop_assert_eq!(close(&mut a, 1000), close(&mut b, 1000));
        }
    }
}
