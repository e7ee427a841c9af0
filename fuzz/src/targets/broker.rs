//! What the embedded broker and registry read off the wire.

use floodmark_broker::fuzzing;
use floodmark_contracts::event::{banking, clickstream, sensor};

/// Requests of a connection: each is refused or answered, and no answer cannot be encoded.
pub fn connection(bytes: &[u8]) {
    fuzzing::connection(bytes);
}

pub fn connection_seeds() -> Vec<Vec<u8>> {
    fuzzing::connections()
}

/// A record batch: its header stays what it was, and what is found in it lies where it was looked for.
pub fn batch(bytes: &[u8]) {
    fuzzing::batch(bytes);
}

pub fn batch_seeds() -> Vec<Vec<u8>> {
    fuzzing::batches()
}

/// Bodies of requests to the registry: what it keeps it takes again under the same id.
pub fn registry(bytes: &[u8]) {
    fuzzing::registry(bytes);
}

pub fn registry_seeds() -> Vec<Vec<u8>> {
    let body = |schema: &str| {
        serde_json::json!({ "schema": schema })
            .to_string()
            .into_bytes()
    };
    let mut all: Vec<Vec<u8>> = [
        banking::SCHEMA,
        clickstream::SCHEMA,
        sensor::SCHEMA,
        "\"string\"",
        r#"{"type":"record","name":"a","fields":[{"name":"b","type":["null",{"type":"array","items":"a"}],"default":null}]}"#,
        r#"{"type":"enum","name":"e","symbols":["A","B"],"default":"A"}"#,
        r#"{"type":"fixed","name":"f","size":16,"logicalType":"decimal","precision":9,"scale":2}"#,
        r#"{"type":"map","values":["int","long",{"type":"bytes","logicalType":"decimal","precision":4}]}"#,
    ]
    .map(body)
    .to_vec();
    all.push([&all[0][..], &[0xff], &all[4], &[0xff], &all[1]].concat());
    all.push(br#"{"compatibility":"FULL_TRANSITIVE"}"#.to_vec());
    all.push(br#"{"mode":"READONLY"}"#.to_vec());
    all
}
