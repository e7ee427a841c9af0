//! Latency distributions: decoding what the generator recorded, measuring alerts, summing up.
//!
//! Histograms are merged, percentiles never averaged. A tail percentile without enough values behind
//! it is withheld rather than reported as noise.

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::{RunMicros, Timeline, WallTime},
    histogram::{EncodedHistogram, HistogramError, add, empty, record},
    label::Label,
    record::{RunRecord, StreamFacts},
    result::LatencySummary,
};
use hdrhistogram::Histogram;

use crate::matching::{Fate, Matching};

/// The percentiles of a summary, with the number of values below which each is withheld.
pub const PERCENTILES: [(&str, f64, u64); 4] = [
    ("p50", 0.5, 1),
    ("p90", 0.9, 10),
    ("p99", 0.99, 100),
    ("p99.9", 0.999, 10_000),
];

/// The latencies of a run, in the order in which reports show them, with what each measures.
pub const LATENCIES: [(&str, &str); 7] = [
    (
        "send_lateness",
        "from an event's due time to its hand-over to the client library",
    ),
    (
        "acknowledge",
        "from an event's hand-over to the client library to the broker's acknowledgement",
    ),
    (
        "due_to_acknowledged",
        "from an event's due time to the broker's acknowledgement",
    ),
    (
        "due_to_consumed",
        "from an event's due time, in whole milliseconds, until the subject had it, where the subject tells",
    ),
    (
        "alert",
        "from the wall instant at which event time reaches the alert's end to the broker's append \
         time of the alert: the delay by disorder and the wait for the watermark are in it, the \
         window's own length is not",
    ),
    (
        "alert_from_hand_over",
        "the same as for alerts, less the lateness with which the generator handed over the events that were due then",
    ),
    (
        "detect",
        "from the intended send time of an incident's first affected event to the broker's append \
         time of the first alert that detects it: the window's own length is in it",
    ),
];

/// Every latency distribution of a run, in microseconds, by the names of [`LATENCIES`].
///
/// # Errors
/// [`HistogramError`] if one of the generator's cannot be read.
pub(crate) fn measure(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
    matching: &Matching,
) -> Result<BTreeMap<String, Histogram<u64>>, HistogramError> {
    Ok(BTreeMap::from([
        (
            "send_lateness".to_owned(),
            merge(record, |facts| &facts.send_lateness)?,
        ),
        (
            "acknowledge".to_owned(),
            merge(record, |facts| &facts.acknowledge_latency)?,
        ),
        (
            "due_to_acknowledged".to_owned(),
            merge(record, |facts| &facts.due_to_acknowledged)?,
        ),
        (
            "due_to_consumed".to_owned(),
            record.subject_facts.due_to_consumed.decoded()?,
        ),
        (
            "alert".to_owned(),
            alert_latency(record, alerts, matching, |_| 0)?,
        ),
        (
            "alert_from_hand_over".to_owned(),
            alert_latency(record, alerts, matching, |due| lateness_at(record, due))?,
        ),
        (
            "detect".to_owned(),
            detect_latency(record.started_at, labels, alerts, matching)?,
        ),
    ]))
}

/// The summary of each distribution, by the names of [`LATENCIES`].
pub(crate) fn summaries(
    histograms: &BTreeMap<String, Histogram<u64>>,
) -> BTreeMap<String, LatencySummary> {
    LATENCIES
        .into_iter()
        .filter_map(|(name, meaning)| {
            let summary = summarise(histograms.get(name)?, meaning);
            Some((name.to_owned(), summary))
        })
        .collect()
}

/// Sums up one distribution.
pub(crate) fn summarise(histogram: &Histogram<u64>, meaning: &str) -> LatencySummary {
    let count = histogram.len();
    let mut percentiles: BTreeMap<String, u64> = PERCENTILES
        .into_iter()
        .filter(|(_, _, needed)| count >= *needed)
        .map(|(name, q, _)| (name.to_owned(), at(histogram, q)))
        .collect();
    if count > 0 {
        percentiles.insert("max".to_owned(), histogram.max());
    }
    LatencySummary {
        count,
        min_us: (count > 0).then(|| histogram.min()),
        mean_us: (count > 0).then(|| histogram.mean()),
        percentiles,
        curve: curve(histogram),
        meaning: meaning.to_owned(),
    }
}

/// Points of the percentile curve: even steps to the 90th percentile, then eight steps to each
/// further nine, as far as there are values behind them.
fn curve(histogram: &Histogram<u64>) -> Vec<[f64; 2]> {
    let count = histogram.len() as f64;
    let body = (0..18).map(|step| f64::from(step) * 0.05);
    let tail = (8..=40).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 8.0));
    body.chain(tail)
        .take_while(|q| {
            let beyond = count * (1.0 - q);
            // The slack keeps a hundred values from missing their 99th percentile by rounding.
            beyond + 1e-6 >= if *q > 0.99 { 10.0 } else { 1.0 }
        })
        .map(|q| [q * 100.0, at(histogram, q) as f64])
        .collect()
}

