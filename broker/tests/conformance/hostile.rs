//! Versions nobody knows, and bytes that no client would send: the connection closes, the broker lives on.

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use kafka_protocol::protocol::Decodable;

use crate::clients::{create_topic, produce_values, read_values};
use crate::raw::{AT_ONCE, Raw, fetch_request, frame, text};
use crate::target::Target;

const UNSUPPORTED_VERSION: i16 = 35;
const METADATA: i16 = 3;
const FETCH: i16 = 1;

pub(crate) fn an_unknown_version_is_answered_in_the_oldest(target: &Target) {
    let mut raw = Raw::connect(target);
    let mut request = frame(3, &ApiVersionsRequest::default(), 77);
    request[6..8].copy_from_slice(&99_i16.to_be_bytes());
    raw.send_bytes(&request);
    let mut answer = raw.receive_frame();
    assert_eq!(
        answer.split_to(4).as_ref(),
        77_i32.to_be_bytes(),
        "the correlation id"
    );
    let response = ApiVersionsResponse::decode(&mut answer, 0).expect("the answer is of version 0");
    assert!(answer.is_empty(), "version 0 ends after its list");
    assert_eq!(response.error_code, UNSUPPORTED_VERSION);
    let own = response
        .api_keys
        .iter()
        .find(|key| key.api_key == 18)
        .expect("it lists itself");
    assert_eq!((own.min_version, own.max_version >= 3), (0, true));
    // The same connection is good for the second try.
    assert_eq!(raw.call(3, &introduction()).error_code, 0);
}

pub(crate) fn a_huge_array_closes_the_connection(target: &Target) {
    // Version 1 of Metadata is a count and that many names: four bytes ask for two thousand million of them.
    expect_hang_up(target, &request(METADATA, 1, &i32::MAX.to_be_bytes()));
    // In later versions the count is a variable-length number, one more than meant.
    expect_hang_up(target, &request(METADATA, 9, b"\0\xff\xff\xff\xff\x0f"));
}

pub(crate) fn a_missing_array_closes_the_connection(target: &Target) {
    let good = frame(11, &fetch_request("t", 0, AT_ONCE), 1);
    // The count of topics follows the fixed fields; where a list is not optional, -1 is no answer to "how many".
    let topics_at = good
        .windows(7)
        .position(|w| w == b"\0\0\0\x01\0\x01t")
        .unwrap();
    for count in [-1_i32, -2] {
        let mut bad = good.clone();
        bad[topics_at..topics_at + 4].copy_from_slice(&count.to_be_bytes());
        expect_hang_up(target, &bad);
    }
}

pub(crate) fn a_truncated_request_closes_the_connection(target: &Target) {
    let good = frame(11, &fetch_request("some-topic", 0, AT_ONCE), 1);
    for cut in [good.len() - 1, good.len() / 2, 14] {
        let mut bad = good[..cut].to_vec();
        bad[..4].copy_from_slice(&((cut - 4) as u32).to_be_bytes());
        expect_hang_up(target, &bad);
    }
    expect_hang_up(target, &request(FETCH, 11, b""));
}

pub(crate) fn garbage_closes_the_connection(target: &Target) {
    expect_hang_up(target, b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n");
    expect_hang_up(target, &request(9999, 0, b""));
    expect_hang_up(target, &request(METADATA, 99, b"\xff\xff\xff\xff"));
    expect_hang_up(target, &[0, 0, 0, 3, 1, 2, 3]);
}

pub(crate) fn an_oversized_frame_closes_the_connection(target: &Target) {
    expect_hang_up(target, &i32::MAX.to_be_bytes());
}

pub(crate) fn a_negative_frame_closes_the_connection(target: &Target) {
    expect_hang_up(target, &(-1_i32).to_be_bytes());
}

/// A client that dies in the middle of a request, and many of them at once.
pub(crate) fn half_a_frame_harms_nobody(target: &Target) {
    let good = frame(11, &fetch_request("some-topic", 0, AT_ONCE), 1);
    let mut pending: Vec<Raw> = (0..50).map(|_| Raw::connect(target)).collect();
    for raw in &mut pending {
        raw.send_bytes(&good[..good.len() / 2]);
    }
    expect_alive(target);
    drop(pending);
    expect_alive(target);
}

/// The versions on offer are those that are served.
pub(crate) fn advertised_versions(target: &Target) {
    let mut raw = Raw::connect(target);
    let response = raw.call(3, &introduction());
    assert_eq!(response.error_code, 0);
    let wanted = [(0, 3, 9), (1, 4, 12), (3, 0, 9), (28, 0, 3), (26, 0, 3)];
    for (key, min, max) in wanted {
        let found = response
            .api_keys
            .iter()
            .find(|k| k.api_key == key)
            .expect("the key is listed");
        assert_eq!(
            (found.min_version, found.max_version),
            (min, max),
            "api key {key}"
        );
    }
    assert!(
        response.finalized_features.is_empty(),
        "no features of later protocols"
    );
    for key in &response.api_keys {
        assert!(
            key.api_key < 68 || key.api_key > 69,
            "the later group protocol is not served"
        );
    }
}

fn introduction() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("conformance"))
        .with_client_software_version(text("1"))
}

/// A request with a header of the first kind and the given body.
fn request(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&api_key.to_be_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&1_i32.to_be_bytes());
    bytes.extend_from_slice(b"\0\x01x");
    bytes.extend_from_slice(body);
    let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
    framed.extend_from_slice(&bytes);
    framed
}

fn expect_hang_up(target: &Target, bytes: &[u8]) {
    let mut raw = Raw::connect(target);
    raw.send_bytes(bytes);
    raw.expect_hang_up();
    let mut other = Raw::connect(target);
    let answer = other.call(1, &MetadataRequest::default().with_topics(Some(Vec::new())));
    assert_eq!(answer.brokers.len(), 1, "the broker answers others");
}

fn expect_alive(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    produce_values(target, &topic, 0, &["alive"]);
    assert_eq!(read_values(target, &topic, "read_committed"), ["alive"]);
}
