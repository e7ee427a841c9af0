//! The random baseline: what alerts at the same rate, placed uniformly over (key, event time), score.
//!
//! For each type `T` of key, the space is `K_T` keys times the event time that is scored, less the
//! matching windows of labels that were left out. With `W_T` the part of it inside the matching
//! windows `[s - early, e + late]` of the labels that count (the union per key), and `M_T` alerts:
//! ```text
//! precision = sum of M_T W_T / space_T, over M
//! recall    = mean over labels of 1 - prod over its keys of (1 - window / space_T)^M_T
//! deduplicated precision = D / (D + F), D = N * recall, F = sum over (T, kind) of C (1 - (1 - 1/C)^m)
//! ```
//! `F` is the expected number of cells of one merge gap on one key that `m` false alerts fall in, out
//! of `C` outside the windows: few alerts pay once each, very many pay for all the time there is.
//!
//! How many keys there are is estimated from the plan: users, sessions, addresses and devices as many
//! as the entities of the streams that carry them, sensors as many as there are, pages and groups as
//! many as labels and alerts name, which is also the least for every type. Fewer keys than there are
//! make the baseline better than it should be, never the detector.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use floodmark_contracts::{
    key::KeyType, kind::Kind, profile::StreamsSection, result::Baseline, stream::Stream,
};

use crate::{
    index::N_KINDS,
    matching::Found,
    scope::{Bounds, Candidate, Claim, Scope, Standing},
    settings::Settings,
};

/// The space in which alerts are placed.
pub(crate) struct Space<'a> {
    scope: &'a Scope<'a>,
    bounds: Bounds,
    settings: Settings,
    keys: BTreeMap<KeyType, u64>,
    /// Alerts that are neither excluded nor ignored, by type of key and claimed kind.
    alerts: BTreeMap<(KeyType, Claim), u64>,
    /// The labels that count, in their order, of each kind and, without one, of all.
    labels: BTreeMap<Option<Kind>, Vec<Placed>>,
    /// The types of those labels' keys, each key once, one label behind the other.
    types: Vec<KeyType>,
    /// By number of a kind the space that its labels leave and cover; behind them that of all labels.
    covers: Vec<Cover>,
}

/// A label that counts.
#[derive(Debug, Clone)]
struct Placed {
    /// Length of the part of its window that is scored, milliseconds.
    window_ms: f64,
    /// Where the types of its keys stand.
    types: Range<usize>,
}

/// A label's window on one of its keys, by the key's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Window {
    key: u32,
    span: (i64, i64),
    key_type: KeyType,
    /// The label's kind; `None` if it was left out.
    kind: Option<Kind>,
}

impl<'a> Space<'a> {
    pub(crate) fn new(
        scope: &'a Scope<'a>,
        found: &Found,
        streams: &StreamsSection,
        bounds: Bounds,
        settings: Settings,
    ) -> Self {
        let mut alerts: BTreeMap<_, u64> = BTreeMap::new();
        let mut fates = found.is_true.iter().zip(&found.touches_left_out);
        let claims = |alert: &Candidate| (alert.key_type, alert.claim);
        for alike in scope.alerts.chunk_by(|a, b| claims(a) == claims(b)) {
            let fates = fates.by_ref().take(alike.len());
            let n_counted = fates.filter(|(is_true, ignored)| **is_true || !**ignored);
            let n_counted = n_counted.count() as u64;
            if n_counted > 0 {
                *alerts.entry(claims(&alike[0])).or_default() += n_counted;
            }
        }
        let mut space = Self {
            scope,
            bounds,
            settings,
            keys: estimate_keys(scope, streams),
            alerts,
            labels: BTreeMap::new(),
            types: Vec::new(),
            covers: Vec::new(),
        };
        space.take_labels();
        space
    }

    /// How many keys there are of the types that alerts name.
    pub(crate) fn alerted_keys(&self) -> u64 {
        let types: BTreeSet<KeyType> = self.alerts.keys().map(|(key_type, _)| *key_type).collect();
        types
            .iter()
            .filter_map(|key_type| self.keys.get(key_type))
            .sum()
    }

    /// How many keys there are, by type.
    pub(crate) fn key_counts(&self) -> &BTreeMap<KeyType, u64> {
        &self.keys
    }

    /// How alerts are matched.
    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    /// The baseline over all labels and alerts.
    pub(crate) fn overall(&self) -> Baseline {
        self.baseline(None)
    }