/// The value at a quantile. The library gives the upper end of a bucket, which may pass the maximum.
fn at(histogram: &Histogram<u64>, q: f64) -> u64 {
    histogram.value_at_quantile(q).min(histogram.max())
}

fn merge(
    record: &RunRecord,
    pick: fn(&StreamFacts) -> &EncodedHistogram,
) -> Result<Histogram<u64>, HistogramError> {
    let mut sum = empty()?;
    for facts in record.generator.values() {
        add(&mut sum, &pick(facts).decoded()?)?;
    }
    Ok(sum)
}

fn alert_latency(
    record: &RunRecord,
    alerts: &[CollectedAlert],
    matching: &Matching,
    not_counted_us: impl Fn(RunMicros) -> i64,
) -> Result<Histogram<u64>, HistogramError> {
    let mut histogram = empty()?;
    for (collected, fate) in alerts.iter().zip(&matching.alerts) {
        if matches!(fate, Fate::True | Fate::False | Fate::Ignored) {
            let due = record.timeline.run_micros(collected.alert.end);
            let latency = since_end(&record.timeline, record.started_at, collected);
            record_us(&mut histogram, latency - not_counted_us(due))?;
        }
    }
    Ok(histogram)
}

/// How late the generator was with what was due at an instant, microseconds. Which stream an alert rests on is not always
/// known; the worst of them stands.
pub(crate) fn lateness_at(record: &RunRecord, due: RunMicros) -> i64 {
    let streams = record.generator.values();
    streams
        .map(|facts| facts.lateness_by_due.at(due.0))
        .max()
        .unwrap_or(0)
}

/// Append time less the wall instant at which event time reaches the alert's end, microseconds;
/// negative for an alert that came before its own end.
pub(crate) fn since_end(timeline: &Timeline, start: WallTime, alert: &CollectedAlert) -> i64 {
    let due = start.at(timeline.run_micros(alert.alert.end));
    alert.appended_at.0.saturating_sub(due.0)
}

fn detect_latency(
    start: WallTime,
    labels: &[Label],
    alerts: &[CollectedAlert],
    matching: &Matching,
) -> Result<Histogram<u64>, HistogramError> {
    let mut histogram = empty()?;
    for pairs in matching.pairs.chunk_by(|a, b| a.label == b.label) {
        let first = pairs
            .iter()
            .map(|pair| alerts[pair.alert as usize].appended_at)
            .min();
        if let Some(first) = first {
            let sent = start.at(labels[pairs[0].label as usize].first_sent);
            record_us(&mut histogram, first.0.saturating_sub(sent.0))?;
        }
    }
    Ok(histogram)
}

/// How far an append time may lie before its cause for no other reason than that it is cut to whole milliseconds.
pub(crate) const RESOLUTION_US: i64 = 1_000;

/// What is said of alert latencies that are negative beyond the append time's resolution: they stand as 0 in the figures,
/// and nobody should have to guess how many there are.
pub(crate) fn negative_warning(
    record: &RunRecord,
    alerts: &[CollectedAlert],
    matching: &Matching,
) -> Option<String> {
    let counted = alerts
        .iter()
        .zip(&matching.alerts)
        .filter(|(_, fate)| matches!(fate, Fate::True | Fate::False | Fate::Ignored));
    let latencies = counted.map(|(alert, _)| since_end(&record.timeline, record.started_at, alert));
    let negative: Vec<i64> = latencies.filter(|us| *us < -RESOLUTION_US).collect();
    let worst = negative.iter().min()?;
    Some(format!(
        "{} alerts came before the end that they name, by up to {:.1} ms, and count as 0 in `latency.alert`: the detector says \
         an end that had not come, or clocks disagree",
        negative.len(),
        -*worst as f64 / 1000.0
    ))
}

/// Counts a latency; the append time is whole milliseconds, so it may lie a little before its cause.
fn record_us(histogram: &mut Histogram<u64>, latency: i64) -> Result<(), HistogramError> {
    record(histogram, u64::try_from(latency).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = empty().unwrap();
        for value in values {
            histogram.record(value).unwrap();
        }
        histogram
    }

    #[test]
    fn tail_percentiles_are_withheld_until_there_are_values_behind_them() {
        for (count, expected) in [
            (0, &[][..]),
            (9, &["max", "p50"]),
            (99, &["max", "p50", "p90"]),
            (100, &["max", "p50", "p90", "p99"]),
            (10_000, &["max", "p50", "p90", "p99", "p99.9"]),
        ] {
            let summary = summarise(&of(1..=count), "");
            let names: Vec<&str> = summary.percentiles.keys().map(String::as_str).collect();
            assert_eq!(names, expected, "{count} values");
        }
    }

    #[test]
    fn the_curve_rises_and_ends_where_values_run_out() {
        let summary = summarise(&of(1..=100), "");
        assert!(
            summary
                .curve
                .is_sorted_by(|a, b| a[0] < b[0] && a[1] <= b[1])
        );
        let last = summary.curve.last().unwrap();
        assert!((last[0] - 99.0).abs() < 1e-9, "{last:?}");
        assert!(summarise(&of([]), "").curve.is_empty());
    }
}
