//! The file behind [`Spill`](super::Spill): an embedded store without a name, without syncs, and with a small cache.
//!
//! Nothing in it has to outlive the process, so that it is never synced, and its file has no name: the system takes it
//! back when the process ends, however it ends.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
};

/// By owner and number. Numbers only grow, so that what is written goes behind what is there: into the middle of a tree
/// it would cost ten times as much.
const ENTRIES: TableDefinition<'static, Key, &'static [u8]> = TableDefinition::new("entries");

type Key = (u32, u64);

/// The store's own memory beyond what the owners count.
const CACHE: usize = 8 * 1024 * 1024;

/// Tells files of one process apart, while they have names.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Makes a file in `folder` that has no name any more.
pub fn nameless(folder: &Path) -> io::Result<File> {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(
        "floodmark-state-{}-{number}.tmp",
        std::process::id()
    ));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Entries by owner and number.
#[derive(Debug)]
pub struct Store {
    database: Database,
    /// As of the last write.
    reader: Option<Reader>,
    length: Arc<AtomicU64>,
}

/// The entries as they were at one moment.
#[derive(Debug, Clone)]
pub struct Reader(Arc<ReadOnlyTable<Key, &'static [u8]>>);

/// What is done to one owner's entries, all or nothing.
pub struct Change<'a> {
    /// The owner.
    pub owner: u32,
    /// Entries before this number go.
    pub forget_before: u64,
    /// These come, in the order of their numbers.
    pub add: &'a [(u64, Vec<u8>)],
}

impl Store {
    /// An empty store in `file`.
    pub fn new(file: File) -> Result<Self, redb::Error> {
        let length = Arc::new(AtomicU64::new(0));
        let file = Unsynced {
            file,
            length: Arc::clone(&length),
        };
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(file)?;
        Ok(Self {
            database,
            reader: None,
            length,
        })
    }

    /// Makes a change.
    pub fn change(&mut self, change: &Change<'_>) -> Result<(), redb::Error> {
        // What it still reads could not be used again.
        self.reader = None;
        let transaction = self.database.begin_write()?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let owner = change.owner;
            if change.forget_before > 0 {
                entries.retain_in((owner, 0)..(owner, change.forget_before), |_, _| false)?;
            }
            for (number, bytes) in change.add {
                entries.insert((owner, *number), bytes.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// The entries as they are now.
    pub fn reader(&mut self) -> Result<Reader, redb::Error> {
        if let Some(reader) = &self.reader {
            return Ok(reader.clone());
        }
        let table = self.database.begin_read()?.open_table(ENTRIES)?;
        let reader = Reader(Arc::new(table));
        Ok(self.reader.insert(reader).clone())
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }
}

impl Reader {
    /// An entry, given to `read`; nothing if there is none.
    pub fn get<T>(
        &self,
        owner: u32,
        number: u64,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, redb::Error> {
        let entry = self.0.get((owner, number))?;
        Ok(entry.map(|entry| read(entry.value())))
    }

    /// An owner's first entries, `most` of them.
    pub fn first(&self, owner: u32, most: usize) -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
        let mut entries = Vec::new();
        let all = ReadableTable::range(&*self.0, (owner, 0)..=(owner, u64::MAX))?;
        for entry in all.take(most) {
            let (key, value) = entry?;
            entries.push((key.value().1, value.value().to_vec()));
        }
        Ok(entries)
    }
}

/// A file that is never synced.
#[derive(Debug)]
struct Unsynced {
    file: File,
    length: Arc<AtomicU64>,
}

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length.store(length, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(store: &mut Store, owner: u32, forget_before: u64, add: &[u64]) {
        let add: Vec<_> = add
            .iter()
            .map(|number| (*number, format!("{owner} {number}").into_bytes()))
            .collect();
        let change = Change {
            owner,
            forget_before,
            add: &add,
        };
        store.change(&change).unwrap();
    }

    fn numbers(reader: &Reader, owner: u32) -> Vec<u64> {
        let entries = reader.first(owner, 100).unwrap();
        entries.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn a_reader_sees_what_was_there_and_owners_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(nameless(folder.path()).unwrap()).unwrap();
        change(&mut store, 1, 0, &[1, 2, 3]);
        change(&mut store, 2, 0, &[1]);
        let before = store.reader().unwrap();
        change(&mut store, 1, 3, &[4]);
        assert_eq!(numbers(&before, 1), [1, 2, 3]);
        let after = store.reader().unwrap();
        assert_eq!(numbers(&after, 1), [3, 4]);
        assert_eq!(numbers(&after, 2), [1]);
        let text = |reader: &Reader, number| reader.get(1, number, <[u8]>::to_vec).unwrap();
        assert_eq!(text(&before, 1).unwrap(), b"1 1");
        assert_eq!(text(&after, 1), None);
        assert!(store.length() > 0);
    }

    #[test]
    fn the_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(nameless(folder.path()).unwrap()).unwrap();
        change(&mut store, 1, 0, &[1]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
