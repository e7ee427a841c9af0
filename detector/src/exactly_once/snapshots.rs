//! Where snapshots are: objects that are written once, whole, and never changed.

use std::{path::Path as FilePath, sync::Arc};

use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    local::LocalFileSystem, path::Path,
};

/// Digits of the offset that a name begins with: names sort as their offsets do.
const DIGITS: usize = 20;

/// Why a snapshot cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} the snapshot `{name}`")]
pub struct StoreError {
    /// What was attempted.
    pub attempt: &'static str,
    /// The snapshot, or the folder of a partition's snapshots.
    pub name: String,
    /// The store's reason.
    #[source]
    pub source: object_store::Error,
}

/// A store of snapshots, with a folder per partition.
#[derive(Debug, Clone)]
pub struct Snapshots {
    store: Arc<dyn ObjectStore>,
}

impl Snapshots {
    /// Snapshots in a folder of this machine, which is made if it is not there.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn in_folder(folder: &FilePath) -> Result<Self, StoreError> {
        let failed = |source| StoreError {
            attempt: "make the folder of",
            name: folder.display().to_string(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(|error| {
            failed(object_store::Error::Generic {
                store: "folder",
                source: Box::new(error),
            })
        })?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
        Ok(Self::new(Arc::new(store)))
    }

    /// Snapshots in any store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
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
        let options = PutOptions::from(PutMode::Create);
        let path = path(folder, name);
        pollster::block_on(self.store.put_opts(&path, PutPayload::from(bytes), options))
            .map(drop)
            .map_err(|source| failed("write", &path, source))
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// If it is not there, or the store refuses.
    pub fn get(&self, folder: &str, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = path(folder, name);
        let read = async {
            let found = self.store.get_opts(&path, GetOptions::default()).await?;
            found.bytes().await
        };
        pollster::block_on(read)
            .map(|bytes| bytes.to_vec())
            .map_err(|source| failed("read", &path, source))
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
        let listed = pollster::block_on(self.store.list_with_delimiter(Some(&prefix)))
            .map_err(|source| failed("list", &prefix, source))?;
        let mut deleted = 0;
        for object in listed.objects {
            let Some(name) = object.location.filename().map(str::to_owned) else {
                continue;
            };
            if name.get(..DIGITS) >= named.get(..DIGITS) || name == predecessor {
                continue;
            }
            pollster::block_on(self.store.delete(&object.location))
                .map_err(|source| failed("delete", &object.location, source))?;
            deleted += 1;
        }
        Ok(deleted)
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
        let snapshots = Snapshots::in_folder(&folder.path().join("new/one")).unwrap();
        let name = Snapshots::name(12, "a-1");
        snapshots
            .put("group/topic/0", &name, b"state".to_vec())
            .unwrap();
        let again = Snapshots::in_folder(&folder.path().join("new/one")).unwrap();
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
        let snapshots = Snapshots::in_folder(folder.path()).unwrap();
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
