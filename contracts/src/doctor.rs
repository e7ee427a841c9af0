//! What `floodmark doctor` finds on a machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::Environment;

/// Version of the shape of what `doctor --json` prints.
pub const SCHEMA_VERSION: u32 = 1;

/// What there is on a machine, and what that allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkup {
    /// Version of this shape.
    pub schema_version: u32,
    /// Version of floodmark that looked.
    pub floodmark_version: String,
    /// The machine.
    pub environment: Environment,
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What, such as `open files`.
    pub name: String,
    /// How it is.
    pub state: FindingState,
    /// What was found, such as `1024`.
    pub found: String,
    /// What that allows or costs, and what to do where something is to be done.
    pub meaning: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// It limits what can be measured, or how well.
    Limited,
    /// It is not there; something optional cannot be used.
    Missing,
    /// It was asked for and does not work.
    Broken,
}
