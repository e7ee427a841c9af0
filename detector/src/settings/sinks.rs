//! The sinks' settings, made valid. Nothing is opened here.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use floodmark_contracts::{
    problem::Problems,
    profile::detector::{
        SinkSection,
        sinks::{
            BigQuerySection, ClickFilesSection, FileFormat, PostgresSection, RedisSinkSection,
            RollSection, RowFilesSection,
        },
    },
    row::{RowKind, RowKinds},
};

use super::{millis, place};
use crate::reach::{Place, RedisAddress, S3, Secret, without_password};

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
    /// Rows in BigQuery.
    BigQuery(BigQuery),
}

/// Page counts in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where it is.
    pub address: RedisAddress,
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
    /// Whether it speaks under TLS, and with which certificates to trust.
    pub tls: Option<Trust>,
    /// The table, perhaps with its schema: a name that needs no quotes.
    pub table: String,
}

/// Rows in BigQuery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigQuery {
    /// Its URL, without a slash at the end.
    pub endpoint: String,
    /// The project.
    pub project: String,
    /// The dataset.
    pub dataset: String,
    /// The table.
    pub table: String,
    /// Which rows.
    pub kinds: Vec<RowKind>,
    /// Where the token is found.
    pub token: Option<Secret>,
}

/// Whom to trust under TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// A file with certificates, in place of the system's.
    pub ca: Option<PathBuf>,
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

/// Validates all sinks; `made` says which rows there are to be read, `service` what is behind `s3://`.
pub(super) fn validate(
    problems: &mut Problems,
    sections: &BTreeMap<String, SinkSection>,
    made: RowKinds,
    service: Option<&S3>,
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
                click_files(problems, &format!("{path}.click-files"), section, service)
            }
            SinkSection::RowFiles(section) => {
                let path = format!("{path}.row-files");
                need_rows(problems, &path, made, &section.kinds);
                row_files(problems, &path, section, service)
            }
            SinkSection::Redis(section) => {
                let path = format!("{path}.redis");
                need_rows(problems, &path, made, &[RowKind::PageMinute]);
                redis(problems, &path, section)
            }
            SinkSection::Postgres(section) => {
                postgres(problems, &format!("{path}.postgres"), section)
            }
            SinkSection::BigQuery(section) => {
                let path = format!("{path}.bigquery");
                need_rows(problems, &path, made, &section.kinds);
                bigquery(problems, &path, section)
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

fn need_rows(problems: &mut Problems, path: &str, made: RowKinds, wanted: &[RowKind]) {
    let at = format!("detector.{path}");
    if made.is_empty() {
        problems.add(at, "no rows are made; set `detector.rows.enabled: true`");
    } else if let Some(kind) = wanted.iter().find(|kind| !made.has(**kind)) {
        problems.add(
            at,
            format!("no rows `{kind}` are made; add it to `detector.rows.kinds`"),
        );
    }
}

fn click_files(
    problems: &mut Problems,
    path: &str,
    section: &ClickFilesSection,
    service: Option<&S3>,
) -> Option<SinkKind> {
    let place = folder(problems, path, &section.folder, service);
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

fn row_files(
    problems: &mut Problems,
    path: &str,
    section: &RowFilesSection,
    service: Option<&S3>,
) -> Option<SinkKind> {
    let place = folder(problems, path, &section.folder, service);
    let roll = roll(problems, path, &section.roll);
    Some(SinkKind::RowFiles(RowFiles {
        place: place?,
        kinds: kinds(&section.kinds),
        roll: roll?,
    }))
}

/// The kinds that are named, or all.
fn kinds(named: &[RowKind]) -> Vec<RowKind> {
    match named {
        [] => RowKind::ALL.to_vec(),
        kinds => kinds.to_vec(),
    }
}

fn redis(problems: &mut Problems, path: &str, section: &RedisSinkSection) -> Option<SinkKind> {
    let address = RedisAddress::validate(
        problems,
        &format!("detector.{path}"),
        &section.url,
        section.password.as_ref(),
        section.ca.as_ref(),
    )?;
    Some(SinkKind::Redis(Redis {
        address,
        prefix: section.prefix.clone(),
    }))
}

fn postgres(problems: &mut Problems, path: &str, section: &PostgresSection) -> Option<SinkKind> {
    let (at, schemes) = (
        format!("detector.{path}.url"),
        ["postgresql://", "postgres://"],
    );
    let example = "postgresql://USER@HOST:PORT/DATABASE";
    let mut sound = without_password(problems, &at, &section.url, &schemes, example);
    if sound.is_some() && section.url.contains("sslmode=") {
        let message = "whether it speaks under TLS is a setting of its own; use `tls: {}` or `tls: { ca: FILE }`";
        problems.add(at, message);
        sound = None;
    }
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
        password: section.password.as_ref().map(Secret::from),
        tls: section.tls.as_ref().map(|tls| Trust {
            ca: tls.ca.as_ref().map(PathBuf::from),
        }),
        table: table.clone(),
    }))
}

