//! How parts outside of the detector are reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSection {
    /// In this variable of the environment.
    Env(String),
    /// In this file; white space around it is no part of it.
    File(String),
}

/// The service behind places that begin with `s3://`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Section {
    /// `http://HOST:PORT` or `https://…`; Amazon's, if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region; what `AWS_REGION` says, or else `us-east-1`, if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The access key; the usual variables of the environment (`AWS_ACCESS_KEY_ID`, …), if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<SecretSection>,
    /// The secret that goes with the access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<SecretSection>,
    /// A file with certificates to trust besides the system's, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl S3Section {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A connection under TLS, to a server whose certificate is trusted and names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// A file with the certificates to trust, in PEM; the system's, if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}
