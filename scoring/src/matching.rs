//! Matching alerts to labels at the incident level: one to many.
//!
//! A label with interval `[s, e]`, event ids `E` and the tolerance `late` of its kind; an alert with
//! interval `[a, t]`, cut to its last `max_span`. They must share a key. The alert is a *candidate* of
//! the label if any of these holds, all bounds inclusive:
//! - at least half of the alert's listed event ids are in `E`;
//! - `s - early <= t <= e + late`;
//! - the intervals overlap: `a <= e` and `s <= t`.
//!
//! A label with a candidate is detected; an alert that is a candidate is true. An alert that is a
//! candidate only of labels that were left out (warm-up, truncated) is neither true nor false.
//!
//! A decoy is no reason for an alert: one that is a candidate of nothing else is false, and the decoy
//! is one that the detector fell for.

use std::collections::HashMap;

use floodmark_contracts::{alert::CollectedAlert, kind::Kind, label::Label, result::Detection};

use crate::{
    scope::{Bounds, Candidate, Claim, Exclusion, Scope, Standing},
    settings::Settings,
    tree::{Entry, Tree},
};

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its id was seen before.
    Duplicate,
    /// It stands in the warm-up.
    WarmUp,
    /// It ends after the end of the run.
    AfterEnd,
    /// It is a candidate only of labels that were left out.
    Ignored,
    /// It is a candidate of a label.
    True,
    /// It is a candidate of no label.
    False,
}

/// What became of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFate {
    /// It lies in the warm-up.
    WarmUp,
    /// Its tolerance passes the end of the run.
    Truncated,
    /// It has a candidate alert.
    Detected,
    /// It has none.
    Missed,
    /// It is a decoy, and has none or is outside of what is scored.
    DecoySpared,
    /// It is a decoy, and has a false alert.
    DecoyAlerted,
}

/// An alert that is a candidate of a label that counts; positions in the run's alerts and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Position of the label.
    pub label: u32,
    /// Position of the alert.
    pub alert: u32,
}

/// The matching of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// What became of each alert, in the order of the run's alerts.
    pub alerts: Vec<Fate>,
    /// What became of each label, in the order of the run's labels.
    pub labels: Vec<LabelFate>,
    /// Every alert that is a candidate of a label that counts, by label, then by alert.
    pub pairs: Vec<Pair>,
}

/// The matching behind a result's figures: what became of every label and alert of the run.
#[must_use]
pub fn of(detection: &Detection, labels: &[Label], alerts: &[CollectedAlert]) -> Matching {
    let settings = Settings::from(&detection.tolerances);
    let bounds = Bounds {
        from: detection.from,
        until: detection.until,
    };
    let scope = Scope::new(labels, alerts, bounds, settings);
    fates(&scope, &find(&scope, settings))
}

/// Candidates found for the alerts of a scope, by position in `scope.alerts`.
pub(crate) struct Found {
    /// `(position in scope.alerts, position of the label)`, labels that count only.
    pub(crate) pairs: Vec<(u32, u32)>,
    /// The same of false alerts and decoys.
    pub(crate) decoy_pairs: Vec<(u32, u32)>,
    /// Whether the alert is a candidate of a label that was left out.
    pub(crate) touches_left_out: Vec<bool>,
    /// False alerts that match a label that counts in time and kind, but not in key.
    pub(crate) key_mismatch: u64,
}

/// Finds every candidate pair.
pub(crate) fn find(scope: &Scope<'_>, settings: Settings) -> Found {
    let index = Index::new(scope, settings);
    let mut found = Found {
        pairs: Vec::new(),
        decoy_pairs: Vec::new(),
        touches_left_out: vec![false; scope.alerts.len()],
        key_mismatch: 0,
    };
    let mut labels = Vec::new();
    for (position, alert) in (0u32..).zip(&scope.alerts) {
        labels.clear();
        index.candidates(alert, &mut labels);
        let mut is_true = false;
        for &label in &labels {
            match scope.standings[label as usize] {
                Standing::Kept => {
                    is_true = true;
                    found.pairs.push((position, label));
                }
                Standing::WarmUp | Standing::Truncated => {
                    found.touches_left_out[position as usize] = true;
                }
                Standing::Decoy | Standing::DecoyLeftOut => {}
            }
        }
        let ignored = found.touches_left_out[position as usize];
        if !is_true && !ignored {
            let is_decoy = |label: &&u32| scope.standings[**label as usize] == Standing::Decoy;
            let decoys = labels.iter().filter(is_decoy);
            found
                .decoy_pairs
                .extend(decoys.map(|label| (position, *label)));
        }
        if !is_true && !ignored && index.matches_another_key(alert) {
            found.key_mismatch += 1;
        }
    }
    found
}

