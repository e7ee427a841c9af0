//! Whether the figures of a run can be trusted, with codes for what speaks against it.

mod load;

use std::collections::BTreeMap;

use floodmark_contracts::{
    histogram::EncodedHistogram,
    record::{CollectorFacts, SeriesRow, StreamFacts, SubjectFacts},
    result::{Validity, ValidityReason, ValidityStatus},
    stream::Stream,
};

pub use self::load::judge_load;

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
    /// Time series of the run.
    pub series: &'a [SeriesRow],
    /// The latency of alerts (p99) in microseconds, where there are enough of them.
    pub alert_p99_us: Option<u64>,
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Validity {
    let load = judge_load(evidence.generator, evidence.series, evidence.alert_p99_us);
    let mut reasons = load.reasons;
    if let Some(subject) = evidence.subject {
        for (stream, facts) in evidence.generator {
            let wanted = facts.acknowledged + facts.closing;
            let consumed = subject.consumed.get(stream).copied().unwrap_or(0);
            if consumed != wanted {
                reasons.push(reason(
                    "events-do-not-reconcile",
                    ValidityStatus::Invalid,
                    format!(
                        "{stream}: {wanted} events were acknowledged, the subject consumed \
                         {consumed}; see its log, or allow a longer `drain`"
                    ),
                ));
            }
        }
    }
    if evidence.drain_cut_short {
        reasons.push(reason(
            "drain-too-short",
            ValidityStatus::Invalid,
            "the subject was still reading, or alerts still came, when the drain ended; allow a \
             longer `drain` or a lower `rate`"
                .to_owned(),
        ));
    }
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
    verdict(reasons)
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

    fn verdict_of(facts: StreamFacts, consumed: u64, cut: bool) -> String {
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
        };
        let validity = judge(&Evidence {
            generator: &generator,
            subject: Some(&subject),
            collector: &CollectorFacts::default(),
            drain_cut_short: cut,
            series: &[late],
            alert_p99_us: None,
        });
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
}
