//! How a run stands while it goes on.

use std::time::Duration;

use floodmark_contracts::clock::{Timeline, WallTime};

use super::{Request, RunEvent, files::micros, stages::Setup, tail::Latest};
use crate::collect::RecentAlert;

/// The time before a look whose alerts its latency is of.
const RECENT: Duration = Duration::from_secs(10);

/// Alerts behind a 99th percentile.
const ENOUGH: usize = 100;

/// How far an append time may lie before its cause, as it is cut to whole milliseconds.
const RESOLUTION_US: i64 = 1_000;

/// A run in its last second.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    /// Seconds since the first due time.
    pub second: i64,
    /// Seconds in all.
    pub of: f64,
    /// Events that were due in it, by the plan.
    pub due: u64,
    /// Events sent in it.
    pub sent: u64,
    /// How late the latest of them was handed over, microseconds.
    pub lateness_max_us: u64,
    /// What the subject has not read, at the last look; `None` where nothing tells of it.
    pub lag: Option<LagNow>,
    /// Alerts so far.
    pub alerts: u64,
    /// How long the latest of them took; `None` where there is none.
    pub latency: Option<AlertLatency>,
}

/// From the wall instants at which event time reached the ends of alerts to their append times, over the alerts that were
/// seen in the last ten seconds. It is the latency `alert` of the result, before anybody knows which alerts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertLatency {
    /// Alerts that it is over.
    pub alerts: u64,
    /// Median, microseconds.
    pub p50_us: u64,
    /// 99th percentile, microseconds; `None` below a hundred alerts.
    pub p99_us: Option<u64>,
    /// The longest, microseconds.
    pub max_us: u64,
}

/// What a subject has not read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LagNow {
    /// Records that it has not committed, over all streams.
    pub records: u64,
    /// For how long the first of them has been there, seconds; of the partitions, the most.
    pub age_s: f64,
}

/// How the run stands after its latest second.
pub(super) fn progress(request: &Request<'_>, setup: &Setup, latest: Latest) -> RunEvent {
    let plan = request.plan;
    let due = plan
        .streams()
        .map(|stream| plan.expected_in(stream, latest.second - 1));
    RunEvent::Progress(Live {
        second: latest.second,
        of: request.sound.duration.as_secs_f64(),
        due: due.sum::<f64>().round() as u64,
        sent: latest.sent as u64,
        lateness_max_us: latest.lateness_max_us as u64,
        lag: setup.seen.lag_now(),
        alerts: setup.collector.alerts(),
        latency: alert_latency(request, setup),
    })
}

/// How long the latest alerts took; `None` without any, and before it is known when due time 0 was.
pub(super) fn alert_latency(request: &Request<'_>, setup: &Setup) -> Option<AlertLatency> {
    let started_at = setup.started_at?;
    let since = WallTime(request.clock.now().0 - micros(RECENT));
    let recent = setup.collector.recent(since);
    latency_of(&recent, &request.sound.timeline, started_at)
}

/// Alerts that came before their own end have no latency, and are left out.
fn latency_of(
    recent: &[RecentAlert],
    timeline: &Timeline,
    started_at: WallTime,
) -> Option<AlertLatency> {
    let took = |alert: &RecentAlert| {
        let due = started_at.at(timeline.run_micros(alert.end));
        alert.appended_at.0.saturating_sub(due.0)
    };
    let took = recent.iter().map(took).filter(|us| *us >= -RESOLUTION_US);
    let mut sorted: Vec<u64> = took.map(|us| u64::try_from(us).unwrap_or(0)).collect();
    sorted.sort_unstable();
    let n = sorted.len();
    // The least value that so many in a hundred do not pass.
    let at = |percent: usize| sorted.get((n * percent).div_ceil(100).saturating_sub(1));
    Some(AlertLatency {
        alerts: n as u64,
        p50_us: *at(50)?,
        p99_us: at(99).filter(|_| n >= ENOUGH).copied(),
        max_us: *sorted.last()?,
    })
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::EventTime;

    use super::*;

    const STARTED_AT: WallTime = WallTime(1_000_000_000);

    /// Event time runs twice as fast as the wall.
    const TIMELINE: Timeline = Timeline {
        origin: EventTime(50_000),
        speed: 2.0,
    };

    /// An alert whose end is due at second 4 and that came so much later.
    fn after(us: i64) -> RecentAlert {
        let appended_at = WallTime(STARTED_AT.0 + 4_000_000 + us);
        RecentAlert {
            seen_at: appended_at,
            appended_at,
            end: EventTime(58_000),
        }
    }

    #[test]
    fn latency_is_from_the_instant_at_which_event_time_reached_the_end() {
        let found = latency_of(&[after(300), after(900), after(500)], &TIMELINE, STARTED_AT);
        let expected = AlertLatency {
            alerts: 3,
            p50_us: 500,
            p99_us: None,
            max_us: 900,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_tail_needs_a_hundred_alerts_and_those_ahead_of_their_end_do_not_count() {
        let mut alerts: Vec<RecentAlert> = (1..=100).map(after).collect();
        alerts.push(after(-2_000_000));
        let found = latency_of(&alerts, &TIMELINE, STARTED_AT).unwrap();
        assert_eq!((found.alerts, found.p50_us), (100, 50));
        assert_eq!((found.p99_us, found.max_us), (Some(99), 100));
        assert_eq!(latency_of(&[after(-5_000)], &TIMELINE, STARTED_AT), None);
        // The broker's stamps are whole milliseconds.
        let close = latency_of(&[after(-900)], &TIMELINE, STARTED_AT).unwrap();
        assert_eq!(close.p50_us, 0);
    }
}