fn bigquery(problems: &mut Problems, path: &str, section: &BigQuerySection) -> Option<SinkKind> {
    let mut sound = true;
    // All three are parts of a URL and of a query.
    for (field, name, also, example) in [
        ("project", &section.project, '-', "my-project"),
        ("dataset", &section.dataset, '_', "lake"),
        ("table", &section.table, '_', "rows"),
    ] {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == also;
        if !(1..=200).contains(&name.len()) || !name.chars().all(allowed) {
            let message = format!(
                "`{name}` is no name here; use letters, digits and `{also}`, such as `{example}`"
            );
            problems.add(format!("detector.{path}.{field}"), message);
            sound = false;
        }
    }
    let endpoint = section.endpoint.trim_end_matches('/');
    let wrong = if endpoint.contains('@') {
        Some("a password does not belong into a profile; use `token: { env: NAME }`")
    } else if endpoint.starts_with("https://") || is_here(endpoint) {
        None
    } else {
        Some(
            "rows and a token go under TLS; use `https://HOST`, or `http://127.0.0.1:PORT` for an emulator",
        )
    };
    if let Some(message) = wrong {
        problems.add(format!("detector.{path}.endpoint"), message);
        return None;
    }
    sound.then(|| {
        SinkKind::BigQuery(BigQuery {
            endpoint: endpoint.to_owned(),
            project: section.project.clone(),
            dataset: section.dataset.clone(),
            table: section.table.clone(),
            kinds: kinds(&section.kinds),
            token: section.token.as_ref().map(Secret::from),
        })
    })
}

/// Whether a URL leads to this machine.
fn is_here(url: &str) -> bool {
    let hosts = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let mut rests = hosts.iter().filter_map(|host| url.strip_prefix(host));
    rests.any(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn folder(problems: &mut Problems, path: &str, text: &str, service: Option<&S3>) -> Option<Place> {
    let (at, example) = (
        format!("detector.{path}.folder"),
        "one such as `lakehouse/clicks`",
    );
    place::place(problems, &at, text, example, service)
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
    if section.format == FileFormat::Iceberg && !cfg!(feature = "iceberg") {
        let message = "this program was built without tables of Iceberg; use `parquet`, or build it with `--features iceberg`";
        problems.add(format!("detector.{path}.roll.format"), message);
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
    use floodmark_contracts::{profile::DetectorSection, row::RowKind};

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
    fn rows_that_nobody_counts_cannot_be_written() {
        let sinks = serde_json::json!({
            "all": {"row-files": {"folder": "x"}},
            "pages": {"redis": {"url": "redis://127.0.0.1:6379"}},
            "visits": {"row-files": {"folder": "y", "kinds": ["segment", "session"]}},
        });
        let mut section = DetectorSection::default();
        section.rows.enabled = true;
        section.rows.kinds = vec![RowKind::Segment];
        section.sinks = serde_json::from_value(sinks).unwrap();
        let problems = Settings::validate(&section).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("sinks.pages.redis") && told[0].contains("`page-minute`"));
        assert!(told[1].contains("sinks.visits.row-files") && told[1].contains("`session`"));
    }

    #[test]
    fn passwords_and_odd_tables_are_refused_and_never_quoted() {
        let sinks = serde_json::json!({
            "a": {"redis": {"url": "redis://:hush@host:1/0"}},
            "b": {"postgres": {"url": "postgresql://me:hush@host/db"}},
            "c": {"postgres": {"url": "postgresql://me@host/db?password=hush"}},
            "d": {"postgres": {"url": "mysql://hush", "table": "x; drop"}},
            "e": {"postgres": {"url": "postgresql://me@host/db?sslmode=require"}},
            "f": {"redis": {"url": "redis://host:1", "ca": "ca.pem"}},
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
                ("detector.sinks.e.postgres.url", "tls: {}"),
                ("detector.sinks.f.redis.ca", "rediss://"),
            ],
        );
    }

    #[test]
    fn what_is_no_name_in_bigquery_and_a_token_without_tls_are_refused() {
        let with = |field: &str, value: &str| {
            let mut section = serde_json::json!({
                "project": "p-1", "dataset": "lake_1", "token": {"env": "TOKEN"},
            });
            section[field] = value.into();
            serde_json::json!({"warehouse": {"bigquery": section}})
        };
        for (field, value, text) in [
            ("project", "p`; DROP", "my-project"),
            ("dataset", "a-b", "`_`"),
            ("table", "", "`rows`"),
            ("endpoint", "http://example.org", "https://HOST"),
            ("endpoint", "http://127.0.0.1.example.org", "https://HOST"),
            ("endpoint", "https://me:hush@host", "env: NAME"),
        ] {
            let path = format!("detector.sinks.warehouse.bigquery.{field}");
            check(with(field, value), true, &[(&path, text)]);
        }
        check(with("endpoint", "http://127.0.0.1:9050/"), true, &[]);
        let path = "detector.sinks.warehouse.bigquery";
        check(with("table", "rows"), false, &[(path, "rows.enabled")]);
    }

    #[test]
    fn a_table_needs_a_program_that_has_tables() {
        let sinks = serde_json::json!({
            "lake": {"click-files": {"folder": "x", "roll": {"format": "iceberg"}}},
        });
        let path = "detector.sinks.lake.click-files.roll.format";
        let refused = [(path, "--features iceberg")];
        let expected = if cfg!(feature = "iceberg") {
            &[][..]
        } else {
            &refused[..]
        };
        check(sinks, false, expected);
    }

    #[test]
    fn sinks_with_their_defaults_are_valid() {
        let sinks = serde_json::json!({
            "clicks": {"click-files": {"folder": "lakehouse/clickstream-events"}},
            "rows": {"row-files": {"folder": "s3://lake/rows", "kinds": ["session"]}},
            "redis": {"redis": {"url": "rediss://127.0.0.1:6379", "password": {"env": "X"}, "ca": "ca.pem"}},
            "raw": {"postgres": {"url": "postgresql://me@127.0.0.1/db", "tls": {}, "table": "lake.raw_events"}},
        });
        check(sinks, true, &[]);
    }
}
