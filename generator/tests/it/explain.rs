//! What `explain` says is what a run does.

use floodmark_contracts::{kind::Kind, profile::shape::RawFormat, stream::Stream};
use floodmark_generator::explain;

use super::{
    fixture::{all, all_events, resolved},
    shapes::shaped,
};

#[test]
fn events_bytes_and_labels_are_those_of_the_run() {
    let plan = all(5);
    let found = explain(&plan);
    let labels = floodmark_generator::labels(&plan);
    assert_eq!(
        (found.seed, found.duration_s, found.streams.len()),
        (5, 16.0, 3)
    );
    for stream in &found.streams {
        let events = all_events(&plan, stream.stream);
        // Drop-outs take readings away.
        assert!(stream.slots >= events.len() as u64 && stream.slots < events.len() as u64 + 200);
        let size: usize = events.iter().map(|e| e.key.len() + e.value.len()).sum();
        let error = stream.bytes.total / size as f64 - 1.0;
        assert!(error.abs() < 0.03, "{}: {error}", stream.stream);
        let own = labels.iter().filter(|label| label.stream == stream.stream);
        assert_eq!(stream.labels.values().sum::<usize>(), own.count());
        assert!(stream.labelled_events > 0 && stream.asked.contains_key("disorder"));
    }
    assert_eq!(found.streams[2].labels[&Kind::DropOut], 2);
    assert!(found.longest_delay_s > 0.5);
}

#[test]
fn a_shape_is_part_of_it() {
    let lines = "format: avro\nkey: session_id\nfields: { rename: { user_id: customer } }\nevolve_at: 8s\npad_bytes: 500";
    let found = explain(&resolved(shaped(Stream::Clickstream, lines)));
    let stream = &found.streams[0];
    assert_eq!(
        (stream.format, stream.key.as_str(), stream.versions),
        (RawFormat::Avro, "session_id", 2)
    );
    assert!(stream.fields.contains(&"customer".to_owned()));
    // The key is named as it is written, too.
    let renamed = "fields: { rename: { user_id: customer } }";
    let found = explain(&resolved(shaped(Stream::Clickstream, renamed)));
    assert_eq!(found.streams[0].key, "customer");
    assert!(
        (500.0..510.0).contains(&stream.bytes.value),
        "{}",
        stream.bytes.value
    );
}

#[test]
fn copies_and_malformed_records_are_expected_too() {
    let lines = "duplicates: { share: 0.1, delay: { uniform: { min: 0s, max: 1s } } }\nmalformed: { truncated: 0.05 }";
    let plan = resolved(shaped(Stream::Clickstream, lines));
    let found = &explain(&plan).streams[0];
    let records = all_events(&plan, Stream::Clickstream).len() as f64;
    assert!(
        (found.records as f64 / records - 1.0).abs() < 0.02,
        "{} of {records}",
        found.records
    );
    assert!(found.asked.contains_key("malformed") && !found.asked.contains_key("referrer"));
}
