//! Two sequences held against each other: a log as it should be, and as it is.
//!
//! ```text
//! expected  a b c d e f g     furthest: behind the last expected record that was found
//! log       a b d c d x f g   c reordered, d doubled, x altered e
//! ```
//!
//! A record that is not the next one is looked for among those that were skipped (then it is late:
//! *reordered*), among those that were found lately (*doubled*), and ahead (then the ones between are
//! skipped). What stays skipped for [`WINDOW`] records was *lost*, unless a record that fits nowhere came in its
//! place: then it was *altered*. What fits nowhere and stands in for nothing is *foreign*.
//!
//! After a longer gap nothing fits any more: when [`STRANGERS`] records in a row did not, the place is looked for up to
//! [`FARTHEST`] windows ahead.

use std::collections::{BTreeSet, VecDeque};

use floodmark_contracts::audit::{DifferenceKind, Differences};

/// Records by which one may be early or late and still be recognised: more than a client that may reorder has
/// in flight at once.
pub(super) const WINDOW: u64 = 1 << 16;

/// Records that fit nowhere and wait for one that is missing.
const STRANGERS: usize = 1024;

/// Windows that a gap may be long: a million records of a partition.
const FARTHEST: u64 = 16;

/// A record of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// Of key and value.
    pub(super) hash: u64,
    /// Of the key alone.
    pub(super) key: u64,
    pub(super) slot: u64,
    /// A second copy under an id of its own.
    pub(super) new_id: bool,
}

/// A record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) hash: u64,
    pub(super) key: u64,
    pub(super) offset: i64,
}

/// One difference: what is known of the record on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) what: DifferenceKind,
    pub(super) expected: Option<Expected>,
    pub(super) found: Option<Found>,
}

/// The comparison.
pub(super) struct Matcher<I> {
    expected: I,
    /// The one behind the window, already taken from `expected`.
    next: Option<Expected>,
    window: VecDeque<Waiting>,
    /// Place of the window's first record among all expected ones.
    base: u64,
    furthest: u64,
    /// Hash and place of all in the window that were not found.
    missing: BTreeSet<(u64, u64)>,
    recent: Recent,
    strangers: VecDeque<(u64, Found)>,
    /// Records in a row that fitted nowhere.
    in_a_row: usize,
    window_size: u64,
    compared: u64,
    differences: Differences,
    odd: Vec<Odd>,
    most_odd: usize,
}

/// An expected record that was passed or looked at ahead of time.
struct Waiting {
    expected: Expected,
    found: bool,
}

impl<I: Iterator<Item = Expected>> Matcher<I> {
    /// Holds a log against `expected`, and keeps up to `most_odd` differences as examples.
    pub(super) fn new(mut expected: I, window_size: u64, most_odd: usize) -> Self {
        let next = expected.next();
        Self {
            expected,
            next,
            window: VecDeque::new(),
            base: 0,
            furthest: 0,
            missing: BTreeSet::new(),
            recent: Recent::new(window_size),
            strangers: VecDeque::new(),
            in_a_row: 0,
            window_size,
            compared: 0,
            differences: Differences::default(),
            odd: Vec::new(),
            most_odd,
        }
    }

    /// The log's next record. False if it is not the one that should be next.
    pub(super) fn take(&mut self, found: Found) -> bool {
        self.compared += 1;
        if self.is_next(found.hash) {
            self.in_a_row = 0;
            self.found_next(found.hash);
            return true;
        }
        // Late before doubled before early: a late record was missed already, and a planned copy of one that was
        // just found would be as good ahead as it is here.
        let place = self.place_of(found.hash);
        if let Some(place) = place.filter(|place| *place < self.furthest) {
            let expected = self.found_at(place, found.hash);
            self.note(DifferenceKind::Reordered, expected, Some(found));
        } else if self.recent.contains(found.hash) {
            self.note(DifferenceKind::Doubled, None, Some(found));
        } else {
            self.look_ahead(self.window_size);
            match self.place_of(found.hash) {
                Some(place) => {
                    self.in_a_row = 0;
                    self.found_at(place, found.hash);
                }
                None => self.keep_stranger(found),
            }
        }
        self.retire();
        false
    }

