//! Spans to a collector of OpenTelemetry: OTLP over HTTP, on a thread of its own.
//!
//! Whoever has a span hands it to a queue and never waits: when the queue is full, or the collector away, spans are dropped
//! and counted. The HTTP client is the one that the program has already; OpenTelemetry's crates make the bytes.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use floodmark_contracts::{
    clock::WallTime,
    trace::{Fact, Span, SpanKind, Spans, Tracer},
};
use opentelemetry::{
    InstrumentationScope, KeyValue, trace as otel,
    trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};

use crate::{
    args::{Global, TraceArgs},
    commands::tell,
    exit::{Exit, Failure},
};

/// Spans that wait for the thread.
const QUEUE: usize = 8192;

/// Spans of one request.
const BATCH: usize = 512;

/// How long a span waits for others to go with it.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long a collector may take to answer, repetitions included.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read, bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// An exporter at work.
pub struct Traces {
    tracer: Tracer,
    to: SyncSender<Message>,
    tally: Arc<Tally>,
    thread: JoinHandle<()>,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Tally {
    sent: AtomicU64,
    dropped: AtomicU64,
}

enum Message {
    Span(Box<Span>),
    End,
}

/// The way to the thread.
struct Queue {
    to: SyncSender<Message>,
    tally: Arc<Tally>,
}

impl Spans for Queue {
    fn take(&self, span: Span) {
        match self.to.try_send(Message::Span(Box::new(span))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.tally.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Traces {
    /// Starts an exporter if the arguments or the environment name a collector; `service` is what the spans are said to be of.
    pub fn open(args: &TraceArgs, service: &'static str) -> Result<Option<Self>, Failure> {
        let Some(url) = args.traces.as_deref().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let message = format!(
                "`{url}` is no address of a collector; write one for OTLP over HTTP, such as `http://127.0.0.1:4318`"
            );
            return Err(Failure::usage(message));
        }
        let exporter = exporter(url, service)?;
        let (to, from) = sync_channel(QUEUE);
        let tally = Arc::new(Tally::default());
        let queue = Queue {
            to: to.clone(),
            tally: Arc::clone(&tally),
        };
        let work = Work {
            exporter,
            from,
            tally: Arc::clone(&tally),
            has_failed: false,
        };
        let thread = std::thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || work.run())?;
        Ok(Some(Self {
            tracer: Tracer::new(Arc::new(queue), args.trace_share),
            to,
            tally,
            thread,
        }))
    }

    /// What makes spans.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what waits, and says how much was sent.
    pub fn finish(self, global: &Global) {
        // The thread takes on whatever happens, so that there is room before long.
        let ended = self.to.send(Message::End).is_ok() && self.thread.join().is_ok();
        let sent = self.tally.sent.load(Ordering::Relaxed);
        let dropped = self.tally.dropped.load(Ordering::Relaxed);
        let lost = if dropped > 0 || !ended {
            format!(", {dropped} dropped")
        } else {
            String::new()
        };
        tell(global, &format!("{sent} spans sent{lost}"));
    }
}

/// OTLP over HTTP to `url`, the collector's address without a path.
fn exporter(url: &str, service: &'static str) -> Result<SpanExporter, Failure> {
    let endpoint = format!("{}/v1/traces", url.trim_end_matches('/'));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    let built = SpanExporter::builder()
        .with_http()
        .with_http_client(Client(agent.into()))
        .with_retry_policy(RetryPolicy::disabled())
        .with_timeout(PATIENCE)
        .with_endpoint(endpoint)
        .build();
    let mut exporter =
        built.map_err(|error| Failure::new(Exit::Usage, anyhow::Error::from(error)))?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())))
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

/// The HTTP client that the program has already, behind OpenTelemetry's interface.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let response = self.0.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = response.into_parts();
        let bytes = body.with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, bytes.into()))
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        // On a thread of its own, with nobody else to wait.
        Box::pin(std::future::ready(self.send(request)))
    }
}

/// What the thread has.
struct Work {
    exporter: SpanExporter,
    from: Receiver<Message>,
    tally: Arc<Tally>,
    has_failed: bool,
}

impl Work {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let ended = match self.from.recv_timeout(LONGEST_WAIT) {
                Ok(Message::Span(span)) => {
                    batch.push(data(*span));
                    if batch.len() < BATCH {
                        continue;
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => true,
            };
            self.send(std::mem::take(&mut batch));
            if ended {
                return;
            }
        }
    }

    fn send(&mut self, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let tally = match pollster::block_on(self.exporter.export(batch)) {
            Ok(()) => {
                self.has_failed = false;
                &self.tally.sent
            }
            Err(error) => {
                // Once for each time that the collector goes away.
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, "the collector does not take spans; they are dropped");
                }
                &self.tally.dropped
            }
        };
        tally.fetch_add(count, Ordering::Relaxed);
    }
}

/// A span as OpenTelemetry has it.
fn data(span: Span) -> SpanData {
    let scope = InstrumentationScope::builder("floodmark").with_version(env!("CARGO_PKG_VERSION"));
    let id = |id: u64| SpanId::from_bytes(id.to_be_bytes());
    let fact = |(name, fact): (&'static str, Fact)| match fact {
        Fact::Text(text) => KeyValue::new(name, text),
        Fact::Number(number) => KeyValue::new(name, number),
    };
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(span.context.trace_id.to_be_bytes()),
            id(span.context.span_id),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: span
            .parent
            .map_or(SpanId::INVALID, |parent| id(parent.span_id)),
        parent_span_is_remote: span.kind == SpanKind::Consumer,
        span_kind: match span.kind {
            SpanKind::Producer => otel::SpanKind::Producer,
            SpanKind::Consumer => otel::SpanKind::Consumer,
            SpanKind::Internal => otel::SpanKind::Internal,
        },
        name: span.name.into(),
        start_time: instant(span.start),
        end_time: instant(span.end),
        attributes: span.facts.into_iter().map(fact).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: span.failure.map_or(Status::Unset, Status::error),
        instrumentation_scope: scope.build(),
    }
}

fn instant(at: WallTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.0).unwrap_or(0))
}
