//! How fast this machine can send: the highest rate that a sink takes, by stream.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::Clock,
    job::{GeneratorJob, Pace, Start},
    stream::Stream,
};

use super::{Board, Flood, GenerateError, open_sinks};
use crate::{
    plan::Plan,
    sink::{self, SinkChoice},
};

/// How often the counts are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is measured, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Time before the measurement, in which queues fill and connections are made.
    pub settle: Duration,
    /// Time that is measured.
    pub measure: Duration,
}

impl Measured {
    fn until_us(self) -> i64 {
        micros(self.settle).saturating_add(micros(self.measure))
    }
}

/// Acknowledged events per second of each stream of the job, all at once, when nothing is held back: the
/// highest over any half of the time that is measured.
/// The plan must be long enough for it; what it sends is of no other use. Rows go to the job's folder.
///
/// # Errors
/// As [`super::run`].
pub fn speed(
    job: &GeneratorJob,
    choice: &SinkChoice,
    clock: &dyn Clock,
    span: Measured,
) -> Result<BTreeMap<Stream, f64>, GenerateError> {
    let plan = Plan::resolve(&job.section).map_err(|problems| GenerateError::Plan { problems })?;
    let schema_ids = match choice {
        SinkChoice::Kafka => sink::prepare(job, &plan)?,
        _ => BTreeMap::new(),
    };
    let job = GeneratorJob {
        pace: Pace::Max,
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
        ..job.clone()
    };
    let sinks = open_sinks(&job, &plan, choice, None)?;
    let threads = plan.streams().map(|stream| (stream, 1));
    let board = Board::create(job.out.join("speed-series.ndjson"), threads)?;
    let stop = AtomicBool::new(false);
    let flood = Flood {
        job: &job,
        plan: &plan,
        schema_ids: &schema_ids,
        clock,
        stop: &stop,
        board: &board,
        live: None,
    };
    let window_us = micros(span.measure) / 2;
    let mut looks: Vec<(i64, BTreeMap<Stream, u64>)> = Vec::new();
    flood.send(sinks, LOOK_EVERY, &mut |elapsed, counters| {
        if elapsed.0 < micros(span.settle) || stop.load(Ordering::Relaxed) {
            return;
        }
        let counts = counters
            .iter()
            .map(|(stream, counts)| (*stream, counts.acknowledged.load(Ordering::Relaxed)))
            .collect();
        looks.push((elapsed.0, counts));
        // A thread that was kept waiting has looked too seldom to have seen a rate.
        let is_seen = looks
            .first()
            .is_some_and(|(at, _)| elapsed.0 - at >= window_us);
        if elapsed.0 >= span.until_us() && is_seen {
            stop.store(true, Ordering::Relaxed);
        }
    })?;
    let seen = looks.first().zip(looks.last());
    if seen.is_none_or(|((from, _), (at, _))| *at < span.until_us() || at - from < window_us) {
        return Err(GenerateError::TooShort {
            wanted_ms: span.until_us() / 1000,
        });
    }
    let of_stream = |stream: Stream| {
        let counts = looks.iter().map(|(at, counts)| {
            let count = counts.get(&stream).copied().unwrap_or_default();
            (*at, count)
        });
        let counts: Vec<(i64, u64)> = counts.collect();
        (stream, highest(&counts, window_us))
    };
    Ok(plan.streams().map(of_stream).collect())
}

/// The highest rate over any stretch of at least `window_us`, per second. Caches that are still cold and
/// processors that others took for a moment make the mean of a short measurement too low.
fn highest(counts: &[(i64, u64)], window_us: i64) -> f64 {
    let mut best = 0.0f64;
    let mut from = 0;
    for (at, count) in counts {
        while counts[from + 1..]
            .first()
            .is_some_and(|(next, _)| at - next >= window_us)
        {
            from += 1;
        }
        let (begun, before) = counts[from];
        if at - begun >= window_us && *at > begun {
            let seconds = (at - begun) as f64 / 1e6;
            best = best.max(count.saturating_sub(before) as f64 / seconds);
        }
    }
    best
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_that_of_the_best_stretch_and_not_of_a_moment() {
        // 10 events a millisecond, but 100 in one of them, and none in the first ten.
        let mut counts = Vec::new();
        let mut count = 0;
        for ms in 0..=40 {
            counts.push((ms * 1000, count));
            count += match ms {
                0..10 => 0,
                20 => 100,
                _ => 10,
            };
        }
        let found = highest(&counts, 20_000);
        // Twenty milliseconds with the burst in them: 19 times 10, and 100.
        assert!((found - 290.0 / 0.02).abs() < 1.0, "{found}");
        assert_eq!(highest(&counts, 50_000), 0.0);
        assert_eq!(highest(&[], 1000), 0.0);
    }
}
