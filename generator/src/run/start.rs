//! When due time 0 is, the same for all threads and workers.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    job::{Start, StartFiles},
};

use super::GenerateError;

/// Time from the end of the preparations to the first due time: waiting threads wake up meanwhile.
const LEAD_US: i64 = 20_000;

/// How often a worker looks whether it may start.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The start of the run on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instants {
    pub(super) started_at: WallTime,
    pub(super) started_mono_us: i64,
}

/// The start that the job asks for, now that everything is ready. Waits where somebody else has to say it,
/// but not for the start itself.
pub(super) fn agree(
    start: &Start,
    clock: &dyn Clock,
    stop: &AtomicBool,
) -> Result<Instants, GenerateError> {
    let started_at = match start {
        Start::Ready => WallTime(clock.now().0 + LEAD_US),
        Start::Said(file) => {
            let at = WallTime(clock.now().0 + LEAD_US);
            say(at, file)?;
            at
        }
        Start::At(at) => *at,
        Start::Told(files) => match told(files, clock, stop)? {
            Some(at) => at,
            // Nothing will be sent: the threads find that they have been stopped.
            None => clock.now(),
        },
    };
    let ahead_us = started_at.0 - clock.now().0;
    // Only a start that somebody named can be wrong. One that was found here has passed where this thread was kept
    // waiting meanwhile: then the first events are late, and the verdict says so.
    if ahead_us < 0 && matches!(start, Start::At(_)) && !stop.load(Ordering::Relaxed) {
        return Err(GenerateError::StartPassed {
            late_ms: -ahead_us / 1000,
        });
    }
    Ok(Instants {
        started_at,
        started_mono_us: clock.monotonic_us() + ahead_us,
    })
}

/// Writes the start into a file: whole and then named, so that nobody reads half a number.
fn say(at: WallTime, file: &Path) -> Result<(), GenerateError> {
    let half = file.with_extension("half");
    let written =
        std::fs::write(&half, at.0.to_string()).and_then(|()| std::fs::rename(&half, file));
    written.map_err(|source| GenerateError::Write {
        path: file.to_owned(),
        source,
    })
}

/// Says that this worker is ready and waits until the start is there; none if it is stopped first.
fn told(
    files: &StartFiles,
    clock: &dyn Clock,
    stop: &AtomicBool,
) -> Result<Option<WallTime>, GenerateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| GenerateError::Write { path, source }
    };
    std::fs::write(&files.ready, "").map_err(failed(&files.ready))?;
    while !stop.load(Ordering::Relaxed) {
        match std::fs::read_to_string(&files.go) {
            Ok(text) => {
                let at = text.trim().parse().map_err(|_| GenerateError::BadStart {
                    path: files.go.clone(),
                    found: text.clone(),
                })?;
                return Ok(Some(WallTime(at)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&files.go)(error)),
        }
        clock.sleep(LOOK_EVERY);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::SystemClock;

    use super::*;

    #[test]
    fn a_start_in_the_past_is_refused_with_how_long_ago_it_was() {
        let clock = SystemClock::new();
        let start = Start::At(WallTime(clock.now().0 - 5_000_000));
        let error = agree(&start, &clock, &AtomicBool::new(false)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("the start was 5") && text.contains("ms ago"),
            "{text}"
        );
    }

    #[test]
    fn a_worker_says_that_it_is_ready_and_starts_when_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let files = StartFiles {
            ready: dir.path().join("ready"),
            go: dir.path().join("go"),
        };
        let clock = SystemClock::new();
        let at = WallTime(clock.now().0 + 60_000_000);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let start = Start::Told(files.clone());
                agree(&start, &clock, &AtomicBool::new(false)).unwrap()
            });
            while !files.ready.exists() {
                std::thread::yield_now();
            }
            // Written whole: a worker must not read half a number.
            let half = dir.path().join("half");
            std::fs::write(&half, at.0.to_string()).unwrap();
            std::fs::rename(&half, &files.go).unwrap();
            assert_eq!(worker.join().unwrap().started_at, at);
        });
    }

    #[test]
    fn a_worker_that_was_kept_waiting_beyond_the_start_is_late_and_not_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let clock = SystemClock::new();
        let at = WallTime(clock.now().0 - 300_000);
        let go = dir.path().join("go");
        std::fs::write(&go, at.0.to_string()).unwrap();
        let ready = dir.path().join("ready");
        let start = Start::Told(StartFiles { ready, go });
        let found = agree(&start, &clock, &AtomicBool::new(false)).unwrap();
        assert_eq!(found.started_at, at);
        assert!(found.started_mono_us <= clock.monotonic_us() - 300_000);
    }

    #[test]
    fn a_worker_that_is_stopped_does_not_wait_any_longer() {
        let dir = tempfile::tempdir().unwrap();
        let start = Start::Told(StartFiles {
            ready: dir.path().join("ready"),
            go: dir.path().join("go"),
        });
        assert!(agree(&start, &SystemClock::new(), &AtomicBool::new(true)).is_ok());
    }
}
