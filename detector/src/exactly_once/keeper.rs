//! The engine with its state kept exactly: restored, replayed, saved.
//!
//! Whoever drives it reads records and commits transactions; the simulated schedules and the real
//! consumer drive the same code.

use std::collections::BTreeMap;

use floodmark_contracts::clock::EventTime;

use super::{
    mark::{Mark, MarkError},
    protocol::{LaneCommit, Protocol, Verdict},
    snapshots::{Snapshots, StoreError},
};
use crate::{
    engine::{Engine, Lane},
    runtime::{Frozen, Reader, SavedError, Writer},
};

/// Why state cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// What stands beside a committed offset is not ours.
    #[error(
        "the state of `{folder}` cannot be found; use another group, or commit an offset without metadata"
    )]
    Mark {
        /// The partition's folder.
        folder: String,
        /// What is wrong with the text.
        #[source]
        source: MarkError,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A snapshot cannot be used.
    #[error("the snapshot `{name}` of `{folder}` cannot be used")]
    Snapshot {
        /// The partition's folder.
        folder: String,
        /// The snapshot's name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: SavedError,
    },
}

/// A lane to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The lane.
    pub lane: Lane,
    /// Folder of its snapshots: group, topic and partition.
    pub folder: String,
    /// The stable committed offset, or where reading begins without one.
    pub offset: i64,
    /// The text beside the committed offset; empty if there is none.
    pub metadata: String,
}

/// An engine whose state can be found again.
pub struct Keeper {
    /// The engine. Its outputs are those of live records alone.
    pub engine: Engine,
    protocol: Protocol,
    snapshots: Snapshots,
    settings: u64,
    instance: String,
    rounds: u64,
    /// The round that is being written, unless the lanes have gone since.
    pending: Option<u64>,
    /// The round that commits name.
    named: u64,
    folders: BTreeMap<Lane, String>,
    /// The snapshot that was named before the one named last.
    predecessors: BTreeMap<Lane, String>,
}

impl Keeper {
    /// Keeps `engine`'s state in `snapshots`. `settings` is a hash of what decides what state means;
    /// `instance` is the name of this process, which no other one ever had.
    #[must_use]
    pub fn new(engine: Engine, snapshots: Snapshots, settings: u64, instance: String) -> Self {
        Self {
            engine,
            protocol: Protocol::default(),
            snapshots,
            settings,
            instance,
            rounds: 0,
            pending: None,
            named: 0,
            folders: BTreeMap::new(),
            predecessors: BTreeMap::new(),
        }
    }

    /// Takes these lanes on in place of all that it had, each as its committed offset says. Gives the
    /// offset to read each from.
    ///
    /// # Errors
    /// If a mark or a snapshot cannot be used. Then it has no lanes.
    pub fn restore(
        &mut self,
        assigned: &[Assigned],
        wall_us: i64,
    ) -> Result<Vec<(Lane, i64)>, KeepError> {
        self.drop_all();
        let mut marks = BTreeMap::new();
        for of in assigned {
            marks.insert(of.lane, mark_of(of)?);
            self.folders.insert(of.lane, of.folder.clone());
        }
        for of in assigned {
            let mark = &marks[&of.lane];
            match &mark.snapshot {
                None => self.engine.take_on(of.lane, wall_us),
                Some(name) => self.load(of, name, wall_us)?,
            }
        }
        let mut starts = Vec::new();
        for of in assigned {
            let Some(mark) = marks.remove(&of.lane) else {
                continue;
            };
            starts.push((of.lane, mark.offset));
            if let Some(name) = &mark.snapshot {
                self.predecessors.insert(of.lane, name.clone());
            }
            self.protocol.take_on(of.lane, of.offset, mark);
            self.settle(of.lane);
        }
        Ok(starts)
    }

    /// Gives everything up, without a trace.
    pub fn drop_all(&mut self) {
        self.engine.reset();
        self.protocol.give_up();
        self.pending = None;
        self.folders.clear();
        self.predecessors.clear();
    }