/// Turns what was found into the fates that reports show.
pub(crate) fn fates(scope: &Scope<'_>, found: &Found) -> Matching {
    let mut alerts: Vec<Fate> = scope
        .exclusions
        .iter()
        .map(|exclusion| match exclusion {
            Some(Exclusion::Duplicate) => Fate::Duplicate,
            Some(Exclusion::WarmUp) => Fate::WarmUp,
            Some(Exclusion::AfterEnd) => Fate::AfterEnd,
            None => Fate::False,
        })
        .collect();
    for (alert, &ignored) in scope.alerts.iter().zip(&found.touches_left_out) {
        if ignored {
            alerts[alert.source as usize] = Fate::Ignored;
        }
    }
    let mut labels: Vec<LabelFate> = scope
        .standings
        .iter()
        .map(|standing| match standing {
            Standing::Kept => LabelFate::Missed,
            Standing::WarmUp => LabelFate::WarmUp,
            Standing::Truncated => LabelFate::Truncated,
            Standing::Decoy | Standing::DecoyLeftOut => LabelFate::DecoySpared,
        })
        .collect();
    for (_, decoy) in &found.decoy_pairs {
        labels[*decoy as usize] = LabelFate::DecoyAlerted;
    }
    let mut pairs = Vec::with_capacity(found.pairs.len());
    for &(alert, label) in &found.pairs {
        let alert = scope.alerts[alert as usize].source;
        alerts[alert as usize] = Fate::True;
        labels[label as usize] = LabelFate::Detected;
        pairs.push(Pair { label, alert });
    }
    pairs.sort_unstable();
    Matching {
        alerts,
        labels,
        pairs,
    }
}

/// Labels by key and by event id.
struct Index<'a> {
    labels: &'a [Label],
    settings: Settings,
    /// By number of the key.
    by_key: HashMap<u32, Tree>,
    /// Labels that list an event id; empty if no alert lists any.
    by_event: HashMap<&'a str, Vec<u32>>,
    /// Labels that count, for the key mismatch.
    by_kind: HashMap<Kind, Tree>,
    /// The number of each of a label's keys, where an alert has that key.
    label_keys: Vec<Vec<u32>>,
}

impl<'a> Index<'a> {
    fn new(scope: &Scope<'a>, settings: Settings) -> Self {
        let mut by_key: HashMap<u32, Vec<Entry>> = HashMap::new();
        let mut by_kind: HashMap<Kind, Vec<Entry>> = HashMap::new();
        let mut label_keys = Vec::with_capacity(scope.labels.len());
        for (item, label) in (0u32..).zip(scope.labels) {
            let entry = Entry {
                low: label.start.0.saturating_sub(settings.early_ms),
                high: label.end.0.saturating_add(label.kind.late_ms()),
                item,
            };
            // Keys that no alert has cannot match, so they are not indexed.
            let mut keys: Vec<u32> = label
                .keys
                .iter()
                .filter_map(|key| scope.keys.get(key).copied())
                .collect();
            keys.sort_unstable();
            keys.dedup();
            for &key in &keys {
                by_key.entry(key).or_default().push(entry);
            }
            label_keys.push(keys);
            if scope.standings[item as usize] == Standing::Kept {
                by_kind.entry(label.kind).or_default().push(entry);
            }
        }
        Self {
            labels: scope.labels,
            settings,
            by_key: by_key.into_iter().map(|(k, v)| (k, Tree::new(v))).collect(),
            by_event: events(scope),
            by_kind: by_kind
                .into_iter()
                .map(|(k, v)| (k, Tree::new(v)))
                .collect(),
            label_keys,
        }
    }

    /// Adds the labels of which `alert` is a candidate, each once, ascending.
    fn candidates(&self, alert: &Candidate<'_>, labels: &mut Vec<u32>) {
        if let Some(tree) = self.by_key.get(&alert.key) {
            tree.overlapping(alert.start, alert.end, &mut |entry| {
                if self.matches_in_time(alert, entry.item) {
                    labels.push(entry.item);
                }
                true
            });
        }
        self.candidates_by_event(alert, labels);
        labels.sort_unstable();
        labels.dedup();
    }

    fn candidates_by_event(&self, alert: &Candidate<'_>, labels: &mut Vec<u32>) {
        if alert.event_ids.is_empty() || self.by_event.is_empty() {
            return;
        }
        let mut ids: Vec<&str> = alert.event_ids.iter().map(String::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut owners: Vec<u32> = ids
            .iter()
            .filter_map(|id| self.by_event.get(id))
            .flatten()
            .copied()
            .filter(|label| self.label_keys[*label as usize].contains(&alert.key))
            .collect();
        owners.sort_unstable();
        for same in owners.chunk_by(|a, b| a == b) {
            if same.len() * 2 >= ids.len() {
                labels.push(same[0]);
            }
        }
    }

    fn matches_in_time(&self, alert: &Candidate<'_>, label: u32) -> bool {
        let label = &self.labels[label as usize];
        let (start, end) = (label.start.0, label.end.0);
        let late_end = end.saturating_add(label.kind.late_ms());
        let inside =
            start.saturating_sub(self.settings.early_ms) <= alert.end && alert.end <= late_end;
        inside || (alert.start <= end && start <= alert.end)
    }

    fn matches_another_key(&self, alert: &Candidate<'_>) -> bool {
        let Claim::Known(kind) = alert.claim else {
            return false;
        };
        self.by_kind.get(&kind).is_some_and(|tree| {
            !tree.overlapping(alert.start, alert.end, &mut |entry| {
                !self.matches_in_time(alert, entry.item)
            })
        })
    }
}

/// Which labels list an event id. Left empty where no alert lists any: the ids are most of the
/// labels' bytes.
fn events<'a>(scope: &Scope<'a>) -> HashMap<&'a str, Vec<u32>> {
    let mut by_event: HashMap<&str, Vec<u32>> = HashMap::new();
    if scope.alerts.iter().any(|alert| !alert.event_ids.is_empty()) {
        for (item, label) in (0u32..).zip(scope.labels) {
            for id in &label.event_ids {
                let owners = by_event.entry(id.as_str()).or_default();
                if owners.last() != Some(&item) {
                    owners.push(item);
                }
            }
        }
    }
    by_event
}
