//! When events are due: arrival offsets that come from the plan alone.
//!
//! Slot `k` arrives where the cumulated intensity reaches `u(k)`: `u(k) = k` for even spacing, a sum of
//! `k + 1` exponential draws of mean 1 for a Poisson process. One rate for the whole run needs no
//! segments and is the fast case.

mod intensity;
mod phases;
mod trace;

use self::intensity::Intensity;
pub(crate) use self::phases::resolve_phases;
pub use self::trace::read_traces;
use crate::draw::{Key, unit};
use crate::math::ln;

/// Slots between two remembered sums of a Poisson schedule.
const STRIDE: u64 = 64;

/// Share of an event that may be missing from a whole number of them by rounding alone.
const ROUNDING: f64 = 1e-6;

/// The arrival offsets of a stream's slots, in nanoseconds of wall time since the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    spacing: Spacing,
    count: u64,
    duration_ns: i64,
}

#[derive(Debug, Clone)]
enum Spacing {
    /// `a(k) = k / rate`.
    Constant { rate: f64 },
    /// `a(k)` is the sum of `k + 1` exponential gaps in nanoseconds.
    Poisson { rate: f64, sums: Sums },
    /// `a(k)` is where the intensity reaches `k`.
    Shaped(Intensity),
    /// `a(k)` is where the intensity reaches the sum of `k + 1` exponential gaps of mean 1.
    ShapedPoisson { intensity: Intensity, sums: Sums },
}

/// Sums of exponential gaps; every [`STRIDE`]th is remembered.
#[derive(Debug, Clone)]
struct Sums {
    key: Key,
    /// The mean gap is `1 / per_unit` of `unit`.
    per_unit: f64,
    unit: f64,
    kept: Vec<f64>,
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
        Self {
            spacing,
            count,
            duration_ns,
        }
    }

    /// Arrivals with exponential gaps of mean `1 / rate`, before `duration_ns`.
    pub(crate) fn poisson(rate: f64, duration_ns: i64, key: Key) -> Self {
        let (sums, count) = Sums::below(duration_ns as f64, key, rate, 1e9);
        Self {
            spacing: Spacing::Poisson { rate, sums },
            count,
            duration_ns,
        }
    }

    /// Arrivals at the pace of an intensity, which lasts `duration_ns`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run has far fewer than 2^53 slots"
    )]
    pub(crate) fn shaped(intensity: Intensity, duration_ns: i64) -> Self {
        let count = (intensity.total() - ROUNDING).ceil().max(0.0) as u64;
        Self {
            spacing: Spacing::Shaped(intensity),
            count,
            duration_ns,
        }
    }

    /// Arrivals of a Poisson process with an intensity, which lasts `duration_ns`.
    pub(crate) fn shaped_poisson(intensity: Intensity, duration_ns: i64, key: Key) -> Self {
        let (sums, count) = Sums::below(intensity.total(), key, 1.0, 1.0);
        Self {
            spacing: Spacing::ShapedPoisson { intensity, sums },
            count,
            duration_ns,
        }
    }

    /// Number of slots.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Events per second over the whole run.
    pub(crate) fn mean_rate(&self) -> f64 {
        match &self.spacing {
            Spacing::Constant { rate } | Spacing::Poisson { rate, .. } => *rate,
            Spacing::Shaped(intensity) | Spacing::ShapedPoisson { intensity, .. } => {
                intensity.total() * 1e9 / self.duration_ns as f64
            }
        }
    }

    /// The highest rate at any instant in events per second; infinite where several are due at once.
    pub(crate) fn peak_rate(&self) -> f64 {
        match &self.spacing {
            Spacing::Constant { rate } | Spacing::Poisson { rate, .. } => *rate,
            Spacing::Shaped(intensity) | Spacing::ShapedPoisson { intensity, .. } => {
                intensity.peak()
            }
        }
    }

    /// Events that are expected to arrive in the second that begins `second` after the start.
    pub(crate) fn expected_in(&self, second: i64) -> f64 {
        let (from, to) = (
            (second * 1_000_000_000).min(self.duration_ns),
            ((second + 1) * 1_000_000_000).min(self.duration_ns),
        );
        match &self.spacing {
            Spacing::Constant { rate } | Spacing::Poisson { rate, .. } => {
                (to - from) as f64 * rate / 1e9
            }
            Spacing::Shaped(intensity) | Spacing::ShapedPoisson { intensity, .. } => {
                intensity.mass_by(to as f64) - intensity.mass_by(from as f64)
            }
        }
    }

    /// Arrival offset of one slot.
    pub(crate) fn arrival_ns(&self, slot: u64) -> i64 {
        match &self.spacing {
            Spacing::Constant { rate } => constant_ns(*rate, slot),
            Spacing::Poisson { sums, .. } => whole(sums.of(slot)),
            Spacing::Shaped(intensity) => self.inside(intensity.at(slot as f64)),
            Spacing::ShapedPoisson { intensity, sums } => self.inside(intensity.at(sums.of(slot))),
        }
    }

    /// The first slot that arrives at `offset_ns` or later; the number of slots if none does.
    pub(crate) fn first_at(&self, offset_ns: i64) -> u64 {
        let (mut low, mut high) = match &self.spacing {
            Spacing::Constant { .. } | Spacing::Shaped(_) => (0, self.count),
            Spacing::Poisson { sums, .. } => sums.block(|sum| whole(sum) < offset_ns),
            Spacing::ShapedPoisson { intensity, sums } => {
                sums.block(|sum| self.inside(intensity.at(sum)) < offset_ns)
            }
        };
        high = high.min(self.count);
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
            segment: 0,
        }
    }

    /// The last nanosecond of a run still belongs to it: a position just below the total may round up.
    fn inside(&self, at_ns: f64) -> i64 {
        whole(at_ns).min(self.duration_ns - 1)
    }
}

