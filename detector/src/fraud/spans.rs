//! Spans of what happens to cases: looked up, then scored.

use floodmark_contracts::{
    clock::{Clock, SystemClock, WallTime},
    trace::{Fact, Span, SpanKind, TraceParent, Tracer},
};

use super::case::Case;

/// What makes the spans, if there are any.
#[derive(Debug, Clone)]
pub(super) struct Spans(Option<(Tracer, SystemClock)>);

/// The instants of one batch of cases.
pub(super) struct Laps<'a> {
    /// None unless one of the cases is traced.
    spans: Option<&'a (Tracer, SystemClock)>,
    begun: WallTime,
    enriched: WallTime,
}

impl Spans {
    pub(super) fn new(tracer: Option<Tracer>) -> Self {
        Self(tracer.map(|tracer| (tracer, SystemClock::new())))
    }

    /// Begins with a batch.
    pub(super) fn begin(&self, cases: &[Case]) -> Laps<'_> {
        let spans = self.0.as_ref();
        let spans = spans.filter(|_| cases.iter().any(|case| case.trace.is_some()));
        let begun = spans.map_or(WallTime(0), |(_, clock)| clock.now());
        Laps {
            spans,
            begun,
            enriched: begun,
        }
    }
}

impl Laps<'_> {
    /// Everything has been looked up.
    pub(super) fn enriched(&mut self) {
        if let Some((_, clock)) = self.spans {
            self.enriched = clock.now();
        }
    }

    /// Everything has been scored: the span of each case's scoring. What is done for a batch at once takes the same time for
    /// each of its cases.
    pub(super) fn scored(self, cases: &[Case], scorer: &str) -> Vec<Option<TraceParent>> {
        let Some((tracer, clock)) = self.spans else {
            return Vec::new();
        };
        let now = clock.now();
        let count = i64::try_from(cases.len()).unwrap_or(i64::MAX);
        let one = |case: &Case| {
            let parent = case.trace?;
            let span = |name: &str, start, end, more: Option<(&'static str, Fact)>| {
                let context = tracer.within(parent);
                let session = ("session.id", Fact::from(&*case.session_id));
                let batch = ("messaging.batch.message_count", Fact::Number(count));
                tracer.end(Span {
                    name: name.to_owned(),
                    kind: SpanKind::Internal,
                    context,
                    parent: Some(parent),
                    start,
                    end,
                    facts: [session, batch].into_iter().chain(more).collect(),
                    failure: None,
                });
                context
            };
            span("enrich", self.begun, self.enriched, None);
            let scorer = ("floodmark.scorer", Fact::from(scorer));
            Some(span("score", self.enriched, now, Some(scorer)))
        };
        cases.iter().map(one).collect()
    }
}
