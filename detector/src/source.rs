//! The input side: one consumer over all streams, and how far it has come.

mod ahead;

use std::collections::{BTreeMap, BTreeSet};

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
    /// Offset after the last record handled.
    positions: BTreeMap<(usize, i32), i64>,
    /// Partitions whose position moved since the last commit.
    moved: BTreeSet<(usize, i32)>,
    /// Assigned partitions, and whether each has been read to its end.
    assigned: BTreeMap<(usize, i32), bool>,
    /// Partitions paused for being ahead, and how often that happened.
    paused: BTreeSet<(usize, i32)>,
    pauses: u64,
    failed_commits: u32,
    refused_commits: u64,
}

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
            topics,
            positions: BTreeMap::new(),
            moved: BTreeSet::new(),
            assigned: BTreeMap::new(),
            paused: BTreeSet::new(),
            pauses: 0,
            failed_commits: 0,
            refused_commits: 0,
        })
    }

    /// The lane and topic of a record.
    pub(crate) fn place_of(&self, message: &Message<'_>) -> Option<(Lane, &str)> {
        let index = message.topic_index();
        let lane = self.lane((index, message.partition()))?;
        Some((lane, self.topics.get(index)?))
    }

    fn lane(&self, (index, partition): (usize, i32)) -> Option<Lane> {
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
        let place = (index, exchange);
        let handled = self.positions.get(&place);
        self.assigned.contains_key(&place) && handled.is_none_or(|position| *position <= offset)
    }

    /// Takes note that a record has been handled.
    pub(crate) fn handled(&mut self, message: &Message<'_>) {
        let place = (message.topic_index(), message.partition());
        self.positions.insert(place, message.offset() + 1);
        self.moved.insert(place);
        if let Some(at_end) = self.assigned.get_mut(&place) {
            *at_end = false;
        }
    }

    /// Takes note of a partition's end at `offset`. Gives its lane if everything before that end has been
    /// handled; otherwise records have come behind it, and another end will be reported.
    pub(crate) fn reached_end(&mut self, partition: &TopicPartition, offset: i64) -> Option<Lane> {
        let place = self.place(partition)?;
        if self
            .positions
            .get(&place)
            .is_some_and(|position| *position > offset)
        {
            return None;
        }
        self.assigned.insert(place, true);
        self.lane(place)
    }

    /// True if there are partitions, and all have been read to their ends.
    pub(crate) fn is_caught_up(&self) -> bool {
        !self.assigned.is_empty() && self.assigned.values().all(|at_end| *at_end)
    }

    /// Takes partitions on; gives the lane of each.
    pub(crate) fn assign(&mut self, partitions: &[TopicPartition]) -> Vec<Lane> {
        self.places(partitions)
            .filter_map(|place| {
                self.assigned.insert(place, false);
                self.lane(place)
            })
            .collect()
    }

    /// Gives partitions up; gives the lane of each.
    pub(crate) fn revoke(&mut self, partitions: &[TopicPartition]) -> Vec<Lane> {
        // The client would remember that they are paused until they come back.
        let paused: Vec<(usize, i32)> = self
            .places(partitions)
            .filter(|place| self.paused.contains(place))
            .collect();
        if !paused.is_empty()
            && let Err(error) = self.consumer.resume(&self.named(&paused))
        {
            tracing::debug!(%error, "partitions that are given up cannot be resumed");
        }
        self.places(partitions)
            .filter_map(|place| {
                self.assigned.remove(&place);
                self.positions.remove(&place);
                self.moved.remove(&place);
                self.paused.remove(&place);
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
        let ended = self.assigned.iter().filter(|(_, at_end)| **at_end);
        ended.filter_map(|(place, _)| self.lane(*place)).collect()
    }

    /// Takes note that partitions are read again from an earlier place.
    pub(crate) fn went_back(&mut self, partitions: &[TopicPartition]) {
        for place in self.places(partitions) {
            self.positions.remove(&place);
            self.moved.remove(&place);
            // Who goes back reads on at once.
            self.paused.remove(&place);
            if let Some(at_end) = self.assigned.get_mut(&place) {
                *at_end = false;
            }
        }
    }

    /// Number of partitions assigned.
    pub(crate) fn n_assigned(&self) -> usize {
        self.assigned.len()
    }

    /// Commits what was handled; false if there is nothing new, or it has to be tried again. The output of all
    /// of it must have been acknowledged before.
    pub(crate) fn commit(&mut self, mode: CommitMode) -> Result<bool, Error> {
        let offsets: Vec<PartitionOffset> = self
            .moved
            .iter()
            .filter_map(|place| {
                let offset = *self.positions.get(place)?;
                Some(PartitionOffset::new(
                    self.topics[place.0].clone(),
                    place.1,
                    offset,
                ))
            })
            .collect();
        if offsets.is_empty() {
            return Ok(false);
        }
        self.moved.clear();
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
            if let Some(place) = self.place(&offset.topic_partition()) {
                self.moved.insert(place);
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
        let mut by_stream: BTreeMap<Stream, Vec<Runner<(usize, i32)>>> = BTreeMap::new();
        for (place, at_end) in &self.assigned {
            let Some(lane @ Lane::Input(stream, _)) = self.lane(*place) else {
                continue;
            };
            by_stream.entry(stream).or_default().push(Runner {
                place: *place,
                watermark: watermark(lane),
                at_end: *at_end,
                paused: self.paused.contains(place),
            });
        }
        for runners in by_stream.values() {
            let (pause, resume) = ahead::decide(runners, limit_ms);
            if !pause.is_empty() {
                self.consumer.pause(&self.named(&pause))?;
                self.pauses += pause.len() as u64;
                self.paused.extend(pause);
            }
            if !resume.is_empty() {
                self.consumer.resume(&self.named(&resume))?;
                self.paused.retain(|place| !resume.contains(place));
            }
        }
        Ok(())
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
        let assigned = self.assigned.iter();
        assigned
            .filter_map(|(place, at_end)| {
                let lane = self.lane(*place)?;
                let partition = TopicPartition::new(self.topics.get(place.0)?, place.1);
                let end = self.consumer.known_end(&partition);
                let position = self.positions.get(place).copied();
                let position = position.or_else(|| end.filter(|_| *at_end));
                let lag = match (end, position) {
                    _ if *at_end => Some(0),
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
                    at_end: *at_end,
                    paused: self.paused.contains(place),
                };
                Some((lane, status))
            })
            .collect()
    }

    fn named(&self, places: &[(usize, i32)]) -> Vec<TopicPartition> {
        let named = places.iter().filter_map(|(index, partition)| {
            let topic = self.topics.get(*index)?;
            Some(TopicPartition::new(topic, *partition))
        });
        named.collect()
    }

    fn place(&self, partition: &TopicPartition) -> Option<(usize, i32)> {
        let index = self
            .topics
            .iter()
            .position(|topic| *topic == partition.topic)?;
        Some((index, partition.partition))
    }

    fn places(&self, partitions: &[TopicPartition]) -> std::vec::IntoIter<(usize, i32)> {
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
