use bytes::BytesMut;
use kafka_protocol::messages::RequestKind;
use proptest::prelude::*;

use super::*;
use crate::guard::schemas::SCHEMAS;

pub(crate) mod requests;

#[track_caller]
fn fault(key: i16, version: i16, body: &[u8]) -> GuardError {
    let schema = schemas::find(key).expect("served");
    check(body, schema, version).expect_err("must be refused")
}

fn encoded(schema: &Schema, version: i16) -> BytesMut {
    let mut body = BytesMut::new();
    let sample = requests::sample(schema.key, version);
    sample
        .encode(&mut body, version)
        .expect("a sample fits its version");
    body
}

/// Every request with something in every field, encoded by the library, is what the table says.
/// This is what keeps the table right: a wrong row would cut off real clients.
#[test]
fn the_table_agrees_with_the_encoder_for_every_version_served() {
    for schema in SCHEMAS {
        for version in schema.min..=schema.max {
            let body = encoded(schema, version);
            let outcome = check(&body, schema, version);
            assert_eq!(outcome, Ok(()), "{:?} version {version}", schema.key);
            let decoded = RequestKind::decode(schema.key, &mut body.into(), version);
            let sample = requests::sample(schema.key, version);
            assert_eq!(
                decoded.ok(),
                Some(sample),
                "{:?} version {version}",
                schema.key
            );
        }
    }
}

#[test]
fn every_api_is_in_the_table_once_and_unserved_ones_are_not() {
    for (n, schema) in SCHEMAS.iter().enumerate() {
        assert!(schema.min <= schema.max);
        assert!(
            SCHEMAS[..n].iter().all(|other| other.key != schema.key),
            "{:?}",
            schema.key
        );
    }
    const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
    for unserved in [CONSUMER_GROUP_HEARTBEAT, 9999, -1] {
        assert!(schemas::find(unserved).is_none());
    }
}

#[test]
fn the_versions_are_those_that_were_promised() {
    let promised = [(0, 3, 9), (1, 4, 12), (3, 0, 9), (28, 0, 3), (26, 0, 3)];
    for (key, min, max) in promised {
        let schema = schemas::find(key).expect("served");
        assert_eq!((schema.min, schema.max), (min, max), "{:?}", schema.key);
    }
}

#[test]
fn four_bytes_of_metadata_do_not_reserve_gigabytes() {
    let claimed = 0x7fff_ffff;
    assert_eq!(
        fault(3, 1, &[0x7f, 0xff, 0xff, 0xff]),
        GuardError::TooMany { claimed }
    );
    let compact = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0];
    assert_eq!(
        fault(3, 9, &compact),
        GuardError::TooMany {
            claimed: 0xffff_fffe
        }
    );
}

#[test]
fn arrays_in_arrays_share_one_limit() {
    // Topics with partition arrays that each fit, but not all together.
    let elements = MAX_ELEMENTS / 2 + 1;
    let topic = [
        &[0, 1, b't'][..],
        &(elements as i32).to_be_bytes(),
        &vec![0; elements * 4],
    ]
    .concat();
    let body = [&[0, 1, b'g'][..], &2i32.to_be_bytes(), &topic, &topic].concat();
    let schema = schemas::find(9).expect("served");
    assert!(matches!(
        check(&body, schema, 1),
        Err(GuardError::TooMany { .. })
    ));
    let one = [&[0, 1, b'g'][..], &1i32.to_be_bytes(), &topic].concat();
    assert_eq!(check(&one, schema, 1), Ok(()));
}

#[test]
fn bytes_too_few_and_senseless_are_told_apart_and_too_many_are_left_alone() {
    assert_eq!(fault(12, 0, &[0, 5, b'g']), GuardError::Truncated);
    assert_eq!(
        check(&[1, 2], schemas::find(18).expect("served"), 0),
        Ok(())
    );
    assert_eq!(fault(12, 0, &[0xff, 0xfe]), GuardError::BadLength);
    assert_eq!(
        fault(18, 3, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        GuardError::BadLength
    );
    assert_eq!(
        fault(18, 3, &[0xff, 0xff, 0xff, 0xff, 0x7f]),
        GuardError::BadLength
    );
}

proptest! {
    /// forall bytes, served APIs and versions: the guard never panics, and what it lets pass is
    /// decoded or refused without a panic or an abort.
    #[test]
    fn hostile_bodies_never_panic(
        body in proptest::collection::vec(any::<u8>(), 0..120),
        n in 0..SCHEMAS.len(),
        step in 0i16..12,
    ) {
        let schema = &SCHEMAS[n];
        let version = (schema.min + step).min(schema.max);
        if check(&body, schema, version).is_ok() {
            let _ = RequestKind::decode(schema.key, &mut body.into(), version);
        }
    }

    /// forall sound requests with a byte changed: the same.
    #[test]
    fn altered_requests_never_panic(
        n in 0..SCHEMAS.len(),
        step in 0i16..12,
        at in any::<prop::sample::Index>(),
        value: u8,
    ) {
        let schema = &SCHEMAS[n];
        let version = (schema.min + step).min(schema.max);
        let mut body = encoded(schema, version);
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = value;
        }
        if check(&body, schema, version).is_ok() {
            let _ = RequestKind::decode(schema.key, &mut body.into(), version);
        }
    }
}
