//! Enrichment data that a detector may look up: one JSON object per line of `enrichment.ndjson`.
//!
//! The generator draws the values independently of the labels: they help as much as such data helps
//! in the field, and no more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One fact about a device or an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Enrichment {
    /// Risk of a device, as a device-intelligence service would tell it.
    DeviceRisk {
        /// The device's fingerprint.
        device: String,
        /// From 0 (known good) to 1 (known bad).
        score: f64,
    },
    /// Status of a bank account.
    AccountStatus {
        /// The account holder's user id.
        user: String,
        /// The status.
        status: AccountStatus,
    },
}

/// Status of a bank account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountStatus {
    /// In ordinary use.
    Active,
    /// Opened lately.
    New,
    /// Not used for long.
    Dormant,
    /// Blocked by the bank.
    Locked,
}
