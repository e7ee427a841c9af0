//! Where events and rows of the bundled detector go besides its topics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reach::{SecretSection, TlsSection};
use crate::{
    profile::quantity::{EventDuration, WallDuration},
    row::RowKind,
};

/// A destination with a consumer group of its own, `<group>-<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SinkSection {
    /// Every click event with its window, in files.
    ClickFiles(ClickFilesSection),
    /// The rows, in files.
    RowFiles(RowFilesSection),
    /// Page counts in Redis: `HSET click_count:/home 2025-06-10T05:04:00 35`.
    Redis(RedisSinkSection),
    /// Every record of the input topics, in a table of PostgreSQL.
    Postgres(PostgresSection),
    /// The rows, in a table of BigQuery.
    #[serde(rename = "bigquery")]
    BigQuery(BigQuerySection),
}

/// How files are written and when they end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollSection {
    /// What a file holds.
    pub format: FileFormat,
    /// A file ends when its content has this many bytes; it is held in memory until then.
    pub size: u64,
    /// Wall time after a file's first record at which it ends anyway.
    #[schemars(with = "WallDuration")]
    pub age: String,
}

impl Default for RollSection {
    fn default() -> Self {
        Self {
            format: FileFormat::default(),
            size: 8 << 20,
            age: "30s".to_owned(),
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// One JSON object a line.
    #[default]
    JsonLines,
    /// Apache Parquet, with columns that are fixed for each sink.
    Parquet,
    /// A table of Apache Iceberg in the folder, over Parquet files with the same columns. Needs a program that was
    /// built with the feature `iceberg`.
    Iceberg,
}

/// Click events in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClickFilesSection {
    /// The folder, which is made if it is not there; or `s3://BUCKET/PREFIX`.
    pub folder: String,
    /// Length of the tumbling windows, in event time.
    #[serde(default = "five_minutes")]
    #[schemars(with = "EventDuration")]
    pub window: String,
    /// How far an event may lag behind the newest of its partition, in event time; later ones are dropped
    /// and counted.
    #[serde(default = "ten_minutes")]
    #[schemars(with = "EventDuration")]
    pub watermark_bound: String,
    /// How files are written.
    #[serde(default)]
    pub roll: RollSection,
}

fn five_minutes() -> String {
    "5m".to_owned()
}

fn ten_minutes() -> String {
    "10m".to_owned()
}

/// Rows in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowFilesSection {
    /// The folder, which is made if it is not there; or `s3://BUCKET/PREFIX`.
    pub folder: String,
    /// Which rows; all if none is named.
    #[serde(default)]
    pub kinds: Vec<RowKind>,
    /// How files are written.
    #[serde(default)]
    pub roll: RollSection,
}

/// Page counts in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisSinkSection {
    /// `redis://HOST:PORT/DATABASE`, or `rediss://…` for TLS; without a password.
    pub url: String,
    /// The password, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSection>,
    /// A file with the certificates to trust, in PEM; the system's, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// What the names of the hashes begin with; the page follows.
    #[serde(default = "click_count")]
    pub prefix: String,
}

fn click_count() -> String {
    "click_count:".to_owned()
}

/// Records of the input topics in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresSection {
    /// `postgresql://USER@HOST:PORT/DATABASE`, without a password.
    pub url: String,
    /// The password, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSection>,
    /// Makes it speak under TLS, or not at all; without, nothing is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSection>,
    /// The table, which is made if it is not there.
    #[serde(default = "raw_events")]
    pub table: String,
}

fn raw_events() -> String {
    "raw_events".to_owned()
}

/// Rows in BigQuery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BigQuerySection {
    /// The project of Google Cloud.
    pub project: String,
    /// The dataset, which has to be there.
    pub dataset: String,
    /// The table, which is made if it is not there, and with it the view `<table>_latest`.
    #[serde(default = "rows")]
    pub table: String,
    /// Which rows; all if none is named.
    #[serde(default)]
    pub kinds: Vec<RowKind>,
    /// Where BigQuery answers.
    #[serde(default = "google")]
    pub endpoint: String,
    /// A token for access, which is read anew when it is refused. An emulator needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSection>,
}

fn rows() -> String {
    "rows".to_owned()
}

fn google() -> String {
    "https://bigquery.googleapis.com".to_owned()
}
