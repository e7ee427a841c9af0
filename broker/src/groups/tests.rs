use kafka_protocol::ResponseError;

use super::*;

const DELAY: Duration = Duration::from_millis(100);
const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group and its clock; connections are the tokens of its members.
struct Scenario {
    groups: Groups,
    now: Moment,
    replies: BTreeMap<Token, Reply>,
}

impl Scenario {
    fn new() -> Self {
        Self {
            groups: Groups::new(DELAY, 7),
            now: SESSION,
            replies: BTreeMap::new(),
        }
    }

    fn join(&mut self, token: Token, edit: impl FnOnce(&mut Join)) {
        let mut join = Join {
            token,
            member_id: String::new(),
            instance_id: None,
            client_id: format!("client{token}"),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".to_owned(),
            protocols: protocols(&["range"]),
            wants_id_first: false,
            knows_skip_assignment: false,
        };
        edit(&mut join);
        let mut out = Outbox::new();
        self.groups.join("g", join, self.now, &mut out);
        self.replies.extend(out);
    }

    fn sync(
        &mut self,
        token: Token,
        member_id: &str,
        generation: i32,
        assignments: &[(&str, &str)],
    ) {
        let owned = |(id, a): &(&str, &str)| ((*id).to_owned(), Bytes::from((*a).to_owned()));
        let sync = Sync {
            token,
            caller: caller(member_id, generation),
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some("range".to_owned()),
            assignments: assignments.iter().map(owned).collect(),
        };
        let mut out = Outbox::new();
        self.groups.sync("g", sync, self.now, &mut out);
        self.replies.extend(out);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let mut out = Outbox::new();
        self.groups.tick(self.now, &mut out);
        self.replies.extend(out);
    }

    fn heartbeat(&mut self, member_id: &str, generation: i32) -> Result<(), ResponseError> {
        self.groups
            .heartbeat("g", &caller(member_id, generation), self.now)
    }

    fn leave(&mut self, member_id: &str, instance_id: Option<&str>) -> Result<(), ResponseError> {
        let mut out = Outbox::new();
        let outcome = self
            .groups
            .leave("g", member_id, instance_id, self.now, &mut out);
        self.replies.extend(out);
        outcome
    }

    #[track_caller]
    fn joined(&mut self, token: Token) -> JoinReply {
        match self.replies.remove(&token) {
            Some(Reply::Join(reply)) => reply,
            other => panic!("no join reply for {token}: {other:?}"),
        }
    }

    #[track_caller]
    fn assigned(&mut self, token: Token) -> Result<String, ResponseError> {
        match self.replies.remove(&token) {
            Some(Reply::Sync(SyncReply {
                error: Some(error), ..
            })) => Err(error),
            Some(Reply::Sync(reply)) => Ok(String::from_utf8_lossy(&reply.assignment).into_owned()),
            other => panic!("no sync reply for {token}: {other:?}"),
        }
    }

    fn state(&self) -> State {
        self.groups.get("g").expect("the group exists").state
    }

    /// A stable group of the members with these tokens, of which the first leads; their ids.
    fn stable(&mut self, tokens: &[Token]) -> Vec<String> {
        for token in tokens {
            self.join(*token, |_| {});
        }
        self.pass(DELAY);
        let ids: Vec<_> = tokens
            .iter()
            .map(|token| self.joined(*token).member_id)
            .collect();
        let parts: Vec<_> = ids.iter().map(|id| (id.as_str(), id.as_str())).collect();
        let leader = self
            .groups
            .get("g")
            .and_then(|g| g.leader.clone())
            .expect("a leader");
        for (token, id) in tokens.iter().zip(&ids) {
            let assignments = if *id == leader { &parts[..] } else { &[] };
            self.sync(*token, id, 1, assignments);
        }
        for (token, id) in tokens.iter().zip(&ids) {
            assert_eq!(self.assigned(*token), Ok(id.clone()));
        }
        assert_eq!(self.state(), State::Stable);
        ids
    }
}

fn caller(member_id: &str, generation: i32) -> Caller {
    Caller {
        member_id: member_id.to_owned(),
        instance_id: None,
        generation,
    }
}

fn protocols(names: &[&str]) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: (*name).to_owned(),
        metadata: Bytes::from_static(b"subscription"),
    };
    names.iter().map(protocol).collect()
}

#[test]
fn an_empty_group_waits_a_little_for_more_members() {
    let mut s = Scenario::new();
    s.join(1, |_| {});
    s.pass(DELAY / 2);
    s.join(2, |_| {});
    s.pass(DELAY / 2);
    assert!(s.replies.is_empty(), "the second member extended the wait");
    s.pass(DELAY / 2);
    let (first, second) = (s.joined(1), s.joined(2));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.leader, first.member_id);
    assert_eq!(first.members.len(), 2, "the leader is told of everybody");
    assert!(second.members.is_empty());
    assert_eq!(s.state(), State::Completing);
}

