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
    /// Where they stand among the false alerts that are kept.
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
        let mut kept = Self::default();
        each_run(scope, is_false, gap_ms, |run, positions| {
            let begin = kept.positions.len();
            kept.positions.extend(positions);
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            kept.runs.push(Run {
                places: place(begin)..place(kept.positions.len()),
                ..run
            });
        });
        kept
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

/// Calls `visit` for each run of the alerts that `is_false` takes, by number of the key, with the positions of its alerts
/// in `scope.alerts`.
pub(crate) fn each_run(
    scope: &Scope<'_>,
    is_false: impl Fn(u32) -> bool,
    gap_ms: i64,
    mut visit: impl FnMut(Run, &[u32]),
) {
    let mut positions: Vec<u32> = Vec::new();
    let (mut from, mut reached) = (0, 0);
    let mut end = |positions: &mut Vec<u32>, span: (i64, i64)| {
        if let Some(first) = positions.first() {
            let first = &scope.alerts[*first as usize];
            let run = Run {
                key: first.key,
                claim: first.claim,
                cost: started(span, gap_ms),
                places: 0..0,
            };
            visit(run, positions);
            positions.clear();
        }
    };
    for (position, next) in (0u32..).zip(&scope.alerts) {
        if !is_false(position) {
            continue;
        }
        let goes_on = positions.last().is_some_and(|last| {
            let last = &scope.alerts[*last as usize];
            (last.key, last.claim) == (next.key, next.claim) && next.start - reached < gap_ms
        });
        if goes_on {
            reached = reached.max(next.end);
        } else {
            end(&mut positions, (from, reached));
            (from, reached) = (next.start, next.end);
        }
        positions.push(position);
    }
    end(&mut positions, (from, reached));
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
