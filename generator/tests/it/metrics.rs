//! The page for Prometheus: what it says while a run goes on, and when it is over.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    histogram::EncodedHistogram,
    job::{GeneratorJob, Pace},
    stream::Stream,
};
use floodmark_generator::{SinkChoice, metrics::MetricsServer, run};
use prometheus_parse::{Scrape, Value};

use super::{
    fixture::{ALL, section},
    run::job,
};

/// What the page says now, read by a parser that is not ours.
fn scrape(server: &MetricsServer) -> Scrape {
    let answer = reqwest::blocking::get(server.url()).unwrap();
    assert!(answer.status().is_success());
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = answer.text().unwrap();
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

/// The value of a counter or gauge of a stream; 0 before the first is known.
fn value(scrape: &Scrape, name: &str, stream: Stream) -> f64 {
    let name = format!("floodmark_generator_{name}");
    let mut samples = scrape.samples.iter();
    let found = samples
        .find(|sample| sample.metric == name && sample.labels.get("stream") == Some(stream.name()));
    match found.map(|sample| &sample.value) {
        None => 0.0,
        Some(Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) => *value,
        Some(other) => panic!("{name} is {other:?}"),
    }
}

/// Numbers up to each bound of a histogram of a stream.
fn buckets(scrape: &Scrape, name: &str, stream: Stream) -> Vec<(f64, f64)> {
    let name = format!("floodmark_generator_{name}");
    let mut samples = scrape.samples.iter();
    let found = samples
        .find(|sample| sample.metric == name && sample.labels.get("stream") == Some(stream.name()))
        .unwrap_or_else(|| panic!("no {name}"));
    match &found.value {
        Value::Histogram(counts) => counts
            .iter()
            .map(|bucket| (bucket.less_than, bucket.count))
            .collect(),
        other => panic!("{name} is {other:?}"),
    }
}

/// A run of all streams for so long, which writes its counts.
fn watched(out: &Path, duration: &str) -> GeneratorJob {
    let mut section = section(ALL);
    section.duration = duration.to_owned();
    let streams = &mut section.streams;
    for stream in [
        &mut streams.clickstream,
        &mut streams.banking,
        &mut streams.sensors,
    ] {
        stream.as_mut().unwrap().anomalies.clear();
    }
    GeneratorJob {
        counts: Some(out.join("counts.json")),
        skews: Vec::new(),
        ..job(section, out)
    }
}

#[test]
fn the_page_grows_while_a_run_goes_on_and_ends_at_its_figures() {
    let out = tempfile::tempdir().unwrap();
    let server = MetricsServer::start(([127, 0, 0, 1], 0).into()).unwrap();
    let job = watched(out.path(), "3s");
    server.add(out.path().join("counts.json"));
    let stop = AtomicBool::new(false);
    let facts = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let clock = SystemClock::new();
            run(&job, &SinkChoice::Null, &clock, &stop, &mut |_| {}).unwrap()
        });
        let clock = SystemClock::new();
        let mut seen = Vec::new();
        while !running.is_finished() {
            assert!(clock.monotonic_us() < 60_000_000, "the run takes a minute");
            let page = scrape(&server);
            let sent = value(&page, "sent_events_total", Stream::Sensors);
            if sent > 0.0 {
                let asked = value(&page, "asked_events_per_second", Stream::Sensors);
                assert!(asked >= 0.0);
                seen.push((sent, asked));
            }
            clock.sleep(Duration::from_millis(50));
        }
        assert!(seen.is_sorted_by(|a, b| a.0 <= b.0), "{seen:?}");
        let (first, last) = (seen[0].0, seen[seen.len() - 1].0);
        assert!(first < last, "it was seen to grow: {seen:?}");
        assert!(seen.iter().any(|(_, asked)| *asked > 0.0), "{seen:?}");
        running.join().unwrap()
    });

    let page = scrape(&server);
    for (stream, facts) in &facts.streams {
        for (name, expected) in [
            ("due_events_total", facts.due),
            ("sent_events_total", facts.sent),
            ("sent_bytes_total", facts.bytes),
            ("acknowledged_events_total", facts.acknowledged),
            ("queue_full_total", facts.queue_full),
            ("retried_requests_total", facts.retries),
            ("failed_events_total", 0),
            ("unsent_events", 0),
            ("behind_seconds", 0),
        ] {
            assert_eq!(
                value(&page, name, *stream),
                expected as f64,
                "{stream} {name}"
            );
        }
        for (name, whole) in [
            ("send_lateness_seconds", &facts.send_lateness),
            ("acknowledgement_seconds", &facts.acknowledge_latency),
        ] {
            check_buckets(&buckets(&page, name, *stream), whole);
        }
    }
    assert_eq!(facts.streams.len(), 3);
}

