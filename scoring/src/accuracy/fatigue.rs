//! What alerts ask of whoever reads them.

use floodmark_contracts::accuracy::Fatigue;

use super::Ground;
use crate::{
    baseline::Space,
    delays::quantile,
    hashing::Map,
    intervals::{CONFIDENCE, poisson_rate},
    scope::Candidate,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Of the keys with alerts, the noisiest one in so many are called the top.
const TOP: usize = 100;

pub(super) fn score(ground: &Ground<'_>, space: &Space<'_>, events: Option<u64>) -> Fatigue {
    let n_true = ground.found.is_true.iter().filter(|it| **it).count() as u64;
    let n_false = ground.counted().count() as u64 - n_true;
    let keys = Keys::of(counted(ground));
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
        alerts_per_key_day_p95: quantile(&keys.per_day, 0.95),
        worst_hour: worst_hour(counted(ground)),
        false_share_of_top_keys: keys.false_share_of_top(),
        time_in_alert: time_in_alert(ground),
    }
}

/// An alert that counts, and whether it is true.
type Counted<'a> = (&'a Candidate, bool);

/// All of them, by key.
fn counted<'a>(ground: &'a Ground<'_>) -> impl Iterator<Item = Counted<'a>> {
    let alert = |position: u32| &ground.scope.alerts[position as usize];
    let counted = ground.counted();
    counted.map(move |(position, is_true)| (alert(position), is_true))
}

/// What alerts are per key.
#[derive(Default)]
struct Keys {
    /// Alerts on each day of each key that has any, ascending.
    per_day: Vec<f64>,
    /// False alerts of each key that has an alert, ascending.
    n_false: Vec<u64>,
}

impl Keys {
    /// Of alerts by key.
    fn of<'a>(alerts: impl Iterator<Item = Counted<'a>>) -> Self {
        let mut keys = Self::default();
        let mut alerts = alerts.peekable();
        let mut days: Vec<i64> = Vec::new();
        while let Some((first, _)) = alerts.peek() {
            let key = first.key;
            let mut n_false = 0;
            days.clear();
            while let Some((alert, is_true)) = alerts.next_if(|(alert, _)| alert.key == key) {
                days.push(alert.end.div_euclid(DAY_MS));
                n_false += u64::from(!is_true);
            }
            days.sort_unstable();
            let of_day = days.chunk_by(|a, b| a == b);
            keys.per_day.extend(of_day.map(|day| day.len() as f64));
            keys.n_false.push(n_false);
        }
        keys.per_day.sort_unstable_by(f64::total_cmp);
        keys.n_false.sort_unstable();
        keys
    }

    /// The share of false alerts that is on the noisiest keys.
    fn false_share_of_top(&self) -> Option<f64> {
        let n_top = self.n_false.len().div_ceil(TOP);
        let of_top: u64 = self.n_false.iter().rev().take(n_top).sum();
        let n_false: u64 = self.n_false.iter().sum();
        (n_false > 0).then(|| of_top as f64 / n_false as f64)
    }
}

/// Alerts in the hour that has most of them.
fn worst_hour<'a>(alerts: impl Iterator<Item = Counted<'a>>) -> u64 {
    let mut hours: Map<i64, u64> = Map::default();
    for (alert, _) in alerts {
        *hours.entry(alert.end.div_euclid(HOUR_MS)).or_default() += 1;
    }
    hours.into_values().max().unwrap_or(0)
}

/// The union of all alerts' intervals over the scored time.
fn time_in_alert(ground: &Ground<'_>) -> Option<f64> {
    let (from, until) = (ground.bounds.from.0, ground.bounds.until.0);
    let whole = until - from;
    let mut spans: Vec<(i64, i64)> = counted(ground)
        .map(|(alert, _)| (alert.start.max(from), alert.end.min(until)))
        .filter(|(start, end)| start < end)
        .collect();
    spans.sort_unstable_by_key(|(start, _)| *start);
    let (mut covered, mut reached) = (0, from);
    for (start, end) in spans {
        covered += (end - start.max(reached)).max(0);
        reached = reached.max(end);
    }
    (whole > 0).then(|| covered as f64 / whole as f64)
}
