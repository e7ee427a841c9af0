//! A crowd of users in virtual shards, each with its own wheel of visits.
//!
//! A shard is what the record key hashes to, modulo a fixed multiple of the topic's partitions. It owns its
//! users and their visits, so a worker that owns whole partitions can run its shards alone and make
//! the same events that one worker makes of all.

use floodmark_contracts::stream::Stream;
use floodmark_kafka::producer::partition_for_key;

use crate::{
    alias::{Alias, zipf_weight},
    content::{Content, EntityName},
    draw::{Draws, Key, Purpose, below},
    events::Filling,
    share::Share,
    wheel::Wheel,
};

/// Virtual shards for each partition of the topic.
const SHARDS_PER_PARTITION: u32 = 4;
/// Draws for a user without a visit, by activity, before any that is idle will do.
const OPENING_TRIES: u32 = 4;
/// Draws for a partition that is not idle, before a slot stays silent: enough for any topic of which
/// some are not.
const IDLE_TRIES: u32 = 256;
/// A visit that could not go on for this long, in milliseconds of event time, is over: the rate fell, or
/// its partition was idle, and the person went away.
const LOST_AFTER_MS: i64 = 60_000;

/// How the users of a stream visit.
pub(crate) trait Visits {
    /// A visit between two of its events.
    type Visit: Copy;

    /// A visit that begins.
    fn open(&self, user: u32, draws: &mut Draws) -> Self::Visit;

    /// A visit in the middle, for the start of the run.
    fn resume(&self, user: u32, draws: &mut Draws) -> Self::Visit;

    /// The visit's next event, and the time until the one after in milliseconds of event time; no
    /// time if it was the last.
    fn step(&self, visit: &mut Self::Visit, draws: &mut Draws) -> (Content, Option<i64>);

    /// An event that is a visit by itself.
    fn single(&self, user: u32, draws: &mut Draws) -> Content;

    /// Mean time between two events of a visit, in milliseconds of event time.
    fn mean_dwell_ms(&self) -> f64;
}

/// The users of a stream and their visits.
pub(crate) struct Crowd<V: Visits> {
    visits: V,
    size: CrowdSize,
    share: Share,
    /// None where another worker owns the shard.
    shards: Vec<Option<Shard<V::Visit>>>,
    by_activity: Alias,
}

struct Shard<T> {
    users: Vec<u32>,
    by_activity: Alias,
    drift: Option<Drift>,
    /// For each of `users`, whether a visit of theirs is on the wheel: one bit each.
    busy: Vec<u64>,
    wheel: Wheel<OnWheel<T>>,
}

/// A visit with the place of its user in the shard.
#[derive(Debug, Clone, Copy)]
struct OnWheel<T> {
    member: u32,
    visit: T,
}

/// Size and skew of a crowd, and how busy it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrowdSize {
    pub(crate) stream: Stream,
    pub(crate) entities: u32,
    pub(crate) skew: f64,
    pub(crate) partitions: u32,
    /// Exponent of the Zipf law over the partitions; 0 leaves them as the keys fall.
    pub(crate) partition_skew: f64,
    /// Event time after which other users are the most active ones, if ever.
    pub(crate) drift_ms: Option<i64>,
    /// Events of visits per millisecond of event time, over all shards.
    pub(crate) events_per_ms: f64,
}

impl<V: Visits> Crowd<V> {
    /// The part of a crowd that `share` owns, with as many visits under way as its event rate sustains.
    pub(crate) fn new(visits: V, size: CrowdSize, share: Share, key: Key) -> Self {
        let shard_count = size.partitions * SHARDS_PER_PARTITION;
        let mut members = vec![Members::default(); shard_count as usize];
        for (user, rank) in (0..size.entities).zip(ranks(size.entities, key)) {
            let shard = shard_of(EntityName::new(size.stream, user).as_bytes(), shard_count);
            let weight = zipf_weight(rank, size.skew);
            let members = &mut members[shard as usize];
            let partition = shard % size.partitions;
            members.activity += weight;
            if share.owns(partition) {
                members.users.push(user);
                members.weights.push(weight);
            }
        }
        let mut activity: Vec<f64> = members.iter().map(|m| m.activity).collect();
        if size.partition_skew > 0.0 {
            skew_partitions(&mut activity, size);
        }
        let total: f64 = activity.iter().sum();
        let in_flight = size.events_per_ms * visits.mean_dwell_ms();
        let warm = key.purpose(Purpose::WarmStart);
        let shards = (0u32..)
            .zip(members)
            .zip(&activity)
            .map(|((index, members), activity)| {
                let owned = share.owns(index % size.partitions);
                owned.then(|| {
                    let wanted = in_flight * activity / total;
                    let own = |key: Key| key.child(u64::from(index));
                    let mut shard = Shard::new(members.users, &members.weights);
                    shard.warm_up(&visits, wanted, own(warm));
                    let drift = key.purpose(Purpose::Drift);
                    shard.drift = size
                        .drift_ms
                        .map(|every_ms| Drift::new(every_ms, own(drift)));
                    shard
                })
            })
            .collect();
        Self {
            visits,
            size,
            share,
            shards,
            by_activity: Alias::new(&activity),
        }
    }

