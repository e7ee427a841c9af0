//! One point of a curve, from the results of its runs.
//!
//! Counts are added up, so that a share is over all incidents of all seeds and its interval narrows with
//! them:
//! ```text
//! recall = sum detected / sum labels        precision = sum detected / (sum detected + sum false_merged)
//! ```
//! Percentiles cannot be added up: of the runs' p99 the median stands, with the lowest and the highest.

use floodmark_contracts::{
    curve::{CurvePoint, CurveRun},
    result::{RunResult, ValidityReason, ValidityStatus},
};

use crate::intervals::{CONFIDENCE, wilson};

/// Puts the runs at `value` together, each with its folder. Invalid runs do not count, unless all that is
/// wrong with them is a load that came late: what is detected depends on event time alone.
#[must_use]
pub fn point(value: f64, runs: &[(String, RunResult)]) -> CurvePoint {
    let counted: Vec<&RunResult> = runs
        .iter()
        .map(|(_, result)| result)
        .filter(|result| counts(result))
        .collect();
    let sum = |pick: fn(&RunResult) -> u64| counted.iter().map(|result| pick(result)).sum::<u64>();
    let labels = sum(|result| result.detection.overall.labels);
    let detected = sum(|result| result.detection.overall.detected);
    let false_merged = sum(|result| result.detection.overall.false_merged);
    let mut p99s: Vec<u64> = counted
        .iter()
        .filter(|result| result.validity.status != ValidityStatus::Invalid)
        .filter_map(|result| alert_p99(result))
        .collect();
    p99s.sort_unstable();
    let said = detected + false_merged;
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    CurvePoint {
        value,
        runs: runs
            .iter()
            .map(|(folder, result)| listed(folder, result))
            .collect(),
        labels,
        detected,
        false_merged,
        recall: share(detected, labels),
        recall_interval: wilson(detected, labels, CONFIDENCE),
        precision: share(detected, said),
        precision_interval: wilson(detected, said, CONFIDENCE),
        alert_p99_us: p99s.get(p99s.len().saturating_sub(1) / 2).copied(),
        alert_p99_range_us: p99s
            .first()
            .zip(p99s.last())
            .map(|(low, high)| [*low, *high]),
    }
}

/// Latency of a run's alerts (p99), microseconds; of fewer than a hundred, the longest. `None` without alerts.
#[must_use]
pub fn alert_p99(result: &RunResult) -> Option<u64> {
    let percentiles = &result.latency.get("alert")?.percentiles;
    percentiles.get("p99").or(percentiles.get("max")).copied()
}

fn counts(result: &RunResult) -> bool {
    let only_late = |reason: &ValidityReason| {
        reason.status != ValidityStatus::Invalid || reason.code == "generator-late"
    };
    result.validity.status != ValidityStatus::Invalid
        || result.validity.reasons.iter().all(only_late)
}

fn listed(folder: &str, result: &RunResult) -> CurveRun {
    CurveRun {
        seed: result.seed,
        folder: folder.to_owned(),
        status: result.validity.status,
        codes: result
            .validity
            .reasons
            .iter()
            .map(|reason| reason.code.clone())
            .collect(),
        alert_p99_us: alert_p99(result),
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::result::LatencySummary;

    use super::*;
    use crate::{score, support::Run};

    /// A result with so many labels, of which so many were found, and a p99.
    fn run(
        labels: u64,
        detected: u64,
        false_merged: u64,
        p99: u64,
        code: &str,
    ) -> (String, RunResult) {
        let empty = Run::new();
        let mut result = score(&empty.record, &[], &[], &[]).unwrap();
        let overall = &mut result.detection.overall;
        (overall.labels, overall.detected, overall.false_merged) = (labels, detected, false_merged);
        let alert = LatencySummary {
            percentiles: [("p99".to_owned(), p99)].into(),
            ..LatencySummary::default()
        };
        result.latency.insert("alert".to_owned(), alert);
        result.validity.reasons.clear();
        result.validity.status = ValidityStatus::Valid;
        if !code.is_empty() {
            result.validity.status = ValidityStatus::Invalid;
            result.validity.reasons.push(ValidityReason {
                code: code.to_owned(),
                status: ValidityStatus::Invalid,
                message: String::new(),
                seconds: Vec::new(),
            });
        }
        ("runs/1".to_owned(), result)
    }

    #[test]
    fn counts_of_all_seeds_are_added_up_and_percentiles_are_not() {
        let runs = [
            run(10, 9, 1, 30, ""),
            run(30, 15, 5, 10, ""),
            run(10, 6, 0, 20, ""),
        ];
        let point = point(0.5, &runs);
        assert_eq!(
            (point.labels, point.detected, point.false_merged),
            (50, 30, 6)
        );
        assert_eq!(
            (point.recall, point.precision),
            (Some(0.6), Some(30.0 / 36.0))
        );
        assert_eq!(point.recall_interval, wilson(30, 50, CONFIDENCE));
        assert_eq!(point.precision_interval, wilson(30, 36, CONFIDENCE));
        assert_eq!(
            (point.alert_p99_us, point.alert_p99_range_us),
            (Some(20), Some([10, 30]))
        );
    }

    #[test]
    fn an_invalid_run_is_listed_and_does_not_count() {
        let point = point(
            1.0,
            &[
                run(10, 9, 0, 30, ""),
                run(10, 0, 0, 90, "events-do-not-reconcile"),
            ],
        );
        assert_eq!((point.labels, point.runs.len()), (10, 2));
        assert_eq!(point.runs[1].codes, ["events-do-not-reconcile"]);
    }

    #[test]
    fn a_late_load_spoils_latency_and_not_what_is_detected() {
        let point = point(1.0, &[run(10, 9, 0, 30, "generator-late")]);
        assert_eq!((point.recall, point.alert_p99_us), (Some(0.9), None));
    }

    #[test]
    fn of_few_alerts_the_longest_latency_stands_for_the_p99() {
        let (_, mut result) = run(1, 1, 0, 0, "");
        let alert = result.latency.get_mut("alert").unwrap();
        alert.percentiles = [("p50".to_owned(), 10), ("max".to_owned(), 50)].into();
        assert_eq!(alert_p99(&result), Some(50));
        result.latency.clear();
        assert_eq!(alert_p99(&result), None);
    }

    #[test]
    fn nothing_measured_is_undefined() {
        let none = point(1.0, &[]);
        assert_eq!(
            (none.recall, none.precision, none.alert_p99_us),
            (None, None, None)
        );
    }
}
