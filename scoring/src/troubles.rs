//! What went wrong in a run, gathered from what its parts say.

use std::collections::BTreeMap;

use floodmark_contracts::{
    record::{RunRecord, StreamFacts},
    stream::Stream,
    subject::SubjectFacts,
    trouble::{StreamTroubles, Troubles},
};

/// Gathers what generator, subject and collector say.
pub(crate) fn collect(record: &RunRecord) -> Troubles {
    let subject = &record.subject_facts;
    let collector = &record.collector;
    let of =
        |(stream, facts): (&Stream, &StreamFacts)| (*stream, of_stream(*stream, facts, subject));
    Troubles {
        streams: record.generator.iter().map(of).collect::<BTreeMap<_, _>>(),
        dead_letters: tells(subject).then_some(subject.dead_letters),
        garbage: collector.garbage,
        garbage_examples: collector.garbage_examples.clone(),
        reading_ended: collector.failure.clone(),
        restarts: subject.restarts,
        last_failure: subject.last_failure.clone(),
        refused_commits: subject.refused_commits,
        sinks: subject.sinks.clone(),
        partial: subject.partial,
    }
}

fn of_stream(stream: Stream, facts: &StreamFacts, subject: &SubjectFacts) -> StreamTroubles {
    StreamTroubles {
        malformed: facts.extras.malformed.clone(),
        dead_letters: subject.unreadable.get(&stream).copied(),
        late: subject.late.get(&stream).copied(),
        failed: facts.failed,
        failures: facts.failures.clone(),
    }
}

/// Whether the subject tells more of itself than its offsets do. One that tells counts late events of every stream, if only
/// as none.
fn tells(subject: &SubjectFacts) -> bool {
    !subject.late.is_empty() || subject.dead_letters > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Run;

    #[test]
    fn what_a_subject_does_not_tell_is_undefined_and_not_none() {
        let mut run = Run::new();
        let found = collect(&run.record);
        let stream = &found.streams[&Stream::Sensors];
        assert_eq!((found.dead_letters, stream.dead_letters), (None, None));
        assert_eq!(stream.late, None);
        run.record.subject_facts.late.insert(Stream::Sensors, 0);
        run.record
            .subject_facts
            .unreadable
            .insert(Stream::Sensors, 0);
        let found = collect(&run.record);
        let stream = &found.streams[&Stream::Sensors];
        assert_eq!(
            (found.dead_letters, stream.dead_letters),
            (Some(0), Some(0))
        );
        assert!(found.is_none());
    }

    #[test]
    fn every_part_of_a_run_says_what_went_wrong_in_it() {
        let mut run = Run::new();
        let facts = run.record.generator.get_mut(&Stream::Sensors).unwrap();
        facts.extras.malformed = BTreeMap::from([("bad-json".to_owned(), 4)]);
        facts.failed = 2;
        facts.failures = BTreeMap::from([("MessageTimedOut".to_owned(), 2)]);
        let subject = &mut run.record.subject_facts;
        subject.late.insert(Stream::Sensors, 5);
        subject.unreadable.insert(Stream::Sensors, 3);
        (subject.dead_letters, subject.restarts) = (3, 1);
        run.record.collector.garbage = 1;
        run.record.collector.garbage_examples = vec!["anomalies[0] offset 3: no".to_owned()];
        let found = collect(&run.record);
        assert!(!found.is_none());
        let stream = &found.streams[&Stream::Sensors];
        assert_eq!((stream.n_malformed(), stream.failed), (4, 2));
        assert_eq!((stream.dead_letters, stream.late), (Some(3), Some(5)));
        assert_eq!((found.dead_letters, found.restarts), (Some(3), 1));
        assert_eq!(found.garbage_examples.len(), 1);
    }
}
