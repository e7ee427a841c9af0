//! From a run's record, labels and alerts to its result.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::EventTime,
    label::Label,
    problem::Problem,
    profile::scoring::GateFailure,
    record::RunRecord,
    result::{
        Detection, Excluded, GateResult, LatencySummary, Outcome, RunResult, SCHEMA_VERSION,
        ValidityStatus,
    },
};
use hdrhistogram::Histogram;

use crate::{
    baseline::Space,
    gates::{self, GateError},
    incident,
    latency::{self, HistogramError, LATENCIES},
    matching::{self, Fate, Found, LabelFate, Matching},
    metrics,
    scope::{Bounds, Exclusion, Scope, Standing},
    settings::Settings,
    throughput, warnings,
};

/// Ids of false alerts that a result lists at most.
const FALSE_ALERTS_LISTED: usize = 1000;

/// Why a run cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The `scoring` section is wrong.
    #[error("record cannot be scored: {}", join(problems))]
    Settings {
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// A gate cannot be read.
    #[error("gates of the record cannot be evaluated")]
    Gate {
        /// Which and why.
        #[from]
        source: GateError,
    },
    /// A histogram of the record cannot be read.
    #[error("latencies of the record cannot be read")]
    Histogram {
        /// Why.
        #[from]
        source: HistogramError,
    },
    /// The plan's duration or clock makes no sense.
    #[error("record holds `{found}` as {what}, which no run has; is it a `record.json`?")]
    Record {
        /// Which part of it.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// A label that cannot be matched.
    #[error("label `{id}` {problem}; labels must be as the generator writes them")]
    Label {
        /// The label.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A scored run with what its reports and `latency.hlog` need besides.
#[derive(Debug, Clone)]
pub struct Scored {
    /// What `result.json` holds.
    pub result: RunResult,
    /// What became of every label and alert.
    pub matching: Matching,
    /// Latency distributions in microseconds, by the names of [`latency::LATENCIES`].
    pub histograms: BTreeMap<String, Histogram<u64>>,
}

impl Scored {
    /// Wall time from the start of the run to the end of its last phase.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let end = self
            .result
            .phases
            .iter()
            .map(|phase| phase.to.0)
            .max()
            .unwrap_or(0);
        Duration::from_micros(u64::try_from(end).unwrap_or(0))
    }
}

/// Scores a run.
///
/// # Errors
/// [`ScoreError`] if the record or a label is not one that a run leaves behind.
pub fn score(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
) -> Result<RunResult, ScoreError> {
    score_run(record, labels, alerts).map(|scored| scored.result)
}

/// Scores a run and keeps the matching and the histograms.
///
/// # Errors
/// [`ScoreError`] if the record or a label is not one that a run leaves behind.
pub fn score_run(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
) -> Result<Scored, ScoreError> {
    let settings =
        Settings::read(&record.scoring).map_err(|problems| ScoreError::Settings { problems })?;
    let seconds = check(record, labels)?;
    let bounds = Bounds {
        from: record.warm_up_until,
        until: record.event_time_end,
    };
    let scope = Scope::new(labels, alerts, bounds, settings);
    let found = matching::find(&scope, settings);
    let matching = matching::fates(&scope, &found);
    let detection = detect(record, &scope, &found, &matching, alerts, bounds, settings);

    let histograms = latency::measure(record, labels, alerts, &matching)?;
    let latency = summaries(&histograms);
    let throughput = throughput::per_stream(record, seconds);
    let metrics = metrics::collect(record, &detection, &throughput, &latency);
    let gates = gates::evaluate(&record.gates, &metrics, record.timeline.speed)?;
    let result = RunResult {
        schema_version: SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: record.plan.name.clone(),
        seed: record.plan.seed,
        reproduce: record.reproduce.clone(),
        broker: record.broker.clone(),
        subject: record.subject.clone(),
        started_at: record.started_at,
        speed: record.timeline.speed,
        phases: record.phases.clone(),
        outcome: outcome(record, &gates),
        validity: record.validity.clone(),
        warnings: warnings::collect(record, &scope, &detection, &gates),
        metrics,
        detection,
        throughput,
        latency,
        gates,
        processes: record.processes.clone(),
        environment: record.environment.clone(),
    };
    Ok(Scored {
        result,
        matching,
        histograms,
    })
}

/// Refuses what would make nonsense of the figures; gives the seconds in which events were due.
fn check(record: &RunRecord, labels: &[Label]) -> Result<f64, ScoreError> {
    let speed = record.timeline.speed;
    if !(speed.is_finite() && speed > 0.0) {
        return Err(ScoreError::Record {
            what: "speed of event time",
            found: speed.to_string(),
        });
    }
    let mut ids: Vec<&str> = labels.iter().map(|label| label.id.as_str()).collect();
    ids.sort_unstable();
    let bad = |id: &str, problem| ScoreError::Label {
        id: id.to_owned(),
        problem,
    };
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(bad(twice[0], "is there twice"));
    }
    for label in labels {
        if label.end < label.start {
            return Err(bad(&label.id, "ends before it starts"));
        }
        if label.keys.is_empty() {
            return Err(bad(&label.id, "has no key"));
        }
    }
    throughput::due_seconds(record).ok_or_else(|| ScoreError::Record {
        what: "duration of the plan",
        found: record.plan.duration.clone(),
    })
}

fn detect(
    record: &RunRecord,
    scope: &Scope<'_>,
    found: &Found,
    matching: &Matching,
    alerts: &[CollectedAlert],
    bounds: Bounds,
    settings: Settings,
) -> Detection {
    let incident = incident::score(scope, found, settings.merge_gap_ms);
    let space = Space::new(scope, found, &record.plan.streams, bounds, settings);
    Detection {
        random_baseline: space.overall(),
        random_baseline_per_kind: incident
            .per_kind
            .keys()
            .map(|kind| (*kind, space.of_kind(*kind)))
            .collect(),
        overall: incident.overall,
        per_kind: incident.per_kind,
        truncated: scope.standing_count(Standing::Truncated),
        warm_up: Excluded {
            labels: scope.standing_count(Standing::WarmUp),
            alerts: scope.excluded(Exclusion::WarmUp),
        },
        after_end: scope.excluded(Exclusion::AfterEnd),
        ignored: incident.ignored,
        duplicates: scope.excluded(Exclusion::Duplicate),
        key_mismatch: found.key_mismatch,
        shared_alerts: incident.shared_alerts,
        tolerances: settings.tolerances(),
        missed: missed(scope.labels, matching),
        false_alerts: false_alerts(alerts, matching),
    }
}

/// Ids of missed labels, by start, then by id.
fn missed(labels: &[Label], matching: &Matching) -> Vec<String> {
    let fates = labels.iter().zip(&matching.labels);
    let mut missed: Vec<(EventTime, &str)> = fates
        .filter(|(_, fate)| **fate == LabelFate::Missed)
        .map(|(label, _)| (label.start, label.id.as_str()))
        .collect();
    missed.sort_unstable();
    missed.into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// Ids of the first false alerts, by end, then by id.
fn false_alerts(alerts: &[CollectedAlert], matching: &Matching) -> Vec<String> {
    let fates = alerts.iter().zip(&matching.alerts);
    let mut wrong: Vec<(EventTime, &str)> = fates
        .filter(|(_, fate)| **fate == Fate::False)
        .map(|(collected, _)| (collected.alert.end, collected.alert.id.as_str()))
        .collect();
    if wrong.len() > FALSE_ALERTS_LISTED {
        wrong.select_nth_unstable(FALSE_ALERTS_LISTED);
        wrong.truncate(FALSE_ALERTS_LISTED);
    }
    wrong.sort_unstable();
    wrong.into_iter().map(|(_, id)| id.to_owned()).collect()
}

fn summaries(histograms: &BTreeMap<String, Histogram<u64>>) -> BTreeMap<String, LatencySummary> {
    LATENCIES
        .into_iter()
        .filter_map(|(name, meaning)| {
            let summary = latency::summarise(histograms.get(name)?, meaning);
            Some((name.to_owned(), summary))
        })
        .collect()
}

fn outcome(record: &RunRecord, gates: &[GateResult]) -> Outcome {
    let fails = |gate: &GateResult| !gate.passed && gate.gate.otherwise == GateFailure::Fail;
    if record.interrupted {
        Outcome::Interrupted
    } else if record.validity.status == ValidityStatus::Invalid {
        Outcome::Invalid
    } else if gates.iter().any(fails) {
        Outcome::GateFailed
    } else {
        Outcome::Passed
    }
}

fn join(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