#[test]
fn members_that_came_first_wait_for_the_leaders_assignment() {
    let mut s = Scenario::new();
    s.join(1, |_| {});
    s.join(2, |_| {});
    s.pass(DELAY);
    let (leader, other) = (s.joined(1).member_id, s.joined(2).member_id);
    s.sync(2, &other, 1, &[]);
    assert!(s.replies.is_empty());
    s.sync(1, &leader, 1, &[(&leader, "p0"), (&other, "p1")]);
    assert_eq!(s.assigned(1), Ok("p0".to_owned()));
    assert_eq!(s.assigned(2), Ok("p1".to_owned()));
    s.sync(2, &other, 1, &[]);
    assert_eq!(
        s.assigned(2),
        Ok("p1".to_owned()),
        "asking again gives the same"
    );
}

#[test]
fn new_clients_are_told_their_id_before_they_join() {
    let mut s = Scenario::new();
    s.join(1, |j| j.wants_id_first = true);
    let told = s.joined(1);
    assert_eq!(told.error, Some(ResponseError::MemberIdRequired));
    assert!(told.member_id.starts_with("client1-"));
    s.join(1, |j| {
        j.wants_id_first = true;
        j.member_id = told.member_id.clone();
    });
    s.pass(DELAY);
    assert_eq!(s.joined(1).member_id, told.member_id);
}

#[test]
fn an_id_that_is_never_used_lapses() {
    let mut s = Scenario::new();
    s.join(1, |j| j.wants_id_first = true);
    let id = s.joined(1).member_id;
    s.join(2, |_| {});
    s.pass(DELAY);
    assert!(
        s.replies.is_empty(),
        "the rebalance waits for whoever was given an id"
    );
    s.pass(SESSION);
    assert_eq!(s.joined(2).error, None);
    s.join(1, |j| j.member_id = id);
    assert_eq!(s.joined(1).error, Some(ResponseError::UnknownMemberId));
}

#[test]
fn a_newcomer_makes_everybody_rejoin() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1]);
    s.join(2, |_| {});
    assert_eq!(
        s.heartbeat(&ids[0], 1),
        Err(ResponseError::RebalanceInProgress)
    );
    s.join(1, |j| j.member_id = ids[0].clone());
    assert_eq!(s.joined(1).generation, 2);
    assert_eq!(s.joined(2).generation, 2);
    assert_eq!(
        s.heartbeat(&ids[0], 1),
        Err(ResponseError::IllegalGeneration)
    );
}

#[test]
fn a_follower_that_rejoins_unchanged_disturbs_nobody_and_a_leader_does() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1, 2]);
    s.join(2, |j| j.member_id = ids[1].clone());
    assert_eq!(s.joined(2).generation, 1);
    assert_eq!(s.state(), State::Stable);
    s.join(1, |j| j.member_id = ids[0].clone());
    assert_eq!(s.state(), State::Preparing);
}

#[test]
fn a_changed_subscription_starts_a_rebalance() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1, 2]);
    s.join(2, |j| {
        j.member_id = ids[1].clone();
        j.protocols[0].metadata = Bytes::from_static(b"another subscription");
    });
    assert_eq!(s.state(), State::Preparing);
}

#[test]
fn a_rebalance_during_the_sync_phase_sends_the_waiting_back() {
    let mut s = Scenario::new();
    s.join(1, |_| {});
    s.join(2, |_| {});
    s.pass(DELAY);
    let (_, other) = (s.joined(1), s.joined(2).member_id);
    s.sync(2, &other, 1, &[]);
    s.join(3, |_| {});
    assert_eq!(s.assigned(2), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn silent_members_die_and_the_others_rebalance() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1, 2]);
    s.pass(SESSION / 2);
    assert_eq!(s.heartbeat(&ids[0], 1), Ok(()));
    s.pass(SESSION / 2);
    assert_eq!(s.heartbeat(&ids[1], 1), Err(ResponseError::UnknownMemberId));
    assert_eq!(
        s.heartbeat(&ids[0], 1),
        Err(ResponseError::RebalanceInProgress)
    );
    s.join(1, |j| j.member_id = ids[0].clone());
    assert_eq!(s.joined(1).generation, 2);
}

