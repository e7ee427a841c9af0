//! How alerts are matched with labels, and the gates of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::quantity::EventDuration;

/// How alerts are matched with labels. Tolerances after a label's end are fixed per kind in the
/// anomaly catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScoringSection {
    /// Event time before a label's start in which an alert still counts.
    #[schemars(with = "EventDuration")]
    pub early: String,
    /// An alert's interval is cut to its last `max_span` of event time.
    #[schemars(with = "EventDuration")]
    pub max_span: String,
    /// False alerts of one key and kind that are closer than this in event time count as one.
    #[schemars(with = "EventDuration")]
    pub merge_gap: String,
    /// Length of a row of event time for the published scores; where absent a second, or in long runs the fewest seconds with
    /// which a key has at most 5,000 rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>")]
    pub resolution: Option<String>,
}

impl Default for ScoringSection {
    fn default() -> Self {
        Self {
            early: "0s".to_owned(),
            max_span: "5m".to_owned(),
            merge_gap: "60s".to_owned(),
            resolution: None,
        }
    }
}

/// A condition on a metric of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateSection {
    /// Metric, comparison and bound, such as `detection.recall >= 0.8` or `latency.alert.p99 < 250ms`.
    pub require: String,
    /// What a failure means.
    #[serde(default)]
    pub otherwise: GateFailure,
}

/// What the failure of a gate means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateFailure {
    /// The run fails, exit code 99.
    #[default]
    Fail,
    /// The report says so.
    Warn,
    /// The measurement cannot be trusted, exit code 98: for conditions without which the figures say nothing.
    Invalid,
}
