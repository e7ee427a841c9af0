//! A look at the alerts of a run, one by one: what the verdict on the measurement needs to know of them.

use floodmark_contracts::{
    clock::{RunMicros, WallTime},
    histogram::{empty, record},
};

use super::{FileError, Request, alerts_file, files};
use crate::validity::AlertsSeen;

/// Alerts from which on a p99 says something; reports withhold it below that too.
const ENOUGH_ALERTS: u64 = 100;

/// How far clocks of one run may be apart, microseconds: an alert that is this little ahead of its time is not.
const SLACK_US: i64 = 250_000;

/// Looks through the file of alerts.
pub(super) fn at_alerts(request: &Request<'_>, start: WallTime) -> Result<AlertsSeen, FileError> {
    let timeline = request.sound.timeline;
    let warm_up = timeline.event_time(RunMicros(files::micros(request.sound.warm_up)));
    let mut seen = AlertsSeen::default();
    // A histogram, as there may be millions of them.
    let Ok(mut latencies) = empty() else {
        return Ok(seen);
    };
    files::each_alert(&alerts_file(request), |collected| {
        let since = |event_time| {
            let due = start.at(timeline.run_micros(event_time));
            collected.appended_at.0.saturating_sub(due.0)
        };
        seen.kept += 1;
        let ahead_us = -since(collected.alert.start);
        if ahead_us > SLACK_US {
            seen.ahead += 1;
            seen.most_ahead_us = seen.most_ahead_us.max(ahead_us);
        }
        if collected.alert.end >= warm_up {
            let latency = u64::try_from(since(collected.alert.end)).unwrap_or(0);
            // What is beyond the histogram's range is far beyond any p99 that would change a verdict.
            let _ = record(&mut latencies, latency);
        }
    })?;
    if latencies.len() >= ENOUGH_ALERTS {
        seen.p99_us = Some(latencies.value_at_quantile(0.99));
    }
    Ok(seen)
}
