//! A rule for series of which nothing is known: whatever is rare among a series' own past.
//!
//! ```text
//! a_t = the largest rank of a feature among its own past        (features: adaptive/features.rs)
//! q_t = mean of the last k values of a
//! z_t = rank of q among its own past                             (ranks: adaptive/rank.rs)
//! alert where z_t >= threshold, and no alert in the last `cool_down` rows
//! ```
//! One pass, no look-ahead, the same constants for every series. The second rank is what gives every series about
//! the same rate of alerts, whatever its shape: a threshold of 2.2 asks for the rarest 0.6 % of rows.

mod features;
mod rank;

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use self::{
    features::{Features, MOST, NAMES},
    rank::Rank,
};
use crate::{
    finding::{Finding, two_decimals},
    runtime::heap_of,
};

/// Name of the rule in its alerts.
const RULE: &str = "adaptive";

/// Rows over which a feature's past is forgotten.
const FEATURE_TAU: f64 = 8000.0;

/// Rows over which the past of their fusion is.
const FUSED_TAU: f64 = 4000.0;

/// Values beyond this are garbage: their squares would overflow.
const LARGEST: f64 = 1e100;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Three features, about a hundred operations a row.
    Light,
    /// Five, one of them with some 7,500.
    Full,
}

impl Variant {
    /// Number of features.
    fn features(self) -> usize {
        match self {
            Self::Light => 3,
            Self::Full => MOST,
        }
    }

    /// Rows over which the largest rank is averaged.
    fn averaged(self) -> usize {
        match self {
            Self::Light => 2,
            Self::Full => 4,
        }
    }
}

/// Settings of the rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveSettings {
    /// How much is looked at.
    pub variant: Variant,
    /// Rank from which on a row is reported.
    pub threshold: f64,
    /// Rows from one alert to the next, at least.
    pub cool_down: u32,
}

/// A row that is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rare {
    /// Its rank: 3 is one row in a thousand.
    pub rank: f64,
    /// The feature that was strangest.
    pub feature: &'static str,
}

/// State of the rule for one series. Made with the first value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Adaptive {
    features: Features,
    ranks: Vec<Rank>,
    /// The last largest ranks with their features, the newest last.
    fused: VecDeque<(f64, u8)>,
    second: Rank,
    since_alert: Option<u32>,
}

