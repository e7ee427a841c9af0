//! Whether the broker took the load as it came.

use std::collections::BTreeMap;

use floodmark_contracts::{
    record::{SeriesRow, StreamFacts},
    result::{ValidityReason, ValidityStatus},
    stream::Stream,
};

use super::reason;

/// Share of the run that a broker may hold clients back before the figures are its quota's.
const THROTTLED_SHARE: f64 = 0.1;

/// What speaks against the figures on the broker's side of the load.
pub(super) fn judge(
    generator: &BTreeMap<Stream, StreamFacts>,
    series: &[SeriesRow],
) -> Vec<ValidityReason> {
    let mut reasons = Vec::new();
    for (stream, facts) in generator {
        reasons.extend(producer_queue_full(*stream, facts, series));
        reasons.extend(broker_throttled(*stream, facts, series));
    }
    reasons
}

/// The client had no room for an event: the broker took fewer than were due, and what came then was sent in
/// a burst. The lateness of it has its own code, with its own weight.
fn producer_queue_full(
    stream: Stream,
    facts: &StreamFacts,
    series: &[SeriesRow],
) -> Option<ValidityReason> {
    if facts.queue_full == 0 {
        return None;
    }
    let mut found = reason(
        "producer-queue-full",
        ValidityStatus::Degraded,
        format!(
            "{stream}: {} times the client had no room for an event, because the broker took them more slowly \
             than they were due; lower `rate`, use more partitions, or raise \
             `client.queue.buffering.max.kbytes`",
            facts.queue_full
        ),
    );
    let full = |row: &&SeriesRow| {
        row.metric == "queue_full" && row.stream == Some(stream) && row.value > 0.0
    };
    found.seconds = series.iter().filter(full).map(|row| row.t).collect();
    Some(found)
}

/// A quota held the load back: what is measured is the quota.
fn broker_throttled(
    stream: Stream,
    facts: &StreamFacts,
    series: &[SeriesRow],
) -> Option<ValidityReason> {
    if facts.throttles == 0 {
        return None;
    }
    let due = |row: &&SeriesRow| row.metric == "due" && row.stream == Some(stream);
    let seconds = series.iter().filter(due).count().max(1);
    let throttled_s = facts.throttled_ms as f64 / 1000.0;
    let status = if throttled_s > THROTTLED_SHARE * seconds as f64 {
        ValidityStatus::Invalid
    } else {
        ValidityStatus::Degraded
    };
    Some(reason(
        "broker-throttled",
        status,
        format!(
            "{stream}: the broker held the client back {} times, for {throttled_s:.1} s of {seconds} s in all \
             (at most a tenth is tolerated); raise or remove its quotas, or lower `rate`",
            facts.throttles
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facts: StreamFacts, expected: &str) {
        let row = |t, metric: &str, value| SeriesRow {
            t,
            metric: metric.to_owned(),
            stream: Some(Stream::Banking),
            value,
            ..SeriesRow::default()
        };
        let mut series: Vec<SeriesRow> = (1..=20).map(|t| row(t, "due", 100.0)).collect();
        series.extend([row(3, "queue_full", 0.0), row(4, "queue_full", 7.0)]);
        let generator = BTreeMap::from([(Stream::Banking, facts)]);
        let found: Vec<String> = judge(&generator, &series)
            .iter()
            .map(|r| format!("{:?} {}{:?}", r.status, r.code, r.seconds))
            .collect();
        assert_eq!(found.join(", "), expected);
    }

    #[test]
    fn a_client_without_room_degrades_the_run_in_its_seconds() {
        let queue_full = 7;
        let facts = StreamFacts {
            queue_full,
            ..StreamFacts::default()
        };
        check(facts, "Degraded producer-queue-full[4]");
        check(StreamFacts::default(), "");
    }

    #[test]
    fn a_quota_that_holds_clients_back_weighs_by_how_long() {
        let held_back = |throttled_ms| StreamFacts {
            throttles: 2,
            throttled_ms,
            ..StreamFacts::default()
        };
        check(held_back(2_000), "Degraded broker-throttled[]");
        check(held_back(2_100), "Invalid broker-throttled[]");
    }
}
