//! The subject `always`: alerts on every key in every minute, whatever the events say.
//!
//! A score that it does well on measures nothing. Checks the checker.

use std::{convert::Infallible, io::Write, sync::atomic::AtomicBool};

use floodmark_contracts::{
    clock::{Clock, EventTime},
    event::{
        banking::BankingUiEvent, clickstream::ClickEvent, confluent::split_frame,
        sensor::SensorReading,
    },
    job::DetectorJob,
    key::{KeyType, TypedKey},
    stream::Stream,
    subject::SubjectFacts,
};
use serde::{Deserialize, Serialize};

use crate::{
    Watch,
    engine::Subject,
    finding::{Finding, Output},
    run::{DetectError, Progress, run_subject},
    runtime::{
        Aggregate, Emit, Frozen, Logic, Reader, Saved, SavedError, WindowSpec, Windows, plausible,
    },
};

/// Length of the windows.
const WINDOW_MS: i64 = 60_000;

/// Runs the subject `always`, as [`crate::run`] runs the bundled detector.
///
/// # Errors
/// As [`crate::run`].
pub fn run(
    job: &DetectorJob,
    clock: &dyn Clock,
    stop: &AtomicBool,
    stdout: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<SubjectFacts, DetectError> {
    run_watched(job, &Watch::new(), clock, stop, stdout, progress)
}

/// As [`run`], with its figures in `watch` while it goes on.
///
/// # Errors
/// As [`crate::run`].
pub fn run_watched(
    job: &DetectorJob,
    watch: &Watch,
    clock: &dyn Clock,
    stop: &AtomicBool,
    stdout: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<SubjectFacts, DetectError> {
    let subject = || Ok(Subject::Always);
    run_subject(job, &subject, watch, clock, stop, stdout, progress)
}

/// The type of a stream's record key.
pub(crate) fn key_of(stream: Stream) -> KeyType {
    match stream {
        Stream::Clickstream | Stream::Banking => KeyType::User,
        Stream::Sensors => KeyType::Sensor,
    }
}

/// Logic of one partition.
#[derive(Debug)]
pub(crate) struct Always {
    stream: Stream,
    key_type: KeyType,
    seen: Windows<String, Seen>,
}

/// Nothing but that the key was there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen;

impl Aggregate for Seen {
    fn merge(&mut self, _: &Self) {}
}

impl Always {
    /// Logic without state.
    pub(crate) fn new(stream: Stream, key_type: KeyType) -> Self {
        Self {
            stream,
            key_type,
            seen: Windows::new(WindowSpec::tumbling(WINDOW_MS), 0),
        }
    }
}

impl Logic for Always {
    type Event = Box<str>;
    type Partial = Infallible;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Box<str>), String> {
        let (at, key) = match self.stream {
            Stream::Clickstream => {
                ClickEvent::decode(value).map(|event| (event.timestamp, event.user_id.into()))
            }
            Stream::Banking => split_frame(value)
                .and_then(|(_, body)| BankingUiEvent::decode_body(body))
                .map(|event| (event.timestamp, event.user_id.into())),
            Stream::Sensors => {
                SensorReading::decode(value).map(|event| (event.timestamp, event.sensor_id.into()))
            }
        }
        .map_err(|error| error.to_string())?;
        Ok((plausible(at)?, key))
    }

    fn event(&mut self, at: EventTime, key: Box<str>, _: &mut Emit<Infallible, Output>) {
        self.seen.pane(at, &*key);
    }

    fn late_event(&mut self, _: EventTime, _: Box<str>, _: &mut Emit<Infallible, Output>) {}

    fn advance(&mut self, to: EventTime, emit: &mut Emit<Infallible, Output>) {
        let Self {
            stream,
            key_type,
            seen,
        } = self;
        seen.close(to, |window, key, _| {
            let finding = Finding {
                rule: "always",
                kind: None,
                start: window.start,
                end: window.end,
                mark: window.end,
                score: 0.5,
                event_ids: Vec::new(),
                evidence: Vec::new(),
            };
            let mut alert = finding.into_alert(TypedKey::new(*key_type, key.as_str()));
            alert.stream = Some(*stream);
            emit.outputs.push(Output::Alert(Box::new(alert)));
        });
    }
}

impl Saved for Always {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(self.seen.freeze())
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.seen = from.get()?;
        Ok(())
    }
}
