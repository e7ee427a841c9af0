//! The status page: one file, no scripts, nothing fetched; it asks for itself again every two seconds.

use askama::Template;
use floodmark_contracts::{
    clock::WallTime,
    counts::{BOUNDS_US, Spans},
    status::{DetectorStatus, PartitionStatus, Phase, SinkStatus, StreamStatus},
};

use super::graph;
use crate::{ReportError, format};

/// What stands where nothing is known yet.
const UNKNOWN: &str = "–";

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    style: &'static str,
    version: &'a str,
    group: &'a str,
    meta: String,
    badge: Badge,
    tiles: Vec<Tile>,
    /// SVG.
    graph: String,
    shares: [Share; 3],
    pressure: String,
    streams: Vec<StreamRow>,
    sinks: Vec<SinkRow>,
    partitions: Vec<PartitionRow>,
    checkpoints: Vec<(&'static str, String)>,
    failure: Option<&'a str>,
}

struct Badge {
    class: &'static str,
    word: &'static str,
    sentence: String,
}

struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

struct Share {
    class: &'static str,
    name: &'static str,
    text: String,
    /// Per cent of the bar.
    width: String,
}

struct StreamRow {
    name: &'static str,
    consumed: String,
    rate: String,
    late: String,
    dead_letters: String,
    latency: String,
    keys: String,
    waiting: String,
    bytes: String,
    on_disk: String,
}

struct SinkRow {
    name: String,
    does: String,
    place: String,
    written: String,
    lag: String,
    failures: String,
    word: &'static str,
    class: &'static str,
    last_failure: Option<String>,
}

struct PartitionRow {
    topic: String,
    partition: i32,
    position: String,
    lag: String,
    watermark: String,
    behind: String,
    word: &'static str,
    class: &'static str,
}

/// The page at `now`.
///
/// # Errors
/// What the template says; never in practice.
pub fn status_html(status: &DetectorStatus, now: WallTime) -> Result<String, ReportError> {
    let up_s = now.0.saturating_sub(status.started_at.0) / 1_000_000;
    let page = Page {
        style: concat!(
            include_str!("../../templates/colours.css"),
            include_str!("../../templates/chart.css"),
            include_str!("../../templates/report.css"),
            include_str!("../../templates/status.css")
        ),
        version: &status.version,
        group: &status.group,
        meta: format!(
            "slot {} · process {} · {} · up for {}",
            status.slot,
            status.pid,
            status.delivery,
            span(up_s as f64)
        ),
        badge: badge(status, now),
        tiles: tiles(status, now),
        graph: graph::svg(status),
        shares: shares(status),
        pressure: pressure(status),
        streams: status
            .streams
            .iter()
            .map(|(stream, of)| stream_row(stream.name(), of, status))
            .collect(),
        sinks: status
            .sinks
            .iter()
            .map(|(name, of)| sink_row(name, of))
            .collect(),
        partitions: status
            .partitions
            .iter()
            .map(|of| partition_row(of, now))
            .collect(),
        checkpoints: checkpoints(status, now),
        failure: status.last_failure.as_deref(),
    };
    Ok(page.render()?)
}

fn badge(status: &DetectorStatus, now: WallTime) -> Badge {
    let (class, word, sentence) = match (status.health(now), status.phase) {
        (Err(reason), _) => ("bad", "Silent", reason),
        (Ok(()), Phase::Running) => ("good", "Running", reading(status)),
        (Ok(()), Phase::Waiting) => (
            "warn",
            "Waiting",
            "The group has given it no partitions yet: others may have them all.".to_owned(),
        ),
        (Ok(()), Phase::Replaying) => (
            "warn",
            "Replaying",
            "It reads again what its snapshot does not hold, without output.".to_owned(),
        ),
        (Ok(()), Phase::Starting) => (
            "warn",
            "Starting",
            "It looks for the broker and its topics.".to_owned(),
        ),
        (Ok(()), Phase::Restarting) => (
            "bad",
            "Restarting",
            format!(
                "It pauses after a failure; {} left.",
                format::plural(u64::from(status.restarts_left), "restart")
            ),
        ),
        (Ok(()), Phase::Ending) => (
            "warn",
            "Ending",
            "Output is flushed, offsets are committed.".to_owned(),
        ),
    };
    Badge {
        class,
        word,
        sentence,
    }
}

fn reading(status: &DetectorStatus) -> String {
    let partitions = format::plural(status.partitions.len() as u64, "partition");
    if status.partitions.iter().all(|of| of.at_end) {
        return format!("It has read {partitions} to the end.");
    }
    format!("It reads {partitions}.")
}

