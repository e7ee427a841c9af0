//! How far the subject is, from what the cluster has told of its group.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{clock::WallTime, record::SeriesRow, stream::Stream};
use floodmark_kafka::{
    Error,
    admin::{Lag, Watermarks},
};

use super::{
    LagNow,
    files::micros,
    group::GroupWatch,
    lookout::{Answer, Question},
    misses::Misses,
};
use crate::{audit::start_of, lag::LagClock};

/// How often it is looked who has which partitions.
const MEMBERS_EVERY: Duration = Duration::from_secs(1);

/// What was seen of the subject's progress.
#[derive(Debug, Default)]
pub(super) struct Seen {
    progress: BTreeMap<(WallTime, Stream), Progress>,
    /// The last look at it, and when it was asked for, monotonic microseconds.
    last: Option<(i64, LagNow)>,
    lag_clock: LagClock,
    group: GroupWatch,
    misses: Misses,
    asked_us: Option<i64>,
    members_asked_us: Option<i64>,
}

impl Seen {
    /// Whether `every` is over since the cluster was asked last.
    pub(super) fn is_due(&self, now_us: i64, every: Duration) -> bool {
        is_over(self.asked_us, now_us, every)
    }

    /// What to ask it at `now_us`.
    pub(super) fn question(&mut self, now_us: i64, for_faults: bool) -> Question {
        self.asked_us = Some(now_us);
        let members = is_over(self.members_asked_us, now_us, MEMBERS_EVERY);
        if members {
            self.members_asked_us = Some(now_us);
        }
        Question {
            members,
            for_faults,
        }
    }

    /// Takes an answer in. None is a lag that was not told, which may be missed now and then, and always where it
    /// `is_excused`, or that is nobody's.
    ///
    /// # Errors
    /// If the cluster did not answer for a minute.
    pub(super) fn take(
        &mut self,
        answer: Answer,
        inputs: &BTreeMap<Stream, Vec<String>>,
        starts: &[Watermarks],
        is_excused: bool,
    ) -> Result<Option<LagNow>, Error> {
        let lag = self.answered(answer.lag, answer.at_us, is_excused)?;
        // Room that could not be made is tried again; the lag stands. That none had to be made is no answer.
        if let Err(error) = answer.trimmed {
            self.answered::<()>(Err(error), answer.at_us, is_excused)?;
        }
        let Some(Some(lag)) = lag else {
            return Ok(None);
        };
        if let Some(members) = &answer.members {
            self.group.observe(answer.at, members);
        }
        let mut all = LagNow::default();
        for (stream, topics) in inputs {
            let of_stream = lag
                .iter()
                .filter(|part| topics.contains(&part.partition.topic));
            let progress = self.progress_of(of_stream, starts, answer.at_us);
            all.records += progress.behind;
            all.age_s = all.age_s.max(progress.age_s);
            self.progress.insert((answer.at, *stream), progress);
        }
        self.last = Some((answer.asked_us, all));
        Ok(Some(all))
    }

    /// What a question came to; none where the answer may be missed.
    fn answered<T>(
        &mut self,
        outcome: Result<T, Error>,
        at_us: i64,
        is_excused: bool,
    ) -> Result<Option<T>, Error> {
        if is_excused && let Err(error) = outcome {
            tracing::debug!(%error, "a question about the subject, after a fault of the broker");
            return Ok(None);
        }
        self.misses.note(at_us, outcome)
    }

    fn progress_of<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a Lag>,
        starts: &[Watermarks],
        at_us: i64,
    ) -> Progress {
        let mut progress = Progress::default();
        for part in parts {
            progress.behind += part.records;
            progress.committed += read_of(part, starts);
            progress.age_s = progress.age_s.max(self.lag_clock.observe(at_us, part));
        }
        progress
    }

    /// What the subject had not read at the last look; `None` where nothing tells of it.
    pub(super) fn lag_now(&self) -> Option<LagNow> {
        self.last.map(|(_, lag)| lag)
    }

    /// Whether nothing was left to read when it was last asked, and that was after `since_us`.
    pub(super) fn has_read_all_since(&self, since_us: i64) -> bool {
        self.last
            .is_some_and(|(asked_us, lag)| asked_us >= since_us && lag.records == 0)
    }

    /// What a reader of the run should know of the answers that did not come.
    pub(super) fn notice(&self) -> Option<String> {
        self.misses.notice()
    }

    /// All of it as a time series from `start`.
    pub(super) fn rows(&self, start: WallTime) -> Vec<SeriesRow> {
        let samples = self
            .progress
            .iter()
            .map(|((at, stream), progress)| (*at, *stream, *progress));
        let mut rows = progress_rows(start, samples);
        rows.extend(self.group.rows(start));
        rows
    }
}

