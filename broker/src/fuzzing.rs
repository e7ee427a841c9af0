//! Ways in for the fuzz targets: what reads bytes off the wire. Compiled with `--cfg fuzzing` only.

use std::{
    io::{Cursor, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};

use crate::{
    clock::SystemClock,
    config::BrokerConfig,
    dispatch,
    frame::FrameReader,
    guard::schemas::SCHEMAS,
    log::{
        batch::{HEADER_BYTES, Header, Prepared, TimestampType},
        lookup,
    },
    registry,
    shared::Shared,
    topics::settings::TopicSettings,
};

#[path = "guard/tests/requests.rs"]
mod requests;

/// Takes what a connection sends, to a fresh broker with one topic. Nothing waits. Answers to what is refused end a
/// connection; here the next request comes all the same.
pub fn connection(bytes: &[u8]) {
    thread_local! {
        static SOCKET: (TcpStream, SocketAddr) = socket();
    }
    let config = BrokerConfig {
        memory_cap_bytes: 16 << 20,
        auto_create_partitions: Some(1),
        group_initial_rebalance_delay: Duration::ZERO,
        ..BrokerConfig::default()
    };
    let shared = Shared::new(&config, "here", 9092, Box::new(SystemClock::new()));
    shared.serve_without_waiting();
    let _ = shared.topics.create("events", 2, TopicSettings::default());
    let peer = SOCKET.with(|(stream, address)| {
        let stream = stream.try_clone().expect("a descriptor");
        shared
            .peers
            .admit(1, stream, *address, &shared.endpoint)
            .expect("room")
    });
    let mut frames = FrameReader::new(Cursor::new(bytes));
    while let Ok(Some(frame)) = frames.next() {
        if let Err(refusal @ dispatch::Refusal::Unencodable { .. }) =
            dispatch::answer(&shared, &peer, frame)
        {
            unreachable!("{refusal}");
        }
        shared.tick();
    }
    drop(Arc::clone(&peer));
}

/// A connection for each request in each of its versions, as a client's library writes it, with and without those
/// before it.
#[must_use]
pub fn connections() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut everything = Vec::new();
    for schema in SCHEMAS {
        for version in schema.min..=schema.max {
            let mut body = BytesMut::new();
            let sample = requests::sample(schema.key, version);
            sample.encode(&mut body, version).expect("a sample");
            let mut frame = Vec::new();
            for part in [schema.key as i16, version, 0, 77, 2] {
                frame.extend_from_slice(&part.to_be_bytes());
            }
            frame.extend_from_slice(b"me");
            if schema.is_flexible(version) {
                frame.push(0);
            }
            frame.extend_from_slice(&body);
            let whole = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
            if version == schema.max {
                everything.extend_from_slice(&whole);
            }
            all.push(whole);
        }
    }
    all.push(everything);
    all
}

/// Takes a record batch as a producer sends it. Length and checksum are put right first, so that what is behind them
/// is reached; without that only the checksum is tried.
pub fn batch(bytes: &[u8]) {
    let _ = Prepared::check(Bytes::copy_from_slice(bytes), TimestampType::CreateTime, 1);
    let mut sound = bytes.to_vec();
    if sound.len() < HEADER_BYTES {
        return;
    }
    let length = (sound.len() - 12) as u32;
    sound[8..12].copy_from_slice(&length.to_be_bytes());
    sound[16] = 2;
    let checksum = crc32c::crc32c(&sound[21..]);
    sound[17..21].copy_from_slice(&checksum.to_be_bytes());
    for timestamps in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
        let Ok(prepared) = Prepared::check(Bytes::from(sound.clone()), timestamps, 1) else {
            continue;
        };
        let header = prepared.header;
        let _ = header.last_sequence();
        let placed = prepared.place(5);
        assert_eq!(Header::read(&placed), Some(header));
        for (from, timestamp) in [(5, i64::MIN), (7, header.max_timestamp)] {
            if let Some(found) = lookup::first_at_or_after(&placed, 5, from, timestamp) {
                assert!(found.offset >= from && found.timestamp >= timestamp);
            }
        }
    }
}

/// A batch in each of the codecs.
#[must_use]
pub fn batches() -> Vec<Vec<u8>> {
    // Three records without keys: length, attributes, timestamp and offset deltas, key, value, headers.
    let records: Vec<u8> = (0..3u8)
        .flat_map(|n| [14, 0, n * 2, n * 2, 1, 2, b'v', 0])
        .collect();
    let packed = |codec: u8| match codec {
        1 => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            to.write_all(&records).expect("in memory");
            to.finish().expect("in memory")
        }
        2 => snap::raw::Encoder::new()
            .compress_vec(&records)
            .expect("in memory"),
        3 => {
            let mut to = lz4_flex::frame::FrameEncoder::new(Vec::new());
            to.write_all(&records).expect("in memory");
            to.finish().expect("in memory")
        }
        4 => zstd::encode_all(&records[..], 1).expect("in memory"),
        _ => records.clone(),
    };
    let batch = |codec: u8| {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[22] = codec;
        bytes[26] = 2;
        bytes[42] = 2;
        bytes[43..57].fill(0xff);
        bytes[60] = 3;
        bytes.extend_from_slice(&packed(codec));
        bytes
    };
    (0..5).map(batch).collect()
}

/// Takes bodies of requests to the registry, parted by bytes that no text has.
pub fn registry(bytes: &[u8]) {
    registry::take_bodies(bytes.split(|byte| *byte == 0xff));
}

fn socket() -> (TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    (TcpStream::connect(address).expect("loopback"), address)
}
