//! The generator of a run as several processes.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{clock::WallTime, job::GeneratorJob};
use floodmark_generator::{Progress, SinkChoice};

use super::{
    Folders, Generated, Request, RunError, RunEvent, files, live, read_series,
    stages::{LOOK_EVERY, Setup},
    tail::Latest,
};
use crate::workers::{self, WorkersError};

/// How often whoever watches is told how the run stands.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Runs the generator's processes, with looks at the subject's lag meanwhile, and puts together what
/// they leave.
pub(super) fn generate(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
    job: &GeneratorJob,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Generated, RunError> {
    let clock = &*request.clock;
    // Set where the run ends for any reason of its own; the workers then end as they do at a signal.
    let over = AtomicBool::new(false);
    let roster = setup.sampler.roster();
    let paused = setup.faults.generator_paused();
    let workers = workers::Request {
        exe: request.exe,
        job,
        plan: request.plan,
        sink: &SinkChoice::Kafka,
        count: request.workers,
        clock,
        stop: &|| over.load(Ordering::Relaxed) || request.stop.load(Ordering::Relaxed),
        logs: Some(&folders.logs),
        metrics: request.metrics,
        roster: Some(&roster),
        paused: Some(&*paused),
    };
    let mut failure = None;
    let mut last_told = clock.monotonic_us();
    let mut last = Progress::default();
    let outcome = workers::generate(&workers, &mut |progress| {
        let now = clock.monotonic_us();
        let mut look = || {
            if setup.must_end(request)? {
                over.store(true, Ordering::Relaxed);
            }
            let started_at = WallTime(clock.now().0 - progress.elapsed.0);
            setup.started_at.get_or_insert(started_at);
            setup.faults.start(started_at);
            setup.attend(request, folders)?;
            setup.look(clock, LOOK_EVERY)?;
            if now - last_told >= files::micros(TELL_EVERY) {
                last_told = now;
                let latest = Latest {
                    second: progress.elapsed.0.max(0) / 1_000_000,
                    sent: progress.sent.saturating_sub(last.sent) as f64,
                    lateness_max_us: progress.lateness_max_us as f64,
                };
                watch(live::progress(request, setup, latest));
                last = progress;
            }
            Ok(())
        };
        match look() {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    match (outcome, failure) {
        (_, Some(failure)) => Err(failure),
        (Err(WorkersError::File(error)), None) => Err(RunError::File(error)),
        (Err(error), None) => Err(RunError::Workers(error)),
        (Ok((facts, resources)), None) => {
            setup.processes.push(resources);
            let series = read_series(&folders.generator.join("generator-series.ndjson"))?;
            Ok(Generated { facts, series })
        }
    }
}
