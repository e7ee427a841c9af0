//! Whether the topics held what the figures are about.

use floodmark_contracts::{
    audit::{AuditFacts, AuditMode, DifferenceKind, StreamAudit},
    result::{ValidityReason, ValidityStatus},
    stream::Stream,
};

use super::reason;

/// What speaks against the figures in the audit; `not_kept` alerts were read and counted only.
pub(super) fn judge(audit: &AuditFacts, not_kept: u64) -> Vec<ValidityReason> {
    let mut reasons = Vec::new();
    for (stream, found) in &audit.streams {
        match audit.mode {
            AuditMode::None => {}
            AuditMode::Counts => reasons.extend(short(*stream, found)),
            AuditMode::Full => reasons.extend(differences(*stream, found)),
        }
    }
    reasons.extend(alerts_missing(audit, not_kept));
    reasons
}

/// By offsets alone, records that were acknowledged can be seen to be missing; markers of transactions would
/// hide some.
fn short(stream: Stream, found: &StreamAudit) -> Option<ValidityReason> {
    let missing = found.expected.saturating_sub(found.appended);
    (missing > 0).then(|| lost(stream, missing, found))
}

/// What was found by comparing, one reason for each kind.
fn differences(stream: Stream, found: &StreamAudit) -> Vec<ValidityReason> {
    let counts = found.found;
    // What was never acknowledged may be missing: that has a code of its own.
    let missing = counts.lost.saturating_sub(found.unacknowledged);
    let mut reasons: Vec<ValidityReason> = (missing > 0)
        .then(|| lost(stream, missing, found))
        .into_iter()
        .collect();
    for (kind, count, status, remedy) in [
        (
            DifferenceKind::Doubled,
            counts.doubled,
            ValidityStatus::Invalid,
            "stand in the log more often than they were sent; set `client.enable.idempotence` to `true`",
        ),
        (
            DifferenceKind::Reordered,
            counts.reordered,
            ValidityStatus::Degraded,
            "stand behind later ones of their partition; set `client.enable.idempotence` to `true`, or \
             `client.max.in.flight` to 1",
        ),
        (
            DifferenceKind::Altered,
            counts.altered,
            ValidityStatus::Invalid,
            "have other bytes than were sent; look for whoever rewrites them between generator and log",
        ),
        (
            DifferenceKind::Foreign,
            counts.foreign,
            ValidityStatus::Invalid,
            "were not sent by this run; keep others off its topics, or use `topic_prefix`",
        ),
    ] {
        if count > 0 {
            let code = format!("events-{}", kind.name());
            let message = format!(
                "{stream}: {count} of {} records {remedy}{}",
                found.compared,
                example(found, kind)
            );
            reasons.push(reason(&code, status, message));
        }
    }
    reasons
}

fn lost(stream: Stream, missing: u64, found: &StreamAudit) -> ValidityReason {
    reason(
        "events-lost",
        ValidityStatus::Invalid,
        format!(
            "{stream}: {missing} of {} records that the broker acknowledged are not in its log{}; see the broker's \
             log, and `acks` and `min.insync.replicas`",
            found.expected,
            example(found, DifferenceKind::Lost)
        ),
    )
}

/// The first record of a kind, to look it up.
fn example(found: &StreamAudit, kind: DifferenceKind) -> String {
    let Some(odd) = found.examples.iter().find(|odd| odd.what == kind) else {
        return String::new();
    };
    let mut text = format!(", such as {}[{}]", odd.topic, odd.partition);
    if let Some(offset) = odd.offset {
        text.push_str(&format!(" offset {offset}"));
    }
    match (&odd.event_id, odd.slot) {
        (Some(id), _) => text.push_str(&format!(" event `{id}`")),
        (None, Some(slot)) => text.push_str(&format!(" slot {slot}")),
        (None, None) => {}
    }
    text
}

/// The subject says that it wrote more than there is. What was read and not kept is not missing.
fn alerts_missing(audit: &AuditFacts, not_kept: u64) -> Option<ValidityReason> {
    let alerts = &audit.alerts;
    let read = alerts.collected + not_kept;
    let missing = alerts.written?.saturating_sub(read);
    (missing > 0).then(|| {
        reason(
            "alerts-missing",
            ValidityStatus::Degraded,
            format!(
                "the subject wrote {} alerts and {} were read; see its log for transactions that were aborted, or \
                 allow a longer `drain`",
                alerts.written.unwrap_or(0),
                read
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use floodmark_contracts::audit::{AlertAudit, Difference, Differences};

    use super::*;

    fn check(mode: AuditMode, stream: StreamAudit, expected: &str) {
        let audit = AuditFacts {
            mode,
            streams: BTreeMap::from([(Stream::Banking, stream)]),
            ..AuditFacts::default()
        };
        let found: Vec<String> = judge(&audit, 0)
            .iter()
            .map(|r| format!("{:?} {}", r.status, r.code))
            .collect();
        assert_eq!(found.join(", "), expected);
    }

    fn full(found: Differences) -> StreamAudit {
        StreamAudit {
            expected: 1000,
            appended: 1000,
            compared: 1000,
            found,
            ..StreamAudit::default()
        }
    }

    #[test]
    fn each_difference_has_its_code() {
        let none = Differences::default();
        check(AuditMode::Full, full(none), "");
        for (found, expected) in [
            (Differences { lost: 1, ..none }, "Invalid events-lost"),
            (Differences { doubled: 1, ..none }, "Invalid events-doubled"),
            (
                Differences {
                    reordered: 1,
                    ..none
                },
                "Degraded events-reordered",
            ),
            (Differences { altered: 1, ..none }, "Invalid events-altered"),
            (Differences { foreign: 1, ..none }, "Invalid events-foreign"),
        ] {
            check(AuditMode::Full, full(found), expected);
        }
    }

    #[test]
    fn what_was_not_acknowledged_may_be_missing() {
        let lost = Differences {
            lost: 5,
            ..Differences::default()
        };
        let mut stream = full(lost);
        stream.unacknowledged = 5;
        check(AuditMode::Full, stream.clone(), "");
        stream.unacknowledged = 4;
        check(AuditMode::Full, stream, "Invalid events-lost");
    }

    #[test]
    fn counting_alone_finds_what_is_missing() {
        let mut stream = full(Differences::default());
        check(AuditMode::Counts, stream.clone(), "");
        stream.appended = 999;
        check(AuditMode::Counts, stream.clone(), "Invalid events-lost");
        check(AuditMode::None, stream, "");
    }

    #[test]
    fn the_message_names_a_record_to_look_up() {
        let mut stream = full(Differences {
            doubled: 2,
            ..Differences::default()
        });
        stream.examples.push(Difference {
            what: DifferenceKind::Doubled,
            topic: "payments".to_owned(),
            partition: 3,
            offset: Some(17),
            slot: None,
            event_id: None,
            key: Some("user-1".to_owned()),
        });
        let message = &differences(Stream::Banking, &stream)[0].message;
        assert!(
            message.contains("such as payments[3] offset 17"),
            "{message}"
        );
    }

    #[test]
    fn alerts_that_were_written_and_not_read_degrade_the_run() {
        let audit = |written| AuditFacts {
            alerts: AlertAudit {
                collected: 10,
                written,
                ..AlertAudit::default()
            },
            ..AuditFacts::default()
        };
        assert!(judge(&audit(None), 0).is_empty());
        assert!(judge(&audit(Some(10)), 0).is_empty());
        assert_eq!(judge(&audit(Some(12)), 0)[0].code, "alerts-missing");
        assert!(judge(&audit(Some(12)), 2).is_empty(), "read, and not kept");
    }
}
