//! Where randomly placed alerts fall.
//!
//! An alert keeps its kind, its score and its length. Its key is drawn from all keys of its type, of which those that no
//! label names match nothing, and its end from the event time that is scored. Each draw is a function of the seed, the
//! repetition and the alert's id, so that the order of alerts changes nothing.
//!
//! A run that is too large to be placed whole is placed in part: some keys are taken with all that labels tie to them, and
//! as many alerts as fall to them, so that the rate of alerts on each key stays what it is.

use std::collections::BTreeMap;

use floodmark_contracts::key::KeyType;

use crate::{
    accuracy::Ground,
    bootstrap::Draws,
    events,
    hashing::Map,
    scope::{Candidate, Scope, Standing},
};

use super::groups::Naming;

/// Alerts and labels, over all repetitions, about which the work of drawing is bounded.
const BUDGET: u64 = 60_000;

/// More repetitions tell little more.
const MOST_REPETITIONS: u32 = 100;

/// The seed of the draws: the same record has the same result.
pub(super) const SEED: u64 = 1;

/// What is placed, and where.
pub(super) struct Plan<'a> {
    ground: &'a Ground<'a>,
    /// Keys of labels that are taken; their numbers come before all others.
    n_named: u32,
    /// The numbers of all labels' keys, in the order of the labels; none are as high as those of keys that are not taken.
    label_keys: Vec<u32>,
    spaces: BTreeMap<KeyType, KeySpace>,
    standings: Vec<Standing>,
    alerts: Vec<Candidate>,
    pub(super) repetitions: u32,
    pub(super) labels_share: f64,
    pub(super) thinned: bool,
}

/// The keys of one type.
#[derive(Default)]
struct KeySpace {
    /// Numbers of those that labels name.
    named: Vec<u32>,
    /// How many others there are, and the number of the first of them.
    others: u64,
    first_other: u32,
    /// Share of all keys of the type that these are.
    share: f64,
}

impl<'a> Plan<'a> {
    /// `None` without labels or alerts: there is nothing to place, or nothing to hold it against.
    pub(super) fn new(ground: &'a Ground<'a>, key_counts: &BTreeMap<KeyType, u64>) -> Option<Self> {
        let n_labels = ground.scope.kept_labels().count() as u64;
        let counted: Vec<u32> = ground.counted().map(|(alert, _)| alert).collect();
        if n_labels == 0 || counted.is_empty() {
            return None;
        }
        let total = counted.len() as u64 + ground.scope.labels.len() as u64;
        let wanted = (BUDGET as f64 / total as f64).min(1.0);
        let naming = Naming::new(ground.scope);
        let taken = naming.take(&alerts_per_key(ground, &counted, key_counts), wanted, SEED);
        let mut spaces: BTreeMap<KeyType, KeySpace> = BTreeMap::new();
        let mut numbers = vec![u32::MAX; naming.types.len()];
        let mut n_named = 0;
        for (key, key_type) in naming.types.iter().enumerate() {
            if taken.keys[key] {
                numbers[key] = n_named;
                spaces.entry(*key_type).or_default().named.push(n_named);
                n_named += 1;
            }
        }
        let of_labels = naming.of_labels().iter();
        let label_keys = of_labels.map(|key| numbers[*key]).collect();
        number_others(
            &mut spaces,
            n_named,
            key_counts,
            taken.share,
            &naming.counts(),
        );
        let standings = standings(&taken.labels, &ground.scope.standings);
        let kept = standings.iter().filter(|it| **it == Standing::Kept).count() as u64;
        let mut plan = Self {
            ground,
            n_named,
            label_keys,
            spaces,
            standings,
            alerts: Vec::new(),
            repetitions: 1,
            labels_share: kept as f64 / n_labels as f64,
            thinned: false,
        };
        let by_type = n_by_type(ground, &counted).into_iter();
        let expected: f64 = by_type.map(|(of, n)| n as f64 * plan.share_of(of)).sum();
        let thin = (2.0 * BUDGET as f64 / expected).min(1.0);
        plan.thinned = thin < 1.0;
        plan.alerts = plan.sample(&counted, thin);
        let once = (plan.alerts.len() as u64 + kept).max(1);
        let repetitions = u32::try_from(BUDGET / once).unwrap_or(u32::MAX);
        plan.repetitions = repetitions.clamp(1, MOST_REPETITIONS);
        Some(plan)
    }

    /// Alerts drawn in each repetition.
    pub(super) fn n_alerts(&self) -> u64 {
        self.alerts.len() as u64
    }

    /// Those alerts that fall to the keys that are taken.
    fn sample(&self, counted: &[u32], thin: f64) -> Vec<Candidate> {
        let alerts = &self.ground.scope.alerts;
        let alerts = counted.iter().map(|position| &alerts[*position as usize]);
        let falls_in = |alert: &&Candidate| {
            let drawn = unit(Draws(u64::from(alert.mark)).next());
            drawn < self.share_of(alert.key_type) * thin
        };
        alerts.filter(falls_in).copied().collect()
    }

