//! Ways in for the fuzz targets: what reads bytes from outside. Compiled with `--cfg fuzzing` only.

use std::{borrow::Cow, cell::RefCell, sync::LazyLock};

use floodmark_contracts::{profile::DetectorSection, stream::Stream};

use crate::{
    Engine, Places, Settings, Subject,
    engine::Lane,
    enrichment::EnrichmentStore,
    exactly_once::mark::{LONGEST_MARK, Mark},
    fraud,
    runtime::{Reader, Writer},
    schemas,
};

/// Every rule, rows and snapshots.
const SECTION: &str = r#"{
    "rows": {"enabled": true, "session_gap": "30m"},
    "adaptive": {"variant": "full"},
    "robust_z": {},
    "group_distance": {}
}"#;

/// Settings with everything on.
///
/// # Panics
/// If they are no settings any more.
#[must_use]
pub fn settings() -> Settings {
    let section: DetectorSection = serde_json::from_str(SECTION).expect("a section");
    Settings::validate(&section).expect("settings")
}

/// An engine with everything on and no partitions.
#[must_use]
pub fn engine() -> Engine {
    let bundled = Subject::Bundled(EnrichmentStore::default());
    Engine::new(&settings(), bundled, Stream::ALL).expect("an engine")
}

/// Leaves an engine without partitions, as it was made.
pub fn begin_anew(engine: &mut Engine) {
    for number in 0..4 {
        engine.give_up(lane(number));
    }
    engine.reset();
}

/// Takes what stands beside a committed offset. What is a mark is written as it was read.
pub fn mark(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(mark) = text.parse::<Mark>() {
        let written = mark.to_string();
        assert!(written.len() <= LONGEST_MARK, "{written}");
        assert_eq!(written.parse(), Ok(mark));
    }
}

/// Takes a whole snapshot, header included, and then its body as that of a lane that the first byte names. A body
/// that is taken for state is written again.
pub fn snapshot(bytes: &[u8]) {
    let _ = Reader::open(bytes, settings_hash());
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let lane = lane(*first);
    with_engine(|engine| {
        let mut reader = Reader::of_body(body);
        if engine.load(lane, &mut reader, 0).is_ok() {
            let mut writer = Writer::default();
            let frozen = engine.freeze(lane).expect("state that was read");
            frozen(&mut writer).expect("state that was read");
        }
    });
}

/// The snapshot of a lane, as [`snapshot`] takes it, after these records of a stream.
#[must_use]
pub fn snapshot_after(stream: Stream, records: &[Vec<u8>]) -> Vec<u8> {
    with_engine(|engine| {
        let lane = Lane::Input(stream, 0);
        engine.take_on(lane, 0);
        for record in records {
            let _ = engine.feed_lane(lane, record, 0);
        }
        let mut writer = Writer::default();
        engine.freeze(lane).expect("state")(&mut writer).expect("state");
        let sealed = writer.seal(settings_hash());
        let body = sealed.get(26..).unwrap_or_default();
        let first = Stream::ALL.iter().position(|of| *of == stream);
        [&[first.unwrap_or_default() as u8][..], body].concat()
    })
}

/// Takes a frame of the exchange.
pub fn frame(bytes: &[u8]) {
    with_engine(|engine| {
        engine.take_on(Lane::Exchange(0), 0);
        let _ = engine.feed_lane(Lane::Exchange(0), bytes, 0);
        let _ = engine.take(floodmark_contracts::clock::WallTime(0));
    });
}

/// Frames that these records of a stream give.
#[must_use]
pub fn frames_after(stream: Stream, records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    with_engine(|engine| {
        engine.take_on(Lane::Input(stream, 0), 0);
        for record in records {
            let _ = engine.feed_lane(Lane::Input(stream, 0), record, 0);
        }
        let frames = engine.take_frames(true);
        frames.into_iter().map(|(_, frame)| frame).collect()
    })
}

/// Takes what a registry says an id means.
pub fn schema(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = schemas::compare(7, text);
    }
}

/// Takes the body of a scorer's answer, which must be scores.
pub fn scores(bytes: &[u8]) {
    for wanted in 0..3 {
        if let Ok(scores) = fraud::read_answer(bytes, wanted) {
            assert_eq!(scores.len(), wanted);
            assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
        }
    }
}

/// Takes the text of a threshold's file.
pub fn threshold(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        match fraud::read_threshold(text) {
            Ok(value) => assert!((0.0..=1.0).contains(&value), "{value}"),
            Err(problem) => assert!(problem.len() < 400, "{problem}"),
        }
    }
}

/// Takes a GeoIP database, and asks it for addresses.
pub fn places(bytes: &[u8]) {
    let Ok(places) = Places::from_bytes(Cow::Owned(bytes.to_vec())) else {
        return;
    };
    for address in ["1.2.3.4", "255.255.255.255", "0.0.0.0", "2001:db8::1"] {
        let _ = places.country(address);
        let _ = places.place(address);
    }
}

/// Takes a record's value as the connectors to files do.
pub fn sink(bytes: &[u8]) {
    crate::connect::take_value(bytes);
}

/// Runs with an engine whose exchange goes over a topic, and which has no partitions.
fn with_engine<T>(run: impl FnOnce(&mut Engine) -> T) -> T {
    thread_local! {
        // Opening the GeoIP database takes milliseconds.
        static ENGINE: RefCell<Engine> = RefCell::new({
            let mut engine = engine();
            engine.exchange_over_topic(1, &Stream::ALL.map(|stream| (stream, 0)));
            engine
        });
    }
    ENGINE.with_borrow_mut(|engine| {
        begin_anew(engine);
        run(engine)
    })
}

fn lane(number: u8) -> Lane {
    match Stream::ALL.get(usize::from(number % 4)) {
        Some(stream) => Lane::Input(*stream, 0),
        None => Lane::Exchange(0),
    }
}

fn settings_hash() -> u64 {
    static HASH: LazyLock<u64> = LazyLock::new(|| settings().of_state());
    *HASH
}
