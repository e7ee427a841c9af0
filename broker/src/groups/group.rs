//! One consumer group: the states of the classic rebalance protocol.
//!
//! ```text
//!            join                    all joined               leader's assignment
//! Empty ------------> Preparing ------------------> Completing ------------------> Stable
//!   ^                  |     ^                           |                            |
//!   +--- none left ----+     +------ join, leave, death, changed subscription --------+
//! ```
//!
//! Nothing here waits, sleeps or asks for the time: a request that cannot be answered yet leaves
//! the token of its connection, and a later call puts the reply for that token into the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use crate::clock::Moment;
use crate::groups::member::{self, Member, Waiting};
use crate::groups::offsets::Offsets;
use crate::groups::{JoinReply, JoinedMember, Outbox, Reply, SyncReply};

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// No members (there may be offsets).
    #[default]
    Empty,
    /// Waiting for the members to join.
    Preparing,
    /// Waiting for the leader's assignment.
    Completing,
    /// Everybody has an assignment.
    Stable,
}

/// One group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol_name: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) members: BTreeMap<String, Member>,
    /// Member ids that were handed out and have not joined yet, and when they lapse.
    pub(crate) pending: BTreeMap<String, Moment>,
    /// Instance ids of static members, to their member ids.
    pub(crate) statics: BTreeMap<String, String>,
    pub(crate) offsets: Offsets,
    rebalance: Rebalance,
    sync_deadline: Option<Moment>,
}

/// The times of the rebalance under way.
#[derive(Debug, Default, Clone, Copy)]
struct Rebalance {
    is_initial: bool,
    started: Moment,
    /// Not complete before this: an empty group waits for more members.
    earliest: Moment,
    /// Complete then without those who have not joined.
    deadline: Moment,
}

impl State {
    /// Its name, as tools show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

impl Group {
    /// Starts a rebalance unless one is being prepared already.
    pub(crate) fn prepare(&mut self, now: Moment, delay: Duration, out: &mut Outbox) {
        if self.state != State::Preparing {
            self.sync_deadline = None;
            for member in self.members.values_mut() {
                if let Waiting::Sync(token) = member.waiting {
                    member.waiting = Waiting::No;
                    member.touch(now);
                    out.push((token, sync_error(ResponseError::RebalanceInProgress)));
                }
            }
            let is_initial = self.state == State::Empty;
            let longest = self.longest_rebalance();
            let earliest = if is_initial {
                now + delay.min(longest)
            } else {
                now
            };
            self.rebalance = Rebalance {
                is_initial,
                started: now,
                earliest,
                deadline: now + longest,
            };
            self.state = State::Preparing;
        }
        self.maybe_complete(now, out);
    }

    /// A new member arrived while an empty group waits for more: it waits a little longer.
    pub(crate) fn extend_initial(&mut self, now: Moment, delay: Duration) {
        if self.state == State::Preparing && self.rebalance.is_initial {
            let limit = self.rebalance.started + self.longest_rebalance();
            self.rebalance.earliest = (now + delay).min(limit);
            self.rebalance.deadline = limit;
        }
    }

    /// Ends the join phase if everybody is there or the time is up.
    pub(crate) fn maybe_complete(&mut self, now: Moment, out: &mut Outbox) {
        if self.state != State::Preparing {
            return;
        }
        let all_joined = self.pending.is_empty() && self.members.values().all(Member::has_joined);
        if now >= self.rebalance.deadline || (all_joined && now >= self.rebalance.earliest) {
            self.complete(now, out);
        }
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, id: &str, now: Moment, delay: Duration, out: &mut Outbox) {
        let Some(gone) = self.members.remove(id) else {
            return;
        };
        release(gone.waiting, ResponseError::UnknownMemberId, out);
        if let Some(instance_id) = gone.instance_id {
            self.statics.remove(&instance_id);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        match self.state {
            State::Empty => {}
            State::Preparing => self.maybe_complete(now, out),
            State::Completing | State::Stable => self.prepare(now, delay, out),
        }
    }

    /// Lets time pass: dead members go, phases end.
    pub(crate) fn tick(&mut self, now: Moment, delay: Duration, out: &mut Outbox) {
        self.pending.retain(|_, lapses| *lapses > now);
        let sync_is_over = self.sync_deadline.is_some_and(|deadline| deadline <= now);
        let is_gone = |m: &Member| m.is_dead(now) || (sync_is_over && !m.synced);
        let gone: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| is_gone(m))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.remove(&id, now, delay, out);
        }
        self.maybe_complete(now, out);
    }