    /// The chance that an alert on a key of the type falls to the keys that are taken.
    fn share_of(&self, key_type: KeyType) -> f64 {
        self.spaces.get(&key_type).map_or(1.0, |space| space.share)
    }

    /// The labels with all alerts placed anew.
    pub(super) fn draw(&self, repetition: u32) -> Scope<'a> {
        let salt = Draws(SEED ^ (u64::from(repetition) << 32)).next();
        let mut others = Map::default();
        let placed = self.alerts.iter().map(|alert| {
            let mut placed = self.place(alert, &mut Draws(u64::from(alert.mark) ^ salt));
            if placed.key >= self.n_named {
                // Of the many that no label names, those that were drawn are numbered without gaps.
                let next = self.n_named + u32::try_from(others.len()).unwrap_or(u32::MAX);
                placed.key = *others.entry(placed.key).or_insert(next);
            }
            placed
        });
        let alerts: Vec<Candidate> = placed.collect();
        let n_keys = self.n_named as usize + others.len();
        let label_keys = self.label_keys.clone();
        let scope = self.ground.scope;
        scope.with_alerts(alerts, n_keys, self.standings.clone(), label_keys)
    }

    fn place(&self, alert: &Candidate, draws: &mut Draws) -> Candidate {
        let bounds = self.ground.bounds;
        let key = match self.spaces.get(&alert.key_type) {
            Some(space) => space.draw(draws),
            None => u32::MAX,
        };
        let span = bounds.until.since(bounds.from).max(0).saturating_add(1);
        let at = draws.below(usize::try_from(span).unwrap_or(usize::MAX));
        let end = bounds
            .from
            .0
            .saturating_add(i64::try_from(at).unwrap_or(i64::MAX));
        Candidate {
            key,
            start: end.saturating_sub(alert.end - alert.start),
            end,
            list: events::NONE,
            ..*alert
        }
    }
}

impl KeySpace {
    fn draw(&self, draws: &mut Draws) -> u32 {
        let n_keys = self.named.len() as u64 + self.others;
        let drawn = draws.below(usize::try_from(n_keys).unwrap_or(usize::MAX).max(1));
        match self.named.get(drawn) {
            Some(number) => *number,
            None => {
                let other = u32::try_from(drawn - self.named.len()).unwrap_or(u32::MAX);
                self.first_other.saturating_add(other)
            }
        }
    }
}

/// Labels that are not taken count as little as those that pass the end of the run.
fn standings(taken: &[bool], standings: &[Standing]) -> Vec<Standing> {
    let labels = taken.iter().zip(standings);
    let standing = |(taken, standing): (&bool, &Standing)| {
        if *taken {
            *standing
        } else {
            Standing::Truncated
        }
    };
    labels.map(standing).collect()
}

/// How many alerts there are on keys of each type.
fn n_by_type(ground: &Ground<'_>, counted: &[u32]) -> BTreeMap<KeyType, u64> {
    let mut counts = BTreeMap::new();
    for alert in counted {
        let key_type = ground.scope.alerts[*alert as usize].key_type;
        *counts.entry(key_type).or_default() += 1;
    }
    counts
}

/// How many alerts are expected on a key of each type.
fn alerts_per_key(
    ground: &Ground<'_>,
    counted: &[u32],
    key_counts: &BTreeMap<KeyType, u64>,
) -> BTreeMap<KeyType, f64> {
    let n_keys = |key_type: KeyType| key_counts.get(&key_type).copied().unwrap_or(0).max(1);
    n_by_type(ground, counted)
        .into_iter()
        .map(|(key_type, alerts)| (key_type, alerts as f64 / n_keys(key_type) as f64))
        .collect()
}

/// Gives keys that no label names numbers of their own, behind those that labels name.
fn number_others(
    spaces: &mut BTreeMap<KeyType, KeySpace>,
    n_named: u32,
    key_counts: &BTreeMap<KeyType, u64>,
    share: f64,
    named: &BTreeMap<KeyType, u64>,
) {
    let mut next = u64::from(n_named);
    for (key_type, count) in key_counts {
        let space = spaces.entry(*key_type).or_default();
        let others = count.saturating_sub(named.get(key_type).copied().unwrap_or(0));
        space.others = rounded(others as f64 * share);
        space.first_other = u32::try_from(next).unwrap_or(u32::MAX);
        space.share = (space.named.len() as u64 + space.others) as f64 / (*count).max(1) as f64;
        next += space.others;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a number of keys"
)]
fn rounded(keys: f64) -> u64 {
    keys.round() as u64
}

/// From 0 to under 1.
pub(super) fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}
