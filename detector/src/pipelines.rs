//! The pipelines, one per stream: which events feed which rules.
//!
//! A pipeline knows its events and its rules, and nothing of threads, partitions' numbers or brokers.

pub(crate) mod actors;
pub(crate) mod banking;
pub(crate) mod beside;
pub(crate) mod clickstream;
pub(crate) mod journeys;
pub(crate) mod sensors;

use floodmark_contracts::{
    key::{KeyType, TypedKey},
    stream::Stream,
};

use crate::{
    finding::{Finding, Output},
    runtime::{Exchange, MergerId},
    settings::Rows,
};

/// Puts the whole site together.
const SITE: MergerId = MergerId(0);

/// Puts addresses and devices together.
const ADDRESSES_AND_DEVICES: MergerId = MergerId(1);

/// Puts groups of sensors together.
const GROUPS: MergerId = MergerId(2);

/// Puts together what one address does on the site and at the bank.
const ACTORS: MergerId = MergerId(3);

/// Puts pages, countries and segments together into rows.
const ROWS: MergerId = MergerId(4);

/// All mergers of one partition of the exchange. Closed windows take corrections for `lateness_ms`; with a
/// `group_distance`, groups of sensors are reported from it on.
pub(crate) fn mergers(
    lateness_ms: i64,
    group_distance: Option<f64>,
    rows: Option<Rows>,
) -> Exchange<Output> {
    let inputs = [Stream::Clickstream, Stream::Banking, Stream::Sensors].map(input_of);
    let pages = clickstream::PageMerger::new(lateness_ms);
    let banking = banking::BankingMerger::new(lateness_ms);
    let groups = sensors::GroupMerger::new(group_distance);
    let actors = actors::ActorMerger::default();
    let exchange = Exchange::default()
        .with(SITE, &inputs[..1], Box::new(pages))
        .with(ADDRESSES_AND_DEVICES, &inputs[1..2], Box::new(banking))
        .with(GROUPS, &inputs[2..], Box::new(groups))
        .with(ACTORS, &inputs[..2], Box::new(actors));
    if rows.is_none() {
        return exchange;
    }
    let rows = journeys::RowMerger::new(lateness_ms);
    exchange.with(ROWS, &inputs[..1], Box::new(rows))
}

/// The number of a stream among the exchange's inputs. It stands in snapshots and in frames.
pub(crate) fn input_of(stream: Stream) -> u8 {
    match stream {
        Stream::Clickstream => 0,
        Stream::Banking => 1,
        Stream::Sensors => 2,
    }
}

/// A finding about the key of this type and id, as an output.
fn alert(finding: Finding, key_type: KeyType, id: &str) -> Output {
    Output::Alert(Box::new(finding.into_alert(TypedKey::new(key_type, id))))
}

#[cfg(test)]
mod testing {
    use floodmark_contracts::{
        alert::Alert,
        clock::{EventTime, WallTime},
    };

    use super::{Exchange, Output};
    use floodmark_contracts::stream::Stream;

    use crate::{
        engine::Engine,
        runtime::{Job, Logic, TimeSettings, spill::unbounded},
    };

    /// Runs a pipeline over one partition's values, at a bound of a second, and gives its outputs.
    pub(super) fn run<L>(
        stream: Stream,
        lateness_ms: i64,
        new_logic: impl FnMut() -> L + Send + 'static,
        values: &[Vec<u8>],
    ) -> Vec<Output>
    where
        L: Logic<Output = Output> + Send + 'static,
        L::Event: Send,
        L::Partial: Send,
    {
        let mergers = move || super::mergers(lateness_ms, None, None);
        run_with(stream, lateness_ms, mergers, new_logic, values)
    }

    /// The same with other mergers.
    pub(super) fn run_with<L>(
        stream: Stream,
        lateness_ms: i64,
        mergers: impl Fn() -> Exchange<Output> + Send + Sync + 'static,
        new_logic: impl FnMut() -> L + Send + 'static,
        values: &[Vec<u8>],
    ) -> Vec<Output>
    where
        L: Logic<Output = Output> + Send + 'static,
        L::Event: Send,
        L::Partial: Send,
    {
        let time = TimeSettings {
            bound_ms: 1000,
            lateness_ms,
            idleness_us: 1,
        };
        let job = Box::new(Job::new(time, new_logic));
        let mut engine = Engine::of_job(stream, job, Box::new(mergers), unbounded());
        for value in values {
            engine.feed(stream, 0, value, 0).unwrap();
        }
        engine.take(WallTime(0))
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
