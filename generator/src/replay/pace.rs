//! Due times of a replay.

use std::str::FromStr;

use floodmark_contracts::{clock::RunMicros, units::parse_rate};

use super::{Due, RecordedClock, Recording};

/// How fast a recording is sent again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many times as fast as it was recorded; 1 is as it was.
    Speed(f64),
    /// So many records a second, evenly spaced, in the order in which they were recorded.
    Rate(f64),
    /// All at once: as fast as they are taken.
    Max,
}

/// Why a text is no pace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no pace; use `as-was`, a factor such as `60x`, a rate such as `5k/s`, or `max`"
)]
pub struct PaceError {
    /// The text.
    pub found: String,
}

impl FromStr for Pace {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        let bad = || PaceError {
            found: text.to_owned(),
        };
        match text {
            "as-was" => return Ok(Self::Speed(1.0)),
            "max" => return Ok(Self::Max),
            _ => {}
        }
        if let Some(factor) = text.strip_suffix('x') {
            let factor: f64 = factor.parse().map_err(|_| bad())?;
            let sound = factor.is_finite() && factor > 0.0;
            return sound.then_some(Self::Speed(factor)).ok_or_else(bad);
        }
        parse_rate(text).map(Self::Rate).map_err(|_| bad())
    }
}

impl Pace {
    /// All records in the order of their due times. A record that was recorded with an earlier time than one
    /// before it in its lane is due together with that one, so that the order of a lane never changes;
    /// where several lanes have records due at the same time, the first lane's come first.
    #[must_use]
    pub fn schedule(self, recording: &Recording) -> Vec<Due> {
        let factor = match self {
            Self::Speed(factor) => factor,
            Self::Rate(_) | Self::Max => 1.0,
        };
        let mut all = as_recorded(recording, factor);
        match self {
            Self::Speed(_) => {}
            Self::Rate(rate) => {
                for (number, due) in all.iter_mut().enumerate() {
                    // The division comes last: a rounded gap would drift.
                    due.at = micros(number as f64 * 1e6 / rate);
                }
            }
            Self::Max => all.iter_mut().for_each(|due| due.at = RunMicros(0)),
        }
        all
    }
}

fn as_recorded(recording: &Recording, factor: f64) -> Vec<Due> {
    let first = |lane: &Vec<super::Recorded>| lane.iter().map(|record| record.at_ms).min();
    let earliest = recording.lanes.iter().filter_map(first).min();
    let mut all = Vec::with_capacity(recording.len());
    for (lane, records) in recording.lanes.iter().enumerate() {
        let base = match recording.clock {
            RecordedClock::Wall => earliest,
            RecordedClock::Event => first(records),
        }
        .unwrap_or_default();
        let mut latest = base;
        for (row, record) in records.iter().enumerate() {
            latest = latest.max(record.at_ms);
            let at = micros(latest.saturating_sub(base) as f64 * 1000.0 / factor);
            all.push(Due { at, lane, row });
        }
    }
    // Stable: lanes keep their order, and so do rows.
    all.sort_by_key(|due| due.at);
    all
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float that is too large for the cast gives the largest number"
)]
fn micros(value: f64) -> RunMicros {
    RunMicros(value.round() as i64)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::stream::Stream;

    use super::*;
    use crate::replay::Recorded;

    fn recording(clock: RecordedClock, lanes: &[&[i64]]) -> Recording {
        let record = |at_ms: &i64| Recorded {
            at_ms: *at_ms,
            key: Vec::new(),
            value: Vec::new(),
            headers: Vec::new(),
            partition: None,
        };
        Recording {
            stream: Stream::Sensors,
            clock,
            lanes: lanes
                .iter()
                .map(|times| times.iter().map(record).collect())
                .collect(),
            truth: Vec::new(),
            span: None,
            scored: None,
        }
    }

    fn check(pace: &str, clock: RecordedClock, lanes: &[&[i64]], expected: &[(i64, usize, usize)]) {
        let found: Vec<(i64, usize, usize)> = pace
            .parse::<Pace>()
            .unwrap()
            .schedule(&recording(clock, lanes))
            .iter()
            .map(|due| (due.at.0 / 1000, due.lane, due.row))
            .collect();
        assert_eq!(found, expected, "{pace}");
    }

    #[test]
    fn paces_are_read_by_their_names() {
        for (text, expected) in [
            ("as-was", Some(Pace::Speed(1.0))),
            ("60x", Some(Pace::Speed(60.0))),
            ("0.5x", Some(Pace::Speed(0.5))),
            ("5k/s", Some(Pace::Rate(5000.0))),
            ("max", Some(Pace::Max)),
            ("0x", None),
            ("-1x", None),
            ("infx", None),
            ("0/s", None),
            ("fast", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn rows_out_of_order_keep_their_place_and_never_go_back_in_time() {
        let lanes: [&[i64]; 1] = [&[1000, 3000, 2000, 3000, 4000]];
        let expected = [
            (0, 0, 0),
            (2000, 0, 1),
            (2000, 0, 2),
            (2000, 0, 3),
            (3000, 0, 4),
        ];
        check("as-was", RecordedClock::Event, &lanes, &expected);
        let expected = [
            (0, 0, 0),
            (200, 0, 1),
            (200, 0, 2),
            (200, 0, 3),
            (300, 0, 4),
        ];
        check("10x", RecordedClock::Event, &lanes, &expected);
    }

    #[test]
    fn series_begin_together_and_partitions_keep_their_distance() {
        let lanes: [&[i64]; 2] = [&[9000, 9500], &[1000, 1400]];
        let together = [(0, 0, 0), (0, 1, 0), (400, 1, 1), (500, 0, 1)];
        check("as-was", RecordedClock::Event, &lanes, &together);
        let apart = [(0, 1, 0), (400, 1, 1), (8000, 0, 0), (8500, 0, 1)];
        check("as-was", RecordedClock::Wall, &lanes, &apart);
    }

    #[test]
    fn a_rate_spaces_records_evenly_in_their_order() {
        let lanes: [&[i64]; 2] = [&[9000, 9500], &[1000, 1400]];
        let even = [(0, 1, 0), (250, 1, 1), (500, 0, 0), (750, 0, 1)];
        check("4/s", RecordedClock::Wall, &lanes, &even);
        let at_once = [(0, 1, 0), (0, 1, 1), (0, 0, 0), (0, 0, 1)];
        check("max", RecordedClock::Wall, &lanes, &at_once);
    }
}