fn tiles(status: &DetectorStatus, now: WallTime) -> Vec<Tile> {
    let streams = status.streams.values();
    let sum = |of: fn(&StreamStatus) -> u64| status.streams.values().map(of).sum::<u64>();
    let behind = status
        .partitions
        .iter()
        .filter_map(|of| of.watermark_lag_s(now))
        .fold(None, |most: Option<f64>, lag| {
            Some(most.map_or(lag, |most| most.max(lag)))
        });
    let tile = |name, value: String, note: String| Tile { name, value, note };
    vec![
        tile(
            "Records",
            format::rate(streams.map(|of| of.per_s).sum()),
            format!("{} read", format::count(sum(|of| of.consumed))),
        ),
        tile(
            "Lag",
            status.lag().map_or(UNKNOWN.to_owned(), format::count),
            "records not read".to_owned(),
        ),
        tile(
            "Watermark",
            behind.map_or(UNKNOWN.to_owned(), span),
            "behind the clock, the slowest".to_owned(),
        ),
        tile(
            "Alerts",
            format::count(status.written.alerts),
            format!(
                "{} flagged",
                format::plural(status.written.flags, "session")
            ),
        ),
        tile(
            "Late",
            format::count(sum(|of| of.late)),
            "events dropped".to_owned(),
        ),
        tile(
            "Dead letters",
            format::count(sum(|of| of.dead_letters)),
            "records that are no events".to_owned(),
        ),
        tile(
            "Restarts",
            format::count(status.restarts),
            format!("{} left", status.restarts_left),
        ),
    ]
}

fn shares(status: &DetectorStatus) -> [Share; 3] {
    let of = &status.pressure;
    [
        ("idle", "waits for records", of.idle),
        ("busy", "works", of.busy),
        ("blocked", "waits for its output", of.blocked),
    ]
    .map(|(class, name, share)| Share {
        class,
        name,
        text: format::percent(share),
        width: format!("{:.1}", share * 100.0),
    })
}

fn pressure(status: &DetectorStatus) -> String {
    let of = &status.pressure;
    format!(
        "{} fetched ahead, of at most {}; {} not acknowledged; {} paused now, {} so far.",
        format::plural(of.read_ahead, "record"),
        format::bytes(of.read_ahead_limit_kib as f64 * 1024.0),
        format::plural(of.in_flight, "result"),
        format::plural(of.paused, "partition"),
        format::count(of.pauses),
    )
}

fn stream_row(name: &'static str, of: &StreamStatus, status: &DetectorStatus) -> StreamRow {
    StreamRow {
        name,
        consumed: format::count(of.consumed),
        rate: format::rate(of.per_s),
        late: format::count(of.late),
        dead_letters: format::count(of.dead_letters),
        latency: median_and_p99(status.latency.get(name)),
        keys: format::count(of.state.keys),
        waiting: format::count(of.state.waiting),
        bytes: format::bytes(of.state.bytes as f64),
        on_disk: match of.state.disk_bytes {
            0 => "nothing".to_owned(),
            bytes => format!(
                "{} of {}",
                format::bytes(bytes as f64),
                format::plural(of.state.disk_keys, "key")
            ),
        },
    }
}

/// Median and 99th percentile.
fn median_and_p99(spans: Option<&Spans>) -> String {
    let bounds = spans.and_then(|spans| Some((bound(spans, 0.5)?, bound(spans, 0.99)?)));
    bounds.map_or(UNKNOWN.to_owned(), |(median, p99)| {
        format!("{median} / {p99}")
    })
}

/// The bound of the bucket in which a share of all spans is reached.
fn bound(spans: &Spans, share: f64) -> Option<String> {
    let all = spans.total();
    if all == 0 {
        return None;
    }
    let mut below = 0;
    for (count, bound) in spans.counts.iter().zip(BOUNDS_US) {
        below += count;
        if below as f64 >= share * all as f64 {
            return Some(format!("≤ {}", format::setting_micros(bound)));
        }
    }
    Some("> 1 min".to_owned())
}

fn sink_row(name: &str, of: &SinkStatus) -> SinkRow {
    let (word, class) = match of {
        of if of.failing => ("tries again", "warn"),
        of if of.lag.is_none() => ("waiting", "dim"),
        _ => ("writing", "good"),
    };
    SinkRow {
        name: name.to_owned(),
        does: of.does.clone(),
        place: of.place.clone(),
        written: format::count(of.written),
        lag: of.lag.map_or(UNKNOWN.to_owned(), format::count),
        failures: format::count(of.failures),
        word,
        class,
        last_failure: of.last_failure.clone(),
    }
}