    /// The event of a slot at `now_ms`, an offset in event time: the next one of a visit that is due,
    /// or else the first of a new visit, of a user whose partition is not idle.
    pub(crate) fn next(
        &mut self,
        now_ms: i64,
        draws: &mut Draws,
        is_idle: impl Fn(u32) -> bool,
    ) -> Filling {
        let Some(index) = self.shard_of_next(draws, is_idle) else {
            return self.silence();
        };
        let Some(shard) = &mut self.shards[index as usize] else {
            return Filling::Others;
        };
        let mut on_wheel = shard.next(&self.visits, now_ms, draws);
        let (content, gap) = self.visits.step(&mut on_wheel.visit, draws);
        match gap {
            Some(gap_ms) => shard.wheel.push(now_ms + gap_ms, on_wheel),
            None => shard.set_busy(on_wheel.member, false),
        }
        Filling::Event(content, index % self.size.partitions)
    }

    /// The shard whose turn it is; none if all partitions are idle.
    fn shard_of_next(&self, draws: &mut Draws, is_idle: impl Fn(u32) -> bool) -> Option<u32> {
        (0..IDLE_TRIES)
            .map(|_| self.by_activity.pick(draws.bits()))
            .find(|index| !is_idle(index % self.size.partitions))
    }

    /// The lane of the event that [`Self::next`] gives for the same draws; none if it is silent. Moves nobody on.
    pub(crate) fn lane_of_next(
        &self,
        draws: &mut Draws,
        is_idle: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let index = self.shard_of_next(draws, is_idle)?;
        Some(index % self.size.partitions)
    }

    /// An event that is a visit by itself, of any user whose partition is not idle.
    pub(crate) fn single(&self, draws: &mut Draws, is_idle: impl Fn(u32) -> bool) -> Filling {
        match self.user_of_single(draws, is_idle) {
            Some((user, partition)) if self.share.owns(partition) => {
                Filling::Event(self.visits.single(user, draws), partition)
            }
            Some(_) => Filling::Others,
            None => self.silence(),
        }
    }

    /// Whose event [`Self::single`] gives for the same draws, and its lane; none if it is silent.
    pub(crate) fn user_of_single(
        &self,
        draws: &mut Draws,
        is_idle: impl Fn(u32) -> bool,
    ) -> Option<(u32, u32)> {
        let CrowdSize {
            stream,
            entities,
            partitions,
            partition_skew,
            ..
        } = self.size;
        for _ in 0..IDLE_TRIES {
            let user = draws.below(entities);
            let partition = partition_of(stream, user, partitions);
            if is_idle(partition) {
                continue;
            }
            // The first partition is the heaviest, with a weight of 1.
            if partition_skew > 0.0 && !draws.chance(zipf_weight(partition, partition_skew)) {
                continue;
            }
            return Some((user, partition));
        }
        None
    }

    /// A slot that stays empty belongs to no partition; the worker with the first one counts it.
    fn silence(&self) -> Filling {
        if self.share.owns(0) {
            Filling::Silence
        } else {
            Filling::Others
        }
    }

    /// An event that an incident wants.
    pub(crate) fn owned(&self, content: Content) -> Filling {
        let partition = partition_of(self.size.stream, content.entity(), self.size.partitions);
        if self.share.owns(partition) {
            Filling::Event(content, partition)
        } else {
            Filling::Others
        }
    }
}

/// Who belongs to a shard while the crowd gathers. Where another worker owns it, only its activity is
/// kept: all workers must agree on the shares of all shards.
#[derive(Debug, Clone, Default)]
struct Members {
    users: Vec<u32>,
    weights: Vec<f64>,
    activity: f64,
}

