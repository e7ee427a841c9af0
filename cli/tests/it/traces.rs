//! Traces from the generator to the alert, as a collector of OpenTelemetry gets them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;

use crate::support::{floodmark, profile};

/// A span, and which service it is of.
type Received = (String, Span);

/// A collector that takes whatever comes, over HTTP on loopback.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Received>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        // It ends with the tests' process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { url, spans }
    }
}

/// Serves a connection to its end.
fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Received>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))?;
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(
            lower.contains("content-type: application/x-protobuf"),
            "{head}"
        );
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        for resource in request.resource_spans {
            let service = service(resource.resource.as_ref()?);
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            kept.lock()
                .unwrap()
                .extend(spans.map(|span| (service.clone(), span)));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

fn service(resource: &opentelemetry_proto::tonic::resource::v1::Resource) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let name = resource
        .attributes
        .iter()
        .find(|fact| fact.key == "service.name");
    match name.and_then(|fact| fact.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        other => panic!("no service: {other:?}"),
    }
}

/// A run with all its processes, half of all keys traced.
#[test]
fn spans_of_a_run_reach_a_collector_and_link_up_from_the_producer_to_the_alert() {
    let collector = Collector::start();
    let out = tempfile::tempdir().unwrap();
    let output = floodmark()
        .args(["bench", "--quiet"])
        .arg(profile("smoke"))
        .arg("--out")
        .arg(out.path().join("run"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("OTEL_TRACES_SAMPLER_ARG", "0.5")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        [0, 98, 99].contains(&output.status.code().unwrap()),
        "{errors}"
    );

    let received = collector.spans.lock().unwrap();
    let by_id: BTreeMap<&[u8], &Received> = received
        .iter()
        .map(|span| (&*span.1.span_id, span))
        .collect();
    assert_eq!(by_id.len(), received.len(), "each span comes once");
    let parent_of = |span: &Span| by_id.get(&*span.parent_span_id).copied();
    let mut ways = BTreeSet::new();
    for (service, span) in received.iter() {
        let mut way = vec![span.name.clone()];
        let (mut at, mut of) = (span, service);
        while let Some((service, parent)) = parent_of(at) {
            assert_eq!(parent.trace_id, at.trace_id, "{at:?}");
            assert!(
                parent.start_time_unix_nano <= at.start_time_unix_nano,
                "{at:?}"
            );
            way.push(parent.name.clone());
            (at, of) = (parent, service);
        }
        // What begins a trace is the generator's, and nobody else's.
        assert!(
            at.parent_span_id.is_empty() && of == "floodmark-generator",
            "{of}: {at:?}"
        );
        assert_eq!(at.kind, SpanKind::Producer as i32);
        assert!(at.name.ends_with(" send"), "{at:?}");
        way.reverse();
        ways.insert(way.join(" > "));
    }
    let way = "sensor-data_2 send > sensor-data_2 process > emit";
    assert!(ways.contains(way), "no `{way}` among {ways:?}");
}

#[test]
fn a_collector_that_is_away_costs_a_run_nothing_but_its_spans() {
    let out = tempfile::tempdir().unwrap();
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let output = floodmark()
        .args(["bench", "--quiet"])
        .arg(profile("smoke"))
        .arg("--out")
        .arg(out.path().join("run"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("OTEL_TRACES_SAMPLER_ARG", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        [0, 98, 99].contains(&output.status.code().unwrap()),
        "{errors}"
    );
    let log = std::fs::read_to_string(out.path().join("run/logs/generator.log"));
    assert!(log.is_ok_and(|log| log.contains("the collector does not take spans")));
}

#[test]
fn what_is_no_collector_is_said_at_once() {
    for (arguments, expected) in [
        (
            ["--traces", "127.0.0.1:4318"],
            "such as `http://127.0.0.1:4318`",
        ),
        (["--trace-share", "2"], "write a number from 0 to 1"),
    ] {
        let output = floodmark()
            .args(["detect", "--until-end", "--broker", "127.0.0.1:1"])
            .args(arguments)
            .arg(profile("smoke"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(expected), "{errors}");
        assert!(!output.status.success());
    }
}
