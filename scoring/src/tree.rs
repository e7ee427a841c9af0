//! Static trees of intervals: all that overlap a query, in `O(log n + found)`.

/// One interval with what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) item: u32,
}

/// Trees of intervals, by number, in one piece of memory: a run has tens of thousands.
///
/// The intervals of each are sorted by `low`; the middle of every range is the root of its subtree, as in a binary
/// search, and knows the highest `high` in its subtree. So one long interval among many short ones
/// does not turn a query into a scan.
#[derive(Debug)]
pub(crate) struct Forest {
    entries: Vec<Entry>,
    highest: Vec<i64>,
    /// Where each tree begins, and where the last one ends.
    begins: Vec<usize>,
}

impl Forest {
    /// `n_trees` trees; each entry with the number of its tree.
    pub(crate) fn new(n_trees: usize, mut entries: Vec<(u32, Entry)>) -> Self {
        entries.sort_unstable_by_key(|(tree, e)| (*tree, e.low, e.high, e.item));
        let mut begins = vec![0; n_trees + 1];
        for (tree, _) in &entries {
            begins[*tree as usize + 1] += 1;
        }
        for tree in 1..begins.len() {
            begins[tree] += begins[tree - 1];
        }
        let entries: Vec<Entry> = entries.into_iter().map(|(_, entry)| entry).collect();
        let mut highest = vec![i64::MIN; entries.len()];
        for bounds in begins.windows(2) {
            let range = bounds[0]..bounds[1];
            fill(&entries[range.clone()], &mut highest[range]);
        }
        Self {
            entries,
            highest,
            begins,
        }
    }

    /// Calls `visit` for every interval of a tree that shares a point with `[low, high]`, both inclusive, by
    /// ascending `low`. A number without a tree has none.
    pub(crate) fn overlapping(
        &self,
        tree: u32,
        (low, high): (i64, i64),
        visit: &mut impl FnMut(Entry),
    ) {
        let tree = tree as usize;
        let (Some(&from), Some(&until)) = (self.begins.get(tree), self.begins.get(tree + 1)) else {
            return;
        };
        let range = from..until;
        search(
            &self.entries[range.clone()],
            &self.highest[range],
            low,
            high,
            visit,
        );
    }
}

fn fill(entries: &[Entry], highest: &mut [i64]) -> i64 {
    if entries.is_empty() {
        return i64::MIN;
    }
    let middle = entries.len() / 2;
    let (left, rest) = highest.split_at_mut(middle);
    let Some((own, right)) = rest.split_first_mut() else {
        return i64::MIN;
    };
    *own = entries[middle]
        .high
        .max(fill(&entries[..middle], left))
        .max(fill(&entries[middle + 1..], right));
    *own
}

fn search(entries: &[Entry], highest: &[i64], low: i64, high: i64, visit: &mut impl FnMut(Entry)) {
    let middle = entries.len() / 2;
    let Some(entry) = entries.get(middle) else {
        return;
    };
    if highest[middle] < low {
        return;
    }
    search(&entries[..middle], &highest[..middle], low, high, visit);
    if entry.low > high {
        return;
    }
    if entry.high >= low {
        visit(*entry);
    }
    search(
        &entries[middle + 1..],
        &highest[middle + 1..],
        low,
        high,
        visit,
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The spans are in the second of three trees; one that covers all is in each of the others.
    fn tree(spans: &[(i64, i64)]) -> Forest {
        let entry = |low, high, item| Entry { low, high, item };
        let all = entry(i64::MIN, i64::MAX, 1000);
        let entries = spans.iter().zip(0..);
        let entries = entries.map(|(&(low, length), item)| (1, entry(low, low + length, item)));
        Forest::new(3, entries.chain([(0, all), (2, all)]).collect())
    }

    fn found(tree: &Forest, low: i64, high: i64) -> Vec<u32> {
        let mut items = Vec::new();
        tree.overlapping(1, (low, high), &mut |entry| {
            items.push(entry.item);
        });
        items.sort_unstable();
        items
    }

    #[test]
    fn both_ends_are_inclusive() {
        let tree = tree(&[(10, 10)]);
        assert_eq!(found(&tree, 20, 30), [0]);
        assert_eq!(found(&tree, 0, 10), [0]);
        assert!(found(&tree, 21, 30).is_empty());
        assert!(found(&Forest::new(0, Vec::new()), 0, 100).is_empty());
    }

    proptest! {
        /// forall intervals and query: the tree finds what a scan finds.
        #[test]
        fn equals_a_scan(spans in prop::collection::vec((0i64..50, 0i64..30), 0..40), low in 0i64..60, length in 0i64..20) {
            let high = low + length;
            let scan: Vec<u32> = spans.iter().zip(0..)
                .filter(|((start, span), _)| *start <= high && start + span >= low)
                .map(|(_, item)| item)
                .collect();
            prop_assert_eq!(found(&tree(&spans), low, high), scan);
        }
    }
}
