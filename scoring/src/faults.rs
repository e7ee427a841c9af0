//! What faults did to a run: recall, latency and lag before, during and after each, and how long it took to recover.
//!
//! ```text
//! level(lag)    = max(p95 of the samples before, a tenth of a second's events)
//! level(alerts) = max(p95 of the latencies before, 100 ms); none below ten alerts
//! recovery      = T - until, T the first sample of the lag from `until` on with
//!                   its lag at most the level, and
//!                   of the samples in T .. T + 3 s at most one in ten above the level, and
//!                   of the alerts appended in T .. T + 3 s at most one in ten above theirs
//! ```
//!
//! One in ten, as one in twenty of those before were above the level too. The three seconds must lie before the next fault
//! and before the last event was due: after that, anything comes to rest.

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::RunMicros,
    fault::{FaultFacts, FaultScores, LagSample, Level, SpanScores},
    label::Label,
    record::RunRecord,
};

use crate::{
    intervals::{CONFIDENCE, wilson},
    latency::since_end,
    matching::{Fate, LabelFate, Matching},
};

/// How long lag and latency must have been at their level before.
const HOLD_US: i64 = 3_000_000;

/// The least number of samples of the lag that say what its level is; that it is held, unless they are further apart.
const FEWEST_SAMPLES: usize = 5;

/// The least number of alerts that say what their level is.
const FEWEST_ALERTS: usize = 10;

/// Seconds of events by which a subject may be behind at any time.
const LAG_FLOOR_S: f64 = 0.1;

/// A latency that is as good as any, microseconds.
const LATENCY_FLOOR_US: f64 = 100_000.0;

/// Scores each fault of a run. `seconds` is the time in which events were due.
pub(crate) fn score(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
    matching: &Matching,
    seconds: f64,
) -> Vec<FaultScores> {
    if record.faults.is_empty() {
        return Vec::new();
    }
    let run = Run::new(record, labels, alerts, matching, seconds);
    record.faults.iter().map(|fault| run.score(fault)).collect()
}

/// A label that counts.
struct Incident {
    first: RunMicros,
    last: RunMicros,
    is_detected: bool,
}

/// An alert that counts.
struct Seen {
    /// When event time reached its end.
    end: RunMicros,
    appended: RunMicros,
    latency_us: u64,
}

/// What is needed of a run, in wall time.
struct Run<'a> {
    faults: &'a [FaultFacts],
    /// By time.
    lag: Vec<LagSample>,
    incidents: Vec<Incident>,
    /// By the time of their appending.
    alerts: Vec<Seen>,
    /// From the end of the warm-up to the last due time.
    scored: (RunMicros, RunMicros),
    lag_floor: f64,
}

impl<'a> Run<'a> {
    fn new(
        record: &'a RunRecord,
        labels: &[Label],
        alerts: &[CollectedAlert],
        matching: &Matching,
        seconds: f64,
    ) -> Self {
        let counts = |fate: &LabelFate| matches!(fate, LabelFate::Detected | LabelFate::Missed);
        let incidents = labels.iter().zip(&matching.labels);
        let incidents = incidents.filter(|(_, fate)| counts(fate));
        let incidents = incidents.map(|(label, fate)| Incident {
            first: label.first_sent,
            last: label.last_sent,
            is_detected: *fate == LabelFate::Detected,
        });
        let seen = alerts.iter().zip(&matching.alerts);
        let seen =
            seen.filter(|(_, fate)| matches!(fate, Fate::True | Fate::False | Fate::Ignored));
        let seen = seen.map(|(collected, _)| Seen {
            end: record.timeline.run_micros(collected.alert.end),
            appended: collected.appended_at.offset_from(record.started_at),
            latency_us: u64::try_from(since_end(&record.timeline, record.started_at, collected))
                .unwrap_or(0),
        });
        let mut alerts: Vec<Seen> = seen.collect();
        alerts.sort_by_key(|alert| alert.appended);
        let due: u64 = record.generator.values().map(|facts| facts.due).sum();
        let mut lag = record.lag.clone();
        lag.sort_by_key(|sample| sample.at);
        Self {
            faults: &record.faults,
            lag,
            incidents: incidents.collect(),
            alerts,
            scored: (
                record.timeline.run_micros(record.warm_up_until),
                RunMicros((seconds * 1e6) as i64),
            ),
            lag_floor: due as f64 / seconds * LAG_FLOOR_S,
        }
    }