#[test]
fn members_that_do_not_rejoin_in_time_are_left_out() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1, 2]);
    s.join(3, |_| {});
    s.join(2, |j| j.member_id = ids[1].clone());
    for _ in 0..12 {
        s.pass(SESSION / 2);
        let _ = s.heartbeat(&ids[0], 1);
    }
    let (second, third) = (s.joined(2), s.joined(3));
    assert_eq!((second.generation, third.generation), (2, 2));
    assert!(second.leader == second.member_id || third.leader == third.member_id);
    assert_eq!(s.heartbeat(&ids[0], 1), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_leader_that_never_assigns_is_removed() {
    let mut s = Scenario::new();
    s.join(1, |_| {});
    s.join(2, |_| {});
    s.pass(DELAY);
    let (leader, other) = (s.joined(1).member_id, s.joined(2).member_id);
    s.sync(2, &other, 1, &[]);
    for _ in 0..12 {
        let _ = s.heartbeat(&leader, 1);
        s.pass(SESSION / 2);
    }
    assert_eq!(s.assigned(2), Err(ResponseError::RebalanceInProgress));
    assert_eq!(s.heartbeat(&leader, 1), Err(ResponseError::UnknownMemberId));
}

#[test]
fn the_last_goodbye_empties_the_group() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1, 2]);
    assert_eq!(s.leave(&ids[0], None), Ok(()));
    assert_eq!(s.state(), State::Preparing);
    assert_eq!(s.leave(&ids[1], None), Ok(()));
    assert_eq!(s.state(), State::Empty);
    assert_eq!(s.leave(&ids[1], None), Err(ResponseError::UnknownMemberId));
    assert_eq!(s.groups.next_deadline(), None);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_its_old_self() {
    let mut s = Scenario::new();
    let instance = |j: &mut Join| j.instance_id = Some("one".to_owned());
    s.join(1, instance);
    s.pass(DELAY);
    let old = s.joined(1).member_id;
    s.sync(1, &old, 1, &[(&old, "p0")]);
    assert_eq!(s.assigned(1), Ok("p0".to_owned()));
    s.join(2, instance);
    let back = s.joined(2);
    assert_eq!((back.error, back.generation), (None, 1));
    assert_ne!(back.member_id, old);
    assert_eq!(back.leader, old, "an older client must not assign anew");
    s.sync(2, &back.member_id, 1, &[]);
    assert_eq!(s.assigned(2), Ok("p0".to_owned()));
    let mut zombie = caller(&old, 1);
    zombie.instance_id = Some("one".to_owned());
    let fenced = s.groups.heartbeat("g", &zombie, s.now);
    assert_eq!(fenced, Err(ResponseError::FencedInstanceId));
    s.join(1, |j| {
        instance(j);
        j.member_id = old;
    });
    assert_eq!(s.joined(1).error, Some(ResponseError::FencedInstanceId));
}

#[test]
fn a_static_leader_that_knows_how_is_told_not_to_assign() {
    let mut s = Scenario::new();
    let instance = |j: &mut Join| {
        j.instance_id = Some("one".to_owned());
        j.knows_skip_assignment = true;
    };
    s.join(1, instance);
    s.pass(DELAY);
    let old = s.joined(1).member_id;
    s.sync(1, &old, 1, &[]);
    s.join(2, instance);
    let back = s.joined(2);
    assert!(back.skip_assignment);
    assert_eq!(back.leader, back.member_id);
    assert_eq!(back.members.len(), 1);
}

#[test]
fn a_static_member_keeps_its_place_through_a_rebalance_it_misses() {
    let mut s = Scenario::new();
    s.join(1, |j| {
        j.instance_id = Some("one".to_owned());
        j.session_timeout = Duration::from_secs(600);
    });
    s.pass(DELAY);
    let id = s.joined(1).member_id;
    s.sync(1, &id, 1, &[]);
    s.join(2, |_| {});
    s.pass(REBALANCE);
    let second = s.joined(2);
    assert_eq!(second.leader, second.member_id);
    assert_eq!(second.members.len(), 2);
    assert_eq!(
        s.leave("", Some("one")),
        Ok(()),
        "and can be sent away by its name"
    );
}

#[test]
fn members_must_share_a_protocol_and_its_kind() {
    let mut s = Scenario::new();
    s.stable(&[1]);
    s.join(2, |j| j.protocols = protocols(&["sticky"]));
    assert_eq!(
        s.joined(2).error,
        Some(ResponseError::InconsistentGroupProtocol)
    );
    s.join(3, |j| j.protocol_type = "connect".to_owned());
    assert_eq!(
        s.joined(3).error,
        Some(ResponseError::InconsistentGroupProtocol)
    );
    s.join(4, |j| j.protocols.clear());
    assert_eq!(
        s.joined(4).error,
        Some(ResponseError::InconsistentGroupProtocol)
    );
}

