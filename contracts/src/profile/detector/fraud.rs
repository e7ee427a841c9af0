//! How banking sessions are scored and flagged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reach::SecretSection;
use crate::profile::quantity::WallDuration;

/// Scores and flags of banking sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FraudSection {
    /// Score from which on a session is flagged, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// A file that holds that score. It is looked at twice a second, and goes before `threshold` while it
    /// holds a number from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_file: Option<String>,
    /// A GeoIP database in MMDB form, by country or by city, in place of the compiled-in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geoip: Option<String>,
    /// Where devices and accounts are looked up.
    pub look_up: LookUpSection,
    /// What scores sessions.
    pub scorer: ScorerSection,
}

impl Default for FraudSection {
    fn default() -> Self {
        Self {
            threshold: 0.8,
            threshold_file: None,
            geoip: None,
            look_up: LookUpSection::default(),
            scorer: ScorerSection::default(),
        }
    }
}

/// Where devices and accounts are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LookUpSection {
    /// In the process: what the file of enrichment data holds, if one is given.
    #[default]
    InProcess,
    /// In a Redis: `risk:<device>:score`, `account:<user>:status` and `login:<user>:failures`.
    Redis(RedisSection),
}

/// A Redis to look things up in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisSection {
    /// `redis://HOST:PORT/DATABASE`, or `rediss://…` for TLS; without a password.
    pub url: String,
    /// The password, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSection>,
    /// A file with the certificates to trust, in PEM; the system's, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Wall time after which an answer is no longer waited for.
    #[serde(default = "fifty_ms")]
    #[schemars(with = "WallDuration")]
    pub timeout: String,
    /// Wall time for which an answer is remembered.
    #[serde(default = "ten_seconds")]
    #[schemars(with = "WallDuration")]
    pub remember: String,
}

fn fifty_ms() -> String {
    "50ms".to_owned()
}

fn ten_seconds() -> String {
    "10s".to_owned()
}

/// What scores sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScorerSection {
    /// The compiled-in model.
    #[default]
    InProcess,
    /// A service, such as `floodmark serve-model`; the compiled-in model while it does not answer.
    Service(ServiceSection),
}

/// A service that scores sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSection {
    /// Where it takes sessions: `http://HOST:PORT/score`.
    pub url: String,
    /// Wall time after which an answer is no longer waited for.
    #[serde(default = "hundred_ms")]
    #[schemars(with = "WallDuration")]
    pub timeout: String,
}

impl ServiceSection {
    /// The service at a URL, with the default for everything else.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: hundred_ms(),
        }
    }
}

fn hundred_ms() -> String {
    "100ms".to_owned()
}
