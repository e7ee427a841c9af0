//! Events as Avro object container files.
//!
//! The bodies of records are data of the container's schema already, so blocks are written from them as
//! they are; a general writer would decode each record to encode it again. The layout is that of the Avro
//! specification: magic, metadata, sync marker; then blocks of a count, a length, the data and the marker.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use floodmark_contracts::{
    event::{
        avro::{write_long, write_text},
        confluent::split_frame,
    },
    stream::Stream,
};

use super::{Handover, Report, Sink, SinkError};
use crate::{events::Event, plan::Plan, shape::SchemaIds};

/// A block is closed once it holds this many bytes.
const BLOCK_BYTES: usize = 64 << 10;
/// Fixed, so that the same plan gives the same file. A block in which it occurs by chance does no harm but
/// to readers that search for it.
const SYNC: [u8; 16] = *b"floodmark-sync-1";

/// Writes records of one stream into a container with the newest version of its schema.
pub(super) struct ContainerSink {
    path: String,
    file: BufWriter<File>,
    versions: usize,
    block: Vec<u8>,
    count: i64,
}

impl ContainerSink {
    /// A new file `STREAM.avro`.
    pub(super) fn create(directory: &Path, plan: &Plan, stream: Stream) -> Result<Self, SinkError> {
        let section = plan.section().streams.get(stream);
        let malformed = section.is_some_and(|section| section.malformed.is_some());
        let schemas = plan.schemas(stream);
        let path = directory.join(format!("{stream}.avro"));
        let shown = path.display().to_string();
        let newest = schemas.last().map_or("", String::as_str);
        let create = || {
            if malformed {
                // A container is read whole or not at all.
                return Err(std::io::Error::other(
                    "a container cannot hold malformed records; leave `malformed` out, or use `file:DIR`",
                ));
            }
            std::fs::create_dir_all(directory)?;
            let mut file = BufWriter::new(File::create(&path)?);
            file.write_all(&header(newest))?;
            Ok(file)
        };
        Ok(Self {
            file: create().map_err(|source| SinkError::Write {
                path: shown.clone(),
                source,
            })?,
            path: shown,
            versions: schemas.len(),
            block: Vec::with_capacity(BLOCK_BYTES * 2),
            count: 0,
        })
    }

    fn add(&mut self, event: &Event) -> std::io::Result<()> {
        let (id, body) = split_frame(&event.value).map_err(std::io::Error::other)?;
        let newest = self.versions - 1;
        let version = SchemaIds::default().version(id).unwrap_or(newest);
        self.block.extend_from_slice(body);
        // A record of an older version lacks the optional fields at the end: each is a null, of one byte.
        self.block
            .resize(self.block.len() + newest.saturating_sub(version), 0);
        self.count += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.close_block()?;
        }
        Ok(())
    }

    fn close_block(&mut self) -> std::io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let mut head = Vec::with_capacity(20);
        write_long(&mut head, self.count);
        write_long(
            &mut head,
            i64::try_from(self.block.len()).unwrap_or(i64::MAX),
        );
        self.file.write_all(&head)?;
        self.file.write_all(&self.block)?;
        self.file.write_all(&SYNC)?;
        self.block.clear();
        self.count = 0;
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> SinkError {
        SinkError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

fn header(schema: &str) -> Vec<u8> {
    let mut out = b"Obj\x01".to_vec();
    // A map of bytes: one block of two entries, then the empty one.
    write_long(&mut out, 2);
    for (key, value) in [("avro.schema", schema), ("avro.codec", "null")] {
        write_text(&mut out, key);
        write_text(&mut out, value);
    }
    write_long(&mut out, 0);
    out.extend_from_slice(&SYNC);
    out
}

impl Sink for ContainerSink {
    fn send(&mut self, event: &Event, _: i64, _: u64) -> Result<Handover, SinkError> {
        self.add(event).map_err(|error| self.failed(error))?;
        Ok(Handover::Stored)
    }

    fn poll(&mut self, _: &mut dyn FnMut(Report)) {}

    fn flush(&mut self, _: Duration, _: &mut dyn FnMut(Report)) -> Result<bool, SinkError> {
        self.close_block()
            .and_then(|()| self.file.flush())
            .map_err(|error| self.failed(error))?;
        Ok(true)
    }
}
