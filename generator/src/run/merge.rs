//! Figures of several workers put together: sums are added, histograms merged, digests added up.

use std::collections::BTreeMap;

use super::{
    GenerateError,
    board::{DueSent, windows},
};
use floodmark_contracts::{
    record::{GeneratorFacts, SeriesRow, StreamFacts},
    stream::Stream,
};

/// The figures and rows of several workers of one run as if one had sent everything; none without workers.
///
/// # Errors
/// If a histogram cannot be read or a digest is none.
pub fn merge(
    workers: Vec<(GeneratorFacts, Vec<SeriesRow>)>,
) -> Result<Option<(GeneratorFacts, Vec<SeriesRow>)>, GenerateError> {
    let mut rows: BTreeMap<(i64, Option<Stream>, String), f64> = BTreeMap::new();
    let mut merged: Option<GeneratorFacts> = None;
    for (facts, more_rows) in workers {
        for row in more_rows {
            // A lateness is the worst of all; everything else is a number of events.
            let is_maximum = row.metric == "send_lateness_max_us";
            let value = rows.entry((row.t, row.stream, row.metric)).or_default();
            *value = if is_maximum {
                value.max(row.value)
            } else {
                *value + row.value
            };
        }
        match &mut merged {
            None => merged = Some(facts),
            Some(merged) => {
                merged.interrupted |= facts.interrupted;
                merged.started_at = merged.started_at.min(facts.started_at);
                merged.scored.until = merged.scored.until.min(facts.scored.until);
                for (stream, more) in facts.streams {
                    let into = merged.streams.entry(stream).or_default();
                    merge_stream(into, more)?;
                }
            }
        }
    }
    let Some(mut merged) = merged else {
        return Ok(None);
    };
    let rows: Vec<SeriesRow> = rows
        .into_iter()
        .map(|((t, stream, metric), value)| SeriesRow {
            t,
            metric,
            stream,
            value,
            ..SeriesRow::default()
        })
        .collect();
    for (stream, facts) in &mut merged.streams {
        facts.rate = windows(&due_and_sent(*stream, &rows));
    }
    Ok(Some((merged, rows)))
}

/// Adds one worker's figures of a stream to those of others. The windows of the rate are left alone: they
/// come from the rows.
pub(super) fn merge_stream(into: &mut StreamFacts, more: StreamFacts) -> Result<(), GenerateError> {
    if into.topics.is_empty() {
        into.topics = more.topics;
    }
    into.due += more.due;
    into.sent += more.sent;
    into.acknowledged += more.acknowledged;
    into.failed += more.failed;
    for (code, count) in more.failures {
        *into.failures.entry(code).or_default() += count;
    }
    into.queue_full += more.queue_full;
    into.retries += more.retries;
    into.throttles += more.throttles;
    into.throttled_ms += more.throttled_ms;
    into.bytes += more.bytes;
    into.closing += more.closing;
    into.silent += more.silent;
    into.extras.copies += more.extras.copies;
    into.extras.new_ids += more.extras.new_ids;
    for (kind, count) in more.extras.malformed {
        *into.extras.malformed.entry(kind).or_default() += count;
    }
    let disorder = &mut into.disorder;
    disorder.disordered += more.disorder.disordered;
    disorder.late += more.disorder.late;
    disorder.offline += more.disorder.offline;
    disorder.max_delay_ms = disorder.max_delay_ms.max(more.disorder.max_delay_ms);
    for (into, more) in [
        (&mut into.send_lateness, &more.send_lateness),
        (&mut into.acknowledge_latency, &more.acknowledge_latency),
        (&mut into.due_to_acknowledged, &more.due_to_acknowledged),
        (&mut into.disorder.delay, &more.disorder.delay),
        (&mut into.disorder.behind, &more.disorder.behind),
    ] {
        into.merge(more)?;
    }
    into.lateness_by_due.merge(more.lateness_by_due);
    into.fingerprint = sum_of_digests(&into.fingerprint, &more.fingerprint)?;
    Ok(())
}