impl Adaptive {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        let ranks = self.ranks.iter().chain([&self.second]).map(Rank::heap);
        self.features.heap() + heap_of(&self.ranks) + ranks.sum::<usize>() + heap_of(&self.fused)
    }

    /// Takes the next reading of the series; a finding if it is rare. What it is a sign of, nobody can say, so the
    /// finding has no kind.
    pub fn reading(
        &mut self,
        at: EventTime,
        value: f64,
        settings: &AdaptiveSettings,
    ) -> Option<Finding> {
        let rare = self.row(value, settings)?;
        let mut finding = Finding::at(RULE, Kind::SensorSpike, at)
            .score(1.0 - settings.threshold / (2.0 * rare.rank))
            .evidence("value", value)
            .evidence("rank", two_decimals(rare.rank))
            .evidence("feature", rare.feature);
        finding.kind = None;
        Some(finding)
    }

    /// Takes the next value of the series.
    pub fn row(&mut self, value: f64, settings: &AdaptiveSettings) -> Option<Rare> {
        let rank = self.rank(value, settings.variant)?;
        self.since_alert = self.since_alert.map(|rows| rows.saturating_add(1));
        let cooling = self
            .since_alert
            .is_some_and(|rows| rows < settings.cool_down);
        if cooling || rank < settings.threshold {
            return None;
        }
        self.since_alert = Some(0);
        let strangest = self.fused.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let feature = strangest.and_then(|(_, feature)| NAMES.get(usize::from(*feature)));
        Some(Rare {
            rank,
            feature: feature.map_or("", |name| name),
        })
    }

    /// The rank of the next value; `None` for garbage, which is passed over.
    fn rank(&mut self, value: f64, variant: Variant) -> Option<f64> {
        if !value.is_finite() || value.abs() > LARGEST {
            return None;
        }
        self.ranks.resize_with(variant.features(), Rank::default);
        let features = self.features.row(value, variant);
        let mut largest = (0.0, 0);
        for ((rank, feature), number) in self.ranks.iter_mut().zip(features).zip(0u8..) {
            let rank = rank.of(feature, FEATURE_TAU);
            if rank > largest.0 {
                largest = (rank, number);
            }
        }
        self.fused.push_back(largest);
        if self.fused.len() > variant.averaged() {
            self.fused.pop_front();
        }
        let sum: f64 = self.fused.iter().map(|(rank, _)| rank).sum();
        Some(self.second.of(sum / self.fused.len() as f64, FUSED_TAU))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sensor_level::tests::noise;

    const SETTINGS: [AdaptiveSettings; 2] = [
        AdaptiveSettings {
            variant: Variant::Light,
            threshold: 2.2,
            cool_down: 100,
        },
        AdaptiveSettings {
            variant: Variant::Full,
            threshold: 2.2,
            cool_down: 100,
        },
    ];

    /// Rows from 1000 on that are reported, with the feature that was strangest.
    fn rows(settings: &AdaptiveSettings, value: impl Fn(u64) -> f64) -> Vec<(u64, &'static str)> {
        let mut rule = Adaptive::default();
        let found = (0..4000).filter_map(|i| Some((i, rule.row(value(i), settings)?.feature)));
        found.filter(|(i, _)| *i >= 1000).collect()
    }

    /// An hourly season and noise, as of a machine.
    fn machine(i: u64) -> f64 {
        50.0 + 8.0 * (i as f64 / 60.0 * std::f64::consts::TAU).sin() + noise(i)
    }

    /// What row 3000 or one of the three behind it is reported for, whatever was reported before it.
    fn reported(settings: &AdaptiveSettings, value: &dyn Fn(u64) -> f64) -> Option<&'static str> {
        let settings = AdaptiveSettings {
            cool_down: 1,
            ..*settings
        };
        let found = rows(&settings, value);
        found
            .iter()
            .find(|(row, _)| (3000..3004).contains(row))
            .map(|(_, feature)| *feature)
    }

    #[test]
    fn a_spike_a_shift_and_a_wild_stretch_are_reported_within_four_rows() {
        for settings in &SETTINGS {
            let changed = |by: fn(u64) -> f64| reported(settings, &|i| machine(i) + by(i));
            assert_eq!(changed(|_| 0.0), None);
            let spike = changed(|i| if i == 3000 { 40.0 } else { 0.0 });
            assert!(matches!(spike, Some("prediction" | "step")), "{spike:?}");
            assert!(changed(|i| if i >= 3000 { 30.0 } else { 0.0 }).is_some());
            assert!(changed(|i| if i >= 3000 { 8.0 * noise(i + 7) } else { 0.0 }).is_some());
        }
    }

    #[test]
    fn ordinary_series_of_any_scale_are_seldom_reported() {
        for settings in &SETTINGS {
            for scale in [1e-6, 1.0, 1e9] {
                let found = rows(settings, |i| scale * machine(i));
                assert!(found.len() <= 20, "{} in 3000 rows", found.len());
                assert_eq!(
                    found,
                    rows(settings, |i| scale * machine(i)),
                    "the same rows give the same alerts"
                );
            }
            assert_eq!(rows(settings, |_| 7.0), [], "a constant");
        }
    }

    #[test]
    fn alerts_keep_their_distance() {
        for settings in &SETTINGS {
            let found = rows(settings, |i| machine(i) * (i as f64 / 400.0).exp());
            assert!(found.len() > 2, "{found:?}");
            for pair in found.windows(2) {
                assert!(pair[1].0 - pair[0].0 >= 100, "{found:?}");
            }
        }
    }

    #[test]
    fn garbage_is_passed_over_and_leaves_no_trace() {
        for settings in &SETTINGS {
            let mut rule = Adaptive::default();
            for i in 0..500 {
                rule.row(machine(i), settings);
            }
            let before = rule.clone();
            for garbage in [f64::NAN, f64::INFINITY, 1e200, -1e300] {
                assert_eq!(rule.row(garbage, settings), None);
            }
            assert_eq!(rule, before);
        }
    }

    #[test]
    fn a_saved_series_goes_on_where_it_was_and_its_state_does_not_grow() {
        for settings in &SETTINGS {
            let mut rule = Adaptive::default();
            let mut largest = 0;
            for i in 0..8000 {
                rule.row(machine(i), settings);
                if i % 500 == 499 {
                    largest = largest.max(postcard::to_stdvec(&rule).unwrap().len());
                }
            }
            assert!(largest < 24 * 1024, "{largest}");
            let bytes = postcard::to_stdvec(&rule).unwrap();
            let mut loaded: Adaptive = postcard::from_bytes(&bytes).unwrap();
            for i in 8000..9000 {
                assert_eq!(
                    loaded.row(machine(i), settings),
                    rule.row(machine(i), settings)
                );
            }
            assert_eq!(loaded, rule);
        }
    }

    #[test]
    fn an_alert_says_how_rare_and_by_what_and_names_no_kind() {
        let settings = AdaptiveSettings {
            cool_down: 1,
            ..SETTINGS[0]
        };
        let mut rule = Adaptive::default();
        let found: Vec<Finding> = (0..3000)
            .filter_map(|i| {
                let value = machine(i) + if i == 2900 { 500.0 } else { 0.0 };
                let at = EventTime(i64::try_from(i).unwrap());
                rule.reading(at, value, &settings)
            })
            .collect();
        let found = found.iter().find(|f| f.start == EventTime(2900)).unwrap();
        assert_eq!((found.rule, found.kind), ("adaptive", None));
        assert!(found.score > 0.5 && found.score < 1.0, "{}", found.score);
        let names: Vec<&str> = found.evidence.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["value", "rank", "feature"]);
        assert_eq!(found.evidence[2].1, "prediction");
    }
}
