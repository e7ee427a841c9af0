//! Files that each hold a stretch of one partition, and whose names say which.
//!
//! ```text
//! <folder>/<topic>/<partition>/<topic>-<partition>-<first>-<end>-<newest>.jsonl
//! ```
//! `first` is the offset at which the stretch begins, `end` the one after it, `newest` the newest event time that
//! the partition had shown by then, in milliseconds. So the folder itself says where to go on after a crash, and
//! with which watermark: each record is in one file, and no other store is needed for it. A file appears whole,
//! under its final name: its content is held in memory until then.

mod name;
mod parquet;

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, profile::detector::sinks::FileFormat};
use floodmark_kafka::{PartitionOffset, TopicPartition};
use object_store::path::Path;

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
    objects: Objects,
    roll: Roll,
    content: C,
    open: BTreeMap<TopicPartition, OpenFile>,
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
        let objects = Objects::open(place)
            .map_err(|error| SinkError::new(format!("open `{place}` for files"), error))?;
        Ok(Self {
            objects,
            roll,
            content,
            open: BTreeMap::new(),
        })
    }

    /// The last stretch of a partition that stands in the store, with its file; only names behind `after` are
    /// looked at.
    fn last(
        &self,
        partition: &TopicPartition,
        after: Option<&Path>,
    ) -> Result<Option<(Stretch, Path)>, SinkError> {
        let folder = Stretch::folder(partition);
        let listed = self
            .objects
            .list(&folder, after)
            .map_err(|error| failed(format!("list the files in `{folder}`"), error))?;
        let stretches = listed.into_iter().filter_map(|object| {
            let stretch = Stretch::parse(partition, object.location.filename()?)?;
            Some((stretch, object.location))
        });
        Ok(stretches.max_by_key(|(stretch, _)| stretch.end))
    }

    /// Writes one file; gives its path.
    fn publish(&self, partition: &TopicPartition, file: &OpenFile) -> Result<Path, SinkError> {
        // Another member may have gone on with this partition, if we were thought dead: what it has written
        // must not be there twice. Its files come after the last one that we know.
        if let Some((last, _)) = self.last(partition, file.last.as_ref())?
            && last.end > file.first
        {
            let reason = format!("somebody else has written records up to {}", last.end);
            let attempt = format!("write the records of {partition} from {}", file.first);
            return Err(SinkError::new(attempt, reason).start_over());
        }
        let stretch = Stretch {
            first: file.first,
            end: file.next,
            newest: file.newest,
        };
        let path = stretch.path(partition, extension(self.roll.format));
        let content = match self.roll.format {
            FileFormat::JsonLines => file.content.clone(),
            FileFormat::Parquet => parquet::encode(&file.content, self.content.columns())
                .map_err(|error| SinkError::new(format!("encode the file `{path}`"), error))?,
        };
        self.objects
            .create(&path, content)
            .map_err(|error| failed(format!("write the file `{path}`"), error))?;
        Ok(path)
    }
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
        FileFormat::Parquet => "parquet",
    }
}

impl<C: Content> Destination for Files<C> {
    fn take_on(
        &mut self,
        partition: &TopicPartition,
        committed: Option<i64>,
    ) -> Result<Option<i64>, SinkError> {
        let (last, path) = self.last(partition, None)?.unzip();
        // The group commits after a file is there, so that it is ahead only where files were taken away.
        let start = last.map(|stretch| stretch.end).max(committed);
        let newest = last.map_or(BEGINNING, |stretch| stretch.newest);
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
        for partition in due {
            let Some(file) = self.open.get(&partition) else {
                continue;
            };
            let path = self.publish(&partition, file)?;
            let at = PartitionOffset::new(&partition.topic, partition.partition, file.next);
            written.offsets.push(at);
            written.records += file.records;
            let next = OpenFile::new(Some(path), file.next, file.newest);
            self.open.insert(partition, next);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests;
