//! The input side: one consumer over all streams, and how far it has come.

mod ahead;

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::EventTime, job::DetectorJob, status::PartitionStatus, stream::Stream,
};
use floodmark_kafka::{
    BatchConsumer, ClientSettings, ConsumerSettings, Error, PartitionOffset, TopicPartition,
    consumer::{CommitMode, Message},
};

use crate::engine::Lane;
use ahead::Runner;

/// Commits in a row that may fail before the detector gives up.
const MOST_FAILED_COMMITS: u32 = 10;

/// Partitions that a topic can have, where a stream has several topics.
const LANES_A_TOPIC: i32 = 1 << 16;

/// What a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An input of a stream, with the topic's number within it.
    Input(Stream, i32),
    /// What lies between partitions and mergers.
    Exchange,
}

/// The consumer with its place in each partition.
pub(crate) struct Source {
    /// The consumer.
    pub(crate) consumer: BatchConsumer,
    /// What each topic is, by its index in the consumer.
    roles: Vec<Role>,
    topics: Vec<String>,
    /// What is known of each partition, by topic and number: looked up for every record.
    partitions: Vec<Vec<Partition>>,
    /// How often a partition was paused for being ahead.
    pauses: u64,
    failed_commits: u32,
    refused_commits: u64,
    /// A broker could not be reached, and no record has come since.
    cut_off: bool,
}

/// What is known of a partition.
#[derive(Debug, Clone, Copy, Default)]
struct Partition {
    /// It is ours to read.
    assigned: bool,
    /// It has been read to its end.
    at_end: bool,
    /// Offset after the last record handled.
    position: Option<i64>,
    /// The position moved since the last commit.
    moved: bool,
    /// It is paused for being ahead.
    paused: bool,
}

/// A topic's index and a partition's number.
type Place = (usize, i32);

