//! Faults of a run: what was done to it, and what that did to the subject.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::RunMicros;

/// What can be broken.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The broker is killed and started again.
    BrokerKill,
    /// The broker is asked to end and started again.
    BrokerRestart,
    /// The broker is stopped and goes on.
    BrokerPause,
    /// What goes between subject and broker takes longer.
    NetworkDelay,
    /// Packets between subject and broker are lost.
    NetworkLoss,
    /// Subject and broker are cut off from each other.
    NetworkCut,
    /// The subject is killed and started again.
    SubjectKill,
    /// The subject is asked to end and started again.
    SubjectRestart,
    /// The subject is stopped and goes on.
    SubjectPause,
    /// There are more processes of the subject.
    SubjectScale,
    /// A member joins the subject's group and leaves it, again and again.
    RebalanceStorm,
    /// The subject cannot reach the schema registry.
    RegistryOutage,
    /// The subject cannot reach its Redis.
    RedisOutage,
    /// The subject cannot reach its PostgreSQL.
    PostgresOutage,
    /// The subject cannot reach its scorer.
    ScorerOutage,
    /// The timestamps of a producer are wrong.
    ClockSkew,
    /// The generator is stopped and goes on.
    GeneratorPause,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::BrokerKill,
        Self::BrokerRestart,
        Self::BrokerPause,
        Self::NetworkDelay,
        Self::NetworkLoss,
        Self::NetworkCut,
        Self::SubjectKill,
        Self::SubjectRestart,
        Self::SubjectPause,
        Self::SubjectScale,
        Self::RebalanceStorm,
        Self::RegistryOutage,
        Self::RedisOutage,
        Self::PostgresOutage,
        Self::ScorerOutage,
        Self::ClockSkew,
        Self::GeneratorPause,
    ];

    /// The name in profiles and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BrokerKill => "broker-kill",
            Self::BrokerRestart => "broker-restart",
            Self::BrokerPause => "broker-pause",
            Self::NetworkDelay => "network-delay",
            Self::NetworkLoss => "network-loss",
            Self::NetworkCut => "network-cut",
            Self::SubjectKill => "subject-kill",
            Self::SubjectRestart => "subject-restart",
            Self::SubjectPause => "subject-pause",
            Self::SubjectScale => "subject-scale",
            Self::RebalanceStorm => "rebalance-storm",
            Self::RegistryOutage => "registry-outage",
            Self::RedisOutage => "redis-outage",
            Self::PostgresOutage => "postgres-outage",
            Self::ScorerOutage => "scorer-outage",
            Self::ClockSkew => "clock-skew",
            Self::GeneratorPause => "generator-pause",
        }
    }

    /// What it is done to. Two faults on one target cannot overlap.
    #[must_use]
    pub const fn target(self) -> FaultTarget {
        match self {
            Self::BrokerKill | Self::BrokerRestart | Self::BrokerPause => FaultTarget::Broker,
            Self::NetworkDelay | Self::NetworkLoss | Self::NetworkCut => FaultTarget::Network,
            Self::SubjectKill
            | Self::SubjectRestart
            | Self::SubjectPause
            | Self::SubjectScale
            | Self::RebalanceStorm => FaultTarget::Subject,
            Self::RegistryOutage => FaultTarget::Registry,
            Self::RedisOutage => FaultTarget::Redis,
            Self::PostgresOutage => FaultTarget::Postgres,
            Self::ScorerOutage => FaultTarget::Scorer,
            Self::ClockSkew => FaultTarget::Clock,
            Self::GeneratorPause => FaultTarget::Generator,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a fault is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultTarget {
    /// The broker.
    Broker,
    /// What lies between subject and broker.
    Network,
    /// The processes under test, and their group.
    Subject,
    /// The way to the schema registry.
    Registry,
    /// The way to a Redis.
    Redis,
    /// The way to a PostgreSQL.
    Postgres,
    /// The way to a scorer.
    Scorer,
    /// Timestamps of a producer.
    Clock,
    /// The generator's processes.
    Generator,
}

/// What was done, with the times at which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultFacts {
    /// What was broken.
    pub kind: FaultKind,
    /// What was done, in words with the numbers of the processes.
    pub did: String,
    /// When it began, in wall time from the first due time.
    pub from: RunMicros,
    /// When it was undone; a broker or subject that was started again may answer only later.
    pub until: RunMicros,
    /// Why it ended before its time, or did not take place as asked; absent if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How far the subject was behind at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LagSample {
    /// When, in wall time from the first due time.
    pub at: RunMicros,
    /// Records over all streams that were appended and not committed.
    pub records: u64,
}

/// A fault and what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultScores {
    /// What was done, and when.
    pub facts: FaultFacts,
    /// Up to the fault, from the end of the one before.
    pub before: SpanScores,
    /// While it lasted.
    pub during: SpanScores,
    /// From its end to the next fault, or to the end of the run.
    pub after: SpanScores,
    /// Wall time from the end of the fault until lag and latency were back at their level before it;
    /// `null` if that cannot be said.
    pub recovery_s: Option<f64>,
    /// Why it cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_recovery: Option<String>,
    /// What counts as the level before.
    pub level: Level,
}

/// The level to which a run has to come back.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Lag in records: 95th percentile of the samples before, or a tenth of a second's events if that is more.
    pub lag: Option<f64>,
    /// Latency of alerts in microseconds: 95th percentile of those before, or 100 ms if that is more; `null`
    /// below ten alerts, and then lag alone decides.
    pub alert_us: Option<f64>,
}

/// What a run was worth in a span of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SpanScores {
    /// Wall time of its start, from the first due time.
    pub from: RunMicros,
    /// Wall time of its end.
    pub until: RunMicros,
    /// Incidents in it: *during* a fault are those whose events were due while it lasted in part at least;
    /// before and after, wholly.
    pub labels: u64,
    /// Those that were detected, whenever that was.
    pub detected: u64,
    /// `detected / labels`.
    pub recall: Option<f64>,
    /// Wilson interval of the recall, 95 %.
    pub recall_interval: Option<[f64; 2]>,
    /// Alerts whose interval ended in it.
    pub alerts: u64,
    /// Their latency, 99th percentile in microseconds; of fewer than a hundred the highest.
    pub alert_p99_us: Option<u64>,
    /// Highest lag that was seen in it, in records.
    pub lag_max: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_the_names_that_are_shown() {
        for kind in FaultKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
