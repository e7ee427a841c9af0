//! Whether the figures of a run can be trusted, with codes for what speaks against it.

mod audit;
mod broker;
mod clocks;
mod codes;
mod consumed;
mod load;
mod machine;

use std::collections::BTreeMap;

use floodmark_contracts::{
    audit::AuditFacts,
    histogram::EncodedHistogram,
    probe::ClockFacts,
    record::{CollectorFacts, Ending, SeriesRow, StreamFacts, SubjectFacts},
    resources::MachineFacts,
    result::{Validity, ValidityReason, ValidityStatus},
    stream::Stream,
};

pub use self::{codes::CODES, load::judge_load};

/// What a verdict rests on.
pub struct Evidence<'a> {
    /// What the generator saw.
    pub generator: &'a BTreeMap<Stream, StreamFacts>,
    /// What the subject told, where it is expected to consume.
    pub subject: Option<&'a SubjectFacts>,
    /// What the collector saw.
    pub collector: &'a CollectorFacts,
    /// Whether the drain ended before the subject was done.
    pub drain_cut_short: bool,
    /// Whether alerts still came when it ended, though the subject had read everything.
    pub alerts_after_drain: bool,
    /// How the run came to its end.
    pub ending: &'a Ending,
    /// Time series of the run.
    pub series: &'a [SeriesRow],
    /// What the alerts themselves tell.
    pub alerts: AlertsSeen,
    /// What the machine did.
    pub machine: &'a MachineFacts,
    /// What the topics held.
    pub audit: &'a AuditFacts,
    /// The broker's clock against ours.
    pub clock: &'a ClockFacts,
}

/// What a look at all alerts found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertsSeen {
    /// Alerts in the run's file.
    pub kept: u64,
    /// The time from the wall instant at which event time reaches an alert's end to its append time (p99), microseconds,
    /// where there are enough of them. What the generator's own lateness is held against.
    pub p99_us: Option<u64>,
    /// Alerts that the broker got before event time had reached their start.
    pub ahead: u64,
    /// By how much the worst of them was ahead, microseconds of wall time.
    pub most_ahead_us: i64,
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Validity {
    let load = judge_load(evidence.generator, evidence.series, evidence.alerts.p99_us);
    let mut reasons = load.reasons;
    reasons.extend(ending(evidence.ending));
    if let Some(subject) = evidence.subject {
        reasons.extend(consumed::judge(evidence.generator, subject, evidence.audit));
    }
    if evidence.drain_cut_short && *evidence.ending == Ending::Completed {
        reasons.push(reason(
            "drain-too-short",
            ValidityStatus::Invalid,
            "the subject was still reading when the drain ended; allow a longer `drain` or a lower `rate`"
                .to_owned(),
        ));
    }
    if evidence.alerts_after_drain {
        reasons.push(reason(
            "alerts-after-drain",
            ValidityStatus::Invalid,
            "the subject had read everything, and alerts still came when the drain ended: those that came \
             later are missing; allow a longer `drain`, or see why alerts take so long"
                .to_owned(),
        ));
    }
    reasons.extend(broker::judge(evidence.generator, evidence.series));
    reasons.extend(machine::judge(evidence.machine, evidence.generator));
    reasons.extend(audit::judge(evidence.audit, evidence.collector.not_kept));
    reasons.extend(clocks::judge(evidence.clock));
    if evidence.collector.garbage > 0 {
        reasons.push(reason(
            "alerts-not-understood",
            ValidityStatus::Degraded,
            format!(
                "{} records on the topics of alerts are no alerts, such as: {}",
                evidence.collector.garbage,
                evidence
                    .collector
                    .garbage_examples
                    .first()
                    .map_or("", String::as_str)
            ),
        ));
    }
    reasons.extend(not_all_alerts(evidence.collector));
    reasons.extend(ahead(&evidence.alerts));
    reasons.extend(flood(evidence.generator, evidence.collector));
    verdict(reasons)
}

/// What is said of a run that did not get to its end. One that a person ended says so itself.
fn ending(ending: &Ending) -> Option<ValidityReason> {
    let (code, message) = match ending {
        Ending::Completed | Ending::Interrupted => return None,
        Ending::TimeLimit => (
            "time-limit",
            "the run reached its `time_limit` before everything was generated and read; allow more time".to_owned(),
        ),
        Ending::SubjectNotReady(waited) => (
            "subject-not-ready",
            format!("the subject did not become ready: {waited}; see the end of its log"),
        ),
        Ending::SubjectDied(how) => (
            "subject-died",
            format!("the subject ended by itself with {how}; see the end of its log"),
        ),
    };
    Some(reason(code, ValidityStatus::Invalid, message))
}

