//! Spoiling a record.

use floodmark_contracts::event::confluent::FRAME_LEN;
use serde_json::{Map, Value};

use super::Malformation;
use crate::draw::{Draws, Key, Purpose};

/// How far an unknown schema id lies above the known one: registries count up from 1.
const UNKNOWN_ID_OFFSET: u32 = 1_000_000;
/// Our fields that a record can be without.
const OPTIONAL: [&str; 2] = ["referrer", "sensor_type"];

/// Spoils the value of a slot's record in place. What exactly goes wrong is drawn from the slot.
pub(crate) fn malform(kind: Malformation, value: &mut Vec<u8>, key: Key, slot: u64) {
    let mut draws = key.purpose(Purpose::Malform).draws(slot);
    match kind {
        Malformation::BadJson => bad_json(value, &mut draws),
        Malformation::MissingField => change_fields(value, |fields| {
            // Without a field that readers can do without, the record would still be one.
            let needed = |name: &&String| !OPTIONAL.contains(&name.as_str());
            let names: Vec<String> = fields.keys().filter(needed).cloned().collect();
            let field = draw_name(&names, &mut draws);
            fields.shift_remove(&field);
        }),
        Malformation::WrongType => change_fields(value, |fields| {
            let names: Vec<String> = fields.keys().cloned().collect();
            let field = draw_name(&names, &mut draws);
            if let Some(content) = fields.get_mut(&field) {
                *content = another_type(content);
            }
        }),
        Malformation::UnknownSchema => {
            if let Some(id) = value.get_mut(1..FRAME_LEN)
                && let Ok(known) = <[u8; 4]>::try_from(&*id)
            {
                let unknown = u32::from_be_bytes(known).wrapping_add(UNKNOWN_ID_OFFSET);
                id.copy_from_slice(&unknown.to_be_bytes());
            }
        }
        Malformation::Truncated => truncate(value, &mut draws),
    }
}

/// Replaces one of the colons between name and content by an equals sign.
fn bad_json(value: &mut [u8], draws: &mut Draws) {
    let colons: Vec<usize> = (1..value.len())
        .filter(|at| value[at - 1] == b'"' && value[*at] == b':')
        .collect();
    let number = draws.below(u32::try_from(colons.len()).unwrap_or(u32::MAX));
    if let Some(at) = colons.get(number as usize) {
        value[*at] = b'=';
    }
}

/// Cuts off at least the last byte, and leaves at least the first.
fn truncate(value: &mut Vec<u8>, draws: &mut Draws) {
    let longest = u32::try_from(value.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let kept = 1 + draws.below(longest.saturating_sub(1));
    value.truncate(kept as usize);
}

fn change_fields(value: &mut Vec<u8>, change: impl FnOnce(&mut Map<String, Value>)) {
    // The record was encoded right before, so it does parse.
    if let Ok(Value::Object(mut fields)) = serde_json::from_slice(value) {
        change(&mut fields);
        value.clear();
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(value, &fields);
    }
}

fn draw_name(names: &[String], draws: &mut Draws) -> String {
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let number = draws.below(count) as usize;
    names.get(number).cloned().unwrap_or_default()
}

/// A content that no reader of the field takes for one of its own: an object where there was a plain
/// value.
fn another_type(content: &Value) -> Value {
    let mut object = Map::new();
    object.insert("value".to_owned(), content.clone());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::event::{
        clickstream::ClickEvent, confluent::split_frame, sensor::SensorReading,
    };
    use proptest::prelude::*;

    use super::*;

    const CLICK: &str = r#"{"event_id":"a:b","user_id":"user-1","session_id":"s","event_type":"click","page_url":"/home","timestamp":5,"ip_address":"1.2.3.4","country":"DE","device_type":"mobile"}"#;

    proptest! {
        /// forall slots: a malformed record is refused, and is the same when made again.
        #[test]
        fn no_malformed_record_is_accepted(slot: u64) {
            for kind in [Malformation::BadJson, Malformation::MissingField, Malformation::WrongType, Malformation::Truncated] {
                let spoilt = |slot| {
                    let mut value = CLICK.as_bytes().to_vec();
                    malform(kind, &mut value, Key::root(1), slot);
                    value
                };
                prop_assert!(ClickEvent::decode(&spoilt(slot)).is_err(), "{kind:?}");
                prop_assert!(!spoilt(slot).is_empty());
                prop_assert_eq!(spoilt(slot), spoilt(slot));
            }
        }
    }

    #[test]
    fn a_field_that_is_missing_is_never_one_that_readers_can_do_without() {
        let reading = br#"{"sensor_id":"s","value":1.5,"timestamp":5,"sensor_type":"humidity"}"#;
        for slot in 0..50 {
            let mut value = reading.to_vec();
            malform(Malformation::MissingField, &mut value, Key::root(1), slot);
            assert!(SensorReading::decode(&value).is_err(), "{slot}");
        }
    }

    #[test]
    fn an_unknown_schema_changes_the_id_alone() {
        let mut value = vec![0, 0, 0, 0, 7, 1, 2, 3];
        malform(Malformation::UnknownSchema, &mut value, Key::root(1), 0);
        assert_eq!(split_frame(&value).unwrap(), (1_000_007, &[1, 2, 3][..]));
    }
}
