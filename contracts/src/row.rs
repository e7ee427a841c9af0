//! What the bundled detector counts: one JSON record per result of a window, for dashboards and stores.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::EventTime;

/// What a row is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A page's events in a minute.
    PageMinute,
    /// A country's events in a minute.
    CountryMinute,
    /// A visit: events of a user without a longer gap between them.
    Session,
    /// The visits of a segment that ended within five minutes.
    Segment,
}

impl RowKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::PageMinute,
        Self::CountryMinute,
        Self::Session,
        Self::Segment,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PageMinute => "page-minute",
            Self::CountryMinute => "country-minute",
            Self::Session => "session",
            Self::Segment => "segment",
        }
    }
}

/// Some of the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowKinds(u8);

impl RowKinds {
    /// The kinds that are named, or all if none is.
    #[must_use]
    pub fn named(kinds: &[RowKind]) -> Self {
        match kinds {
            [] => Self::of(&RowKind::ALL),
            kinds => Self::of(kinds),
        }
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, kind: RowKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// True if there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A number of its own for each choice, for hashes.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    fn of(kinds: &[RowKind]) -> Self {
        Self(kinds.iter().fold(0, |bits, kind| bits | 1 << *kind as u8))
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The result of one window for one key.
///
/// Kind, key and start say which result it is. A late event makes it come again with a higher revision;
/// whoever keeps rows keeps the one with the highest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// What it is about.
    pub kind: RowKind,
    /// Page, country, user or segment.
    pub key: String,
    /// First instant of the window.
    pub start: EventTime,
    /// First instant after it.
    pub end: EventTime,
    /// Grows with every correction of the same result.
    pub revision: u64,
    /// The result; `null` if a correction has put the window together with another one, and there is no such
    /// result any more.
    pub fields: Option<BTreeMap<String, Value>>,
}

impl Row {
    /// The key of the row's record: all rows about one thing are in one partition, in order.
    #[must_use]
    pub fn record_key(&self) -> String {
        format!("{}|{}", self.kind, self.key)
    }

    /// Name of the topic of a group's rows.
    #[must_use]
    pub fn topic_of(group: &str) -> String {
        format!("{group}.rows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_the_names_that_are_shown() {
        for kind in RowKind::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.name());
        }
    }

    #[test]
    fn a_row_comes_back_and_a_withdrawn_one_has_null_fields() {
        let mut row = Row {
            kind: RowKind::PageMinute,
            key: "/home".into(),
            start: EventTime(60_000),
            end: EventTime(120_000),
            revision: 35,
            fields: Some(BTreeMap::from([("events".into(), 35.into())])),
        };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(
            text,
            r#"{"kind":"page-minute","key":"/home","start":60000,"end":120000,"revision":35,"fields":{"events":35}}"#
        );
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
        row.fields = None;
        assert!(
            serde_json::to_string(&row)
                .unwrap()
                .ends_with(r#""fields":null}"#)
        );
        assert_eq!(row.record_key(), "page-minute|/home");
    }
}