/// The digest of the events of both; an empty text is the digest of none.
fn sum_of_digests(one: &str, other: &str) -> Result<String, GenerateError> {
    let read = |text: &str| match text {
        "" => Ok(0),
        text => u128::from_str_radix(text, 16).map_err(|_| GenerateError::Digest {
            found: text.to_owned(),
        }),
    };
    Ok(format!("{:032x}", read(one)?.wrapping_add(read(other)?)))
}

/// What was due and sent in each second of a stream.
fn due_and_sent(stream: Stream, rows: &[SeriesRow]) -> Vec<DueSent> {
    let mut seconds = Vec::new();
    for row in rows.iter().filter(|row| row.stream == Some(stream)) {
        let Ok(index) = usize::try_from(row.t - 1) else {
            continue;
        };
        if index >= seconds.len() {
            seconds.resize(index + 1, DueSent::default());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "numbers of events"
        )]
        match row.metric.as_str() {
            "due" => seconds[index].due = row.value as u64,
            "sent" => seconds[index].sent = row.value as u64,
            _ => {}
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{
        clock::{EventTime, WallTime},
        histogram::EncodedHistogram,
        record::EventSpan,
    };
    use hdrhistogram::Histogram;

    use super::*;

    fn histogram(values: &[u64]) -> EncodedHistogram {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for value in values {
            histogram.record(*value).unwrap();
        }
        EncodedHistogram::of(&histogram).unwrap()
    }

    fn worker(
        due: &[u64],
        sent: &[u64],
        late: u64,
        digest: &str,
    ) -> (GeneratorFacts, Vec<SeriesRow>) {
        let facts = StreamFacts {
            topics: vec!["t".to_owned()],
            due: due.iter().sum(),
            sent: sent.iter().sum(),
            send_lateness: histogram(&[late]),
            fingerprint: digest.to_owned(),
            ..StreamFacts::default()
        };
        let mut rows = Vec::new();
        for (t, (due, sent)) in (1..).zip(due.iter().zip(sent)) {
            for (metric, value) in [
                ("due", *due as f64),
                ("sent", *sent as f64),
                ("send_lateness_max_us", late as f64),
            ] {
                rows.push(SeriesRow {
                    t,
                    metric: metric.to_owned(),
                    stream: Some(Stream::Sensors),
                    value,
                    ..SeriesRow::default()
                });
            }
        }
        let facts = GeneratorFacts {
            started_at: WallTime(7),
            streams: BTreeMap::from([(Stream::Sensors, facts)]),
            interrupted: false,
            scored: EventSpan {
                from: EventTime(0),
                until: EventTime(9),
            },
        };
        (facts, rows)
    }

    #[test]
    fn workers_add_up_and_their_histograms_merge() {
        let one = worker(&[10, 10], &[10, 8], 100, &format!("{:032x}", u128::MAX));
        let other = worker(&[20, 0, 5], &[20, 0, 5], 900, &format!("{:032x}", 3));
        let (facts, rows) = merge(vec![one, other]).unwrap().unwrap();
        let found = &facts.streams[&Stream::Sensors];
        assert_eq!((found.due, found.sent), (45, 43));
        // Digests add up modulo 2^128.
        assert_eq!(found.fingerprint, format!("{:032x}", 2));
        let lateness = found.send_lateness.decoded().unwrap();
        assert_eq!(
            (lateness.len(), lateness.min(), lateness.max()),
            (2, 100, 900)
        );
        let value = |t: i64, metric: &str| {
            rows.iter()
                .find(|row| row.t == t && row.metric == metric)
                .map(|row| row.value)
        };
        assert_eq!(value(1, "due"), Some(30.0));
        assert_eq!(value(2, "send_lateness_max_us"), Some(900.0));
        assert_eq!(found.rate.len(), 1);
        assert_eq!(
            (found.rate[0].to, found.rate[0].due, found.rate[0].unsent),
            (3, 45, 2)
        );
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let broken = worker(&[1], &[1], 1, "not hexadecimal");
        let error = merge(vec![worker(&[1], &[1], 1, ""), broken]).unwrap_err();
        assert!(error.to_string().contains("`not hexadecimal`"), "{error}");
        assert!(merge(Vec::new()).unwrap().is_none());
    }
}
