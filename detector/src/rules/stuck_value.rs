//! The sensor repeats one value exactly.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// Equal readings in a row that make a sensor stuck. Sensors that sample and hold repeat a value
/// once in a hundred readings, so that five in a row are left to chance once in 10^8 readings.
const READINGS: u32 = 5;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StuckValue {
    value: f64,
    since: EventTime,
    equal: u32,
}

impl StuckValue {
    /// Takes a reading; a finding if it is the fifth equal one, once per run of equal ones.
    pub fn reading(&mut self, at: EventTime, value: f64) -> Option<Finding> {
        if self.equal == 0 || value != self.value {
            *self = Self {
                value,
                since: at,
                equal: 1,
            };
            return None;
        }
        self.equal = self.equal.saturating_add(1);
        (self.equal == READINGS).then(|| {
            Finding::between("stuck-value", Kind::StuckValue, self.since, at)
                .score(0.9)
                .evidence("value", value)
                .evidence("equal", READINGS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: &[i64]) {
        let mut rule = StuckValue::default();
        let found: Vec<i64> = (0..)
            .zip(values)
            .filter_map(|(at, value)| rule.reading(EventTime(at), *value).map(|f| f.end.0))
            .collect();
        assert_eq!(found, expected, "{values:?}");
    }

    #[test]
    fn the_fifth_equal_reading_alerts_once() {
        check(&[1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], &[5]);
    }

    #[test]
    fn four_equal_readings_do_not() {
        check(&[2.0, 2.0, 2.0, 2.0, 2.5, 2.0, 2.0, 2.0, 2.0, 2.5], &[]);
    }

    #[test]
    fn a_second_run_alerts_again() {
        check(
            &[1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0],
            &[4, 10],
        );
    }
}
