//! What `floodmark drain` says of a detector that read topics to their ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The figures of one drain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainFigures {
    /// Records read, over all streams.
    pub events: u64,
    /// Wall time from the assignment of partitions until all of them were read to their ends; `null` if
    /// it was stopped before.
    pub seconds: Option<f64>,
    /// Events in that time; `null` without one.
    pub events_per_second: Option<f64>,
    /// User and system time of the whole process, start-up and end included, in steps of 10 ms.
    pub cpu_seconds: f64,
    /// CPU time for a million events; `null` without events.
    pub cpu_seconds_per_million: Option<f64>,
    /// Most memory that the process had resident, in bytes.
    pub peak_rss_bytes: u64,
    /// Wall time from the assignment until the first alert left; `null` without an alert.
    pub first_alert_seconds: Option<f64>,
    /// Alerts written.
    pub alerts: u64,
    /// Records that could not be read.
    pub dead_letters: u64,
    /// Events later than the watermark and the allowed lateness.
    pub late: u64,
}
