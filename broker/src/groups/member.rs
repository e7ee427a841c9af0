//! Members of a group, and how the group picks the protocol they share.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Moment;
use crate::groups::Token;

/// An assignment strategy a member supports, with its subscription in that strategy's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) metadata: Bytes,
}

/// One member of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// When it counts as dead, unless it waits for a reply: then its silence is our doing.
    pub(crate) expires: Moment,
    pub(crate) waiting: Waiting,
    /// Whether it asked for its assignment in this generation.
    pub(crate) synced: bool,
}

/// What a member's connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Nothing.
    No,
    /// The end of the join phase.
    Join(Token),
    /// The leader's assignment.
    Sync(Token),
}

impl Member {
    /// It was heard of.
    pub(crate) fn touch(&mut self, now: Moment) {
        self.expires = now + self.session_timeout;
    }

    /// Whether it has been silent for too long.
    pub(crate) fn is_dead(&self, now: Moment) -> bool {
        self.waiting == Waiting::No && self.expires <= now
    }

    /// Whether it has joined the rebalance under way.
    pub(crate) fn has_joined(&self) -> bool {
        matches!(self.waiting, Waiting::Join(_))
    }

    /// Its subscription under a strategy.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|p| p.name == protocol);
        found.map(|p| p.metadata.clone()).unwrap_or_default()
    }

    fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|p| p.name == protocol)
    }
}

/// The strategy that all members support and most of them prefer; the first in name order on a tie.
pub(crate) fn select_protocol(members: &BTreeMap<String, Member>) -> Option<String> {
    let mut votes = BTreeMap::<&str, usize>::new();
    for member in members.values() {
        let shared = |p: &&Protocol| members.values().all(|m| m.supports(&p.name));
        if let Some(preferred) = member.protocols.iter().find(shared) {
            *votes.entry(&preferred.name).or_default() += 1;
        }
    }
    let most = votes.values().copied().max()?;
    votes
        .into_iter()
        .find(|(_, n)| *n == most)
        .map(|(name, _)| name.to_owned())
}

/// Whether a member with these strategies shares one with all members.
pub(crate) fn shares_protocol(members: &BTreeMap<String, Member>, offered: &[Protocol]) -> bool {
    offered
        .iter()
        .any(|p| members.values().all(|m| m.supports(&p.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(preferences: &[&[&str]]) -> BTreeMap<String, Member> {
        let member = |names: &[&str]| Member {
            instance_id: None,
            client_id: String::new(),
            client_host: String::new(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(60),
            protocols: protocols(names),
            assignment: Bytes::new(),
            expires: Duration::ZERO,
            waiting: Waiting::No,
            synced: false,
        };
        preferences
            .iter()
            .enumerate()
            .map(|(n, names)| (n.to_string(), member(names)))
            .collect()
    }

    fn protocols(names: &[&str]) -> Vec<Protocol> {
        let protocol = |n: &&str| Protocol {
            name: (*n).to_owned(),
            metadata: Bytes::new(),
        };
        names.iter().map(protocol).collect()
    }

    #[test]
    fn the_protocol_most_prefer_among_those_all_support_wins() {
        let select = |preferences: &[&[&str]]| select_protocol(&members(preferences));
        assert_eq!(select(&[&["range"]]).as_deref(), Some("range"));
        let split: &[&[&str]] = &[
            &["sticky", "range"],
            &["range", "sticky"],
            &["sticky", "range"],
        ];
        assert_eq!(select(split).as_deref(), Some("sticky"));
        let rolling: &[&[&str]] = &[&["cooperative", "range"], &["range"]];
        assert_eq!(select(rolling).as_deref(), Some("range"));
        assert_eq!(select(&[&["a"], &["b"]]), None);
        assert_eq!(select(&[]), None);
    }

    #[test]
    fn a_newcomer_must_share_one() {
        let present = members(&[&["cooperative", "range"], &["range"]]);
        assert!(shares_protocol(&present, &protocols(&["sticky", "range"])));
        assert!(!shares_protocol(&present, &protocols(&["cooperative"])));
        assert!(shares_protocol(&BTreeMap::new(), &protocols(&["anything"])));
        assert!(!shares_protocol(&BTreeMap::new(), &[]));
    }

    #[test]
    fn a_member_that_waits_is_not_dead() {
        let mut all = members(&[&["range"]]);
        let member = all.get_mut("0").expect("present");
        member.touch(Duration::from_secs(5));
        assert!(!member.is_dead(Duration::from_secs(14)));
        assert!(member.is_dead(Duration::from_secs(15)));
        member.waiting = Waiting::Sync(1);
        assert!(!member.is_dead(Duration::from_secs(15)));
    }
}
