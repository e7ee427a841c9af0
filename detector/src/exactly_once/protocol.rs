//! The protocol's arithmetic: which records count, which are replayed, what is committed.
//!
//! ```text
//!   S .............. C .................... P
//!   snapshot         committed              position
//!   |--- replay ---->|------- live -------->|
//! ```
//! A lane (one partition) is restored to S, replayed to C without output, and then live. Lanes know nothing
//! of each other: what is put together from several goes through a topic of its own, whose partitions are
//! lanes too.
//!
//! There is no clock, no broker and no state of rules in here; [`super::keeper`] has those.

use std::collections::{BTreeMap, VecDeque};

use floodmark_contracts::clock::EventTime;

use super::mark::{Advance, MOST_ADVANCES, Mark};
use crate::engine::Lane;

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It changes state and its output counts.
    Live,
    /// It changes state; its output is out already.
    Replay,
    /// It is not ours, or was taken before.
    Skip,
}

/// A lane's offset for a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneCommit {
    /// The lane.
    pub lane: Lane,
    /// The next record to read.
    pub offset: i64,
    /// Where the state at that offset comes from.
    pub mark: Mark,
}

/// How far one lane is.
#[derive(Debug, Clone)]
struct Progress {
    /// Where its state comes from, as the next commit will say.
    mark: Mark,
    /// Up to here output is out.
    committed: i64,
    /// The next record.
    position: i64,
    /// Where the state was that is being written, and what moved since: the mark, once it has a name.
    frozen: Option<(i64, Vec<Advance>)>,
    /// Advances still to be repeated.
    due: VecDeque<Advance>,
    /// There is something to commit.
    moved: bool,
}

/// All lanes of a process.
#[derive(Debug, Default)]
pub struct Protocol {
    lanes: BTreeMap<Lane, Progress>,
}

impl Protocol {
    /// Takes a lane on: its committed offset with the mark beside it. Without a commit the state is
    /// empty at the offset where reading begins.
    pub fn take_on(&mut self, lane: Lane, committed: i64, mark: Mark) {
        let progress = Progress {
            committed,
            position: mark.offset,
            due: mark.advances.iter().copied().collect(),
            mark,
            frozen: None,
            moved: false,
        };
        self.lanes.insert(lane, progress);
    }

    /// Gives all lanes up.
    pub fn give_up(&mut self) {
        self.lanes.clear();
    }

    /// The next record of a lane.
    #[must_use]
    pub fn position(&self, lane: Lane) -> Option<i64> {
        self.lanes.get(&lane).map(|progress| progress.position)
    }

