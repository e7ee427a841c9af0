//! The sinks' settings, made valid. Nothing is opened here.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use floodmark_contracts::{
    problem::Problems,
    profile::detector::{
        SinkSection,
        sinks::{ClickFilesSection, FileFormat, RollSection, RowFilesSection},
    },
    row::RowKind,
};

use super::millis;

/// The smallest and the largest files that are written. What is larger does not fit into memory, once for each
/// partition.
const SIZES: std::ops::RangeInclusive<u64> = 1..=256 << 20;

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// Click events in files.
    ClickFiles(ClickFiles),
    /// Rows in files.
    RowFiles(RowFiles),
}

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder of this machine.
    Folder(PathBuf),
}

/// How files are written and when they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// What a file holds.
    pub format: FileFormat,
    /// Bytes of content at which it ends.
    pub size: usize,
    /// Wall time after its first record at which it ends anyway.
    pub age: Duration,
}

/// Click events in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickFiles {
    /// Where.
    pub place: Place,
    /// Length of the windows, event time.
    pub window_ms: i64,
    /// How far an event may lag behind, event time.
    pub bound_ms: i64,
    /// How.
    pub roll: Roll,
}

/// Rows in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFiles {
    /// Where.
    pub place: Place,
    /// Which.
    pub kinds: Vec<RowKind>,
    /// How.
    pub roll: Roll,
}

/// Validates all sinks; `rows` says whether there are rows to be read.
pub(super) fn validate(
    problems: &mut Problems,
    sections: &BTreeMap<String, SinkSection>,
    rows: bool,
) -> BTreeMap<String, SinkKind> {
    let mut valid = BTreeMap::new();
    for (name, section) in sections {
        let path = format!("sinks.{name}");
        if !is_name(name) {
            problems.add(
                format!("detector.{path}"),
                format!(
                    "`{name}` is part of a group's name; use 1 to 64 letters, digits, `-` and `_`"
                ),
            );
        }
        let kind = match section {
            SinkSection::ClickFiles(section) => {
                click_files(problems, &format!("{path}.click-files"), section)
            }
            SinkSection::RowFiles(section) => {
                let path = format!("{path}.row-files");
                need_rows(problems, &path, rows);
                row_files(problems, &path, section)
            }
        };
        if let Some(kind) = kind {
            valid.insert(name.clone(), kind);
        }
    }
    valid
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

fn need_rows(problems: &mut Problems, path: &str, rows: bool) {
    if !rows {
        let message = "no rows are made; set `detector.rows.enabled: true`";
        problems.add(format!("detector.{path}"), message);
    }
}

fn click_files(
    problems: &mut Problems,
    path: &str,
    section: &ClickFilesSection,
) -> Option<SinkKind> {
    let place = place(problems, path, &section.folder);
    let window_ms = millis(problems, &format!("{path}.window"), &section.window, 1);
    let bound = format!("{path}.watermark_bound");
    let bound_ms = millis(problems, &bound, &section.watermark_bound, 0);
    let roll = roll(problems, path, &section.roll);
    Some(SinkKind::ClickFiles(ClickFiles {
        place: place?,
        window_ms: window_ms?,
        bound_ms: bound_ms?,
        roll: roll?,
    }))
}

fn row_files(problems: &mut Problems, path: &str, section: &RowFilesSection) -> Option<SinkKind> {
    let place = place(problems, path, &section.folder);
    let roll = roll(problems, path, &section.roll);
    let kinds = match section.kinds.as_slice() {
        [] => RowKind::ALL.to_vec(),
        kinds => kinds.to_vec(),
    };
    Some(SinkKind::RowFiles(RowFiles {
        place: place?,
        kinds,
        roll: roll?,
    }))
}

fn place(problems: &mut Problems, path: &str, folder: &str) -> Option<Place> {
    if folder.is_empty() {
        let message = "there is no folder without a name; use one such as `lakehouse/clicks`";
        problems.add(format!("detector.{path}.folder"), message);
        return None;
    }
    Some(Place::Folder(PathBuf::from(folder)))
}

fn roll(problems: &mut Problems, path: &str, section: &RollSection) -> Option<Roll> {
    let age = millis(problems, &format!("{path}.roll.age"), &section.age, 1);
    if !SIZES.contains(&section.size) {
        problems.add(
            format!("detector.{path}.roll.size"),
            format!(
                "`{}` bytes are no size of a file here; use {} to {}",
                section.size,
                SIZES.start(),
                SIZES.end()
            ),
        );
        return None;
    }
    Some(Roll {
        format: section.format,
        size: usize::try_from(section.size).ok()?,
        age: Duration::from_millis(age?.unsigned_abs()),
    })
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::profile::DetectorSection;

    use crate::Settings;

    fn check(yaml: serde_json::Value, rows: bool, expected: &[(&str, &str)]) {
        let mut section = DetectorSection::default();
        section.rows.enabled = rows;
        section.sinks = serde_json::from_value(yaml).unwrap();
        let problems = Settings::validate(&section).err().unwrap_or_default();
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, (path, text)) in problems.iter().zip(expected) {
            assert_eq!(problem.path, *path);
            assert!(problem.message.contains(text), "{problem}");
        }
    }

    #[test]
    fn every_problem_of_every_sink_is_told_with_its_path() {
        let sinks = serde_json::json!({
            "a b": {"click-files": {"folder": "x"}},
            "clicks": {"click-files": {"folder": "", "window": "0s", "roll": {"size": 0, "age": "x"}}},
            "rows": {"row-files": {"folder": "x"}},
        });
        check(
            sinks,
            false,
            &[
                ("detector.sinks.a b", "letters"),
                ("detector.sinks.clicks.click-files.folder", "lakehouse"),
                ("detector.sinks.clicks.click-files.window", "`1ms`"),
                ("detector.sinks.clicks.click-files.roll.age", "`x`"),
                ("detector.sinks.clicks.click-files.roll.size", "268435456"),
                ("detector.sinks.rows.row-files", "rows.enabled"),
            ],
        );
    }

    #[test]
    fn sinks_with_their_defaults_are_valid() {
        let sinks = serde_json::json!({
            "clicks": {"click-files": {"folder": "lakehouse/clickstream-events"}},
            "rows": {"row-files": {"folder": "rows", "kinds": ["session"]}},
        });
        check(sinks, true, &[]);
    }
}
