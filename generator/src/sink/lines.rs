//! Events as lines of JSON, in a file or on standard output.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use floodmark_contracts::{
    event::{banking::BankingUiEvent, confluent::split_frame},
    stream::Stream,
};

use super::{Handover, Report, Sink, SinkError};
use crate::events::Event;

/// Writes one value a line.
pub(super) struct LineSink {
    stream: Stream,
    path: String,
    out: Box<dyn Write + Send>,
    line: Vec<u8>,
}

impl LineSink {
    /// Writes to standard output, which all streams share: each line is written whole.
    pub(super) fn stdout(stream: Stream) -> Self {
        let out = Box::new(std::io::stdout());
        Self {
            stream,
            path: "standard output".to_owned(),
            out,
            line: Vec::new(),
        }
    }

    /// Writes to a new file named after the stream.
    pub(super) fn create(directory: &Path, stream: Stream) -> Result<Self, SinkError> {
        let path = directory.join(format!("{stream}.ndjson"));
        let shown = path.display().to_string();
        let file = std::fs::create_dir_all(directory)
            .and_then(|()| File::create(&path))
            .map_err(|source| SinkError::Write {
                path: shown.clone(),
                source,
            })?;
        Ok(Self {
            stream,
            path: shown,
            out: Box::new(BufWriter::new(file)),
            line: Vec::new(),
        })
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        self.line.clear();
        if self.stream == Stream::Banking {
            let decoded = split_frame(&event.value)
                .and_then(|(_, body)| BankingUiEvent::decode_body(body))
                .map_err(std::io::Error::other)?;
            serde_json::to_writer(&mut self.line, &decoded)?;
        } else {
            self.line.extend_from_slice(&event.value);
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    fn failed(&self, source: std::io::Error) -> SinkError {
        SinkError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

impl Sink for LineSink {
    fn send(&mut self, event: &Event, _: i64, _: u64) -> Result<Handover, SinkError> {
        self.write(event).map_err(|error| self.failed(error))?;
        Ok(Handover::Stored)
    }

    fn poll(&mut self, _: &mut dyn FnMut(Report)) {}

    fn flush(&mut self, _: Duration, _: &mut dyn FnMut(Report)) -> Result<bool, SinkError> {
        self.out.flush().map_err(|error| self.failed(error))?;
        Ok(true)
    }
}
