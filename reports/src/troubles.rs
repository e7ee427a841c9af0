//! What went wrong in a run, in few words: for the terminal and the summary.

use floodmark_contracts::{
    result::RunResult,
    subject::SinkFacts,
    trouble::{StreamTroubles, Troubles},
};

use crate::format::{count, plural};

/// What went wrong, each in a few words; empty where nothing did, or where the result does not tell.
pub(crate) fn said(result: &RunResult) -> Vec<String> {
    let Some(troubles) = &result.troubles else {
        return Vec::new();
    };
    let sum = |of: fn(&StreamTroubles) -> u64| troubles.streams.values().map(of).sum::<u64>();
    let mut said = Vec::new();
    said.extend(buried(
        sum(StreamTroubles::n_malformed),
        troubles.dead_letters,
        troubles.partial,
    ));
    let counted = [
        (
            sum(|of| of.late.unwrap_or(0)),
            ["late event dropped", "late events dropped"],
        ),
        (
            sum(|of| of.failed),
            ["failed delivery", "failed deliveries"],
        ),
        (
            troubles.garbage,
            [
                "record on the topics of alerts that is no alert",
                "records on the topics of alerts that are no alerts",
            ],
        ),
        (
            troubles.restarts,
            ["restart of the detector", "restarts of the detector"],
        ),
        (
            troubles.refused_commits,
            ["refused commit", "refused commits"],
        ),
    ];
    said.extend(some_of(counted));
    let ended = troubles.reading_ended.as_ref();
    said.extend(ended.map(|why| format!("alerts were not read to the end: {why}")));
    said.extend(sinks(troubles).map(|(name, sink)| format!("sink {name}: {}", of_sink(sink))));
    said
}

/// Malformed records against dead letters; nothing where there is neither.
fn buried(malformed: u64, letters: Option<u64>, is_partial: bool) -> Option<String> {
    let sent = plural(malformed, "malformed record");
    match (malformed, letters) {
        (0, None | Some(0)) => None,
        (0, Some(letters)) => Some(format!(
            "{}, though no malformed record was sent",
            plural(letters, "dead letter")
        )),
        (_, None) => Some(format!(
            "{sent} sent on purpose; the detector does not tell what it buried"
        )),
        (_, Some(letters)) => Some(format!(
            "{sent} sent on purpose, {}: {}",
            plural(letters, "dead letter"),
            standing(malformed, letters, is_partial)
        )),
    }
}

/// Whether a detector buried what it should. Where it tells a part only, what is missing may be in the rest.
pub(crate) fn standing(malformed: u64, letters: u64, is_partial: bool) -> String {
    match letters {
        _ if letters == malformed => "all were buried".to_owned(),
        _ if letters < malformed && is_partial => format!(
            "at least {} of {} buried, as a process that was killed told nothing",
            count(letters),
            count(malformed)
        ),
        _ if letters < malformed => format!("{} not buried", count(malformed - letters)),
        _ => format!("{} more than were sent", count(letters - malformed)),
    }
}

/// The sinks that had trouble.
pub(crate) fn sinks(troubles: &Troubles) -> impl Iterator<Item = (&String, &SinkFacts)> {
    let sinks = troubles.sinks.iter();
    sinks.filter(|(_, sink)| !sink.is_without_trouble())
}

/// What went wrong in a sink.
pub(crate) fn of_sink(sink: &SinkFacts) -> String {
    let counted = [
        (
            sink.failures,
            [
                "attempt to write failed and was made again",
                "attempts to write failed and were made again",
            ],
        ),
        (
            sink.invalid,
            [
                "record was no event or row",
                "records were no events or rows",
            ],
        ),
        (
            sink.late,
            [
                "record was later than the watermark",
                "records were later than the watermark",
            ],
        ),
    ];
    some_of(counted).join(", ")
}

/// Figures with what they count, one or many; those that are 0 are left out.
fn some_of<const N: usize>(counted: [(u64, [&str; 2]); N]) -> Vec<String> {
    let some = counted.into_iter().filter(|(n, _)| *n > 0);
    some.map(|(n, [one, many])| format!("{} {}", count(n), if n == 1 { one } else { many }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_whether_what_was_malformed_was_buried() {
        for (malformed, letters, expected) in [
            (0, None, None),
            (0, Some(0), None),
            (
                0,
                Some(2),
                Some("2 dead letters, though no malformed record was sent"),
            ),
            (
                4,
                Some(4),
                Some("4 malformed records sent on purpose, 4 dead letters: all were buried"),
            ),
            (
                4,
                Some(1),
                Some("4 malformed records sent on purpose, 1 dead letter: 3 not buried"),
            ),
            (
                1,
                Some(3),
                Some("1 malformed record sent on purpose, 3 dead letters: 2 more than were sent"),
            ),
            (
                4,
                None,
                Some(
                    "4 malformed records sent on purpose; the detector does not tell what it buried",
                ),
            ),
        ] {
            assert_eq!(buried(malformed, letters, false).as_deref(), expected);
        }
        let partly = buried(4, Some(1), true).unwrap();
        assert!(
            partly.ends_with("at least 1 of 4 buried, as a process that was killed told nothing"),
            "{partly}"
        );
    }
}
