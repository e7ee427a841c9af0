//! Cumulated intensity: how many events are to have arrived by a time, and its inverse.
//!
//! `L(t)` is the integral of the rate from the start of the run. It is made of segments on which the rate
//! is a straight line, `r(t) = r0 + s t`, so with `v = L - L0` inside a segment
//!
//! ```text
//! v = r0 t + s t^2 / 2        t = 2 v / (r0 + sqrt(r0^2 + 2 s v))
//! ```
//!
//! The second form has no cancellation and holds for `s = 0` too. Times are measured from the start of
//! their segment, so no rounding adds up over a run.

/// Nanoseconds in a second.
const SECOND_NS: f64 = 1e9;

/// A stretch of time on which the rate is a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    start_ns: f64,
    /// Events that are to have arrived before it.
    before: f64,
    /// Events per second at its start; infinite for several events at one instant.
    rate: f64,
    /// Change of the rate, events per second per second.
    slope: f64,
}

impl Segment {
    fn at(&self, position: f64) -> f64 {
        let inside = position - self.before;
        if inside <= 0.0 {
            return self.start_ns;
        }
        if self.slope == 0.0 {
            return self.start_ns + inside * SECOND_NS / self.rate;
        }
        let square = self.rate * self.rate + 2.0 * self.slope * inside;
        let seconds = 2.0 * inside / (self.rate + square.max(0.0).sqrt());
        self.start_ns + seconds * SECOND_NS
    }

    fn mass_by(&self, at_ns: f64) -> f64 {
        let seconds = (at_ns - self.start_ns) / SECOND_NS;
        if seconds <= 0.0 {
            return self.before;
        }
        self.before + seconds * (self.rate + self.slope * seconds / 2.0)
    }
}

/// The cumulated intensity of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Intensity {
    segments: Vec<Segment>,
    end_ns: f64,
    total: f64,
    peak: f64,
}

impl Intensity {
    /// Events that are to arrive in all.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// The highest rate at any instant, in events per second.
    pub(crate) fn peak(&self) -> f64 {
        self.peak
    }

    /// The segment in which a position lies, for [`Intensity::at_from`].
    pub(crate) fn segment_of(&self, position: f64) -> usize {
        self.segments
            .partition_point(|segment| segment.before <= position)
            .saturating_sub(1)
    }

    /// The time at which so many events have arrived, in nanoseconds since the start.
    pub(crate) fn at(&self, position: f64) -> f64 {
        self.at_from(&mut self.segment_of(position), position)
    }

    /// The same for a walk: `segment` is where the last position was, which was not greater.
    pub(crate) fn at_from(&self, segment: &mut usize, position: f64) -> f64 {
        let mut end_ns = self.end_ns;
        while let Some(next) = self.segments.get(*segment + 1) {
            if next.before > position {
                end_ns = next.start_ns;
                break;
            }
            *segment += 1;
        }
        self.segments
            .get(*segment)
            .map_or(end_ns, |found| found.at(position).min(end_ns))
    }

    /// Events that are to have arrived before a time.
    pub(crate) fn mass_by(&self, at_ns: f64) -> f64 {
        let index = self
            .segments
            .partition_point(|segment| segment.start_ns < at_ns)
            .saturating_sub(1);
        let until = self
            .segments
            .get(index + 1)
            .map_or(self.total, |s| s.before);
        self.segments
            .get(index)
            .map_or(0.0, |found| found.mass_by(at_ns).min(until))
    }
}

/// Puts segments one behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Builder {
    segments: Vec<Segment>,
    at_ns: f64,
    mass: f64,
    peak: f64,
}