/// Records of a partition that were read, by the offset that was committed and that at which the run began to write.
pub(super) fn read_of(part: &Lag, starts: &[Watermarks]) -> u64 {
    let start = start_of(starts, &part.partition);
    let read = part.committed.map_or(0, |committed| committed - start);
    u64::try_from(read).unwrap_or(0)
}

fn is_over(last_us: Option<i64>, now_us: i64, every: Duration) -> bool {
    last_us.is_none_or(|last_us| now_us - last_us >= micros(every))
}

/// How far the subject is in one stream.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Records that it has not committed.
    behind: u64,
    /// Records that it has.
    committed: u64,
    /// For how long the first of those that it has not has been there, seconds; of the partitions, the most.
    age_s: f64,
}

/// Rows of `lag` and `consumed` (records a second, from what was committed). Of several samples in one
/// second the last stands; what was committed over a gap is spread over its seconds.
fn progress_rows(
    start: WallTime,
    samples: impl Iterator<Item = (WallTime, Stream, Progress)>,
) -> Vec<SeriesRow> {
    let mut by_second = BTreeMap::new();
    for (at, stream, progress) in samples {
        let second = at.offset_from(start).0.div_euclid(1_000_000) + 1;
        by_second.insert((stream, second), progress);
    }
    let mut rows = Vec::new();
    let mut last: BTreeMap<Stream, (i64, u64)> = BTreeMap::new();
    for ((stream, t), progress) in by_second {
        let row = |metric: &str, value| SeriesRow {
            t,
            metric: metric.to_owned(),
            stream: Some(stream),
            value,
            ..SeriesRow::default()
        };
        let (before, committed) = last
            .insert(stream, (t, progress.committed))
            .unwrap_or((t - 1, 0));
        let consumed = progress.committed.saturating_sub(committed);
        rows.push(row("lag", progress.behind as f64));
        rows.push(row("lag_s", progress.age_s));
        let each = consumed as f64 / (t - before) as f64;
        rows.extend((before + 1..=t).map(|t| SeriesRow {
            t,
            ..row("consumed", each)
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use floodmark_kafka::{ErrorCode, TopicPartition};

    use super::*;

    const TOPIC: &str = "sensor-events";

    fn inputs() -> BTreeMap<Stream, Vec<String>> {
        [(Stream::Sensors, vec![TOPIC.to_owned()])].into()
    }

    /// An answer to what was asked at a second, which came half a second later.
    fn answer(second: i64, lag: Result<Option<Vec<Lag>>, Error>) -> Answer {
        let asked_us = second * 1_000_000;
        Answer {
            question: Question {
                members: false,
                for_faults: false,
            },
            asked_us,
            at: WallTime(asked_us + 500_000),
            at_us: asked_us + 500_000,
            lag,
            members: None,
            trimmed: Ok(()),
        }
    }

    fn behind(records: u64) -> Result<Option<Vec<Lag>>, Error> {
        let end = 100;
        Ok(Some(vec![Lag {
            partition: TopicPartition::new(TOPIC, 0),
            committed: Some(end - records as i64),
            end,
            records,
        }]))
    }

    fn refused() -> Error {
        Error::Refused {
            attempt: "read offsets".to_owned(),
            code: ErrorCode::NotLeaderForPartition,
            detail: "it moved".to_owned(),
        }
    }

    #[test]
    fn a_subject_has_read_all_only_if_that_was_asked_after_the_last_event() {
        let mut seen = Seen::default();
        let mut take = |answer| {
            seen.take(answer, &inputs(), &[], false).unwrap();
            seen.has_read_all_since(5_000_000)
        };
        // Asked before the last event, and answered after it.
        assert!(!take(answer(4, behind(0))));
        assert!(!take(answer(5, behind(3))));
        assert!(take(answer(6, behind(0))));
    }

    #[test]
    fn an_answer_that_failed_leaves_no_sample_and_is_told_unless_a_fault_excuses_it() {
        let mut seen = Seen::default();
        let mut take = |answer, is_excused| {
            let lag = seen.take(answer, &inputs(), &[], is_excused).unwrap();
            (lag.map(|lag| lag.records), seen.notice().is_some())
        };
        assert_eq!(take(answer(1, behind(7)), false), (Some(7), false));
        assert_eq!(take(answer(2, Err(refused())), true), (None, false));
        assert_eq!(take(answer(3, Err(refused())), false), (None, true));
        let rows = seen.rows(WallTime(0));
        let lags: Vec<i64> = rows
            .iter()
            .filter(|row| row.metric == "lag")
            .map(|row| row.t)
            .collect();
        assert_eq!(lags, [2], "one look was answered, in the second second");
    }

    #[test]
    fn a_cluster_that_answers_nothing_for_a_minute_ends_the_run() {
        let mut seen = Seen::default();
        let mut fails_at = |second| {
            let answer = answer(second, Err(refused()));
            seen.take(answer, &inputs(), &[], false).is_err()
        };
        assert_eq!(
            [0, 30, 60, 61].map(&mut fails_at),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_lag_stands_though_no_room_could_be_made() {
        let mut seen = Seen::default();
        let untrimmed = Answer {
            trimmed: Err(refused()),
            ..answer(4, behind(7))
        };
        let lag = seen.take(untrimmed, &inputs(), &[], false).unwrap();
        assert_eq!(lag.map(|lag| lag.records), Some(7));
        assert!(seen.notice().is_some());
    }

    #[test]
    fn where_nobody_reads_nothing_is_behind_and_nothing_consumed() {
        let mut seen = Seen::default();
        assert_eq!(
            seen.take(answer(1, Ok(None)), &inputs(), &[], false)
                .unwrap(),
            None
        );
        assert_eq!((seen.lag_now(), seen.rows(WallTime(0))), (None, Vec::new()));
    }

    #[test]
    fn members_are_asked_for_once_a_second_however_often_the_lag_is() {
        let mut seen = Seen::default();
        let every = Duration::from_millis(500);
        let mut asked = Vec::new();
        for now_us in (0..2_500_000).step_by(100_000) {
            if seen.is_due(now_us, every) {
                asked.push((now_us, seen.question(now_us, false).members));
            }
        }
        assert_eq!(
            asked,
            [
                (0, true),
                (500_000, false),
                (1_000_000, true),
                (1_500_000, false),
                (2_000_000, true)
            ]
        );
    }

    #[test]
    fn what_was_in_a_topic_before_was_not_consumed_in_this_run() {
        let partition = TopicPartition::new("events", 3);
        let starts = [Watermarks {
            partition: partition.clone(),
            low: 500,
            high: 500,
        }];
        let lag = |committed| Lag {
            partition: partition.clone(),
            committed,
            end: 800,
            records: 0,
        };
        assert_eq!(read_of(&lag(Some(800)), &starts), 300);
        assert_eq!(read_of(&lag(Some(800)), &[]), 800);
        assert_eq!(read_of(&lag(None), &starts), 0);
    }

    #[test]
    fn consumption_is_what_was_committed_from_one_second_to_the_next() {
        let samples = [(0.5, 100), (0.9, 150), (1.4, 400), (3.5, 600)];
        let samples = samples.into_iter().map(|(seconds, committed)| {
            let at = WallTime((seconds * 1e6) as i64);
            (
                at,
                Stream::Sensors,
                Progress {
                    behind: 7,
                    committed,
                    age_s: 0.5,
                },
            )
        });
        let rows = progress_rows(WallTime(0), samples);
        let of = |metric: &str| -> Vec<(i64, f64)> {
            rows.iter()
                .filter(|row| row.metric == metric)
                .map(|row| (row.t, row.value))
                .collect()
        };
        assert_eq!(
            of("consumed"),
            [(1, 150.0), (2, 250.0), (3, 100.0), (4, 100.0)]
        );
        assert_eq!(of("lag"), [(1, 7.0), (2, 7.0), (4, 7.0)]);
        assert_eq!(of("lag_s"), [(1, 0.5), (2, 0.5), (4, 0.5)]);
    }
}