    fn score(&self, fault: &FaultFacts) -> FaultScores {
        let others = || self.faults.iter().filter(|other| *other != fault);
        let earlier = others().filter(|other| other.from < fault.from);
        let begin = earlier.map(|other| other.until.min(fault.from));
        let begin = begin.fold(self.scored.0.min(fault.from), RunMicros::max);
        let later = others().filter(|other| other.until > fault.until);
        let next = later.map(|other| other.from.max(fault.until)).min();
        let end = next.map_or(self.scored.1, |next| next.min(self.scored.1));
        let end = end.max(fault.until);
        let level = self.level(begin, fault.from);
        let recovery = self.recovery(fault.until, end, &level);
        FaultScores {
            before: self.span(begin, fault.from, Incident::is_within),
            during: self.span(fault.from, fault.until, Incident::touches),
            after: self.span(fault.until, end, Incident::is_within),
            recovery_s: recovery.as_ref().ok().map(|us| *us as f64 / 1e6),
            no_recovery: recovery.err(),
            level,
            facts: fault.clone(),
        }
    }

    fn span(
        &self,
        from: RunMicros,
        until: RunMicros,
        belongs: fn(&Incident, RunMicros, RunMicros) -> bool,
    ) -> SpanScores {
        let mut labels = 0;
        let mut detected = 0;
        for incident in self.incidents.iter().filter(|i| belongs(i, from, until)) {
            labels += 1;
            detected += u64::from(incident.is_detected);
        }
        let alerts = self.alerts.iter();
        let alerts = alerts.filter(|alert| from <= alert.end && alert.end < until);
        let mut latencies: Vec<u64> = alerts.map(|alert| alert.latency_us).collect();
        SpanScores {
            from,
            until,
            labels,
            detected,
            recall: (labels > 0).then(|| detected as f64 / labels as f64),
            recall_interval: wilson(detected, labels, CONFIDENCE),
            alerts: latencies.len() as u64,
            alert_p99_us: quantile(&mut latencies, 0.99),
            lag_max: self.lag_in(from, until).iter().map(|s| s.records).max(),
        }
    }

    fn lag_in(&self, from: RunMicros, until: RunMicros) -> &[LagSample] {
        let first = self.lag.partition_point(|sample| sample.at < from);
        let last = self.lag.partition_point(|sample| sample.at < until);
        self.lag.get(first..last).unwrap_or_default()
    }

    fn appended_in(&self, from: RunMicros, until: RunMicros) -> &[Seen] {
        let first = self.alerts.partition_point(|alert| alert.appended < from);
        let last = self.alerts.partition_point(|alert| alert.appended < until);
        self.alerts.get(first..last).unwrap_or_default()
    }

    fn level(&self, from: RunMicros, until: RunMicros) -> Level {
        let samples = self.lag_in(from, until);
        let mut lag: Vec<u64> = samples.iter().map(|sample| sample.records).collect();
        let alerts = self.appended_in(from, until).iter();
        let mut latencies: Vec<u64> = alerts.map(|alert| alert.latency_us).collect();
        let of = |values: &mut Vec<u64>, fewest: usize, floor: f64| {
            let enough = values.len() >= fewest;
            let p95 = enough.then(|| quantile(values, 0.95)).flatten();
            p95.map(|value| (value as f64).max(floor))
        };
        Level {
            lag: of(&mut lag, FEWEST_SAMPLES, self.lag_floor),
            alert_us: of(&mut latencies, FEWEST_ALERTS, LATENCY_FLOOR_US),
        }
    }

    /// Microseconds from the end of a fault until lag and latency are back for good; or why that cannot be said.
    fn recovery(&self, until: RunMicros, end: RunMicros, level: &Level) -> Result<i64, String> {
        let lag_level = level
            .lag
            .ok_or("too little was seen of the lag before the fault to know its level")?;
        let after = self.lag_in(until, end);
        let fewest = fewest_held(after);
        for (number, first) in after.iter().enumerate() {
            let held_until = RunMicros(first.at.0 + HOLD_US);
            if held_until > end {
                break;
            }
            if first.records as f64 > lag_level {
                continue;
            }
            let held = after[number..].iter().take_while(|s| s.at < held_until);
            let held: Vec<f64> = held.map(|sample| sample.records as f64).collect();
            if held.len() < fewest || !is_held(&held, lag_level) {
                continue;
            }
            let appended = self.appended_in(first.at, held_until).iter();
            let latencies: Vec<f64> = appended.map(|alert| alert.latency_us as f64).collect();
            if level
                .alert_us
                .is_none_or(|level| is_held(&latencies, level))
            {
                return Ok(first.at.0 - until.0);
            }
        }
        Err(not_seen(until, end, after.last(), lag_level))
    }
}

