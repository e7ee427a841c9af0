//! How members stay and go: `SyncGroup`, `Heartbeat`, `LeaveGroup`, and who may commit.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use crate::clock::Moment;
use crate::groups::group::{self, Group, State};
use crate::groups::member::Waiting;
use crate::groups::{Caller, Outbox, Reply, Sync, SyncReply};

impl Group {
    /// Handles a request for the assignment, which the leader's request brings along.
    pub(crate) fn sync(&mut self, sync: Sync, now: Moment, out: &mut Outbox) {
        if let Err(error) = self.check_sync(&sync) {
            out.push((sync.token, group::sync_error(error)));
            return;
        }
        let id = &sync.caller.member_id;
        let is_leader = self.leader.as_ref() == Some(id);
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.touch(now);
        member.synced = true;
        if self.state == State::Stable {
            let reply = SyncReply {
                error: None,
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol_name.clone(),
                assignment: member.assignment.clone(),
            };
            out.push((sync.token, Reply::Sync(reply)));
            return;
        }
        group::park(member, Waiting::Sync(sync.token), out);
        if is_leader {
            self.assign(sync.assignments);
            self.stabilise(now, out);
        }
    }

    /// Handles a sign of life.
    pub(crate) fn heartbeat(&mut self, caller: &Caller, now: Moment) -> Result<(), ResponseError> {
        self.check_member(caller)?;
        self.check_generation(caller.generation)?;
        if let Some(member) = self.members.get_mut(&caller.member_id) {
            member.touch(now);
        }
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Preparing => Err(ResponseError::RebalanceInProgress),
            State::Completing | State::Stable => Ok(()),
        }
    }

    /// Handles a goodbye; static members may be named by their instance id alone.
    pub(crate) fn leave(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        now: Moment,
        delay: Duration,
        out: &mut Outbox,
    ) -> Result<(), ResponseError> {
        let known = instance_id.map(|instance| self.statics.get(instance));
        let id = match known {
            Some(None) => return Err(ResponseError::UnknownMemberId),
            Some(Some(known)) if !member_id.is_empty() && known != member_id => {
                return Err(ResponseError::FencedInstanceId);
            }
            Some(Some(known)) => known.clone(),
            None => member_id.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.maybe_complete(now, out);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id, now, delay, out);
        Ok(())
    }

    /// Whether the caller may commit offsets.
    pub(crate) fn may_commit(&mut self, caller: &Caller, now: Moment) -> Result<(), ResponseError> {
        if caller.generation < 0 && self.members.is_empty() {
            // A consumer that manages its partitions itself, or an administrator.
            return Ok(());
        }
        self.check_member(caller)?;
        self.check_generation(caller.generation)?;
        if self.state == State::Completing {
            return Err(ResponseError::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(&caller.member_id) {
            member.touch(now);
        }
        Ok(())
    }

    /// Whether a transaction may commit offsets for the caller. Older clients do not say who they
    /// are; those that do are checked, whatever the group's state.
    pub(crate) fn may_commit_in_transaction(&self, caller: &Caller) -> Result<(), ResponseError> {
        if caller.member_id.is_empty() && caller.instance_id.is_none() && caller.generation < 0 {
            return Ok(());
        }
        if !caller.member_id.is_empty() || caller.instance_id.is_some() {
            self.check_member(caller)?;
        }
        self.check_generation(caller.generation)
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ResponseError> {
        self.check_member(&sync.caller)?;
        self.check_generation(sync.caller.generation)?;
        let differs = |said: &Option<String>, is: &Option<String>| said.is_some() && said != is;
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol_name, &self.protocol_name)
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Preparing => Err(ResponseError::RebalanceInProgress),
            State::Completing | State::Stable => Ok(()),
        }
    }

    fn check_member(&self, caller: &Caller) -> Result<(), ResponseError> {
        if let Some(instance_id) = &caller.instance_id {
            match self.statics.get(instance_id) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(known) if *known != caller.member_id => {
                    return Err(ResponseError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(&caller.member_id) {
            Ok(())
        } else {
            Err(ResponseError::UnknownMemberId)
        }
    }

    fn check_generation(&self, generation: i32) -> Result<(), ResponseError> {
        if generation == self.generation {
            Ok(())
        } else {
            Err(ResponseError::IllegalGeneration)
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
    }
}