impl Source {
    /// Joins the job's group for its inputs, and for the exchange's topic, if there is one.
    pub(crate) fn join(
        client: &ClientSettings,
        job: &DetectorJob,
        exchange: Option<&str>,
        read_ahead_kib: u32,
    ) -> Result<Self, Error> {
        let mut settings = ConsumerSettings::in_group(&job.group);
        settings.report_ends = true;
        // Who sets the client's own property means it.
        let set = client.properties.contains_key("queued.max.messages.kbytes");
        settings.queue_kib = Some(read_ahead_kib).filter(|_| !set);
        let mut consumer = BatchConsumer::new(client, &settings)?;
        let mut topics: Vec<String> = job.inputs.values().flatten().cloned().collect();
        topics.extend(exchange.map(str::to_owned));
        let mut roles = numbered(job);
        roles.extend(exchange.map(|_| Role::Exchange));
        consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Self {
            consumer,
            roles,
            partitions: vec![Vec::new(); topics.len()],
            topics,
            pauses: 0,
            failed_commits: 0,
            refused_commits: 0,
            cut_off: false,
        })
    }

    /// Takes note that a broker could not be reached.
    pub(crate) fn cut_off(&mut self) {
        self.cut_off = true;
    }

    /// True for the first records after a broker could not be reached.
    pub(crate) fn is_back(&mut self, batch: &floodmark_kafka::Batch) -> bool {
        !batch.is_empty() && std::mem::take(&mut self.cut_off)
    }

    /// The lane and topic of a record.
    pub(crate) fn place_of(&self, message: &Message<'_>) -> Option<(Lane, &str)> {
        let index = message.topic_index();
        let lane = self.lane((index, message.partition()))?;
        Some((lane, self.topics.get(index)?))
    }

    fn lane(&self, (index, partition): Place) -> Option<Lane> {
        Some(match *self.roles.get(index)? {
            Role::Input(stream, number) => Lane::Input(stream, lane_number(number, partition)),
            Role::Exchange => Lane::Exchange(partition),
        })
    }

    /// True if a partition of the exchange is ours and its record at `offset` has not been handled yet.
    pub(crate) fn has_ahead(&self, exchange: i32, offset: i64) -> bool {
        let Some(index) = self.roles.iter().position(|role| *role == Role::Exchange) else {
            return false;
        };
        let number = usize::try_from(exchange).ok();
        let partitions = self.partitions.get(index);
        number
            .and_then(|number| partitions?.get(number))
            .is_some_and(|known| {
                known.assigned && known.position.is_none_or(|position| position <= offset)
            })
    }

    /// Takes note that a record has been handled.
    pub(crate) fn handled(&mut self, message: &Message<'_>) {
        let place = (message.topic_index(), message.partition());
        if let Some(partition) = self.partition(place) {
            partition.position = Some(message.offset() + 1);
            partition.moved = true;
            partition.at_end = false;
        }
    }

    /// Takes note of a partition's end at `offset`. Gives its lane if everything before that end has been
    /// handled; otherwise records have come behind it, and another end will be reported.
    pub(crate) fn reached_end(&mut self, partition: &TopicPartition, offset: i64) -> Option<Lane> {
        let place = self.place(partition)?;
        let known = self.partition(place)?;
        if known.position.is_some_and(|position| position > offset) {
            return None;
        }
        (known.assigned, known.at_end) = (true, true);
        self.lane(place)
    }

    /// True if there are partitions, and all have been read to their ends.
    pub(crate) fn is_caught_up(&self) -> bool {
        let mut assigned = self.assigned().map(|(_, partition)| partition.at_end);
        assigned.next().is_some_and(|first| first) && assigned.all(|at_end| at_end)
    }

    /// Takes partitions on; gives the lane of each.
    pub(crate) fn assign(&mut self, partitions: &[TopicPartition]) -> Vec<Lane> {
        self.places(partitions)
            .filter_map(|place| {
                let partition = self.partition(place)?;
                (partition.assigned, partition.at_end) = (true, false);
                self.lane(place)
            })
            .collect()
    }

    /// Gives partitions up; gives the lane of each.
    pub(crate) fn revoke(&mut self, partitions: &[TopicPartition]) -> Vec<Lane> {
        // The client would remember that they are paused until they come back.
        let mut paused: Vec<Place> = self.places(partitions).collect();
        paused.retain(|place| self.partition(*place).is_some_and(|known| known.paused));
        if !paused.is_empty()
            && let Err(error) = self.consumer.resume(&self.named(&paused))
        {
            tracing::debug!(%error, "partitions that are given up cannot be resumed");
        }
        self.places(partitions)
            .filter_map(|place| {
                *self.partition(place)? = Partition::default();
                self.lane(place)
            })
            .collect()
    }

    /// The lane of a partition.
    pub(crate) fn lane_of(&self, partition: &TopicPartition) -> Option<Lane> {
        self.lane(self.place(partition)?)
    }

    /// The lanes that were read to their ends.
    pub(crate) fn at_end(&self) -> Vec<Lane> {
        let ended = self.assigned().filter(|(_, partition)| partition.at_end);
        ended.filter_map(|(place, _)| self.lane(place)).collect()
    }

    /// Takes note that partitions are read again from an earlier place.
    pub(crate) fn went_back(&mut self, partitions: &[TopicPartition]) {
        for place in self.places(partitions) {
            if let Some(partition) = self.partition(place) {
                (partition.position, partition.moved) = (None, false);
                // Who goes back reads on at once.
                (partition.at_end, partition.paused) = (false, false);
            }
        }
    }

    /// Number of partitions assigned.
    pub(crate) fn n_assigned(&self) -> usize {
        self.assigned().count()
    }

    /// Commits what was handled; false if there is nothing new, or it has to be tried again. The output of all
    /// of it must have been acknowledged before.
    pub(crate) fn commit(&mut self, mode: CommitMode) -> Result<bool, Error> {
        let mut offsets = Vec::new();
        for (topic, partitions) in self.topics.iter().zip(&mut self.partitions) {
            for (number, partition) in (0..).zip(partitions) {
                if std::mem::take(&mut partition.moved)
                    && let Some(offset) = partition.position
                {
                    offsets.push(PartitionOffset::new(topic.clone(), number, offset));
                }
            }
        }
        if offsets.is_empty() {
            return Ok(false);
        }
        match self.consumer.commit(&offsets, mode) {
            Ok(()) => Ok(true),
            Err(error) => self.commit_failed(&offsets, error).map(|()| false),
        }
    }

    /// Takes note of how a commit in the background ended.
    pub(crate) fn committed(
        &mut self,
        offsets: &[PartitionOffset],
        failure: Option<floodmark_kafka::ErrorCode>,
    ) -> Result<(), Error> {
        let Some(code) = failure else {
            self.failed_commits = 0;
            return Ok(());
        };
        let attempt = format!("commit offsets of {} partitions", offsets.len());
        let detail = "the group did not take them".to_owned();
        self.commit_failed(
            offsets,
            Error::Refused {
                attempt,
                code,
                detail,
            },
        )
    }

    /// A failed commit is made up for by the next one, which holds later offsets; only when that goes
    /// on there is no use in working on what would be read again.
    fn commit_failed(&mut self, offsets: &[PartitionOffset], error: Error) -> Result<(), Error> {
        self.failed_commits += 1;
        self.refused_commits += 1;
        if error.is_fatal() || self.failed_commits >= MOST_FAILED_COMMITS {
            return Err(error);
        }
        tracing::warn!(%error, in_a_row = self.failed_commits, "a commit failed; trying again");
        for offset in offsets {
            if let Some(place) = self.place(&offset.topic_partition())
                && let Some(partition) = self.partition(place)
            {
                // Unless it was given up meanwhile.
                partition.moved = partition.position.is_some();
            }
        }
        Ok(())
    }

    /// Pauses partitions that are more than `limit_ms` of event time ahead of the slowest of their stream, and
    /// resumes those that no longer are.
    pub(crate) fn hold_back(
        &mut self,
        watermark: impl Fn(Lane) -> Option<EventTime>,
        limit_ms: i64,
    ) -> Result<(), Error> {
        let mut by_stream: BTreeMap<Stream, Vec<Runner<Place>>> = BTreeMap::new();
        for (place, partition) in self.assigned() {
            let Some(lane @ Lane::Input(stream, _)) = self.lane(place) else {
                continue;
            };
            by_stream.entry(stream).or_default().push(Runner {
                place,
                watermark: watermark(lane),
                at_end: partition.at_end,
                paused: partition.paused,
            });
        }
        for runners in by_stream.values() {
            let (pause, resume) = ahead::decide(runners, limit_ms);
            if !pause.is_empty() {
                self.consumer.pause(&self.named(&pause))?;
                self.pauses += pause.len() as u64;
                self.set_paused(&pause, true);
            }
            if !resume.is_empty() {
                self.consumer.resume(&self.named(&resume))?;
                self.set_paused(&resume, false);
            }
        }
        Ok(())
    }

    fn set_paused(&mut self, places: &[Place], paused: bool) {
        for place in places {
            if let Some(partition) = self.partition(*place) {
                partition.paused = paused;
            }
        }
    }

    /// How often a partition was paused.
    pub(crate) fn n_pauses(&self) -> u64 {
        self.pauses
    }

    /// Commits that the group did not take.
    pub(crate) fn refused_commits(&self) -> u64 {
        self.refused_commits
    }

    /// How far each partition is.
    pub(crate) fn partitions(&self) -> Vec<(Lane, PartitionStatus)> {
        self.assigned()
            .filter_map(|(place, known)| {
                let lane = self.lane(place)?;
                let partition = TopicPartition::new(self.topics.get(place.0)?, place.1);
                let end = self.consumer.known_end(&partition);
                let position = known.position.or_else(|| end.filter(|_| known.at_end));
                let lag = match (end, position) {
                    _ if known.at_end => Some(0),
                    (Some(end), Some(position)) => u64::try_from(end - position).ok(),
                    _ => None,
                };
                let status = PartitionStatus {
                    topic: partition.topic,
                    partition: place.1,
                    of: lane.name().to_owned(),
                    position,
                    lag,
                    watermark: None,
                    at_end: known.at_end,
                    paused: known.paused,
                };
                Some((lane, status))
            })
            .collect()
    }

    fn named(&self, places: &[Place]) -> Vec<TopicPartition> {
        let named = places.iter().filter_map(|(index, partition)| {
            let topic = self.topics.get(*index)?;
            Some(TopicPartition::new(topic, *partition))
        });
        named.collect()
    }

    /// What is known of a partition; it is made room for if it is new.
    fn partition(&mut self, (topic, number): Place) -> Option<&mut Partition> {
        let partitions = self.partitions.get_mut(topic)?;
        let number = usize::try_from(number).ok()?;
        if number >= partitions.len() {
            partitions.resize(number + 1, Partition::default());
        }
        partitions.get_mut(number)
    }

    fn assigned(&self) -> impl Iterator<Item = (Place, &Partition)> {
        self.partitions
            .iter()
            .enumerate()
            .flat_map(|(topic, partitions)| {
                (0..)
                    .zip(partitions)
                    .map(move |(number, partition)| ((topic, number), partition))
            })
            .filter(|(_, partition)| partition.assigned)
    }

    fn place(&self, partition: &TopicPartition) -> Option<Place> {
        let index = self
            .topics
            .iter()
            .position(|topic| *topic == partition.topic)?;
        Some((index, partition.partition))
    }

    fn places(&self, partitions: &[TopicPartition]) -> std::vec::IntoIter<Place> {
        let places: Vec<_> = partitions
            .iter()
            .filter_map(|partition| self.place(partition))
            .collect();
        places.into_iter()
    }
}

/// The number of a partition among those of all topics of its stream; `number` is the topic's.
pub(crate) fn lane_number(number: i32, partition: i32) -> i32 {
    number * LANES_A_TOPIC + partition
}

/// What each input topic of a job is.
fn numbered(job: &DetectorJob) -> Vec<Role> {
    let of_stream = |(stream, topics): (&Stream, &Vec<String>)| {
        let stream = *stream;
        let numbers = (0i32..).take(topics.len());
        numbers
            .map(move |number| Role::Input(stream, number))
            .collect::<Vec<_>>()
    };
    job.inputs.iter().flat_map(of_stream).collect()
}
