//! Traces of records that are sent.

use std::collections::HashMap;

use floodmark_contracts::{
    clock::{Clock, SystemClock, WallTime},
    stream::Stream,
    trace::{Span, SpanKind, TraceParent, Tracer},
};

use super::Report;
use crate::events::Event;

/// Spans that may wait for their records' reports; records beyond them are sent without one.
const MOST_WAITING: usize = 16_384;

/// What traces the records of one producer.
#[derive(Debug)]
pub(super) struct Traced {
    tracer: Tracer,
    clock: SystemClock,
    stream: Stream,
    /// Spans by the tags of their records. Several records can have one tag; which of them a report is about makes no
    /// difference that could be seen.
    waiting: HashMap<u64, Vec<Span>>,
    count: usize,
}

/// A record that is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    /// What goes with it.
    pub(super) context: TraceParent,
    start: WallTime,
}

impl Traced {
    pub(super) fn new(tracer: &Tracer, stream: Stream) -> Self {
        Self {
            tracer: tracer.clone(),
            clock: SystemClock::new(),
            stream,
            waiting: HashMap::new(),
            count: 0,
        }
    }

    /// The context of a record that is about to be sent, if it is traced; without a key its value decides.
    pub(super) fn begin(&self, event: &Event) -> Option<Begun> {
        let key = if event.key.is_empty() {
            &event.value
        } else {
            &event.key
        };
        (self.count < MOST_WAITING && self.tracer.picks(key)).then(|| Begun {
            context: self.tracer.begin(),
            start: self.clock.now(),
        })
    }

    /// Takes note that a record was taken, and will be reported.
    pub(super) fn taken(&mut self, begun: Begun, topic: &str, event: &Event, tag: u64) {
        let span = Span {
            name: format!("{topic} send"),
            kind: SpanKind::Producer,
            context: begun.context,
            parent: None,
            start: begun.start,
            end: begun.start,
            facts: vec![
                ("messaging.system", "kafka".into()),
                ("messaging.operation.name", "send".into()),
                ("messaging.operation.type", "send".into()),
                ("messaging.destination.name", topic.into()),
                (
                    "messaging.destination.partition.id",
                    event.partition.to_string().as_str().into(),
                ),
                (
                    "messaging.kafka.message.key",
                    (&*String::from_utf8_lossy(&event.key)).into(),
                ),
                (
                    "messaging.message.body.size",
                    i64::try_from(event.value.len()).unwrap_or(i64::MAX).into(),
                ),
                ("floodmark.stream", self.stream.name().into()),
            ],
            failure: None,
        };
        self.waiting.entry(tag).or_default().push(span);
        self.count += 1;
    }

    /// Ends the span of a record that is reported.
    pub(super) fn reported(&mut self, report: Report) {
        if self.count == 0 {
            return;
        }
        let Some(spans) = self.waiting.get_mut(&report.tag) else {
            return;
        };
        if let Some(mut span) = spans.pop() {
            span.end = self.clock.now();
            span.failure = report.failure.map(|code| code.to_string());
            self.tracer.end(span);
            self.count -= 1;
        }
        if spans.is_empty() {
            self.waiting.remove(&report.tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use floodmark_kafka::ErrorCode;

    use super::*;

    fn event(key: &str) -> Event {
        Event {
            key: key.as_bytes().to_vec(),
            value: b"value".to_vec(),
            ..Event::default()
        }
    }

    #[test]
    fn a_span_ends_with_its_records_report_and_says_what_went_wrong() {
        let kept = Arc::new(Mutex::<Vec<Span>>::default());
        let mut traced = Traced::new(&Tracer::new(kept.clone(), 1.0), Stream::Sensors);
        let contexts = ["a", "b"].map(|key| traced.begin(&event(key)).unwrap());
        traced.taken(contexts[0], "topic", &event("a"), 7);
        traced.taken(contexts[1], "topic", &event("b"), 8);
        let report = |tag, failure| Report { tag, failure };
        traced.reported(report(9, None));
        assert!(kept.lock().unwrap().is_empty());
        traced.reported(report(8, Some(ErrorCode::State)));
        traced.reported(report(7, None));
        traced.reported(report(7, None));
        let spans = kept.lock().unwrap();
        let found: Vec<_> = spans
            .iter()
            .map(|span| (span.context, span.failure.is_some()))
            .collect();
        assert_eq!(
            found,
            [(contexts[1].context, true), (contexts[0].context, false)]
        );
        assert!(
            spans
                .iter()
                .all(|span| span.name == "topic send" && span.end >= span.start)
        );
        assert_eq!((traced.waiting.len(), traced.count), (0, 0));
    }

    #[test]
    fn only_keys_of_the_share_are_traced_and_no_more_than_can_wait() {
        let kept = Arc::new(Mutex::<Vec<Span>>::default());
        let none = Traced::new(&Tracer::new(kept.clone(), 0.0), Stream::Sensors);
        assert_eq!(none.begin(&event("a")), None);
        let mut all = Traced::new(&Tracer::new(kept, 1.0), Stream::Sensors);
        for tag in 0..MOST_WAITING as u64 {
            let context = all.begin(&event("a")).unwrap();
            all.taken(context, "topic", &event("a"), tag);
        }
        assert_eq!(all.begin(&event("a")), None);
    }
}
