//! What a run has done so far, for Prometheus.
//!
//! Each process of a run writes its counts into a file several times a second; a server in any process adds
//! up the files that it knows of whenever it is asked. So one page shows a run, however many processes send.
//! The figures after the last event are those of `generator.json`.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use floodmark_contracts::{
    counts::{Counts, Spans, StreamCounts},
    exposition::{Metric, Page, SECONDS, TEXT_FORMAT, counter, gauge, histogram},
    stream::Stream,
};

use crate::serve::HttpServer;
pub use crate::serve::ServeError;

/// Prefix of every name.
const PREFIX: &str = "floodmark_generator_";

/// A page with what a run has done so far, at `/metrics`. Dropping it closes the page.
#[derive(Debug)]
pub struct MetricsServer {
    server: HttpServer,
    files: Files,
}

/// Files into which processes write their counts.
type Files = Arc<Mutex<Vec<PathBuf>>>;

impl MetricsServer {
    /// Starts to listen; port 0 takes a free one. There is nothing to see yet.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(listen: SocketAddr) -> Result<Self, ServeError> {
        let files = Files::default();
        let router = Router::new()
            .route("/metrics", get(page))
            .with_state(Arc::clone(&files));
        Ok(Self {
            server: HttpServer::start("metrics page", listen, router)?,
            files,
        })
    }

    /// Where the page is: `http://HOST:PORT/metrics`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/metrics", self.server.url())
    }

    /// Shows what is written into this file as well: the `counts` of a job.
    pub fn add(&self, file: PathBuf) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.push(file);
    }
}

async fn page(State(files): State<Files>) -> Response {
    let files = files.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match read(&files).and_then(|counts| text(&counts)) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
    }
}

/// The sum of what stands in the files. One that is not there yet belongs to a process that has not begun.
fn read(files: &[PathBuf]) -> Result<Counts, String> {
    let mut sum = Counts::default();
    for file in files {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("cannot read `{}`: {error}", file.display())),
        };
        let counts = serde_json::from_slice(&text)
            .map_err(|error| format!("`{}` holds no counts: {error}", file.display()))?;
        sum.add(&counts);
    }
    Ok(sum)
}

/// The counts in Prometheus' text format.
fn text(counts: &Counts) -> Result<String, String> {
    let mut page = Page::new(PREFIX);
    page.gauges(
        "processes",
        "Processes whose counts are in the other figures.",
        vec![gauge(&[], f64::from(counts.processes))],
    );
    for (name, help, of) in COUNTERS {
        let metrics = each(counts, |stream, of_stream| {
            vec![counter(&[("stream", stream.name())], of(of_stream))]
        });
        page.counters(name, help, metrics);
    }
    let failed = each(counts, |stream, of_stream| {
        let by_code = of_stream.failed.iter();
        by_code
            .map(|(code, count)| counter(&[("stream", stream.name()), ("code", code)], *count))
            .collect()
    });
    page.counters(
        "failed_events_total",
        "Records that the client gave up on, by its code for the reason.",
        failed,
    );
    for (name, help, of) in GAUGES {
        let metrics = each(counts, |stream, of_stream| {
            let value = of(of_stream).into_iter();
            value
                .map(|value| gauge(&[("stream", stream.name())], value))
                .collect()
        });
        page.gauges(name, help, metrics);
    }
    for (name, help, of) in HISTOGRAMS {
        let metrics = each(counts, |stream, of_stream| {
            let labels = [("stream", stream.name())];
            vec![histogram(&labels, of(of_stream), SECONDS)]
        });
        page.histograms(name, help, metrics);
    }
    page.text()
}

/// A name without the prefix, what it means, and where it stands.
type Described<T> = (&'static str, &'static str, fn(&StreamCounts) -> T);