impl Incident {
    fn is_within(&self, from: RunMicros, until: RunMicros) -> bool {
        from <= self.first && self.last < until
    }

    fn touches(&self, from: RunMicros, until: RunMicros) -> bool {
        self.first < until && from <= self.last
    }
}

/// Samples that cover the time for which the level must be held: as many as there are at the samples' own pace, which
/// slows down in a long run and on a broker that answers slowly.
fn fewest_held(samples: &[LagSample]) -> usize {
    let gaps = samples.windows(2).map(|pair| pair[1].at.0 - pair[0].at.0);
    let mut gaps: Vec<i64> = gaps.collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(HOLD_US).max(1);
    usize::try_from(HOLD_US / usual)
        .unwrap_or(0)
        .clamp(2, FEWEST_SAMPLES)
}

/// At most one value in ten is above the level.
fn is_held(values: &[f64], level: f64) -> bool {
    let above = values.iter().filter(|value| **value > level).count();
    above * 10 <= values.len()
}

fn not_seen(until: RunMicros, end: RunMicros, last: Option<&LagSample>, level: f64) -> String {
    let watched = (end.0 - until.0).max(0) as f64 / 1e6;
    let lag = match last {
        Some(sample) => format!("the last lag was {} records", sample.records),
        None => "no lag was seen".to_owned(),
    };
    format!(
        "not within {watched:.1} s, after which events ended or the next fault began; {lag}, the level is {level:.0}"
    )
}

