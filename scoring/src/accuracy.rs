//! Accuracy beside the incident level: the same labels, alerts and candidates, counted in other ways.
//!
//! Alerts that are candidates only of labels that were left out count nowhere, as on the incident level.

mod entities;
mod fatigue;
mod kinds;
mod lateness;
mod levels;
mod published;
mod random;
mod seen;
mod sweep;
mod waiting;

use floodmark_contracts::{
    accuracy::{Accuracy, Counted, Rates},
    clock::{Timeline, WallTime},
};

use crate::{
    alerts::Alerts,
    baseline::Space,
    difficulty::Detected,
    incident::f_beta,
    matching::Found,
    merged::FalseRuns,
    parts::Watcher,
    scope::{Bounds, Scope},
};

/// What of a run is needed beside labels and alerts; nothing of it where files are scored by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setting {
    /// Wall time against event time, and when the run began.
    pub(crate) timeline: Option<(Timeline, WallTime)>,
    /// Events that were sent.
    pub(crate) events: Option<u64>,
    /// Bound of the subject's watermark, milliseconds of event time.
    pub(crate) bound_ms: Option<u64>,
    /// Length of a row of the published scores, milliseconds of event time, where one was asked for.
    pub(crate) resolution_ms: Option<i64>,
}

/// What all ways of counting work on.
pub(crate) struct Ground<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) found: &'a Found,
    pub(crate) false_runs: &'a FalseRuns,
    pub(crate) alerts: Alerts<'a>,
    pub(crate) bounds: Bounds,
    /// Gap under which false alerts of one key and kind are merged.
    merge_gap_ms: i64,
    watcher: Watcher<'a>,
    /// By the label's position: whether it has a candidate.
    is_detected: Vec<bool>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        scope: &'a Scope<'a>,
        found: &'a Found,
        false_runs: &'a FalseRuns,
        alerts: Alerts<'a>,
        bounds: Bounds,
        merge_gap_ms: i64,
        watcher: Watcher<'a>,
    ) -> Self {
        let mut is_detected = vec![false; scope.labels.len()];
        for (_, label) in &found.pairs {
            is_detected[*label as usize] = true;
        }
        Self {
            scope,
            found,
            false_runs,
            alerts,
            bounds,
            merge_gap_ms,
            watcher,
            is_detected,
        }
    }

    /// Positions in `scope.alerts` of the alerts that count, and whether each is true.
    fn counted(&self) -> impl Iterator<Item = (u32, bool)> {
        let alerts = (0u32..).zip(self.found.is_true.iter().zip(&self.found.touches_left_out));
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
        let keys = self.scope.keys_of(label as usize);
        keys.first().copied().unwrap_or(u32::MAX)
    }
}

/// Counts in all ways.
pub(crate) fn score(
    ground: &Ground<'_>,
    detected: &Detected,
    space: &Space<'_>,
    setting: Setting,
) -> Accuracy {
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
        lateness: lateness::score(ground.scope, detected, setting.bound_ms),
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
