//! Event ids as numbers: which labels list one, and which ones an alert lists.

use floodmark_contracts::label::Label;

use crate::{ahead, hashing::Numbers, matching::EventCounts, scope::Standing};

/// No further owner, or no list.
pub(crate) const NONE: u32 = u32::MAX;

/// A label that lists an event id.
#[derive(Debug, Clone, Copy)]
struct Owner {
    /// Its position, or [`NONE`].
    label: u32,
    /// The place of another one among the further owners, or [`NONE`].
    other: u32,
}

/// Who owns what no label lists.
const NOBODY: Owner = Owner {
    label: NONE,
    other: NONE,
};

/// Event ids by their numbers: those that labels list come first.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// By number: the first label that lists the id.
    owners: Vec<Owner>,
    /// All further ones.
    further: Vec<Owner>,
    /// The numbers on alerts' lists, one list behind the other.
    listed: Vec<u32>,
    /// The labels with an alert's key that list at least half of its list, likewise.
    candidates: Vec<u32>,
    /// Where what there is of each list ends.
    ends: Vec<Ends>,
    /// Owners of the ids on the list that is being taken up.
    scratch: Vec<u32>,
}

/// Where the ids of a list end, and the labels that list half of them.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    ids: usize,
    labels: usize,
}

/// What an alert says that lists event ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The number of its key.
    pub(crate) key: u32,
    pub(crate) ids: &'a [String],
}

/// What is known of an alert's list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct List<'a> {
    /// The numbers of the ids, ascending, each once.
    pub(crate) ids: &'a [u32],
    /// The labels with the alert's key that list at least half of them, ascending, each once.
    pub(crate) labels: &'a [u32],
}

/// Numbers the ids of some lists at a time.
struct Numbering<'a> {
    numbers: Numbers,
    /// The ids that have a number.
    known: Vec<&'a str>,
    /// The ids that are being numbered, and their numbers.
    names: Vec<&'a str>,
    found: Vec<u32>,
}

impl<'a> Numbering<'a> {
    /// For so many ids.
    fn with_capacity(n_ids: usize) -> Self {
        Self {
            numbers: Numbers::with_capacity(n_ids),
            known: Vec::with_capacity(n_ids),
            names: Vec::new(),
            found: Vec::new(),
        }
    }

    /// The numbers of all ids on the lists, one list behind the other.
    fn number_all(&mut self, lists: impl Iterator<Item = &'a [String]>) -> &mut [u32] {
        self.names.clear();
        self.names.extend(lists.flatten().map(String::as_str));
        self.found.clear();
        let (names, found) = (&self.names, &mut self.found);
        self.numbers.number_all(names, &mut self.known, found);
        found
    }
}

impl Events {
    /// Takes up the ids of all labels and of the lists of alerts; `has_key` tells whether a label has a key. Without any
    /// list nothing is: the ids are most of the labels' bytes.
    pub(crate) fn new(
        labels: &[Label],
        lists: &[Said<'_>],
        has_key: impl Fn(u32, u32) -> bool,
    ) -> Self {
        let mut events = Self::default();
        if lists.iter().all(|said| said.ids.is_empty()) {
            return events;
        }
        let n_ids = labels.iter().map(|label| label.event_ids.len()).sum();
        let mut numbering = Numbering::with_capacity(n_ids);
        events.owners.reserve(n_ids);
        let mut label = 0;
        for some in labels.chunks(ahead::STEP) {
            let ids = some.iter().map(|of| of.event_ids.as_slice());
            let mut rest: &[u32] = numbering.number_all(ids);
            for of in some {
                let (own, others) = rest.split_at(of.event_ids.len());
                events.add_label(label, own);
                (label, rest) = (label + 1, others);
            }
        }
        for some in lists.chunks(ahead::STEP) {
            let mut rest = numbering.number_all(some.iter().map(|said| said.ids));
            for said in some {
                let (own, others) = rest.split_at_mut(said.ids.len());
                events.add_list(own, |label| has_key(label, said.key));
                rest = others;
            }
        }
        events.owners.resize(numbering.known.len(), NOBODY);
        events
    }

    /// Takes up the numbers of what a label lists. One that it lists twice it owns once.
    fn add_label(&mut self, label: u32, numbers: &[u32]) {
        for number in numbers {
            let number = *number as usize;
            if number >= self.owners.len() {
                self.owners.resize(number + 1, NOBODY);
            }
            let first = &mut self.owners[number];
            let last = self.further.get(first.other as usize).unwrap_or(first);
            if first.label == NONE {
                first.label = label;
            } else if last.label != label {
                let other = first.other;
                first.other = u32::try_from(self.further.len()).unwrap_or(NONE);
                self.further.push(Owner { label, other });
            }
        }
    }

    /// Takes up the numbers of what an alert lists, each once.
    fn add_list(&mut self, numbers: &mut [u32], has_key: impl Fn(u32) -> bool) {
        numbers.sort_unstable();
        let begin = self.listed.len();
        let own = numbers.chunk_by(|a, b| a == b).map(|same| same[0]);
        self.listed.extend(own);
        let own = &self.listed[begin..];
        let mut owners = std::mem::take(&mut self.scratch);
        owners.clear();
        let all = own.iter().flat_map(|number| self.owners(*number));
        owners.extend(all.filter(|label| has_key(*label)));
        owners.sort_unstable();
        let owners_of_half = owners
            .chunk_by(|a, b| a == b)
            .filter(|same| same.len() * 2 >= own.len())
            .map(|same| same[0]);
        self.candidates.extend(owners_of_half);
        self.scratch = owners;
        self.ends.push(Ends {
            ids: self.listed.len(),
            labels: self.candidates.len(),
        });
    }

    /// What a list holds; nothing where there is no such list.
    pub(crate) fn list(&self, list: u32) -> List<'_> {
        let list = list as usize;
        let Some(end) = self.ends.get(list) else {
            return List::default();
        };
        let before = list.checked_sub(1).and_then(|before| self.ends.get(before));
        let begin = before.copied().unwrap_or_default();
        List {
            ids: &self.listed[begin.ids..end.ids],
            labels: &self.candidates[begin.labels..end.labels],
        }
    }