    /// True if every lane has been replayed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.lanes.values().all(Progress::is_live)
    }

    /// The lanes that have been replayed.
    pub fn live(&self) -> impl Iterator<Item = Lane> + '_ {
        let live = self.lanes.iter().filter(|(_, progress)| progress.is_live());
        live.map(|(lane, _)| *lane)
    }

    /// What to do with the record of `lane` at `offset`. Before [`Verdict::Replay`], what
    /// [`due`](Self::due) gives has to be applied; after either of the first two,
    /// [`handled`](Self::handled) is called.
    #[must_use]
    pub fn judge(&self, lane: Lane, offset: i64) -> Verdict {
        match self.lanes.get(&lane) {
            Some(progress) if offset < progress.position => Verdict::Skip,
            Some(progress) if offset < progress.committed => Verdict::Replay,
            Some(_) => Verdict::Live,
            None => Verdict::Skip,
        }
    }

    /// The next advance to repeat before the record at `offset`.
    pub fn due(&mut self, lane: Lane, offset: i64) -> Option<EventTime> {
        let due = &mut self.lanes.get_mut(&lane)?.due;
        let first = *due.front().filter(|advance| advance.offset <= offset)?;
        due.pop_front();
        Some(first.to)
    }

    /// Takes note that the record at `offset` has been handled.
    pub fn handled(&mut self, lane: Lane, offset: i64) {
        if let Some(progress) = self.lanes.get_mut(&lane) {
            progress.reach(offset.saturating_add(1));
        }
    }

    /// Takes note that there is no record of `lane` before `offset` that was not handed over: a log may
    /// have gaps, and what was to be replayed may be gone.
    pub fn reached(&mut self, lane: Lane, offset: i64) {
        if let Some(progress) = self.lanes.get_mut(&lane)
            && offset > progress.position
        {
            progress.reach(offset);
        }
    }

    /// Takes note that the watermark of a live lane moved without a record.
    pub fn advanced(&mut self, lane: Lane, to: EventTime) {
        let Some(progress) = self.lanes.get_mut(&lane) else {
            return;
        };
        let offset = progress.position;
        note(&mut progress.mark.advances, Advance { offset, to });
        if let Some((_, advances)) = &mut progress.frozen {
            note(advances, Advance { offset, to });
        }
        progress.moved = true;
    }

    /// True if a lane has more advances than a mark can list: nothing can be committed before a
    /// snapshot is taken.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        let full = |progress: &Progress| progress.mark.advances.len() > MOST_ADVANCES;
        self.lanes.values().any(full)
    }

    /// Takes note that the state of a live lane, as it is now, is going to be written.
    pub fn frozen(&mut self, lane: Lane) {
        if let Some(progress) = self.lanes.get_mut(&lane) {
            progress.frozen = Some((progress.position, Vec::new()));
        }
    }

    /// Takes note that the state that was [`frozen`](Self::frozen) last has been written under `name`: commits
    /// name it from now on, with what moved since then.
    pub fn snapshot_taken(&mut self, lane: Lane, name: String) {
        if let Some(progress) = self.lanes.get_mut(&lane)
            && let Some((offset, advances)) = progress.frozen.take()
        {
            progress.mark = Mark {
                snapshot: Some(name),
                offset,
                advances,
            };
            progress.moved = true;
        }
    }

    /// What to commit with the output so far: every lane that moved since it was replayed.
    #[must_use]
    pub fn commits(&self) -> Vec<LaneCommit> {
        let moved = |progress: &Progress| progress.is_live() && progress.moved;
        let moved = self.lanes.iter().filter(|(_, progress)| moved(progress));
        moved
            .map(|(lane, progress)| progress.commit(*lane))
            .collect()
    }

    /// Every lane that has been replayed, moved or not: for a transaction whose output comes of no record, so
    /// that it is refused all the same if the partitions have gone to somebody else.
    #[must_use]
    pub fn all_commits(&self) -> Vec<LaneCommit> {
        let live = self.lanes.iter().filter(|(_, progress)| progress.is_live());
        live.map(|(lane, progress)| progress.commit(*lane))
            .collect()
    }

    /// Takes note that a transaction with these commits was committed.
    pub fn committed(&mut self, commits: &[LaneCommit]) {
        for commit in commits {
            if let Some(progress) = self.lanes.get_mut(&commit.lane) {
                progress.committed = commit.offset;
                progress.moved = progress.position != commit.offset || progress.mark != commit.mark;
            }
        }
    }
}

/// Adds an advance. Of several at one place the last says it all: there was nothing in between.
fn note(advances: &mut Vec<Advance>, next: Advance) {
    match advances
        .last_mut()
        .filter(|last| last.offset == next.offset)
    {
        Some(last) => *last = next,
        None => advances.push(next),
    }
}

impl Progress {
    fn is_live(&self) -> bool {
        self.position >= self.committed && self.due.is_empty()
    }

    fn commit(&self, lane: Lane) -> LaneCommit {
        LaneCommit {
            lane,
            offset: self.position,
            mark: self.mark.clone(),
        }
    }

