//! What is committed beside an offset: where the state that belongs to it comes from.
//!
//! ```text
//! v1;snapshot;S;offset:watermark,offset:watermark,...
//! ```
//! The state at the committed offset C is that of the snapshot at S, after the records S..C and the
//! listed advances of the watermark, each before the record at its offset. Without a snapshot (nothing
//! between the first two semicolons) it begins empty at S.

use std::{fmt, str::FromStr};

use floodmark_contracts::clock::EventTime;

/// Advances that a mark may list; with more of them a snapshot is due.
pub const MOST_ADVANCES: usize = 8;

/// Longest mark, bytes. Brokers allow 4,096, and keep marks in memory.
pub const LONGEST_MARK: usize = 512;

/// Longest name of a snapshot: with eight advances of the longest numbers a mark stays short enough.
const LONGEST_NAME: usize = 120;

/// The watermark moved without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Before the record at this offset, or at a later one if there is none at it.
    pub offset: i64,
    /// To here.
    pub to: EventTime,
}

/// What is committed beside an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name of the snapshot; `None` for state that begins empty.
    pub snapshot: Option<String>,
    /// Offset that the snapshot was taken at: the first record that it does not hold.
    pub offset: i64,
    /// What moved since, in order.
    pub advances: Vec<Advance>,
}

/// Why a committed text is no mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no mark of this detector: {what}; expected `v1;snapshot;offset;offset:watermark,...`"
)]
pub struct MarkError {
    /// The text, or its beginning.
    pub text: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// True if a snapshot may be called so: the name must not end a field, nor leave its folder.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.snapshot.as_deref().unwrap_or_default();
        write!(f, "v1;{name};{};", self.offset)?;
        for (i, advance) in self.advances.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{}:{}", advance.offset, advance.to.0)?;
        }
        Ok(())
    }
}

impl FromStr for Mark {
    type Err = MarkError;

    fn from_str(text: &str) -> Result<Self, MarkError> {
        let wrong = |what| MarkError {
            text: text.chars().take(80).collect(),
            what,
        };
        if text.len() > LONGEST_MARK {
            return Err(wrong("it is longer than 512 bytes"));
        }
        let fields: Vec<&str> = text.split(';').collect();
        let [version, name, offset, advances] = fields[..] else {
            return Err(wrong("it has not four fields"));
        };
        if version != "v1" {
            return Err(wrong("it is of another version"));
        }
        if !name.is_empty() && !is_name(name) {
            return Err(wrong("its snapshot has no proper name"));
        }
        let offset = number(offset).ok_or_else(|| wrong("its offset is none"))?;
        let mut listed: Vec<Advance> = Vec::new();
        for part in advances.split(',').filter(|_| !advances.is_empty()) {
            let advance = advance(part).ok_or_else(|| wrong("an advance is none"))?;
            let last = listed.last().map_or(offset, |last| last.offset);
            if advance.offset < last {
                return Err(wrong("its advances are out of order"));
            }
            listed.push(advance);
        }
        if listed.len() > MOST_ADVANCES {
            return Err(wrong("it has more than eight advances"));
        }
        Ok(Self {
            snapshot: (!name.is_empty()).then(|| name.to_owned()),
            offset,
            advances: listed,
        })
    }
}

fn advance(text: &str) -> Option<Advance> {
    let (offset, to) = text.split_once(':')?;
    let to: i64 = to.parse().ok()?;
    Some(Advance {
        offset: number(offset)?,
        to: EventTime(to),
    })
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks() -> impl Strategy<Value = Mark> {
        let name = prop::option::of("[0-9A-Za-z_-]{1,120}");
        let steps = prop::collection::vec((0..=i64::MAX, any::<i64>()), 0..=MOST_ADVANCES);
        (name, 0..=i64::MAX, steps).prop_map(|(snapshot, offset, steps)| {
            let mut offsets: Vec<i64> = steps.iter().map(|(at, _)| *at.max(&offset)).collect();
            offsets.sort_unstable();
            let advances = offsets
                .into_iter()
                .zip(steps)
                .map(|(offset, (_, to))| Advance {
                    offset,
                    to: EventTime(to),
                });
            Mark {
                snapshot,
                offset,
                advances: advances.collect(),
            }
        })
    }

    proptest! {
        /// forall marks: the text is short enough and says all of it.
        #[test]
        fn a_mark_comes_back_from_its_text(mark in marks()) {
            let text = mark.to_string();
            prop_assert!(text.len() <= LONGEST_MARK, "{} bytes", text.len());
            prop_assert_eq!(text.parse::<Mark>(), Ok(mark));
        }

        /// forall texts: reading ends with a mark of the same text, or an error.
        #[test]
        fn any_text_is_read_or_refused(text in "(v1)?[;:,0-9a-z./-]{0,40}") {
            if let Ok(mark) = text.parse::<Mark>() {
                prop_assert_eq!(mark.to_string().parse::<Mark>(), Ok(mark));
            }
        }
    }

    #[test]
    fn what_is_no_mark_says_why() {
        for (text, what) in [
            ("", "four fields"),
            ("v2;a;1;", "another version"),
            ("v1;../etc;1;", "no proper name"),
            ("v1;a/b;1;", "no proper name"),
            ("v1;a;-1;", "offset is none"),
            ("v1;a;x;", "offset is none"),
            ("v1;a;1;2", "an advance is none"),
            ("v1;a;1;,", "an advance is none"),
            ("v1;a;5;3:1", "out of order"),
            (
                "v1;a;0;1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1",
                "more than eight",
            ),
        ] {
            let error = text.parse::<Mark>().unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
        let long = format!("v1;a;0;{}", "1:1,".repeat(200));
        assert!(
            long.parse::<Mark>()
                .unwrap_err()
                .to_string()
                .contains("512 bytes")
        );
    }
}
