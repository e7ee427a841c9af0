//! Room for keyed state: how much of it may be in memory, and the file that takes the rest.
//!
//! All partitions and pipelines of a process share one bound. While all of them together are within it nothing is
//! written at all; beyond it, whoever has more than an even share puts what it used longest ago on disk. The file is
//! memory by other means and nothing else: snapshots hold what is in it, and a process that ends leaves nothing behind.
//!
//! Whoever keeps state cannot fail in the middle of an event, so that a failure is noted here, and whoever hands results
//! on asks for it before: what was found since is dropped with the process.

mod store;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use store::{Change, Reader, Store};

/// Why state cannot be put on disk, or read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpillError {
    /// The file cannot be made.
    #[error(
        "a file for state beyond `detector.state.memory_mib` cannot be made in `{folder}`: {reason}; name another \
         folder as `detector.state.folder`, or allow more memory"
    )]
    Open {
        /// Where it was to be.
        folder: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file cannot be written or read.
    #[error(
        "state beyond `detector.state.memory_mib` cannot be {deed} the file in `{folder}`: {reason}; make room there, \
         name another folder as `detector.state.folder`, or allow more memory"
    )]
    Use {
        /// What was attempted, `written to` or `read from`.
        deed: &'static str,
        /// Where the file is.
        folder: PathBuf,
        /// The store's reason.
        reason: String,
    },
}

/// Room that several [`Owner`]s share.
#[derive(Debug)]
pub struct Spill {
    limit: u64,
    folder: PathBuf,
    file: Mutex<Option<File>>,
    store: Mutex<Option<Store>>,
    fault: Mutex<Option<SpillError>>,
    held: AtomicU64,
    owners: AtomicU32,
    next_owner: AtomicU32,
}

impl Spill {
    /// Room for `limit` bytes in memory. The file for what is beyond is made in `folder` when it is needed.
    #[must_use]
    pub fn new(limit: u64, folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            limit,
            folder: folder.to_owned(),
            file: Mutex::default(),
            store: Mutex::default(),
            fault: Mutex::default(),
            held: AtomicU64::new(0),
            owners: AtomicU32::new(0),
            next_owner: AtomicU32::new(1),
        })
    }

    /// Makes the file now, so that a folder that cannot be used is told at the start.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(&self) -> Result<(), SpillError> {
        let file = store::nameless(&self.folder).map_err(|error| self.unopened(&error))?;
        *lock(&self.file) = Some(file);
        Ok(())
    }

    /// Room that uses `file`.
    #[cfg(test)]
    pub fn over(limit: u64, file: File) -> Arc<Self> {
        let this = Self::new(limit, Path::new("folder"));
        *lock(&this.file) = Some(file);
        this
    }

    /// The first thing that went wrong, if anything did: then no result is to be believed.
    ///
    /// # Errors
    /// What went wrong.
    pub fn check(&self) -> Result<(), SpillError> {
        match &*lock(&self.fault) {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        lock(&self.store).as_ref().map_or(0, Store::length)
    }

    /// Somebody who keeps state.
    #[must_use]
    pub fn owner(self: &Arc<Self>) -> Owner {
        self.owners.fetch_add(1, Ordering::Relaxed);
        Owner {
            number: self.next_owner.fetch_add(1, Ordering::Relaxed),
            spill: Arc::clone(self),
            held: 0,
            last: 0,
            bytes: 0,
        }
    }

    /// How many uses of state may go by between two looks at how much there is: with little room each counts.
    #[must_use]
    pub fn patience(&self) -> usize {
        // At most 64.
        (self.limit / 4096).min(64) as usize
    }

    fn with<T>(
        &self,
        deed: &'static str,
        work: impl FnOnce(&mut Store) -> Result<T, redb::Error>,
    ) -> Result<T, SpillError> {
        self.check()?;
        let mut store = lock(&self.store);
        let failed = |error: redb::Error| SpillError::Use {
            deed,
            folder: self.folder.clone(),
            reason: error.to_string(),
        };
        if store.is_none() {
            let file = match lock(&self.file).take() {
                Some(file) => file,
                None => store::nameless(&self.folder)
                    .map_err(|error| self.note(self.unopened(&error)))?,
            };
            *store = Some(Store::new(file).map_err(|error| self.note(failed(error)))?);
        }
        let Some(store) = &mut *store else {
            // It has just been made.
            return self
                .check()
                .and(Err(self.unopened(&io::Error::other("no store"))));
        };
        work(store).map_err(|error| self.note(failed(error)))
    }

    fn unopened(&self, error: &io::Error) -> SpillError {
        SpillError::Open {
            folder: self.folder.clone(),
            reason: error.to_string(),
        }
    }

    fn note(&self, error: SpillError) -> SpillError {
        lock(&self.fault).get_or_insert(error).clone()
    }
}

