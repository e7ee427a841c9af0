//! What has been done so far, for metrics: each thread says where it stands, and the one that looks after
//! them writes the sum into a file, so that any process can show it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use floodmark_contracts::{
    clock::RunMicros,
    counts::{Counts, StreamCounts},
    job::{GeneratorJob, Pace},
    stream::Stream,
};

use super::GenerateError;
use crate::{
    plan::Plan,
    watched::{self, LastSecond},
};

/// A second in microseconds.
const SECOND_US: i64 = 1_000_000;
/// Slots from which on a thread's share of its stream is known from what it did.
const ENOUGH_SLOTS: u64 = 1_000;

/// Where all threads of a run stand.
pub(super) struct Live<'a> {
    plan: &'a Plan,
    pace: Pace,
    /// Share of a stream's events that a thread is expected to send.
    share: f64,
    file: PathBuf,
    lanes: BTreeMap<Stream, Vec<Mutex<LaneCounts>>>,
    /// Records sent until when, over about the last second.
    history: Mutex<BTreeMap<Stream, LastSecond>>,
}

/// Where one thread stands.
#[derive(Debug, Default)]
pub(super) struct LaneCounts {
    /// What it has done. What depends on the time is filled in when it is written.
    pub(super) counts: StreamCounts,
    /// When its next event is due, from the start of the run; none if there is none left.
    pub(super) next_due_us: Option<i64>,
}

impl<'a> Live<'a> {
    /// So many threads of each stream, if the job names a file for what they have done.
    pub(super) fn of(
        job: &GeneratorJob,
        plan: &'a Plan,
        threads: impl IntoIterator<Item = (Stream, usize)>,
    ) -> Option<Self> {
        let file = job.counts.clone()?;
        // Until its first event a thread stands at the start.
        let lane = |_| {
            Mutex::new(LaneCounts {
                next_due_us: Some(0),
                ..LaneCounts::default()
            })
        };
        Some(Self {
            plan,
            pace: job.pace,
            share: 1.0 / f64::from(job.worker.of.max(1) * job.threads.max(1)),
            file,
            lanes: threads
                .into_iter()
                .map(|(stream, count)| (stream, (0..count).map(lane).collect()))
                .collect(),
            history: Mutex::default(),
        })
    }

    /// Where a thread says how it stands.
    pub(super) fn lane(&self, stream: Stream, thread: usize) -> Option<&Mutex<LaneCounts>> {
        self.lanes.get(&stream)?.get(thread)
    }

    /// Writes what has been done until now. The file is always whole.
    pub(super) fn write(&self, now: RunMicros) -> Result<(), GenerateError> {
        watched::write(&self.counts(now), &self.file).map_err(|source| GenerateError::Write {
            path: self.file.clone(),
            source,
        })
    }

    fn counts(&self, now: RunMicros) -> Counts {
        let mut all = Counts {
            processes: 1,
            ..Counts::default()
        };
        for (stream, lanes) in &self.lanes {
            let mut sum = StreamCounts::default();
            for lane in lanes {
                sum.add(&self.at(*stream, &lock(lane), now.0));
            }
            let mut history = lock(&self.history);
            let last_second = history.entry(*stream).or_default();
            sum.sent_per_s = last_second.rate(now.0, sum.sent);
            all.streams.insert(*stream, sum);
        }
        all
    }

    /// What a thread has done, with what depends on the time.
    ///
    /// With `S(t)` the slots of the schedule until `t`, `d` the due time of the thread's next event and `n`
    /// the records whose turn has come, its share is about `n / S(d)`, and `n (S(t) - S(d)) / S(d)` of its
    /// events are due and not sent at `t`.
    fn at(&self, stream: Stream, lane: &LaneCounts, now_us: i64) -> StreamCounts {
        let mut counts = lane.counts.clone();
        counts.unsent = counts.due.saturating_sub(counts.sent) as f64;
        let Some(plan) = self.plan.stream(stream) else {
            return counts;
        };
        if self.pace == Pace::Max {
            return counts;
        }
        let slots = |at_us: i64| plan.schedule.first_at(at_us.max(0).saturating_mul(1000));
        let next_due_us = lane.next_due_us.unwrap_or(now_us).min(now_us);
        let come = slots(next_due_us);
        let share = if come < ENOUGH_SLOTS {
            self.share
        } else {
            counts.due as f64 / come as f64
        };
        counts.behind_us = (now_us - next_due_us).max(0).unsigned_abs();
        counts.unsent += (slots(now_us) - come) as f64 * share;
        let second = now_us.div_euclid(SECOND_US);
        counts.asked_per_s = Some(plan.schedule.expected_in(second).max(0.0) * share);
        counts
    }
}

/// A poisoned lock only means that another thread died; the counts are whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::job::GeneratorSection;

    use super::*;

    fn plan() -> Plan {
        let yaml = "
name: live
seed: 1
duration: 60s
warm_up: 0s
event_time: {}
streams:
  sensors: { rate: 4k/s, partitions: 4, population: { entities: 100 } }
";
        Plan::resolve(&serde_saphyr::from_str::<GeneratorSection>(yaml).unwrap()).unwrap()
    }

    fn live(plan: &Plan, pace: Pace) -> Live<'_> {
        Live {
            plan,
            pace,
            share: 0.5,
            file: PathBuf::new(),
            lanes: BTreeMap::new(),
            history: Mutex::default(),
        }
    }

    /// A thread with a quarter of the events that sent so many until its next event is due.
    fn lane(due: u64, next_due_us: Option<i64>) -> LaneCounts {
        let counts = StreamCounts {
            due,
            sent: due,
            ..StreamCounts::default()
        };
        LaneCounts {
            counts,
            next_due_us,
        }
    }

    #[test]
    fn what_is_due_and_unsent_follows_from_the_schedule_and_the_threads_share() {
        let plan = plan();
        let live = live(&plan, Pace::Schedule);
        for (lane, now_us, unsent, behind_us, asked) in [
            // On time.
            (lane(10_000, Some(10_000_500)), 10_000_000, 0.0, 0, 1_000.0),
            // Stopped for two seconds.
            (
                lane(10_000, Some(10_000_000)),
                12_000_000,
                2_000.0,
                2_000_000,
                1_000.0,
            ),
            // The share is not known yet: half of the events are expected to be its.
            (lane(0, Some(0)), 100_000, 200.0, 100_000, 2_000.0),
            // Ended.
            (lane(60_000, None), 61_000_000, 0.0, 0, 0.0),
        ] {
            let found = live.at(Stream::Sensors, &lane, now_us);
            assert_eq!(
                (found.unsent, found.behind_us, found.asked_per_s),
                (unsent, behind_us, Some(asked)),
                "{now_us}"
            );
        }
    }

    #[test]
    fn at_the_highest_rate_nothing_is_behind() {
        let plan = plan();
        let live = live(&plan, Pace::Max);
        let found = live.at(Stream::Sensors, &lane(5, Some(0)), 9_000_000);
        assert_eq!((found.behind_us, found.unsent), (0, 0.0));
        assert_eq!(found.asked_per_s, None);
    }
}
