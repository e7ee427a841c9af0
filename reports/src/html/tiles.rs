//! The five figures at the top of the page.

use floodmark_contracts::result::RunResult;

use crate::{
    format::{UNDEFINED, count, interval, micros, number, plural, rate, ratio},
    model::total_throughput,
};

/// A figure with its name and what qualifies it.
pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

/// Accuracy first: a fast detector that finds nothing is not worth the rest.
pub(super) fn tiles(result: &RunResult) -> Vec<Tile> {
    let overall = &result.detection.overall;
    let chance = &result.detection.random_baseline;
    let found = format!("{} of {}", count(overall.detected), count(overall.labels));
    vec![
        Tile {
            name: "Recall",
            value: ratio(overall.recall),
            note: note(
                format!("{found} incidents"),
                overall.recall_interval,
                chance.recall,
            ),
        },
        Tile {
            name: "Precision",
            value: ratio(overall.precision),
            note: note(
                format!(
                    "{} after merging",
                    plural(overall.false_merged, "false alert")
                ),
                overall.precision_interval,
                chance.deduplicated_precision,
            ),
        },
        throughput(result),
        alert_latency(result),
        cpu(result),
    ]
}

/// What qualifies a share: its counts, its interval, what chance would score.
fn note(counts: String, limits: Option<[f64; 2]>, chance: Option<f64>) -> String {
    let mut parts = vec![counts];
    if limits.is_some() {
        // A word joiner after the dash keeps the interval on one line.
        let limits = interval(limits).replace('–', "–\u{2060}");
        parts.push(format!("95\u{a0}%\u{a0}{limits}"));
    }
    if chance.is_some() {
        parts.push(format!("at\u{a0}random\u{a0}{}", ratio(chance)));
    }
    parts.join(", ")
}

/// What the broker took, against what was offered.
fn throughput(result: &RunResult) -> Tile {
    let total = total_throughput(result);
    let consumed = total.consumed.map_or_else(
        || "the detector does not tell what it consumed".to_owned(),
        |consumed| format!("{} consumed", rate(consumed)),
    );
    Tile {
        name: "Acknowledged",
        value: rate(total.acknowledged),
        note: format!("of {} offered, {consumed}", rate(total.offered)),
    }
}

/// The median with the highest percentile that has enough values behind it.
fn alert_latency(result: &RunResult) -> Tile {
    let summary = result.latency.get("alert");
    let percentile = |name: &str| {
        let value = summary.and_then(|summary| summary.percentiles.get(name));
        value.map(|us| micros(*us as f64))
    };
    let tail = ["p99", "p90", "max"]
        .into_iter()
        .find_map(|name| Some(format!("{name} {}", percentile(name)?)))
        .unwrap_or_else(|| "no alert was measured".to_owned());
    Tile {
        name: "Alert latency, median",
        value: percentile("p50").unwrap_or_else(|| UNDEFINED.to_owned()),
        note: tail,
    }
}

/// CPU time of the detector against what it consumed.
fn cpu(result: &RunResult) -> Tile {
    let per_million = result
        .metrics
        .get("cpu.subject.per_million_events")
        .and_then(|metric| metric.value);
    Tile {
        name: "Detector CPU",
        value: per_million.map_or_else(|| UNDEFINED.to_owned(), |v| format!("{} s", number(v))),
        note: "per million events".to_owned(),
    }
}
