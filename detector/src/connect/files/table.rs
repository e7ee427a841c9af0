//! A table of Apache Iceberg over our files.
//!
//! ```text
//! <folder>/data/<time>_day=<day>/<topic>-<partition>-<first>-<end>-<newest>-<writer>.parquet
//! <folder>/metadata/…                                                what makes them a table
//! ```
//! The table itself says how far each partition of a topic is in it: a property `floodmark.<topic>.<partition>` holds
//! the offset after the last record and the newest event time. One commit adds the files and moves the properties,
//! so that a restart finds what is in the table and nothing else. A file that no commit has named is in no table.

mod commit;
mod lake;

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::clock::EventTime;
use floodmark_kafka::TopicPartition;
use iceberg::{
    Error, ErrorKind, Result, Runtime, TableCreation, TableIdent,
    io::{FileIOBuilder, Storage as _},
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, NestedField,
        PrimitiveType, Schema, Struct, TableMetadata, Transform, Type, UnboundPartitionSpec,
    },
    transaction::{ApplyTransactionAction, Transaction},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Column, Holds,
    name::Stretch,
    parquet::{self, Fields},
};
use crate::{
    connect::SinkError,
    reach::{
        Place,
        objects::{Objects, is_refusal},
    },
};
use commit::{Commit, Version};
use lake::Lake;

/// How often a commit is tried anew on top of others'. Each refusal means that somebody else has got on.
const TRIES: usize = 20;

const DAY_MS: i64 = 86_400_000;

/// What is to be added of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) partition: &'a TopicPartition,
    pub(super) stretch: Stretch,
    /// Lines of JSON.
    pub(super) lines: &'a [u8],
}

/// An open table, which may not be there yet.
pub(super) struct Table {
    /// Keeps what drives the store running.
    objects: Objects,
    lake: Lake,
    place: String,
    columns: &'static [Column],
    /// Part of the names of this writer's files. Whoever comes after a crash never writes over them.
    writer: Uuid,
    known: Option<Version>,
}

impl Table {
    /// Opens a place for a table with these columns.
    pub(super) fn open(
        place: &Place,
        columns: &'static [Column],
    ) -> std::result::Result<Self, SinkError> {
        let opened = Objects::open_driven(place).and_then(|objects| {
            let root = place.location()?;
            Ok((Lake::new(root, objects.store()), objects))
        });
        let (lake, objects) =
            opened.map_err(|error| SinkError::new(format!("open `{place}` for a table"), error))?;
        Ok(Self {
            objects,
            lake,
            place: place.to_string(),
            columns,
            writer: Uuid::new_v4(),
            known: None,
        })
    }

    /// How far a partition is in the table.
    pub(super) fn last(
        &mut self,
        partition: &TopicPartition,
    ) -> std::result::Result<Option<(i64, EventTime)>, SinkError> {
        let found = self
            .objects
            .wait(Version::newest(&self.lake, self.known.as_ref()));
        self.known = found.map_err(|error| self.failed("read", error))?;
        let Some(known) = &self.known else {
            return Ok(None);
        };
        reached(&known.metadata, partition).map_err(|error| self.failed("read", error))
    }

