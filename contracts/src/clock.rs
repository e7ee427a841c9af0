//! Two clocks, kept apart by type.
//!
//! *Wall time* ([`WallTime`](crate::clock::WallTime), [`RunMicros`](crate::clock::RunMicros)) is what rates, latency and validity are measured in.
//! *Event time* ([`EventTime`](crate::clock::EventTime)) is what windows, disorder, lateness and matching tolerances are
//! measured in. It starts at an origin that the plan fixes and may run faster than wall time; a
//! [`Timeline`](crate::clock::Timeline) is the only place where one turns into the other.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant in event time: milliseconds since the Unix epoch, as events carry it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct EventTime(pub i64);

impl EventTime {
    /// This instant moved by `ms` milliseconds of event time; saturates.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Microseconds of wall time since the start of the run.
///
/// The start itself stands only in the result, so files in this unit depend on plan and seed alone.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct RunMicros(pub i64);

/// An instant in wall time: microseconds since the Unix epoch.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// Whole milliseconds since the Unix epoch, rounded down: the resolution of Kafka timestamps.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `offset` after this one, taken as the start of a run.
    #[must_use]
    pub fn at(self, offset: RunMicros) -> Self {
        Self(self.0.saturating_add(offset.0))
    }

    /// Offset of this instant from the start of a run; negative before it.
    #[must_use]
    pub fn offset_from(self, start: Self) -> RunMicros {
        RunMicros(self.0.saturating_sub(start.0))
    }
}

/// How event time runs against wall time: `event = origin + speed * (wall - start)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Event time at the start of the run, milliseconds since the Unix epoch.
    pub origin: EventTime,
    /// Milliseconds of event time per millisecond of wall time; positive and finite.
    pub speed: f64,
}

impl Timeline {
    /// Event time that belongs to `offset` of wall time since the start.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a run is far shorter than i64 milliseconds"
    )]
    pub fn event_time(&self, offset: RunMicros) -> EventTime {
        self.origin
            .plus_ms((offset.0 as f64 * self.speed / 1000.0).floor() as i64)
    }

    /// Wall offset since the start at which event time reaches `at`; negative before the origin.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a run is far shorter than i64 microseconds"
    )]
    pub fn run_micros(&self, at: EventTime) -> RunMicros {
        RunMicros((at.since(self.origin) as f64 * 1000.0 / self.speed).round() as i64)
    }
}

/// Source of wall time and of waiting, passed in so that everything but one place is provable alone.
pub trait Clock: Send + Sync {
    /// Wall time now. Steps of the system clock show here.
    fn now(&self) -> WallTime;

    /// Microseconds on a clock that never steps, from an arbitrary origin.
    fn monotonic_us(&self) -> i64;

    /// Waits for `span`.
    fn sleep(&self, span: Duration);
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic origin is this call.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that others take"
    )]
    pub fn new() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others take"
)]
impl Clock for SystemClock {
    fn now(&self) -> WallTime {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        WallTime(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic_us(&self) -> i64 {
        i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn sleep(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_timeline_turns_one_second_into_a_minute() {
        let timeline = Timeline {
            origin: EventTime(1_000_000),
            speed: 60.0,
        };
        assert_eq!(
            timeline.event_time(RunMicros(1_000_000)),
            EventTime(1_060_000)
        );
        assert_eq!(
            timeline.run_micros(EventTime(1_060_000)),
            RunMicros(1_000_000)
        );
    }

    #[test]
    fn times_before_the_origin_are_negative_offsets() {
        let timeline = Timeline {
            origin: EventTime(10_000),
            speed: 2.0,
        };
        assert_eq!(timeline.run_micros(EventTime(8_000)), RunMicros(-1_000_000));
        assert_eq!(WallTime(-1).as_millis(), -1);
    }
}
