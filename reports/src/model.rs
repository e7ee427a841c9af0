//! What charts and tables show, taken from the input once.

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::Timeline,
    fault::FaultScores,
    kind::Kind,
    record::SeriesRow,
    result::{LatencySummary, RunResult, Throughput},
};
use floodmark_scoring::{
    latency::LATENCIES,
    matching::{self, Fate, LabelFate, Matching},
};

use crate::ReportInput;

/// Percentiles in the order of the tables.
pub(crate) const LATENCY_COLUMNS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// Points of a line beyond which intervals of time are put together.
const MAX_POINTS: usize = 900;

/// The latencies that the run has, in the order of reports.
pub(crate) fn latencies(
    result: &RunResult,
) -> impl Iterator<Item = (&'static str, &LatencySummary)> {
    LATENCIES
        .into_iter()
        .filter_map(|(name, _)| Some((name, result.latency.get(name)?)))
}

/// Those of them that charts draw: the others lie on top of these in most runs, and stand in the tables.
pub(crate) fn drawn_latencies(
    result: &RunResult,
) -> impl Iterator<Item = (&'static str, &LatencySummary)> {
    latencies(result).filter(|(name, _)| {
        !matches!(
            *name,
            "due_to_acknowledged" | "due_to_consumed" | "alert_from_hand_over"
        )
    })
}

/// Rates over all streams, as the metrics have them.
pub(crate) fn total_throughput(result: &RunResult) -> Throughput {
    let value = |name: &str| {
        let metric = result.metrics.get(&format!("throughput.{name}"));
        metric.and_then(|metric| metric.value)
    };
    Throughput {
        offered: value("offered").unwrap_or(0.0),
        sent: value("sent").unwrap_or(0.0),
        acknowledged: value("acknowledged").unwrap_or(0.0),
        consumed: value("consumed"),
    }
}

/// The line of the alerts' latency: its highest in each second, microseconds.
pub(crate) const ALERT_LATENCY: &str = "alert_latency_max_us";