/// The buckets hold what the whole histogram holds, which is exact to three digits.
fn check_buckets(buckets: &[(f64, f64)], whole: &EncodedHistogram) {
    let whole = whole.decoded().unwrap();
    let (above_all, total) = buckets[buckets.len() - 1];
    assert!(above_all.is_infinite());
    assert_eq!(total, whole.len() as f64);
    for (bound, count) in &buckets[..buckets.len() - 1] {
        let us = bound * 1e6;
        let (least, most) = (
            whole.count_between(0, (us * 0.998) as u64),
            whole.count_between(0, (us * 1.002) as u64),
        );
        assert!(
            (least as f64..=most as f64).contains(count),
            "{count} up to {us} us, not {least} to {most}"
        );
    }
}

#[test]
fn a_run_that_is_cut_short_says_what_was_due_and_not_sent() {
    let out = tempfile::tempdir().unwrap();
    let server = MetricsServer::start(([127, 0, 0, 1], 0).into()).unwrap();
    let job = watched(out.path(), "10s");
    server.add(out.path().join("counts.json"));
    let stop = AtomicBool::new(true);
    let clock = super::run::HandClock::stalling(Duration::ZERO, Duration::from_secs(2));
    let facts = run(&job, &SinkChoice::Null, &clock, &stop, &mut |_| {}).unwrap();
    assert!(stop.load(Ordering::Relaxed) && facts.interrupted);
    let page = scrape(&server);
    for (stream, facts) in &facts.streams {
        let unsent = (facts.due - facts.sent) as f64;
        assert_eq!(value(&page, "unsent_events", *stream), unsent, "{stream}");
    }
}

#[test]
fn what_is_not_held_back_is_asked_for_at_no_rate() {
    let out = tempfile::tempdir().unwrap();
    let server = MetricsServer::start(([127, 0, 0, 1], 0).into()).unwrap();
    let job = GeneratorJob {
        pace: Pace::Max,
        ..watched(out.path(), "2s")
    };
    server.add(out.path().join("counts.json"));
    let clock = SystemClock::new();
    run(
        &job,
        &SinkChoice::Null,
        &clock,
        &AtomicBool::new(false),
        &mut |_| {},
    )
    .unwrap();
    let page = scrape(&server);
    assert!(value(&page, "sent_events_total", Stream::Sensors) > 0.0);
    let asked = |sample: &prometheus_parse::Sample| sample.metric.contains("asked");
    assert!(!page.samples.iter().any(asked));
}

#[test]
fn counts_that_are_none_are_an_error_of_the_page_not_a_wrong_sum() {
    let out = tempfile::tempdir().unwrap();
    let server = MetricsServer::start(([127, 0, 0, 1], 0).into()).unwrap();
    let file = out.path().join("counts.json");
    std::fs::write(&file, "{\"processes\": 1}").unwrap();
    server.add(file);
    let answer = reqwest::blocking::get(server.url()).unwrap();
    assert_eq!(answer.status().as_u16(), 500);
    assert!(answer.text().unwrap().contains("holds no counts"));
}