/// One who keeps state within the room, under numbers of its own. When it goes, so does what it has on disk.
#[derive(Debug)]
pub struct Owner {
    spill: Arc<Spill>,
    number: u32,
    held: u64,
    /// The last number that was used.
    last: u64,
    /// Of its entries on disk.
    bytes: u64,
}

impl Owner {
    /// The room.
    #[must_use]
    pub fn spill(&self) -> &Arc<Spill> {
        &self.spill
    }

    /// Says how many bytes it has in memory; how many of them should go, and how many bytes there is room for otherwise. With `fixed` bytes that cannot go, an eighth of an
    /// even share stays for the rest: with less, everything would be read back for each event.
    pub fn excess(&mut self, fixed: u64, rest: u64) -> (u64, u64) {
        let mine = fixed + rest;
        let spill = &self.spill;
        spill.held.fetch_add(mine, Ordering::Relaxed);
        let all = spill.held.fetch_sub(self.held, Ordering::Relaxed) - self.held;
        self.held = mine;
        if all <= spill.limit {
            return (0, spill.limit - all);
        }
        let even = spill.limit / u64::from(spill.owners.load(Ordering::Relaxed).max(1));
        let over = all - spill.limit + spill.limit / 32;
        let excess = over
            .min(mine.saturating_sub(even))
            .min(rest.saturating_sub(even / 8));
        (excess, 0)
    }

    /// Puts entries on disk, and lets those before `forget_before`, which have so many bytes, go; gives the number of the
    /// first one.
    ///
    /// # Errors
    /// If the disk refuses. Then nothing has changed.
    pub fn write(
        &mut self,
        entries: Vec<Vec<u8>>,
        (forget_before, forgotten): (u64, u64),
    ) -> Result<u64, SpillError> {
        let first = self.last + 1;
        let more: u64 = entries.iter().map(|entry| entry.len() as u64).sum();
        let add: Vec<_> = (first..).zip(entries).collect();
        let change = Change {
            owner: self.number,
            forget_before,
            add: &add,
        };
        self.spill
            .with("written to", |store| store.change(&change))?;
        self.last += add.len() as u64;
        self.bytes = (self.bytes + more).saturating_sub(forgotten);
        Ok(first)
    }

    /// The entry of this number, given to `read`.
    ///
    /// # Errors
    /// If the disk refuses, or the entry is not there.
    pub fn read<T>(&self, number: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T, SpillError> {
        self.view()?.read(number, read)
    }

    /// Its oldest entries, with their numbers.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn oldest(&self, most: usize) -> Result<Vec<(u64, Vec<u8>)>, SpillError> {
        let owner = self.number;
        self.spill
            .with("read from", |store| store.reader()?.first(owner, most))
    }

    /// Its entries as they are now, to be read on any thread while others come and go.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn view(&self) -> Result<View, SpillError> {
        let reader = self.spill.with("read from", Store::reader)?;
        Ok(View {
            spill: Arc::clone(&self.spill),
            owner: self.number,
            reader,
        })
    }

    /// Bytes of its entries on disk, with those that nobody needs any more.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says that an entry cannot be understood, though it was read.
    pub fn damaged(&self, number: u64) {
        let reason = format!("entry {number} is damaged");
        self.spill.note(self.unread(reason));
    }

    fn unread(&self, reason: String) -> SpillError {
        SpillError::Use {
            deed: "read from",
            folder: self.spill.folder.clone(),
            reason,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.spill.owners.fetch_sub(1, Ordering::Relaxed);
        self.spill.held.fetch_sub(self.held, Ordering::Relaxed);
        if self.last > 0 && lock(&self.spill.store).is_some() {
            // A failure is noted, and what is left behind goes with the file.
            let _ = self.write(Vec::new(), (u64::MAX, self.bytes));
        }
    }
}

