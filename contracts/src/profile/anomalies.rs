//! Anomalies to inject: `- level-shift: { count: 3, duration: 2m, magnitude: 1.0 }`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// A kind of anomaly with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawAnomaly {
    /// Far more visits to one page than its usual share.
    TrafficSpike(RawIncidents),
    /// One user that requests pages at a regular, fast beat.
    Bot(RawIncidents),
    /// A session that moves between pages which no link connects.
    ImpossibleNavigation(RawIncidents),
    /// Many error events on one page.
    ErrorBurst(RawIncidents),
    /// Many failed logins over many accounts from one IP address.
    CredentialStuffing(RawIncidents),
    /// A login from an unknown device and address, then a payee change and a transfer.
    AccountTakeover(RawIncidents),
    /// One user active from two far-apart countries within an impossible time.
    ImpossibleTravel(RawIncidents),
    /// A session whose inputs come at a speed that no person types at.
    MachineSpeedInput(RawIncidents),
    /// Single readings far from the sensor's level.
    SensorSpike(RawIncidents),
    /// The sensor's level moves and stays moved.
    LevelShift(RawIncidents),
    /// The sensor repeats one value exactly.
    StuckValue(RawIncidents),
    /// The sensor stops sending.
    DropOut(RawIncidents),
}

impl RawAnomaly {
    /// The kind and its parameters.
    #[must_use]
    pub fn parts(&self) -> (Kind, &RawIncidents) {
        match self {
            Self::TrafficSpike(raw) => (Kind::TrafficSpike, raw),
            Self::Bot(raw) => (Kind::Bot, raw),
            Self::ImpossibleNavigation(raw) => (Kind::ImpossibleNavigation, raw),
            Self::ErrorBurst(raw) => (Kind::ErrorBurst, raw),
            Self::CredentialStuffing(raw) => (Kind::CredentialStuffing, raw),
            Self::AccountTakeover(raw) => (Kind::AccountTakeover, raw),
            Self::ImpossibleTravel(raw) => (Kind::ImpossibleTravel, raw),
            Self::MachineSpeedInput(raw) => (Kind::MachineSpeedInput, raw),
            Self::SensorSpike(raw) => (Kind::SensorSpike, raw),
            Self::LevelShift(raw) => (Kind::LevelShift, raw),
            Self::StuckValue(raw) => (Kind::StuckValue, raw),
            Self::DropOut(raw) => (Kind::DropOut, raw),
        }
    }
}

/// How many incidents of a kind, how long and how strong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawIncidents {
    /// Number of incidents, spread over the run after the warm-up, never two on one entity at once.
    pub count: u32,
    /// Length of each in event time, such as `2m`; each kind has a default of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Strength against the kind's default of 1, above 0, at most 10. What it scales is said in the
    /// anomaly catalogue.
    #[serde(default = "default_magnitude")]
    pub magnitude: f64,
    /// Event time from the origin before which none starts, such as `5m`; by default the warm-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
}

fn default_magnitude() -> f64 {
    1.0
}