const COUNTERS: [Described<u64>; 6] = [
    (
        "due_events_total",
        "Records whose turn has come: those sent, and those due and unsent when a signal came.",
        |counts| counts.due,
    ),
    (
        "sent_events_total",
        "Records handed to the client.",
        |counts| counts.sent,
    ),
    (
        "sent_bytes_total",
        "Bytes of keys and values handed to the client.",
        |counts| counts.bytes,
    ),
    (
        "acknowledged_events_total",
        "Records acknowledged by the broker.",
        |counts| counts.acknowledged,
    ),
    (
        "queue_full_total",
        "Times that the client's queue was full and a record was offered again.",
        |counts| counts.queue_full,
    ),
    (
        "retried_requests_total",
        "Requests that the client sent again, each with many records.",
        |counts| counts.retries,
    ),
];

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53")]
const GAUGES: [Described<Option<f64>>; 4] = [
    (
        "unsent_events",
        "Events due and not sent, estimated from the schedule.",
        |counts| Some(counts.unsent),
    ),
    (
        "behind_seconds",
        "How long the next event has been due; 0 on time, of several senders the worst.",
        |counts| Some(counts.behind_us as f64 / 1e6),
    ),
    (
        "asked_events_per_second",
        "Events per second that the schedule asks for now; absent where nothing is held back.",
        |counts| counts.asked_per_s,
    ),
    (
        "sent_events_per_second",
        "Records per second that were sent in about the last second.",
        |counts| Some(counts.sent_per_s),
    ),
];

/// Where a histogram stands.
type SpansOf = fn(&StreamCounts) -> &Spans;

const HISTOGRAMS: [(&str, &str, SpansOf); 2] = [
    (
        "send_lateness_seconds",
        "Time from a record's due time to its hand-over to the client.",
        |counts| &counts.send_lateness,
    ),
    (
        "acknowledgement_seconds",
        "Time from a record's hand-over to its acknowledgement.",
        |counts| &counts.acknowledgement,
    ),
];

fn each(counts: &Counts, metrics: impl Fn(Stream, &StreamCounts) -> Vec<Metric>) -> Vec<Metric> {
    let streams = counts.streams.iter();
    streams
        .flat_map(|(stream, of_stream)| metrics(*stream, of_stream))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn counts() -> Counts {
        let mut counts = StreamCounts {
            due: 12,
            sent: 11,
            failed: BTreeMap::from([("MessageTimedOut".to_owned(), 3)]),
            behind_us: 1_500_000,
            ..StreamCounts::default()
        };
        for us in [20, 2_000, 90_000_000] {
            counts.send_lateness.record(us);
        }
        Counts {
            processes: 1,
            streams: BTreeMap::from([(Stream::Sensors, counts)]),
        }
    }

    #[test]
    fn every_name_has_its_help_and_its_type_and_units_are_seconds() {
        let text = text(&counts()).unwrap();
        for line in [
            "# HELP floodmark_generator_sent_events_total Records handed to the client.",
            "# TYPE floodmark_generator_sent_events_total counter",
            "floodmark_generator_sent_events_total{stream=\"sensors\"} 11",
            "floodmark_generator_failed_events_total{stream=\"sensors\",code=\"MessageTimedOut\"} 3",
            "floodmark_generator_behind_seconds{stream=\"sensors\"} 1.5",
            "floodmark_generator_send_lateness_seconds_bucket{stream=\"sensors\",le=\"0.00002\"} 1",
            "floodmark_generator_send_lateness_seconds_bucket{stream=\"sensors\",le=\"0.002\"} 2",
            "floodmark_generator_send_lateness_seconds_bucket{stream=\"sensors\",le=\"60\"} 2",
            "floodmark_generator_send_lateness_seconds_bucket{stream=\"sensors\",le=\"+Inf\"} 3",
            "floodmark_generator_send_lateness_seconds_sum{stream=\"sensors\"} 90.00202",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // Nothing is asked for at the highest rate, and what is not known is not shown.
        assert!(!text.contains("asked_events_per_second"), "{text}");
    }

    #[test]
    fn files_add_up_and_one_that_is_not_there_yet_counts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["a", "b", "not yet"].map(|name| dir.path().join(name));
        assert_eq!(read(&files), Ok(Counts::default()));
        for file in &files[..2] {
            std::fs::write(file, serde_json::to_vec(&counts()).unwrap()).unwrap();
        }
        let sum = read(&files).unwrap();
        assert_eq!((sum.processes, sum.streams[&Stream::Sensors].sent), (2, 22));
        std::fs::write(&files[2], "{}").unwrap();
        assert!(read(&files).unwrap_err().contains("not yet"));
    }
}
