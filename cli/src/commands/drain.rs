//! `floodmark drain`: the bundled detector over topics that are full already, and what that cost.

use std::{sync::atomic::Ordering, time::Duration};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    drain::DrainFigures,
    job::DetectorJob,
    record::ProcessFacts,
    subject::SubjectFacts,
};
use floodmark_detector::Progress;
use floodmark_harness::child::resources_of;
use floodmark_kafka::{Admin, ClientSettings};

use crate::{
    args::{DrainArgs, Global},
    commands::{
        detect::{failure, job_of},
        read_job, say, tell,
    },
    exit::{Exit, Failure},
    signals,
};

/// How long the broker may take to delete a topic.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads everything, then prints the figures.
pub fn run(args: &DrainArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let clock = SystemClock::new();
    let job = match (&args.job, &args.profile.0) {
        (Some(file), _) => read_job(file)?,
        (None, Some(profile)) => {
            // A group that has read before would find nothing: a new one begins at the beginning.
            let new_group = || format!("floodmark-drain-{:x}", clock.now().0);
            let group = args.group.clone().unwrap_or_else(new_group);
            job_of(profile, &group, args.slot, args.enrichment.as_deref())?
        }
        (None, None) => return Err(Failure::usage("name a profile, or a job with `--job`")),
    };
    let mut times = Times::default();
    let mut progress = |progress| {
        times.note(progress, clock.monotonic_us());
        match progress {
            Progress::CaughtUp => stop.store(true, Ordering::Relaxed),
            Progress::Position { consumed, alerts } => {
                tell(
                    global,
                    &format!("  {consumed} records read, {alerts} alerts"),
                );
            }
            Progress::Assigned { .. } | Progress::FirstAlert => {}
        }
    };
    // What the demos' line would print is no part of the figures.
    let facts = floodmark_detector::run(&job, &clock, &stop, &mut std::io::sink(), &mut progress)
        .map_err(failure)?;
    let figures = figures(&facts, times, &resources_of("drain", std::process::id()));
    if args.job.is_none() && args.group.is_none() {
        clean_up(&job)?;
    }
    if args.json {
        say(&serde_json::to_string_pretty(&figures)?);
    } else {
        for line in lines(&figures) {
            say(&line);
        }
    }
    if figures.seconds.is_none() {
        tell(global, "stopped before every partition was read to its end");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Pass)
}

/// Deletes the topic that a new group has made for itself: no other process will come to use it.
fn clean_up(job: &DetectorJob) -> Result<(), Failure> {
    let client = ClientSettings {
        bootstrap: job.connection.bootstrap.clone(),
        properties: job.connection.properties.clone(),
    };
    let exchange = job.exchange();
    let deleted = Admin::new(&client, PATIENCE).and_then(|admin| match admin.topic(&exchange)? {
        Some(_) => admin.delete_topics(&[exchange.as_str()]),
        None => Ok(()),
    });
    deleted.map_err(|error| failure(error.into()))
}

/// When what happened, in microseconds of the same clock.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    assigned: Option<i64>,
    first_alert: Option<i64>,
    caught_up: Option<i64>,
}

impl Times {
    /// Notes the first time of each.
    fn note(&mut self, progress: Progress, now_us: i64) {
        let time = match progress {
            Progress::Assigned { partitions: 0 } | Progress::Position { .. } => return,
            Progress::Assigned { .. } => &mut self.assigned,
            Progress::FirstAlert => &mut self.first_alert,
            Progress::CaughtUp => &mut self.caught_up,
        };
        time.get_or_insert(now_us);
    }

    /// Seconds from the assignment until `then`.
    fn until(&self, then: Option<i64>) -> Option<f64> {
        Some((then? - self.assigned?) as f64 / 1e6)
    }
}

fn figures(facts: &SubjectFacts, times: Times, process: &ProcessFacts) -> DrainFigures {
    let events = facts.consumed.values().sum::<u64>();
    let seconds = times.until(times.caught_up);
    DrainFigures {
        events,
        seconds,
        events_per_second: seconds.filter(|s| *s > 0.0).map(|s| events as f64 / s),
        cpu_seconds: process.cpu_seconds,
        cpu_seconds_per_million: (events > 0).then(|| process.cpu_seconds * 1e6 / events as f64),
        peak_rss_bytes: process.peak_rss_bytes,
        first_alert_seconds: times.until(times.first_alert),
        alerts: facts.alerts,
        dead_letters: facts.dead_letters,
        late: facts.late.values().sum(),
    }
}

/// The figures as a person reads them.
fn lines(figures: &DrainFigures) -> Vec<String> {
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let seconds = |value: Option<f64>| or_none(value.map(|s| format!("{s:.3} s")));
    let per_million = figures.cpu_seconds_per_million.map(|s| format!("{s:.3} s"));
    let rate = figures
        .events_per_second
        .map(|rate| format!("{rate:.0} /s"));
    let rows = [
        ("events", figures.events.to_string()),
        ("time to read them", seconds(figures.seconds)),
        ("rate", or_none(rate)),
        ("CPU time", format!("{:.2} s", figures.cpu_seconds)),
        ("CPU time per million", or_none(per_million)),
        (
            "peak memory",
            format!("{:.1} MiB", figures.peak_rss_bytes as f64 / 1048576.0),
        ),
        ("first alert after", seconds(figures.first_alert_seconds)),
        ("alerts", figures.alerts.to_string()),
        ("dead letters", figures.dead_letters.to_string()),
        ("late events", figures.late.to_string()),
    ];
    rows.map(|(name, value)| format!("{name:<22}{value:>16}"))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use floodmark_contracts::stream::Stream;

    use super::*;

    fn drained(consumed: u64, times: Times) -> DrainFigures {
        let facts = SubjectFacts {
            consumed: BTreeMap::from([(Stream::Sensors, consumed)]),
            alerts: 7,
            ..SubjectFacts::default()
        };
        let process = ProcessFacts {
            role: "drain".to_owned(),
            cpu_seconds: 1.5,
            peak_rss_bytes: 3 << 20,
            ..ProcessFacts::default()
        };
        figures(&facts, times, &process)
    }

    #[test]
    fn times_count_from_the_assignment_and_repetitions_change_nothing() {
        let mut times = Times::default();
        times.note(Progress::Assigned { partitions: 0 }, 50);
        times.note(Progress::Assigned { partitions: 4 }, 1_000_000);
        times.note(Progress::FirstAlert, 1_250_000);
        times.note(Progress::CaughtUp, 3_000_000);
        times.note(Progress::CaughtUp, 9_000_000);
        let figures = drained(2_000_000, times);
        assert_eq!(figures.first_alert_seconds, Some(0.25));
        assert_eq!(figures.seconds, Some(2.0));
        assert_eq!(figures.events_per_second, Some(1_000_000.0));
        assert_eq!(figures.cpu_seconds_per_million, Some(0.75));
        let shown = lines(&figures).join("\n");
        assert!(shown.contains("0.750 s"), "{shown}");
        assert!(shown.contains("3.0 MiB"), "{shown}");
    }

    #[test]
    fn what_was_not_seen_is_absent_and_not_zero() {
        let figures = drained(0, Times::default());
        assert_eq!(figures.seconds, None);
        assert_eq!(figures.events_per_second, None);
        assert_eq!(figures.cpu_seconds_per_million, None);
        assert_eq!(figures.first_alert_seconds, None);
        let json = serde_json::to_value(&figures).unwrap();
        assert!(json["seconds"].is_null());
    }
}
