//! False alerts of one key and kind, put together where they are close.
//!
//! Alerts whose gap is under `g` are one run; it costs one for each started `g` of its length.

use std::ops::Range;

use crate::scope::{Claim, Scope};

/// False alerts of one key and kind that are close to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// The number of their key.
    pub(crate) key: u32,
    /// The kind that they name.
    pub(crate) claim: Claim,
    /// Started gaps of its length.
    pub(crate) cost: u64,
    /// Where they stand among the false alerts; not empty.
    places: Range<u32>,
}

/// False alerts in runs.
#[derive(Debug, Default)]
pub(crate) struct FalseRuns {
    /// Positions in `scope.alerts`, those of a run side by side.
    positions: Vec<u32>,
    /// By number of the key.
    runs: Vec<Run>,
}

impl FalseRuns {
    /// Of the alerts that `is_false` takes; they are by key, by kind and in event time.
    pub(crate) fn new(scope: &Scope<'_>, is_false: impl Fn(u32) -> bool, gap_ms: i64) -> Self {
        let n_alerts = u32::try_from(scope.alerts.len()).unwrap_or(u32::MAX);
        let positions: Vec<u32> = (0..n_alerts).filter(|it| is_false(*it)).collect();
        let alert = |position: u32| &scope.alerts[position as usize];
        let mut all: Vec<Run> = Vec::new();
        let mut reached = i64::MIN;
        let mut from = i64::MIN;
        for (place, &position) in (0u32..).zip(&positions) {
            let next = alert(position);
            match all.last_mut() {
                Some(run)
                    if (run.key, run.claim) == (next.key, next.claim)
                        && next.start - reached < gap_ms =>
                {
                    reached = reached.max(next.end);
                    run.places.end = place + 1;
                    run.cost = started((from, reached), gap_ms);
                }
                _ => {
                    (from, reached) = (next.start, next.end);
                    all.push(Run {
                        key: next.key,
                        claim: next.claim,
                        cost: started((from, reached), gap_ms),
                        places: place..place + 1,
                    });
                }
            }
        }
        Self {
            positions,
            runs: all,
        }
    }

    /// The runs, by number of the key.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Positions in `scope.alerts` of a run's alerts.
    pub(crate) fn alerts_of(&self, run: &Run) -> &[u32] {
        &self.positions[run.places.start as usize..run.places.end as usize]
    }

    /// What all runs cost: the number of false alerts after merging.
    pub(crate) fn cost(&self) -> u64 {
        self.runs.iter().map(|run| run.cost).sum()
    }
}

/// Number of started `gap_ms` in the merged runs of `spans`, which are sorted by start.
pub(crate) fn merged_runs(spans: &[(i64, i64)], gap_ms: i64) -> u64 {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for &(start, end) in spans {
        match runs.last_mut() {
            Some((_, until)) if start - *until < gap_ms => *until = (*until).max(end),
            _ => runs.push((start, end)),
        }
    }
    runs.into_iter().map(|span| started(span, gap_ms)).sum()
}

fn started((from, until): (i64, i64), gap_ms: i64) -> u64 {
    (until - from)
        .max(1)
        .unsigned_abs()
        .div_ceil(gap_ms.max(1).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::EventTime;

    use super::*;
    use crate::{alerts::Alerts, scope::Bounds, settings::Settings, support::alert};

    #[test]
    fn close_false_alerts_are_one_and_a_long_run_pays_for_its_length() {
        for (spans, expected, why) in [
            (&[(0, 0)][..], 1, "a point"),
            (&[(0, 0), (59, 59)], 1, "a gap under the limit"),
            (&[(0, 0), (60, 60)], 2, "a gap at the limit"),
            (&[(0, 60)], 1, "as long as the gap"),
            (&[(0, 61)], 2, "one longer than the gap"),
            (&[(0, 60), (60, 120), (120, 180)], 3, "always on"),
            (&[(0, 600), (10, 20), (601, 601)], 11, "one inside another"),
        ] {
            assert_eq!(merged_runs(spans, 60), expected, "{why}");
            // The same spans on one of two keys, in any order, cost as much.
            let mut alerts = vec![alert("other", "a", 5, 5)];
            let ids = (0..).map(|number| format!("{number}"));
            let made = spans.iter().rev().zip(ids);
            alerts.extend(made.map(|((start, end), id)| alert(&id, "b", *start, *end)));
            let bounds = Bounds {
                from: EventTime(0),
                until: EventTime(1000),
            };
            let settings = Settings {
                early_ms: 0,
                max_span_ms: 1000,
                merge_gap_ms: 60,
            };
            let scope = Scope::new(&[], Alerts::Collected(&alerts), bounds, settings);
            let runs = FalseRuns::new(&scope, |_| true, 60);
            assert_eq!(runs.cost(), expected + 1, "{why}");
            assert_eq!(runs.alerts_of(&runs.runs()[0]), [0]);
        }
    }
}
