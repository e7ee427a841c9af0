//! ListGroups, DescribeGroups and DeleteGroups.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::api::{code, text};
use crate::dispatch::Call;
use crate::groups::group::{Group, State};
use crate::groups::member::Member;

/// The only kind of group there is here.
const CLASSIC: &str = "classic";

/// Handles ListGroups.
pub(crate) fn list(call: &Call<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let passes = |filter: &[StrBytes], value: &str| {
        filter.is_empty()
            || filter
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let groups = call.shared.groups.lock();
    let listed = groups
        .iter()
        .filter(|(_, group)| {
            passes(&request.states_filter, group.state.name())
                && passes(&request.types_filter, CLASSIC)
        })
        .map(|(id, group)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(id)))
                .with_protocol_type(protocol_type(group))
                .with_group_state(group.state.name().into())
                .with_group_type(CLASSIC.into())
        })
        .collect();
    ListGroupsResponse::default().with_groups(listed)
}

/// Handles DescribeGroups. A group that does not exist is described as dead.
pub(crate) fn describe(call: &Call<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = call.shared.groups.lock();
    let describe = |id: GroupId| {
        let described = match groups.get(&id.0) {
            Some(group) => described(group),
            None => DescribedGroup::default().with_group_state("Dead".into()),
        };
        described.with_group_id(id)
    };
    DescribeGroupsResponse::default()
        .with_groups(request.groups.into_iter().map(describe).collect())
}

/// Handles DeleteGroups.
pub(crate) fn delete(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut groups = call.shared.groups.lock();
    let delete = |id: GroupId| {
        let outcome = groups.delete(&id.0);
        DeletableGroupResult::default()
            .with_group_id(id)
            .with_error_code(code(&outcome))
    };
    DeleteGroupsResponse::default()
        .with_results(request.groups_names.into_iter().map(delete).collect())
}

fn described(group: &Group) -> DescribedGroup {
    let is_stable = group.state == State::Stable;
    // What members support says nothing before one protocol is chosen.
    let protocol = group
        .protocol_name
        .as_deref()
        .filter(|_| is_stable)
        .unwrap_or_default();
    let member = |(id, m): (&String, &Member)| {
        DescribedGroupMember::default()
            .with_member_id(text(id.as_str()))
            .with_group_instance_id(m.instance_id.clone().map(text))
            .with_client_id(text(m.client_id.as_str()))
            .with_client_host(text(m.client_host.as_str()))
            .with_member_metadata(m.metadata(protocol))
            .with_member_assignment(m.assignment.clone())
    };
    DescribedGroup::default()
        .with_group_state(group.state.name().into())
        .with_protocol_type(protocol_type(group))
        .with_protocol_data(text(protocol))
        .with_members(group.members.iter().map(member).collect())
}

fn protocol_type(group: &Group) -> StrBytes {
    text(group.protocol_type.as_deref().unwrap_or_default())
}
