//! The one place where the broker reads a clock.
//!
//! State machines (groups, transactions, logs) are handed the time with every call, so that their
//! tests choose it. Only the threads around them hold a [`Clock`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the broker was started.
pub(crate) type Moment = Duration;

/// Where the threads of the broker take the time from.
pub(crate) trait Clock: Send + Sync {
    /// Time since the start, never going backwards: for time-outs.
    fn moment(&self) -> Moment;

    /// Wall time in milliseconds since the epoch: for `LogAppendTime` and retention.
    fn wall_ms(&self) -> i64;
}

/// The clock of the machine.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose moments count from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this type owns the broker's clock"
    )]
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn moment(&self) -> Moment {
        self.start.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this type owns the broker's clock"
    )]
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
