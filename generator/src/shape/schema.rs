//! Avro schemas of shapes, and the ids that a registry gives them.

use floodmark_contracts::{
    event::{banking, clickstream, sensor},
    stream::Stream,
};
use serde_json::{Map, Value, json};

use super::{Field, PADDING_FIELD, Value as FieldValue};

/// Versions of a schema that one run can write: four side by side, and one that comes in mid-run.
pub(super) const MOST_VERSIONS: usize = 5;

/// Ids of a stream's Avro schemas, by version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaIds([u32; MOST_VERSIONS]);

impl Default for SchemaIds {
    /// 1, 2, 3 and so on: what records carry where no registry gives ids.
    fn default() -> Self {
        Self([1, 2, 3, 4, 5])
    }
}

impl SchemaIds {
    /// The ids of the versions in their order; further ones, which are not written, keep their defaults.
    #[must_use]
    pub fn new(ids: &[u32]) -> Self {
        let mut all = Self::default();
        all.0.iter_mut().zip(ids).for_each(|(to, id)| *to = *id);
        all
    }

    /// The version, from 0, that has this id.
    pub(crate) fn version(self, id: u32) -> Option<usize> {
        self.0.iter().position(|found| *found == id)
    }

    /// The id of a version, from 0.
    #[must_use]
    pub fn of(self, version: usize) -> u32 {
        self.0.get(version).copied().unwrap_or_default()
    }
}

/// The published schema of a stream's own records.
pub(crate) fn default_schema(stream: Stream) -> &'static str {
    match stream {
        Stream::Clickstream => clickstream::SCHEMA,
        Stream::Banking => banking::SCHEMA,
        Stream::Sensors => sensor::SCHEMA,
    }
}

/// The schema of a shape with some of its further fields.
pub(super) fn schema(stream: Stream, fields: &[Field], padded: bool, further: &[Field]) -> String {
    let mut schema: Value = serde_json::from_str(default_schema(stream)).unwrap_or_default();
    let published = schema["fields"].take();
    let padding = padded.then(|| json!({"name": PADDING_FIELD, "type": "string"}));
    let all = fields
        .iter()
        .map(|field| described(field, &published))
        .chain(padding)
        .chain(further.iter().map(|field| described(field, &published)))
        .collect();
    schema["fields"] = Value::Array(all);
    schema.to_string()
}

/// A field in a schema; ours keep their type and their documentation under another name.
fn described(field: &Field, published: &Value) -> Value {
    match &field.value {
        FieldValue::Ours(source) => {
            let ours = source.name();
            let fields = published.as_array().into_iter().flatten();
            let found = fields.into_iter().find(|field| field["name"] == ours);
            let mut described = found.cloned().unwrap_or_default();
            described["name"] = json!(field.name);
            described
        }
        FieldValue::Added(added) => {
            let mut described = Map::new();
            described.insert("name".to_owned(), json!(field.name));
            described.insert("type".to_owned(), added.avro_type());
            if added.is_optional() {
                described.insert("default".to_owned(), Value::Null);
            }
            Value::Object(described)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::record;

    #[test]
    fn published_schemas_have_the_fields_that_are_written_in_their_order() {
        for stream in Stream::ALL {
            let schema: Value = serde_json::from_str(default_schema(stream)).unwrap();
            let names: Vec<&str> = schema["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| field["name"].as_str().unwrap())
                .collect();
            // With all fields that a section can ask for.
            let section = serde_json::from_str(
                r#"{ "referrer": true, "population": { "types": { "a": { "share": 1 } } } }"#,
            )
            .unwrap();
            let ours: Vec<&str> = record::fields(stream, &section)
                .iter()
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(names, ours, "{stream}");
        }
    }

    #[test]
    fn versions_without_an_id_keep_their_number() {
        let ids = SchemaIds::new(&[17, 18]);
        assert_eq!([ids.of(0), ids.of(1), ids.of(2)], [17, 18, 3]);
    }
}
