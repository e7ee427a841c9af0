//! Consumer groups as their coordinator sees them.

use std::ffi::CStr;
use std::time::Duration;

use rdkafka_sys as sys;

use super::{Admin, event};
use crate::error::{Error, ErrorCode};
use crate::native::{Deadline, code_of, cstring, lossy, millis};
use crate::partition::TopicPartition;

/// Between two questions to a coordinator that is not ready.
const RETRY: Duration = Duration::from_millis(50);

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub name: String,
    /// Its state: `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`.
    pub state: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub id: String,
    /// The name that its client gives itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// The partitions it was given.
    pub partitions: Vec<TopicPartition>,
}

impl GroupDescription {
    /// The partitions that members have, of all topics.
    #[must_use]
    pub fn assigned_partitions(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.partitions.len())
            .sum()
    }

    /// True if the group is at rest, with its partitions given out.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        self.state == "Stable"
    }
}

impl Admin {
    /// A group, or nothing if the cluster has none of the name. Waits for a coordinator that is not
    /// ready: on a new cluster the first group makes it create and load the topic of the offsets.
    ///
    /// # Errors
    /// If no broker answers in time.
    pub fn group(&self, name: &str) -> Result<Option<GroupDescription>, Error> {
        let native = cstring("group", name)?;
        let deadline = Deadline::after(self.timeout);
        let list = loop {
            let (code, list) = self.list_group(&native, deadline.left());
            if !is_passing(code_of(code)) || deadline.is_over() {
                self.client
                    .check(code, self.timeout, || format!("describe group `{name}`"))?;
                break list;
            }
            self.pause(deadline.left().min(RETRY));
        };
        // SAFETY: a live list, copied before it is freed.
        unsafe {
            let found = event::slice((*list).groups, (*list).group_cnt)
                .iter()
                .map(|info| group_of(info))
                .find(|group| group.name == name && group.state != "Dead");
            sys::rd_kafka_group_list_destroy(list);
            Ok(found)
        }
    }

    /// One question; the list is the caller's if the code is no error.
    fn list_group(
        &self,
        name: &CStr,
        timeout: Duration,
    ) -> (sys::rd_kafka_resp_err_t, *const sys::rd_kafka_group_list) {
        let mut list = std::ptr::null();
        // SAFETY: a live client and a terminated string.
        let code = unsafe {
            sys::rd_kafka_list_groups(
                self.client.ptr(),
                name.as_ptr(),
                &raw mut list,
                millis(timeout),
            )
        };
        (code, list)
    }
}

/// True for refusals that pass by themselves while a coordinator starts or moves.
fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
    )
}

/// # Safety
/// `info` must come from librdkafka.
unsafe fn group_of(info: &sys::rd_kafka_group_info) -> GroupDescription {
    // SAFETY: arrays with their lengths, and terminated strings.
    unsafe {
        let members = event::slice(info.members, info.member_cnt)
            .iter()
            .map(|member| {
                let bytes = event::slice(
                    member.member_assignment.cast::<u8>().cast_const(),
                    member.member_assignment_size,
                );
                GroupMember {
                    id: lossy(member.member_id),
                    client_id: lossy(member.client_id),
                    host: lossy(member.client_host),
                    partitions: assignment(bytes).unwrap_or_default(),
                }
            })
            .collect();
        GroupDescription {
            name: lossy(info.group),
            state: lossy(info.state),
            members,
        }
    }
}

/// The partitions in a consumer protocol's assignment: version, then topics, each with its
/// partitions; what follows is the assignor's own. Nothing, if the bytes are not of that form:
/// groups may use protocols of their own.
fn assignment(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut rest = bytes.get(2..)?;
    let mut partitions = Vec::new();
    for _ in 0..int32(&mut rest)? {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (name, after) = after.split_at_checked(length)?;
        rest = after;
        let topic = std::str::from_utf8(name).ok()?;
        for _ in 0..int32(&mut rest)? {
            partitions.push(TopicPartition::new(topic, int32(&mut rest)?));
        }
    }
    Some(partitions)
}

fn int32(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1, topic `ab` with partitions 3 and 4, empty user data.
    const BYTES: [u8; 26] = [
        0, 1, 0, 0, 0, 1, 0, 2, b'a', b'b', 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0,
    ];

    #[test]
    fn only_a_coordinator_that_is_not_ready_is_waited_for() {
        assert!(is_passing(ErrorCode::CoordinatorLoadInProgress));
        for code in [
            ErrorCode::NoError,
            ErrorCode::GroupAuthorizationFailed,
            ErrorCode::BrokerTransportFailure,
        ] {
            assert!(!is_passing(code), "{code}");
        }
    }

    #[test]
    fn assignments_are_read() {
        let expected = vec![TopicPartition::new("ab", 3), TopicPartition::new("ab", 4)];
        assert_eq!(assignment(&BYTES), Some(expected));
        assert_eq!(assignment(&[0, 0, 0, 0, 0, 0]), Some(vec![]));
    }

    #[test]
    fn cut_or_hostile_assignments_give_nothing() {
        for end in 0..22 {
            assert_eq!(assignment(&BYTES[..end]), None, "{end} bytes");
        }
        // A count of two thousand million must not reserve room for them.
        assert_eq!(assignment(&[0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 1]), None);
        assert_eq!(assignment(&[0, 1, 0, 0, 0, 1, 0xff, 0xff]), None);
    }
}
