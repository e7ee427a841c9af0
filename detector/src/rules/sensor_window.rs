//! The sensor rule of the field's demos: in a sliding window, a reading that lies more than a fixed
//! distance from the window's average, which includes the reading.
//!
//! ```text
//! |x - avg(window)| > deviation      windows of 10 s every 5 s, deviation 50, by default
//! ```
//! A reading lies in several windows. It is reported once: for the first window, in order of their
//! ends, from whose average it deviates.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::Window,
};

/// Readings of one sensor in one pane. A single one is held in place: with many sensors most panes hold no more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Readings {
    first: Option<(EventTime, f64)>,
    more: Option<Box<More>>,
}

/// All readings of a pane together, and all but the first one each.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct More {
    sum: f64,
    least: f64,
    most: f64,
    rest: Vec<(EventTime, f64)>,
}

impl Readings {
    /// Adds a reading.
    pub fn add(&mut self, at: EventTime, value: f64) {
        let Some((_, first)) = self.first else {
            self.first = Some((at, value));
            return;
        };
        let more = self.more.get_or_insert_with(|| {
            Box::new(More {
                sum: 0.0 + first,
                least: first,
                most: first,
                rest: Vec::new(),
            })
        });
        more.sum += value;
        more.least = more.least.min(value);
        more.most = more.most.max(value);
        more.rest.push((at, value));
    }

    /// Sum, least and most of all readings.
    fn extent(&self) -> (f64, f64, f64) {
        match (&self.more, self.first) {
            (Some(more), _) => (more.sum, more.least, more.most),
            // As a sum begins, so that a negative zero is none.
            (None, Some((_, first))) => (0.0 + first, first, first),
            (None, None) => (0.0, 0.0, 0.0),
        }
    }

    fn rest(&self) -> &[(EventTime, f64)] {
        self.more.as_ref().map_or(&[], |more| &more.rest)
    }

    fn all(&self) -> impl Iterator<Item = &(EventTime, f64)> {
        self.first.iter().chain(self.rest())
    }

    fn len(&self) -> usize {
        self.first.iter().len() + self.rest().len()
    }

    /// Whether a reading of this time is in it: then another one is a copy made in transport.
    #[must_use]
    pub fn holds(&self, at: EventTime) -> bool {
        self.all().any(|(held, _)| *held == at)
    }
}

/// A reading that deviates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// When it was taken.
    pub at: EventTime,
    /// The reading.
    pub value: f64,
    /// The window's average.
    pub avg: f64,
}

/// The readings of a window, given as its parts, that deviate from its average.
pub fn deviations<'a>(
    parts: impl Iterator<Item = &'a Readings> + Clone,
    limit: f64,
) -> Vec<Deviation> {
    let (mut sum, mut n) = (0.0, 0usize);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for part in parts.clone() {
        let (of_part, lowest, highest) = part.extent();
        sum += of_part;
        n += part.len();
        least = least.min(lowest);
        most = most.max(highest);
    }
    if n == 0 {
        return Vec::new();
    }
    let avg = sum / n as f64;
    // Nearly every window ends here, without a look at its readings.
    if most - avg <= limit && avg - least <= limit {
        return Vec::new();
    }
    parts
        .flat_map(Readings::all)
        .filter(|(_, value)| (value - avg).abs() > limit)
        .map(|(at, value)| Deviation {
            at: *at,
            value: *value,
            avg,
        })
        .collect()
}

/// The finding about a reading that deviates in `window`.
#[must_use]
pub fn finding(window: Window, found: Deviation, limit: f64, reading_id: String) -> Finding {
    let distance = (found.value - found.avg).abs();
    let mut finding =
        Finding::between("sensor-window", Kind::SensorSpike, window.start, window.end)
            .score(1.0 - limit / (2.0 * distance))
            .event(reading_id)
            .evidence("value", found.value)
            .evidence("avg", two_decimals(found.avg))
            .evidence("timestamp", found.at.0);
    finding.mark = found.at;
    finding
}