impl<T: Copy> Shard<T> {
    fn new(users: Vec<u32>, weights: &[f64]) -> Self {
        Self {
            busy: vec![0; users.len().div_ceil(64)],
            by_activity: Alias::new(weights),
            drift: None,
            users,
            wheel: Wheel::new(),
        }
    }

    /// Puts about `wanted` visits on the wheel, in the middle of what they do.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the number of users"
    )]
    fn warm_up<V: Visits<Visit = T>>(&mut self, visits: &V, wanted: f64, key: Key) {
        // A few users are left over, so that new visits can begin.
        let count = wanted.min(self.users.len() as f64 * 0.9) as u64;
        for number in 0..count {
            let mut draws = key.draws(number);
            if let Some(member) = self.draw_idle(&mut draws) {
                let visit = visits.resume(self.users[member as usize], &mut draws);
                let at_ms = draws.unit() * 2.0 * visits.mean_dwell_ms();
                self.set_busy(member, true);
                self.wheel.push(at_ms as i64, OnWheel { member, visit });
            }
        }
    }

    fn next<V: Visits<Visit = T>>(
        &mut self,
        visits: &V,
        now_ms: i64,
        draws: &mut Draws,
    ) -> OnWheel<T> {
        while let Some((due_ms, due)) = self.wheel.pop_due(now_ms) {
            if now_ms - due_ms < LOST_AFTER_MS {
                return due;
            }
            self.set_busy(due.member, false);
        }
        if let Some(drift) = &mut self.drift {
            drift.turn_to(now_ms, self.users.len());
        }
        if let Some(member) = self.draw_idle(draws) {
            self.set_busy(member, true);
            return OnWheel {
                member,
                visit: visits.open(self.users[member as usize], draws),
            };
        }
        // Everyone is on a visit: the rate is more than people's dwell times give, so they hurry.
        self.wheel.pop_first().unwrap_or_else(|| {
            let member = self.by_activity.pick(draws.bits());
            OnWheel {
                member,
                visit: visits.open(self.users[member as usize], draws),
            }
        })
    }

    /// A user without a visit: by activity if a few tries find one, else the first idle one from a
    /// place drawn at random, since hurrying somebody's visit would make a person look like a machine.
    fn draw_idle(&self, draws: &mut Draws) -> Option<u32> {
        if self.wheel.len() >= self.users.len() {
            return None;
        }
        let turned = |rank| self.drift.as_ref().map_or(rank, |drift| drift.member(rank));
        (0..OPENING_TRIES)
            .map(|_| turned(self.by_activity.pick(draws.bits())))
            .find(|member| !self.is_busy(*member))
            .or_else(|| self.scan_for_idle(draws))
    }

    fn scan_for_idle(&self, draws: &mut Draws) -> Option<u32> {
        let words = u32::try_from(self.busy.len()).ok()?;
        let from = draws.below(words);
        (0..words).map(|i| (from + i) % words).find_map(|word| {
            let member = word * 64 + self.busy[word as usize].trailing_ones();
            ((member as usize) < self.users.len() && member / 64 == word).then_some(member)
        })
    }

    fn is_busy(&self, member: u32) -> bool {
        self.busy[member as usize / 64] >> (member % 64) & 1 == 1
    }

    fn set_busy(&mut self, member: u32, busy: bool) {
        let bit = 1 << (member % 64);
        let word = &mut self.busy[member as usize / 64];
        *word = if busy { *word | bit } else { *word & !bit };
    }
}

/// Gives each partition its share by Zipf's law, whoever's keys fall into it; its shards keep their
/// proportions.
fn skew_partitions(activity: &mut [f64], size: CrowdSize) {
    let partitions = size.partitions as usize;
    for partition in 0..size.partitions {
        let first = partition as usize;
        let total: f64 = activity.iter().skip(first).step_by(partitions).sum();
        if total > 0.0 {
            let factor = zipf_weight(partition, size.partition_skew) / total;
            for shard in activity.iter_mut().skip(first).step_by(partitions) {
                *shard *= factor;
            }
        }
    }
}