    /// The log has ended: what was not found until now is lost.
    pub(super) fn finish(mut self) -> (u64, Differences, Vec<Odd>) {
        while let Some(waiting) = self.window.pop_front() {
            if !waiting.found {
                self.is_missing(waiting.expected);
            }
            self.base += 1;
        }
        while let Some(expected) = self.next.take() {
            self.is_missing(expected);
            self.base += 1;
            self.next = self.expected.next();
        }
        for (_, found) in std::mem::take(&mut self.strangers) {
            self.note(DifferenceKind::Foreign, None, Some(found));
        }
        (self.compared, self.differences, self.odd)
    }

    fn behind_window(&self) -> u64 {
        self.base + self.window.len() as u64
    }

    fn is_next(&self, hash: u64) -> bool {
        let next = if self.furthest == self.behind_window() {
            self.next.as_ref()
        } else {
            let index = (self.furthest - self.base) as usize;
            self.window.get(index).map(|waiting| &waiting.expected)
        };
        next.is_some_and(|expected| expected.hash == hash)
    }

    /// The usual case, which must not cost anything.
    fn found_next(&mut self, hash: u64) {
        if self.furthest < self.behind_window() {
            self.found_at(self.furthest, hash);
            self.retire();
            return;
        }
        let expected = std::mem::replace(&mut self.next, self.expected.next());
        if self.window.is_empty() {
            self.base += 1;
        } else if let Some(expected) = expected {
            self.window.push_back(Waiting {
                expected,
                found: true,
            });
        }
        self.furthest += 1;
        self.recent.push(hash);
        if !self.window.is_empty() {
            self.retire();
        }
    }

    /// Marks the expected record at `place` as found.
    fn found_at(&mut self, place: u64, hash: u64) -> Option<Expected> {
        self.missing.remove(&(hash, place));
        self.furthest = self.furthest.max(place + 1);
        self.recent.push(hash);
        let waiting = self.window.get_mut((place - self.base) as usize)?;
        waiting.found = true;
        Some(waiting.expected)
    }

    /// The first place at which a record with this hash is missing, as far as is known.
    fn place_of(&self, hash: u64) -> Option<u64> {
        let (_, place) = self.missing.range((hash, 0)..=(hash, u64::MAX)).next()?;
        Some(*place)
    }

    /// Takes expected records until the window reaches `reach` ahead.
    fn look_ahead(&mut self, reach: u64) {
        while self.behind_window() < self.furthest + reach {
            let Some(expected) = std::mem::replace(&mut self.next, self.expected.next()) else {
                return;
            };
            self.missing.insert((expected.hash, self.behind_window()));
            self.window.push_back(Waiting {
                expected,
                found: false,
            });
        }
    }

    /// Lets go of records that were found, and of those that will not be.
    fn retire(&mut self) {
        while let Some(first) = self.window.front() {
            if !first.found && self.furthest.saturating_sub(self.base) <= self.window_size {
                break;
            }
            let (expected, found) = (first.expected, first.found);
            self.window.pop_front();
            if !found {
                self.missing.remove(&(expected.hash, self.base));
                self.is_missing(expected);
            }
            self.base += 1;
        }
        let out_of_reach = self.base.saturating_sub(2 * self.window_size);
        while let Some((at, found)) = self.strangers.front().copied() {
            if at >= out_of_reach {
                break;
            }
            self.strangers.pop_front();
            self.note(DifferenceKind::Foreign, None, Some(found));
        }
    }

    fn keep_stranger(&mut self, found: Found) {
        if self.strangers.len() == STRANGERS
            && let Some((_, oldest)) = self.strangers.pop_front()
        {
            self.note(DifferenceKind::Foreign, None, Some(oldest));
        }
        self.strangers.push_back((self.furthest, found));
        self.in_a_row += 1;
        let patience = STRANGERS.min(usize::try_from(self.window_size).unwrap_or(STRANGERS));
        if self.in_a_row == patience {
            self.find_the_place_again();
        }
    }

