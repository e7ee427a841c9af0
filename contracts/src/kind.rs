//! The kinds of anomaly: names, streams, keys and matching tolerance.
//!
//! The tolerance of a kind is fixed here, before any detector is tuned, and printed in every report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{key::KeyType, stream::Stream};

/// A kind of injected anomaly.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Far more visits to one page than its usual share.
    TrafficSpike,
    /// One user that requests pages at a regular, fast beat.
    Bot,
    /// A session that moves between pages which no link connects.
    ImpossibleNavigation,
    /// Many error events on one page.
    ErrorBurst,
    /// Many failed logins over many accounts from one IP address.
    CredentialStuffing,
    /// A login from an unknown device and address, then a payee change and a transfer.
    AccountTakeover,
    /// One user active from two far-apart countries within an impossible time.
    ImpossibleTravel,
    /// A session whose inputs come at a speed that no person types at.
    MachineSpeedInput,
    /// Single readings far from the sensor's level.
    SensorSpike,
    /// The sensor's level moves and stays moved.
    LevelShift,
    /// The sensor repeats one value exactly.
    StuckValue,
    /// The sensor stops sending.
    DropOut,
}

impl Kind {
    /// Every kind, in the order in which files and tables list them.
    pub const ALL: [Self; 12] = [
        Self::TrafficSpike,
        Self::Bot,
        Self::ImpossibleNavigation,
        Self::ErrorBurst,
        Self::CredentialStuffing,
        Self::AccountTakeover,
        Self::ImpossibleTravel,
        Self::MachineSpeedInput,
        Self::SensorSpike,
        Self::LevelShift,
        Self::StuckValue,
        Self::DropOut,
    ];

    /// The name used in profiles, labels and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TrafficSpike => "traffic-spike",
            Self::Bot => "bot",
            Self::ImpossibleNavigation => "impossible-navigation",
            Self::ErrorBurst => "error-burst",
            Self::CredentialStuffing => "credential-stuffing",
            Self::AccountTakeover => "account-takeover",
            Self::ImpossibleTravel => "impossible-travel",
            Self::MachineSpeedInput => "machine-speed-input",
            Self::SensorSpike => "sensor-spike",
            Self::LevelShift => "level-shift",
            Self::StuckValue => "stuck-value",
            Self::DropOut => "drop-out",
        }
    }

    /// The kind with this [`name`](Self::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The stream in which this kind is injected.
    #[must_use]
    pub fn stream(self) -> Stream {
        match self {
            Self::TrafficSpike | Self::Bot | Self::ImpossibleNavigation | Self::ErrorBurst => {
                Stream::Clickstream
            }
            Self::CredentialStuffing
            | Self::AccountTakeover
            | Self::ImpossibleTravel
            | Self::MachineSpeedInput => Stream::Banking,
            Self::SensorSpike | Self::LevelShift | Self::StuckValue | Self::DropOut => {
                Stream::Sensors
            }
        }
    }

    /// Types of the keys that a label of this kind lists; an alert has one of them.
    #[must_use]
    pub fn key_types(self) -> &'static [KeyType] {
        match self {
            Self::TrafficSpike | Self::ErrorBurst => &[KeyType::Page],
            Self::Bot | Self::ImpossibleNavigation => &[KeyType::User, KeyType::Session],
            Self::CredentialStuffing => &[KeyType::Ip],
            Self::AccountTakeover => &[KeyType::User, KeyType::Session, KeyType::Device],
            Self::ImpossibleTravel | Self::MachineSpeedInput => &[KeyType::User, KeyType::Session],
            Self::SensorSpike | Self::LevelShift | Self::StuckValue | Self::DropOut => {
                &[KeyType::Sensor]
            }
        }
    }

    /// How long after the label's end an alert still counts as its detection, in milliseconds of
    /// event time: the longest window that a reasonable detector of the kind works with.
    #[must_use]
    pub fn late_ms(self) -> i64 {
        match self {
            Self::TrafficSpike | Self::ErrorBurst => 120_000,
            Self::Bot | Self::ImpossibleNavigation => 300_000,
            Self::CredentialStuffing | Self::MachineSpeedInput => 120_000,
            Self::AccountTakeover | Self::ImpossibleTravel => 300_000,
            Self::SensorSpike => 15_000,
            Self::LevelShift | Self::StuckValue => 60_000,
            Self::DropOut => 60_000,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_the_name_that_serde_writes() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::from_name("spike"), None);
    }

    #[test]
    fn each_stream_has_four_kinds() {
        for stream in Stream::ALL {
            assert_eq!(
                Kind::ALL.iter().filter(|k| k.stream() == stream).count(),
                4,
                "{stream}"
            );
        }
    }
}