    /// The labels that list the id with a number, each once.
    pub(crate) fn owners(&self, number: u32) -> impl Iterator<Item = u32> {
        let first = self.owners.get(number as usize);
        let first = first.filter(|owner| owner.label != NONE);
        let others = std::iter::successors(first, |owner| self.further.get(owner.other as usize));
        others.map(|owner| owner.label)
    }

    /// For each number a mark that its id was not listed yet.
    pub(crate) fn unlisted(&self) -> Vec<bool> {
        vec![false; self.owners.len()]
    }

    /// What alerts listed, by number, against what labels that count list. `None` if nothing was.
    pub(crate) fn counts(&self, is_listed: &[bool], standings: &[Standing]) -> Option<EventCounts> {
        let mut counts = EventCounts::default();
        for (number, is_listed) in (0u32..).zip(is_listed) {
            let is_kept = |label: u32| standings[label as usize] == Standing::Kept;
            let is_true = self.owners(number).any(is_kept);
            counts.truth += u64::from(is_true);
            counts.said += u64::from(*is_listed);
            counts.both += u64::from(is_true && *is_listed);
        }
        (counts.said > 0).then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::kind::Kind;

    use super::*;
    use crate::support::label;

    fn listing(ids: &[&str]) -> Label {
        Label {
            event_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..label("L", Kind::SensorSpike, "a", 0, 1)
        }
    }

    #[test]
    fn an_id_has_one_number_whoever_lists_it_and_a_label_owns_it_once() {
        let labels = [listing(&["x", "y", "x"]), listing(&["y"]), listing(&["y"])];
        let lists = [&["z", "y", "z"][..], &[], &["x", "unknown"], &["y"]];
        let lists: [Vec<String>; 4] =
            lists.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        let said: Vec<Said<'_>> = lists.iter().map(|ids| Said { key: 7, ids }).collect();
        // The last label has another key.
        let events = Events::new(&labels, &said, |label, key| key == 7 && label < 2);
        let list = |list: u32| (events.list(list).ids, events.list(list).labels);
        assert_eq!(list(0), (&[1, 2][..], &[0, 1][..]));
        assert_eq!(list(2), (&[0, 3][..], &[0][..]));
        assert_eq!(list(3), (&[1][..], &[0, 1][..]));
        let nothing = (&[][..], &[][..]);
        assert_eq!([list(1), list(4), list(NONE)], [nothing; 3]);
        let owners = |number: u32| events.owners(number).collect::<Vec<_>>();
        assert_eq!([owners(0), owners(1)], [vec![0], vec![0, 2, 1]]);
        assert!(owners(2).is_empty() && owners(3).is_empty());
    }

    #[test]
    fn events_count_once_and_only_for_labels_that_count() {
        let labels = [listing(&["x", "y"]), listing(&["y"]), listing(&["x"])];
        let ids = ["y", "z", "y"].map(str::to_owned);
        let said = Said { key: 0, ids: &ids };
        let events = Events::new(&labels, &[said], |_, _| true);
        let standings = [Standing::Truncated, Standing::Kept, Standing::Truncated];
        let mut is_listed = events.unlisted();
        assert_eq!(events.counts(&is_listed, &standings), None);
        for number in events.list(0).ids {
            is_listed[*number as usize] = true;
        }
        let expected = EventCounts {
            truth: 1,
            said: 2,
            both: 1,
        };
        assert_eq!(events.counts(&is_listed, &standings), Some(expected));
    }
}
