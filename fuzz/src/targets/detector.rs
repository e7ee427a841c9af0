//! What the bundled detector reads: records, its own state, and answers of other parts.

use std::{cell::RefCell, sync::LazyLock};

use floodmark_contracts::{
    alert::Alert, clock::WallTime, event::banking, geo::COUNTRY_MMDB, stream::Stream,
};
use floodmark_detector::{
    Engine, Output,
    fraud::{Model, ScoreRequest, Vector},
    fuzzing,
};

use crate::seeds::{records, texts};

/// Records of any stream, in any order: none stops the engine, and every alert that comes of them can be read.
///
/// ```text
/// input = (place u8 | length u16, little-endian | value)*     place = stream + 4 * partition
/// ```
pub fn engine(mut bytes: &[u8]) {
    thread_local! {
        // Opening the GeoIP database takes milliseconds.
        static ENGINE: RefCell<Engine> = RefCell::new(fuzzing::engine());
    }
    ENGINE.with_borrow_mut(|engine| {
        fuzzing::begin_anew(engine);
        for stream in Stream::ALL {
            (0..2).for_each(|partition| engine.assign(stream, partition, 0));
        }
        let mut wall_us = 0;
        while let Some(([place, low, high], rest)) = bytes.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
            let (value, rest) = rest.split_at(length);
            bytes = rest;
            let partition = i32::from(place / 4 % 2);
            match Stream::ALL.get(usize::from(place % 4)) {
                Some(stream) => {
                    if let Err(reason) = engine.feed(*stream, partition, value, wall_us) {
                        assert!(!reason.is_empty());
                    }
                }
                // Time passes for partitions that have nothing to read.
                None => {
                    Stream::ALL
                        .iter()
                        .for_each(|stream| engine.reached_end(*stream, partition));
                    wall_us += 2_000_000;
                    engine.tick(wall_us);
                }
            }
            engine.take(WallTime(0)).iter().for_each(check);
        }
    });
}

fn check(output: &Output) {
    if let Output::Alert(alert) = output {
        let written = serde_json::to_vec(alert).expect("an alert");
        let read = serde_json::from_slice::<Alert>(&written).expect("what we wrote");
        assert!(read.start <= read.end, "{read:?}");
    }
}

pub fn engine_seeds() -> Vec<Vec<u8>> {
    let of_stream = |(place, stream): (u8, Stream)| {
        let mut input = Vec::new();
        for (number, value) in (0u8..).zip(records(stream, 60)) {
            input.push(place + 4 * (number % 2));
            input.extend_from_slice(&(value.len() as u16).to_le_bytes());
            input.extend_from_slice(&value);
        }
        input.extend_from_slice(&[3, 0, 0, 7, 0, 0, 3, 0, 0]);
        input
    };
    let mut all: Vec<Vec<u8>> = (0..).zip(Stream::ALL).map(of_stream).collect();
    all.push(all.concat());
    all
}

pub fn mark(bytes: &[u8]) {
    fuzzing::mark(bytes);
}

pub fn mark_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "v1;00000000000000000012-a-1;12;13:1749531840000,20:-5",
        "v1;;0;",
        "v1;a;9223372036854775807;",
    ])
}

pub fn snapshot(bytes: &[u8]) {
    fuzzing::snapshot(bytes);
}

pub fn snapshot_seeds() -> Vec<Vec<u8>> {
    let of =
        |stream| [0, 3, 40].map(|count| fuzzing::snapshot_after(stream, &records(stream, count)));
    Stream::ALL.into_iter().flat_map(of).collect()
}

pub fn frame(bytes: &[u8]) {
    fuzzing::frame(bytes);
}

pub fn frame_seeds() -> Vec<Vec<u8>> {
    let of = |stream| fuzzing::frames_after(stream, &records(stream, 2_000));
    let mut all: Vec<Vec<u8>> = Stream::ALL.into_iter().flat_map(of).collect();
    all.iter_mut().for_each(|frame| frame.truncate(16_384));
    all
}

pub fn schema(bytes: &[u8]) {
    fuzzing::schema(bytes);
}

pub fn schema_seeds() -> Vec<Vec<u8>> {
    texts(&[
        banking::SCHEMA,
        "\"string\"",
        r#"{"fields":[{"name":"a","type":["null",{"type":"int"}]}]}"#,
    ])
}

/// What a scorer is asked and answers, a model's file, and a threshold's.
pub fn scorer(bytes: &[u8]) {
    fuzzing::scores(bytes);
    fuzzing::threshold(bytes);
    static COMPILED_IN: LazyLock<Model> =
        LazyLock::new(|| Model::compiled_in().expect("the compiled-in model"));
    if let Ok(request) = serde_json::from_slice::<ScoreRequest>(bytes) {
        let answer = request.answer(&COMPILED_IN);
        assert_eq!(answer.scores.len(), request.sessions.len());
        assert!(
            answer
                .scores
                .iter()
                .all(|score| (0.0..=1.0).contains(score)),
            "{answer:?}"
        );
    }
    if let Ok(model) = std::str::from_utf8(bytes)
        .map_err(drop)
        .and_then(|text| Model::parse(text).map_err(drop))
    {
        let odds = model.log_odds(&Vector::default());
        assert!(!odds.is_nan(), "{odds}");
        let text = model.to_text().expect("a model");
        assert_eq!(Model::parse(&text).expect("what we wrote"), model);
    }
}

pub fn scorer_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"sessions":[{"session_id":"s","user_id":"u","at":1,"features":{"new-device":1},"known":{"device_risk":1.0,"status":"locked"}}]}"#,
        r#"{"scores":[0.5,1]}"#,
        r#"{"base":-1.5,"trees":[{"levels":[["new-device",0.5],["transfers",0.5]],"leaves":[0.0,0.5,0.25,3.0]}]}"#,
        "0.8\n",
    ])
}

pub fn geoip(bytes: &[u8]) {
    fuzzing::places(bytes);
}

/// The end of the compiled-in database, which holds what all of it is about; whole it would be too much to mutate.
pub fn geoip_seeds() -> Vec<Vec<u8>> {
    let end = COUNTRY_MMDB.len().saturating_sub(4096);
    vec![COUNTRY_MMDB[end..].to_vec(), small_database()]
}

/// A database of one node, of which both sides lead to one entry.
fn small_database() -> Vec<u8> {
    let text = |text: &str| [&[0x40 + text.len() as u8][..], text.as_bytes()].concat();
    let number = |number: u8| vec![0xa1, number];
    let mut all = vec![0, 0, 17, 0, 0, 17];
    all.extend_from_slice(&[0; 16]);
    all.extend([&[0xe1][..], &text("country_code"), &text("DE")].concat());
    all.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let fields = [
        ("node_count", number(1)),
        ("record_size", number(24)),
        ("ip_version", number(4)),
        ("binary_format_major_version", number(2)),
        ("binary_format_minor_version", number(0)),
        ("build_epoch", number(1)),
        ("database_type", text("test")),
        ("languages", vec![0x00, 0x04]),
        ("description", vec![0xe0]),
    ];
    all.push(0xe0 + fields.len() as u8);
    for (name, value) in fields {
        all.extend(text(name));
        all.extend(value);
    }
    all
}

pub fn sink(bytes: &[u8]) {
    fuzzing::sink(bytes);
}

pub fn sink_seeds() -> Vec<Vec<u8>> {
    let mut all = records(Stream::Clickstream, 6);
    all.extend(texts(&[
        r#"{"kind":"page-minute","key":"/home","start":1749531600000,"end":1749531660000,"revision":0,"fields":{"events":3}}"#,
    ]));
    all
}
