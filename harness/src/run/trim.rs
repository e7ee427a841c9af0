//! Making room on the embedded broker while a run goes on.
//!
//! It holds everything in memory and makes producers wait at its cap, so that a long run would stall. Records
//! that the subject has committed are of no more use, but for a subject that goes back to a snapshot: so
//! what was committed two snapshot intervals ago goes, and no more.

use std::{collections::VecDeque, time::Duration};

use floodmark_kafka::{Admin, Error, PartitionOffset, admin::Lag};

/// How long a subject may take from one snapshot to the next.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(10);

/// How many of them are kept.
const KEPT_INTERVALS: u32 = 2;

/// Which records may go, from what was committed when.
#[derive(Debug, Default)]
pub(crate) struct Trimmer {
    /// Monotonic microseconds and the offsets that were committed then, oldest first.
    seen: VecDeque<(i64, Vec<PartitionOffset>)>,
}

impl Trimmer {
    /// Takes note of what is committed at `now_us`. Gives the offsets before which records may go, once
    /// for each interval.
    pub(crate) fn observe(&mut self, now_us: i64, lag: &[Lag]) -> Option<Vec<PartitionOffset>> {
        let interval = SNAPSHOT_INTERVAL.as_micros() as i64;
        if self
            .seen
            .back()
            .is_none_or(|(at, _)| now_us - at >= interval)
        {
            let committed = lag.iter().filter_map(|part| {
                let offset = part.committed.filter(|offset| *offset > 0)?;
                Some(PartitionOffset {
                    topic: part.partition.topic.clone(),
                    partition: part.partition.partition,
                    offset,
                    metadata: None,
                })
            });
            self.seen.push_back((now_us, committed.collect()));
        }
        let old_enough = now_us - interval * i64::from(KEPT_INTERVALS);
        let (at, _) = self.seen.front()?;
        if *at > old_enough {
            return None;
        }
        self.seen
            .pop_front()
            .map(|(_, offsets)| offsets)
            .filter(|offsets| !offsets.is_empty())
    }
}

/// Takes note of what is committed, and deletes what has become of no use.
///
/// # Errors
/// If the broker does not answer or refuses.
pub(crate) fn trim(
    trimmer: &mut Trimmer,
    admin: &Admin,
    now_us: i64,
    lag: &[Lag],
) -> Result<(), Error> {
    let Some(offsets) = trimmer.observe(now_us, lag) else {
        return Ok(());
    };
    let lows = admin.delete_records(&offsets)?;
    tracing::debug!(
        partitions = lows.len(),
        "records that the subject is past were deleted"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use floodmark_kafka::TopicPartition;

    use super::*;

    fn at(committed: Option<i64>) -> Vec<Lag> {
        vec![Lag {
            partition: TopicPartition::new("t", 0),
            committed,
            end: 1000,
            records: 0,
        }]
    }

    /// Observes once a second, with one more record committed in each; the second and offset of every trim.
    fn trims(seconds: i64, committed: impl Fn(i64) -> Option<i64>) -> Vec<(i64, i64)> {
        let mut trimmer = Trimmer::default();
        (0..seconds)
            .filter_map(|second| {
                let offsets = trimmer.observe(second * 1_000_000, &at(committed(second)))?;
                Some((second, offsets[0].offset))
            })
            .collect()
    }

    #[test]
    fn what_was_committed_two_intervals_ago_goes_and_no_more() {
        assert_eq!(
            trims(55, |s| Some(s + 1)),
            [(20, 1), (30, 11), (40, 21), (50, 31)]
        );
    }

    #[test]
    fn nothing_goes_before_anything_is_committed() {
        assert_eq!(trims(55, |s| (s >= 25).then_some(s)), [(50, 30)]);
        assert_eq!(trims(55, |_| None), []);
    }
}
