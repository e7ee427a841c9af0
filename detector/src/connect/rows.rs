//! Rows for files: as they are in their topic.

use std::collections::BTreeSet;

use floodmark_contracts::{
    clock::EventTime,
    row::{Row, RowKind},
};

use super::{
    Taken,
    files::{Column, Content, Holds},
};

/// Rows of some kinds.
#[derive(Debug)]
pub(super) struct Rows {
    kinds: BTreeSet<RowKind>,
}

impl Rows {
    /// Rows of these kinds.
    pub(super) fn new(kinds: &[RowKind]) -> Self {
        Self {
            kinds: kinds.iter().copied().collect(),
        }
    }
}

/// The fields of a row differ by its kind: they are JSON in one column.
const COLUMNS: [Column; 6] = [
    Column("kind", Holds::Text),
    Column("key", Holds::Text),
    Column("start", Holds::Instant),
    Column("end", Holds::Instant),
    Column("revision", Holds::Whole),
    Column("fields", Holds::Text),
];

impl Content for Rows {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn take(&mut self, value: &[u8], newest: &mut EventTime, out: &mut Vec<u8>) -> Taken {
        let Ok(row) = serde_json::from_slice::<Row>(value) else {
            return Taken::Invalid;
        };
        if !self.kinds.contains(&row.kind) {
            return Taken::Passed;
        }
        *newest = row.end.max(*newest);
        // Written anew: whatever the record looked like, it is one line.
        if serde_json::to_writer(&mut *out, &row).is_err() {
            return Taken::Invalid;
        }
        out.push(b'\n');
        Taken::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_other_kinds_are_passed_over() {
        let mut rows = Rows::new(&[RowKind::Session]);
        let mut out = Vec::new();
        let mut take = |text: &str| rows.take(text.as_bytes(), &mut EventTime(0), &mut out);
        let row = r#"{"kind":"session", "key":"u","start":1,"end":2,"revision":3,"fields":null}"#;
        assert_eq!(take(row), Taken::Kept);
        assert_eq!(take(&row.replace("session", "segment")), Taken::Passed);
        assert_eq!(take(&row.replace("session", "other")), Taken::Invalid);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            row.replace(", ", ",") + "\n"
        );
    }
}
