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

/// Acknowledged events per second of each stream of the job, all at once, when nothing is held back.
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
        ..job.clone()
    };
    let sinks = open_sinks(&job, &plan, choice)?;
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
    };
    let (mut first, mut last) = (None, None);
    flood.send(sinks, LOOK_EVERY, &mut |elapsed, counters| {
        if elapsed.0 < micros(span.settle) || last.is_some() {
            return;
        }
        let counts: BTreeMap<Stream, u64> = counters
            .iter()
            .map(|(stream, counts)| (*stream, counts.acknowledged.load(Ordering::Relaxed)))
            .collect();
        if first.is_none() {
            first = Some((elapsed, counts));
        } else if elapsed.0 >= span.until_us() {
            last = Some((elapsed, counts));
            stop.store(true, Ordering::Relaxed);
        }
    })?;
    let (Some((from, before)), Some((to, after))) = (first, last) else {
        return Err(GenerateError::TooShort {
            wanted_ms: span.until_us() / 1000,
        });
    };
    let seconds = (to.0 - from.0) as f64 / 1e6;
    Ok(after
        .iter()
        .map(|(stream, count)| {
            let done = count - before.get(stream).copied().unwrap_or(0).min(*count);
            (*stream, done as f64 / seconds)
        })
        .collect())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
