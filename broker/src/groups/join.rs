//! How members come: `JoinGroup`.

use std::time::Duration;

use kafka_protocol::ResponseError;

use crate::clock::Moment;
use crate::groups::group::{self, Group, State};
use crate::groups::member::{self, Member, Waiting};
use crate::groups::{Join, JoinReply, Outbox, Reply};

impl Group {
    /// Handles a join; `new_id` is used if the member has no id yet.
    pub(crate) fn join(
        &mut self,
        join: Join,
        new_id: String,
        now: Moment,
        delay: Duration,
        out: &mut Outbox,
    ) {
        let refuse = |error| group::join_error(error, &join.member_id);
        if !self.accepts(&join) {
            out.push((join.token, refuse(ResponseError::InconsistentGroupProtocol)));
            return;
        }
        let known_as = join
            .instance_id
            .as_ref()
            .map(|instance| self.statics.get(instance));
        match (join.member_id.is_empty(), known_as) {
            (true, None) if join.wants_id_first => {
                self.pending
                    .insert(new_id.clone(), now + join.session_timeout);
                let reply = group::join_error(ResponseError::MemberIdRequired, &new_id);
                out.push((join.token, reply));
            }
            (true, None | Some(None)) => self.add(join, new_id, now, delay, out),
            (true, Some(Some(old_id))) => {
                let old_id = old_id.clone();
                self.replace_static(join, &old_id, new_id, now, delay, out);
            }
            (false, Some(Some(known))) if *known != join.member_id => {
                out.push((join.token, refuse(ResponseError::FencedInstanceId)));
            }
            (false, Some(None)) => {
                out.push((join.token, refuse(ResponseError::UnknownMemberId)));
            }
            (false, _) if self.pending.remove(&join.member_id).is_some() => {
                let id = join.member_id.clone();
                self.add(join, id, now, delay, out);
            }
            (false, _) if self.members.contains_key(&join.member_id) => {
                self.rejoin(join, now, delay, out);
            }
            (false, _) => out.push((join.token, refuse(ResponseError::UnknownMemberId))),
        }
    }

    fn accepts(&self, join: &Join) -> bool {
        let same_type = self.members.is_empty()
            || self.protocol_type.as_deref() == Some(join.protocol_type.as_str());
        same_type
            && !join.protocol_type.is_empty()
            && member::shares_protocol(&self.members, &join.protocols)
    }

    fn add(&mut self, join: Join, id: String, now: Moment, delay: Duration, out: &mut Outbox) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Some(instance_id) = &join.instance_id {
            self.statics.insert(instance_id.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        let member = Member {
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Default::default(),
            expires: now + join.session_timeout,
            waiting: Waiting::Join(join.token),
            synced: false,
        };
        self.members.insert(id, member);
        self.extend_initial(now, delay);
        self.prepare(now, delay, out);
    }

    fn rejoin(&mut self, join: Join, now: Moment, delay: Duration, out: &mut Outbox) {
        let id = join.member_id.clone();
        let is_leader = self.leader.as_ref() == Some(&id);
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.touch(now);
        let is_unchanged = member.protocols == join.protocols;
        let rejoins = match self.state {
            State::Preparing => true,
            // The reply to its first join was lost: the same generation again.
            State::Completing => !is_unchanged,
            // A leader rejoins to have everybody assigned anew, say because a topic has grown.
            State::Stable => is_leader || !is_unchanged,
            State::Empty => {
                let reply = group::join_error(ResponseError::UnknownMemberId, &id);
                out.push((join.token, reply));
                return;
            }
        };
        if rejoins {
            let token = join.token;
            member.update(join);
            group::park(member, Waiting::Join(token), out);
            self.prepare(now, delay, out);
        } else {
            out.push((join.token, Reply::Join(self.join_reply(&id))));
        }
    }

    /// A static member came back without its member id: it takes its place over under a new one,
    /// and whoever still uses the old one is fenced.
    fn replace_static(
        &mut self,
        join: Join,
        old_id: &str,
        new_id: String,
        now: Moment,
        delay: Duration,
        out: &mut Outbox,
    ) {
        let Some(mut member) = self.members.remove(old_id) else {
            return;
        };
        let waiting = std::mem::replace(&mut member.waiting, Waiting::No);
        group::release(waiting, ResponseError::FencedInstanceId, out);
        let (token, knows_skip) = (join.token, join.knows_skip_assignment);
        if let Some(instance_id) = &join.instance_id {
            self.statics.insert(instance_id.clone(), new_id.clone());
        }
        member.update(join);
        member.touch(now);
        self.members.insert(new_id.clone(), member);
        let was_leader = self.leader.as_deref() == Some(old_id);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        let keeps_protocol = member::select_protocol(&self.members) == self.protocol_name;
        if self.state == State::Stable && keeps_protocol {
            let mut reply = self.join_reply(&new_id);
            if was_leader && knows_skip {
                reply.skip_assignment = true;
            } else if was_leader {
                // An older client that found itself the leader would assign anew; told of another
                // leader it fetches the assignment that stands.
                reply = JoinReply {
                    leader: old_id.to_owned(),
                    members: Vec::new(),
                    ..reply
                };
            }
            out.push((token, Reply::Join(reply)));
            return;
        }
        if let Some(member) = self.members.get_mut(&new_id) {
            member.waiting = Waiting::Join(token);
        }
        self.prepare(now, delay, out);
    }
}

impl Member {
    fn update(&mut self, join: Join) {
        self.client_id = join.client_id;
        self.client_host = join.client_host;
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
        self.protocols = join.protocols;
    }
}
