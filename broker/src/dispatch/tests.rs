use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiVersionsResponse, ResponseKind};
use proptest::prelude::*;

use super::*;
use crate::clock::SystemClock;
use crate::config::BrokerConfig;
use crate::guard::schemas::{SCHEMAS, Schema};
use crate::guard::tests::requests;
use crate::topics::settings::TopicSettings;

/// A broker without threads, and one connection to it.
struct Bench {
    shared: Shared,
    peer: Arc<Peer>,
    _client: TcpStream,
}

impl Bench {
    fn new() -> Self {
        let shared = Shared::new(
            &BrokerConfig::default(),
            "here",
            9092,
            Box::new(SystemClock::new()),
        );
        shared
            .topics
            .create("events", 2, TopicSettings::default())
            .expect("new");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback");
        let (stream, address) = listener.accept().expect("loopback");
        let peer = shared
            .peers
            .admit(1, stream, address, &shared.endpoint)
            .expect("room");
        Self {
            shared,
            peer,
            _client: client,
        }
    }

    fn answer(&self, frame: &[u8]) -> Result<Option<Bytes>, Refusal> {
        Ok(match answer(&self.shared, &self.peer, frame)? {
            Answer::None => None,
            Answer::Whole(bytes) => Some(bytes.into()),
            Answer::Parts(parts) => Some(parts.concat().into()),
        })
    }
}

fn header(key: i16, version: i16, is_flexible: bool) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.write_all(&key.to_be_bytes()).expect("in memory");
    frame.write_all(&version.to_be_bytes()).expect("in memory");
    frame
        .write_all(&[0, 0, 0, 77, 0, 2, b'm', b'e'])
        .expect("in memory");
    if is_flexible {
        frame.push(0);
    }
    frame
}

fn sample_frame(schema: &Schema, version: i16) -> Vec<u8> {
    let mut body = BytesMut::new();
    let sample = requests::sample(schema.key, version);
    sample
        .encode(&mut body, version)
        .expect("a sample fits its version");
    [
        header(schema.key as i16, version, schema.is_flexible(version)),
        body.to_vec(),
    ]
    .concat()
}

#[test]
fn every_request_of_every_version_is_answered_in_its_format() {
    for schema in SCHEMAS {
        for version in schema.min..=schema.max {
            let bench = Bench::new();
            let what = format!("{:?} version {version}", schema.key);
            let answer = bench.answer(&sample_frame(schema, version)).expect(&what);
            let mut bytes = answer.expect(&what);
            assert_eq!(bytes.get_i32() as usize, bytes.len(), "{what}: its length");
            assert_eq!(bytes.get_i32(), 77, "{what}: its correlation id");
            if schema.key.response_header_version(version) > 0 {
                assert_eq!(bytes.get_u8(), 0, "{what}: no tags");
            }
            ResponseKind::decode(schema.key, &mut bytes, version).expect(&what);
            assert!(bytes.is_empty(), "{what} leaves bytes over");
        }
    }
}

#[test]
fn a_newer_api_versions_is_answered_in_the_oldest_format() {
    let bench = Bench::new();
    let mut frame = header(18, 99, false);
    frame.extend_from_slice(b"whatever a later version has here");
    let mut bytes = bench.answer(&frame).expect("answered").expect("not silent");
    bytes.advance(8);
    let response = match ResponseKind::decode(ApiKey::ApiVersions, &mut bytes, 0) {
        Ok(ResponseKind::ApiVersions(response)) => response,
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(
        response.error_code,
        ResponseError::UnsupportedVersion.code()
    );
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!(response.api_keys[0].api_key, 18);
}

#[test]
fn no_features_are_named() {
    let bench = Bench::new();
    let schema = SCHEMAS
        .iter()
        .find(|s| s.key == ApiKey::ApiVersions)
        .expect("served");
    let mut bytes = bench
        .answer(&sample_frame(schema, 3))
        .expect("answered")
        .expect("not silent");
    bytes.advance(8);
    let response = match ResponseKind::decode(ApiKey::ApiVersions, &mut bytes, 3) {
        Ok(ResponseKind::ApiVersions(response)) => response,
        other => panic!("unexpected {other:?}"),
    };
    let expected = ApiVersionsResponse::default().with_api_keys(response.api_keys.clone());
    assert_eq!(response, expected, "nothing but the versions");
    assert_eq!(response.api_keys.len(), SCHEMAS.len());
}

#[test]
fn what_is_not_served_is_refused() {
    let bench = Bench::new();
    for (key, version) in [(9999, 0), (3, 99), (0, 2), (68, 0), (-1, 0)] {
        let refusal = bench
            .answer(&header(key, version, false))
            .expect_err("refused");
        assert!(
            matches!(refusal, Refusal::NotServed { .. }),
            "{key} version {version}"
        );
    }
    assert!(matches!(bench.answer(&[0, 3]), Err(Refusal::Header(_))));
    let truncated = header(3, 1, false);
    assert!(matches!(
        bench.answer(&truncated),
        Err(Refusal::Malformed { .. })
    ));
}

proptest! {
    /// forall bytes: serving them never panics.
    #[test]
    fn hostile_frames_never_panic(frame in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Bench::new().answer(&frame);
    }

    /// forall sound requests that wait for nobody, with a byte of the body changed: the same.
    #[test]
    fn altered_frames_never_panic(
        n in 0..SCHEMAS.len(),
        step in 0i16..12,
        at in any::<prop::sample::Index>(),
        value: u8,
    ) {
        let schema = &SCHEMAS[n];
        // An altered member id may make a join or a fetch that waits, and here nothing ends it.
        let waits = [ApiKey::JoinGroup, ApiKey::SyncGroup, ApiKey::Fetch, ApiKey::Produce];
        if !waits.contains(&schema.key) {
            let version = (schema.min + step).min(schema.max);
            let mut frame = sample_frame(schema, version);
            let body = 12..frame.len();
            if !body.is_empty() {
                let at = body.start + at.index(body.len());
                frame[at] = value;
            }
            let _ = Bench::new().answer(&frame);
        }
    }
}
