//! The table of what was broken on purpose.

use floodmark_contracts::{
    fault::{FaultScores, SpanScores},
    result::RunResult,
};

use crate::format::{count, micros, number};

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// A fault, ready to print.
pub(super) struct FaultRow {
    pub(super) kind: &'static str,
    pub(super) when: String,
    pub(super) recovery: String,
    /// Recall before, during and after, each with the number of incidents.
    pub(super) recall: [String; 3],
    /// The alerts' p99 in the same spans.
    pub(super) latency: [String; 3],
    /// Highest lag in them.
    pub(super) lag: [String; 3],
    /// What was done.
    pub(super) did: String,
    /// Why there is no recovery, or what kept the fault from being as asked.
    pub(super) notes: Vec<String>,
}

/// Faults in the order in which they began.
pub(super) fn faults(result: &RunResult) -> Vec<FaultRow> {
    result.faults.iter().map(row).collect()
}

fn row(fault: &FaultScores) -> FaultRow {
    let spans = [&fault.before, &fault.during, &fault.after];
    let second = |us: i64| number(us as f64 / 1e6);
    let facts = &fault.facts;
    let notes = facts.problem.iter().chain(&fault.no_recovery);
    FaultRow {
        kind: facts.kind.name(),
        when: format!("{} to {} s", second(facts.from.0), second(facts.until.0)),
        recovery: fault
            .recovery_s
            .map_or_else(|| "undefined".to_owned(), |s| format!("{} s", number(s))),
        recall: spans.map(recall),
        latency: spans.map(|span| {
            let p99 = span.alert_p99_us;
            p99.map_or_else(|| NOTHING.to_owned(), |us| micros(us as f64))
        }),
        lag: spans.map(|span| span.lag_max.map_or_else(|| NOTHING.to_owned(), count)),
        did: facts.did.clone(),
        notes: notes.cloned().collect(),
    }
}

fn recall(span: &SpanScores) -> String {
    let share = span.recall.map(|recall| format!("{recall:.3}"));
    format!(
        "{} ({}/{})",
        share.as_deref().unwrap_or(NOTHING),
        count(span.detected),
        count(span.labels)
    )
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{
        clock::RunMicros,
        fault::{FaultFacts, FaultKind, Level},
    };

    use super::*;

    #[test]
    fn what_is_undefined_says_so_and_why() {
        let span = SpanScores {
            labels: 4,
            detected: 3,
            recall: Some(0.75),
            alert_p99_us: Some(1_500_000),
            lag_max: Some(12_000),
            ..SpanScores::default()
        };
        let row = row(&FaultScores {
            facts: FaultFacts {
                kind: FaultKind::BrokerKill,
                did: "SIGKILL to process 7".to_owned(),
                from: RunMicros(20_010_000),
                until: RunMicros(25_000_000),
                problem: None,
            },
            before: span,
            during: SpanScores::default(),
            after: span,
            recovery_s: None,
            no_recovery: Some("not within 3.0 s".to_owned()),
            level: Level::default(),
        });
        assert_eq!(row.when, "20.0 to 25.0 s");
        assert_eq!(row.recall, ["0.750 (3/4)", "– (0/0)", "0.750 (3/4)"]);
        assert_eq!(row.latency, ["1.50 s", "–", "1.50 s"]);
        assert_eq!(row.lag, ["12,000", "–", "12,000"]);
        assert_eq!((row.recovery.as_str(), row.notes.len()), ("undefined", 1));
    }
}
