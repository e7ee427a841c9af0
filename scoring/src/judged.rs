//! Alerts held against labels: all that needs no run around them.

use floodmark_contracts::{
    kind::Kind,
    label::Label,
    profile::StreamsSection,
    result::{Detection, Excluded},
};

use crate::{
    accuracy::{self, Ground, Setting},
    alerts::Alerts,
    baseline::Space,
    decoys, difficulty,
    hashing::Set,
    incident,
    matching::{self, Found, Matching},
    parts::{Part, Watcher},
    scope::{Bounds, Exclusion, Scope, Standing},
    score::ScoreError,
    settings::Settings,
};

/// Ids of false alerts that a result lists at most.
const FALSE_ALERTS_LISTED: usize = 1000;

/// Alerts held against labels.
pub(crate) struct Judged<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) detection: Detection,
    found: Found,
}

impl Judged<'_> {
    /// What became of every label and alert.
    pub(crate) fn matching(&self) -> Matching {
        matching::fates(&self.scope, &self.found)
    }
}

/// Holds alerts against labels; what of event time counts is in `bounds`.
pub(crate) fn judge_within<'a>(
    labels: &'a [Label],
    alerts: Alerts<'a>,
    bounds: Bounds,
    settings: Settings,
    (streams, setting): (&StreamsSection, Setting),
    watcher: Watcher<'_>,
) -> Result<Judged<'a>, ScoreError> {
    check_labels(labels)?;
    let scope = Scope::new(labels, alerts, bounds, settings);
    watcher(Part::Scope);
    let found = matching::find(&scope, settings);
    watcher(Part::Matching);
    let incident = incident::score(&scope, &found, settings.merge_gap_ms);
    let decoys = decoys::score(&scope, &found);
    let difficulty = difficulty::score(&scope, &incident.detected);
    let space = Space::new(&scope, &found, streams, bounds, settings);
    let of_kind = |kind: &Kind| (*kind, space.of_kind(*kind));
    let random_baseline = space.overall();
    let random_baseline_per_kind = incident.per_kind.keys().map(of_kind).collect();
    watcher(Part::Incidents);
    let false_runs = &incident.false_runs;
    let gap_ms = settings.merge_gap_ms;
    let ground = Ground::new(&scope, &found, false_runs, alerts, bounds, gap_ms, watcher);
    let accuracy = accuracy::score(&ground, &incident.detected, &space, setting);
    let detection = Detection {
        from: bounds.from,
        until: bounds.until,
        random_baseline,
        random_baseline_per_kind,
        overall: incident.overall,
        per_kind: incident.per_kind,
        decoys: decoys.overall,
        decoys_per_kind: decoys.per_kind,
        difficulty,
        truncated: scope.standing_count(Standing::Truncated),
        warm_up: Excluded {
            labels: scope.standing_count(Standing::WarmUp),
            alerts: scope.excluded(Exclusion::WarmUp),
        },
        after_end: scope.excluded(Exclusion::AfterEnd),
        ignored: incident.ignored,
        duplicates: scope.excluded(Exclusion::Duplicate),
        key_mismatch: found.key_mismatch,
        shared_alerts: incident.shared_alerts,
        accuracy,
        tolerances: settings.tolerances(),
        missed: missed(&scope, &found),
        false_alerts: false_alerts(&scope, &found, alerts),
    };
    watcher(Part::Rest);
    Ok(Judged {
        scope,
        detection,
        found,
    })
}

/// Refuses labels that cannot be matched.
fn check_labels(labels: &[Label]) -> Result<(), ScoreError> {
    let bad = |id: &str, problem| ScoreError::Label {
        id: id.to_owned(),
        problem,
    };
    let mut ids = Set::with_capacity_and_hasher(labels.len(), Default::default());
    for label in labels {
        if !ids.insert(label.id.as_str()) {
            return Err(bad(&label.id, "is there twice"));
        }
        if label.end < label.start {
            return Err(bad(&label.id, "ends before it starts"));
        }
        if label.keys.is_empty() {
            return Err(bad(&label.id, "has no key"));
        }
    }
    Ok(())
}

/// Ids of missed labels, by start, then by id.
fn missed(scope: &Scope<'_>, found: &Found) -> Vec<String> {
    let mut is_detected = vec![false; scope.labels.len()];
    for (_, label) in &found.pairs {
        is_detected[*label as usize] = true;
    }
    let mut missed: Vec<(i64, &str)> = scope
        .kept_labels()
        .filter(|(position, _)| !is_detected[*position])
        .map(|(_, label)| (label.start.0, label.id.as_str()))
        .collect();
    missed.sort_unstable();
    missed.into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// Ids of the first false alerts, by end, then by id.
fn false_alerts(scope: &Scope<'_>, found: &Found, alerts: Alerts<'_>) -> Vec<String> {
    let fates = found.is_true.iter().zip(&found.touches_left_out);
    let mut wrong: Vec<(i64, u32)> = scope
        .alerts
        .iter()
        .zip(fates)
        .filter(|(_, (is_true, ignored))| !**is_true && !**ignored)
        .map(|(alert, _)| (alert.end, alert.source))
        .collect();
    if wrong.len() > FALSE_ALERTS_LISTED {
        let (_, last, _) = wrong.select_nth_unstable(FALSE_ALERTS_LISTED - 1);
        let last = last.0;
        // Of those that end together with the last one ids decide.
        wrong.retain(|(end, _)| *end <= last);
    }
    let id = |source: u32| alerts.at(source as usize).id.as_str();
    let named = wrong.into_iter().map(|(end, source)| (end, id(source)));
    let mut named: Vec<(i64, &str)> = named.collect();
    named.sort_unstable();
    named.truncate(FALSE_ALERTS_LISTED);
    named.into_iter().map(|(_, id)| id.to_owned()).collect()
}
