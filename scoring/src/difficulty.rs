//! Recall over difficulty: how strong incidents have to be until a detector sees them.
//!
//! Labels are put into ranges that double, `[2^k, 2^(k+1))`, the same for all runs, so that curves of several
//! runs and detectors can be laid over one another:
//! ```text
//! recall of a range = labels in it with a candidate alert / labels in it
//! ```
//! with a Wilson interval, as a range may hold few labels. What is below the lowest bound, 0 among it, is in
//! the first range, what is above the highest in the last.

use std::collections::BTreeMap;

use floodmark_contracts::{
    kind::Kind,
    label::Label,
    result::{Difficulty, RecallBin, RecallCurve},
};

use crate::{
    confusion::share,
    intervals::{CONFIDENCE, wilson},
    scope::Scope,
};

/// Powers of two at which ranges begin: from 1/32 to 1024. The first range begins at 0.
const LOWEST: i32 = -5;
const HIGHEST: i32 = 10;

/// Labels that were detected, by position: by any alert, and by one that does not name another kind.
pub(crate) struct Detected {
    pub(crate) overall: Vec<bool>,
    pub(crate) of_its_kind: Vec<bool>,
}

/// Recall over both measures.
pub(crate) fn score(scope: &Scope<'_>, detected: &Detected) -> Difficulty {
    Difficulty {
        snr: curve(scope, detected, |label| label.snr),
        magnitude: curve(scope, detected, |label| label.magnitude),
    }
}

fn curve(
    scope: &Scope<'_>,
    detected: &Detected,
    measure: impl Fn(&Label) -> Option<f64>,
) -> RecallCurve {
    let (mut overall, mut unstated) = (Bins::default(), 0);
    let mut per_kind: BTreeMap<Kind, Bins> = BTreeMap::new();
    for (index, label) in scope.kept_labels() {
        let Some(value) = measure(label) else {
            unstated += 1;
            continue;
        };
        overall.add(value, detected.overall[index]);
        per_kind
            .entry(label.kind)
            .or_default()
            .add(value, detected.of_its_kind[index]);
    }
    RecallCurve {
        overall: overall.recalls(),
        per_kind: per_kind
            .into_iter()
            .map(|(kind, bins)| (kind, bins.recalls()))
            .collect(),
        unstated,
    }
}

/// Labels and detected ones by the power of two at which their range begins; one below the lowest stands
/// for what begins at 0.
#[derive(Default)]
struct Bins(BTreeMap<i32, (u64, u64)>);

impl Bins {
    fn add(&mut self, value: f64, is_detected: bool) {
        let (labels, detected) = self.0.entry(range(value)).or_default();
        *labels += 1;
        *detected += u64::from(is_detected);
    }

    fn recalls(self) -> Vec<RecallBin> {
        let bins = self.0.into_iter();
        bins.map(|(power, (labels, detected))| RecallBin {
            from: if power < LOWEST { 0.0 } else { bound(power) },
            below: (power < HIGHEST).then(|| bound(power + 1)),
            labels,
            detected,
            recall: share(detected, labels),
            interval: wilson(detected, labels, CONFIDENCE),
        })
        .collect()
    }
}

/// The power of two at or below a value, without a logarithm: a bound belongs to one range on every machine.
fn range(value: f64) -> i32 {
    (LOWEST..=HIGHEST)
        .rev()
        .find(|power| value >= bound(*power))
        .unwrap_or(LOWEST - 1)
}

fn bound(power: i32) -> f64 {
    2f64.powi(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_double_and_hold_their_lower_bound() {
        for (value, power) in [
            (0.0, -6),
            (-1.0, -6),
            (0.031, -6),
            (0.031_25, -5),
            (0.999, -1),
            (1.0, 0),
            (1.999, 0),
            (2.0, 1),
            (1024.0, 10),
            (1e9, 10),
        ] {
            assert_eq!(range(value), power, "{value}");
        }
    }

    #[test]
    fn the_first_range_begins_at_nothing_and_the_last_has_no_end() {
        let mut bins = Bins::default();
        for (value, is_detected) in [(0.0, false), (5.0, true), (6.0, false), (1e6, true)] {
            bins.add(value, is_detected);
        }
        let recalls = bins.recalls();
        let found: Vec<_> = recalls
            .iter()
            .map(|bin| (bin.from, bin.below, bin.detected, bin.labels))
            .collect();
        assert_eq!(
            found,
            [
                (0.0, Some(0.031_25), 0, 1),
                (4.0, Some(8.0), 1, 2),
                (1024.0, None, 1, 1)
            ]
        );
        assert_eq!(recalls[1].recall, Some(0.5));
        let [low, high] = recalls[1].interval.unwrap();
        assert!(
            low < 0.1 && high > 0.9,
            "two labels say little: {low} to {high}"
        );
    }
}
