//! A job that notices every lost and every doubled record: it numbers the records of each key, counts
//! them in windows, and sums the counts of all partitions up.

use std::sync::Arc;

use floodmark_contracts::{clock::EventTime, stream::Stream};
use serde::{Deserialize, Serialize};

use crate::{
    engine::Engine,
    finding::Output,
    runtime::{
        Aggregate, Emit, Job, KeyedState, Logic, MergedWindows, Merger, Reader, Saved, SavedError,
        TimeSettings, Window, WindowSpec, Windows, Writer,
    },
};

/// Wall time without a record after which a partition is idle.
pub const IDLENESS_US: i64 = 1_000;

/// Over lines `time key` of one partition.
struct Counting {
    numbers: KeyedState<Arc<str>, u32>,
    windows: Windows<String, Count>,
    all: Windows<String, Count>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Count(u32);

impl Aggregate for Count {
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }
}

impl Logic for Counting {
    type Event = String;
    type Partial = (Window, Count);
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, String), String> {
        let text = std::str::from_utf8(value).map_err(|error| error.to_string())?;
        let (at, key) = text.split_once(' ').ok_or("no space")?;
        let at = at.parse().map_err(|_| "no time")?;
        Ok((EventTime(at), key.to_owned()))
    }

    fn event(&mut self, at: EventTime, key: String, emit: &mut Emit<Self::Partial, Output>) {
        let number = self.numbers.at(key.as_str(), at);
        *number += 1;
        let line = format!("event {key} {number}");
        emit.outputs.push(Output::Line(line));
        self.windows.pane(at, key.as_str()).0 += 1;
        self.all.pane(at, "all").0 += 1;
    }

    fn late_event(&mut self, _: EventTime, _: String, _: &mut Emit<Self::Partial, Output>) {}

    fn advance(&mut self, to: EventTime, emit: &mut Emit<Self::Partial, Output>) {
        self.windows.close(to, |window, key, parts| {
            let count = parts.merged();
            let line = format!("window {} {key} {}", window.start.0, count.0);
            emit.outputs.push(Output::Line(line));
        });
        self.all.close(to, |window, _, parts| {
            emit.partials.push((window, parts.merged()));
        });
        self.numbers.sweep(to);
    }
}

impl Saved for Counting {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.numbers, &self.windows, &self.all))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.numbers, self.windows, self.all) = from.get()?;
        Ok(())
    }
}

/// Sums over all partitions, numbered, so that state between windows shows too.
struct Summing {
    windows: MergedWindows<String, Count>,
    number: u32,
}

impl Merger for Summing {
    type Partial = (Window, Count);
    type Output = Output;

    fn accept(
        &mut self,
        source: i32,
        (window, count): (Window, Count),
        _: &mut Vec<Output>,
    ) -> bool {
        self.windows.put(source, window, "all".to_owned(), count);
        true
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let number = &mut self.number;
        self.windows.close(to, |window, groups| {
            for (_, count) in groups {
                *number += 1;
                let line = format!("sum {number} {} {}", window.start.0, count.0);
                out.push(Output::Line(line));
            }
        });
    }
}

impl Saved for Summing {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.windows, self.number))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.number) = from.get()?;
        Ok(())
    }
}

/// An engine over the stream of sensors that counts.
pub fn engine() -> Engine {
    let settings = TimeSettings {
        bound_ms: 3,
        lateness_ms: 0,
        idleness_us: IDLENESS_US,
    };
    let summing = || Summing {
        windows: MergedWindows::new(0),
        number: 0,
    };
    let counting = || Counting {
        numbers: KeyedState::new(20),
        windows: Windows::new(WindowSpec::tumbling(4), 0),
        all: Windows::new(WindowSpec::tumbling(4), 0),
    };
    let job = Job::new(settings, summing, counting);
    Engine::of_job(Stream::Sensors, Box::new(job))
}
