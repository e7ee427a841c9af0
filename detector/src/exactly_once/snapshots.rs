//! Where snapshots are: objects that are written once, whole, and never changed.

use std::time::Duration;

use floodmark_contracts::clock::{Clock, SystemClock};
use object_store::path::Path;

use crate::{
    reach::{
        Place,
        objects::{Objects, is_refusal, may_pass},
    },
    restarts::chain,
};

/// How long a store that does not answer is asked again for what nothing can go on without.
const PATIENCE_US: i64 = 30_000_000;

/// Pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Digits of the offset that a name begins with: names sort as their offsets do.
const DIGITS: usize = 20;

/// Why a snapshot cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} `{name}`")]
pub struct StoreError {
    /// What was attempted.
    pub attempt: &'static str,
    /// The snapshot, the folder of a partition's snapshots, or the place of all.
    pub name: String,
    /// The store's reason.
    #[source]
    pub source: object_store::Error,
}

impl StoreError {
    /// True if we may not do it, with the keys that were there when the store was opened.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        is_refusal(&self.source)
    }
}

/// A store of snapshots, with a folder per partition.
#[derive(Debug, Clone)]
pub struct Snapshots {
    objects: Objects,
}

impl Snapshots {
    /// Snapshots in a place. A folder is made if it is not there; a service has to answer.
    ///
    /// # Errors
    /// If the place cannot be used.
    pub fn open(place: &Place) -> Result<Self, StoreError> {
        let objects = Objects::open(place);
        objects
            .and_then(|objects| objects.probe().map(|()| Self::new(objects)))
            .map_err(|source| StoreError {
                attempt: "keep snapshots in",
                name: place.to_string(),
                source,
            })
    }

    /// The same for a place that could be used before: a service that does not answer is asked again for a while.
    ///
    /// # Errors
    /// If the place cannot be used.
    pub fn open_again(place: &Place) -> Result<Self, StoreError> {
        insist(|| Self::open(place))
    }

    /// Snapshots in any store.
    #[must_use]
    pub fn new(objects: Objects) -> Self {
        Self { objects }
    }

    /// A name for a snapshot at `offset`; `unique` tells it from all others at that offset.
    #[must_use]
    pub fn name(offset: i64, unique: &str) -> String {
        format!("{offset:0DIGITS$}-{unique}")
    }

    /// Writes a snapshot, which must not be there yet. When this returns it can be read whole.
    ///
    /// # Errors
    /// If the store refuses, or has an object of that name.
    pub fn put(&self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = path(folder, name);
        self.objects
            .create(&path, bytes)
            .map_err(|source| failed("write the snapshot", &path, source))
    }

    /// Reads a snapshot. A store that does not answer is asked again for a while.
    ///
    /// # Errors
    /// If it is not there, or the store refuses.
    pub fn get(&self, folder: &str, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = path(folder, name);
        insist(|| {
            let read = self.objects.read(&path);
            read.map_err(|source| failed("read the snapshot", &path, source))
        })
    }

    /// Deletes the snapshots of a partition that were taken at a lower offset than `named`, but for
    /// `predecessor`. Gives the number deleted.
    ///
    /// Whoever may commit next has read at least as far as `named`: what it writes, and has perhaps
    /// not committed yet, has no lower offset and is never touched.
    ///
    /// # Errors
    /// If the store refuses.
    pub fn clean(&self, folder: &str, named: &str, predecessor: &str) -> Result<usize, StoreError> {
        let prefix = Path::from_iter(folder.split('/'));
        let listed = self
            .objects
            .list(&prefix, None)
            .map_err(|source| failed("list the snapshots of", &prefix, source))?;
        let mut deleted = 0;
        for object in listed {
            let Some(name) = object.location.filename().map(str::to_owned) else {
                continue;
            };
            if name.get(..DIGITS) >= named.get(..DIGITS) || name == predecessor {
                continue;
            }
            self.objects
                .delete(&object.location)
                .map_err(|source| failed("delete the snapshot", &object.location, source))?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// Asks again while nobody answers.
fn insist<T>(ask: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let clock = SystemClock::new();
    loop {
        match ask() {
            Err(error) if may_pass(&error.source) && clock.monotonic_us() < PATIENCE_US => {
                tracing::warn!(reason = chain(&error), "asking again");
                clock.sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn path(folder: &str, name: &str) -> Path {
    Path::from_iter(folder.split('/').chain([name]))
}

fn failed(attempt: &'static str, path: &Path, source: object_store::Error) -> StoreError {
    StoreError {
        attempt,
        name: path.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_written_once_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(&Place::Folder(folder.path().join("new/one"))).unwrap();
        let name = Snapshots::name(12, "a-1");
        snapshots
            .put("group/topic/0", &name, b"state".to_vec())
            .unwrap();
        let again = Snapshots::open(&Place::Folder(folder.path().join("new/one"))).unwrap();
        assert_eq!(again.get("group/topic/0", &name).unwrap(), b"state");
        let error = again
            .put("group/topic/0", &name, b"other".to_vec())
            .unwrap_err();
        assert!(
            error.to_string().contains("00000000000000000012-a-1"),
            "{error}"
        );
        assert_eq!(again.get("group/topic/0", &name).unwrap(), b"state");
        assert!(again.get("group/topic/1", &name).is_err());
    }

    #[test]
    fn only_older_ones_than_the_named_one_and_its_predecessor_go() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(&Place::Folder(folder.path().to_owned())).unwrap();
        let names: Vec<String> = [(3, "a"), (5, "b"), (7, "c"), (7, "other"), (100, "d")]
            .map(|(offset, unique)| Snapshots::name(offset, unique))
            .to_vec();
        for name in &names {
            snapshots.put("g/t/0", name, Vec::new()).unwrap();
        }
        snapshots.put("g/t/1", &names[0], Vec::new()).unwrap();
        assert_eq!(snapshots.clean("g/t/0", &names[2], &names[1]).unwrap(), 1);
        let left = |name: &String| snapshots.get("g/t/0", name).is_ok();
        let left: Vec<bool> = names.iter().map(left).collect();
        assert_eq!(left, [false, true, true, true, true]);
        assert!(snapshots.get("g/t/1", &names[0]).is_ok());
    }
}