/// Time series over all streams: points of (seconds, value).
pub(crate) struct Series {
    /// By metric; a metric that no stream recorded is absent.
    lines: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Series {
    /// Rates and lag are summed over streams, lateness is their highest. To what was recorded comes
    /// [`ALERT_LATENCY`], which the alerts tell.
    pub(crate) fn new(input: &ReportInput<'_>, matching: &Matching) -> Self {
        let mut sums: BTreeMap<&str, BTreeMap<i64, f64>> = BTreeMap::new();
        for row in input.series.iter().filter(|row| row.value.is_finite()) {
            let slot = sums
                .entry(&row.metric)
                .or_default()
                .entry(row.t)
                .or_insert(0.0);
            *slot = if is_maximum(&row.metric) {
                slot.max(row.value)
            } else {
                *slot + row.value
            };
        }
        let latencies = alert_latencies(input, matching);
        if !latencies.is_empty() {
            sums.insert(ALERT_LATENCY, latencies);
        }
        let thin = |(name, points): (&str, BTreeMap<i64, f64>)| {
            let line = thinned(&points.into_iter().collect::<Vec<_>>(), is_maximum(name));
            (name.to_owned(), line)
        };
        Self {
            lines: sums.into_iter().map(thin).collect(),
        }
    }

    /// Points of a metric by time; empty if it was not recorded.
    pub(crate) fn line(&self, metric: &str) -> &[(f64, f64)] {
        self.lines.get(metric).map_or(&[], Vec::as_slice)
    }

    /// Where the longest line ends: the series go on after the last phase that was noted.
    fn last_second(&self) -> f64 {
        let ends = self.lines.values().filter_map(|line| line.last());
        ends.map(|(t, _)| *t).fold(0.0, f64::max)
    }
}

/// Whether a metric is a highest value, which no sum or mean keeps.
fn is_maximum(metric: &str) -> bool {
    metric.contains("_max") || metric == "lag_s"
}

/// The highest latency of the alerts that were appended in each second, microseconds, over the alerts that the latency
/// `alert` is measured over; empty where the result does not say how event time and wall time belong together.
fn alert_latencies(input: &ReportInput<'_>, matching: &Matching) -> BTreeMap<i64, f64> {
    let result = input.result;
    let Some(origin) = result.event_time_origin else {
        return BTreeMap::new();
    };
    let timeline = Timeline {
        origin,
        speed: result.speed,
    };
    let counts = |fate: &Fate| matches!(fate, Fate::True | Fate::False | Fate::Ignored);
    let latency = |collected: &CollectedAlert| {
        let appended = collected.appended_at.offset_from(result.started_at).0;
        let latency_us = appended - timeline.run_micros(collected.alert.end).0;
        (appended.div_euclid(1_000_000) + 1, latency_us.max(0) as f64)
    };
    let mut highest = BTreeMap::new();
    let alerts = input.alerts.iter().zip(&matching.alerts);
    for (collected, _) in alerts.filter(|(_, fate)| counts(fate)) {
        let (second, latency_us) = latency(collected);
        let slot: &mut f64 = highest.entry(second).or_insert(0.0);
        *slot = slot.max(latency_us);
    }
    highest
}

/// At most [`MAX_POINTS`] points: the mean of as many neighbours as that takes, or their highest.
fn thinned(points: &[(i64, f64)], maximum: bool) -> Vec<(f64, f64)> {
    // A page of a long run stays small, and no screen shows more points than this.
    let width = points.len().div_ceil(MAX_POINTS).max(1);
    points
        .chunks(width)
        .map(|chunk| {
            let values = chunk.iter().map(|(_, value)| *value);
            let value = if maximum {
                values.fold(f64::NEG_INFINITY, f64::max)
            } else {
                values.sum::<f64>() / chunk.len() as f64
            };
            (chunk[chunk.len() - 1].0 as f64, value)
        })
        .collect()
}

/// An incident on the time line, in seconds of wall time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) until: f64,
    pub(crate) fate: LabelFate,
    /// The label's.
    pub(crate) id: String,
}

/// An alert on the time line, in seconds of wall time at which it was appended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) at: f64,
    pub(crate) fate: Fate,
    /// The alert's.
    pub(crate) id: String,
}

/// One row of the time line of incidents.
pub(crate) struct Lane {
    pub(crate) name: String,
    /// Incidents by start.
    pub(crate) bands: Vec<Band>,
    /// Alerts by time.
    pub(crate) marks: Vec<Mark>,
}

/// What was broken on purpose, in seconds of wall time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shade {
    pub(crate) from: f64,
    pub(crate) until: f64,
    pub(crate) kind: &'static str,
    /// What was done.
    pub(crate) did: String,
}

/// What a report shows over time.
pub(crate) struct Model {
    pub(crate) matching: Matching,
    pub(crate) series: Series,
    pub(crate) lanes: Vec<Lane>,
    /// Faults, in the order in which they began.
    pub(crate) shades: Vec<Shade>,
    /// Seconds at whose end rebalances of the subject's group had been seen, with how many.
    pub(crate) rebalances: Vec<(f64, f64)>,
    /// End of the time line, seconds of wall time; at least 1.
    pub(crate) end: f64,
    /// End of the time in which events were due, if the run got that far.
    pub(crate) generated_until: Option<f64>,
}

