//! When events are due: arrival offsets that come from the plan alone.

use crate::draw::{Key, unit};
use crate::math::ln;

/// Slots between two remembered sums of a Poisson schedule.
const STRIDE: u64 = 1024;

/// The arrival offsets of a stream's slots, in nanoseconds of wall time since the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    spacing: Spacing,
    count: u64,
}

#[derive(Debug, Clone)]
enum Spacing {
    /// `a(k) = k / rate`.
    Constant { rate: f64 },
    /// `a(k)` is the sum of `k + 1` exponential gaps; every [`STRIDE`]th sum is remembered.
    Poisson { key: Key, rate: f64, sums: Vec<f64> },
}

impl Schedule {
    /// Evenly spaced arrivals before `duration_ns`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run has far fewer than 2^53 slots"
    )]
    pub(crate) fn constant(rate: f64, duration_ns: i64) -> Self {
        let spacing = Spacing::Constant { rate };
        let mut count = (duration_ns as f64 * rate / 1e9).ceil() as u64;
        // The rounding of the product may be off by one slot either way.
        while count > 0 && constant_ns(rate, count - 1) >= duration_ns {
            count -= 1;
        }
        while constant_ns(rate, count) < duration_ns {
            count += 1;
        }
        Self { spacing, count }
    }

    /// Arrivals with exponential gaps of mean `1 / rate`, before `duration_ns`.
    pub(crate) fn poisson(rate: f64, duration_ns: i64, key: Key) -> Self {
        let mut sums = Vec::new();
        let (mut sum, mut count) = (0.0, 0);
        loop {
            if count % STRIDE == 0 {
                sums.push(sum);
            }
            sum += gap_ns(key, count, rate);
            if sum >= duration_ns as f64 {
                break;
            }
            count += 1;
        }
        Self {
            spacing: Spacing::Poisson { key, rate, sums },
            count,
        }
    }

    /// Number of slots.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Arrival offset of one slot.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below the duration of the run"
    )]
    pub(crate) fn arrival_ns(&self, slot: u64) -> i64 {
        match &self.spacing {
            Spacing::Constant { rate } => constant_ns(*rate, slot),
            Spacing::Poisson { key, rate, sums } => {
                let block = (slot / STRIDE).min(sums.len() as u64 - 1);
                let before = sums[block as usize];
                let sum =
                    (block * STRIDE..=slot).fold(before, |sum, k| sum + gap_ns(*key, k, *rate));
                sum as i64
            }
        }
    }

    /// The first slot that arrives at `offset_ns` or later; the number of slots if none does.
    pub(crate) fn first_at(&self, offset_ns: i64) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.arrival_ns(middle) < offset_ns {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// A cursor over the arrival offsets, for walking all slots in order.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            schedule: self,
            slot: 0,
            sum: 0.0,
        }
    }
}

/// Walks a schedule's slots in order, at constant cost for each.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    schedule: &'a Schedule,
    slot: u64,
    sum: f64,
}

impl Iterator for Cursor<'_> {
    type Item = (u64, i64);

    /// The next slot and its arrival offset.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below the duration of the run"
    )]
    fn next(&mut self) -> Option<(u64, i64)> {
        let slot = self.slot;
        if slot >= self.schedule.count {
            return None;
        }
        self.slot += 1;
        let at = match &self.schedule.spacing {
            Spacing::Constant { rate } => constant_ns(*rate, slot),
            Spacing::Poisson { key, rate, .. } => {
                self.sum += gap_ns(*key, slot, *rate);
                self.sum as i64
            }
        };
        Some((slot, at))
    }
}

/// `slot / rate` in nanoseconds. The division comes last: a gap rounded to whole nanoseconds would
/// drift (at 3M/s it would be 333 ns, a rate of 3.003M/s).
#[expect(
    clippy::cast_possible_truncation,
    reason = "a run is far shorter than 2^53 ns x 1000"
)]
fn constant_ns(rate: f64, slot: u64) -> i64 {
    (slot as f64 * 1e9 / rate) as i64
}

fn gap_ns(key: Key, slot: u64, rate: f64) -> f64 {
    -ln(1.0 - unit(key.bits(slot))) * 1e9 / rate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;

    fn key() -> Key {
        Key::root(1).purpose(Purpose::Arrival)
    }

    #[test]
    fn constant_arrivals_do_not_drift() {
        let schedule = Schedule::constant(3e6, 60_000_000_000);
        assert_eq!(schedule.count(), 180_000_000);
        assert_eq!(schedule.arrival_ns(3_000_000), 1_000_000_000);
        assert_eq!(schedule.arrival_ns(179_999_999), 59_999_999_666);
    }

    #[test]
    fn every_slot_lies_in_the_run_and_the_next_would_not() {
        for rate in [0.3, 1.0, 7.0, 999.0, 1e5 / 3.0] {
            let schedule = Schedule::constant(rate, 2_000_000_000);
            assert!(
                schedule.arrival_ns(schedule.count() - 1) < 2_000_000_000,
                "{rate}"
            );
            assert!(
                schedule.arrival_ns(schedule.count()) >= 2_000_000_000,
                "{rate}"
            );
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let schedule = Schedule::poisson(1000.0, 50_000_000_000, key());
        let arrivals: Vec<i64> = schedule.cursor().map(|(_, at)| at).collect();
        let gaps: Vec<f64> = arrivals
            .windows(2)
            .map(|w| (w[1] - w[0]) as f64 / 1e6)
            .collect();
        // Kolmogorov-Smirnov against 1 - e^-x, at a level of 0.001.
        let mut sorted = gaps.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let distance = sorted
            .iter()
            .enumerate()
            .map(|(i, x)| ((1.0 - (-x).exp()) - i as f64 / n).abs())
            .fold(0.0, f64::max);
        assert!(distance < 1.95 / n.sqrt(), "{distance} over {n} gaps");
        assert!((n - 50_000.0).abs() < 1000.0, "{n}");
    }

    #[test]
    fn a_cursor_walks_what_single_look_ups_give() {
        for schedule in [
            Schedule::constant(777.0, 5_000_000_000),
            Schedule::poisson(777.0, 5_000_000_000, key()),
        ] {
            let walked: Vec<(u64, i64)> = schedule.cursor().collect();
            assert_eq!(walked.len() as u64, schedule.count());
            for &(slot, at) in walked.iter().step_by(97) {
                assert_eq!(schedule.arrival_ns(slot), at);
                assert_eq!(schedule.first_at(at), slot);
                assert_eq!(schedule.first_at(at + 1), slot + 1);
            }
        }
    }
}
