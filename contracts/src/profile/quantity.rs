//! Quantities in profiles are texts with a unit. These types hold nothing: they tell the JSON Schema which quantity a text is
//! (`#[schemars(with = "WallDuration")]`), so that editors check it and the reference of profiles names it.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// What a duration looks like to an editor; [`crate::units::parse_duration`] has the last word.
const DURATION: &str = r"^\s*[0-9][0-9.]*(us|ms|s|m|h|d)\s*$";

/// What a rate looks like to an editor; [`crate::units::parse_rate`] has the last word.
const RATE: &str = r"^\s*[0-9][0-9.]*[kM]?\s*/s\s*$";

/// A quantity with the words that the reference has for it.
macro_rules! quantity {
    ($(#[$about:meta])* $name:ident, $words:literal, $pattern:expr) => {
        $(#[$about])*
        #[derive(Debug)]
        pub enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "x-quantity": $words })
            }
        }
    };
}

quantity! {
    /// A duration on the wall's clock.
    WallDuration, "duration of wall time", DURATION
}

quantity! {
    /// A duration on the clock of the events.
    EventDuration, "duration of event time", DURATION
}

quantity! {
    /// A duration whose clock the section says in which it stands.
    EitherDuration, "duration", DURATION
}

quantity! {
    /// Events per second of wall time.
    EventRate, "rate", RATE
}

/// The value of a client's property: all are texts to the client, and YAML has numbers and truth for some of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum PropertyValue {
    /// As it stands.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// `true` or `false`.
    Truth(bool),
}

impl JsonSchema for PropertyValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PropertyValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "x-quantity": "text, number, `true` or `false`" })
    }
}

impl From<PropertyValue> for String {
    fn from(value: PropertyValue) -> Self {
        match value {
            PropertyValue::Text(text) => text,
            PropertyValue::Whole(number) => number.to_string(),
            PropertyValue::Number(number) => number.to_string(),
            PropertyValue::Truth(truth) => truth.to_string(),
        }
    }
}

/// Properties of a client, as the texts that it takes.
pub(super) fn properties<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, PropertyValue>::deserialize(from)?;
    Ok(values
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect())
}