    /// Adds all of the parts in one commit.
    pub(super) fn append(&mut self, parts: &[Part<'_>]) -> std::result::Result<(), SinkError> {
        for _ in 0..TRIES {
            let version = self.objects.wait(self.ready());
            let version = version.map_err(|error| self.failed("read", error))?;
            self.known = Some(version.clone());
            for part in parts {
                self.is_next(&version.metadata, part)?;
            }
            match self.objects.wait(self.add(&version, parts)) {
                Ok(next) => {
                    self.known = Some(next);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::CatalogCommitConflicts => {}
                Err(error) => return Err(self.failed("add files to", error)),
            }
        }
        let reason = format!("others were faster {TRIES} times in a row");
        Err(SinkError::new(
            format!("add files to the table in `{}`", self.place),
            reason,
        ))
    }

    /// Another member may have gone on with this partition, if we were thought dead: what it has added must not be
    /// there twice.
    fn is_next(
        &self,
        metadata: &TableMetadata,
        part: &Part<'_>,
    ) -> std::result::Result<(), SinkError> {
        let reached =
            reached(metadata, part.partition).map_err(|error| self.failed("read", error))?;
        match reached {
            Some((end, _)) if end > part.stretch.first => {
                let reason = format!("the table has records up to {end} already");
                let (partition, first) = (part.partition, part.stretch.first);
                let attempt = format!("add the records of {partition} from {first}");
                Err(SinkError::new(attempt, reason).start_over())
            }
            _ => Ok(()),
        }
    }

    /// The newest version of the table, which is made if it is not there.
    async fn ready(&self) -> Result<Version> {
        if let Some(newest) = Version::newest(&self.lake, self.known.as_ref()).await? {
            return Ok(newest);
        }
        Version::create(&self.lake, creation(self.lake.root(), self.columns)?).await?;
        let made = Version::newest(&self.lake, None).await?;
        made.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a table that was made is not there"))
    }

    /// Writes the files and commits them on top of a version.
    async fn add(&self, version: &Version, parts: &[Part<'_>]) -> Result<Version> {
        let layout = Layout::of(&version.metadata, self.columns)?;
        let mut files = Vec::new();
        for part in parts {
            files.extend(self.write(&layout, part).await?);
        }
        let file_io = FileIOBuilder::new(Arc::new(self.lake.clone())).build();
        let base = iceberg::table::Table::builder()
            .identifier(TableIdent::from_strs(["floodmark", "files"])?)
            .metadata(Arc::clone(&version.metadata))
            .metadata_location(version.location(&self.lake))
            .file_io(file_io)
            .runtime(Runtime::try_current()?)
            .build()?;
        let transaction = Transaction::new(&base);
        // Offsets keep files from being added twice; looking through all of the table's manifests is not needed.
        let append = transaction
            .fast_append()
            .with_check_duplicate(false)
            .add_data_files(files);
        let transaction = append.apply(transaction)?;
        let mut moved = transaction.update_table_properties();
        for part in parts {
            let value = format!("{},{}", part.stretch.end, part.stretch.newest.0);
            moved = moved.set(property(part.partition), value);
        }
        let transaction = moved.apply(transaction)?;
        let commit = Commit {
            lake: &self.lake,
            number: version.number,
            base,
        };
        let committed = transaction.commit(&commit).await?;
        let next = Version {
            number: version.number + 1,
            metadata: committed.metadata_ref(),
        };
        // It is committed, whatever becomes of the hint.
        if let Err(error) = next.hint(&self.lake).await {
            tracing::debug!(table = self.place, %error, "readers are not told of a version");
        }
        Ok(next)
    }

    /// Writes a part's files, one for each day.
    async fn write(&self, layout: &Layout, part: &Part<'_>) -> Result<Vec<DataFile>> {
        let time = layout.time;
        let mut days: BTreeMap<Option<i64>, Vec<Fields>> = BTreeMap::new();
        for row in parquet::rows(part.lines) {
            let at = row.get(time).and_then(parquet::number);
            let day = at.map(|ms| ms.div_euclid(DAY_MS));
            days.entry(day).or_default().push(row);
        }
        let mut files = Vec::new();
        for (day, rows) in days {
            let name = part.stretch.path(part.partition, "");
            let name = name.filename().unwrap_or_default().trim_end_matches('.');
            let folder = day.map_or("null".to_owned(), named);
            let location = format!("data/{time}_day={folder}/{name}-{}.parquet", self.writer);
            let location = self.lake.location(&location);
            let bytes =
                parquet::encode(&rows, self.columns, Some(&layout.ids)).map_err(|error| {
                    let message = format!("cannot encode the file `{location}`");
                    Error::new(ErrorKind::Unexpected, message).with_source(error)
                })?;
            files.push(layout.file(&location, day, &rows, bytes.len())?);
            self.lake.write(&location, bytes.into()).await?;
        }
        Ok(files)
    }

    /// A refusal makes the connector begin anew, with the keys that there are then.
    fn failed(&self, verb: &str, error: Error) -> SinkError {
        let refused = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref())
            .is_some_and(is_refusal);
        let error = SinkError::new(format!("{verb} the table in `{}`", self.place), error);
        if refused { error.start_over() } else { error }
    }
}

/// How far a partition is in a version of the table.
fn reached(
    metadata: &TableMetadata,
    partition: &TopicPartition,
) -> Result<Option<(i64, EventTime)>> {
    let name = property(partition);
    let Some(text) = metadata.properties().get(&name) else {
        return Ok(None);
    };
    let found = text
        .split_once(',')
        .and_then(|(end, newest)| Some((end.parse().ok()?, EventTime(newest.parse().ok()?))));
    // Going on from the beginning would put everything into the table again.
    found.map(Some).ok_or_else(|| {
        let message = format!(
            "the table's property `{name}` is `{text}`, not an offset and a time such as `12,1749531600000`"
        );
        Error::new(ErrorKind::DataInvalid, message)
    })
}

fn property(partition: &TopicPartition) -> String {
    format!("floodmark.{}.{}", partition.topic, partition.partition)
}

/// The day's name, as in `2025-06-10`.
fn named(day: i64) -> String {
    let start = Timestamp::from_millisecond(day * DAY_MS).unwrap_or_default();
    start.strftime("%F").to_string()
}

fn kind(holds: Holds) -> Type {
    Type::Primitive(match holds {
        Holds::Text => PrimitiveType::String,
        Holds::Whole => PrimitiveType::Long,
        Holds::Instant => PrimitiveType::Timestamptz,
    })
}

/// The first column with an instant: the table is divided by its days.
fn time_of(columns: &[Column]) -> Result<&'static str> {
    let instant = columns.iter().find(|column| column.1 == Holds::Instant);
    instant.map(|column| column.0).ok_or_else(|| {
        Error::new(
            ErrorKind::DataInvalid,
            "no column of the table is an instant",
        )
    })
}

fn creation(root: &str, columns: &[Column]) -> Result<TableCreation> {
    let fields = (1..)
        .zip(columns)
        .map(|(id, Column(name, holds))| Arc::new(NestedField::optional(id, *name, kind(*holds))));
    let schema = Schema::builder().with_fields(fields).build()?;
    let time = time_of(columns)?;
    let source = schema.field_id_by_name(time).unwrap_or_default();
    let days = UnboundPartitionSpec::builder()
        .add_partition_field(source, format!("{time}_day"), Transform::Day)?
        .build();
    Ok(TableCreation::builder()
        .name("files".to_owned())
        .location(root.to_owned())
        .schema(schema)
        .partition_spec(days)
        .build())
}

/// How our columns lie in a table.
#[derive(Debug)]
struct Layout {
    time: &'static str,
    /// The ids of the table's fields, in the order of our columns.
    ids: Vec<i32>,
    /// Columns with instants, with their fields.
    instants: Vec<(&'static str, i32)>,
    spec: i32,
}

impl Layout {
    /// Finds our columns in a table that may have been made, or changed, by somebody else.
    fn of(metadata: &TableMetadata, columns: &'static [Column]) -> Result<Self> {
        let schema = metadata.current_schema();
        let mut ids = Vec::new();
        let mut instants = Vec::new();
        for Column(name, holds) in columns {
            let wanted = kind(*holds);
            let field = schema.field_by_name(name);
            let Some(field) = field.filter(|field| *field.field_type == wanted) else {
                let message = format!(
                    "the table there has no column `{name}` of the type `{wanted}`; use another folder"
                );
                return Err(Error::new(ErrorKind::DataInvalid, message));
            };
            ids.push(field.id);
            if *holds == Holds::Instant {
                instants.push((*name, field.id));
            }
        }
        let time = time_of(columns)?;
        let spec = metadata.default_partition_spec();
        let by_day = |source: i32, transform: Transform| {
            transform == Transform::Day && schema.field_id_by_name(time) == Some(source)
        };
        match spec.fields() {
            [field] if by_day(field.source_id, field.transform) => {}
            _ => {
                let message = format!("the table there is not divided by days of `{time}`");
                return Err(Error::new(ErrorKind::DataInvalid, message));
            }
        }
        Ok(Self {
            time,
            ids,
            instants,
            spec: spec.spec_id(),
        })
    }

    /// What the table is to know of a file.
    fn file(&self, at: &str, day: Option<i64>, rows: &[Fields], size: usize) -> Result<DataFile> {
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for (name, id) in &self.instants {
            let values = rows
                .iter()
                .filter_map(|row| parquet::number(row.get(*name)?));
            let micros = values.map(|ms| ms.saturating_mul(1000));
            let (least, most) = micros.fold((None, None), |(least, most), at| {
                (least.min(Some(at)).or(Some(at)), most.max(Some(at)))
            });
            lower.extend(least.map(|at| (*id, Datum::timestamptz_micros(at))));
            upper.extend(most.map(|at| (*id, Datum::timestamptz_micros(at))));
        }
        let day = day.and_then(|day| i32::try_from(day).ok());
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(at.to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::from_iter([day.map(Literal::date)]))
            .partition_spec_id(self.spec)
            .record_count(rows.len() as u64)
            .file_size_in_bytes(size as u64)
            .lower_bounds(lower.into_iter().collect())
            .upper_bounds(upper.into_iter().collect())
            .build();
        file.map_err(|error| {
            let message = format!("cannot describe the file `{at}`");
            Error::new(ErrorKind::Unexpected, message).with_source(error)
        })
    }
}

#[cfg(test)]
mod tests;
