//! Accuracy beside the incident level: the same labels, alerts and candidates, counted in other ways.
//!
//! Alerts that are candidates only of labels that were left out count nowhere, as on the incident level.

mod entities;
mod fatigue;
mod kinds;
mod levels;
mod published;
mod random;
mod sweep;
mod waiting;

use std::collections::HashMap;

use floodmark_contracts::{
    accuracy::{Accuracy, Counted, Rates},
    alert::CollectedAlert,
    clock::{Timeline, WallTime},
    key::TypedKey,
};

use crate::{
    baseline::Space,
    incident::f_beta,
    matching::Found,
    scope::{Bounds, Scope},
};

/// What of a run is needed beside labels and alerts; nothing of it where files are scored by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setting {
    /// Wall time against event time, and when the run began.
    pub(crate) timeline: Option<(Timeline, WallTime)>,
    /// Events that were sent.
    pub(crate) events: Option<u64>,
    /// Length of a row of the published scores, milliseconds of event time, where one was asked for.
    pub(crate) resolution_ms: Option<i64>,
}

/// What all ways of counting work on.
pub(crate) struct Ground<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) found: &'a Found,
    pub(crate) alerts: &'a [CollectedAlert],
    pub(crate) bounds: Bounds,
    pub(crate) merge_gap_ms: i64,
    /// By position in `scope.alerts`: whether it is a candidate of a label that counts.
    is_true: Vec<bool>,
    /// The number of the first key of each label that counts, by the label's position.
    key_of: HashMap<u32, u32>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        scope: &'a Scope<'a>,
        found: &'a Found,
        alerts: &'a [CollectedAlert],
        bounds: Bounds,
        merge_gap_ms: i64,
    ) -> Self {
        let mut is_true = vec![false; scope.alerts.len()];
        for (alert, _) in &found.pairs {
            is_true[*alert as usize] = true;
        }
        Self {
            scope,
            found,
            alerts,
            bounds,
            merge_gap_ms,
            is_true,
            key_of: first_keys(scope),
        }
    }

    /// Positions in `scope.alerts` of the alerts that count, and whether each is true.
    fn counted(&self) -> impl Iterator<Item = (u32, bool)> {
        let alerts = (0u32..).zip(self.is_true.iter().zip(&self.found.touches_left_out));
        alerts
            .filter(|(_, (is_true, ignored))| **is_true || !**ignored)
            .map(|(position, (is_true, _))| (position, *is_true))
    }

    /// Positions of the false ones.
    fn false_alerts(&self) -> Vec<u32> {
        let counted = self.counted().filter(|(_, is_true)| !is_true);
        counted.map(|(position, _)| position).collect()
    }

    /// The number of a label's first key.
    fn key_of(&self, label: u32) -> u32 {
        self.key_of.get(&label).copied().unwrap_or(u32::MAX)
    }
}

/// Numbers for the first keys of labels: those of the alerts' keys, and further ones.
fn first_keys(scope: &Scope<'_>) -> HashMap<u32, u32> {
    let mut further: HashMap<&TypedKey, u32> = HashMap::new();
    let mut numbers = HashMap::new();
    for (position, label) in scope.kept_labels() {
        let Some(key) = label.keys.first() else {
            continue;
        };
        let next = scope.keys.len() + further.len();
        let next = u32::try_from(next).unwrap_or(u32::MAX);
        let number = match scope.keys.get(key) {
            Some(number) => *number,
            None => *further.entry(key).or_insert(next),
        };
        numbers.insert(u32::try_from(position).unwrap_or(u32::MAX), number);
    }
    numbers
}

/// Counts in all ways.
pub(crate) fn score(ground: &Ground<'_>, space: &Space<'_>, setting: Setting) -> Accuracy {
    let rows = published::RowRules {
        early_ms: space.settings().early_ms,
        resolution_ms: setting.resolution_ms,
    };
    let mut accuracy = Accuracy {
        one_to_one: levels::one_to_one(ground),
        windows: levels::windows(ground),
        events: levels::events(ground),
        entities: entities::score(ground),
        thresholds: sweep::sweep(ground),
        time_to_detect: waiting::score(ground, setting.timeline),
        fatigue: fatigue::score(ground, space, setting.events),
        kinds: kinds::score(ground),
        published: published::score(ground, rows),
        ..Accuracy::default()
    };
    random::beside(ground, space, setting, rows, &mut accuracy);
    accuracy
}

/// Figures of counts; undefined where a denominator is 0.
fn counted(truth: u64, said: u64, both: u64) -> Counted {
    let share = |of: u64| (of > 0).then(|| both as f64 / of as f64);
    let (precision, recall) = (share(said), share(truth));
    Counted {
        truth,
        said,
        both,
        precision,
        recall,
        f1: precision.zip(recall).map(|(p, r)| f_beta(p, r, 1.0)),
        random: Rates::default(),
    }
}
