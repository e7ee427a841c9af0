//! The incident level once more, written for obviousness: every alert against every label.

use std::collections::BTreeSet;

use floodmark_contracts::{alert::CollectedAlert, label::Label};

/// Whether the alert is a candidate of the label, with early = 0 and max_span = 5 min.
pub fn is_candidate(alert: &CollectedAlert, label: &Label) -> bool {
    let alert = &alert.alert;
    if !label.keys.contains(&alert.key) {
        return false;
    }
    let end = alert.end.0;
    let start = alert.start.0.min(end).max(end - 300_000);
    let inside = label.start.0 <= end && end <= label.end.0 + label.kind.late_ms();
    let overlaps = start <= label.end.0 && label.start.0 <= end;
    let listed: BTreeSet<&String> = alert.event_ids.iter().collect();
    let own = listed
        .iter()
        .filter(|id| label.event_ids.contains(id))
        .count();
    inside || overlaps || (!listed.is_empty() && own * 2 >= listed.len())
}

/// What the whole of the incident level comes to.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Counts {
    pub labels: u64,
    pub detected: u64,
    pub true_alerts: u64,
    pub false_alerts: u64,
    pub ignored: u64,
    pub shared: u64,
}

/// Scores alerts with unique ids over event time 0 to `end`.
pub fn count(labels: &[Label], alerts: &[CollectedAlert], end: i64) -> Counts {
    let counts = |label: &&Label| label.end.0 + label.kind.late_ms() <= end;
    let (kept, left_out): (Vec<&Label>, Vec<&Label>) = labels.iter().partition(counts);
    let mut result = Counts {
        labels: kept.len() as u64,
        ..Counts::default()
    };
    for alert in alerts.iter().filter(|a| (0..=end).contains(&a.alert.end.0)) {
        let hits = kept
            .iter()
            .filter(|label| is_candidate(alert, label))
            .count();
        if hits > 0 {
            result.true_alerts += 1;
            result.shared += u64::from(hits > 1);
        } else if left_out.iter().any(|label| is_candidate(alert, label)) {
            result.ignored += 1;
        } else {
            result.false_alerts += 1;
        }
    }
    let in_run = |a: &&CollectedAlert| (0..=end).contains(&a.alert.end.0);
    let detected = |label: &&&Label| alerts.iter().filter(in_run).any(|a| is_candidate(a, label));
    result.detected = kept.iter().filter(detected).count() as u64;
    result
}
