//! Alerts: what a detector writes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{EventTime, WallTime},
    key::TypedKey,
    stream::Stream,
};

/// An alert as a detector writes it to the topic `anomalies`, one JSON object per record.
///
/// Unknown fields are ignored, so that a detector may add its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Unique per alert; a second alert with the same id is a transport duplicate.
    pub id: String,
    /// Name of the detector or rule that raised the alert.
    pub detector: String,
    /// The stream in which it was seen, where one stream suffices to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// The kind of anomaly, by the names in the anomaly catalogue; absent if the detector does not
    /// tell kinds apart. A name that the catalogue does not have counts as a wrong kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the alert is about.
    pub key: TypedKey,
    /// First instant of event time that the alert is about, milliseconds since the Unix epoch.
    pub start: EventTime,
    /// Last instant of event time that the alert is about; not before `start`. For an alert that one
    /// event raised, both are that event's timestamp; for a window, its start and its exclusive end.
    pub end: EventTime,
    /// Higher is more anomalous; any scale, but one scale per detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Ids of the events that the alert rests on, where the detector knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_ids: Vec<String>,
    /// When the detector emitted the alert, microseconds since the Unix epoch; informative only:
    /// latency is measured from the append time of the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emitted_at: Option<WallTime>,
    /// What convinced the detector, such as `value` and `avg`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, serde_json::Value>,
}

/// An alert with what the harness saw of it: one line of `alerts.ndjson`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollectedAlert {
    /// The alert itself.
    pub alert: Alert,
    /// Topic from which it was read.
    pub topic: String,
    /// Partition from which it was read.
    pub partition: i32,
    /// Offset at which it was read.
    pub offset: i64,
    /// Append time given by the broker, microseconds since the Unix epoch, at the broker's resolution
    /// of a millisecond.
    pub appended_at: WallTime,
    /// When the harness read it, microseconds since the Unix epoch.
    pub seen_at: WallTime,
    /// True if the alert said no time: `start` and `end` are then the event time of its append time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untimed: bool,
}

/// A line `sessionId,score` of the topic `fraud-flags`.
#[derive(Debug, Clone, PartialEq)]
pub struct FraudFlag {
    /// The session that was flagged.
    pub session_id: String,
    /// The score that it was given.
    pub score: f64,
}

/// Why a line is not a fraud flag.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("fraud flag `{line}` is not of the form `sessionId,score`, such as `3f1c,0.93`")]
pub struct FraudFlagError {
    /// The line as it was read.
    pub line: String,
}

impl std::str::FromStr for FraudFlag {
    type Err = FraudFlagError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let bad = || FraudFlagError {
            line: line.to_owned(),
        };
        let (session_id, score) = line.trim_end().rsplit_once(',').ok_or_else(bad)?;
        let score: f64 = score.trim().parse().map_err(|_| bad())?;
        if session_id.is_empty() || !score.is_finite() {
            return Err(bad());
        }
        Ok(Self {
            session_id: session_id.to_owned(),
            score,
        })
    }
}

impl std::fmt::Display for FraudFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.session_id, self.score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraud_flag_survives_its_line() {
        let flag: FraudFlag = "session-1,0.93\n".parse().unwrap();
        assert_eq!(
            flag,
            FraudFlag {
                session_id: "session-1".into(),
                score: 0.93
            }
        );
        assert_eq!(flag.to_string(), "session-1,0.93");
    }

    #[test]
    fn a_line_without_a_finite_score_is_refused() {
        for line in ["", "session", ",0.5", "s,high", "s,NaN"] {
            assert!(line.parse::<FraudFlag>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_alert_may_leave_out_all_that_a_simple_detector_does_not_know() {
        let json = r#"{"id":"a","detector":"d","key":{"type":"sensor","id":"s"},"start":1,"end":2,"own":3}"#;
        let alert: Alert = serde_json::from_str(json).unwrap();
        assert_eq!(alert.kind, None);
        assert_eq!(alert.end, EventTime(2));
    }
}
