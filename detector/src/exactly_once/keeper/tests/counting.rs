//! A job that notices every lost and every doubled record: it numbers the records of each key, counts
//! them in windows, and sums the counts of all partitions up.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::{clock::EventTime, stream::Stream};
use serde::{Deserialize, Serialize};

use crate::{
    engine::Engine,
    finding::Output,
    pipelines::input_of,
    runtime::{
        Aggregate, Emit, Exchange, Frozen, Job, KeyedState, Logic, MergedWindows, Merger, MergerId,
        Packet, Part, Reader, Saved, SavedError, Source, Spill, TimeSettings, Window, WindowSpec,
        Windows, encoded, merge::Accepted, together,
    },
};

/// Wall time without a record after which a partition is idle.
pub const IDLENESS_US: i64 = 1_000;

/// Partitions of the exchange.
pub const EXCHANGE_PARTITIONS: i32 = 2;

const WINDOW_MS: i64 = 4;

const SUMS: MergerId = MergerId(0);

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
    type Partial = SumPart;
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
            let count = parts.merged();
            emit.partials.push(SumPart { window, count });
        });
        self.numbers.sweep(to);
    }
}

impl Saved for Counting {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let numbers = self.numbers.freeze()?;
        Ok(together([
            numbers,
            self.windows.freeze(),
            self.all.freeze(),
        ]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.numbers.load(from)?;
        (self.windows, self.all) = from.get()?;
        Ok(())
    }
}

/// Of a window, from one partition.
#[derive(Debug, Serialize, Deserialize)]
struct SumPart {
    window: Window,
    count: Count,
}

impl SumPart {
    /// Windows take turns between groups, so that every partition of the exchange has work.
    fn group(&self) -> i64 {
        self.window
            .start
            .0
            .div_euclid(WINDOW_MS)
            .rem_euclid(i64::from(EXCHANGE_PARTITIONS))
    }
}

impl Part for SumPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        Packet::new(SUMS, self.group().unsigned_abs(), self)
    }
}

/// Sums over all partitions, numbered within their groups, so that state between windows shows too.
struct Summing {
    windows: MergedWindows<i64, Count>,
    numbers: BTreeMap<i64, u32>,
}

impl Merger for Summing {
    type Partial = SumPart;
    type Output = Output;

    fn accept(&mut self, source: Source, part: SumPart, _: &mut Vec<Output>) -> bool {
        let group = part.group();
        self.windows.put(source, part.window, group, part.count) != Accepted::TooLate
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let numbers = &mut self.numbers;
        self.windows.close(to, |window, groups| {
            for (group, count) in groups {
                let number = numbers.entry(group).or_default();
                *number += 1;
                let line = format!("sum {group} {number} {} {}", window.start.0, count.0);
                out.push(Output::Line(line));
            }
        });
    }
}

impl Saved for Summing {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(together([self.windows.freeze(), encoded(&self.numbers)?]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.numbers) = from.get()?;
        Ok(())
    }
}

/// The mergers of one partition of the exchange.
pub fn mergers() -> Exchange<Output> {
    let summing = Summing {
        windows: MergedWindows::new(0),
        numbers: BTreeMap::new(),
    };
    let input = input_of(Stream::Sensors);
    Exchange::default().with(SUMS, &[input], Box::new(summing))
}

/// An engine over the stream of sensors that counts, within this room.
pub fn engine(room: &Arc<Spill>) -> Engine {
    let settings = TimeSettings {
        bound_ms: 3,
        lateness_ms: 0,
        idleness_us: IDLENESS_US,
    };
    let within = Arc::clone(room);
    let counting = move || Counting {
        numbers: KeyedState::new(20).within(&within),
        windows: Windows::new(WindowSpec::tumbling(WINDOW_MS), 0),
        all: Windows::new(WindowSpec::tumbling(WINDOW_MS), 0),
    };
    let job = Job::new(settings, counting);
    Engine::of_job(
        Stream::Sensors,
        Box::new(job),
        Box::new(mergers),
        Arc::clone(room),
    )
}