    /// The baseline of one kind: its labels, the alerts that say it. Alerts that say no kind place
    /// themselves for its recall, as they do in its score.
    pub(crate) fn of_kind(&self, kind: Kind) -> Baseline {
        self.baseline(Some(kind))
    }

    fn baseline(&self, kind: Option<Kind>) -> Baseline {
        let says = |claim: Claim| kind.is_none_or(|kind| claim == Claim::Known(kind));
        let places = |claim: Claim| says(claim) || claim == Claim::Silent;
        let cover = kind.map_or(N_KINDS, |kind| kind as usize);
        let regions = &self.covers[cover].regions;
        let mut per_type: BTreeMap<KeyType, u64> = BTreeMap::new();
        let (mut n_alerts, mut inside, mut false_cells) = (0.0, 0.0, 0.0);
        for (&(key_type, claim), &n) in &self.alerts {
            if places(claim) {
                *per_type.entry(key_type).or_insert(0) += n;
            }
            let Some(region) = regions.get(&key_type).filter(|_| says(claim)) else {
                continue;
            };
            n_alerts += n as f64;
            inside += n as f64 * region.share();
            false_cells += occupied(
                (region.space - region.covered) / self.settings.merge_gap_ms as f64,
                n as f64 * (1.0 - region.share()),
            );
        }
        let (n_labels, hits) = self.expected_hits(kind, regions, &per_type);
        let recall = (n_labels > 0.0).then(|| hits / n_labels);
        Baseline {
            precision: (n_alerts > 0.0).then(|| inside / n_alerts),
            recall,
            deduplicated_precision: (n_alerts > 0.0 && hits + false_cells > 0.0)
                .then(|| hits / (hits + false_cells)),
        }
    }

    /// Number of labels and how many of them uniformly placed alerts hit.
    fn expected_hits(
        &self,
        kind: Option<Kind>,
        regions: &BTreeMap<KeyType, Region>,
        alerts: &BTreeMap<KeyType, u64>,
    ) -> (f64, f64) {
        let (mut n_labels, mut hits) = (0.0, 0.0);
        for label in self.labels.get(&kind).into_iter().flatten() {
            let missed: f64 = self.types[label.types.clone()]
                .iter()
                .map(|key_type| {
                    let n = alerts.get(key_type).copied().unwrap_or(0);
                    let space = regions.get(key_type).map_or(0.0, |region| region.space);
                    let share = if space > 0.0 {
                        (label.window_ms / space).min(1.0)
                    } else {
                        0.0
                    };
                    (1.0 - share).powf(n as f64)
                })
                .product();
            n_labels += 1.0;
            hits += 1.0 - missed;
        }
        (n_labels, hits)
    }

    /// Sorts out labels and their windows once for all kinds.
    fn take_labels(&mut self) {
        let mut windows = Vec::new();
        for (i, label) in self.scope.labels.iter().enumerate() {
            let kind = match self.scope.standings[i] {
                Standing::Kept => Some(label.kind),
                Standing::WarmUp | Standing::Truncated => None,
                // Alerts on decoys are false, so their windows stay a part of the space.
                Standing::Decoy | Standing::DecoyLeftOut => continue,
            };
            let span = self.window(i);
            let types = label.keys.iter().map(|key| key.key_type);
            let mut keys: Vec<(KeyType, u32)> =
                types.zip(self.scope.keys_of(i).iter().copied()).collect();
            windows.extend(span.into_iter().flat_map(|span| {
                keys.iter().map(move |(key_type, key)| Window {
                    key: *key,
                    span,
                    key_type: *key_type,
                    kind,
                })
            }));
            if kind.is_some() {
                keys.sort_unstable();
                keys.dedup();
                let begin = self.types.len();
                self.types.extend(keys.iter().map(|(key_type, _)| key_type));
                let placed = Placed {
                    window_ms: span.map_or(0.0, |(from, until)| (until - from) as f64),
                    types: begin..self.types.len(),
                };
                self.labels.entry(kind).or_default().push(placed.clone());
                self.labels.entry(None).or_default().push(placed);
            }
        }
        windows.sort_unstable();
        self.cover(&windows);
    }

