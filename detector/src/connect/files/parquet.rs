//! Lines of JSON as a Parquet file: one row group, columns compressed with Snappy.

use jiff::Timestamp;
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use serde_json::{Map, Value};

use std::sync::Arc;

/// What a column holds. Any value may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect) enum Holds {
    /// Text; what is no text is written as JSON.
    Text,
    /// A whole number.
    Whole,
    /// Milliseconds since the epoch, or such an instant as ISO 8601 text.
    Instant,
}

/// A column: the name of its field, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect) struct Column(
    pub(in crate::connect) &'static str,
    pub(in crate::connect) Holds,
);

/// Values of a column that are there, with a level for each row: 1 if it is, 0 if it is missing.
struct Filled<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Filled<T> {
    fn of(rows: &[Map<String, Value>], name: &str, value: impl Fn(&Value) -> Option<T>) -> Self {
        let found = rows.iter().map(|row| row.get(name).and_then(&value));
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        for value in found {
            levels.push(i16::from(value.is_some()));
            values.extend(value);
        }
        Self { values, levels }
    }
}

/// The lines as a file. A line that is no object is left out; contents make none.
pub(super) fn encode(lines: &[u8], columns: &[Column]) -> Result<Vec<u8>, ParquetError> {
    let rows: Vec<Map<String, Value>> = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let schema = Arc::new(parse_message_type(&message(columns))?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for Column(name, holds) in columns {
        let Some(mut column) = group.next_column()? else {
            break;
        };
        match holds {
            Holds::Text => {
                let Filled { values, levels } = Filled::of(&rows, name, text);
                let typed = column.typed::<ByteArrayType>();
                typed.write_batch(&values, Some(&levels), None)?;
            }
            Holds::Whole | Holds::Instant => {
                let Filled { values, levels } = Filled::of(&rows, name, number);
                let typed = column.typed::<Int64Type>();
                typed.write_batch(&values, Some(&levels), None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    writer.into_inner()
}

fn message(columns: &[Column]) -> String {
    let mut text = "message floodmark {".to_owned();
    for Column(name, holds) in columns {
        text += &match holds {
            Holds::Text => format!(" OPTIONAL BYTE_ARRAY {name} (UTF8);"),
            Holds::Whole => format!(" OPTIONAL INT64 {name};"),
            Holds::Instant => format!(" OPTIONAL INT64 {name} (TIMESTAMP(MILLIS,true));"),
        };
    }
    text + " }"
}

fn text(value: &Value) -> Option<ByteArray> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(ByteArray::from(text.as_str())),
        other => Some(ByteArray::from(other.to_string().as_str())),
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text
            .parse::<Timestamp>()
            .ok()
            .map(Timestamp::as_millisecond),
        other => other.as_i64(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn a_file_is_read_back_with_its_types() {
        let columns = [
            Column("key", Holds::Text),
            Column("start", Holds::Instant),
            Column("revision", Holds::Whole),
            Column("fields", Holds::Text),
        ];
        let lines = concat!(
            r#"{"key":"π","start":"2025-06-10T05:00:00.000Z","revision":3,"fields":{"a":1}}"#,
            "\n",
            r#"{"key":"b","start":1749531600001,"fields":null,"more":1}"#,
            "\n",
        );
        let file = encode(lines.as_bytes(), &columns).unwrap();
        let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        {key: "π", start: 2025-06-10 05:00:00.000 +00:00, revision: 3, fields: "{"a":1}"}
        {key: "b", start: 2025-06-10 05:00:00.001 +00:00, revision: null, fields: null}
        "#);
    }
}
