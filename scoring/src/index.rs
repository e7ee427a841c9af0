//! Labels by key and by event id, and their times by kind: which of them an alert is a candidate of.

use floodmark_contracts::kind::Kind;

use crate::{
    published::merged,
    scope::{Candidate, Claim, Scope, Standing},
    settings::Settings,
    tree::{Entry, Forest},
};

/// Kinds, decoys among them.
pub(crate) const N_KINDS: usize = Kind::ALL.len() + Kind::DECOYS.len();

/// Labels by what an alert knows of them.
pub(crate) struct Index<'a> {
    /// By number of the key.
    by_key: Forest,
    /// When labels that count are, by kind, whatever their key.
    of_kinds: Vec<Times>,
    scope: &'a Scope<'a>,
}

impl<'a> Index<'a> {
    /// Takes up all labels of a scope.
    pub(crate) fn new(scope: &'a Scope<'a>, settings: Settings) -> Self {
        let mut by_key = Vec::with_capacity(scope.labels.len());
        let mut of_kinds = vec![Times::default(); N_KINDS];
        let n_keys = u32::try_from(scope.n_alert_keys).unwrap_or(u32::MAX);
        let mut known = Vec::new();
        for (item, label) in (0u32..).zip(&scope.outlines) {
            let entry = Entry {
                low: label.start.saturating_sub(settings.early_ms),
                high: label.end.saturating_add(label.kind.late_ms()),
                item,
            };
            // Keys that no alert has cannot match, so they are not indexed.
            known.clear();
            let keys = scope.keys_of(item as usize).iter().copied();
            known.extend(keys.filter(|key| *key < n_keys));
            known.sort_unstable();
            known.dedup();
            by_key.extend(known.iter().map(|key| (*key, entry)));
            if scope.standings[item as usize] == Standing::Kept {
                let times = &mut of_kinds[label.kind as usize];
                times.windows.push([entry.low, entry.high]);
                times.labels.push([label.start, label.end]);
            }
        }
        Self {
            by_key: Forest::new(scope.n_alert_keys, by_key),
            of_kinds: of_kinds.into_iter().map(Times::united).collect(),
            scope,
        }
    }

    /// Finds the labels of which `alert` is a candidate, each once, ascending, in place of what was found before.
    pub(crate) fn candidates(&self, alert: &Candidate, labels: &mut Vec<u32>) {
        labels.clear();
        let span = (alert.start, alert.end);
        self.by_key.overlapping(alert.key, span, &mut |entry| {
            if self.matches_in_time(alert, entry) {
                labels.push(entry.item);
            }
        });
        labels.extend(self.scope.events.list(alert.list).labels);
        if labels.len() > 1 {
            labels.sort_unstable();
            labels.dedup();
        }
    }

    /// Whether the alert ends within the label's matching window, which is the entry, or overlaps the label.
    fn matches_in_time(&self, alert: &Candidate, entry: Entry) -> bool {
        let label = self.scope.outlines[entry.item as usize];
        let inside = entry.low <= alert.end && alert.end <= entry.high;
        inside || (alert.start <= label.end && label.start <= alert.end)
    }

    /// Whether it would be a candidate of a label of the kind that it names, if its key were another.
    pub(crate) fn matches_another_key(&self, alert: &Candidate) -> bool {
        let Claim::Known(kind) = alert.claim else {
            return false;
        };
        let times = &self.of_kinds[kind as usize];
        touches(&times.windows, [alert.end, alert.end])
            || touches(&times.labels, [alert.start, alert.end])
    }
}

/// Stretches of event time, first and last millisecond.
#[derive(Debug, Clone, Default)]
struct Times {
    /// In which an alert's end makes it a candidate.
    windows: Vec<[i64; 2]>,
    /// Which an alert has to touch otherwise.
    labels: Vec<[i64; 2]>,
}

impl Times {
    /// Stretches that touch are one, in order: the question is only whether there is any.
    fn united(self) -> Self {
        Self {
            windows: merged(self.windows),
            labels: merged(self.labels),
        }
    }
}

/// Whether a stretch touches one of those that are united.
fn touches(united: &[[i64; 2]], [from, until]: [i64; 2]) -> bool {
    let next = united.partition_point(|[_, end]| *end < from);
    united.get(next).is_some_and(|[start, _]| *start <= until)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn united_stretches_are_touched_where_their_parts_are(
            parts in prop::collection::vec((0i64..40, 0i64..6), 0..12),
            from in -2i64..44,
            length in 0i64..5,
        ) {
            let parts: Vec<[i64; 2]> = parts.iter().map(|(start, more)| [*start, start + more]).collect();
            let until = from + length;
            let expected = parts.iter().any(|[start, end]| *start <= until && from <= *end);
            let times = Times { windows: parts.clone(), labels: parts };
            prop_assert_eq!(touches(&times.united().windows, [from, until]), expected);
        }
    }
}