/// The smallest value that a share `q` of all does not pass; of fewer than 1 / (1 - q) values the highest.
fn quantile(values: &mut [u64], q: f64) -> Option<u64> {
    values.sort_unstable();
    let rank = (values.len() as f64 * q).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{clock::EventTime, fault::FaultKind, kind::Kind};

    use super::*;
    use crate::{
        score,
        support::{self, alert, label},
    };

    const SECOND: i64 = 1_000_000;

    fn fault(kind: FaultKind, from_s: i64, until_s: i64) -> FaultFacts {
        FaultFacts {
            kind,
            did: "something".to_owned(),
            from: RunMicros(from_s * SECOND),
            until: RunMicros(until_s * SECOND),
            problem: None,
        }
    }

    /// Samples five times a second up to 20 s.
    fn lag(of: impl Fn(f64) -> u64) -> Vec<LagSample> {
        (0..100)
            .map(|n| LagSample {
                at: RunMicros(n * 200_000),
                records: of(n as f64 / 5.0),
            })
            .collect()
    }

    /// The run of `support`: 20 s at 100/s, with a fault from 8 to 10 s.
    fn disturbed(lag: Vec<LagSample>) -> support::Run {
        let mut run = support::Run::new();
        run.record.faults = vec![fault(FaultKind::SubjectPause, 8, 10)];
        run.record.lag = lag;
        run
    }

    fn faults_of(run: &support::Run) -> Vec<FaultScores> {
        score(&run.record, &run.labels, &run.alerts, &[])
            .unwrap()
            .faults
    }

    #[test]
    fn recovery_is_from_the_end_of_the_fault_until_the_lag_is_back_and_stays() {
        // 200 records at 10 s, back to 5 at 12 s; once more up at 12.4 s, for good back at 13 s.
        let found = faults_of(&disturbed(lag(|t| match t {
            t if t < 8.0 => 5,
            t if t < 12.0 => 200,
            t if t < 12.3 => 5,
            t if t < 13.0 => 200,
            _ => 5,
        })));
        assert_eq!(found[0].recovery_s, Some(3.0));
        // A tenth of a second's events, as the lag before was less.
        assert_eq!(found[0].level.lag, Some(10.0));
        assert_eq!(found[0].during.lag_max, Some(200));
        assert_eq!(found[0].before.lag_max, Some(5));
    }

    #[test]
    fn a_single_sample_above_the_level_is_no_relapse() {
        let found = faults_of(&disturbed(lag(|t| match t {
            t if t < 8.0 => 5,
            t if t < 11.0 => 200,
            t if (12.0..12.1).contains(&t) => 11,
            _ => 5,
        })));
        assert_eq!(found[0].recovery_s, Some(1.0));
    }

    #[test]
    fn what_was_high_before_need_not_be_lower_after() {
        let found = faults_of(&disturbed(lag(|t| {
            if (8.0..10.4).contains(&t) { 9_000 } else { 700 }
        })));
        assert_eq!(found[0].level.lag, Some(700.0));
        assert_eq!(found[0].recovery_s, Some(0.4));
    }

    #[test]
    fn without_a_recovery_it_is_said_why() {
        let late = lag(|t| if (8.0..18.0).contains(&t) { 200 } else { 5 });
        let never = faults_of(&disturbed(late));
        assert_eq!(never[0].recovery_s, None, "two seconds are too few to tell");
        let reason = never[0].no_recovery.clone().unwrap();
        assert!(reason.contains("not within 10.0 s"), "{reason}");

        let blind = faults_of(&disturbed(Vec::new()));
        let reason = blind[0].no_recovery.clone().unwrap();
        assert!(reason.contains("before the fault"), "{reason}");

        let mut next = disturbed(lag(|t| if (8.0..10.0).contains(&t) { 200 } else { 5 }));
        let second = fault(FaultKind::BrokerPause, 12, 13);
        next.record.faults.push(second);
        let found = faults_of(&next);
        let reason = found[0].no_recovery.clone().unwrap();
        assert!(reason.contains("not within 2.0 s"), "{reason}");
        assert_eq!(found[1].recovery_s, Some(0.0));
        assert_eq!(found[1].before.from, RunMicros(10 * SECOND));
    }

    #[test]
    fn alerts_that_are_still_late_hold_the_recovery_back() {
        // An alert a tenth of a second; those of 8 to 14 s are two seconds late, all others 200 ms.
        let alerts = (0..190).map(|n| {
            let end = n * 100;
            let mut alert = alert(&n.to_string(), "s1", end, end);
            let late_ms = if (8_000..14_000).contains(&end) {
                2_000
            } else {
                200
            };
            let at = RunMicros((end + late_ms) * 1000);
            alert.appended_at = support::STARTED_AT.at(at);
            alert
        });
        let mut run = disturbed(lag(|_| 5));
        run.alerts.extend(alerts);
        let found = faults_of(&run);
        assert_eq!(found[0].level.alert_us, Some(200_000.0));
        // The last late one is appended at 15.9 s; one in ten may be late within the three seconds.
        let recovery = found[0].recovery_s.unwrap();
        assert!((5.4..=6.0).contains(&recovery), "{recovery}");
        assert_eq!(found[0].during.alert_p99_us, Some(2_000_000));
        assert_eq!(found[0].before.alert_p99_us, Some(200_000));
    }

    #[test]
    fn incidents_are_before_during_or_after_by_when_their_events_were_due() {
        let spike = |id, start, end| label(id, Kind::SensorSpike, id, start, end);
        let labels = [
            spike("a", 1_000, 2_000),
            spike("b", 7_000, 8_500),
            spike("c", 9_500, 11_000),
            spike("d", 12_000, 13_000),
            spike("e", 13_000, 14_000),
        ];
        let run = disturbed(lag(|_| 5)).labels(labels);
        let mut run = run;
        run.alerts = ["a", "b", "e"]
            .map(|id| {
                let of = run.labels.iter().find(|label| label.id == id).unwrap();
                let EventTime(end) = of.end;
                alert(id, id, end - 10, end)
            })
            .to_vec();
        let found = &faults_of(&run)[0];
        let counts = [&found.before, &found.during, &found.after].map(|s| (s.labels, s.detected));
        assert_eq!(counts, [(1, 1), (2, 1), (2, 1)]);
        assert_eq!(found.during.recall, Some(0.5));
    }

    #[test]
    fn a_run_without_faults_has_none() {
        assert_eq!(faults_of(&support::Run::new()), []);
    }
}
