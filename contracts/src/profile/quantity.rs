//! Quantities in profiles are texts with a unit. These types hold nothing: they tell the JSON Schema which quantity a text is
//! (`#[schemars(with = "WallDuration")]`), so that editors check it and the reference of profiles names it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

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