    /// True if all lanes have been replayed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.protocol.is_live()
    }

    /// The next record of a lane.
    #[cfg(test)]
    #[must_use]
    pub fn position(&self, lane: Lane) -> Option<i64> {
        self.protocol.position(lane)
    }

    /// What to do with the record of `lane` at `offset`, which is the next one of its log.
    pub fn judge(&mut self, lane: Lane, offset: i64) -> Verdict {
        self.reached(lane, offset);
        self.protocol.judge(lane, offset)
    }

    /// Takes note that no record of `lane` before `offset` is to come.
    pub fn reached(&mut self, lane: Lane, offset: i64) {
        self.protocol.reached(lane, offset);
        self.settle(lane);
    }

    /// Takes the record that was judged to be live, or to be replayed.
    ///
    /// # Errors
    /// Why a live record is no event.
    pub fn take(
        &mut self,
        lane: Lane,
        offset: i64,
        verdict: Verdict,
        value: &[u8],
        wall_us: i64,
    ) -> Result<(), String> {
        let outcome = match verdict {
            Verdict::Live => self.engine.feed_lane(lane, value, wall_us),
            Verdict::Replay => {
                self.engine.replay(lane, value, wall_us);
                Ok(())
            }
            Verdict::Skip => return Ok(()),
        };
        self.pass(lane, offset);
        outcome
    }

    /// Passes over a record that changes no state, as one that cannot be read at all.
    pub fn pass(&mut self, lane: Lane, offset: i64) {
        self.protocol.handled(lane, offset);
        self.settle(lane);
    }

    /// Looks for idle partitions, and remembers which watermarks moved: these.
    pub fn tick(&mut self, wall_us: i64) -> Vec<(Lane, EventTime)> {
        if !self.is_live() {
            return Vec::new();
        }
        self.engine.tick(wall_us);
        let advances = self.engine.take_advances();
        for (lane, to) in &advances {
            self.protocol.advanced(*lane, *to);
        }
        advances
    }

    /// True if nothing can be committed before a snapshot.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        self.protocol.needs_snapshot()
    }

    /// Writes a snapshot of every lane, for the next commit to name; gives their bytes. One that is being written
    /// elsewhere counts no more.
    ///
    /// # Errors
    /// If one cannot be written. What was written before is named by nobody.
    pub fn snapshot(&mut self) -> Result<u64, KeepError> {
        let written = self.freeze()?.write()?;
        self.written(&written);
        Ok(written.n_bytes)
    }

    /// The state of every lane as it is now, to be written while records go on being taken. Lanes that are still
    /// replayed are left out: what they were restored from stands.
    ///
    /// # Errors
    /// If state cannot be encoded.
    pub fn freeze(&mut self) -> Result<Round, KeepError> {
        self.rounds += 1;
        self.pending = Some(self.rounds);
        let unique = format!("{}-{}", self.instance, self.rounds);
        let mut drafts = Vec::new();
        for lane in self.protocol.live().collect::<Vec<_>>() {
            let position = self.protocol.position(lane).unwrap_or_default();
            let name = Snapshots::name(position, &unique);
            let folder = self.folders[&lane].clone();
            let frozen = self.engine.freeze(lane);
            let state = frozen.map_err(|source| unusable(&folder, &name, source))?;
            self.protocol.frozen(lane);
            drafts.push(Draft {
                lane,
                folder,
                name,
                state,
            });
        }
        Ok(Round {
            number: self.rounds,
            drafts,
            snapshots: self.snapshots.clone(),
            settings: self.settings,
        })
    }

    /// Lets commits name what was written; false if lanes were given up meanwhile, or others were frozen: then
    /// nobody names it.
    pub fn written(&mut self, written: &Written) -> bool {
        if self.pending != Some(written.number) {
            return false;
        }
        self.pending = None;
        self.named = written.number;
        for (lane, name) in &written.names {
            self.protocol.snapshot_taken(*lane, name.clone());
        }
        true
    }

    /// True if a lane has been replayed: otherwise there is nothing to commit.
    #[must_use]
    pub fn is_any_live(&self) -> bool {
        self.protocol.live().next().is_some()
    }

    /// What to commit together with the outputs and these frames; nothing if nothing happened.
    #[must_use]
    pub fn commits(&self, frames: &[(i32, Vec<u8>)]) -> Vec<LaneCommit> {
        let moved = self.protocol.commits();
        if moved.is_empty() && !frames.is_empty() {
            return self.protocol.all_commits();
        }
        moved
    }

    /// Takes note that these were committed.
    pub fn committed(&mut self, commits: &[LaneCommit]) {
        self.protocol.committed(commits);
    }

    /// Deletes what a lane needs no more, given the text that a stable read has just found beside its
    /// committed offset. Nothing is deleted if that names a snapshot of somebody else.
    ///
    /// # Errors
    /// If the store refuses.
    pub fn clean(&mut self, lane: Lane, metadata: &str) -> Result<usize, KeepError> {
        let named = metadata.parse::<Mark>().ok().and_then(|mark| mark.snapshot);
        let (Some(named), Some(folder)) = (named, self.folders.get(&lane)) else {
            return Ok(0);
        };
        if !named.ends_with(&format!("-{}-{}", self.instance, self.named)) {
            return Ok(0);
        }
        let before = self.predecessors.insert(lane, named.clone());
        match before {
            Some(before) if before != named => Ok(self.snapshots.clean(folder, &named, &before)?),
            _ => Ok(0),
        }
    }

    fn load(&mut self, of: &Assigned, name: &str, wall_us: i64) -> Result<(), KeepError> {
        let bytes = self.snapshots.get(&of.folder, name)?;
        let mut read = || {
            let mut reader = Reader::open(&bytes, self.settings)?;
            self.engine.load(of.lane, &mut reader, wall_us)?;
            reader.end()
        };
        read().map_err(|source| unusable(&of.folder, name, source))
    }

    /// Repeats the advances that are due where the lane is.
    fn settle(&mut self, lane: Lane) {
        let Some(position) = self.protocol.position(lane) else {
            return;
        };
        while let Some(to) = self.protocol.due(lane, position) {
            self.engine.replay_advance(lane, to);
        }
    }
}

