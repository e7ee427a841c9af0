//! Labels by key, by kind and by event id: which of them an alert is a candidate of.

use floodmark_contracts::kind::Kind;

use crate::{
    events::Events,
    scope::{Candidate, Claim, Scope, Standing},
    settings::Settings,
    tree::{Entry, Forest},
};

/// Kinds, decoys among them.
const N_KINDS: usize = Kind::ALL.len() + Kind::DECOYS.len();

/// Labels by what an alert knows of them.
pub(crate) struct Index<'a> {
    /// By number of the key.
    by_key: Forest,
    /// Labels that count, for the key mismatch.
    by_kind: Forest,
    /// Start and end of each label.
    spans: Vec<(i64, i64)>,
    scope: &'a Scope<'a>,
    events: &'a Events<'a>,
}

/// What was found for an alert.
#[derive(Default)]
pub(crate) struct Matches<'a> {
    /// The labels of which it is a candidate, each once, ascending.
    pub(crate) labels: Vec<u32>,
    /// The event ids that it lists, each once, with their places.
    pub(crate) events: Vec<(&'a str, Option<u32>)>,
}

impl<'a> Index<'a> {
    /// Takes up all labels of a scope.
    pub(crate) fn new(scope: &'a Scope<'a>, events: &'a Events<'a>, settings: Settings) -> Self {
        let mut by_key = Vec::with_capacity(scope.labels.len());
        let mut by_kind = Vec::with_capacity(scope.labels.len());
        let n_keys = u32::try_from(scope.n_alert_keys).unwrap_or(u32::MAX);
        let mut known = Vec::new();
        for (item, label) in (0u32..).zip(scope.labels) {
            let entry = Entry {
                low: label.start.0.saturating_sub(settings.early_ms),
                high: label.end.0.saturating_add(label.kind.late_ms()),
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
                by_kind.push((label.kind as u32, entry));
            }
        }
        Self {
            by_key: Forest::new(scope.n_alert_keys, by_key),
            by_kind: Forest::new(N_KINDS, by_kind),
            spans: scope.labels.iter().map(|l| (l.start.0, l.end.0)).collect(),
            scope,
            events,
        }
    }

    /// Finds the labels of which `alert` is a candidate, in place of what was found before.
    pub(crate) fn candidates(&self, alert: &Candidate<'a>, matches: &mut Matches<'a>) {
        matches.labels.clear();
        matches.events.clear();
        let span = (alert.start, alert.end);
        self.by_key.overlapping(alert.key, span, &mut |entry| {
            if self.matches_in_time(alert, entry) {
                matches.labels.push(entry.item);
            }
            true
        });
        if !alert.event_ids.is_empty() {
            self.candidates_by_event(alert, matches);
        }
        matches.labels.sort_unstable();
        matches.labels.dedup();
    }

    fn candidates_by_event(&self, alert: &Candidate<'a>, matches: &mut Matches<'a>) {
        let ids = &mut matches.events;
        ids.extend(alert.event_ids.iter().map(|id| (id.as_str(), None)));
        ids.sort_unstable();
        ids.dedup();
        let mut owners = Vec::new();
        for (id, place) in ids.iter_mut() {
            *place = self.events.place(id);
            let labels = place.iter().flat_map(|place| self.events.owners(*place));
            owners.extend(
                labels.filter(|label| self.scope.keys_of(*label as usize).contains(&alert.key)),
            );
        }
        owners.sort_unstable();
        for same in owners.chunk_by(|a, b| a == b) {
            if same.len() * 2 >= ids.len() {
                matches.labels.push(same[0]);
            }
        }
    }

    /// Whether the alert ends within the label's matching window, which is the entry, or overlaps the label.
    fn matches_in_time(&self, alert: &Candidate<'_>, entry: Entry) -> bool {
        let (start, end) = self.spans[entry.item as usize];
        let inside = entry.low <= alert.end && alert.end <= entry.high;
        inside || (alert.start <= end && start <= alert.end)
    }

    /// Whether it would be a candidate of a label of the kind that it names, if its key were another.
    pub(crate) fn matches_another_key(&self, alert: &Candidate<'_>) -> bool {
        let Claim::Known(kind) = alert.claim else {
            return false;
        };
        let span = (alert.start, alert.end);
        !self.by_kind.overlapping(kind as u32, span, &mut |entry| {
            !self.matches_in_time(alert, entry)
        })
    }
}
