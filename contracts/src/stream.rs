//! The three event streams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stream of events that floodmark can generate.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Page views and clicks of a web site, JSON, keyed by user.
    Clickstream,
    /// User-interface events of a bank's site, Avro, keyed by user.
    Banking,
    /// Sensor readings, JSON, keyed by sensor.
    Sensors,
}

impl Stream {
    /// Every stream, in the order in which files and tables list them.
    pub const ALL: [Self; 3] = [Self::Clickstream, Self::Banking, Self::Sensors];

    /// The name used in profiles, files and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clickstream => "clickstream",
            Self::Banking => "banking",
            Self::Sensors => "sensors",
        }
    }

    /// The topic that systems in the field use for this stream; profiles may set another.
    #[must_use]
    pub fn default_topic(self) -> &'static str {
        match self {
            Self::Clickstream => "clickstream-events",
            Self::Banking => "banking-ui-events",
            Self::Sensors => "sensor-data_2",
        }
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
