//! Whether the load was what was asked for.
//!
//! An event counts as unsent in ten seconds if it was due before their end and not handed over at their
//! end. The schedule itself is what sent is held against, so that a Poisson process is not blamed for its
//! own chance, and what comes late is not forgiven because it comes after all.

use std::collections::BTreeMap;

use floodmark_contracts::{
    record::{RateWindow, SeriesRow, StreamFacts},
    result::{Validity, ValidityReason, ValidityStatus},
    stream::Stream,
};

use super::{percentile, reason, verdict};

/// Share of the due events that may be missing before a run is invalid.
const TOLERATED_LOSS: f64 = 0.001;

/// Unsent events that say nothing: one that falls due just before the end of ten seconds is sent just
/// after it by any sender.
const UNAVOIDABLE: u64 = 1;

/// Send lateness (p99) from which a run is degraded, in microseconds. The bare timer of an ordinary
/// shared machine reaches this on its own.
const DEGRADED_LATENESS_US: u64 = 2_000;

/// Send lateness (p99) above which a run is invalid, in microseconds, unless the latencies that it reports
/// are much longer.
const INVALID_LATENESS_US: u64 = 10_000;

/// Share of the latency reported that the generator's own lateness may make up.
const TOLERATED_SHARE: f64 = 0.1;

/// Judges the load alone: what `generate` by itself can tell. `reported_p99_us` is the latency that the
/// run reports, where it has one.
#[must_use]
pub fn judge_load(
    generator: &BTreeMap<Stream, StreamFacts>,
    series: &[SeriesRow],
    reported_p99_us: Option<u64>,
) -> Validity {
    let mut reasons = Vec::new();
    for (stream, facts) in generator {
        let judged = Judged {
            stream: *stream,
            facts,
            series,
        };
        reasons.extend(judged.rate_error());
        reasons.extend(judged.never_sent());
        reasons.extend(judged.not_acknowledged());
        reasons.extend(judged.lateness(reported_p99_us));
    }
    verdict(reasons)
}

/// One stream of the load.
struct Judged<'a> {
    stream: Stream,
    facts: &'a StreamFacts,
    series: &'a [SeriesRow],
}

impl Judged<'_> {
    fn rate_error(&self) -> Option<ValidityReason> {
        let short: Vec<&RateWindow> = self.facts.rate.iter().filter(|w| is_short(w)).collect();
        let worst = short.iter().max_by(|a, b| {
            a.error()
                .unwrap_or(0.0)
                .total_cmp(&b.error().unwrap_or(0.0))
        })?;
        let mut found = reason(
            "rate-error",
            ValidityStatus::Invalid,
            format!(
                "{}: of {} events due from {} s to {} s, {} were not sent at their end ({:.1} %, at most 0.1 % is \
                 tolerated); lower the rate, or free the processors",
                self.stream,
                worst.due,
                worst.from,
                worst.to,
                worst.unsent,
                100.0 * worst.error().unwrap_or(0.0)
            ),
        );
        found.seconds = self
            .backlogged_seconds()
            .into_iter()
            .filter(|t| short.iter().any(|w| (w.from..w.to).contains(&(t - 1))))
            .collect();
        Some(found)
    }

    fn never_sent(&self) -> Option<ValidityReason> {
        let unsent = self.facts.due.saturating_sub(self.facts.sent);
        (self.share(unsent) > TOLERATED_LOSS).then(|| {
            reason(
                "generator-short",
                ValidityStatus::Invalid,
                format!(
                    "{}: {unsent} of {} due events were not sent; lower `rate`",
                    self.stream, self.facts.due
                ),
            )
        })
    }

    fn not_acknowledged(&self) -> Option<ValidityReason> {
        let missing = self.facts.sent.saturating_sub(self.facts.acknowledged);
        (self.share(missing) > TOLERATED_LOSS).then(|| {
            reason(
                "events-not-acknowledged",
                ValidityStatus::Invalid,
                format!(
                    "{}: {missing} of {} sent events were not acknowledged by the broker",
                    self.stream, self.facts.sent
                ),
            )
        })
    }

    fn lateness(&self, reported_p99_us: Option<u64>) -> Option<ValidityReason> {
        let p99 = percentile(&self.facts.send_lateness, 0.99)?;
        let reported = reported_p99_us.map_or(0.0, |p99| p99 as f64 * TOLERATED_SHARE);
        let limit = reported.max(INVALID_LATENESS_US as f64);
        let status = match p99 {
            late if late as f64 > limit => ValidityStatus::Invalid,
            late if late > DEGRADED_LATENESS_US => ValidityStatus::Degraded,
            _ => return None,
        };
        let mut found = reason(
            "generator-late",
            status,
            format!(
                "{}: 1 % of the events were handed over {:.1} ms or more after they were due (at most {:.0} ms is \
                 tolerated here, up to 2 ms is good); lower `rate`, or free the processors",
                self.stream,
                p99 as f64 / 1000.0,
                limit / 1000.0
            ),
        );
        let bound = match status {
            ValidityStatus::Invalid => limit,
            _ => DEGRADED_LATENESS_US as f64,
        };
        let mut seconds = self.seconds("send_lateness_max_us", |_, late| late > bound);
        seconds.extend(self.backlogged_seconds());
        seconds.sort_unstable();
        seconds.dedup();
        found.seconds = seconds;
        Some(found)
    }

    fn share(&self, missing: u64) -> f64 {
        missing as f64 / self.facts.due.max(1) as f64
    }

    /// The seconds at whose end too many events were due and unsent: those in which nothing was sent are
    /// among them, which no lateness tells of.
    fn backlogged_seconds(&self) -> Vec<i64> {
        let due: BTreeMap<i64, f64> = self.rows("due").map(|row| (row.t, row.value)).collect();
        self.seconds("unsent", |t, unsent| {
            // A hundredth of a second's events: a tenth of a percent of ten seconds'.
            let due = due.get(&t).copied().unwrap_or(0.0);
            unsent > UNAVOIDABLE as f64 && unsent > 10.0 * TOLERATED_LOSS * due
        })
    }

    fn seconds(&self, metric: &str, is_bad: impl Fn(i64, f64) -> bool) -> Vec<i64> {
        self.rows(metric)
            .filter(|row| is_bad(row.t, row.value))
            .map(|row| row.t)
            .collect()
    }

    fn rows(&self, metric: &str) -> impl Iterator<Item = &SeriesRow> {
        self.series
            .iter()
            .filter(move |row| row.metric == metric && row.stream == Some(self.stream))
    }
}

