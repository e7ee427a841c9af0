//! What is broken on purpose while events are generated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{fault::FaultKind, profile::quantity::WallDuration};

/// One fault. Times are wall time from the first due time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultSection {
    /// The broker is killed (SIGKILL) and started again on the same data and port. Needs one that keeps its
    /// data on disk.
    BrokerKill(FaultSpan),
    /// The same with a request to end (SIGTERM).
    BrokerRestart(FaultSpan),
    /// The broker is stopped (SIGSTOP) and goes on.
    BrokerPause(FaultSpan),
    /// What goes between subject and broker takes longer.
    NetworkDelay(NetworkDelaySection),
    /// Packets between subject and broker are lost and sent again.
    NetworkLoss(NetworkLossSection),
    /// Connections between subject and broker are reset, and new ones refused.
    NetworkCut(FaultSpan),
    /// The subject is killed (SIGKILL) and started again.
    SubjectKill(FaultSpan),
    /// The same with a request to end (SIGTERM).
    SubjectRestart(FaultSpan),
    /// The subject is stopped (SIGSTOP) and goes on.
    SubjectPause(FaultSpan),
    /// More processes of the subject, which end again.
    SubjectScale(SubjectScaleSection),
    /// A member joins the subject's group and leaves it, again and again.
    RebalanceStorm(RebalanceStormSection),
    /// The subject cannot reach the schema registry.
    RegistryOutage(FaultSpan),
    /// The bundled detector cannot reach its Redis.
    RedisOutage(FaultSpan),
    /// The bundled detector cannot reach its PostgreSQL.
    PostgresOutage(FaultSpan),
    /// The bundled detector cannot reach its scorer.
    ScorerOutage(FaultSpan),
    /// The clock of one of the generator's processes is wrong: the timestamps of its records are off. What
    /// stands inside of the records is not.
    ClockSkew(ClockSkewSection),
    /// The generator itself is stopped (SIGSTOP) and goes on: a fault of the measurement, which must show.
    GeneratorPause(FaultSpan),
}

/// When a fault begins and how long it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSpan {
    /// When it begins, from the first due time.
    #[schemars(with = "WallDuration", example = "20s")]
    pub at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "5s")]
    pub span: String,
}

/// A slow network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkDelaySection {
    /// When it begins, from the first due time.
    #[schemars(with = "WallDuration", example = "20s")]
    pub at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "5s")]
    pub span: String,
    /// How much longer it takes in each direction.
    #[schemars(with = "WallDuration", example = "100ms")]
    pub delay: String,
    /// How far that varies both ways, evenly; at most `delay`.
    #[serde(default = "nothing")]
    #[schemars(with = "WallDuration")]
    pub jitter: String,
}

/// A network that loses packets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkLossSection {
    /// When it begins, from the first due time.
    #[schemars(with = "WallDuration", example = "20s")]
    pub at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "5s")]
    pub span: String,
    /// Share of the packets in each direction, above 0, at most 0.5. TCP sends them again, so that what is
    /// lost is time.
    #[schemars(range(max = 0.5), extend("exclusiveMinimum" = 0))]
    pub share: f64,
}

/// More processes for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectScaleSection {
    /// When it begins, from the first due time.
    #[schemars(with = "WallDuration", example = "20s")]
    pub at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "5s")]
    pub span: String,
    /// How many there are then, 2 to 16.
    #[schemars(range(min = 2, max = 16))]
    pub processes: u32,
}

/// Rebalance after rebalance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebalanceStormSection {
    /// When it begins, from the first due time.
    #[schemars(with = "WallDuration", example = "20s")]
    pub at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "10s")]
    pub span: String,
    /// From one join to the next; the member stays for half of it.
    #[schemars(with = "WallDuration", example = "2s")]
    pub every: String,
}

/// A clock that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockSkewSection {
    /// When it begins, from the first due time.
    #[schemars(with = "WallDuration", example = "20s")]
    pub at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    #[schemars(with = "WallDuration", example = "5s")]
    pub span: String,
    /// How far ahead it is, such as `30s`; behind with a minus, such as `-30s`.
    pub by: String,
}

fn nothing() -> String {
    "0s".to_owned()
}

impl FaultSection {
    /// Its kind, when it begins and how long it lasts, as they stand in the file.
    #[must_use]
    pub fn parts(&self) -> (FaultKind, &str, &str) {
        match self {
            Self::BrokerKill(s) => (FaultKind::BrokerKill, &s.at, &s.span),
            Self::BrokerRestart(s) => (FaultKind::BrokerRestart, &s.at, &s.span),
            Self::BrokerPause(s) => (FaultKind::BrokerPause, &s.at, &s.span),
            Self::NetworkDelay(s) => (FaultKind::NetworkDelay, &s.at, &s.span),
            Self::NetworkLoss(s) => (FaultKind::NetworkLoss, &s.at, &s.span),
            Self::NetworkCut(s) => (FaultKind::NetworkCut, &s.at, &s.span),
            Self::SubjectKill(s) => (FaultKind::SubjectKill, &s.at, &s.span),
            Self::SubjectRestart(s) => (FaultKind::SubjectRestart, &s.at, &s.span),
            Self::SubjectPause(s) => (FaultKind::SubjectPause, &s.at, &s.span),
            Self::SubjectScale(s) => (FaultKind::SubjectScale, &s.at, &s.span),
            Self::RebalanceStorm(s) => (FaultKind::RebalanceStorm, &s.at, &s.span),
            Self::RegistryOutage(s) => (FaultKind::RegistryOutage, &s.at, &s.span),
            Self::RedisOutage(s) => (FaultKind::RedisOutage, &s.at, &s.span),
            Self::PostgresOutage(s) => (FaultKind::PostgresOutage, &s.at, &s.span),
            Self::ScorerOutage(s) => (FaultKind::ScorerOutage, &s.at, &s.span),
            Self::ClockSkew(s) => (FaultKind::ClockSkew, &s.at, &s.span),
            Self::GeneratorPause(s) => (FaultKind::GeneratorPause, &s.at, &s.span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_in_the_file_as_in_results() {
        for kind in FaultKind::ALL {
            let more = match kind {
                FaultKind::NetworkDelay => r#", "delay": "1ms""#,
                FaultKind::NetworkLoss => r#", "share": 0.1"#,
                FaultKind::SubjectScale => r#", "processes": 2"#,
                FaultKind::RebalanceStorm => r#", "every": "1s""#,
                FaultKind::ClockSkew => r#", "by": "-1s""#,
                _ => "",
            };
            let text = format!(r#"{{ "{kind}": {{ "at": "3s", "for": "2s"{more} }} }}"#);
            let section: FaultSection = serde_json::from_str(&text).unwrap();
            assert_eq!(section.parts(), (kind, "3s", "2s"));
        }
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let text = r#"{ "broker-pause": { "at": "3s", "fro": "2s" } }"#;
        assert!(serde_json::from_str::<FaultSection>(text).is_err());
    }
}
