//! A deadline for calls that poll a cluster until something is true.

use std::time::{Duration, Instant};

/// The end of a wait, and how long it was to be.
///
/// librdkafka's own time-outs are wall time too: waiting for a broker is no part of what is
/// measured, so this is the one clock of the crate and no clock is passed in for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    end: Instant,
    allowed: Duration,
}

impl Deadline {
    /// A deadline `allowed` from now.
    #[expect(clippy::disallowed_methods, reason = "the clock of waits for brokers")]
    pub(crate) fn after(allowed: Duration) -> Self {
        let now = Instant::now();
        // Hours are as good as for ever, and cannot overflow the clock.
        let end = now + allowed.min(Duration::from_secs(86_400));
        Self { end, allowed }
    }

    /// What is left, zero when it is over.
    #[expect(clippy::disallowed_methods, reason = "the clock of waits for brokers")]
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// True when nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// What was allowed in all.
    pub(crate) fn allowed(&self) -> Duration {
        self.allowed
    }
}
