//! Lines of JSON as a Parquet file: one row group, columns compressed with Snappy.
//!
//! Columns of a file that stands for itself are known by their names, and instants are milliseconds. In a table of
//! Iceberg columns are known by the ids of the table's fields, and instants are microseconds.

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

/// A line.
pub(super) type Fields = Map<String, Value>;

/// Values of a column that are there, with a level for each row: 1 if it is, 0 if it is missing.
struct Filled<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Filled<T> {
    fn of(rows: &[Fields], name: &str, value: impl Fn(&Value) -> Option<T>) -> Self {
        let found = rows.iter().map(|row| row.get(name).and_then(&value));
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        for value in found {
            levels.push(i16::from(value.is_some()));
            values.extend(value);
        }
        Self { values, levels }
    }
}

/// The lines, read. One that is no object is left out; contents make none.
pub(super) fn rows(lines: &[u8]) -> Vec<Fields> {
    lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

/// The rows as a file; in a table, `ids` are those of its fields, one for each column.
pub(super) fn encode(
    rows: &[Fields],
    columns: &[Column],
    ids: Option<&[i32]>,
) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(&message(columns, ids))?);
    let factor = if ids.is_some() { 1000 } else { 1 };
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
                let Filled { values, levels } = Filled::of(rows, name, text);
                let typed = column.typed::<ByteArrayType>();
                typed.write_batch(&values, Some(&levels), None)?;
            }
            Holds::Whole | Holds::Instant => {
                let Filled { mut values, levels } = Filled::of(rows, name, number);
                if *holds == Holds::Instant {
                    values
                        .iter_mut()
                        .for_each(|ms| *ms = ms.saturating_mul(factor));
                }
                let typed = column.typed::<Int64Type>();
                typed.write_batch(&values, Some(&levels), None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    writer.into_inner()
}

fn message(columns: &[Column], ids: Option<&[i32]>) -> String {
    let mut text = "message floodmark {".to_owned();
    let unit = if ids.is_some() { "MICROS" } else { "MILLIS" };
    for (idx, Column(name, holds)) in columns.iter().enumerate() {
        text += &match holds {
            Holds::Text => format!(" OPTIONAL BYTE_ARRAY {name} (UTF8)"),
            Holds::Whole => format!(" OPTIONAL INT64 {name}"),
            Holds::Instant => format!(" OPTIONAL INT64 {name} (TIMESTAMP({unit},true))"),
        };
        if let Some(id) = ids.and_then(|ids| ids.get(idx)) {
            text += &format!(" = {id}");
        }
        text += ";";
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

/// A whole number, or an instant in milliseconds.
pub(super) fn number(value: &Value) -> Option<i64> {
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

    const COLUMNS: [Column; 4] = [
        Column("key", Holds::Text),
        Column("start", Holds::Instant),
        Column("revision", Holds::Whole),
        Column("fields", Holds::Text),
    ];

    fn encoded(ids: Option<&[i32]>) -> SerializedFileReader<Bytes> {
        let lines = concat!(
            r#"{"key":"π","start":"2025-06-10T05:00:00.000Z","revision":3,"fields":{"a":1}}"#,
            "\n",
            r#"{"key":"b","start":1749531600001,"fields":null,"more":1}"#,
            "\n",
        );
        let file = encode(&rows(lines.as_bytes()), &COLUMNS, ids).unwrap();
        SerializedFileReader::new(Bytes::from(file)).unwrap()
    }

    #[test]
    fn in_a_table_columns_have_its_ids_and_instants_are_finer() {
        let reader = encoded(Some(&[7, 3, 5, 9]));
        let schema = reader.metadata().file_metadata().schema_descr();
        let ids: Vec<i32> = (0..4)
            .map(|idx| schema.column(idx).self_type().get_basic_info().id())
            .collect();
        assert_eq!(ids, [7, 3, 5, 9]);
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        assert!(
            rows[1].contains("start: 2025-06-10 05:00:00.001"),
            "{rows:?}"
        );
        let unit = schema.column(1).logical_type_ref().cloned();
        assert!(format!("{unit:?}").contains("MICROS"), "{unit:?}");
    }

    #[test]
    fn a_file_is_read_back_with_its_types() {
        let reader = encoded(None);
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
