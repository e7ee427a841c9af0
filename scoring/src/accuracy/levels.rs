//! One to one, windows and events.

use floodmark_contracts::accuracy::{Counted, Windows};

use super::{Ground, counted};
use crate::one_to_one::{Candidates, size_of_maximum};

/// Length of a window, milliseconds of event time.
const WINDOW_MS: i64 = 60_000;

/// `m` pairs of a maximum matching: `precision = m / alerts`, `recall = m / labels`.
pub(super) fn one_to_one(ground: &Ground<'_>) -> Counted {
    let mut numbers = vec![u32::MAX; ground.scope.labels.len()];
    let mut n_labels = 0;
    for (position, _) in ground.scope.kept_labels() {
        numbers[position] = n_labels;
        n_labels += 1;
    }
    // Pairs come by alert, so that those of one stand together.
    let mut candidates = Candidates::with_capacity(ground.found.pairs.len());
    for pairs in ground.found.pairs.chunk_by(|a, b| a.0 == b.0) {
        candidates.push(pairs.iter().map(|(_, label)| numbers[*label as usize]));
    }
    let matched = size_of_maximum(&candidates, n_labels as usize);
    let said = ground.counted().count() as u64;
    counted(u64::from(n_labels), said, matched as u64)
}

/// A key, and the first and the last window of a stretch without gaps.
type Stretch = (u32, i64, i64);

/// Stretches of windows, sorted, those that touch put together. A label may last for a year, so its windows are not
/// written out.
fn stretches(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    stretches.dedup_by(|next, last| {
        let touches = next.0 == last.0 && next.1 <= last.2.saturating_add(1);
        if touches {
            last.2 = last.2.max(next.2);
        }
        touches
    });
    stretches
}

/// How many windows of keys lie in a stretch; both are sorted.
fn n_within(stretches: &[Stretch], windows: &[(u32, i64)]) -> u64 {
    let mut left = stretches.iter().peekable();
    let is_within = |&(key, window): &(u32, i64)| {
        while left
            .next_if(|(of, _, until)| (*of, *until) < (key, window))
            .is_some()
        {}
        left.peek()
            .is_some_and(|(of, from, _)| *of == key && *from <= window)
    };
    windows.iter().copied().filter(is_within).count() as u64
}

/// Windows of keys, sorted, each once; `visit_all` tells them, as often as it is asked. Those of one key are put together
/// first: they are few, and sorted soon.
fn each_once(visit_all: impl Fn(&mut dyn FnMut((u32, i64))), n_keys: usize) -> Vec<(u32, i64)> {
    let mut next = vec![0; n_keys + 1];
    visit_all(&mut |(key, _)| next[key as usize + 1] += 1);
    for key in 1..next.len() {
        next[key] += next[key - 1];
    }
    let n_windows: u32 = next.last().copied().unwrap_or(0);
    let mut by_key = vec![(0, 0); n_windows as usize];
    visit_all(&mut |window| {
        let place = &mut next[window.0 as usize];
        by_key[*place as usize] = window;
        *place += 1;
    });
    for of_key in by_key.chunk_by_mut(|a, b| a.0 == b.0) {
        of_key.sort_unstable_by_key(|(_, window)| *window);
    }
    by_key.dedup();
    by_key
}

pub(super) fn windows(ground: &Ground<'_>) -> Windows {
    let truth = ground.scope.kept_labels().map(|(position, label)| {
        let key = ground.key_of(u32::try_from(position).unwrap_or(u32::MAX));
        let window_of = |at: i64| at.div_euclid(WINDOW_MS);
        (key, window_of(label.start.0), window_of(label.end.0))
    });
    let truth = stretches(truth.collect());
    let window_of = |alert: u32| {
        let alert = &ground.scope.alerts[alert as usize];
        (alert.key, alert.end.div_euclid(WINDOW_MS))
    };
    let visit_all = |visit: &mut dyn FnMut((u32, i64))| {
        let mut last = None;
        for (alert, label) in &ground.found.pairs {
            let cell = (ground.key_of(*label), window_of(*alert).1);
            if last.replace(cell) != Some(cell) {
                visit(cell);
            }
        }
        let wrong = ground.counted().filter(|(_, is_true)| !is_true);
        wrong.for_each(|(alert, _)| visit(window_of(alert)));
    };
    let said = each_once(visit_all, ground.scope.n_keys());
    let both = n_within(&truth, &said);
    let n_truth: i64 = truth.iter().map(|(_, from, until)| until - from + 1).sum();
    Windows {
        size_ms: WINDOW_MS,
        counted: counted(n_truth.unsigned_abs(), said.len() as u64, both),
    }
}

/// Affected events against those that alerts list.
pub(super) fn events(ground: &Ground<'_>) -> Option<Counted> {
    let events = ground.found.events?;
    Some(counted(events.truth, events.said, events.both))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// forall stretches: they have the windows that writing out each of them has, and as many.
        #[test]
        fn stretches_have_the_windows_of_their_parts(parts in prop::collection::vec((0u32..3, -9i64..9, 0i64..5), 0..12)) {
            let parts: Vec<Stretch> = parts.iter().map(|(key, from, more)| (*key, *from, from + more)).collect();
            let mut written: Vec<(u32, i64)> = parts
                .iter()
                .flat_map(|(key, from, until)| (*from..=*until).map(|window| (*key, window)))
                .collect();
            written.sort_unstable();
            written.dedup();
            let together = stretches(parts);
            let n_windows: i64 = together.iter().map(|(_, from, until)| until - from + 1).sum();
            prop_assert_eq!(n_windows.unsigned_abs(), written.len() as u64);
            let cells: Vec<(u32, i64)> = (0..3).flat_map(|key| (-11..16).map(move |window| (key, window))).collect();
            prop_assert_eq!(n_within(&together, &cells), written.len() as u64);
            for cell in cells {
                prop_assert_eq!(n_within(&together, &[cell]) == 1, written.contains(&cell), "{:?}", cell);
            }
        }
    }
}
