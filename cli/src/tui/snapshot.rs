//! What there is to see of a run at one moment, and how it went until then.

use std::collections::VecDeque;

use floodmark_harness::run::{Live, RunEvent};

/// Seconds that are remembered: wider than any terminal.
const REMEMBERED: usize = 512;

/// Notices that are kept; the last ones.
const NOTICES: usize = 3;

/// A run as it stands.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Name of the profile.
    pub profile: String,
    /// The detector under test.
    pub subject: String,
    /// The broker.
    pub broker: String,
    /// Wall time at which each labelled incident begins, seconds from the first due time.
    pub incidents_s: Vec<f64>,
    /// The step that the run is at.
    pub stage: String,
    /// What whoever runs this should know.
    pub notices: VecDeque<String>,
    /// The last second, once there is one.
    pub live: Option<Live>,
    /// Events sent in each second.
    pub sent: VecDeque<u64>,
    /// The latest hand-over in each second, microseconds.
    pub lateness_us: VecDeque<u64>,
    /// Unread records at each look.
    pub lag: VecDeque<u64>,
    /// Alerts in each second.
    pub alerts: VecDeque<u64>,
    /// Median latency of the latest alerts at each look, microseconds; 0 where there are none.
    pub latency_us: VecDeque<u64>,
}

impl Snapshot {
    /// Takes note of an event.
    pub fn see(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Stage(text) => self.stage.clone_from(text),
            RunEvent::Notice(text) => {
                self.notices.push_back(text.clone());
                keep(&mut self.notices, NOTICES);
            }
            RunEvent::Progress(live) => self.take(live),
            RunEvent::Draining {
                lag,
                alerts,
                latency,
            } => {
                let mut live = self.live.clone().unwrap_or_default();
                (live.lag, live.latency) = (*lag, *latency);
                // Nothing is due and nothing is sent any more.
                (live.due, live.sent, live.lateness_max_us, live.alerts) = (0, 0, 0, *alerts);
                self.take(&live);
            }
        }
    }

    /// How many incidents have begun at the end of a second.
    pub fn incidents_begun(&self, second: i64) -> usize {
        let now_s = second as f64;
        self.incidents_s
            .iter()
            .filter(|start| **start <= now_s)
            .count()
    }

    fn take(&mut self, live: &Live) {
        let before = self.live.as_ref().map_or(0, |live| live.alerts);
        let lag = live.lag.map_or(0, |lag| lag.records);
        let latency = live.latency.map_or(0, |latency| latency.p50_us);
        for (series, value) in [
            (&mut self.sent, live.sent),
            (&mut self.lateness_us, live.lateness_max_us),
            (&mut self.lag, lag),
            (&mut self.alerts, live.alerts.saturating_sub(before)),
            (&mut self.latency_us, latency),
        ] {
            series.push_back(value);
            keep(series, REMEMBERED);
        }
        self.live = Some(live.clone());
    }
}

fn keep<T>(series: &mut VecDeque<T>, most: usize) {
    while series.len() > most {
        series.pop_front();
    }
}
