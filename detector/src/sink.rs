//! The output side: alerts, fraud flags and dead letters.
//!
//! At least once: whoever commits input offsets calls [`Sink::settle`] first. Exactly once: the offsets are
//! committed by [`Sink::commit`], together with the output since [`Sink::begin`].

mod transactions;

use std::{collections::BTreeMap, io::Write, time::Duration};

use floodmark_contracts::{
    alert::Alert,
    clock::Clock,
    job::DetectorJob,
    row::Row,
    status::Written,
    trace::{TRACEPARENT, TraceParent},
};
use floodmark_kafka::{
    ClientSettings, Delivery, ErrorCode, Producer, ProducerSettings, Record, SendError,
    producer::{Outcome, Topic},
};

use crate::{
    finding::Output,
    fraud::{Case, Flag, Stage},
    run::DetectError,
    traces::{FIRST_TAG, Traces},
};

pub(crate) use transactions::TRANSACTION_TIMEOUT;

/// How long a transaction's call may take; librdkafka retries within.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the broker may take to acknowledge, as for Kafka's own producers (`delivery.timeout.ms`). Whoever gives up
/// forgets its open windows, and a broker that is started again may need a minute.
const ACKNOWLEDGED: Duration = Duration::from_secs(120);

/// Wait for room in a full queue.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Longest reason in a dead letter's header, bytes. Parsers quote what they could not read, so that a
/// reason can be longer than its record, and longer than the broker takes.
const LONGEST_REASON: usize = 1000;

/// A record that could not be decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) reason: &'a str,
}

/// The tag of a frame's record.
const FRAME: u64 = 1;

/// What the broker said of records.
#[derive(Debug, Default)]
struct Reports {
    /// How many were not taken, by reason.
    failures: BTreeMap<String, u64>,
    /// The last frame in each partition of the exchange.
    frames: BTreeMap<i32, i64>,
    /// What follows traces, if anything does.
    traces: Option<Traces>,
}

impl Reports {
    fn note(&mut self, delivery: Delivery) {
        if delivery.tag >= FIRST_TAG
            && let Some(traces) = &mut self.traces
        {
            let failure = match &delivery.outcome {
                Outcome::Failed { code, .. } => Some(reason(*code)),
                Outcome::Delivered { .. } => None,
            };
            traces.emitted(delivery.tag, failure);
        }
        match delivery.outcome {
            Outcome::Failed { code, .. } => self.failed(code),
            Outcome::Delivered { partition, offset } if delivery.tag == FRAME => {
                self.frames.insert(partition, offset);
            }
            Outcome::Delivered { .. } => {}
        }
    }

    /// Counts a record that was not taken. What an abort takes back is none: the reason of the abort is another.
    fn failed(&mut self, code: ErrorCode) {
        if !matches!(code, ErrorCode::PurgeQueue | ErrorCode::PurgeInflight) {
            *self.failures.entry(reason(code)).or_default() += 1;
        }
    }
}

/// The producer with its topics.
pub(crate) struct Sink {
    producer: Producer,
    anomalies: Topic,
    fraud_flags: Topic,
    dead_letters: Topic,
    exchange: Option<Topic>,
    reports: Reports,
    row_topic: Topic,
    /// Scores cases; none for a subject that has none.
    stage: Option<Stage>,
    count: Written,
    /// A transaction is open.
    begun: bool,
    /// The open transaction can only be aborted.
    doomed: bool,
    /// Transactions in a row that failed for records that were not taken.
    failed: u32,
    /// What was written in committed transactions.
    kept: Written,
    buffer: Vec<u8>,
}

impl Sink {
    /// Opens the output of a job; `exchange` is the topic for frames, if there is one.
    pub(crate) fn open(
        client: &ClientSettings,
        job: &DetectorJob,
        exchange: Option<&str>,
    ) -> Result<Self, floodmark_kafka::Error> {
        Self::with(client, job, exchange, &ProducerSettings::default())
    }

    fn with(
        client: &ClientSettings,
        job: &DetectorJob,
        exchange: Option<&str>,
        settings: &ProducerSettings,
    ) -> Result<Self, floodmark_kafka::Error> {
        let producer = Producer::new(client, settings)?;
        Ok(Self {
            anomalies: producer.topic(&job.anomalies)?,
            fraud_flags: producer.topic(&job.fraud_flags)?,
            dead_letters: producer.topic(&job.dead_letters)?,
            exchange: exchange.map(|name| producer.topic(name)).transpose()?,
            row_topic: producer.topic(&Row::topic_of(&job.group))?,
            producer,
            reports: Reports::default(),
            stage: None,
            count: Written::default(),
            begun: false,
            doomed: false,
            failed: 0,
            kept: Written::default(),
            buffer: Vec::new(),
        })
    }