/// What is said of alerts about what had not come yet: no detector can know of it, so that either its clock is wrong, or
/// its alerts say another time than that of the events.
fn ahead(alerts: &AlertsSeen) -> Option<ValidityReason> {
    (alerts.ahead > 0).then(|| {
        reason(
            "alerts-before-their-time",
            ValidityStatus::Degraded,
            format!(
                "{} of {} alerts are about event time that had not come when the broker got them, by up to {:.1} s of \
                 wall time; `start` and `end` must be the events' own time",
                alerts.ahead,
                alerts.kept,
                alerts.most_ahead_us as f64 / 1e6
            ),
        )
    })
}

/// What is said of a subject that alerts more often than there are events.
fn flood(
    generator: &BTreeMap<Stream, StreamFacts>,
    collector: &CollectorFacts,
) -> Option<ValidityReason> {
    let events = generator
        .values()
        .map(|facts| facts.acknowledged + facts.closing);
    let events: u64 = events.sum();
    (collector.alerts > events && events > 0).then(|| {
        reason(
            "alerts-flood",
            ValidityStatus::Degraded,
            format!(
                "{} alerts came from {events} events: the subject floods, and nobody can act on that many",
                collector.alerts
            ),
        )
    })
}

/// What is said where alerts were left out.
fn not_all_alerts(collector: &CollectorFacts) -> Vec<ValidityReason> {
    let mut reasons = Vec::new();
    if collector.not_kept > 0 {
        reasons.push(reason(
            "alerts-not-kept",
            ValidityStatus::Invalid,
            format!(
                "{} of {} alerts were counted and not kept, as more came than a run keeps: the subject floods",
                collector.not_kept, collector.alerts
            ),
        ));
    }
    if let Some(failure) = &collector.failure {
        reasons.push(reason(
            "alerts-not-read",
            ValidityStatus::Invalid,
            format!("alerts were read only for a part of the run: {failure}"),
        ));
    }
    if collector.unread_partitions > 0 {
        reasons.push(reason(
            "alerts-not-read",
            ValidityStatus::Invalid,
            format!(
                "{} partitions of the topics of alerts were not read to their ends in time: the broker was too slow, or \
                 the subject floods",
                collector.unread_partitions
            ),
        ));
    }
    reasons
}

/// The weightiest reason decides.
fn verdict(reasons: Vec<ValidityReason>) -> Validity {
    let status = reasons
        .iter()
        .map(|r| r.status)
        .max()
        .unwrap_or(ValidityStatus::Valid);
    Validity { status, reasons }
}

/// A percentile of an encoded histogram; `None` if it is empty or cannot be read.
fn percentile(encoded: &EncodedHistogram, quantile: f64) -> Option<u64> {
    let histogram = encoded.decoded().ok()?;
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
}

