//! Shapes of records: users' schemas differ from ours.
//!
//! A stream whose profile says nothing of its shape has none here: its records are written by the hand-made
//! encoders of `contracts::event`. Any other shape is compiled once, in the plan, into a list of fields;
//! writing a record walks that list, without look-ups by name and without allocation. What is drawn for
//! a record depends on its slot alone, so neither key, padding nor version says whether it belongs to an
//! incident.

mod added;
mod record;
mod resolve;
mod schema;

use floodmark_contracts::{
    clock::EventTime,
    event::{avro, confluent, json},
    profile::shape::RawFormat,
};

use self::added::Added;
pub(crate) use self::record::{Datum, Record, Source, fields as own_fields};
pub(crate) use self::resolve::{RunTimes, resolve};
pub use self::schema::SchemaIds;
pub(crate) use self::schema::default_schema;
use crate::draw::Key;

/// Characters of padding: six bits each, so that no codec shrinks it by more than a quarter.
const PADDING: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Name of the field that makes up for missing bytes.
const PADDING_FIELD: &str = "padding";
/// Ten characters use 60 of the 64 bits of a draw.
const CHARACTERS_A_DRAW: usize = 10;

/// A shape that is not the stream's own.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    format: RawFormat,
    key: KeyField,
    fields: Vec<Field>,
    /// What each further version of the schema has more than the one before it.
    further: Vec<Field>,
    versions: Versions,
    padding: Option<Padding>,
    /// Schemas by version; none in JSON.
    schemas: Vec<String>,
    draws: Key,
    partitions: Key,
}

/// Which field is the record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyField {
    /// The stream's entity, as always.
    Entity,
    Field(Source),
    None,
}

/// A field of a record, its name ready to be written.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    /// In JSON what stands in front of the value: `,"name":`, or with a brace for the first.
    prefix: Vec<u8>,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Ours(Source),
    Added(Added),
}

/// Which version of the schema a record is written with.
#[derive(Debug, Clone)]
struct Versions {
    /// Sums of the shares; the last is 1.
    sums: Vec<f64>,
    /// Event time from which on the version after those is written.
    evolve_at: Option<EventTime>,
    draws: Key,
}

#[derive(Debug, Clone)]
struct Padding {
    least: usize,
    prefix: Vec<u8>,
    draws: Key,
}

impl Shape {
    /// The Avro schemas by version; none for JSON.
    pub(crate) fn schemas(&self) -> &[String] {
        &self.schemas
    }

    /// Names of the fields of the first version, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// The name under which one of our fields is written; none if it is left out.
    pub(crate) fn name_of(&self, source: Source) -> Option<&str> {
        let ours = |field: &&Field| matches!(field.value, Value::Ours(found) if found == source);
        self.fields
            .iter()
            .find(ours)
            .map(|field| field.name.as_str())
    }

    /// Number of versions of the schema over the whole run.
    pub(crate) fn version_count(&self) -> usize {
        self.versions.sums.len() + usize::from(self.versions.evolve_at.is_some())
    }

    /// The partition of a record without a key: drawn by its slot. None if the key decides.
    pub(crate) fn partition(&self, slot: u64, partitions: u32) -> Option<i32> {
        if self.key != KeyField::None {
            return None;
        }
        let drawn = self.partitions.draws(slot).below(partitions);
        Some(i32::try_from(drawn).unwrap_or_default())
    }

    /// Whether records go where their entity's do.
    pub(crate) fn is_keyed_by_entity(&self) -> bool {
        self.key == KeyField::Entity
    }

    /// Whether records go where a field of theirs says that is not their entity.
    pub(crate) fn is_keyed_by_field(&self) -> bool {
        matches!(self.key, KeyField::Field(_))
    }

    /// Replaces the key by the one that the shape asks for.
    pub(crate) fn write_key(&self, record: Record<'_>, key: &mut Vec<u8>) {
        if self.key == KeyField::Entity {
            return;
        }
        key.clear();
        if let KeyField::Field(source) = self.key
            && let Datum::Text(text) = record.datum(source)
        {
            key.extend_from_slice(text.as_bytes());
        }
    }

