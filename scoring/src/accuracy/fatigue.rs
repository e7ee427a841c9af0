//! What alerts ask of whoever reads them.

use floodmark_contracts::accuracy::Fatigue;

use super::Ground;
use crate::{
    baseline::Space,
    delays::quantile,
    hashing::Map,
    intervals::{CONFIDENCE, poisson_rate},
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Of the keys with alerts, the noisiest one in so many are called the top.
const TOP: usize = 100;

pub(super) fn score(ground: &Ground<'_>, space: &Space<'_>, events: Option<u64>) -> Fatigue {
    let false_alerts = ground.false_alerts();
    let n_false = false_alerts.len() as u64;
    let n_true = ground.counted().count() as u64 - n_false;
    let n_detected = ground.is_detected.iter().filter(|it| **it).count() as u64;
    let days = (ground.bounds.until.0 - ground.bounds.from.0) as f64 / DAY_MS as f64;
    let entity_days = space.alerted_keys() as f64 * days;
    let rate = (entity_days > 0.0).then(|| n_false as f64 / entity_days);
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    Fatigue {
        false_per_entity_day: rate,
        false_per_entity_day_interval: rate
            .and_then(|_| poisson_rate(n_false, entity_days, CONFIDENCE)),
        false_per_million_events: events
            .filter(|events| *events > 0)
            .map(|events| n_false as f64 / (events as f64 / 1e6)),
        alerts_per_incident: share(n_true, n_detected),
        // One alert may be the first of two incidents.
        redundancy: share(n_true.saturating_sub(n_detected), n_true),
        alarming_precision: share(n_detected.min(n_true), n_true),
        alerts_per_key_day_p95: per_key_day(ground),
        worst_hour: worst_hour(ground),
        false_share_of_top_keys: top_share(ground, &false_alerts),
        time_in_alert: time_in_alert(ground),
    }
}

fn counts<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> Vec<u64> {
    let mut counts: Map<K, u64> = Map::default();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    let mut counts: Vec<u64> = counts.into_values().collect();
    counts.sort_unstable();
    counts
}

fn per_key_day(ground: &Ground<'_>) -> Option<f64> {
    let alerts = ground
        .counted()
        .map(|(it, _)| &ground.scope.alerts[it as usize]);
    let counts = counts(alerts.map(|alert| (alert.key, alert.end.div_euclid(DAY_MS))));
    let counts: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
    quantile(&counts, 0.95)
}

fn worst_hour(ground: &Ground<'_>) -> u64 {
    let alerts = ground
        .counted()
        .map(|(it, _)| &ground.scope.alerts[it as usize]);
    let hours = counts(alerts.map(|alert| alert.end.div_euclid(HOUR_MS)));
    hours.last().copied().unwrap_or(0)
}

fn top_share(ground: &Ground<'_>, false_alerts: &[u32]) -> Option<f64> {
    let keys = counts(
        ground
            .counted()
            .map(|(it, _)| ground.scope.alerts[it as usize].key),
    )
    .len();
    let alerts = false_alerts
        .iter()
        .map(|it| &ground.scope.alerts[*it as usize]);
    let counts = counts(alerts.map(|alert| alert.key));
    let top = keys.div_ceil(TOP);
    let of_top: u64 = counts.iter().rev().take(top).sum();
    (!false_alerts.is_empty()).then(|| of_top as f64 / false_alerts.len() as f64)
}

/// The union of all alerts' intervals over the scored time.
fn time_in_alert(ground: &Ground<'_>) -> Option<f64> {
    let (from, until) = (ground.bounds.from.0, ground.bounds.until.0);
    let whole = until - from;
    let mut spans: Vec<(i64, i64)> = ground
        .counted()
        .map(|(it, _)| &ground.scope.alerts[it as usize])
        .map(|alert| (alert.start.max(from), alert.end.min(until)))
        .filter(|(start, end)| start < end)
        .collect();
    spans.sort_unstable();
    let (mut covered, mut reached) = (0, from);
    for (start, end) in spans {
        covered += (end - start.max(reached)).max(0);
        reached = reached.max(end);
    }
    (whole > 0).then(|| covered as f64 / whole as f64)
}
