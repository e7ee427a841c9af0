//! The sinks' settings, made valid. Nothing is opened here.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use floodmark_contracts::{
    problem::Problems,
    profile::detector::{
        SinkSection,
        sinks::{
            ClickFilesSection, FileFormat, PostgresSection, RedisSinkSection, RollSection,
            RowFilesSection, SinkSecretSection,
        },
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
    /// Page counts in Redis.
    Redis(Redis),
    /// Records in PostgreSQL.
    Postgres(Postgres),
}

/// Where a password is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a variable of the environment.
    Env(String),
    /// In a file.
    File(PathBuf),
}

impl Secret {
    /// The password itself.
    ///
    /// # Errors
    /// If it is not there; what was looked for, and why it was not found.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|error| format!("environment variable `{name}`: {error}")),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| format!("file `{}`: {error}", path.display())),
        }
    }
}

/// Page counts in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where it is, without a password.
    pub url: String,
    /// Its password.
    pub password: Option<Secret>,
    /// What the names of the hashes begin with.
    pub prefix: String,
}

/// Records in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Where it is, without a password.
    pub url: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The table, perhaps with its schema: a name that needs no quotes.
    pub table: String,
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
            SinkSection::Redis(section) => {
                let path = format!("{path}.redis");
                need_rows(problems, &path, rows);
                redis(problems, &path, section)
            }
            SinkSection::Postgres(section) => {
                postgres(problems, &format!("{path}.postgres"), section)
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

fn redis(problems: &mut Problems, path: &str, section: &RedisSinkSection) -> Option<SinkKind> {
    let schemes = ["redis://", "rediss://"];
    url(
        problems,
        path,
        &section.url,
        &schemes,
        "redis://HOST:PORT/0",
    )?;
    Some(SinkKind::Redis(Redis {
        url: section.url.clone(),
        password: section.password.as_ref().map(secret),
        prefix: section.prefix.clone(),
    }))
}

fn postgres(problems: &mut Problems, path: &str, section: &PostgresSection) -> Option<SinkKind> {
    let schemes = ["postgresql://", "postgres://"];
    let example = "postgresql://USER@HOST:PORT/DATABASE";
    let sound = url(problems, path, &section.url, &schemes, example);
    let part = |part: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (1..=63).contains(&part.len())
            && part.chars().all(allowed)
            && !part.starts_with(|c: char| c.is_ascii_digit())
    };
    let table = &section.table;
    if table.split('.').count() > 2 || !table.split('.').all(part) {
        problems.add(
            format!("detector.{path}.table"),
            format!(
                "`{table}` is no name of a table here; use small letters, digits and `_`, such as `raw_events` \
                 or `lake.raw_events`"
            ),
        );
        return None;
    }
    sound?;
    Some(SinkKind::Postgres(Postgres {
        url: section.url.clone(),
        password: section.password.as_ref().map(secret),
        table: table.clone(),
    }))
}

/// A URL of one of these schemes, without a password. It is never quoted: it may hold one.
fn url(
    problems: &mut Problems,
    path: &str,
    url: &str,
    schemes: &[&str],
    example: &str,
) -> Option<()> {
    let path = format!("detector.{path}.url");
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        problems.add(path, format!("this is no such URL; use `{example}`"));
        return None;
    };
    let has_password = rest
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'));
    if has_password || rest.contains("password=") {
        let message = "a password does not belong into a profile; use `password: { env: NAME }`";
        problems.add(path, message);
        return None;
    }
    Some(())
}

fn secret(section: &SinkSecretSection) -> Secret {
    match section {
        SinkSecretSection::Env(name) => Secret::Env(name.clone()),
        SinkSecretSection::File(path) => Secret::File(PathBuf::from(path)),
    }
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
    fn passwords_and_odd_tables_are_refused_and_never_quoted() {
        let sinks = serde_json::json!({
            "a": {"redis": {"url": "redis://:hush@host:1/0"}},
            "b": {"postgres": {"url": "postgresql://me:hush@host/db"}},
            "c": {"postgres": {"url": "postgresql://me@host/db?password=hush"}},
            "d": {"postgres": {"url": "mysql://hush", "table": "x; drop"}},
        });
        let mut section = DetectorSection::default();
        section.rows.enabled = true;
        section.sinks = serde_json::from_value(sinks.clone()).unwrap();
        let problems = Settings::validate(&section).unwrap_err();
        assert!(
            problems
                .iter()
                .all(|problem| !problem.to_string().contains("hush"))
        );
        check(
            sinks,
            true,
            &[
                ("detector.sinks.a.redis.url", "env: NAME"),
                ("detector.sinks.b.postgres.url", "env: NAME"),
                ("detector.sinks.c.postgres.url", "env: NAME"),
                ("detector.sinks.d.postgres.url", "postgresql://USER"),
                ("detector.sinks.d.postgres.table", "raw_events"),
            ],
        );
    }

    #[test]
    fn sinks_with_their_defaults_are_valid() {
        let sinks = serde_json::json!({
            "clicks": {"click-files": {"folder": "lakehouse/clickstream-events"}},
            "rows": {"row-files": {"folder": "rows", "kinds": ["session"]}},
            "redis": {"redis": {"url": "redis://127.0.0.1:6379", "password": {"env": "X"}}},
            "raw": {"postgres": {"url": "postgresql://me@127.0.0.1/db", "table": "lake.raw_events"}},
        });
        check(sinks, true, &[]);
    }
}
