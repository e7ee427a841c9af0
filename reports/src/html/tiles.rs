//! The five figures at the top of the page.

use floodmark_contracts::result::RunResult;

use crate::{
    format::{UNDEFINED, interval, micros, number, rate, ratio},
    model::total_throughput,
};

/// A figure with its name and what qualifies it.
pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

pub(super) fn tiles(result: &RunResult) -> Vec<Tile> {
    let overall = &result.detection.overall;
    vec![
        Tile {
            name: "Recall",
            value: ratio(overall.recall),
            note: with_interval(
                format!("{} of {} incidents", overall.detected, overall.labels),
                overall.recall_interval,
            ),
        },
        Tile {
            name: "Precision",
            value: ratio(overall.precision),
            note: with_interval(
                format!("{} false after merging", overall.false_merged),
                overall.precision_interval,
            ),
        },
        throughput(result),
        alert_latency(result),
        cpu(result),
    ]
}

fn with_interval(text: String, limits: Option<[f64; 2]>) -> String {
    limits.map_or(text.clone(), |_| {
        format!("{text}, 95 % {}", interval(limits))
    })
}

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
