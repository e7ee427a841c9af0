//! Consumer groups, as a pure state machine: every call is handed the time, and replies to
//! connections that had to wait come out of an outbox.

pub(crate) mod group;
pub(crate) mod join;
pub(crate) mod member;
pub(crate) mod membership;
pub(crate) mod offsets;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use crate::clock::Moment;
use crate::groups::group::{Group, State};
use crate::groups::member::Protocol;
use crate::groups::offsets::{Committed, Position, Stability, TopicPartition};

/// Names the connection that waits for a reply; a connection waits for one at a time.
pub(crate) type Token = u64;

/// Replies that became due, each with the connection it goes to.
pub(crate) type Outbox = Vec<(Token, Reply)>;

/// Longer sessions are refused, as by Kafka's default.
const MAX_SESSION: Duration = Duration::from_secs(30 * 60);

/// A reply that may have had to wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// To a join.
    Join(JoinReply),
    /// To a sync.
    Sync(SyncReply),
}

/// A member wants in.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) token: Token,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<Protocol>,
    /// Whether a new member is told its id first and joins with it (since version 4): a member
    /// whose reply got lost would otherwise be counted twice.
    pub(crate) wants_id_first: bool,
    /// Whether a returning static leader can be told not to assign (since version 9).
    pub(crate) knows_skip_assignment: bool,
}

/// The answer to a join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JoinReply {
    pub(crate) error: Option<ResponseError>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol_name: Option<String>,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    pub(crate) skip_assignment: bool,
    pub(crate) members: Vec<JoinedMember>,
}

/// A member as the leader is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) metadata: Bytes,
}

/// Who calls, from which generation.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
}

/// A member wants its assignment.
#[derive(Debug)]
pub(crate) struct Sync {
    pub(crate) token: Token,
    pub(crate) caller: Caller,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol_name: Option<String>,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// The answer to a sync.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SyncReply {
    pub(crate) error: Option<ResponseError>,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol_name: Option<String>,
    pub(crate) assignment: Bytes,
}

/// All groups of a broker.
#[derive(Debug)]
pub(crate) struct Groups {
    by_id: BTreeMap<String, Group>,
    initial_delay: Duration,
    next_member: u64,
    /// Tells member ids of this broker from those of one that ran before it at the same address.
    incarnation: i64,
}

impl Groups {
    /// No groups; `incarnation` differs from start to start.
    pub(crate) fn new(initial_delay: Duration, incarnation: i64) -> Self {
        Self {
            by_id: BTreeMap::new(),
            initial_delay,
            next_member: 0,
            incarnation,
        }
    }

    /// Handles a join; the reply is in the outbox now or after a later call.
    pub(crate) fn join(&mut self, group_id: &str, join: Join, now: Moment, out: &mut Outbox) {
        let error = if group_id.is_empty() {
            Some(ResponseError::InvalidGroupId)
        } else if join.session_timeout.is_zero() || join.session_timeout > MAX_SESSION {
            Some(ResponseError::InvalidSessionTimeout)
        } else if !self.by_id.contains_key(group_id) && !join.member_id.is_empty() {
            Some(ResponseError::UnknownMemberId)
        } else {
            None
        };
        if let Some(error) = error {
            out.push((join.token, group::join_error(error, &join.member_id)));
            return;
        }
        let new_id = self.new_member_id(join.instance_id.as_ref().unwrap_or(&join.client_id));
        let group = self.by_id.entry(group_id.to_owned()).or_default();
        group.join(join, new_id, now, self.initial_delay, out);
    }

    /// Handles a sync; the reply is in the outbox now or after a later call.
    pub(crate) fn sync(&mut self, group_id: &str, sync: Sync, now: Moment, out: &mut Outbox) {
        match self.by_id.get_mut(group_id) {
            Some(group) => group.sync(sync, now, out),
            None => out.push((
                sync.token,
                group::sync_error(ResponseError::UnknownMemberId),
            )),
        }
    }

    /// Handles a heartbeat.
    pub(crate) fn heartbeat(
        &mut self,
        group_id: &str,
        caller: &Caller,
        now: Moment,
    ) -> Result<(), ResponseError> {
        self.known(group_id, ResponseError::UnknownMemberId)?
            .heartbeat(caller, now)
    }

