//! Rates of the streams.
//!
//! All are counts over the time in which events were due: the plan's duration, or what of it had
//! passed when a signal cut the run short. Whether events were sent *when* they were due is what
//! `latency.send_lateness` says.

use std::collections::BTreeMap;

use floodmark_contracts::{
    record::RunRecord, result::Throughput, stream::Stream, units::parse_duration,
};

/// Rates per stream; zero for a run in which no time passed.
pub(crate) fn per_stream(record: &RunRecord, seconds: f64) -> BTreeMap<Stream, Throughput> {
    let rate = |count: u64| {
        if seconds > 0.0 {
            count as f64 / seconds
        } else {
            0.0
        }
    };
    record
        .generator
        .iter()
        .map(|(stream, facts)| {
            let rates = Throughput {
                offered: rate(facts.due),
                sent: rate(facts.sent),
                acknowledged: rate(facts.acknowledged),
                consumed: consumed(record, *stream).map(rate),
            };
            (*stream, rates)
        })
        .collect()
}

/// Events of a stream that the subject consumed, where it tells.
///
/// Its count may hold the events that only close the last windows. They come last, so it is cut at
/// what was sent before them.
pub(crate) fn consumed(record: &RunRecord, stream: Stream) -> Option<u64> {
    let sent = record.generator.get(&stream)?.sent;
    Some(
        record
            .subject_facts
            .consumed
            .get(&stream)
            .copied()?
            .min(sent),
    )
}

/// Rates over all streams. What is consumed is undefined if it is for any stream.
pub(crate) fn total(per_stream: &BTreeMap<Stream, Throughput>) -> Throughput {
    // The sum over nothing is -0 in floating point, which would be written out as such.
    let sum = |pick: fn(&Throughput) -> f64| per_stream.values().map(pick).fold(0.0, |a, b| a + b);
    let told: Option<Vec<f64>> = per_stream.values().map(|rates| rates.consumed).collect();
    Throughput {
        offered: sum(|rates| rates.offered),
        sent: sum(|rates| rates.sent),
        acknowledged: sum(|rates| rates.acknowledged),
        consumed: told
            .filter(|told| !told.is_empty())
            .map(|told| told.iter().sum()),
    }
}

/// Seconds of wall time in which events were due; `None` if the plan's duration cannot be read.
pub(crate) fn due_seconds(record: &RunRecord) -> Option<f64> {
    let planned = parse_duration(&record.plan.duration).ok()?.as_secs_f64();
    let generated = record.phases.iter().find(|phase| phase.name == "generate");
    Some(match generated.filter(|_| record.interrupted) {
        Some(phase) => (phase.to.0.max(0) as f64 / 1e6).min(planned),
        None => planned,
    })
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::RunMicros;

    use super::*;
    use crate::support::Run;

    #[test]
    fn closing_events_are_not_part_of_what_is_consumed() {
        let mut run = Run::new();
        run.record
            .subject_facts
            .consumed
            .insert(Stream::Sensors, 2_500);
        assert_eq!(consumed(&run.record, Stream::Sensors), Some(2_000));
        assert_eq!(consumed(&run.record, Stream::Banking), None);
    }

    #[test]
    fn a_run_cut_short_is_rated_over_the_time_that_it_had() {
        let mut run = Run::new();
        assert_eq!(due_seconds(&run.record), Some(20.0));
        run.record.interrupted = true;
        run.record.phases[1].to = RunMicros(5_000_000);
        assert_eq!(due_seconds(&run.record), Some(5.0));
    }

    #[test]
    fn the_total_consumed_is_undefined_where_one_stream_does_not_tell() {
        let told = Throughput {
            consumed: Some(5.0),
            ..Throughput::default()
        };
        let both = BTreeMap::from([(Stream::Sensors, told), (Stream::Banking, told)]);
        assert_eq!(total(&both).consumed, Some(10.0));
        let one = BTreeMap::from([
            (Stream::Sensors, told),
            (Stream::Banking, Throughput::default()),
        ]);
        assert_eq!(total(&one).consumed, None);
        let nothing = total(&BTreeMap::new());
        assert_eq!(nothing.consumed, None);
        assert!(nothing.offered.is_sign_positive(), "{nothing:?}");
    }
}
