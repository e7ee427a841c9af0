//! The pipelines, one per stream: which events feed which rules.
//!
//! A pipeline knows its events and its rules, and nothing of threads, partitions' numbers or brokers.

pub(crate) mod banking;
pub(crate) mod clickstream;
pub(crate) mod sensors;

use floodmark_contracts::key::{KeyType, TypedKey};

use crate::finding::{Finding, Output};

/// A finding about the key of this type and id, as an output.
fn alert(finding: Finding, key_type: KeyType, id: &str) -> Output {
    Output::Alert(Box::new(finding.into_alert(TypedKey::new(key_type, id))))
}

#[cfg(test)]
mod testing {
    use floodmark_contracts::{alert::Alert, clock::EventTime};

    use super::Output;
    use crate::runtime::{Job, Logic, Merger, StreamJob, TimeSettings};

    /// Runs a pipeline over one partition's values, at a bound of a second, and gives its outputs.
    pub(super) fn run<L, M>(
        lateness_ms: i64,
        new_merger: impl Fn() -> M + Send + 'static,
        new_logic: impl FnMut() -> L + Send + 'static,
        values: &[Vec<u8>],
    ) -> Vec<Output>
    where
        L: Logic<Output = Output> + Send,
        L::Event: Send,
        L::Partial: Send,
        M: Merger<Partial = L::Partial, Output = Output> + Send,
    {
        let time = TimeSettings {
            bound_ms: 1000,
            lateness_ms,
            idleness_us: 1,
        };
        let mut job = Job::new(time, new_merger, new_logic);
        let mut out = Vec::new();
        for value in values {
            job.feed(0, value, 0, &mut out).unwrap();
        }
        out
    }

    /// The alerts of a kind.
    pub(super) fn alerts<'a>(outputs: &'a [Output], kind: &str) -> Vec<&'a Alert> {
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Alert(alert) if alert.kind.as_deref() == Some(kind) => Some(&**alert),
                _ => None,
            })
            .collect()
    }

    /// Seconds since a quiet hour.
    pub(super) fn at(seconds: f64) -> EventTime {
        EventTime(1_749_531_600_000 + (seconds * 1000.0).round() as i64)
    }
}
