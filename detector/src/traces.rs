//! Traces of records from where they come in to what comes of them.
//!
//! A record that carries the context of a trace is followed; which ones do is its producer's choice. Events wait for their
//! watermark before rules see them, so that what comes of one comes out while another is read: contexts are kept by what
//! alerts and cases say about the event that they are for.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
};

use floodmark_contracts::{
    alert::Alert,
    clock::{Clock, EventTime, SystemClock, WallTime},
    event::{
        banking::BankingUiEvent, clickstream::ClickEvent, confluent::split_frame,
        sensor::SensorReading,
    },
    stream::Stream,
    trace::{Fact, Span, SpanKind, TRACEPARENT, TraceParent, Tracer},
};
use floodmark_kafka::consumer::Message;

use crate::{engine::Lane, fraud::Case};

/// Events that are kept in mind; beyond them the oldest is forgotten, and what comes of it has no trace.
const MOST_KNOWN: usize = 65_536;

/// Spans of records that may wait for the broker's acknowledgement.
const MOST_WAITING: usize = 4_096;

/// The first tag of a record that is traced: those below mean something else.
pub(crate) const FIRST_TAG: u64 = 1 << 32;

/// What follows the traces of one detector.
#[derive(Debug)]
pub(crate) struct Traces {
    tracer: Tracer,
    clock: SystemClock,
    /// Spans of events that were taken, by what names the event.
    known: HashMap<String, TraceParent>,
    /// The names, in the order in which they came.
    order: VecDeque<String>,
    /// Spans of records on their way, by tag.
    waiting: HashMap<u64, Span>,
    next_tag: u64,
}

/// A record that is being taken.
pub(crate) struct Taken {
    context: TraceParent,
    parent: TraceParent,
    start: WallTime,
}

impl Traces {
    pub(crate) fn new(tracer: Tracer) -> Self {
        Self {
            tracer,
            clock: SystemClock::new(),
            known: HashMap::new(),
            order: VecDeque::new(),
            waiting: HashMap::new(),
            next_tag: FIRST_TAG,
        }
    }

    /// A record comes in; none if nobody wants it followed.
    pub(crate) fn begin(&self, message: &Message<'_>) -> Option<Taken> {
        let (_, text) = message.headers().find(|(name, _)| *name == TRACEPARENT)?;
        let parent: TraceParent = std::str::from_utf8(text?).ok()?.parse().ok()?;
        parent.sampled.then(|| Taken {
            context: self.tracer.within(parent),
            parent,
            start: self.clock.now(),
        })
    }

    /// It has been handed to the engine, or refused for a reason.
    pub(crate) fn end(
        &mut self,
        taken: Taken,
        (lane, topic): (Lane, &str),
        message: &Message<'_>,
        refused: Option<&str>,
    ) {
        let value = message.payload().unwrap_or_default();
        if let (Lane::Input(stream, _), None) = (lane, refused) {
            for name in names(stream, value) {
                self.remember(name, taken.context);
            }
        }
        self.tracer.end(Span {
            name: format!("{topic} process"),
            kind: SpanKind::Consumer,
            context: taken.context,
            parent: Some(taken.parent),
            start: taken.start,
            end: self.clock.now(),
            facts: vec![
                ("messaging.system", "kafka".into()),
                ("messaging.operation.name", "process".into()),
                ("messaging.operation.type", "process".into()),
                ("messaging.destination.name", topic.into()),
                (
                    "messaging.destination.partition.id",
                    Fact::Text(message.partition().to_string()),
                ),
                ("messaging.kafka.offset", message.offset().into()),
                (
                    "messaging.message.body.size",
                    i64::try_from(value.len()).unwrap_or(i64::MAX).into(),
                ),
            ],
            failure: refused.map(|reason| reason.chars().take(200).collect()),
        });
    }

    /// The span of the event that a case is about.
    pub(crate) fn of_case(&self, case: &Case) -> Option<TraceParent> {
        self.known
            .get(&case_name(&case.session_id, case.at))
            .copied()
    }

    /// The span of an event that an alert names.
    pub(crate) fn of_alert(&self, alert: &Alert) -> Option<TraceParent> {
        let mut known = alert.event_ids.iter().filter_map(|id| self.known.get(id));
        known.next_back().copied()
    }

    /// A record about a traced event goes out: its context, and the tag by which its acknowledgement is known.
    pub(crate) fn emit(
        &mut self,
        parent: TraceParent,
        topic: &str,
        about: &str,
    ) -> (TraceParent, u64) {
        let context = self.tracer.within(parent);
        let now = self.clock.now();
        let span = Span {
            name: "emit".to_owned(),
            kind: SpanKind::Producer,
            context,
            parent: Some(parent),
            start: now,
            end: now,
            facts: vec![
                ("messaging.system", "kafka".into()),
                ("messaging.operation.name", "send".into()),
                ("messaging.operation.type", "send".into()),
                ("messaging.destination.name", topic.into()),
                ("messaging.kafka.message.key", about.into()),
            ],
            failure: None,
        };
        let tag = self.next_tag;
        self.next_tag += 1;
        if self.waiting.len() < MOST_WAITING {
            self.waiting.insert(tag, span);
        } else {
            self.tracer.end(span);
        }
        (context, tag)
    }

    /// The broker has the record, or refused it.
    pub(crate) fn emitted(&mut self, tag: u64, failure: Option<String>) {
        if let Some(mut span) = self.waiting.remove(&tag) {
            span.end = self.clock.now();
            span.failure = failure;
            self.tracer.end(span);
        }
    }

    /// A transaction is aborted: what was in it did not happen, and comes again.
    pub(crate) fn give_up(&mut self) {
        let mut tags: Vec<u64> = self.waiting.keys().copied().collect();
        tags.sort_unstable();
        for tag in tags {
            self.emitted(tag, Some("the transaction was aborted".to_owned()));
        }
    }

    fn remember(&mut self, name: String, context: TraceParent) {
        if self.known.insert(name.clone(), context).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > MOST_KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The names by which an event comes up again: its id, as alerts say it, and what a case says of it.
fn names(stream: Stream, value: &[u8]) -> Vec<String> {
    match stream {
        Stream::Clickstream => ClickEvent::decode(value)
            .map(|event| vec![Cow::into_owned(event.event_id)])
            .unwrap_or_default(),
        Stream::Sensors => SensorReading::decode(value)
            .map(|reading| vec![reading.id()])
            .unwrap_or_default(),
        Stream::Banking => split_frame(value)
            .and_then(|(_, body)| BankingUiEvent::decode_body(body))
            .map(|event| {
                vec![
                    event.event_id.to_owned(),
                    case_name(event.session_id, event.timestamp),
                ]
            })
            .unwrap_or_default(),
    }
}

fn case_name(session_id: &str, at: EventTime) -> String {
    format!("case {session_id} {}", at.0)
}
