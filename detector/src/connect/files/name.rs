//! What a file's name says.

use floodmark_contracts::clock::EventTime;
use floodmark_kafka::TopicPartition;
use object_store::path::Path;

/// Digits of an offset: names sort as their offsets do.
const DIGITS: usize = 20;

/// A stretch of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Offset of the first record.
    pub(super) first: i64,
    /// Offset after the last one.
    pub(super) end: i64,
    /// The newest event time of the partition up to here.
    pub(super) newest: EventTime,
}

impl Stretch {
    /// Where the files of a partition are.
    pub(super) fn folder(partition: &TopicPartition) -> Path {
        Path::from_iter([partition.topic.clone(), partition.partition.to_string()])
    }

    /// The path of the file that holds the stretch.
    pub(super) fn path(&self, partition: &TopicPartition, extension: &str) -> Path {
        let Self { first, end, newest } = self;
        let (topic, number) = (&partition.topic, partition.partition);
        let newest = newest.0.max(0);
        let name = format!("{topic}-{number}-{first:0DIGITS$}-{end:0DIGITS$}-{newest}.{extension}");
        Self::folder(partition).join(name)
    }

    /// Reads the name of a file of the partition; `None` for any other file.
    pub(super) fn parse(partition: &TopicPartition, name: &str) -> Option<Self> {
        let prefix = format!("{}-{}-", partition.topic, partition.partition);
        let (stem, _) = name.strip_prefix(&prefix)?.split_once('.')?;
        let mut numbers = stem.split('-').map(|text| text.parse::<i64>().ok());
        let (first, end, newest) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && first < end).then_some(Self {
            first,
            end,
            newest: EventTime(newest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_stretch_and_others_say_none() {
        let partition = TopicPartition::new("a-b.c_d", 3);
        let stretch = Stretch {
            first: 7,
            end: 1207,
            newest: EventTime(1_749_532_045_678),
        };
        let path = stretch.path(&partition, "jsonl");
        assert_eq!(
            path.as_ref(),
            "a-b.c_d/3/a-b.c_d-3-00000000000000000007-00000000000000001207-1749532045678.jsonl"
        );
        let name = path.filename().unwrap();
        assert_eq!(Stretch::parse(&partition, name), Some(stretch));
        for other in [
            TopicPartition::new("a-b.c_d", 30),
            TopicPartition::new("a-b.c", 3),
        ] {
            assert_eq!(Stretch::parse(&other, name), None);
        }
        for name in ["a-b.c_d-3-7-9.jsonl", "a-b.c_d-3-9-7-1.jsonl", "x", ""] {
            assert_eq!(Stretch::parse(&partition, name), None, "{name}");
        }
    }
}