#[test]
fn senseless_joins_are_refused() {
    let mut s = Scenario::new();
    s.join(1, |j| j.session_timeout = Duration::ZERO);
    assert_eq!(
        s.joined(1).error,
        Some(ResponseError::InvalidSessionTimeout)
    );
    s.join(1, |j| j.member_id = "nobody".to_owned());
    assert_eq!(s.joined(1).error, Some(ResponseError::UnknownMemberId));
    assert!(s.groups.get("g").is_none(), "a refused join makes no group");
}

#[test]
fn only_members_of_the_generation_commit() {
    let mut s = Scenario::new();
    let now = s.now;
    assert!(
        s.groups.commit("g", &caller("", -1), now).is_ok(),
        "an empty group takes anyone's"
    );
    let unknown = s.groups.commit("other", &caller("m", 3), now).map(drop);
    assert_eq!(unknown, Err(ResponseError::IllegalGeneration));
    let ids = s.stable(&[1]);
    let now = s.now;
    let mut commit = |c: Caller| s.groups.commit("g", &c, now).map(drop);
    assert_eq!(commit(caller(&ids[0], 1)), Ok(()));
    assert_eq!(
        commit(caller(&ids[0], 0)),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(commit(caller("", -1)), Err(ResponseError::UnknownMemberId));
    let in_transaction =
        |c: Caller, s: &mut Scenario| s.groups.commit_in_transaction("g", &c).map(drop);
    assert_eq!(in_transaction(caller(&ids[0], 1), &mut s), Ok(()));
    assert_eq!(
        in_transaction(caller("", -1), &mut s),
        Ok(()),
        "an older client cannot say"
    );
    let old = in_transaction(caller(&ids[0], 0), &mut s);
    assert_eq!(old, Err(ResponseError::IllegalGeneration));
}

#[test]
fn long_metadata_is_refused() {
    assert!(committed(1, -1, Some(&"x".repeat(4096))).is_ok());
    let outcome = committed(1, -1, Some(&"x".repeat(4097)));
    assert_eq!(outcome, Err(ResponseError::OffsetMetadataTooLarge));
}

#[test]
fn groups_with_members_are_not_deleted() {
    let mut s = Scenario::new();
    let ids = s.stable(&[1]);
    assert_eq!(s.groups.delete("g"), Err(ResponseError::NonEmptyGroup));
    s.leave(&ids[0], None).expect("a member");
    assert_eq!(s.groups.delete("g"), Ok(()));
    assert_eq!(s.groups.delete("g"), Err(ResponseError::GroupIdNotFound));
}

#[test]
fn the_timer_is_told_of_the_nearest_deadline() {
    let mut s = Scenario::new();
    s.join(1, |_| {});
    assert_eq!(s.groups.next_deadline(), Some(s.now + DELAY));
    s.pass(DELAY);
    s.joined(1);
    assert_eq!(s.groups.next_deadline(), Some(s.now + SESSION));
}

proptest::proptest! {
    /// forall sequences of requests and silences: nobody waits for ever. Once requests stop, time
    /// alone answers every connection and empties the group.
    #[test]
    fn every_wait_ends(steps in proptest::collection::vec((0u64..4, 0u8..5, 0u64..20), 1..40)) {
        let mut s = Scenario::new();
        let mut ids = BTreeMap::<Token, String>::new();
        let mut waiting = std::collections::BTreeSet::new();
        for (token, action, seconds) in steps {
            if !waiting.contains(&token) {
                let id = ids.get(&token).cloned().unwrap_or_default();
                let generation = s.groups.get("g").map_or(0, |g| g.generation);
                match action {
                    0 | 1 => { s.join(token, |j| j.member_id = id); waiting.insert(token); }
                    2 => { s.sync(token, &id, generation, &[(&id, "p")]); waiting.insert(token); }
                    3 => { let _ = s.leave(&id, None); }
                    _ => { let _ = s.heartbeat(&id, generation); }
                }
            }
            s.pass(Duration::from_secs(seconds));
            for (token, reply) in std::mem::take(&mut s.replies) {
                proptest::prop_assert!(waiting.remove(&token), "an answer nobody waits for");
                if let Reply::Join(reply) = reply && reply.error.is_none() {
                    ids.insert(token, reply.member_id);
                }
            }
        }
        for _ in 0..40 {
            s.pass(SESSION);
        }
        for token in s.replies.keys() {
            waiting.remove(token);
        }
        proptest::prop_assert!(waiting.is_empty(), "still waiting: {:?}", waiting);
        if let Some(group) = s.groups.get("g") {
            proptest::prop_assert_eq!(group.state, State::Empty);
        }
    }
}
