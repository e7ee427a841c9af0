//! Files that each hold a stretch of one partition, and whose names say which.
//!
//! ```text
//! <folder>/<topic>/<partition>/<topic>-<partition>-<first>-<end>-<newest>.jsonl
//! ```
//! `first` is the offset at which the stretch begins, `end` the one after it, `newest` the newest event time that
//! the partition had shown by then, in milliseconds. So the folder itself says where to go on after a crash, and
//! with which watermark: each record is in one file, and no other store is needed for it. A file appears whole,
//! under its final name: its content is held in memory until then.
//!
//! Or they are files of a table, which then says both ([`table`]).

mod name;
mod parquet;
#[cfg(feature = "iceberg")]
mod table;

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, profile::detector::sinks::FileFormat};
use floodmark_kafka::{PartitionOffset, TopicPartition};
use object_store::{PutPayload, path::Path};

use super::{Destination, Record, SinkError, Taken, Which, Written};
use crate::{
    reach::{
        Place,
        objects::{Objects, is_refusal},
    },
    runtime::watermark::BEGINNING,
    settings::Roll,
};
use name::Stretch;

pub(super) use parquet::{Column, Holds};

/// What files hold.
pub(super) trait Content: Send {
    /// The columns of a Parquet file of it, by their names in the lines.
    fn columns(&self) -> &'static [Column];

    /// Appends a record's value to `out` as a line. `newest` is the newest event time of the partition.
    fn take(&mut self, value: &[u8], newest: &mut EventTime, out: &mut Vec<u8>) -> Taken;
}

/// Files of some content.
pub(super) struct Files<C> {
    shelf: Shelf,
    roll: Roll,
    content: C,
    open: BTreeMap<TopicPartition, OpenFile>,
}

/// What makes files known.
enum Shelf {
    /// Their names, in folders.
    Folders(Objects),
    /// A table.
    #[cfg(feature = "iceberg")]
    Table(Box<table::Table>),
}

/// A file that does not exist yet.
#[derive(Debug)]
struct OpenFile {
    /// The newest file of the partition that is known.
    last: Option<Path>,
    first: i64,
    next: i64,
    newest: EventTime,
    /// When the first record came, microseconds.
    since_us: i64,
    records: u64,
    content: Vec<u8>,
}

impl OpenFile {
    fn new(last: Option<Path>, first: i64, newest: EventTime) -> Self {
        Self {
            last,
            first,
            next: first,
            newest,
            since_us: 0,
            records: 0,
            content: Vec::new(),
        }
    }

    fn stretch(&self) -> Stretch {
        Stretch {
            first: self.first,
            end: self.next,
            newest: self.newest,
        }
    }

    fn is_due(&self, which: Which, roll: &Roll) -> bool {
        let age_us = i64::try_from(roll.age.as_micros()).unwrap_or(i64::MAX);
        self.records > 0
            && match which {
                Which::All => true,
                Which::Due(now_us) => {
                    self.content.len() >= roll.size || now_us - self.since_us >= age_us
                }
            }
    }
}

impl<C: Content> Files<C> {
    /// Opens a place for files.
    pub(super) fn open(place: &Place, roll: Roll, content: C) -> Result<Self, SinkError> {
        let shelf = match roll.format {
            FileFormat::JsonLines | FileFormat::Parquet => Objects::open(place)
                .map(Shelf::Folders)
                .map_err(|error| SinkError::new(format!("open `{place}` for files"), error))?,
            FileFormat::Iceberg => Shelf::table(place, content.columns())?,
        };
        Ok(Self {
            shelf,
            roll,
            content,
            open: BTreeMap::new(),
        })
    }

    /// Adds to the table whatever is there: each commit writes its metadata anew, so that one is better than several.
    #[cfg(feature = "iceberg")]
    fn add(&mut self) -> Result<Written, SinkError> {
        let mut written = Written::default();
        let Shelf::Table(table) = &mut self.shelf else {
            return Ok(written);
        };
        let filled = self.open.iter().filter(|(_, file)| file.records > 0);
        let parts: Vec<table::Part<'_>> = filled
            .map(|(partition, file)| table::Part {
                partition,
                stretch: file.stretch(),
                lines: &file.content,
            })
            .collect();
        table.append(&parts)?;
        let partitions: Vec<TopicPartition> =
            parts.iter().map(|part| part.partition.clone()).collect();
        for partition in partitions {
            self.roll(&partition, None, &mut written);
        }
        Ok(written)
    }

    /// Takes note that a file is written, and begins the next one.
    fn roll(&mut self, partition: &TopicPartition, path: Option<Path>, written: &mut Written) {
        let Some(file) = self.open.get_mut(partition) else {
            return;
        };
        let at = PartitionOffset::new(&partition.topic, partition.partition, file.next);
        written.offsets.push(at);
        written.records += file.records;
        *file = OpenFile::new(path, file.next, file.newest);
    }
}

impl Shelf {
    #[cfg(feature = "iceberg")]
    fn table(place: &Place, columns: &'static [Column]) -> Result<Self, SinkError> {
        table::Table::open(place, columns).map(|table| Self::Table(Box::new(table)))
    }

    #[cfg(not(feature = "iceberg"))]
    fn table(place: &Place, _: &'static [Column]) -> Result<Self, SinkError> {
        let attempt = format!("open `{place}` for a table");
        Err(SinkError::new(
            attempt,
            "this program was built without the feature `iceberg`",
        ))
    }

