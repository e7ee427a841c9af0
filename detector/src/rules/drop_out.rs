//! The sensor stops sending: silence of more than four of its periods.
//!
//! Silence is measured in event time, which goes on as long as other sensors of the partition, or of
//! other partitions, report. One finding per silence.

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, two_decimals};

/// Periods without a reading that make a drop-out. Gaps vary by a few per cent; a reading that came
/// too late to be used makes a gap of two periods, three such in a row one of four.
const PERIODS: f64 = 4.3;

/// Gaps before the period is believed.
const WARM_UP_GAPS: u32 = 3;

/// A gap longer than this many periods has lost readings in it and says nothing about the period.
const LONGEST_GAP: f64 = 1.6;

/// Weight of a new gap in the period.
const RATE: f64 = 0.1;

/// State of the rule for one sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DropOut {
    last: Option<EventTime>,
    period_ms: f64,
    gaps: u32,
    /// The deadline that is set for this sensor.
    due: Option<EventTime>,
    /// The silence since the last reading has been found.
    found: bool,
}

impl DropOut {
    /// Takes a reading; when to look again, if no deadline is set yet.
    pub fn reading(&mut self, at: EventTime) -> Option<EventTime> {
        if let Some(last) = self.last.replace(at) {
            self.learn(at.since(last) as f64);
        }
        self.found = false;
        if self.due.is_some() || self.gaps < WARM_UP_GAPS {
            return None;
        }
        self.due = self.deadline();
        self.due
    }

    /// Looks at the sensor at a deadline, `now`. Says when to look again, or what was found. A deadline
    /// other than the one that is set belongs to a sensor that had this state before: it is passed over,
    /// or every sensor that comes and goes would leave one behind that is set again for ever.
    pub fn look(&mut self, now: EventTime) -> Look {
        if self.due != Some(now) {
            return Look::Done;
        }
        self.due = None;
        match (self.last, self.deadline()) {
            (Some(_), Some(deadline)) if deadline > now => {
                self.due = Some(deadline);
                Look::Again(deadline)
            }
            (Some(last), Some(deadline)) if !self.found => {
                self.found = true;
                let silent_since = last.plus_ms(self.period_ms.round() as i64);
                let mut finding =
                    Finding::between("drop-out", Kind::DropOut, silent_since, deadline)
                        .score(0.8)
                        .evidence("period_ms", two_decimals(self.period_ms))
                        .evidence("last", last.0);
                finding.mark = last;
                Look::Found(Box::new(finding))
            }
            _ => Look::Done,
        }
    }

    fn deadline(&self) -> Option<EventTime> {
        self.last
            .map(|last| last.plus_ms((self.period_ms * PERIODS).ceil() as i64))
    }

    fn learn(&mut self, gap_ms: f64) {
        if gap_ms <= 0.0 || (self.gaps > 0 && gap_ms > LONGEST_GAP * self.period_ms) {
            return;
        }
        // The first gap may be a long one: a much shorter one takes its place.
        if self.gaps == 0 || gap_ms * LONGEST_GAP < self.period_ms {
            self.period_ms = gap_ms;
            self.gaps = 1;
            return;
        }
        self.gaps = self.gaps.saturating_add(1);
        self.period_ms += RATE.max(1.0 / f64::from(self.gaps)) * (gap_ms - self.period_ms);
    }
}

/// What a look at a deadline gave.
#[derive(Debug, PartialEq)]
pub enum Look {
    /// Nothing is due before this.
    Again(EventTime),
    /// The sensor has dropped out.
    Found(Box<Finding>),
    /// Nothing to wait for until the next reading.
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds readings (ms), running deadlines in between and up to `until`; the silences found, as
    /// time of the last reading and of the finding.
    fn check(readings: &[i64], until: i64, expected: &[(i64, i64)]) {
        let mut rule = DropOut::default();
        let (mut found, mut due) = (Vec::new(), None);
        for at in readings.iter().copied().chain([until]) {
            while let Some(EventTime(deadline)) = due.filter(|due: &EventTime| due.0 < at) {
                due = match rule.look(EventTime(deadline)) {
                    Look::Again(next) => Some(next),
                    Look::Found(finding) => {
                        found.push((finding.mark.0, finding.end.0));
                        None
                    }
                    Look::Done => None,
                };
            }
            if at != until {
                due = rule.reading(EventTime(at)).or(due);
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn silence_of_more_than_four_periods_is_found_once() {
        check(&[0, 1000, 2000, 3000, 4000], 100_000, &[(4000, 8300)]);
    }

    #[test]
    fn a_sensor_that_comes_back_can_drop_out_again() {
        let readings = [0, 1000, 2000, 3000, 20_000, 21_000, 22_000];
        check(&readings, 60_000, &[(3000, 7300), (22_000, 26_300)]);
    }

    #[test]
    fn a_few_lost_readings_are_no_drop_out() {
        check(&[0, 1000, 2000, 3000, 7000, 8000, 11_000], 12_000, &[]);
    }

    #[test]
    fn a_long_first_gap_does_not_become_the_period() {
        check(
            &[0, 30_000, 31_000, 32_000, 33_000, 34_000],
            60_000,
            &[(34_000, 38_300)],
        );
    }

    #[test]
    fn a_deadline_of_another_sensor_is_passed_over() {
        let mut rule = DropOut::default();
        assert_eq!(rule.look(EventTime(3000)), Look::Done);
        let due: Vec<EventTime> = (0..5)
            .filter_map(|i| rule.reading(EventTime(i * 1000)))
            .collect();
        assert_eq!(due, [EventTime(7300)]);
        assert_eq!(rule.look(EventTime(3500)), Look::Done);
        assert_eq!(rule.look(due[0]), Look::Again(EventTime(8300)));
    }

    #[test]
    fn a_sensor_with_an_unknown_period_is_left_alone() {
        check(&[0, 1000, 2000], 1_000_000, &[]);
    }
}