    /// Works out the space of each type of key and how much of it windows cover, which come by key: once through them for
    /// all kinds.
    fn cover(&mut self, windows: &[Window]) {
        let span = self.bounds.until.since(self.bounds.from).max(0);
        let keys = self.keys.iter();
        let spaces = keys.map(|(key_type, n)| (*key_type, Region::of(*n as f64 * span as f64)));
        self.covers = vec![Cover::of(spaces.collect()); N_KINDS + 1];
        for window in windows {
            match window.kind {
                Some(kind) => {
                    self.covers[kind as usize].add(window);
                    self.covers[N_KINDS].add(window);
                }
                // What was left out is no space for any kind.
                None => self.covers.iter_mut().for_each(|cover| cover.add(window)),
            }
        }
    }

    /// The part of a label's matching window that is scored.
    fn window(&self, label: usize) -> Option<(i64, i64)> {
        let label = &self.scope.labels[label];
        let from = label
            .start
            .0
            .saturating_sub(self.settings.early_ms)
            .max(self.bounds.from.0);
        let until = label
            .end
            .0
            .saturating_add(label.kind.late_ms())
            .min(self.bounds.until.0);
        (from < until).then_some((from, until))
    }
}

/// The space of each type of key, as windows are laid over it.
#[derive(Debug, Clone)]
struct Cover {
    regions: BTreeMap<KeyType, Region>,
    /// The key of the last window.
    key: Option<u32>,
    /// Where windows of labels that count, and all windows, on that key reach.
    wanted: i64,
    every: i64,
}

impl Cover {
    fn of(regions: BTreeMap<KeyType, Region>) -> Self {
        Self {
            regions,
            key: None,
            wanted: i64::MIN,
            every: i64::MIN,
        }
    }

    fn add(&mut self, window: &Window) {
        if self.key != Some(window.key) {
            (self.key, self.wanted, self.every) = (Some(window.key), i64::MIN, i64::MIN);
        }
        let added = extend(&mut self.every, window.span);
        let covered = match window.kind {
            Some(_) => extend(&mut self.wanted, window.span),
            None => 0,
        };
        if let Some(region) = self.regions.get_mut(&window.key_type) {
            region.covered += covered as f64;
            region.space -= (added - covered) as f64;
        }
    }
}

/// Keys of one type times the event time that is scored, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Region {
    space: f64,
    covered: f64,
}

impl Region {
    fn of(space: f64) -> Self {
        Self {
            space,
            covered: 0.0,
        }
    }

    fn share(&self) -> f64 {
        if self.space > 0.0 {
            (self.covered / self.space).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// Expected number of `cells` in which at least one of `n` uniformly placed alerts falls.
fn occupied(cells: f64, n: f64) -> f64 {
    if cells <= 1.0 {
        return n.min(1.0);
    }
    cells * -(n * (-1.0 / cells).ln_1p()).exp_m1()
}

/// How much a span adds to others that end at `reached` and begin before it.
fn extend(reached: &mut i64, (from, until): (i64, i64)) -> i64 {
    let added = (until - from.max(*reached)).max(0);
    *reached = until.max(*reached);
    added
}

fn estimate_keys(scope: &Scope<'_>, streams: &StreamsSection) -> BTreeMap<KeyType, u64> {
    let named = scope.keys.of_types();
    let entities = |stream: Stream| -> u64 {
        streams
            .get(stream)
            .map_or(0, |section| u64::from(section.population.entities))
    };
    let planned = |key_type: KeyType| match key_type {
        KeyType::User | KeyType::Session | KeyType::Ip => {
            entities(Stream::Clickstream) + entities(Stream::Banking)
        }
        KeyType::Device => entities(Stream::Banking),
        KeyType::Sensor => entities(Stream::Sensors),
        KeyType::Page | KeyType::Group => 0,
    };
    named
        .into_iter()
        .map(|(key_type, n_named)| (key_type, planned(key_type).max(n_named)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_windows_count_once() {
        let mut reached = i64::MIN;
        let added = [(0, 6), (1, 3), (5, 10), (20, 21)].map(|span| extend(&mut reached, span));
        assert_eq!(added, [6, 0, 4, 1]);
    }

    #[test]
    fn few_alerts_pay_each_and_many_pay_for_every_cell() {
        assert!((occupied(1e6, 3.0) - 3.0).abs() < 1e-4);
        assert!((occupied(10.0, 1e6) - 10.0).abs() < 1e-9);
        assert_eq!(occupied(0.5, 7.0), 1.0);
        assert_eq!(occupied(10.0, 0.0), 0.0);
    }
}