    /// Appends the record's value to `out`, which is empty.
    pub(crate) fn write(
        &self,
        record: Record<'_>,
        (slot, at): (u64, EventTime),
        ids: SchemaIds,
        out: &mut Vec<u8>,
    ) {
        let version = self.versions.of(slot, at);
        match self.format {
            RawFormat::Json => self.write_json(record, (slot, at), version, out),
            RawFormat::Avro => {
                confluent::write_frame(out, ids.of(version));
                self.write_avro(record, (slot, at), version, out);
            }
        }
    }

    fn write_json(
        &self,
        record: Record<'_>,
        (slot, at): (u64, EventTime),
        version: usize,
        out: &mut Vec<u8>,
    ) {
        let mut draws = self.draws.draws(slot);
        let mut write = |fields: &[Field], out: &mut Vec<u8>| {
            for field in fields {
                match &field.value {
                    Value::Ours(source) => {
                        out.extend_from_slice(&field.prefix);
                        write_json_datum(out, record.datum(*source));
                    }
                    Value::Added(added) => added.write_json(&mut draws, at, &field.prefix, out),
                }
            }
        };
        write(&self.fields, out);
        if let Some(padding) = &self.padding {
            out.extend_from_slice(&padding.prefix);
            out.push(b'"');
            // The closing quote and brace count as well.
            padding.fill(slot, padding.least.saturating_sub(out.len() + 2), out);
            out.push(b'"');
        }
        write(&self.further[..version], out);
        out.push(b'}');
    }

    fn write_avro(
        &self,
        record: Record<'_>,
        (slot, at): (u64, EventTime),
        version: usize,
        out: &mut Vec<u8>,
    ) {
        let mut draws = self.draws.draws(slot);
        let mut write = |fields: &[Field], out: &mut Vec<u8>| {
            for field in fields {
                match &field.value {
                    Value::Ours(source) => write_avro_datum(out, record.datum(*source)),
                    Value::Added(added) => added.write_avro(&mut draws, at, out),
                }
            }
        };
        write(&self.fields, out);
        if let Some(padding) = &self.padding {
            // The length in front of the text takes a byte at least, so the sum is never too small.
            let count = padding.least.saturating_sub(out.len() + 1);
            avro::write_long(out, i64::try_from(count).unwrap_or_default());
            padding.fill(slot, count, out);
        }
        // The fields of further versions come last, so that a record of an older version, with nulls
        // after it, is one of the newest.
        write(&self.further[..version], out);
    }
}

impl Versions {
    /// The number of the version, from 0, of an event.
    fn of(&self, slot: u64, at: EventTime) -> usize {
        if self.evolve_at.is_some_and(|from| at >= from) {
            return self.sums.len();
        }
        if self.sums.len() == 1 {
            return 0;
        }
        let drawn = self.draws.draws(slot).unit();
        let found = self.sums.iter().position(|sum| drawn < *sum);
        found.unwrap_or(self.sums.len() - 1)
    }
}

impl Padding {
    /// Appends `count` characters, drawn by the slot.
    fn fill(&self, slot: u64, count: usize, out: &mut Vec<u8>) {
        let mut draws = self.draws.draws(slot);
        let mut left = count;
        while left > 0 {
            let bits = draws.bits();
            let now = left.min(CHARACTERS_A_DRAW);
            out.extend((0..now).map(|i| PADDING[(bits >> (6 * i)) as usize & 63]));
            left -= now;
        }
    }
}

fn write_json_datum(out: &mut Vec<u8>, datum: Datum<'_>) {
    match datum {
        Datum::Text(text) | Datum::Nullable(Some(text)) => json::text_field(out, "\"", text),
        Datum::Nullable(None) => out.extend_from_slice(b"null"),
        Datum::Long(value) => json::integer_field(out, "", value),
        Datum::Double(value) => json::number_field(out, "", value),
    }
}

fn write_avro_datum(out: &mut Vec<u8>, datum: Datum<'_>) {
    match datum {
        Datum::Text(text) => avro::write_text(out, text),
        Datum::Nullable(None) => avro::write_long(out, 0),
        Datum::Nullable(Some(text)) => {
            avro::write_long(out, 1);
            avro::write_text(out, text);
        }
        Datum::Long(value) => avro::write_long(out, value),
        Datum::Double(value) => avro::write_double(out, value),
    }
}