    /// Where a partition goes on: behind which offset, with which newest event time, and behind which file.
    fn reached(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<Option<(i64, EventTime, Option<Path>)>, SinkError> {
        Ok(match self {
            Self::Folders(objects) => last(objects, partition, None)?
                .map(|(stretch, path)| (stretch.end, stretch.newest, Some(path))),
            #[cfg(feature = "iceberg")]
            Self::Table(table) => table
                .last(partition)?
                .map(|(end, newest)| (end, newest, None)),
        })
    }
}

/// Writes one file; gives its path.
fn publish(
    objects: &Objects,
    (roll, columns): (&Roll, &'static [Column]),
    partition: &TopicPartition,
    file: &mut OpenFile,
) -> Result<Path, SinkError> {
    // Another member may have gone on with this partition, if we were thought dead: what it has written
    // must not be there twice. Its files come after the last one that we know.
    if let Some((last, _)) = last(objects, partition, file.last.as_ref())?
        && last.end > file.first
    {
        let reason = format!("somebody else has written records up to {}", last.end);
        let attempt = format!("write the records of {partition} from {}", file.first);
        return Err(SinkError::new(attempt, reason).start_over());
    }
    let path = file.stretch().path(partition, extension(roll.format));
    let created = match roll.format {
        FileFormat::JsonLines => {
            // Handed over and not copied: it is as large as what was read.
            let content = PutPayload::from(std::mem::take(&mut file.content));
            let created = objects.create(&path, content.clone());
            if created.is_err() {
                file.content = content.iter().flatten().copied().collect();
            }
            created
        }
        FileFormat::Parquet | FileFormat::Iceberg => {
            let rows = parquet::rows(&file.content);
            let content = parquet::encode(&rows, columns, None)
                .map_err(|error| SinkError::new(format!("encode the file `{path}`"), error))?;
            objects.create(&path, content)
        }
    };
    created.map_err(|error| failed(format!("write the file `{path}`"), error))?;
    Ok(path)
}

/// The last stretch of a partition that stands in a store, with its file; only names behind `after` are looked at.
fn last(
    objects: &Objects,
    partition: &TopicPartition,
    after: Option<&Path>,
) -> Result<Option<(Stretch, Path)>, SinkError> {
    let folder = Stretch::folder(partition);
    let listed = objects
        .list(&folder, after)
        .map_err(|error| failed(format!("list the files in `{folder}`"), error))?;
    let stretches = listed.into_iter().filter_map(|object| {
        let stretch = Stretch::parse(partition, object.location.filename()?)?;
        Some((stretch, object.location))
    });
    Ok(stretches.max_by_key(|(stretch, _)| stretch.end))
}

/// A refusal makes the connector begin anew, with the keys that there are then.
fn failed(attempt: String, error: object_store::Error) -> SinkError {
    let refusal = is_refusal(&error);
    let error = SinkError::new(attempt, error);
    if refusal { error.start_over() } else { error }
}

fn extension(format: FileFormat) -> &'static str {
    match format {
        FileFormat::JsonLines => "jsonl",
        FileFormat::Parquet | FileFormat::Iceberg => "parquet",
    }
}

impl<C: Content> Destination for Files<C> {
    fn take_on(
        &mut self,
        partition: &TopicPartition,
        committed: Option<i64>,
    ) -> Result<Option<i64>, SinkError> {
        let (end, newest, path) = match self.shelf.reached(partition)? {
            Some((end, newest, path)) => (Some(end), newest, path),
            None => (None, BEGINNING, None),
        };
        // The group commits after a file is there, so that it is ahead only where files were taken away.
        let start = end.max(committed);
        let file = OpenFile::new(path, start.unwrap_or(0), newest);
        self.open.insert(partition.clone(), file);
        Ok(start)
    }

    fn give_up(&mut self, partition: &TopicPartition) {
        self.open.remove(partition);
    }

    fn take(&mut self, record: &Record<'_>, now_us: i64) -> Taken {
        let Some(file) = self.open.get_mut(record.at) else {
            return Taken::Passed;
        };
        if record.offset < file.next && file.next > file.first {
            return Taken::Passed;
        }
        if file.next == file.first {
            // The log may begin later than at 0, or leave offsets out.
            file.first = file.first.max(record.offset);
        }
        file.next = record.offset + 1;
        let taken = self
            .content
            .take(record.value, &mut file.newest, &mut file.content);
        if taken == Taken::Kept {
            if file.records == 0 {
                file.since_us = now_us;
            }
            file.records += 1;
        }
        taken
    }

    fn write(&mut self, which: Which) -> Result<Written, SinkError> {
        let mut written = Written::default();
        let due: Vec<TopicPartition> = self
            .open
            .iter()
            .filter(|(_, file)| file.is_due(which, &self.roll))
            .map(|(partition, _)| partition.clone())
            .collect();
        #[cfg(feature = "iceberg")]
        if let (Shelf::Table(_), false) = (&self.shelf, due.is_empty()) {
            return self.add();
        }
        for partition in due {
            let columns = self.content.columns();
            let (Shelf::Folders(objects), Some(file)) =
                (&self.shelf, self.open.get_mut(&partition))
            else {
                continue;
            };
            let path = publish(objects, (&self.roll, columns), &partition, file)?;
            self.roll(&partition, Some(path), &mut written);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests;