fn is_short(window: &RateWindow) -> bool {
    window.unsent > UNAVOIDABLE && window.error().is_some_and(|error| error > TOLERATED_LOSS)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::lateness, *};

    /// A stream of 100 events a second, with what was sent in each second.
    fn stream(sent: &[u64], lateness_us: u64) -> (StreamFacts, Vec<SeriesRow>) {
        let (mut rows, mut backlog, mut rate) = (Vec::new(), 0, Vec::new());
        for (t, sent) in (1..).zip(sent) {
            backlog += 100 - i64::try_from(*sent).unwrap();
            for (metric, value) in [("due", 100.0), ("unsent", backlog as f64)] {
                rows.push(SeriesRow {
                    t,
                    metric: metric.to_owned(),
                    stream: Some(Stream::Sensors),
                    value,
                    ..SeriesRow::default()
                });
            }
            if t % 10 == 0 {
                rate.push(RateWindow {
                    from: t - 10,
                    to: t,
                    due: 1000,
                    sent: 1000,
                    unsent: backlog.unsigned_abs(),
                });
            }
        }
        let due = 100 * sent.len() as u64;
        let facts = StreamFacts {
            due,
            sent: due,
            acknowledged: due,
            rate,
            send_lateness: lateness(lateness_us),
            ..StreamFacts::default()
        };
        (facts, rows)
    }

    fn check(sent: &[u64], lateness_us: u64, reported_p99_us: Option<u64>, expected: &str) {
        let (facts, rows) = stream(sent, lateness_us);
        let generator = BTreeMap::from([(Stream::Sensors, facts)]);
        let validity = judge_load(&generator, &rows, reported_p99_us);
        let codes: Vec<String> = validity
            .reasons
            .iter()
            .map(|r| format!("{}{:?}", r.code, r.seconds))
            .collect();
        assert_eq!(
            format!("{:?} {}", validity.status, codes.join(" ")),
            expected
        );
    }

    #[test]
    fn a_load_as_asked_for_is_valid() {
        check(&[100; 20], 300, None, "Valid ");
        // One event in flight at the end of ten seconds is nobody's fault.
        let mut one_late = [100; 20];
        (one_late[9], one_late[10]) = (99, 101);
        check(&one_late, 300, None, "Valid ");
    }

    #[test]
    fn more_than_a_thousandth_unsent_after_ten_seconds_is_invalid_with_its_seconds() {
        let mut sent = [100; 20];
        (sent[8], sent[9], sent[10]) = (95, 0, 205);
        check(&sent, 300, None, "Invalid rate-error[9, 10]");
        // Made good within the ten seconds: no rate error, and the lateness tells of it.
        let mut sent = [100; 20];
        (sent[3], sent[4], sent[5]) = (0, 0, 300);
        check(&sent, 50_000, None, "Invalid generator-late[4, 5]");
    }

    #[test]
    fn lateness_weighs_against_the_latency_that_is_reported() {
        let steady = [100; 10];
        check(&steady, 1_900, None, "Valid ");
        check(&steady, 5_000, None, "Degraded generator-late[]");
        check(&steady, 15_000, None, "Invalid generator-late[]");
        // A tenth of two seconds is 200 ms.
        check(
            &steady,
            15_000,
            Some(2_000_000),
            "Degraded generator-late[]",
        );
        check(&steady, 15_000, Some(50_000), "Invalid generator-late[]");
    }
}