fn reason(code: &str, status: ValidityStatus, message: String) -> ValidityReason {
    debug_assert!(CODES.contains(&code), "`{code}` is no code");
    ValidityReason {
        code: code.to_owned(),
        status,
        message,
        seconds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::histogram::empty;

    use super::*;

    pub(super) fn lateness(us: u64) -> EncodedHistogram {
        let mut histogram = empty().unwrap();
        histogram.record_n(us, 1000).unwrap();
        EncodedHistogram::of(&histogram).unwrap()
    }

    #[test]
    fn alerts_that_go_on_behind_the_drain_are_missing_from_the_figures() {
        let validity = judged(facts(300), 1004, |evidence| {
            evidence.alerts_after_drain = true
        });
        assert_eq!(shown(&validity), "Invalid alerts-after-drain[]");
    }

    fn verdict_of(facts: StreamFacts, consumed: u64, cut: bool) -> String {
        shown(&judged(facts, consumed, |evidence| {
            evidence.drain_cut_short = cut
        }))
    }

    fn judged(
        facts: StreamFacts,
        consumed: u64,
        change: impl FnOnce(&mut Evidence<'_>),
    ) -> Validity {
        let generator = BTreeMap::from([(Stream::Sensors, facts)]);
        let subject = SubjectFacts {
            consumed: BTreeMap::from([(Stream::Sensors, consumed)]),
            ..SubjectFacts::default()
        };
        let late = SeriesRow {
            t: 3,
            metric: "send_lateness_max_us".to_owned(),
            stream: Some(Stream::Sensors),
            value: 2e6,
            ..SeriesRow::default()
        };
        let mut evidence = Evidence {
            generator: &generator,
            subject: Some(&subject),
            collector: &CollectorFacts::default(),
            drain_cut_short: false,
            alerts_after_drain: false,
            ending: &Ending::Completed,
            series: &[late],
            alerts: AlertsSeen::default(),
            machine: &MachineFacts::default(),
            audit: &AuditFacts::default(),
            clock: &ClockFacts::default(),
        };
        change(&mut evidence);
        judge(&evidence)
    }

    fn shown(validity: &Validity) -> String {
        let codes: Vec<String> = validity
            .reasons
            .iter()
            .map(|r| format!("{}{:?}", r.code, r.seconds))
            .collect();
        format!("{:?} {}", validity.status, codes.join(" "))
    }

    fn facts(lateness_us: u64) -> StreamFacts {
        StreamFacts {
            due: 1000,
            sent: 1000,
            acknowledged: 1000,
            closing: 4,
            send_lateness: lateness(lateness_us),
            ..StreamFacts::default()
        }
    }

    #[test]
    fn a_run_in_which_everything_adds_up_is_valid() {
        assert_eq!(verdict_of(facts(300), 1004, false), "Valid ");
    }

    #[test]
    fn each_fault_has_its_code() {
        for (facts, consumed, cut, expected) in [
            (facts(5_000), 1004, false, "Degraded generator-late[3]"),
            (facts(50_000), 1004, false, "Invalid generator-late[3]"),
            (facts(300), 1003, false, "Invalid events-do-not-reconcile[]"),
            (facts(300), 1006, false, "Degraded events-read-again[]"),
            (facts(300), 1004, true, "Invalid drain-too-short[]"),
            (
                StreamFacts {
                    sent: 990,
                    acknowledged: 990,
                    ..facts(300)
                },
                994,
                false,
                "Invalid generator-short[]",
            ),
            (
                StreamFacts {
                    acknowledged: 990,
                    ..facts(300)
                },
                994,
                false,
                "Invalid events-not-acknowledged[]",
            ),
        ] {
            assert_eq!(verdict_of(facts, consumed, cut), expected);
        }
    }

    #[test]
    fn a_run_that_did_not_get_to_its_end_says_why() {
        for (how, expected) in [
            (Ending::Completed, None),
            (Ending::Interrupted, None),
            (Ending::TimeLimit, Some("time-limit")),
            (
                Ending::SubjectNotReady("its group had 0 of 2 partitions".to_owned()),
                Some("subject-not-ready"),
            ),
            (
                Ending::SubjectDied("exit status: 3".to_owned()),
                Some("subject-died"),
            ),
        ] {
            let found = ending(&how);
            assert_eq!(found.as_ref().map(|reason| reason.code.as_str()), expected);
            if let (Some(reason), Ending::SubjectNotReady(words) | Ending::SubjectDied(words)) =
                (found, &how)
            {
                assert!(reason.message.contains(words), "{}", reason.message);
                assert_eq!(reason.status, ValidityStatus::Invalid);
            }
        }
    }

    #[test]
    fn alerts_are_a_flood_when_there_are_more_of_them_than_events() {
        let generator = BTreeMap::from([(Stream::Sensors, facts(300))]);
        let collected = |alerts| CollectorFacts {
            alerts,
            ..CollectorFacts::default()
        };
        assert_eq!(flood(&generator, &collected(1004)), None);
        let found = flood(&generator, &collected(1005)).unwrap();
        assert_eq!(
            (found.code.as_str(), found.status),
            ("alerts-flood", ValidityStatus::Degraded)
        );
        assert_eq!(
            flood(&BTreeMap::new(), &collected(5)),
            None,
            "nothing was sent"
        );
    }

    #[test]
    fn alerts_that_were_left_out_and_those_ahead_of_their_time_are_counted() {
        let left_out = CollectorFacts {
            alerts: 10,
            not_kept: 3,
            failure: Some("the disk is full".to_owned()),
            unread_partitions: 2,
            ..CollectorFacts::default()
        };
        let codes: Vec<String> = not_all_alerts(&left_out)
            .into_iter()
            .map(|reason| format!("{} {}", reason.code, reason.message))
            .collect();
        assert!(
            codes[0].starts_with("alerts-not-kept 3 of 10 alerts"),
            "{codes:?}"
        );
        assert!(
            codes[1].starts_with("alerts-not-read alerts were read only for a part"),
            "{codes:?}"
        );
        assert!(
            codes[2].starts_with("alerts-not-read 2 partitions"),
            "{codes:?}"
        );
        assert!(not_all_alerts(&CollectorFacts::default()).is_empty());
        let seen = AlertsSeen {
            kept: 9,
            ahead: 4,
            most_ahead_us: 60_000_000,
            ..AlertsSeen::default()
        };
        let found = ahead(&seen).unwrap();
        assert!(
            found.message.starts_with("4 of 9 alerts"),
            "{}",
            found.message
        );
        assert!(found.message.contains("up to 60.0 s"), "{}", found.message);
        assert_eq!(ahead(&AlertsSeen::default()), None);
    }
}