    /// Looks further and further ahead, until one of those that fitted nowhere does.
    fn find_the_place_again(&mut self) {
        let mut reach = self.window_size;
        let before = self.furthest;
        while self.furthest == before && reach < FARTHEST * self.window_size {
            reach *= 2;
            self.look_ahead(reach);
            for (at, found) in std::mem::take(&mut self.strangers) {
                match self.place_of(found.hash) {
                    Some(place) if place >= self.furthest => {
                        self.in_a_row = 0;
                        self.found_at(place, found.hash);
                    }
                    _ => self.strangers.push_back((at, found)),
                }
            }
        }
    }

    /// The expected record at `base` is not in the log: altered if another one came in its place, and lost if not.
    fn is_missing(&mut self, expected: Expected) {
        let place = self.base;
        let fits = |(at, found): &&(u64, Found)| {
            *at == place || (found.key == expected.key && at.abs_diff(place) <= self.window_size)
        };
        let stranger = self
            .strangers
            .iter()
            .filter(fits)
            .min_by_key(|(at, _)| at.abs_diff(place))
            .copied();
        let Some(stranger) = stranger else {
            self.note(DifferenceKind::Lost, Some(expected), None);
            return;
        };
        self.strangers.retain(|other| *other != stranger);
        self.note(DifferenceKind::Altered, Some(expected), Some(stranger.1));
    }

    fn note(&mut self, what: DifferenceKind, expected: Option<Expected>, found: Option<Found>) {
        let counts = &mut self.differences;
        let count = match what {
            DifferenceKind::Lost => &mut counts.lost,
            DifferenceKind::Doubled => &mut counts.doubled,
            DifferenceKind::Reordered => &mut counts.reordered,
            DifferenceKind::Altered => &mut counts.altered,
            DifferenceKind::Foreign => &mut counts.foreign,
        };
        *count += 1;
        if self.odd.len() < self.most_odd {
            self.odd.push(Odd {
                what,
                expected,
                found,
            });
        }
    }
}

/// Hashes of the records that were found last.
struct Recent {
    ring: Vec<u64>,
    at: usize,
    size: usize,
    /// How many of them share the last bits of their hashes; what is at its highest stays there.
    sieve: Vec<u8>,
}

/// Places of the sieve: most hashes that are not among the recent ones fall through it.
const SIEVE: usize = 1 << 20;

impl Recent {
    fn new(size: u64) -> Self {
        Self {
            ring: Vec::new(),
            at: 0,
            size: usize::try_from(size).unwrap_or(usize::MAX).max(1),
            sieve: vec![0; SIEVE],
        }
    }

    fn push(&mut self, hash: u64) {
        let place = &mut self.sieve[hash as usize % SIEVE];
        *place = place.saturating_add(1);
        if self.ring.len() < self.size {
            self.ring.push(hash);
            return;
        }
        let gone = std::mem::replace(&mut self.ring[self.at], hash);
        let place = &mut self.sieve[gone as usize % SIEVE];
        *place -= u8::from(*place < u8::MAX);
        self.at = (self.at + 1) % self.size;
    }