    /// Handles a goodbye.
    pub(crate) fn leave(
        &mut self,
        group_id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        now: Moment,
        out: &mut Outbox,
    ) -> Result<(), ResponseError> {
        let delay = self.initial_delay;
        let group = self.known(group_id, ResponseError::UnknownMemberId)?;
        group.leave(member_id, instance_id, now, delay, out)
    }

    /// The offsets of a group into which this caller may commit now.
    pub(crate) fn commit(
        &mut self,
        group_id: &str,
        caller: &Caller,
        now: Moment,
    ) -> Result<&mut offsets::Offsets, ResponseError> {
        if group_id.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if caller.generation >= 0 {
            self.known(group_id, ResponseError::IllegalGeneration)?;
        }
        let group = self.by_id.entry(group_id.to_owned()).or_default();
        group.may_commit(caller, now)?;
        Ok(&mut group.offsets)
    }

    /// The offsets of a group into which this caller's transaction may commit.
    pub(crate) fn commit_in_transaction(
        &mut self,
        group_id: &str,
        caller: &Caller,
    ) -> Result<&mut offsets::Offsets, ResponseError> {
        if group_id.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if caller.generation >= 0 {
            self.known(group_id, ResponseError::IllegalGeneration)?;
        }
        let group = self.by_id.entry(group_id.to_owned()).or_default();
        group.may_commit_in_transaction(caller)?;
        Ok(&mut group.offsets)
    }

    /// A transaction has ended that committed offsets for this group.
    pub(crate) fn end_transaction(&mut self, group_id: &str, producer_id: i64, commit: bool) {
        if let Some(group) = self.by_id.get_mut(group_id) {
            group.offsets.end_transaction(producer_id, commit);
        }
    }

    /// Positions of the wanted partitions, or of all that have one.
    pub(crate) fn positions(
        &self,
        group_id: &str,
        wanted: Option<Vec<TopicPartition>>,
        stability: Stability,
    ) -> Vec<(TopicPartition, Position)> {
        let group = self.by_id.get(group_id);
        let all = || group.map(|g| g.offsets.partitions()).unwrap_or_default();
        let find = |partition: TopicPartition| {
            let position = group.map(|g| g.offsets.position(&partition, stability));
            (partition, position.unwrap_or(Position::None))
        };
        let asked_for_all = wanted.is_none();
        let positions = wanted.unwrap_or_else(all).into_iter().map(find);
        positions
            .filter(|(_, p)| !asked_for_all || *p != Position::None)
            .collect()
    }

    /// All groups in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.by_id.iter().map(|(id, group)| (id.as_str(), group))
    }

    /// The group of that id.
    pub(crate) fn get(&self, group_id: &str) -> Option<&Group> {
        self.by_id.get(group_id)
    }

    /// Deletes a group without members.
    pub(crate) fn delete(&mut self, group_id: &str) -> Result<(), ResponseError> {
        let group = self.known(group_id, ResponseError::GroupIdNotFound)?;
        if group.state != State::Empty || group.offsets.has_open_transaction() {
            return Err(ResponseError::NonEmptyGroup);
        }
        self.by_id.remove(group_id);
        Ok(())
    }

    /// A topic was deleted, and with it what was committed for it.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        for group in self.by_id.values_mut() {
            group.offsets.forget(topic);
        }
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Moment, out: &mut Outbox) {
        for group in self.by_id.values_mut() {
            group.tick(now, self.initial_delay, out);
        }
    }

    /// When `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.by_id.values().filter_map(Group::next_deadline).min()
    }

    fn known(&mut self, group_id: &str, error: ResponseError) -> Result<&mut Group, ResponseError> {
        self.by_id.get_mut(group_id).ok_or(error)
    }

    fn new_member_id(&mut self, prefix: &str) -> String {
        self.next_member += 1;
        format!("{prefix}-{:x}-{}", self.incarnation, self.next_member)
    }
}

/// A committed position, if the metadata is within what Kafka accepts.
pub(crate) fn committed(
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&str>,
) -> Result<Committed, ResponseError> {
    const MAX_METADATA_BYTES: usize = 4096;
    let metadata = metadata.unwrap_or_default();
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(Committed {
        offset,
        leader_epoch,
        metadata: metadata.to_owned(),
    })
}

#[cfg(test)]
mod tests;