/// The finding about a window with readings that deviate, as an alert for each window has it.
#[must_use]
pub fn window_finding(window: Window, found: &[Deviation], limit: f64) -> Finding {
    let distance = |found: &Deviation| (found.value - found.avg).abs();
    let farthest = found.iter().map(distance).fold(limit, f64::max);
    let avg = found.first().map_or(0.0, |found| found.avg);
    Finding::between("sensor-window", Kind::SensorSpike, window.start, window.end)
        .score(1.0 - limit / (2.0 * farthest))
        .evidence("avg", two_decimals(avg))
        .evidence("readings", found.len())
        .evidence("farthest", two_decimals(farthest))
}

/// The line that the demos print.
#[must_use]
pub fn line(sensor_id: &str, found: Deviation) -> String {
    let (value, avg) = (found.value, two_decimals(found.avg));
    format!("ANOMALY → {sensor_id}: value={value:?}, avg={avg:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: &[f64]) -> Readings {
        let mut readings = Readings::default();
        for (at, value) in (0..).zip(values) {
            readings.add(EventTime(at), *value);
        }
        readings
    }

    fn check(parts: &[&[f64]], expected: &[(f64, f64)]) {
        let parts: Vec<Readings> = parts.iter().map(|values| readings(values)).collect();
        let found: Vec<_> = deviations(parts.iter(), 50.0)
            .iter()
            .map(|d| (d.value, d.avg))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_average_includes_the_reading() {
        check(&[&[50.0, 50.0, 150.0]], &[(150.0, 250.0 / 3.0)]);
        // From the other two it is 75 off, from the average of the three exactly 50.
        check(&[&[50.0, 50.0, 125.0]], &[]);
        check(&[&[150.0]], &[]);
        check(&[], &[]);
    }

    #[test]
    fn a_window_is_all_of_its_parts() {
        check(&[&[20.0, 20.0], &[20.0, 100.0]], &[(100.0, 40.0)]);
        check(&[&[-40.0, 40.0], &[40.0, 40.0]], &[(-40.0, 20.0)]);
    }

    #[test]
    fn the_line_is_that_of_the_demos() {
        let at = EventTime(0);
        let found = Deviation {
            at,
            value: 150.0,
            avg: 59.2051,
        };
        assert_eq!(
            line("sensor_1", found),
            "ANOMALY → sensor_1: value=150.0, avg=59.21"
        );
        let found = Deviation {
            at,
            value: 150.25,
            avg: 59.0,
        };
        assert_eq!(
            line("sensor_1", found),
            "ANOMALY → sensor_1: value=150.25, avg=59.0"
        );
    }

    #[test]
    fn a_window_is_reported_with_the_farthest_of_its_readings() {
        let window = Window {
            start: EventTime(0),
            end: EventTime(10_000),
        };
        let found = [(7, -60.0), (9, 130.0)].map(|(at, value)| Deviation {
            at: EventTime(at),
            value,
            avg: 30.0,
        });
        let finding = window_finding(window, &found, 50.0);
        assert_eq!(finding.mark, window.end, "one alert a window");
        assert_eq!(finding.score, 0.75);
        assert_eq!(finding.evidence[1], ("readings", 2.into()));
        assert_eq!(finding.evidence[2], ("farthest", 100.0.into()));
    }

    #[test]
    fn the_finding_is_about_the_window_and_marked_by_the_reading() {
        let window = Window {
            start: EventTime(0),
            end: EventTime(10_000),
        };
        let found = Deviation {
            at: EventTime(7),
            value: 150.0,
            avg: 50.0,
        };
        let finding = finding(window, found, 50.0, "s@7".into());
        assert_eq!(
            (finding.start.0, finding.end.0, finding.mark.0),
            (0, 10_000, 7)
        );
        assert_eq!(finding.score, 0.75);
    }
}
