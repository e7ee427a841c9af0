//! What went wrong in a run, in one place, beside what was sent wrong on purpose.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{stream::Stream, subject::SinkFacts};

/// What generator, subject and collector say of what went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Troubles {
    /// Per stream, those without trouble too.
    pub streams: BTreeMap<Stream, StreamTroubles>,
    /// Records that the subject sent to the dead-letter topic; `null` where it does not tell.
    pub dead_letters: Option<u64>,
    /// Records on the alert topics that are no alerts.
    pub garbage: u64,
    /// The first few reasons why.
    pub garbage_examples: Vec<String>,
    /// What ended the reading of alerts before its time, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_ended: Option<String>,
    /// Times that the subject began again by itself after a failure, over its processes.
    pub restarts: u64,
    /// What made it begin again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Commits of the subject that were refused, or transactions that it aborted; what was in them was done again.
    pub refused_commits: u64,
    /// What each sink of the subject did, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, SinkFacts>,
    /// A process of the subject was killed and told nothing: what the subject tells of itself are lower bounds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// What went wrong in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StreamTroubles {
    /// Records that no reader accepts and that were sent on purpose, by what is wrong with them.
    pub malformed: BTreeMap<String, u64>,
    /// Records that the subject buried as no events; `null` where it does not tell.
    pub dead_letters: Option<u64>,
    /// Events that the subject dropped as later than the watermark and the allowed lateness; `null` where it does not tell.
    pub late: Option<u64>,
    /// Events that the generator's client gave up on.
    pub failed: u64,
    /// The same by the client's code for the reason, such as `MessageTimedOut`.
    pub failures: BTreeMap<String, u64>,
}

impl StreamTroubles {
    /// Malformed records, whatever is wrong with them.
    #[must_use]
    pub fn n_malformed(&self) -> u64 {
        self.malformed.values().sum()
    }

    /// Whether nothing went wrong, and nothing was sent wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let told = self.dead_letters.unwrap_or(0) + self.late.unwrap_or(0);
        self.n_malformed() + told + self.failed == 0
    }
}

impl Troubles {
    /// Whether nothing went wrong, as far as anybody tells, and nothing was sent wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let counted = [
            self.dead_letters.unwrap_or(0),
            self.garbage,
            self.restarts,
            self.refused_commits,
        ];
        counted == [0; 4]
            && self.reading_ended.is_none()
            && self.streams.values().all(StreamTroubles::is_none)
            && self.sinks.values().all(SinkFacts::is_without_trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_that_went_wrong_is_something() {
        let sink = |failures| SinkFacts {
            read: 9,
            written: 9,
            failures,
            ..SinkFacts::default()
        };
        let stream = |of: StreamTroubles| Troubles {
            streams: BTreeMap::from([(Stream::Sensors, of)]),
            ..Troubles::default()
        };
        let sinks = |failures| Troubles {
            sinks: BTreeMap::from([("lake".to_owned(), sink(failures))]),
            ..Troubles::default()
        };
        assert!(Troubles::default().is_none() && sinks(0).is_none());
        let quiet = StreamTroubles {
            dead_letters: Some(0),
            late: Some(0),
            ..StreamTroubles::default()
        };
        assert!(stream(quiet).is_none());
        for (what, some) in [
            ("sink", sinks(1)),
            (
                "restart",
                Troubles {
                    restarts: 1,
                    ..Troubles::default()
                },
            ),
            (
                "late",
                stream(StreamTroubles {
                    late: Some(1),
                    ..StreamTroubles::default()
                }),
            ),
            (
                "malformed",
                stream(StreamTroubles {
                    malformed: BTreeMap::from([("bad-json".to_owned(), 1)]),
                    ..StreamTroubles::default()
                }),
            ),
        ] {
            assert!(!some.is_none(), "{what}");
        }
    }
}
