//! How long incidents waited for their first alert; those that none came for are watched until their tolerance ends.

use floodmark_contracts::{
    accuracy::{Delays, TimeToDetect},
    clock::{Timeline, WallTime},
};

use super::{Ground, seen, sweep::thinned};
use crate::delays::{Observation, kaplan_meier, quantile};

/// Steps of the survival curve that a result keeps.
const MOST_STEPS: usize = 200;

pub(super) fn score(ground: &Ground<'_>, run: Option<(Timeline, WallTime)>) -> TimeToDetect {
    let mut found = TimeToDetect {
        event_ms: in_event_time(ground),
        ..TimeToDetect::default()
    };
    if let Some((timeline, start)) = run {
        let appended = |alert: u32| {
            let source = ground.scope.alerts[alert as usize].source as usize;
            ground.alerts.appended_at(source).map_or(0, |at| at.0)
        };
        let first = first_of(ground, appended);
        found.wall_ms = in_wall_time(ground, &first, &timeline, start);
        found.events_seen = seen::score(ground, &first, start);
    }
    found
}

fn in_event_time(ground: &Ground<'_>) -> Delays {
    let first = first_of(ground, |alert| ground.scope.alerts[alert as usize].end);
    let observations = ground.scope.kept_labels().map(|(position, label)| {
        let window = label.end.plus_ms(label.kind.late_ms()).0 - label.start.0;
        observation(first[position].map(|end| end - label.start.0), window)
    });
    delays(&observations.collect::<Vec<_>>())
}

/// `first` has the append times of first alerts by label.
fn in_wall_time(
    ground: &Ground<'_>,
    first: &[Option<i64>],
    timeline: &Timeline,
    start: WallTime,
) -> Delays {
    let observations = ground.scope.kept_labels().map(|(position, label)| {
        let sent_us = start.at(label.first_sent).0;
        let until = label.end.plus_ms(label.kind.late_ms());
        let window_us = start.at(timeline.run_micros(until)).0 - sent_us;
        let delay_us = first[position].map(|at| at - sent_us);
        observation(delay_us.map(|us| us / 1000), window_us / 1000)
    });
    delays(&observations.collect::<Vec<_>>())
}

/// The first of the candidates of each label, by a time; by the label's position.
fn first_of(ground: &Ground<'_>, time: impl Fn(u32) -> i64) -> Vec<Option<i64>> {
    let mut first = vec![None; ground.scope.labels.len()];
    for pairs in ground.found.pairs.chunk_by(|a, b| a.0 == b.0) {
        let at = time(pairs[0].0);
        for (_, label) in pairs {
            let known = first[*label as usize].get_or_insert(at);
            *known = at.min(*known);
        }
    }
    first
}

fn observation(delay_ms: Option<i64>, window_ms: i64) -> Observation {
    Observation {
        time: delay_ms.unwrap_or(window_ms.max(0)) as f64,
        detected: delay_ms.is_some(),
    }
}

/// Quantiles over what was found, and Kaplan and Meier's over all.
pub(super) fn delays(observations: &[Observation]) -> Delays {
    let mut found: Vec<f64> = observations
        .iter()
        .filter(|seen| seen.detected)
        .map(|seen| seen.time)
        .collect();
    found.sort_by(f64::total_cmp);
    if observations.is_empty() {
        return Delays::default();
    }
    let survival = kaplan_meier(observations);
    let steps: Vec<[f64; 2]> = survival
        .steps
        .iter()
        .map(|(at, left)| [*at, *left])
        .collect();
    Delays {
        found: found.len() as u64,
        censored: (observations.len() - found.len()) as u64,
        found_p50: quantile(&found, 0.5),
        found_p90: quantile(&found, 0.9),
        p50: survival.quantile(0.5),
        p90: survival.quantile(0.9),
        undetected: thinned(&steps, MOST_STEPS),
    }
}
