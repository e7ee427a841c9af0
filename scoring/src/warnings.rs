//! What a reader should know before believing the figures.

use floodmark_contracts::{
    profile::scoring::GateFailure,
    record::RunRecord,
    result::{Detection, GateResult},
};

use crate::{
    confusion::share,
    scope::{Claim, Scope},
    throughput::consumed,
};

/// Fewer labels than this of a kind leave its interval too wide to tell good from fair.
const FEW_LABELS: u64 = 10;

/// All warnings of a run, the weightiest first.
pub(crate) fn collect(
    record: &RunRecord,
    scope: &Scope<'_>,
    detection: &Detection,
    gates: &[GateResult],
) -> Vec<String> {
    let mut warnings = Vec::new();
    for gate in gates
        .iter()
        .filter(|g| !g.passed && g.gate.otherwise == GateFailure::Warn)
    {
        warnings.push(format!("gate `{}` does not hold", gate.gate.require));
    }
    delivery(record, &mut warnings);
    warnings.extend(untold(record));
    labels(detection, &mut warnings);
    alerts(scope, detection, &mut warnings);
    if record.timeline.speed != 1.0 {
        warnings.push(format!(
            "event time ran {} times as fast as wall time: waits for windows are shortened by as much \
             in `alert` and `detect`, so these latencies are not those of a live system",
            record.timeline.speed
        ));
    }
    warnings.extend(record.notices.iter().cloned());
    warnings
}

fn delivery(record: &RunRecord, warnings: &mut Vec<String>) {
    for (stream, facts) in &record.generator {
        if let Some(consumed) = consumed(record, *stream)
            && consumed < facts.acknowledged
        {
            warnings.push(format!(
                "the subject consumed {consumed} of {} events of `{stream}`: it was stopped before it \
                 caught up, so recall and latencies are those of a part of the run",
                facts.acknowledged
            ));
        }
    }
}

/// That a process of the subject told nothing: its log says why it ended so, if anything does.
fn untold(record: &RunRecord) -> Option<String> {
    record.subject_facts.partial.then(|| {
        "a process of the detector was ended by force and told nothing of itself: late events and dead letters are at \
         least those that are counted, and how long events waited for it is known of a part at most"
            .to_owned()
    })
}

fn labels(detection: &Detection, warnings: &mut Vec<String>) {
    let overall = &detection.overall;
    if overall.labels == 0 {
        warnings.push("no label counts, so recall is undefined".to_owned());
    }
    let few: Vec<String> = detection
        .per_kind
        .iter()
        .filter(|(_, scores)| (1..FEW_LABELS).contains(&scores.labels))
        .map(|(kind, scores)| format!("{kind} ({})", scores.labels))
        .collect();
    if !few.is_empty() {
        warnings.push(format!(
            "fewer than {FEW_LABELS} labels of {}: read the intervals, not the figures; a longer run \
             or a higher `count` narrows them",
            few.join(", ")
        ));
    }
    let left_out = detection.truncated;
    if share(left_out, left_out + overall.labels).is_some_and(|share| share > 0.2) {
        warnings.push(format!(
            "{left_out} labels are left out because their tolerance passes the end of the run; a \
             longer run scores more of them"
        ));
    }
}

fn alerts(scope: &Scope<'_>, detection: &Detection, warnings: &mut Vec<String>) {
    if detection.duplicates > 0 {
        warnings.push(format!(
            "{} alerts came more than once and are counted once",
            detection.duplicates
        ));
    }
    if detection.key_mismatch > 0 {
        warnings.push(format!(
            "{} false alerts match an incident in time and kind but not in key: is the detector's key \
             the one that the catalogue names?",
            detection.key_mismatch
        ));
    }
    let foreign = scope
        .alerts
        .iter()
        .filter(|alert| matches!(alert.claim, Claim::Foreign(_)))
        .count();
    if foreign > 0 {
        warnings.push(format!(
            "{foreign} alerts name a kind that the catalogue does not have; they count as a wrong kind"
        ));
    }
    if scope.reversed > 0 {
        warnings.push(format!(
            "{} alerts end before they start and are taken as points at their end",
            scope.reversed
        ));
    }
}