    /// A walk through all of them, where the sieve holds one back.
    fn contains(&self, hash: u64) -> bool {
        self.sieve[hash as usize % SIEVE] > 0 && self.ring.contains(&hash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected(letter: char, slot: usize) -> Expected {
        Expected {
            hash: letter as u64,
            key: u64::from(letter.to_ascii_lowercase() as u32 % 3),
            slot: slot as u64,
            new_id: false,
        }
    }

    fn compare(plan: &str, log: &str, window: u64) -> (Differences, Vec<Odd>) {
        let plan: Vec<Expected> = plan.chars().zip(0..).map(|(c, i)| expected(c, i)).collect();
        let mut matcher = Matcher::new(plan.into_iter(), window, 100);
        for (letter, offset) in log.chars().zip(0..) {
            let Expected { hash, key, .. } = expected(letter, 0);
            matcher.take(Found { hash, key, offset });
        }
        let (compared, differences, odd) = matcher.finish();
        assert_eq!(compared, log.chars().count() as u64);
        (differences, odd)
    }

    /// Counts of lost, doubled, reordered, altered and foreign records.
    fn check(plan: &str, log: &str, counts: [u64; 5]) {
        for window in [4, 1000] {
            let (found, _) = compare(plan, log, window);
            let Differences {
                lost,
                doubled,
                reordered,
                altered,
                foreign,
            } = found;
            let found = [lost, doubled, reordered, altered, foreign];
            assert_eq!(found, counts, "{plan} as {log}, window {window}");
        }
    }

    const PLAN: &str = "abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn a_log_as_planned_differs_in_nothing() {
        check(PLAN, PLAN, [0; 5]);
        check("", "", [0; 5]);
        // The plan itself asks for copies.
        check("abcabdef", "abcabdef", [0; 5]);
    }

    #[test]
    fn each_difference_is_told_apart() {
        check(PLAN, &PLAN.replace('k', ""), [1, 0, 0, 0, 0]);
        check(PLAN, &PLAN.replace('k', "kk"), [0, 1, 0, 0, 0]);
        check(PLAN, &PLAN.replace("kl", "lk"), [0, 0, 1, 0, 0]);
        check(PLAN, &PLAN.replace('k', "é"), [0, 0, 0, 1, 0]);
        check(PLAN, &PLAN.replace('k', "ké"), [0, 0, 0, 0, 1]);
        check("", "é", [0, 0, 0, 0, 1]);
        check(PLAN, "", [26, 0, 0, 0, 0]);
    }

    #[test]
    fn a_batch_that_comes_twice_or_late_counts_by_its_records() {
        check(PLAN, &PLAN.replace("efg", "efgefg"), [0, 3, 0, 0, 0]);
        check(PLAN, &PLAN.replace("efgh", "ghef"), [0, 0, 2, 0, 0]);
        check(PLAN, &PLAN.replace("xyz", ""), [3, 0, 0, 0, 0]);
        check(PLAN, &PLAN.replace("abc", ""), [3, 0, 0, 0, 0]);
    }

    #[test]
    fn a_gap_that_is_longer_than_the_window_is_lost_and_nothing_else() {
        // Twelve of twenty-six, where the window holds four.
        check(PLAN, &PLAN.replace("defghijklmno", ""), [12, 0, 0, 0, 0]);
        // As many strangers in a row do not move the place that the next record of the plan has.
        let log = PLAN.replace('k', "kéèàùçô");
        check(PLAN, &log, [0, 0, 0, 0, 6]);
    }

    #[test]
    fn several_differences_stay_apart() {
        let log = PLAN.replace('c', "").replace("jk", "kj").replace('t', "tt");
        check(PLAN, &log, [1, 1, 1, 0, 0]);
    }

    #[test]
    fn examples_say_which_record_it_was() {
        let (_, odd) = compare(PLAN, &PLAN.replace('c', ""), 1000);
        let slot = odd[0].expected.map(|expected| expected.slot);
        assert_eq!((odd.len(), slot, odd[0].found), (1, Some(2), None));
        let (_, odd) = compare(PLAN, &PLAN.replace('c', "cc"), 1000);
        let offset = odd[0].found.map(|found| found.offset);
        assert_eq!((odd[0].what, offset), (DifferenceKind::Doubled, Some(3)));
    }

    proptest! {
        /// forall plan, log: every record on either side is accounted for exactly once.
        #[test]
        fn nothing_is_counted_twice_or_not_at_all(
            plan in prop::collection::vec(0u8..40, 0..200),
            log in prop::collection::vec(0u8..40, 0..200),
            window in 1u64..50,
        ) {
            let text = |bytes: &[u8]| -> String { bytes.iter().map(|b| (b'A' + b) as char).collect() };
            let (found, _) = compare(&text(&plan), &text(&log), window);
            let stood_in = found.altered;
            let matched = log.len() as u64 - found.doubled - found.foreign - stood_in;
            prop_assert_eq!(matched + found.lost + stood_in, plan.len() as u64);
        }
    }
}