/// An owner's entries as they were at one moment.
#[derive(Debug, Clone)]
pub struct View {
    spill: Arc<Spill>,
    owner: u32,
    reader: Reader,
}

impl View {
    /// The entry of this number, given to `read`.
    ///
    /// # Errors
    /// If the disk refuses, or the entry is not there.
    pub fn read<T>(&self, number: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T, SpillError> {
        let failed = |reason: String| {
            self.spill.note(SpillError::Use {
                deed: "read from",
                folder: self.spill.folder.clone(),
                reason,
            })
        };
        match self.reader.get(self.owner, number, read) {
            Ok(Some(read)) => Ok(read),
            Ok(None) => Err(failed(format!("entry {number} is not there"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// Room for everything.
#[cfg(test)]
pub fn unbounded() -> Arc<Spill> {
    Spill::new(u64::MAX, Path::new("no/such/folder"))
}

/// A lock whose holder never panics half-way through a change.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill(limit: u64) -> (tempfile::TempDir, Arc<Spill>) {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(limit, folder.path());
        (folder, spill)
    }

    #[test]
    fn who_has_more_than_an_even_share_gives_up_what_is_too_much() {
        let (_folder, spill) = spill(3200);
        let (mut small, mut large) = (spill.owner(), spill.owner());
        assert_eq!(small.excess(0, 1000), (0, 2200));
        assert_eq!(large.excess(0, 2000), (0, 200), "all is within the bound");
        assert_eq!(large.excess(0, 3000), (800 + 100, 0), "and a little more");
        assert_eq!(small.excess(0, 1000), (0, 0), "less than an even share");
        assert_eq!(large.excess(2900, 300), (100, 0), "an eighth stays");
        drop(large);
        assert_eq!(small.excess(0, 3000), (0, 200), "the room is free again");
    }

    #[test]
    fn what_is_written_is_read_and_forgotten() {
        let (_folder, spill) = spill(0);
        let mut owner = spill.owner();
        let entries = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        assert_eq!(owner.write(entries(&["a", "bc"]), (0, 0)).unwrap(), 1);
        let view = owner.view().unwrap();
        assert_eq!(owner.write(entries(&["def"]), (2, 1)).unwrap(), 3);
        assert_eq!(owner.bytes(), 5);
        assert_eq!(view.read(1, <[u8]>::to_vec).unwrap(), b"a");
        assert_eq!(owner.read(3, <[u8]>::to_vec).unwrap(), b"def");
        assert_eq!(
            owner.oldest(9).unwrap(),
            [(2, b"bc".to_vec()), (3, b"def".to_vec())]
        );
        spill.check().unwrap();
        let error = owner.read(1, <[u8]>::to_vec).unwrap_err().to_string();
        assert!(error.contains("entry 1 is not there"), "{error}");
        assert!(spill.check().is_err(), "it is remembered");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let spill = Spill::new(0, Path::new("no/such/folder"));
        let error = spill.open().unwrap_err().to_string();
        assert!(error.contains("`no/such/folder`"), "{error}");
        let error = spill.owner().write(vec![vec![1]], (0, 0)).unwrap_err();
        assert_eq!(spill.check().unwrap_err(), error);
    }

    #[test]
    fn what_an_owner_had_goes_with_it() {
        let (_folder, spill) = spill(0);
        let (mut one, mut other) = (spill.owner(), spill.owner());
        one.write(vec![vec![1]], (0, 0)).unwrap();
        other.write(vec![vec![2]], (0, 0)).unwrap();
        let view = one.view().unwrap();
        drop(one);
        assert_eq!(
            view.read(1, <[u8]>::to_vec).unwrap(),
            [1],
            "until nobody looks"
        );
        assert_eq!(other.read(1, <[u8]>::to_vec).unwrap(), [2]);
        spill.check().unwrap();
    }
}
