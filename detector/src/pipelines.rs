//! The pipelines, one per stream: which events feed which rules.
//!
//! A pipeline knows its events and its rules, and nothing of threads, partitions' numbers or brokers.

pub mod banking;
pub mod clickstream;
pub mod sensors;

use floodmark_contracts::key::{KeyType, TypedKey};

use crate::finding::{Finding, Output};

/// A finding about the key of this type and id, as an output.
fn alert(finding: Finding, key_type: KeyType, id: &str) -> Output {
    Output::Alert(Box::new(finding.into_alert(TypedKey::new(key_type, id))))
}
