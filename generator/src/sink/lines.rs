//! Events as lines of JSON, in a file or on standard output.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use apache_avro::{Schema, reader::datum::GenericDatumReader};
use floodmark_contracts::{
    event::{banking::BankingUiEvent, confluent::split_frame},
    stream::Stream,
};

use super::{Handover, Report, Sink, SinkError};
use crate::{events::Event, plan::Plan, shape::SchemaIds};

/// Writes one value a line.
pub(super) struct LineSink {
    path: String,
    out: Box<dyn Write + Send>,
    text: Text,
    /// Whether the key and a tab stand in front of the value.
    keyed: bool,
    line: Vec<u8>,
}

/// How a value becomes text.
enum Text {
    /// It is JSON.
    AsItIs,
    /// It is Avro in the banking stream's own shape, whose decoder is fast.
    Banking,
    /// It is Avro with one of these schemas.
    Avro(Vec<Schema>),
}

impl LineSink {
    /// Writes to standard output, which all streams share: each line is written whole.
    pub(super) fn stdout(plan: &Plan, stream: Stream, keyed: bool) -> Result<Self, SinkError> {
        let path = "standard output".to_owned();
        Ok(Self {
            text: Text::of(plan, stream).map_err(|source| SinkError::Write {
                path: path.clone(),
                source,
            })?,
            path,
            out: Box::new(std::io::stdout()),
            keyed,
            line: Vec::new(),
        })
    }

    /// Writes to a new file named after the stream.
    pub(super) fn create(directory: &Path, plan: &Plan, stream: Stream) -> Result<Self, SinkError> {
        let path = directory.join(format!("{stream}.ndjson"));
        let shown = path.display().to_string();
        let create = || {
            std::fs::create_dir_all(directory)?;
            Ok((File::create(&path)?, Text::of(plan, stream)?))
        };
        let (file, text) = create().map_err(|source| SinkError::Write {
            path: shown.clone(),
            source,
        })?;
        Ok(Self {
            path: shown,
            out: Box::new(BufWriter::new(file)),
            text,
            keyed: false,
            line: Vec::new(),
        })
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        self.line.clear();
        if self.keyed {
            self.line.extend_from_slice(&event.key);
            self.line.push(b'\t');
        }
        self.text.write(&event.value, &mut self.line)?;
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

impl Text {
    fn of(plan: &Plan, stream: Stream) -> std::io::Result<Self> {
        let schemas = plan.schemas(stream);
        let own = plan.stream(stream).is_some_and(|plan| plan.shape.is_none());
        if schemas.is_empty() {
            return Ok(Self::AsItIs);
        }
        if own && stream == Stream::Banking {
            return Ok(Self::Banking);
        }
        let parsed: Result<Vec<Schema>, _> =
            schemas.iter().map(|text| Schema::parse_str(text)).collect();
        Ok(Self::Avro(parsed.map_err(std::io::Error::other)?))
    }

    fn write(&self, value: &[u8], line: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::AsItIs => line.extend_from_slice(value),
            Self::Banking => {
                let decoded =
                    split_frame(value).and_then(|(_, body)| BankingUiEvent::decode_body(body));
                match decoded {
                    Ok(event) => serde_json::to_writer(line, &event)?,
                    Err(_) => write_undecodable(value, line),
                }
            }
            Self::Avro(schemas) => match decode(schemas, value) {
                Ok(record) => serde_json::to_writer(line, &record)?,
                Err(_) => write_undecodable(value, line),
            },
        }
        Ok(())
    }
}

/// A record that was malformed on purpose has no text of its own: its bytes are shown.
fn write_undecodable(value: &[u8], line: &mut Vec<u8>) {
    line.extend_from_slice(br#"{"undecodable":""#);
    for byte in value {
        line.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    line.extend_from_slice(br#""}"#);
}

fn decode(
    schemas: &[Schema],
    value: &[u8],
) -> Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>> {
    let (id, mut body) = split_frame(value)?;
    let version = SchemaIds::default().version(id);
    let schema = version
        .and_then(|version| schemas.get(version))
        .ok_or_else(|| format!("there is no schema with id {id}"))?;
    let reader = GenericDatumReader::builder(schema).build()?;
    Ok(reader.read_value(&mut body)?.try_into()?)
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