    fn reach(&mut self, offset: i64) {
        self.moved |= offset > self.committed;
        self.position = offset;
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::stream::Stream;

    use super::*;

    const A: Lane = Lane::Input(Stream::Sensors, 0);
    const B: Lane = Lane::Exchange(1);

    fn mark(offset: i64, advances: &[(i64, i64)]) -> Mark {
        let advance = |(offset, to): &(i64, i64)| Advance {
            offset: *offset,
            to: EventTime(*to),
        };
        Mark {
            snapshot: None,
            offset,
            advances: advances.iter().map(advance).collect(),
        }
    }

    fn protocol(lanes: &[(Lane, i64, Mark)]) -> Protocol {
        let mut protocol = Protocol::default();
        for (lane, committed, mark) in lanes {
            protocol.take_on(*lane, *committed, mark.clone());
        }
        protocol
    }

    #[test]
    fn records_before_the_committed_offset_are_replayed_and_later_ones_count() {
        let mut protocol = protocol(&[(A, 7, mark(5, &[]))]);
        for (offset, verdict) in [
            (4, Verdict::Skip),
            (5, Verdict::Replay),
            (6, Verdict::Replay),
            (7, Verdict::Live),
        ] {
            assert_eq!(protocol.judge(A, offset), verdict, "{offset}");
            if verdict != Verdict::Skip {
                protocol.handled(A, offset);
            }
        }
        assert_eq!(protocol.judge(A, 7), Verdict::Skip);
        assert_eq!(protocol.judge(B, 9), Verdict::Skip);
    }

    #[test]
    fn a_lane_goes_on_while_another_is_replayed_and_is_committed_alone() {
        let mut protocol = protocol(&[(A, 5, mark(5, &[])), (B, 3, mark(1, &[]))]);
        assert_eq!(protocol.judge(A, 5), Verdict::Live);
        protocol.handled(A, 5);
        protocol.handled(B, 1);
        assert!(!protocol.is_live());
        assert_eq!(protocol.live().collect::<Vec<_>>(), [A]);
        let commits = protocol.commits();
        assert_eq!((commits.len(), commits[0].lane), (1, A));
    }

    #[test]
    fn advances_are_repeated_where_they_were_and_before_anything_new() {
        let mut protocol = protocol(&[(A, 7, mark(5, &[(5, 10), (7, 30)]))]);
        assert_eq!(protocol.due(A, 5), Some(EventTime(10)));
        assert_eq!(protocol.due(A, 5), None);
        protocol.handled(A, 5);
        protocol.handled(A, 6);
        assert!(!protocol.is_live());
        assert_eq!(protocol.due(A, 7), Some(EventTime(30)));
        assert!(protocol.is_live());
    }

    #[test]
    fn a_gap_in_the_log_ends_the_replay_too() {
        let mut protocol = protocol(&[(A, 7, mark(5, &[]))]);
        protocol.handled(A, 5);
        protocol.reached(A, 7);
        assert!(protocol.is_live());
        // What was committed is no news.
        assert!(protocol.commits().is_empty());
    }

    #[test]
    fn only_lanes_that_moved_are_committed_and_only_once() {
        let mut protocol = protocol(&[(A, 5, mark(5, &[])), (B, 1, mark(1, &[]))]);
        protocol.handled(A, 5);
        let commits = protocol.commits();
        assert_eq!(commits.len(), 1);
        assert_eq!((commits[0].lane, commits[0].offset), (A, 6));
        protocol.committed(&commits);
        assert!(protocol.commits().is_empty());
        protocol.advanced(B, EventTime(9));
        protocol.advanced(B, EventTime(10));
        let commits = protocol.commits();
        assert_eq!(commits[0].mark, mark(1, &[(1, 10)]));
    }

    #[test]
    fn the_ninth_advance_needs_a_snapshot_and_a_snapshot_ends_them() {
        let mut protocol = protocol(&[(A, 0, mark(0, &[]))]);
        for offset in 0..9 {
            assert!(!protocol.needs_snapshot(), "{offset}");
            protocol.advanced(A, EventTime(offset));
            protocol.handled(A, offset);
        }
        assert!(protocol.needs_snapshot());
        protocol.snapshot_taken(A, "of nothing".to_owned());
        assert!(protocol.needs_snapshot(), "nothing was frozen");
        protocol.frozen(A);
        protocol.snapshot_taken(A, "s".to_owned());
        assert!(!protocol.needs_snapshot());
        let commits = protocol.commits();
        assert_eq!(commits[0].mark.to_string(), "v1;s;9;");
    }

    #[test]
    fn until_a_snapshot_is_written_commits_name_the_one_before_and_then_what_moved_since() {
        let mut protocol = protocol(&[(A, 5, mark(5, &[]))]);
        protocol.advanced(A, EventTime(10));
        protocol.frozen(A);
        // At the place of the one before, which it takes in: of what was frozen it is the first.
        protocol.advanced(A, EventTime(20));
        protocol.handled(A, 5);
        protocol.advanced(A, EventTime(30));
        assert_eq!(
            protocol.commits()[0].mark.to_string(),
            mark(5, &[(5, 20), (6, 30)]).to_string()
        );
        protocol.snapshot_taken(A, "s".to_owned());
        assert_eq!(protocol.commits()[0].mark.to_string(), "v1;s;5;5:20,6:30");
        assert_eq!(protocol.commits()[0].offset, 6);
    }
}
