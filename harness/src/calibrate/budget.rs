//! The time that a calibration may take, shared by its measurements.

use std::time::Duration;

use floodmark_generator::Measured;

use crate::run::files::micros;

/// All measurements together: what is left of three seconds is for starting and ending.
const LIMIT: Duration = Duration::from_millis(2_700);
/// No measurement is cut to less than this share of its length: a shorter one says too little.
const LEAST: f64 = 0.4;

/// How much time is left, and for how many measurements. On a machine on which making populations takes long,
/// the measurements are shortened by as much.
#[derive(Debug)]
pub(super) struct Budget {
    until_us: i64,
    left: u32,
    /// When the measurement before began, and for how long it measured.
    last: Option<(i64, i64)>,
    /// Time beside the measuring that the slowest measurement took so far.
    beside_us: i64,
}

impl Budget {
    /// A budget for so many measurements that begins now.
    pub(super) fn new(now_us: i64, measurements: u32) -> Self {
        Self {
            until_us: now_us + micros(LIMIT),
            left: measurements,
            last: None,
            beside_us: 0,
        }
    }

    /// How long the next measurement may take: as wanted, or its share of what is left.
    pub(super) fn next(&mut self, now_us: i64, wanted: Measured) -> Measured {
        let wanted_us = micros(wanted.settle) + micros(wanted.measure);
        if let Some((began_us, measured_us)) = self.last {
            self.beside_us = self.beside_us.max(now_us - began_us - measured_us);
        }
        let each_us = (self.until_us - now_us) / i64::from(self.left.max(1));
        let share = (each_us - self.beside_us) as f64 / wanted_us.max(1) as f64;
        let share = share.clamp(LEAST, 1.0);
        self.left = self.left.saturating_sub(1);
        self.last = Some((now_us, (wanted_us as f64 * share) as i64));
        Measured {
            settle: wanted.settle.mul_f64(share),
            measure: wanted.measure.mul_f64(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Measured = Measured {
        settle: Duration::from_millis(100),
        measure: Duration::from_millis(250),
    };

    /// Eight measurements, each with so much time beside it: lengths in milliseconds, and the time of all.
    fn spans(beside_ms: i64) -> (Vec<i64>, i64) {
        let mut budget = Budget::new(0, 8);
        let mut now_us = 0;
        let lengths = (0..8).map(|_| {
            let span = budget.next(now_us, WANTED);
            let length_us = micros(span.settle + span.measure);
            now_us += length_us + beside_ms * 1_000;
            length_us / 1_000
        });
        (lengths.collect(), now_us / 1_000)
    }

    #[test]
    fn measurements_are_shortened_where_there_is_no_time_for_them() {
        // 2.8 s are wanted, 2.7 s are there.
        let (lengths, all_ms) = spans(0);
        assert!(
            lengths.iter().all(|ms| (330..=350).contains(ms)),
            "{lengths:?}"
        );
        assert!((2_690..=2_700).contains(&all_ms), "{all_ms}");
        // With a tenth of a second beside each, which the first does not know of yet.
        let (lengths, all_ms) = spans(100);
        assert!(lengths[7] < lengths[0] && lengths[7] >= 140, "{lengths:?}");
        assert!(all_ms <= 2_705, "{all_ms}");
    }

    #[test]
    fn none_is_shortened_without_need_or_to_nothing() {
        let mut budget = Budget::new(0, 2);
        let span = budget.next(0, WANTED);
        assert_eq!((span.settle, span.measure), (WANTED.settle, WANTED.measure));
        let late = budget.next(60_000_000, WANTED);
        assert_eq!(late.measure, Duration::from_millis(100));
    }
}