    /// When `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let sessions = self.members.values().filter(|m| m.waiting == Waiting::No);
        let join_phase = (self.state == State::Preparing).then(|| {
            let Rebalance {
                earliest, deadline, ..
            } = self.rebalance;
            // Once `earliest` has passed, only the deadline or a request can end the phase; a
            // moment that has passed would keep the timer spinning.
            if self.pending.is_empty() && self.members.values().all(Member::has_joined) {
                earliest
            } else {
                deadline
            }
        });
        sessions
            .map(|m| m.expires)
            .chain(self.pending.values().copied())
            .chain(join_phase)
            .chain(self.sync_deadline)
            .min()
    }

    /// The reply that tells a member the present generation.
    pub(crate) fn join_reply(&self, id: &str) -> JoinReply {
        let is_leader = self.leader.as_deref() == Some(id);
        JoinReply {
            error: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.to_owned(),
            skip_assignment: false,
            members: if is_leader {
                self.joined_members()
            } else {
                Vec::new()
            },
        }
    }

    /// The leader has assigned: everybody who waits is told.
    pub(crate) fn stabilise(&mut self, now: Moment, out: &mut Outbox) {
        self.state = State::Stable;
        self.sync_deadline = None;
        let (protocol_type, protocol_name) = (&self.protocol_type, &self.protocol_name);
        for member in self.members.values_mut() {
            if let Waiting::Sync(token) = member.waiting {
                member.waiting = Waiting::No;
                member.touch(now);
                let reply = SyncReply {
                    error: None,
                    protocol_type: protocol_type.clone(),
                    protocol_name: protocol_name.clone(),
                    assignment: member.assignment.clone(),
                };
                out.push((token, Reply::Sync(reply)));
            }
        }
    }

    /// Members as the leader is told of them.
    pub(crate) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let joined = |(id, m): (&String, &Member)| JoinedMember {
            member_id: id.clone(),
            instance_id: m.instance_id.clone(),
            metadata: m.metadata(protocol),
        };
        self.members.iter().map(joined).collect()
    }

    fn complete(&mut self, now: Moment, out: &mut Outbox) {
        // Static members keep their place until their session ends: they may be restarting.
        let stays = |m: &Member| m.has_joined() || m.instance_id.is_some();
        self.members.retain(|_, member| stays(member));
        self.pending.retain(|_, lapses| *lapses > now);
        if self.members.is_empty() {
            self.state = State::Empty;
            self.generation += 1;
            self.protocol_name = None;
            self.leader = None;
            return;
        }
        let joined = |id: &String| self.members.get(id).is_some_and(Member::has_joined);
        if !self.leader.as_ref().is_some_and(joined) {
            let elected = self.members.iter().find(|(_, m)| m.has_joined());
            let Some((elected, _)) = elected else {
                self.rebalance.deadline = now + self.longest_rebalance();
                return;
            };
            self.leader = Some(elected.clone());
        }
        self.generation += 1;
        self.protocol_name = member::select_protocol(&self.members);
        self.state = State::Completing;
        self.sync_deadline = Some(now + self.longest_rebalance());
        let mut replies = Vec::new();
        for (id, member) in &mut self.members {
            member.assignment.clear();
            member.synced = false;
            member.touch(now);
            if let Waiting::Join(token) = member.waiting {
                member.waiting = Waiting::No;
                replies.push((token, id.clone()));
            }
        }
        out.extend(
            replies
                .into_iter()
                .map(|(t, id)| (t, Reply::Join(self.join_reply(&id)))),
        );
    }

    fn longest_rebalance(&self) -> Duration {
        self.members
            .values()
            .map(|m| m.rebalance_timeout)
            .max()
            .unwrap_or_default()
    }
}

/// Answers a connection whose member will not get what it waits for.
pub(crate) fn release(waiting: Waiting, error: ResponseError, out: &mut Outbox) {
    match waiting {
        Waiting::No => {}
        Waiting::Join(token) => out.push((token, join_error(error, ""))),
        Waiting::Sync(token) => out.push((token, sync_error(error))),
    }
}

/// A join that failed.
pub(crate) fn join_error(error: ResponseError, member_id: &str) -> Reply {
    Reply::Join(JoinReply {
        error: Some(error),
        generation: -1,
        member_id: member_id.to_owned(),
        ..JoinReply::default()
    })
}

/// A sync that failed.
pub(crate) fn sync_error(error: ResponseError) -> Reply {
    Reply::Sync(SyncReply {
        error: Some(error),
        ..SyncReply::default()
    })
}

/// Parks a connection with a member, answering one that was parked there before.
pub(crate) fn park(member: &mut Member, waiting: Waiting, out: &mut Outbox) {
    let before = std::mem::replace(&mut member.waiting, waiting);
    release(before, ResponseError::RebalanceInProgress, out);
}
