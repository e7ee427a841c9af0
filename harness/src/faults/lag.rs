//! The subject's lag over a run with faults: close enough to tell when it is back, and bounded.

use floodmark_contracts::{clock::RunMicros, fault::LagSample};

/// Time between samples of a run that is not too long.
const EVERY_US: i64 = 200_000;

/// Samples that are kept: an hour of them. Beyond it every second one is dropped.
const MOST: usize = 18_000;

/// Samples of the lag, further apart the longer the run.
#[derive(Debug)]
pub(super) struct LagLog {
    samples: Vec<LagSample>,
    every_us: i64,
    next_us: i64,
}

impl Default for LagLog {
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            every_us: EVERY_US,
            next_us: i64::MIN,
        }
    }
}

impl LagLog {
    /// Whether a sample is due. The next one is then due later, whether this one succeeds or not.
    pub(super) fn is_due(&mut self, now: RunMicros) -> bool {
        let is_due = now.0 >= self.next_us;
        if is_due {
            self.next_us = now.0 + self.every_us;
        }
        is_due
    }

    /// Takes a sample.
    pub(super) fn note(&mut self, sample: LagSample) {
        self.samples.push(sample);
        if self.samples.len() >= MOST {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.every_us *= 2;
        }
    }

    /// All samples, in their order.
    pub(super) fn into_samples(self) -> Vec<LagSample> {
        self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_day_stay_bounded_and_evenly_apart() {
        let mut log = LagLog::default();
        let day = 86_400 * 1_000_000;
        for at in (0..day).step_by(50_000) {
            if log.is_due(RunMicros(at)) {
                log.note(LagSample {
                    at: RunMicros(at),
                    records: 1,
                });
            }
        }
        let samples = log.into_samples();
        assert!((MOST / 2..MOST).contains(&samples.len()));
        let gaps: Vec<i64> = samples.windows(2).map(|w| w[1].at.0 - w[0].at.0).collect();
        let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(most <= &(2 * least), "{least} to {most}");
    }
}
