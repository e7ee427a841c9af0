//! Time to detect: quantiles over found incidents, and the Kaplan-Meier estimate over all of them.
//!
//! A median over found incidents alone flatters: a detector that finds the easy half at once and the
//! rest never has an excellent one. Kaplan-Meier counts a miss as "not before the end of its window".

/// The `q`-quantile of `sorted` values, interpolated linearly between the two nearest
/// (Hyndman and Fan's type 7). `None` without values.
///
/// ```
/// assert_eq!(floodmark_scoring::delays::quantile(&[1.0, 4.0, 6.0, 9.0], 0.5), Some(5.0));
/// ```
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rank is between 0 and the number of values"
)]
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = q.clamp(0.0, 1.0) * last as f64;
    let below = rank.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    Some(low + (high - low) * (rank - rank.floor()))
}

/// One incident's time to detection, or the time at which watching for it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Delay of the first alert, or length of the matching window of a missed incident.
    pub time: f64,
    /// Whether it was detected.
    pub detected: bool,
}

/// A survival curve: the share of incidents not yet detected.
#[derive(Debug, Clone, PartialEq)]
pub struct Survival {
    /// Steps `(time, share undetected from this time on)`, ascending, beginning at time 0 (or at the
    /// first observation, if that is negative) with 1.
    pub steps: Vec<(f64, f64)>,
}

impl Survival {
    /// The smallest time at which at least the share `q` is detected; `None` if that is never reached.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        // The slack keeps a share that is 0.5 but for rounding from being passed over.
        self.steps
            .iter()
            .find(|(_, survival)| *survival <= 1.0 - q + 1e-9)
            .map(|(time, _)| *time)
    }
}

/// The Kaplan-Meier estimate: `S(t) = prod over t_i <= t of (1 - d_i / n_i)`, with `d_i` detections at
/// `t_i` and `n_i` incidents still watched just before. Detections at a time count before censorings
/// at the same time. Kaplan and Meier, JASA 53, 1958.
#[must_use]
pub fn kaplan_meier(observations: &[Observation]) -> Survival {
    let mut sorted = observations.to_vec();
    sorted.sort_by(|a, b| a.time.total_cmp(&b.time));
    let first = sorted.first().map_or(0.0, |o| o.time.min(0.0));
    let mut steps = vec![(first, 1.0)];
    let mut survival = 1.0;
    let mut at_risk = sorted.len();
    for group in sorted.chunk_by(|a, b| a.time == b.time) {
        let detected = group.iter().filter(|o| o.detected).count();
        survival *= 1.0 - detected as f64 / at_risk as f64;
        at_risk -= group.len();
        match steps.last_mut() {
            Some(last) if last.0 == group[0].time => last.1 = survival,
            _ => steps.push((group[0].time, survival)),
        }
    }
    Survival { steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(time: f64, detected: bool) -> Observation {
        Observation { time, detected }
    }

    #[test]
    fn a_median_between_two_values_is_interpolated() {
        assert_eq!(quantile(&[1.0, 2.0], 0.5), Some(1.5));
        assert_eq!(quantile(&[3.0], 0.99), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_miss_keeps_the_curve_from_reaching_zero() {
        let survival = kaplan_meier(&[seen(1.0, true), seen(30.0, false)]);
        assert_eq!(survival.steps, [(0.0, 1.0), (1.0, 0.5), (30.0, 0.5)]);
        assert_eq!(survival.quantile(0.5), Some(1.0));
        assert_eq!(survival.quantile(0.9), None);
    }

    #[test]
    fn an_alert_before_the_start_begins_the_curve_early() {
        let survival = kaplan_meier(&[seen(-2.0, true), seen(1.0, true)]);
        assert_eq!(survival.steps, [(-2.0, 0.5), (1.0, 0.0)]);
    }
}
