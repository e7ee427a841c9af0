//! How a run stands while it goes on.

use super::{Request, RunEvent, stages::Setup, tail::Latest};

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
        lag: setup.lag_now(),
        alerts: setup.collector.alerts(),
    })
}
