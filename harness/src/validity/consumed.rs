//! Whether the subject consumed what there was, once.
//!
//! What there was is in the topics, where they were read back: an event that was acknowledged twice, or stored after the
//! client had given it up, is no fault of the subject's. Where records were only counted their offsets bound it, as those
//! count markers of transactions too.

use std::collections::BTreeMap;

use floodmark_contracts::{
    audit::{AuditFacts, AuditMode},
    record::{StreamFacts, SubjectFacts},
    result::{ValidityReason, ValidityStatus},
    stream::Stream,
};

use super::reason;

/// What speaks against the figures in what was consumed. A subject that does not tell is not blamed for it.
pub(super) fn judge(
    generator: &BTreeMap<Stream, StreamFacts>,
    subject: &SubjectFacts,
    audit: &AuditFacts,
) -> Vec<ValidityReason> {
    let mut reasons = Vec::new();
    for (stream, facts) in generator {
        let Some(consumed) = subject.consumed.get(stream).copied() else {
            continue;
        };
        let (least, most) = there(facts, audit, *stream);
        if consumed > most {
            reasons.push(reason(
                "events-read-again",
                ValidityStatus::Degraded,
                format!(
                    "{stream}: the subject read {} of {most} events again, as after a rebalance, a restart or a lost \
                     connection; its rate of consumption counts them twice",
                    consumed - most
                ),
            ));
        }
        if consumed < least {
            reasons.push(reason(
                "events-do-not-reconcile",
                ValidityStatus::Invalid,
                format!(
                    "{stream}: {least} events were there, the subject consumed {consumed}; see its log, or allow a \
                     longer `drain`"
                ),
            ));
        }
    }
    reasons
}

/// How many events there were to consume, at least and at most.
fn there(facts: &StreamFacts, audit: &AuditFacts, stream: Stream) -> (u64, u64) {
    let acknowledged = facts.acknowledged + facts.closing;
    match (audit.mode, audit.streams.get(&stream)) {
        (AuditMode::Full, Some(found)) => {
            let records = found.compared + found.trimmed;
            (records, records)
        }
        (AuditMode::Counts, Some(found)) => (acknowledged, acknowledged.max(found.appended)),
        _ => (acknowledged, acknowledged),
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::audit::StreamAudit;

    use super::*;

    /// The codes of a subject that consumed so much of 1000 acknowledged events.
    fn check(mode: AuditMode, audit: StreamAudit, consumed: u64, expected: &[&str]) {
        let facts = StreamFacts {
            acknowledged: 1000,
            ..StreamFacts::default()
        };
        let audit = AuditFacts {
            mode,
            streams: BTreeMap::from([(Stream::Sensors, audit)]),
            ..AuditFacts::default()
        };
        let subject = SubjectFacts {
            consumed: BTreeMap::from([(Stream::Sensors, consumed)]),
            ..SubjectFacts::default()
        };
        let found = judge(
            &BTreeMap::from([(Stream::Sensors, facts)]),
            &subject,
            &audit,
        );
        let codes: Vec<&str> = found.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!(codes, expected, "{mode:?} {consumed}");
    }

    #[test]
    fn what_was_stored_twice_was_not_read_again() {
        let audit = StreamAudit {
            compared: 990,
            trimmed: 20,
            appended: 1010,
            ..StreamAudit::default()
        };
        for (consumed, expected) in [
            (1010, &[][..]),
            (1011, &["events-read-again"]),
            (1000, &["events-do-not-reconcile"]),
        ] {
            check(AuditMode::Full, audit.clone(), consumed, expected);
        }
    }

    #[test]
    fn offsets_that_may_be_markers_are_neither_read_again_nor_missing() {
        let audit = StreamAudit {
            appended: 1005,
            ..StreamAudit::default()
        };
        for (consumed, expected) in [
            (1000, &[][..]),
            (1005, &[]),
            (1006, &["events-read-again"]),
            (999, &["events-do-not-reconcile"]),
        ] {
            check(AuditMode::Counts, audit.clone(), consumed, expected);
        }
    }
}
