//! Watermarks: up to where a log is taken to be complete.
//!
//! ```text
//! W = grain * floor((max - bound) / grain)
//! ```
//! `max` is the newest event time of the partition so far. Every event with a timestamp below W has
//! been seen, or is late. W moves in steps of the grain, so that ordering sorts a few hundred events
//! at once instead of keeping a heap; every window whose ends are multiples of the grain still closes
//! on the same record as without it.

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

/// Before every event.
pub const BEGINNING: EventTime = EventTime(i64::MIN);

/// The steps that a watermark may move in, milliseconds. Each divides a second, and with it the
/// bounds of every window of whole seconds.
const GRAINS_MS: [i64; 6] = [1000, 500, 100, 50, 10, 1];

/// Steps of the watermark within its bound: ordering delays an alert by at most one of them.
const STEPS_PER_BOUND: i64 = 250;

/// How event time is kept, for all partitions of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSettings {
    /// How far an event may lag behind the newest of its partition, milliseconds of event time.
    pub bound_ms: i64,
    /// How long a closed window still takes events, milliseconds of event time.
    pub lateness_ms: i64,
    /// Wall time without a record after which a partition is idle, microseconds.
    pub idleness_us: i64,
}

impl TimeSettings {
    /// Step of the watermark, milliseconds of event time.
    #[must_use]
    pub fn grain_ms(&self) -> i64 {
        let most = self.bound_ms / STEPS_PER_BOUND;
        GRAINS_MS
            .into_iter()
            .find(|grain| *grain <= most)
            .unwrap_or(1)
    }
}

/// The watermark of one partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watermark {
    bound_ms: i64,
    grain_ms: i64,
    newest: EventTime,
    current: EventTime,
}

impl Watermark {
    /// A watermark before the first event.
    #[must_use]
    pub fn new(settings: &TimeSettings) -> Self {
        Self {
            bound_ms: settings.bound_ms,
            grain_ms: settings.grain_ms(),
            newest: BEGINNING,
            current: BEGINNING,
        }
    }

    /// Where the watermark stands.
    #[must_use]
    pub fn current(&self) -> EventTime {
        self.current
    }

    /// Takes note of an event; true if that moved the watermark.
    pub fn observe(&mut self, at: EventTime) -> bool {
        if at <= self.newest {
            return false;
        }
        self.newest = at;
        self.advance(at.plus_ms(-self.bound_ms))
    }

    /// Moves the watermark to the last step at or before `to`, if that is later than where it
    /// stands; true if it moved.
    pub fn advance(&mut self, to: EventTime) -> bool {
        // Less than a step ahead, as for most events: no need to find out which step it is in.
        if to == BEGINNING || to < self.current.plus_ms(self.grain_ms) {
            return false;
        }
        let step = EventTime(to.0.div_euclid(self.grain_ms).saturating_mul(self.grain_ms));
        let moves = step > self.current;
        if moves {
            self.current = step;
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(bound_ms: i64) -> TimeSettings {
        TimeSettings {
            bound_ms,
            lateness_ms: 0,
            idleness_us: 0,
        }
    }

    #[test]
    fn the_grain_divides_a_second_and_is_small_against_the_bound() {
        for (bound_ms, grain_ms) in [
            (0, 1),
            (50, 1),
            (2_500, 10),
            (5_000, 10),
            (25_000, 100),
            (300_000, 1000),
        ] {
            assert_eq!(settings(bound_ms).grain_ms(), grain_ms, "bound {bound_ms}");
        }
    }

    #[test]
    fn the_watermark_follows_the_newest_event_and_never_goes_back() {
        let mut watermark = Watermark::new(&settings(5_000));
        assert_eq!(watermark.current(), BEGINNING);
        assert!(watermark.observe(EventTime(100_004)));
        assert_eq!(watermark.current(), EventTime(95_000));
        assert!(!watermark.observe(EventTime(90_000)), "an older event");
        assert!(!watermark.observe(EventTime(100_009)), "less than a step");
        assert!(watermark.observe(EventTime(100_010)));
        assert_eq!(watermark.current(), EventTime(95_010));
    }

    #[test]
    fn an_advance_beyond_the_newest_event_holds() {
        let mut watermark = Watermark::new(&settings(0));
        assert!(watermark.advance(EventTime(500)));
        assert!(!watermark.observe(EventTime(400)));
        assert_eq!(watermark.current(), EventTime(500));
        assert!(!watermark.advance(BEGINNING));
    }

    proptest! {
        /// forall timestamps: the watermark is where a plain reading of its formula puts it.
        #[test]
        fn the_formula_holds(times in prop::collection::vec(any::<i32>(), 1..50), bound in 0i64..10_000) {
            let mut watermark = Watermark::new(&settings(bound));
            for at in &times {
                watermark.observe(EventTime(i64::from(*at)));
            }
            let newest = i64::from(*times.iter().max().unwrap());
            let grain = settings(bound).grain_ms();
            prop_assert_eq!(watermark.current().0, (newest - bound).div_euclid(grain) * grain);
        }
    }
}