/// The state of lanes as it was at one moment, to be written.
pub struct Round {
    number: u64,
    drafts: Vec<Draft>,
    snapshots: Snapshots,
    settings: u64,
}

struct Draft {
    lane: Lane,
    folder: String,
    name: String,
    state: Frozen,
}

/// What has been written of a round.
#[derive(Debug)]
pub struct Written {
    number: u64,
    names: Vec<(Lane, String)>,
    /// Their bytes.
    pub n_bytes: u64,
}

impl Round {
    /// Encodes and writes everything, one lane after the other, on whatever thread this is called.
    ///
    /// # Errors
    /// If one cannot be written. What was written before is named by nobody.
    pub fn write(self) -> Result<Written, KeepError> {
        let mut written = Written {
            number: self.number,
            names: Vec::new(),
            n_bytes: 0,
        };
        for draft in self.drafts {
            let mut writer = Writer::default();
            (draft.state)(&mut writer)
                .map_err(|source| unusable(&draft.folder, &draft.name, source))?;
            let bytes = writer.seal(self.settings);
            written.n_bytes += bytes.len() as u64;
            self.snapshots.put(&draft.folder, &draft.name, bytes)?;
            written.names.push((draft.lane, draft.name));
        }
        Ok(written)
    }
}

fn mark_of(of: &Assigned) -> Result<Mark, KeepError> {
    if of.metadata.is_empty() {
        return Ok(Mark {
            snapshot: None,
            offset: of.offset,
            advances: Vec::new(),
        });
    }
    of.metadata.parse().map_err(|source| KeepError::Mark {
        folder: of.folder.clone(),
        source,
    })
}

fn unusable(folder: &str, name: &str, source: SavedError) -> KeepError {
    KeepError::Snapshot {
        folder: folder.to_owned(),
        name: name.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
