//! When the events of incidents happen, and how far their counts are off.

use crate::{draw::Draws, plan::Planned};

/// Times for `n` events over a span, as shares of it: the first at 0, the last at 1, gaps as uneven
/// as people's.
pub(super) fn uneven_times(n: usize, draws: &mut Draws) -> Vec<f64> {
    let mut sum = 0.0;
    let mut times = vec![0.0];
    for _ in 1..n {
        sum += 0.3 + draws.exponential(1.0);
        times.push(sum);
    }
    times
        .iter()
        .map(|t| if sum > 0.0 { t / sum } else { 0.0 })
        .collect()
}

/// Times for `n` events spread at random over a span, as shares of it, in order. Their density grows
/// evenly over the first `ramp` of the span, then stays.
///
/// With ramp `r`, the share of the events before `x` is `x² / 2r` up to `r` and `x - r/2` from there,
/// over `1 - r/2`; this is its inverse.
pub(super) fn spread_times(n: usize, ramp: f64, draws: &mut Draws) -> Vec<f64> {
    let at = |share: f64| {
        let y = share * (1.0 - ramp / 2.0);
        if y < ramp / 2.0 {
            (2.0 * ramp * y).sqrt()
        } else {
            y + ramp / 2.0
        }
    };
    let mut times: Vec<f64> = (0..n).map(|_| at(draws.unit())).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Number of events of a flood that comes to `per_minute` once it has built up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by what the stream carries, which is checked"
)]
pub(super) fn count_of(per_minute: f64, minutes: f64, ramp: f64) -> usize {
    (per_minute * minutes * (1.0 - ramp / 2.0)).round() as usize
}

/// A number of events, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "magnitudes are at most 10"
)]
pub(super) fn at_least_one(wanted: f64) -> usize {
    wanted.round().max(1.0) as usize
}

/// Signal to noise of a count that is `extra` above its usual value: counts vary by their square root
/// (Poisson), and one event more or less is the least that any count varies by.
pub(super) fn count_snr(extra: f64, usual: f64) -> f64 {
    extra / usual.max(1.0).sqrt()
}

/// Puts the events of several visits into the order of their times.
pub(super) fn in_order(mut planned: Vec<Planned>) -> Vec<Planned> {
    planned.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Key;

    #[test]
    fn a_flood_builds_up_over_its_ramp() {
        let draws = || Key::root(1).draws(0);
        let all = spread_times(20_000, 0.5, &mut draws());
        let before = |x: f64| all.iter().filter(|t| **t < x).count() as f64 / 20_000.0;
        // A quarter of the span: (1/4)² / 2(1/2) = 1/16 of 3/4.
        assert!((before(0.25) - 1.0 / 12.0).abs() < 0.01, "{}", before(0.25));
        assert!((before(0.75) - 2.0 / 3.0).abs() < 0.01, "{}", before(0.75));
        assert!(all.iter().all(|t| (0.0..1.0).contains(t)));
        assert_eq!(
            (count_of(60.0, 2.0, 0.0), count_of(60.0, 2.0, 0.5)),
            (120, 90)
        );
    }

    #[test]
    fn a_flood_without_a_ramp_is_even() {
        let all = spread_times(20_000, 0.0, &mut Key::root(1).draws(0));
        let before = all.iter().filter(|t| **t < 0.25).count() as f64 / 20_000.0;
        assert!((before - 0.25).abs() < 0.01);
    }

    #[test]
    fn uneven_times_fill_their_span() {
        let times = uneven_times(9, &mut Key::root(1).draws(0));
        assert_eq!((times[0], times[8], times.len()), (0.0, 1.0, 9));
        assert!(times.is_sorted());
        assert_eq!(uneven_times(1, &mut Key::root(1).draws(0)), [0.0]);
    }
}