impl Model {
    /// Matches alerts with labels once more, from what the result says of its tolerances, so that charts and
    /// tables agree with the scores.
    pub(crate) fn new(input: &ReportInput<'_>) -> Self {
        let result = input.result;
        let matching = matching::of(&result.detection, input.labels, input.alerts);
        let series = Series::new(input, &matching);
        let phase_end = result
            .phases
            .iter()
            .map(|phase| phase.to.0 as f64 / 1e6)
            .fold(0.0, f64::max);
        let lanes = lanes(input, &matching);
        let last_mark = lanes
            .iter()
            .flat_map(|lane| &lane.marks)
            .map(|mark| mark.at);
        let end = last_mark
            .fold(phase_end.max(series.last_second()), f64::max)
            .max(1.0);
        let generate = result.phases.iter().find(|phase| phase.name == "generate");
        Self {
            matching,
            series,
            lanes,
            shades: shades(result),
            rebalances: rebalances(input),
            end,
            generated_until: generate
                .map(|phase| phase.to.0 as f64 / 1e6)
                .filter(|t| *t > 0.0),
        }
    }
}

fn shades(result: &RunResult) -> Vec<Shade> {
    let shade = |fault: &FaultScores| Shade {
        from: fault.facts.from.0 as f64 / 1e6,
        until: fault.facts.until.0 as f64 / 1e6,
        kind: fault.facts.kind.name(),
        did: fault.facts.did.clone(),
    };
    result.faults.iter().map(shade).collect()
}

/// Taken from the rows themselves: a line would be thinned, and these are few.
fn rebalances(input: &ReportInput<'_>) -> Vec<(f64, f64)> {
    let seen = |row: &&SeriesRow| row.metric == "rebalances" && row.value >= 1.0;
    let mut seen: Vec<(f64, f64)> = input
        .series
        .iter()
        .filter(seen)
        .map(|row| (row.t as f64, row.value))
        .collect();
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    seen
}

/// One lane per kind that has incidents or alerts, and one for alerts of no kind that we know.
fn lanes(input: &ReportInput<'_>, matching: &Matching) -> Vec<Lane> {
    let mut by_kind: BTreeMap<Option<Kind>, (Vec<Band>, Vec<Mark>)> = BTreeMap::new();
    for (label, fate) in input.labels.iter().zip(&matching.labels) {
        by_kind.entry(Some(label.kind)).or_default().0.push(Band {
            from: label.first_sent.0 as f64 / 1e6,
            until: label.last_sent.0 as f64 / 1e6,
            fate: *fate,
            id: label.id.clone(),
        });
    }
    // An alert without a kind stands with the incident that it detects, if it detects one.
    let mut detects = vec![None; input.alerts.len()];
    for pair in &matching.pairs {
        detects[pair.alert as usize] = Some(input.labels[pair.label as usize].kind);
    }
    for (i, (collected, fate)) in input.alerts.iter().zip(&matching.alerts).enumerate() {
        let named = collected.alert.kind.as_deref().and_then(Kind::from_name);
        by_kind
            .entry(named.or(detects[i]))
            .or_default()
            .1
            .push(Mark {
                at: collected.appended_at.offset_from(input.result.started_at).0 as f64 / 1e6,
                fate: *fate,
                id: collected.alert.id.clone(),
            });
    }
    // `None` sorts first; the lane of the others belongs below the kinds.
    let others = by_kind.remove(&None);
    let named = by_kind
        .into_iter()
        .map(|(kind, parts)| (kind.map_or("", Kind::name), parts));
    named
        .chain(others.map(|parts| ("other alerts", parts)))
        .map(|(name, (mut bands, mut marks))| {
            bands.sort_by(|a, b| a.from.total_cmp(&b.from));
            marks.sort_by(|a, b| a.at.total_cmp(&b.at));
            Lane {
                name: name.to_owned(),
                bands,
                marks,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_thinned_by_means_or_by_maxima() {
        let points: Vec<(i64, f64)> = (0..1_800).map(|t| (t, (t % 2) as f64)).collect();
        let means = thinned(&points, false);
        assert_eq!((means.len(), means[0]), (900, (1.0, 0.5)));
        assert_eq!(thinned(&points, true)[0], (1.0, 1.0));
        assert_eq!(thinned(&points[..10], false).len(), 10);
    }
}