impl Sums {
    /// Sums of gaps as long as they are below `limit`, and their number.
    fn below(limit: f64, key: Key, per_unit: f64, unit: f64) -> (Self, u64) {
        let mut sums = Self {
            key,
            per_unit,
            unit,
            kept: Vec::new(),
        };
        let (mut sum, mut count) = (0.0, 0);
        loop {
            if count % STRIDE == 0 {
                sums.kept.push(sum);
            }
            sum += sums.gap(count);
            if sum >= limit {
                return (sums, count);
            }
            count += 1;
        }
    }

    fn gap(&self, slot: u64) -> f64 {
        -ln(1.0 - unit(self.key.bits(slot))) * self.unit / self.per_unit
    }

    /// The sum up to and with a slot's gap.
    fn of(&self, slot: u64) -> f64 {
        let block = (slot / STRIDE).min(self.kept.len() as u64 - 1);
        let before = self.kept[block as usize];
        (block * STRIDE..=slot).fold(before, |sum, k| sum + self.gap(k))
    }

    /// First and last slot of those around which sums cease to be `early`.
    fn block(&self, early: impl Fn(f64) -> bool) -> (u64, u64) {
        let block = self.kept.partition_point(|sum| early(*sum)).max(1) as u64 - 1;
        (block * STRIDE, (block + 1) * STRIDE)
    }
}

/// Walks a schedule's slots in order, at constant cost for each.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    schedule: &'a Schedule,
    slot: u64,
    sum: f64,
    segment: usize,
}

impl Iterator for Cursor<'_> {
    type Item = (u64, i64);

    /// The next slot and its arrival offset.
    #[inline]
    fn next(&mut self) -> Option<(u64, i64)> {
        let slot = self.slot;
        if slot >= self.schedule.count {
            return None;
        }
        self.slot += 1;
        let at = match &self.schedule.spacing {
            Spacing::Constant { rate } => constant_ns(*rate, slot),
            Spacing::Poisson { sums, .. } => {
                self.sum += sums.gap(slot);
                whole(self.sum)
            }
            Spacing::Shaped(intensity) => {
                let at = intensity.at_from(&mut self.segment, slot as f64);
                self.schedule.inside(at)
            }
            Spacing::ShapedPoisson { intensity, sums } => {
                self.sum += sums.gap(slot);
                let at = intensity.at_from(&mut self.segment, self.sum);
                self.schedule.inside(at)
            }
        };
        Some((slot, at))
    }
}

/// `slot / rate` in nanoseconds. The division comes last: a gap rounded to whole nanoseconds would
/// drift (at 3M/s it would be 333 ns, a rate of 3.003M/s).
fn constant_ns(rate: f64, slot: u64) -> i64 {
    whole(slot as f64 * 1e9 / rate)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a run is far shorter than 2^53 ns x 1000"
)]
fn whole(ns: f64) -> i64 {
    ns as i64
}

#[cfg(test)]
mod tests;
