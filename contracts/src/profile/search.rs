//! How `floodmark search` looks for the highest rate that a detector sustains.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::quantity::{EventRate, WallDuration};

/// The search for the highest sustained rate: where to look, how exactly, and what counts as sustained.
/// Rates are events per second of all streams together, on average over a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSection {
    /// The first rate to try; by default the profile's own. From there rates are doubled
    /// or halved until one is sustained and one is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventRate>", example = "20k/s")]
    pub start: Option<String>,
    /// No lower rate is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventRate>")]
    pub from: Option<String>,
    /// No higher rate is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventRate>")]
    pub to: Option<String>,
    /// The search ends when the lowest rate that is not sustained is at most this share above the highest
    /// that is; 0.005 to 4.
    #[schemars(range(min = 0.005, max = 4.0))]
    pub precision: f64,
    /// Trials of one rate at most, an odd number from 1 to 9: the majority decides.
    #[schemars(range(min = 1, max = 9))]
    pub trials: u32,
    /// Trials of one rate that may come to nothing, as the load was not what was asked for, before the
    /// machine counts as the limit; 0 to 20.
    #[schemars(range(min = 0, max = 20))]
    pub retries: u32,
    /// Wall time of a trial during which events are due; by default the profile's `duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub duration: Option<String>,
    /// Wall time at the start of a trial that is not judged; by default the profile's `warm_up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub warm_up: Option<String>,
    /// Wall time after a trial's last event in which the subject may still read; what it has not read by
    /// then it did not sustain.
    #[schemars(with = "WallDuration")]
    pub drain: String,
    /// How fast lag may grow: records per second, as a share of the rate; above 0, at most 0.5.
    #[schemars(range(max = 0.5), extend("exclusiveMinimum" = 0))]
    pub lag_growth: f64,
    /// The longest lag (p99 over the seconds of a trial) in wall time.
    #[schemars(with = "WallDuration")]
    pub lag: String,
    /// The longest latency of alerts (p99), such as `500ms`; not judged by default, and only at
    /// `event_time.speed` 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WallDuration>")]
    pub alert_p99: Option<String>,
    /// The least recall, 0 to 1; 0 leaves it unjudged.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub recall: f64,
    /// Wall time after which no further trial begins.
    #[schemars(with = "WallDuration")]
    pub limit: String,
}

impl SearchSection {
    /// Whether nothing in it was set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for SearchSection {
    fn default() -> Self {
        Self {
            start: None,
            from: None,
            to: None,
            precision: 0.05,
            trials: 3,
            retries: 3,
            duration: None,
            warm_up: None,
            drain: "5s".to_owned(),
            lag_growth: 0.01,
            lag: "5s".to_owned(),
            alert_p99: None,
            recall: 0.8,
            limit: "1h".to_owned(),
        }
    }
}
