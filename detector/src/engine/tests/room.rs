//! The law: how much of state memory has room for changes nothing of what comes out.

use floodmark_contracts::profile::detector::{AdaptiveVariant, RobustZSection};

use super::*;
use crate::settings::Room;

/// Everything on, within so much memory.
fn engine_within(bytes: Option<u64>) -> Engine {
    let mut section = DetectorSection {
        allowed_lateness: "10s".to_owned(),
        robust_z: Some(RobustZSection::default()),
        ..DetectorSection::default()
    };
    section.rows.enabled = true;
    section.rows.session_gap = "1m".to_owned();
    section.adaptive.variant = AdaptiveVariant::Light;
    let mut settings = Settings::validate(&section).unwrap();
    if let Some(bytes) = bytes {
        settings.state = Room::of_bytes(bytes);
    }
    let subject = Subject::Bundled(EnrichmentStore::default());
    Engine::new(&settings, subject, Stream::ALL).unwrap()
}

/// What comes out of an engine that is fed the logs in turns, and what it holds on disk at the end. After every
/// twelfth part it is saved, and with `reborn` another one goes on in its place.
fn run(
    logs: &[(Stream, i32, Vec<Vec<u8>>)],
    bytes: Option<u64>,
    reborn: bool,
) -> (Vec<String>, StateSize) {
    const PARTS: usize = 12;
    let mut engine = engine_within(bytes);
    let lanes = logs
        .iter()
        .map(|(stream, lane, _)| Lane::Input(*stream, *lane));
    let lanes: Vec<Lane> = lanes.collect();
    lanes.iter().for_each(|lane| engine.take_on(*lane, 0));
    let (mut out, mut size) = (Vec::new(), StateSize::default());
    for part in 0..PARTS {
        for (stream, lane, log) in logs {
            let bound = |part: usize| log.len() * part / PARTS;
            for value in &log[bound(part)..bound(part + 1)] {
                engine.feed(*stream, *lane, value, 0).unwrap();
            }
        }
        engine.check().unwrap();
        let outputs = engine.take(WallTime(0)).into_iter();
        out.extend(outputs.map(|output| format!("{output:?}")));
        size = StateSize::default();
        Stream::ALL
            .iter()
            .for_each(|stream| size.add(engine.size(*stream)));
        let mut next = engine_within(bytes);
        for lane in lanes.iter().chain([&Lane::Exchange(0)]) {
            let mut writer = Writer::default();
            engine.save(*lane, &mut writer).unwrap();
            let sealed = writer.seal(3);
            let mut reader = Reader::open(&sealed, 3).unwrap();
            next.load(*lane, &mut reader, 0).unwrap();
            reader.end().unwrap();
        }
        if reborn {
            engine = next;
        }
    }
    (out, size)
}

#[test]
fn outputs_are_the_same_in_the_same_order_within_any_memory() {
    for seed in 1..=2 {
        let logs = Workload::new(seed).logs(2);
        let (expected, size) = run(&logs, None, false);
        assert!(expected.len() > 300, "{}", expected.len());
        assert_eq!((size.disk_keys, size.disk_reads), (0, 0));
        for (bytes, reborn) in [(0, false), (64 * 1024, false), (64 * 1024, true)] {
            let (found, size) = run(&logs, Some(bytes), reborn);
            assert!(size.disk_keys > 0 && size.disk_reads > 0, "{size:?}");
            let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
            assert_eq!(
                differs, None,
                "seed {seed}, {bytes} bytes, reborn: {reborn}"
            );
            assert_eq!(found.len(), expected.len());
        }
    }
}