impl Builder {
    /// Number of segments so far.
    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Goes on to `end_ns`, from one rate to another in a straight line.
    pub(crate) fn line(&mut self, end_ns: f64, from: f64, to: f64) {
        let seconds = (end_ns - self.at_ns) / SECOND_NS;
        if seconds <= 0.0 {
            return;
        }
        self.segments.push(Segment {
            start_ns: self.at_ns,
            before: self.mass,
            rate: from,
            slope: (to - from) / seconds,
        });
        self.mass += (from + to) / 2.0 * seconds;
        self.at_ns = end_ns;
        self.peak = self.peak.max(from).max(to);
    }

    /// Goes on to `end_ns` with so many events, evenly spaced; all at once where no time is left.
    pub(crate) fn events(&mut self, end_ns: f64, count: f64) {
        let seconds = (end_ns - self.at_ns) / SECOND_NS;
        let rate = if seconds > 0.0 {
            count / seconds
        } else if count > 0.0 {
            f64::INFINITY
        } else {
            return;
        };
        self.segments.push(Segment {
            start_ns: self.at_ns,
            before: self.mass,
            rate,
            slope: 0.0,
        });
        self.mass += count;
        self.at_ns = end_ns;
        self.peak = self.peak.max(rate);
    }

    /// The whole.
    pub(crate) fn build(self) -> Intensity {
        Intensity {
            segments: self.segments,
            end_ns: self.at_ns,
            total: self.mass,
            peak: self.peak,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built(lines: &[(f64, f64, f64)]) -> Intensity {
        let mut builder = Builder::default();
        let mut end = 0.0;
        for &(seconds, from, to) in lines {
            end += seconds * SECOND_NS;
            builder.line(end, from, to);
        }
        builder.build()
    }

    #[test]
    fn a_ramp_from_nothing_reaches_its_half_late() {
        let intensity = built(&[(10.0, 0.0, 100.0)]);
        assert_eq!(intensity.total(), 500.0);
        assert_eq!(intensity.at(0.0), 0.0);
        // Half of the events in the last 29 % of the time: t = 10 / sqrt 2.
        assert!((intensity.at(250.0) / SECOND_NS - 10.0 / 2f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_pause_holds_the_next_event_until_it_is_over() {
        let intensity = built(&[(1.0, 10.0, 10.0), (5.0, 0.0, 0.0), (1.0, 10.0, 10.0)]);
        assert_eq!(intensity.at(9.0), 0.9 * SECOND_NS);
        assert_eq!(intensity.at(10.0), 6.0 * SECOND_NS);
        assert_eq!(intensity.mass_by(3.0 * SECOND_NS), 10.0);
    }

    #[test]
    fn events_at_one_instant_share_its_time() {
        let mut builder = Builder::default();
        builder.events(SECOND_NS, 1.0);
        builder.events(SECOND_NS, 3.0);
        builder.events(2.0 * SECOND_NS, 1.0);
        let intensity = builder.build();
        let found: Vec<f64> = (0..5)
            .map(|k| intensity.at(f64::from(k)) / SECOND_NS)
            .collect();
        assert_eq!(found, [0.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(intensity.at(4.5), 1.5 * SECOND_NS);
    }

    proptest! {
        /// forall shapes and positions: the inverse undoes the integral, and grows.
        #[test]
        fn the_inverse_undoes_the_integral(
            lines in prop::collection::vec((0.01f64..10.0, 0.0f64..1e6, 0.0f64..1e6), 1..20),
            shares in prop::collection::vec(0.0f64..1.0, 2..50),
        ) {
            let intensity = built(&lines);
            let mut positions: Vec<f64> = shares.iter().map(|s| s * intensity.total()).collect();
            positions.sort_by(f64::total_cmp);
            let times: Vec<f64> = positions.iter().map(|p| intensity.at(*p)).collect();
            prop_assert!(times.is_sorted());
            for (position, at) in positions.iter().zip(&times) {
                let back = intensity.mass_by(*at);
                // One nanosecond of a million events a second is a thousandth of an event.
                prop_assert!((back - position).abs() < 1e-2, "{position} {at} {back}");
            }
        }
    }
}
