//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup.

use std::time::Duration;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::api::{code, text};
use crate::dispatch::Call;
use crate::groups::member::Protocol;
use crate::groups::{Caller, Join, JoinReply, Reply, Sync, SyncReply};

/// How long a waiting thread sleeps before it looks whether the broker is stopping; it is woken
/// for replies, and for stopping too, so this is a second line only.
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(5);

/// Handles JoinGroup; `None` if the broker stopped while the member waited.
pub(crate) fn join(call: &Call<'_>, request: JoinGroupRequest) -> Option<JoinGroupResponse> {
    let session_timeout = millis(request.session_timeout_ms);
    let rebalance_timeout = match request.rebalance_timeout_ms {
        ms if ms > 0 => millis(ms),
        _ => session_timeout,
    };
    let protocol = |p: JoinGroupRequestProtocol| Protocol {
        name: p.name.to_string(),
        metadata: p.metadata,
    };
    let join = Join {
        token: call.peer.id,
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        client_id: call.client_id.to_owned(),
        client_host: format!("/{}", call.peer.address.ip()),
        session_timeout,
        rebalance_timeout,
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(protocol).collect(),
        wants_id_first: call.version >= 4,
        knows_skip_assignment: call.version >= 9,
    };
    let now = call.shared.clock.moment();
    call.shared
        .with_groups(|groups, out| groups.join(&request.group_id.0, join, now, out));
    match wait(call)? {
        Reply::Join(reply) => Some(joined(call.version, reply)),
        Reply::Sync(_) => None,
    }
}

/// Handles SyncGroup; `None` if the broker stopped while the member waited.
pub(crate) fn sync(call: &Call<'_>, request: SyncGroupRequest) -> Option<SyncGroupResponse> {
    let sync = Sync {
        token: call.peer.id,
        caller: caller(
            &request.member_id,
            &request.group_instance_id,
            request.generation_id,
        ),
        protocol_type: request.protocol_type.map(|t| t.to_string()),
        protocol_name: request.protocol_name.map(|n| n.to_string()),
        assignments: request
            .assignments
            .into_iter()
            .map(|a| (a.member_id.to_string(), a.assignment))
            .collect(),
    };
    let now = call.shared.clock.moment();
    call.shared
        .with_groups(|groups, out| groups.sync(&request.group_id.0, sync, now, out));
    match wait(call)? {
        Reply::Sync(reply) => Some(synced(reply)),
        Reply::Join(_) => None,
    }
}

/// Handles Heartbeat.
pub(crate) fn heartbeat(call: &Call<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let caller = caller(
        &request.member_id,
        &request.group_instance_id,
        request.generation_id,
    );
    let now = call.shared.clock.moment();
    let outcome = call
        .shared
        .groups
        .lock()
        .heartbeat(&request.group_id.0, &caller, now);
    HeartbeatResponse::default().with_error_code(code(&outcome))
}

/// Handles LeaveGroup: one member up to version 2, any number since.
pub(crate) fn leave(call: &Call<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let now = call.shared.clock.moment();
    let group_id = &request.group_id.0;
    let leave = |member: &StrBytes, instance: Option<&str>| {
        let outcome = call
            .shared
            .with_groups(|groups, out| groups.leave(group_id, member, instance, now, out));
        call.shared.timer.raise();
        code(&outcome)
    };
    let response = LeaveGroupResponse::default();
    if call.version < 3 {
        return response.with_error_code(leave(&request.member_id, None));
    }
    let mut members = Vec::with_capacity(request.members.len());
    for member in request.members {
        let error = leave(&member.member_id, member.group_instance_id.as_deref());
        members.push(
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(error),
        );
    }
    response.with_members(members)
}

/// Who calls, as a request names it.
pub(super) fn caller(member_id: &str, instance_id: &Option<StrBytes>, generation: i32) -> Caller {
    Caller {
        member_id: member_id.to_owned(),
        instance_id: instance_id.as_ref().map(ToString::to_string),
        generation,
    }
}

fn wait(call: &Call<'_>) -> Option<Reply> {
    // The request may have set a deadline nearer than the one the timer sleeps to.
    call.shared.timer.raise();
    loop {
        if let Some(reply) = call.peer.take_mail() {
            return Some(reply);
        }
        if call.shared.is_stopping() {
            return None;
        }
        call.peer.wake.sleep(LOOK_UP_INTERVAL);
    }
}

fn joined(version: i16, reply: JoinReply) -> JoinGroupResponse {
    let member = |m: crate::groups::JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(m.member_id))
            .with_group_instance_id(m.instance_id.map(text))
            .with_metadata(m.metadata)
    };
    // Before version 7 there is no null for it.
    let protocol_name = match reply.protocol_name {
        None if version < 7 => Some(StrBytes::default()),
        name => name.map(text),
    };
    JoinGroupResponse::default()
        .with_error_code(reply.error.map_or(0, |error| error.code()))
        .with_generation_id(reply.generation)
        .with_protocol_type(reply.protocol_type.map(text))
        .with_protocol_name(protocol_name)
        .with_leader(text(reply.leader))
        .with_skip_assignment(reply.skip_assignment)
        .with_member_id(text(reply.member_id))
        .with_members(reply.members.into_iter().map(member).collect())
}

fn synced(reply: SyncReply) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_error_code(reply.error.map_or(0, |error| error.code()))
        .with_protocol_type(reply.protocol_type.map(text))
        .with_protocol_name(reply.protocol_name.map(text))
        .with_assignment(reply.assignment)
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