    /// The sink with what scores cases, if the subject has any.
    pub(crate) fn scoring(mut self, stage: Option<Stage>) -> Self {
        self.stage = stage;
        self
    }

    /// The sink with what follows traces, if anything does.
    pub(crate) fn tracing(mut self, traces: Option<Traces>) -> Self {
        self.reports.traces = traces;
        self
    }

    /// What follows traces.
    pub(crate) fn traces(&mut self) -> Option<&mut Traces> {
        self.reports.traces.as_mut()
    }

    /// Alerts written so far.
    pub(crate) fn alerts(&self) -> u64 {
        self.count.alerts
    }

    /// Dead letters written so far.
    pub(crate) fn letters(&self) -> u64 {
        self.count.dead_letters
    }

    /// What was written so far, without what an open transaction may yet take back.
    pub(crate) fn written(&self) -> Written {
        if self.begun { self.kept } else { self.count }
    }

    /// Records that were handed over and not acknowledged yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.producer.in_flight()
    }

    /// Rows written so far.
    pub(crate) fn rows(&self) -> u64 {
        self.count.rows
    }

    /// Hands outputs to the producer; lines go to `stdout`.
    pub(crate) fn write(
        &mut self,
        outputs: Vec<Output>,
        clock: &dyn Clock,
        stdout: &mut dyn Write,
    ) -> Result<(), DetectError> {
        let mut printed = false;
        let mut cases: Vec<Case> = Vec::new();
        for output in outputs {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            match output {
                Output::Alert(alert) => {
                    serde_json::to_writer(&mut buffer, &alert)
                        .map_err(|source| DetectError::Encode { source })?;
                    self.send_alert(&alert, &buffer, clock)?;
                }
                Output::Case(mut case) => {
                    case.trace = self.traces().and_then(|traces| traces.of_case(&case));
                    cases.push(*case);
                }
                Output::Row(row) => {
                    serde_json::to_writer(&mut buffer, &row)
                        .map_err(|source| DetectError::Encode { source })?;
                    let topic = self.row_topic.clone();
                    let key = row.record_key();
                    self.send(&Record::new(&topic, &buffer).key(key.as_bytes()), clock)?;
                    self.count.rows += 1;
                }
                Output::Line(line) => {
                    writeln!(stdout, "{line}").map_err(|source| DetectError::Print { source })?;
                    printed = true;
                }
            }
            self.buffer = buffer;
        }
        if let Some(stage) = self.stage.as_mut().filter(|_| !cases.is_empty()) {
            let flags = stage.take(cases, clock.monotonic_us());
            self.flag(&flags, clock)?;
        }
        if printed {
            stdout
                .flush()
                .map_err(|source| DetectError::Print { source })?;
        }
        Ok(())
    }

    /// Waits for the scores of all sessions so far, and hands their flags to the producer.
    fn score_the_rest(&mut self, clock: &dyn Clock) -> Result<(), DetectError> {
        let Some(stage) = &mut self.stage else {
            return Ok(());
        };
        let flags = stage
            .settle(clock.monotonic_us())
            .map_err(|source| DetectError::Fraud { source })?;
        self.flag(&flags, clock)
    }

    fn send_alert(
        &mut self,
        alert: &Alert,
        json: &[u8],
        clock: &dyn Clock,
    ) -> Result<(), DetectError> {
        let topic = self.anomalies.clone();
        let record = Record::new(&topic, json).key(alert.key.id.as_bytes());
        let trace = self.traces().and_then(|traces| traces.of_alert(alert));
        self.send_traced(record, trace, clock)?;
        self.count.alerts += 1;
        Ok(())
    }

    fn flag(&mut self, flags: &[Flag], clock: &dyn Clock) -> Result<(), DetectError> {
        let topic = self.fraud_flags.clone();
        for Flag { flag, trace } in flags {
            let line = flag.to_string();
            let record = Record::new(&topic, line.as_bytes()).key(flag.session_id.as_bytes());
            self.send_traced(record, *trace, clock)?;
            self.count.flags += 1;
        }
        Ok(())
    }

    /// Hands a record to the producer, with the context of the trace that it is part of, if it is.
    fn send_traced(
        &mut self,
        record: Record<'_>,
        trace: Option<TraceParent>,
        clock: &dyn Clock,
    ) -> Result<(), DetectError> {
        let emitted = trace
            .zip(self.reports.traces.as_mut())
            .map(|(parent, traces)| {
                let about = String::from_utf8_lossy(record.key.unwrap_or_default());
                traces.emit(parent, record.topic.name(), &about)
            });
        let Some((context, tag)) = emitted else {
            return self.send(&record, clock);
        };
        let text = context.to_string();
        let headers = [(TRACEPARENT, Some(text.as_bytes()))];
        self.send_tagged(&record.headers(&headers), tag, clock)
    }

    /// Hands a record that is no event to the producer, with the reason and its place in headers.
    pub(crate) fn bury(
        &mut self,
        letter: DeadLetter<'_>,
        clock: &dyn Clock,
    ) -> Result<(), DetectError> {
        let (partition, offset) = (letter.partition.to_string(), letter.offset.to_string());
        let headers = [
            ("reason", Some(beginning(letter.reason).as_bytes())),
            ("source-topic", Some(letter.topic.as_bytes())),
            ("source-partition", Some(partition.as_bytes())),
            ("source-offset", Some(offset.as_bytes())),
        ];
        let topic = self.dead_letters.clone();
        let mut record = Record {
            topic: &topic,
            partition: None,
            key: letter.key,
            payload: letter.value,
            timestamp_ms: None,
            headers: &headers,
        };
        match self.send(&record, clock) {
            // The place in the headers still leads to a record that cannot be copied whole.
            Err(DetectError::Send {
                source: SendError::TooLarge { .. },
            }) => {
                (record.key, record.payload) = (None, None);
                self.send(&record, clock)?;
            }
            sent => sent?,
        }
        self.count.dead_letters += 1;
        Ok(())
    }

    /// Hands frames of the exchange to the producer, each for its partition.
    pub(crate) fn send_frames(
        &mut self,
        frames: &[(i32, Vec<u8>)],
        clock: &dyn Clock,
    ) -> Result<(), DetectError> {
        let Some(topic) = self.exchange.clone() else {
            return Ok(());
        };
        for (partition, frame) in frames {
            let record = Record::new(&topic, frame).partition(*partition);
            self.send_tagged(&record, FRAME, clock)?;
        }
        Ok(())
    }

    /// True if nothing waits for an acknowledgement.
    pub(crate) fn is_settled(&self) -> bool {
        self.producer.in_flight() == 0
    }

    /// The last frame acknowledged in each partition of the exchange: partition and offset.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        let frames = self.reports.frames.iter();
        frames.map(|(partition, offset)| (*partition, *offset))
    }

    /// Waits until everything handed over so far is acknowledged.
    ///
    /// # Errors
    /// If the broker refused a record, or did not answer in time.
    pub(crate) fn settle(&mut self, clock: &dyn Clock) -> Result<(), DetectError> {
        self.score_the_rest(clock)?;
        let Self {
            producer, reports, ..
        } = self;
        if producer.in_flight() > 0 {
            producer.flush(ACKNOWLEDGED, &mut |delivery| reports.note(delivery))?;
        } else {
            producer.poll(Duration::ZERO, &mut |delivery| reports.note(delivery));
        }
        match reports.failures.pop_first() {
            None => Ok(()),
            Some((reason, records)) => Err(DetectError::Undelivered { records, reason }),
        }
    }

    fn send(&mut self, record: &Record<'_>, clock: &dyn Clock) -> Result<(), DetectError> {
        self.send_tagged(record, 0, clock)
    }

    fn send_tagged(
        &mut self,
        record: &Record<'_>,
        tag: u64,
        clock: &dyn Clock,
    ) -> Result<(), DetectError> {
        let deadline =
            clock.monotonic_us() + i64::try_from(ACKNOWLEDGED.as_micros()).unwrap_or(i64::MAX);
        loop {
            match self.producer.send(record, tag) {
                Ok(()) => return Ok(()),
                // The commit will find the transaction aborted, and this record's events are read again.
                Err(SendError::Refused {
                    code: ErrorCode::State,
                    ..
                }) if self.begun => {
                    self.doomed = true;
                    return Ok(());
                }
                Err(SendError::QueueFull) if clock.monotonic_us() < deadline => {
                    let reports = &mut self.reports;
                    self.producer
                        .poll(ROOM_WAIT, &mut |delivery| reports.note(delivery));
                }
                Err(source) => return Err(DetectError::Send { source }),
            }
        }
    }
}

/// The first bytes of a text, up to [`LONGEST_REASON`], without cutting a character in two.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn reason(code: ErrorCode) -> String {
    code.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(beginning("short"), "short");
        let cut = beginning(&"aπ".repeat(1000)).to_owned();
        assert_eq!((cut.len(), cut.ends_with('a')), (LONGEST_REASON, true));
        assert_eq!(beginning(&"π".repeat(1000)).len(), LONGEST_REASON);
        assert_eq!(
            beginning(&format!("a{}", "π".repeat(1000))).len(),
            LONGEST_REASON - 1
        );
    }
}
