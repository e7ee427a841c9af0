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

use floodmark_contracts::{alert::CollectedAlert, label::Label, result::Detection};

use crate::{
    ahead,
    alerts::Alerts,
    index::Index,
    scope::{Bounds, Exclusion, Scope, Standing},
    settings::Settings,
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
    within(detection, labels, Alerts::Collected(alerts))
}

/// The same whoever collected the alerts.
pub(crate) fn within(detection: &Detection, labels: &[Label], alerts: Alerts<'_>) -> Matching {
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
    /// `(position in scope.alerts, position of the label)`, labels that count only; by alert.
    pub(crate) pairs: Vec<(u32, u32)>,
    /// The same of false alerts and decoys.
    pub(crate) decoy_pairs: Vec<(u32, u32)>,
    /// Whether the alert is a candidate of a label that counts.
    pub(crate) is_true: Vec<bool>,
    /// Whether the alert is a candidate of a label that was left out.
    pub(crate) touches_left_out: Vec<bool>,
    /// Event ids; `None` where no alert that counts lists any.
    pub(crate) events: Option<EventCounts>,
    /// False alerts that match a label that counts in time and kind, but not in key.
    pub(crate) key_mismatch: u64,
}

/// Event ids that labels list, that alerts list, and that both do, each id once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct EventCounts {
    /// Listed by labels that count.
    pub(crate) truth: u64,
    /// Listed by alerts that count.
    pub(crate) said: u64,
    /// Listed by both.
    pub(crate) both: u64,
}

/// Finds every candidate pair.
pub(crate) fn find(scope: &Scope<'_>, settings: Settings) -> Found {
    let index = Index::new(scope, settings);
    let mut is_listed = scope.events.unlisted();
    let mut found = Found {
        pairs: Vec::new(),
        decoy_pairs: Vec::new(),
        is_true: vec![false; scope.alerts.len()],
        touches_left_out: vec![false; scope.alerts.len()],
        events: None,
        key_mismatch: 0,
    };
    let mut labels = Vec::new();
    for (position, alert) in (0u32..).zip(&scope.alerts) {
        if (position as usize).is_multiple_of(ahead::STEP) {
            // Lists stand in the order of reading, alerts in that of their keys.
            let next = scope.alerts[position as usize..].iter().take(ahead::STEP);
            let lists = next.map(|alert| scope.events.list(alert.list));
            ahead::touch_all(lists.filter_map(|list| list.ids.first().zip(list.labels.first())));
        }
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
        found.is_true[position as usize] = is_true;
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
        if is_true || !ignored {
            for event in scope.events.list(alert.list).ids {
                is_listed[*event as usize] = true;
            }
        }
    }
    found.events = scope.events.counts(&is_listed, &scope.standings);
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
    for &(_, label) in &found.pairs {
        labels[label as usize] = LabelFate::Detected;
    }
    for (alert, _) in scope
        .alerts
        .iter()
        .zip(&found.is_true)
        .filter(|(_, is_true)| **is_true)
    {
        alerts[alert.source as usize] = Fate::True;
    }
    Matching {
        alerts,
        labels,
        pairs: by_label(scope, found),
    }
}

/// Pairs by label, then by alert.
fn by_label(scope: &Scope<'_>, found: &Found) -> Vec<Pair> {
    let mut next = vec![0u32; scope.labels.len() + 1];
    for (_, label) in &found.pairs {
        next[*label as usize + 1] += 1;
    }
    for label in 1..next.len() {
        next[label] += next[label - 1];
    }
    let mut pairs = vec![Pair { label: 0, alert: 0 }; found.pairs.len()];
    for &(position, label) in &found.pairs {
        let place = &mut next[label as usize];
        let alert = scope.alerts[position as usize].source;
        pairs[*place as usize] = Pair { label, alert };
        *place += 1;
    }
    for of_label in pairs.chunk_by_mut(|a, b| a.label == b.label) {
        of_label.sort_unstable();
    }
    pairs
}
