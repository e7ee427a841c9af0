//! What there is on this machine, and what that allows: looked at, never changed.

mod machine;
mod programs;
mod services;

use std::path::Path;

use floodmark_contracts::doctor::{Checkup, Finding, FindingState, SCHEMA_VERSION};
use floodmark_kafka::ClientSettings;

use crate::environment;

/// What is to be looked at beside the machine itself.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// A folder of Kafka's jars.
    pub kafka_home: Option<&'a Path>,
    /// A cluster that runs already.
    pub cluster: Option<&'a ClientSettings>,
    /// The URL of a schema registry.
    pub registry: Option<&'a str>,
    /// `HOST:PORT` of a Redis.
    pub redis: Option<&'a str>,
    /// The folder for results.
    pub out: &'a Path,
    /// Version of floodmark.
    pub version: &'a str,
}

/// Looks at everything, which takes some seconds at most.
#[must_use]
pub fn examine(wanted: &Wanted<'_>) -> Checkup {
    let environment = environment::here();
    let mut findings = machine::findings(&environment, wanted.out);
    findings.extend(programs::findings(wanted.kafka_home));
    findings.extend(services::findings(wanted));
    Checkup {
        schema_version: SCHEMA_VERSION,
        floodmark_version: wanted.version.to_owned(),
        environment,
        findings,
    }
}

fn finding(name: &str, state: FindingState, found: impl Into<String>, meaning: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        state,
        found: found.into(),
        meaning: meaning.to_owned(),
    }
}
