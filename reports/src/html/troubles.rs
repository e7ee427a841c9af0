//! The section on what went wrong.

use std::{cmp::Ordering, collections::BTreeMap};

use floodmark_contracts::{
    result::RunResult,
    stream::Stream,
    trouble::{StreamTroubles, Troubles},
};

use super::tables::{NOTHING, Pair};
use crate::{
    format::count,
    troubles::{of_sink, sinks, standing},
    verdict::sentence_of,
};

/// What went wrong, ready to print.
pub(super) struct TroubleSection {
    /// Said instead of the rest where there is nothing to show.
    pub(super) none: Option<&'static str>,
    /// Streams in which something went wrong, or was sent wrong.
    pub(super) streams: Vec<StreamRow>,
    pub(super) pairs: Vec<Pair>,
    /// Where and why records on the topics of alerts are no alerts, the first few.
    pub(super) garbage: Vec<String>,
    /// The end of the subject's log, where it ended the run.
    pub(super) last_lines: String,
}

/// A stream with what went wrong in it.
pub(super) struct StreamRow {
    pub(super) stream: &'static str,
    pub(super) malformed: String,
    pub(super) dead_letters: String,
    pub(super) standing: String,
    pub(super) class: &'static str,
    pub(super) late: String,
    pub(super) failed: String,
}

/// Everything that a run says of what went wrong in it.
pub(super) fn section(result: &RunResult) -> TroubleSection {
    let mut section = TroubleSection {
        none: None,
        streams: Vec::new(),
        pairs: Vec::new(),
        garbage: Vec::new(),
        last_lines: result.subject_lines.join("\n"),
    };
    if let Some(troubles) = &result.troubles {
        let streams = troubles.streams.iter();
        section.streams = streams
            .filter(|(_, of)| !of.is_none())
            .map(|(stream, of)| row(*stream, of, troubles.partial))
            .collect();
        section.pairs = pairs(troubles);
        section.garbage.clone_from(&troubles.garbage_examples);
    }
    if result.troubles.as_ref().is_none_or(Troubles::is_none) && section.last_lines.is_empty() {
        section.none = Some(nothing(result.troubles.as_ref()));
    }
    section
}

/// That nothing went wrong, as far as anybody tells.
fn nothing(troubles: Option<&Troubles>) -> &'static str {
    match troubles {
        None => {
            "This result was made before errors were gathered; floodmark score gathers them from the record."
        }
        Some(told) if told.partial => {
            "Nothing is known to have gone wrong: no failed deliveries, and every record on the topics of alerts is an alert. A process of \
             the detector was killed and told nothing of itself."
        }
        Some(told) if told.dead_letters.is_some() => {
            "Nothing went wrong: no dead letters, no late events dropped, no failed deliveries, no restarts, no errors of sinks, \
             and every record on the topics of alerts is an alert."
        }
        Some(_) => {
            "Nothing is known to have gone wrong: no failed deliveries, and every record on the topics of alerts is an alert. This \
             detector does not tell of dead letters, late events and restarts."
        }
    }
}

fn row(stream: Stream, of: &StreamTroubles, is_partial: bool) -> StreamRow {
    let told = |n: Option<u64>| n.map_or_else(|| NOTHING.to_owned(), count);
    let malformed = of.n_malformed();
    let (standing, class) = match of.dead_letters {
        None => (NOTHING.to_owned(), ""),
        Some(0) if malformed == 0 => (String::new(), ""),
        Some(letters) => {
            let class = match letters.cmp(&malformed) {
                Ordering::Equal => "good",
                Ordering::Less if is_partial => "",
                Ordering::Less | Ordering::Greater => "warn",
            };
            (standing(malformed, letters, is_partial), class)
        }
    };
    StreamRow {
        stream: stream.name(),
        malformed: count(malformed),
        dead_letters: told(of.dead_letters),
        standing,
        class,
        late: told(of.late),
        failed: count(of.failed),
    }
}

/// What is not of one stream, and what is behind the figures of the streams.
fn pairs(troubles: &Troubles) -> Vec<Pair> {
    let mut malformed = BTreeMap::new();
    let mut failures = BTreeMap::new();
    for of in troubles.streams.values() {
        add(&mut malformed, &of.malformed);
        add(&mut failures, &of.failures);
    }
    let of_streams: u64 = troubles
        .streams
        .values()
        .filter_map(|of| of.dead_letters)
        .sum();
    let mut pairs = Vec::new();
    let mut put = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| Pair::new(name, value)));
    };
    put("Malformed, by what is wrong", listed(&malformed));
    let all = troubles.dead_letters.filter(|all| *all != of_streams);
    put("Dead letters of all streams", all.map(count));
    put("Failed deliveries, by the client’s code", listed(&failures));
    let counted = |n: u64| (n > 0).then(|| count(n));
    put("Restarts of the detector", counted(troubles.restarts));
    let failure = troubles.last_failure.as_deref();
    put("The last of them after", failure.map(sentence_of));
    put(
        "Commits refused, or transactions aborted",
        counted(troubles.refused_commits),
    );
    for (name, sink) in sinks(troubles) {
        put(&format!("Sink {name}"), Some(of_sink(sink)));
    }
    let ended = troubles.reading_ended.as_deref();
    put("Alerts were not read to the end", ended.map(sentence_of));
    put(
        "Records on the topics of alerts that are no alerts",
        counted(troubles.garbage),
    );
    pairs
}

fn add(sums: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (name, n) in more {
        *sums.entry(name.clone()).or_default() += n;
    }
}

/// Names with their counts, in a line; nothing where there are none.
fn listed(counts: &BTreeMap<String, u64>) -> Option<String> {
    let named = counts.iter().filter(|(_, n)| **n > 0);
    let words: Vec<String> = named
        .map(|(name, n)| format!("{name} {}", count(*n)))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}
