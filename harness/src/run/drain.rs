//! After the last event: waiting until the subject has read everything and its alerts have been seen.

use std::time::Duration;

use floodmark_contracts::record::GeneratorFacts;

use super::{
    Folders, Request, RunError, RunEvent,
    files::micros,
    live,
    stages::{LOOK_EVERY, Setup},
};
use crate::subject::SubjectKind;

/// How long no alert may have come before the drain counts as done: longer than a commit interval and
/// the ordinary idleness of a partition.
const QUIET: Duration = Duration::from_millis(1500);

/// How often whoever watches is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How a drain ended.
pub(super) struct Drained {
    /// The limit was reached, or a signal came, before the subject had read everything.
    pub(super) cut_short: bool,
    /// It had, and alerts still came.
    pub(super) alerts_came: bool,
}

impl Drained {
    const WHOLE: Self = Self {
        cut_short: false,
        alerts_came: false,
    };
}

pub(super) fn drain(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
    generated: &GeneratorFacts,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Drained, RunError> {
    let clock = &*request.clock;
    let nobody = request.sound.subject.kind == SubjectKind::Nothing;
    if nobody || generated.interrupted {
        return Ok(Drained::WHOLE);
    }
    let begun = clock.monotonic_us();
    let limit = begun + micros(request.sound.drain);
    let mut read_all_at = None;
    let mut told_at = begun;
    loop {
        if setup.must_end(request)? {
            return Ok(Drained {
                cut_short: true,
                alerts_came: false,
            });
        }
        setup.attend(request, folders)?;
        let now = clock.monotonic_us();
        if read_all_at.is_none() && setup.has_read_all_since(begun) {
            read_all_at = Some(now);
        }
        let every = match read_all_at {
            Some(_) => LOOK_EVERY,
            None => Duration::ZERO,
        };
        setup.look(clock, every)?;
        if now - told_at >= micros(TELL_EVERY) {
            told_at = now;
            watch(RunEvent::Draining {
                lag: setup.seen.lag_now(),
                alerts: setup.collector.alerts(),
                latency: live::alert_latency(request, setup),
            });
        }
        let quiet = setup.collector.quiet_for(clock) >= QUIET;
        if read_all_at.is_some_and(|at| now - at >= micros(QUIET)) && quiet {
            return Ok(Drained::WHOLE);
        }
        if now >= limit {
            return Ok(Drained {
                cut_short: read_all_at.is_none(),
                alerts_came: read_all_at.is_some() && !quiet,
            });
        }
        clock.sleep(Duration::from_millis(50));
    }
}
