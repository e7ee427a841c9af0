//! What disturbed the streams: what was asked for and what came out.

use std::collections::BTreeMap;

use floodmark_contracts::{
    histogram::HistogramError,
    profile::StreamSection,
    record::{RunRecord, StreamFacts},
    result::{Asked, Disorder},
    stream::Stream,
    units::parse_duration,
};

/// What disturbed each stream.
///
/// # Errors
/// If a histogram of the record cannot be read.
pub(crate) fn per_stream(record: &RunRecord) -> Result<BTreeMap<Stream, Disorder>, HistogramError> {
    let of_stream = |(stream, facts): (&Stream, &StreamFacts)| {
        let section = record.plan.streams.get(*stream);
        let disorder = of(facts, section, bound_ms(record))?;
        Ok((*stream, disorder))
    };
    record.generator.iter().map(of_stream).collect()
}

/// The bound of the subject's watermark in milliseconds of event time; none where it is not known.
pub(crate) fn bound_ms(record: &RunRecord) -> Option<u64> {
    let bound_ms = record.watermark_bound_ms?;
    u64::try_from(bound_ms).ok()
}

fn of(
    facts: &StreamFacts,
    section: Option<&StreamSection>,
    bound_ms: Option<u64>,
) -> Result<Disorder, HistogramError> {
    let events = facts.sent.saturating_sub(facts.extras.total());
    let share = |count: u64| {
        if events == 0 {
            0.0
        } else {
            count as f64 / events as f64
        }
    };
    let asked = |asked: Option<f64>, count: u64| Asked {
        asked,
        found: share(count),
    };
    let beyond_watermark = match bound_ms {
        None => None,
        Some(bound_ms) => {
            let behind = facts.disorder.behind.decoded()?;
            let within = behind.count_between(0, bound_ms);
            Some(share(behind.len().saturating_sub(within)))
        }
    };
    Ok(Disorder {
        events,
        disordered: asked(disorder_asked(section), facts.disorder.disordered),
        late: asked(
            section.and_then(|s| s.lateness.as_ref()).map(|d| d.share),
            facts.disorder.late,
        ),
        offline: asked(section.and_then(offline_asked), facts.disorder.offline),
        longest_delay_ms: facts.disorder.max_delay_ms,
        beyond_watermark,
        duplicates: facts.extras.copies + facts.extras.new_ids,
        malformed: facts.extras.malformed.values().sum(),
        silent: facts.silent,
    })
}

/// An event that is late too counts as late, not as disordered.
fn disorder_asked(section: Option<&StreamSection>) -> Option<f64> {
    let section = section?;
    let disordered = section.disorder.as_ref()?.share;
    let late = section.lateness.as_ref().map_or(0.0, |delay| delay.share);
    Some(disordered * (1.0 - late))
}

fn offline_asked(section: &StreamSection) -> Option<f64> {
    let offline = section.offline.as_ref()?;
    let seconds = |text: &str| parse_duration(text).ok().map(|d| d.as_secs_f64());
    Some(offline.share * seconds(&offline.length)? / seconds(&offline.every)?)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{
        histogram::{EncodedHistogram, empty},
        record::{DisorderFacts, ExtraFacts},
    };

    use super::*;

    fn section() -> StreamSection {
        let late = r#""share": 0.2, "delay": { "uniform": { "min": "5s", "max": "30s" } }"#;
        let disorder = r#""share": 0.5, "delay": { "uniform": { "min": "0s", "max": "1s" } }"#;
        serde_json::from_str(&format!(
            r#"{{ "rate": "1/s", "disorder": {{ {disorder} }}, "lateness": {{ {late} }},
                 "offline": {{ "share": 0.1, "every": "10m", "length": "3m" }} }}"#
        ))
        .unwrap()
    }

    fn facts(behind_ms: &[u64]) -> StreamFacts {
        StreamFacts {
            sent: 110,
            silent: 3,
            extras: ExtraFacts {
                copies: 4,
                new_ids: 1,
                malformed: BTreeMap::from([("bad-json".to_owned(), 5)]),
            },
            disorder: DisorderFacts {
                disordered: 38,
                late: 21,
                offline: 2,
                max_delay_ms: 29_000,
                behind: encoded(behind_ms),
                ..DisorderFacts::default()
            },
            ..StreamFacts::default()
        }
    }

    fn encoded(values: &[u64]) -> EncodedHistogram {
        let mut histogram = empty().unwrap();
        values
            .iter()
            .for_each(|value| histogram.record(*value).unwrap());
        EncodedHistogram::of(&histogram).unwrap()
    }

    #[test]
    fn shares_are_of_the_events_and_stand_beside_what_was_asked() {
        let found = of(
            &facts(&[500, 4000, 4010, 20_000]),
            Some(&section()),
            Some(4000),
        )
        .unwrap();
        assert_eq!(found.events, 100);
        let pair = |share: Asked| (share.asked.unwrap(), share.found);
        assert_eq!(pair(found.disordered), (0.4, 0.38));
        assert_eq!(pair(found.late), (0.2, 0.21));
        let (asked, offline) = pair(found.offline);
        assert!((asked - 0.03).abs() < 1e-12 && (offline - 0.02).abs() < 1e-12);
        assert_eq!((found.duplicates, found.malformed, found.silent), (5, 5, 3));
        assert_eq!(found.beyond_watermark, Some(0.02));
        assert!(!found.is_none());
    }

    #[test]
    fn nothing_asked_and_nothing_found_is_no_disturbance() {
        let quiet = StreamFacts {
            sent: 10,
            ..StreamFacts::default()
        };
        let found = of(&quiet, None, None).unwrap();
        assert!(found.is_none());
        assert_eq!(found.beyond_watermark, None);
        assert!(
            of(&StreamFacts::default(), None, Some(1))
                .unwrap()
                .is_none()
        );
    }
}
