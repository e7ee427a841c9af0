//! Making room on the embedded broker while a run goes on.
//!
//! It holds everything in memory and makes producers wait at its cap, so that a long run would stall. Records
//! that the subject has committed are of no more use, but for a subject that goes back to a snapshot: so
//! what was committed two snapshot intervals ago goes, and no more. Time in which nothing is committed does not count: a
//! subject that is down comes back to where its snapshot was. What its connectors have not committed stays as well.

use std::{collections::VecDeque, time::Duration};

use floodmark_contracts::{
    profile::{DetectorSection, detector::DeliverySection},
    units::parse_duration,
};
use floodmark_kafka::{Admin, Error, PartitionOffset, TopicPartition, admin::Lag};

/// How long a subject may take from one snapshot to the next, if it says nothing else.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(10);

/// How many of them are kept.
const KEPT_INTERVALS: u32 = 2;

/// Which records may go, from what was committed when.
#[derive(Debug)]
pub(crate) struct Trimmer {
    /// Monotonic microseconds and the offsets that were committed then, oldest first.
    seen: VecDeque<(i64, Vec<PartitionOffset>)>,
    interval: Duration,
    /// Groups that read the same topics at their own pace.
    others: Vec<String>,
}

impl Trimmer {
    /// For a subject in `group`; `bundled` has the settings of our own.
    pub(crate) fn of(group: &str, bundled: Option<&DetectorSection>) -> Self {
        let asked = bundled.and_then(|section| match &section.delivery {
            DeliverySection::ExactlyOnce(exactly) => {
                parse_duration(&exactly.snapshot_interval).ok()
            }
            DeliverySection::AtLeastOnce => None,
        });
        let sinks = bundled.into_iter().flat_map(|section| section.sinks.keys());
        Self {
            seen: VecDeque::new(),
            interval: asked.unwrap_or(SNAPSHOT_INTERVAL).max(SNAPSHOT_INTERVAL),
            others: sinks.map(|name| format!("{group}-{name}")).collect(),
        }
    }

    /// Takes note of what is committed at `now_us`. Gives the offsets before which records may go, once
    /// for each interval.
    pub(crate) fn observe(&mut self, now_us: i64, lag: &[Lag]) -> Option<Vec<PartitionOffset>> {
        let interval = self.interval.as_micros() as i64;
        let last = self.seen.back();
        if last.is_none_or(|(at, _)| now_us - at >= interval) {
            let committed = committed(lag);
            if !committed.is_empty() && last.is_none_or(|(_, before)| *before != committed) {
                self.seen.push_back((now_us, committed));
            }
        }
        let kept = KEPT_INTERVALS as usize;
        let (at, _) = self.seen.front().filter(|_| self.seen.len() > kept)?;
        if *at > now_us - interval * i64::from(KEPT_INTERVALS) {
            return None;
        }
        self.seen.pop_front().map(|(_, offsets)| offsets)
    }
}

fn committed(lag: &[Lag]) -> Vec<PartitionOffset> {
    let committed = lag.iter().filter_map(|part| {
        let offset = part.committed.filter(|offset| *offset > 0)?;
        let partition = &part.partition;
        Some(PartitionOffset::new(
            partition.topic.clone(),
            partition.partition,
            offset,
        ))
    });
    committed.collect()
}

/// Leaves what another group has not committed. A topic of which it has committed nothing is none that it reads.
fn hold_back(offsets: &mut Vec<PartitionOffset>, other: &[PartitionOffset]) {
    offsets.retain_mut(|offset| {
        let mut of_topic = other
            .iter()
            .filter(|it| it.topic == offset.topic)
            .peekable();
        if of_topic.peek().is_none() {
            return true;
        }
        let own = of_topic.find(|it| it.partition == offset.partition);
        offset.offset = own.map_or(0, |own| own.offset.min(offset.offset));
        offset.offset > 0
    });
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
    let Some(mut offsets) = trimmer.observe(now_us, lag) else {
        return Ok(());
    };
    let partitions: Vec<TopicPartition> = offsets
        .iter()
        .map(PartitionOffset::topic_partition)
        .collect();
    for group in &trimmer.others {
        hold_back(&mut offsets, &admin.committed(group, &partitions)?);
    }
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
        let mut trimmer = Trimmer::of("g", None);
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
        assert_eq!(trims(55, |s| (s >= 25).then_some(s)), [(45, 25)]);
        assert_eq!(trims(55, |_| None), []);
    }

    #[test]
    fn while_a_subject_is_down_its_snapshot_stays_readable() {
        let committed = |s| match s {
            0..30 => s + 1,
            30..80 => 30,
            _ => s - 49,
        };
        assert_eq!(
            trims(95, |s| Some(committed(s))),
            [(20, 1), (30, 11), (80, 21), (90, 30)]
        );
    }

    #[test]
    fn a_detectors_own_interval_counts_and_its_connectors_hold_records_back() {
        let section: DetectorSection = serde_json::from_value(serde_json::json!({
            "delivery": { "exactly-once": { "snapshots": "s" } },
            "sinks": { "archive": { "postgres": { "url": "postgresql://me@127.0.0.1/db" } } },
        }))
        .unwrap();
        let trimmer = Trimmer::of("g", Some(&section));
        assert_eq!(
            (trimmer.interval.as_secs(), &trimmer.others[..]),
            (30, &["g-archive".to_owned()][..])
        );
        let offset =
            |topic: &str, partition, offset| PartitionOffset::new(topic, partition, offset);
        let mut offsets = vec![
            offset("a", 0, 50),
            offset("a", 1, 50),
            offset("a", 2, 50),
            offset("b", 0, 9),
        ];
        hold_back(&mut offsets, &[offset("a", 0, 20), offset("a", 1, 70)]);
        assert_eq!(
            offsets,
            [offset("a", 0, 20), offset("a", 1, 50), offset("b", 0, 9)]
        );
    }
}