/// The rank of each user by activity: a shuffle (Fisher and Yates) that the seed fixes. Were users
/// numbered by activity, the number in a key would tell how busy its user is, and so, since incidents
/// choose theirs evenly, how likely the record is one of an incident.
fn ranks(users: u32, key: Key) -> Vec<u32> {
    let key = key.purpose(Purpose::Rank);
    let mut ranks: Vec<u32> = (0..users).collect();
    for last in (1..users).rev() {
        let other = below(key.bits(u64::from(last)), last + 1);
        ranks.swap(last as usize, other as usize);
    }
    ranks
}

/// How the most active users of a shard change: a permutation of its members, keyed by seed and epoch.
/// Shards keep their activity, so a worker needs to know no other's.
#[derive(Debug, Clone)]
struct Drift {
    every_ms: i64,
    key: Key,
    /// The epoch of the permutation `rank -> (factor * rank + shift) mod members`.
    epoch: i64,
    factor: u64,
    shift: u64,
    members: u64,
}

impl Drift {
    /// In the first epoch, members stand as they are.
    fn new(every_ms: i64, key: Key) -> Self {
        Self {
            every_ms,
            key,
            epoch: 0,
            factor: 1,
            shift: 0,
            members: 1,
        }
    }

    fn turn_to(&mut self, now_ms: i64, members: usize) {
        let epoch = now_ms.div_euclid(self.every_ms);
        self.members = (members as u64).max(1);
        if epoch == self.epoch {
            return;
        }
        self.epoch = epoch;
        let mut draws = self.key.draws(epoch.unsigned_abs());
        let below = |draws: &mut Draws| draws.bits() % self.members;
        self.shift = below(&mut draws);
        self.factor = below(&mut draws);
        // A factor that has no divisor in common with the number gives a permutation; 1 always does.
        while gcd(self.factor, self.members) != 1 {
            self.factor = (self.factor + 1) % self.members;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "below the number of members"
    )]
    fn member(&self, rank: u32) -> u32 {
        ((self.factor * u64::from(rank) + self.shift) % self.members) as u32
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The virtual shard of a key. As the number of shards is a multiple of the partitions', the shard
/// modulo the partitions is the key's partition.
fn shard_of(key: &[u8], shard_count: u32) -> u32 {
    let shards = i32::try_from(shard_count).unwrap_or(i32::MAX);
    partition_for_key(key, shards).unsigned_abs()
}

/// The partition of an entity's records.
pub(crate) fn partition_of(stream: Stream, entity: u32, partitions: u32) -> u32 {
    shard_of(EntityName::new(stream, entity).as_bytes(), partitions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_epoch_permutes_the_members_and_another_does_otherwise() {
        let key = Key::root(1).purpose(Purpose::Drift);
        for members in [1usize, 2, 12, 97, 1000] {
            let mut drift = Drift::new(1000, key);
            let mut order = |now_ms| {
                drift.turn_to(now_ms, members);
                (0..members as u32)
                    .map(|rank| drift.member(rank))
                    .collect::<Vec<_>>()
            };
            assert!(order(999).is_sorted(), "{members}");
            let (first, again, second) = (order(1000), order(1999), order(2000));
            assert_eq!(first, again);
            assert!(members < 12 || first != second, "{members}");
            let distinct: BTreeSet<u32> = second.into_iter().collect();
            assert_eq!(distinct.len(), members);
        }
    }

    #[test]
    fn the_number_of_a_user_says_nothing_about_activity() {
        let users = 10_000;
        let found = ranks(users, Key::root(1));
        let distinct: BTreeSet<u32> = found.iter().copied().collect();
        assert_eq!(distinct.len(), users as usize);
        assert_ne!(found, ranks(users, Key::root(2)));
        let middle = f64::from(users - 1) / 2.0;
        let products: f64 = (0u32..)
            .zip(&found)
            .map(|(user, rank)| (f64::from(user) - middle) * (f64::from(*rank) - middle))
            .sum();
        let correlation = products * 12.0 / f64::from(users).powi(3);
        // Four standard deviations of the rank correlation of independent orders.
        assert!(correlation.abs() < 0.04, "{correlation}");
    }

    #[test]
    fn a_shard_gives_the_partition_of_its_keys() {
        for user in 0..500 {
            let name = EntityName::new(Stream::Clickstream, user);
            let shard = shard_of(name.as_bytes(), 6 * SHARDS_PER_PARTITION);
            assert_eq!(shard % 6, partition_of(Stream::Clickstream, user, 6));
        }
    }
}
