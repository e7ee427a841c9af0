//! What the processes of a run used, and what the machine under them did meanwhile.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one role of a run used, over all of its processes: children count, and so do those that have ended.
///
/// What the kernel does not tell is `null`, never 0: a container's cgroup knows no context switches, and the
/// bytes of another user's process are not ours to read.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Usage {
    /// CPU time in user mode, seconds.
    pub user_seconds: Option<f64>,
    /// CPU time in the kernel, seconds.
    pub system_seconds: Option<f64>,
    /// Time in which its threads could run and waited for a processor, summed over the threads, seconds.
    pub run_delay_seconds: Option<f64>,
    /// Resident set now, bytes.
    pub rss_bytes: Option<u64>,
    /// Bytes that it had fetched from storage.
    pub read_bytes: Option<u64>,
    /// Bytes that it had written to storage, or to the page cache on the way there.
    pub written_bytes: Option<u64>,
    /// Times that a thread gave its processor up to wait for something.
    pub voluntary_switches: Option<u64>,
    /// Times that a thread was taken off its processor.
    pub involuntary_switches: Option<u64>,
    /// Page faults that needed no storage.
    pub minor_faults: Option<u64>,
    /// Page faults that did.
    pub major_faults: Option<u64>,
    /// Threads now; in totals, the most at once.
    pub threads: Option<u64>,
    /// Processes now; in totals, all that were seen.
    pub processes: Option<u64>,
}

impl Usage {
    /// Takes another process in: what only one of them tells stands for both.
    pub fn add(&mut self, more: &Self) {
        for (of, more) in self.seconds().into_iter().zip(more.seconds_told()) {
            *of = sum(*of, more);
        }
        for (of, more) in self.counts().into_iter().zip(more.counts_told()) {
            *of = sum(*of, more);
        }
    }

    /// Takes a later look at the same: a count never goes back, and what is not told any more stays.
    pub fn advance(&mut self, later: &Self) {
        for (of, later) in self.seconds().into_iter().zip(later.seconds_told()) {
            *of = later.map_or(*of, |later| Some(of.map_or(later, |had| had.max(later))));
        }
        for (of, later) in self.counts().into_iter().zip(later.counts_told()) {
            *of = later.map(|later| later.max(of.unwrap_or(0))).or(*of);
        }
    }

    /// User and system time together, where either is known.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        sum(self.user_seconds, self.system_seconds)
    }

    fn seconds(&mut self) -> [&mut Option<f64>; 3] {
        [
            &mut self.user_seconds,
            &mut self.system_seconds,
            &mut self.run_delay_seconds,
        ]
    }

    fn seconds_told(&self) -> [Option<f64>; 3] {
        let mut own = *self;
        own.seconds().map(|value| *value)
    }

    fn counts(&mut self) -> [&mut Option<u64>; 9] {
        [
            &mut self.rss_bytes,
            &mut self.read_bytes,
            &mut self.written_bytes,
            &mut self.voluntary_switches,
            &mut self.involuntary_switches,
            &mut self.minor_faults,
            &mut self.major_faults,
            &mut self.threads,
            &mut self.processes,
        ]
    }

    fn counts_told(&self) -> [Option<u64>; 9] {
        let mut own = *self;
        own.counts().map(|value| *value)
    }
}

fn sum<T: std::ops::Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// What the machine did while the run went on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MachineFacts {
    /// Looks at all processes.
    pub samples: u64,
    /// CPU time that looking took, seconds; `null` where the kernel does not tell.
    pub sampling_cpu_seconds: Option<f64>,
    /// Wall time over which it was looked, seconds.
    pub sampled_seconds: f64,
    /// Time that the processors were taken away by the machine below a virtual one, summed over the
    /// processors, seconds.
    pub steal_seconds: Option<f64>,
    /// How long threads waited for a processor, by role; `machine` for time that was stolen from all.
    pub waits: BTreeMap<String, Waits>,
    /// Steps of the wall clock against the monotonic one.
    pub clock_steps: Vec<ClockStep>,
    /// The disks that the run and its broker write to.
    pub disks: Vec<DiskFacts>,
    /// Bytes in the broker's data folder at the end, where it has one that we know.
    pub broker_bytes: Option<u64>,
}

/// Waits for a processor, over the looks that were about a second apart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Waits {
    /// Seconds of the run that were looked at.
    pub looks: u64,
    /// The most that was waited in a second, summed over threads or processors, seconds.
    pub worst_seconds: f64,
    /// Seconds of the run, at their ends, in which longer was waited than is good.
    pub short: Vec<i64>,
    /// How many of them had no use of a whole processor.
    pub starved: u64,
}

/// A step of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockStep {
    /// The second of the run, at its end, in which it was seen.
    pub t: i64,
    /// By how much it went, microseconds; negative if back.
    pub us: i64,
}

/// A disk that the run writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskFacts {
    /// What writes there: `run`, `broker`.
    pub of: String,
    /// The least free space that was seen, bytes.
    pub least_free_bytes: u64,
    /// Its size, bytes.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(user: Option<f64>, written: Option<u64>) -> Usage {
        Usage {
            user_seconds: user,
            written_bytes: written,
            ..Usage::default()
        }
    }

    #[test]
    fn what_only_one_process_tells_stands_for_both() {
        let mut all = usage(Some(1.0), None);
        all.add(&usage(Some(0.5), Some(7)));
        all.add(&usage(None, Some(3)));
        assert_eq!(all, usage(Some(1.5), Some(10)));
        assert_eq!(all.cpu_seconds(), Some(1.5));
        assert_eq!(Usage::default().cpu_seconds(), None);
    }

    #[test]
    fn a_later_look_never_takes_anything_back() {
        let mut seen = usage(Some(2.0), Some(10));
        seen.advance(&usage(Some(1.0), None));
        assert_eq!(seen, usage(Some(2.0), Some(10)));
        seen.advance(&usage(Some(3.0), Some(11)));
        assert_eq!(seen, usage(Some(3.0), Some(11)));
    }
}