fn partition_row(of: &PartitionStatus, now: WallTime) -> PartitionRow {
    let (word, class) = match of {
        of if of.paused => ("paused", "warn"),
        of if of.at_end => ("at the end", "dim"),
        _ => ("reading", "good"),
    };
    PartitionRow {
        topic: of.topic.clone(),
        partition: of.partition,
        position: of
            .position
            .and_then(|at| u64::try_from(at).ok())
            .map_or(UNKNOWN.to_owned(), format::count),
        lag: of.lag.map_or(UNKNOWN.to_owned(), format::count),
        watermark: of.watermark.map_or(UNKNOWN.to_owned(), format::event_time),
        behind: of.watermark_lag_s(now).map_or(UNKNOWN.to_owned(), span),
        word,
        class,
    }
}

fn checkpoints(status: &DetectorStatus, now: WallTime) -> Vec<(&'static str, String)> {
    let of = &status.checkpoints;
    let ago = |at: Option<WallTime>| {
        at.map_or("none yet".to_owned(), |at| {
            format!("{} ago", span(now.0.saturating_sub(at.0) as f64 / 1e6))
        })
    };
    let mut rows = vec![
        ("Last commit", ago(of.last_commit_at)),
        ("Commits", format::count(of.commits)),
        ("Refused or aborted", format::count(of.aborts)),
        (
            "A commit takes (median / p99)",
            median_and_p99(Some(&of.commit)),
        ),
    ];
    if let Some(spans) = status.latency.get("exchange") {
        let took = median_and_p99(Some(spans));
        rows.push(("Exchange to result (median / p99)", took));
    }
    if status.delivery == "exactly-once" {
        rows.extend([
            ("Last snapshot", ago(of.last_snapshot_at)),
            ("Snapshots", format::count(of.snapshots)),
            (
                "The last one took",
                format::micros(of.last_snapshot_us as f64),
            ),
            (
                "Reading stood still for",
                format::micros(of.last_snapshot_stop_us as f64),
            ),
            ("Its size", format::bytes(of.snapshot_bytes as f64)),
        ]);
    }
    rows
}

/// Seconds, in the unit that keeps the number short.
fn span(seconds: f64) -> String {
    match seconds.abs() {
        size if size >= 2.0 * 86_400.0 => format!("{:.0} d", seconds / 86_400.0),
        size if size >= 2.0 * 3_600.0 => format!("{:.1} h", seconds / 3_600.0),
        size if size >= 120.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::testing::{NOW, status};

    #[test]
    fn the_page_shows_graph_watermarks_lag_pressure_and_checkpoints() {
        let mut status = status();
        let sink = SinkStatus {
            does: "rows in files".to_owned(),
            place: "s3://lake/rows".to_owned(),
            last_failure: Some("write the file: <no store>".to_owned()),
            ..SinkStatus::default()
        };
        status.sinks.insert("results".to_owned(), sink);
        let page = status_html(&status, NOW).unwrap();
        for text in [
            "Running",
            "It reads 2 partitions.",
            "12,345 read",
            "up for 100.0 s",
            "4.5 s",
            "partitions, lag 9, 1 paused",
            "20.0 %",
            "120 records fetched ahead, of at most 64.0 MiB",
            "≤ 5 ms / ≤ 100 ms",
            "12.0 s ago",
            "2.50 ms",
            "1.70 ms",
            "64.0 KiB",
            "poll: &#60;no broker&#62; answered",
            "rows in files</td><td>s3://lake/rows</td>",
            "<pre>results: write the file: &#60;no store&#62;</pre>",
        ] {
            assert!(page.contains(text), "{text}\n{page}");
        }
        for outside in ["http://", "https://", "<script", "@import", "src="] {
            let own = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!own.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_detector_that_waits_or_is_silent_says_so_without_figures() {
        let mut waiting = DetectorStatus {
            phase: Phase::Waiting,
            at: NOW,
            started_at: NOW,
            ..DetectorStatus::default()
        };
        let page = status_html(&waiting, NOW).unwrap();
        assert!(page.contains("no partitions yet") && page.contains("none yet"));
        waiting.at = WallTime(NOW.0 - 61_000_000);
        let page = status_html(&waiting, NOW).unwrap();
        assert!(page.contains("no sign of life for 61 s"), "{page}");
    }

    #[test]
    fn spans_read_well_at_any_length() {
        for (seconds, text) in [
            (0.25, "0.2 s"),
            (90.0, "90.0 s"),
            (150.0, "2.5 min"),
            (9000.0, "2.5 h"),
            (-3.0, "-3.0 s"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
