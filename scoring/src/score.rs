//! From a run's record, labels and alerts to its result.

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    clock::{EventTime, WallTime},
    histogram::HistogramError,
    kind::Kind,
    label::Label,
    problem::Problem,
    profile::{ScoringSection, StreamsSection, scoring::GateFailure},
    record::{Ending, EventSpan, RunRecord, SeriesRow},
    result::{
        Detection, Excluded, GATE_NOT_MET, GateResult, Outcome, RunResult, SCHEMA_VERSION,
        Validity, ValidityReason, ValidityStatus,
    },
};
use hdrhistogram::Histogram;

use crate::{
    accuracy::{self, Ground, Setting},
    baseline::Space,
    decoys, difficulty, disorder, faults,
    gates::{self, GateError},
    incident, latency,
    matching::{self, Fate, LabelFate, Matching},
    memory, metrics, phases,
    scope::{Bounds, Exclusion, Scope, Standing},
    settings::{Settings, read_resolution},
    throughput, warnings, waterfall,
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

/// Scores a run: its record, labels and alerts, and the time series that it left, from which its steady state is known.
///
/// # Errors
/// [`ScoreError`] if the record or a label is not one that a run leaves behind.
pub fn score(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
    series: &[SeriesRow],
) -> Result<RunResult, ScoreError> {
    let seconds = check_record(record)?;
    let judged = judge(record, labels, alerts)?;
    let histograms = latency::measure(record, labels, alerts, &judged.matching)?;
    let latency = latency::summaries(&histograms);
    let throughput = throughput::per_stream(record, seconds);
    let steady = phases::steady(record, series);
    let phase_figures = phases::figures(record, alerts, series, &steady)?;
    let faults = faults::score(record, labels, alerts, &judged.matching, seconds);
    let metrics = metrics::collect(
        record,
        &judged.detection,
        &throughput,
        &latency,
        &faults,
        &memory::growth(series, seconds),
    );
    let gates = gates::evaluate(&record.gates, &metrics, record.timeline.speed)?;
    let mut warnings = warnings::collect(record, &judged.scope, &judged.detection, &gates);
    warnings.extend(latency::negative_warning(record, alerts, &judged.matching));
    Ok(RunResult {
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
        validity: validity(record, &gates),
        warnings,
        metrics,
        detection: judged.detection,
        throughput,
        disorder: disorder::per_stream(record)?,
        latency,
        waterfall: waterfall::collect(record, alerts, &judged.matching),
        steady,
        phase_figures,
        gates,
        faults,
        processes: record.processes.clone(),
        machine: record.machine.clone(),
        audit: record.audit.clone(),
        clock: record.clock.clone(),
        environment: record.environment.clone(),
        ending: record.ending.clone(),
        subject_lines: record.subject_lines.clone(),
    })
}

/// Scores alerts against labels without a run around them. Of event time counts what is in `span`, or
/// everything without one; the random baseline knows only the keys that are named.
///
/// # Errors
/// [`ScoreError`] if a label or the section makes no sense.
pub fn score_files(
    labels: &[Label],
    alerts: &[Alert],
    section: &ScoringSection,
    span: Option<EventSpan>,
) -> Result<Detection, ScoreError> {
    let (settings, resolution_ms) = read_settings(section)?;
    let collected: Vec<CollectedAlert> = alerts.iter().map(bare).collect();
    let starts = labels.iter().map(|l| l.start.plus_ms(-settings.early_ms));
    let ends = labels.iter().map(|l| l.end.plus_ms(l.kind.late_ms()));
    let everything = Bounds {
        from: starts
            .chain(alerts.iter().map(|a| a.end))
            .min()
            .unwrap_or_default(),
        until: ends
            .chain(alerts.iter().map(|a| a.end))
            .max()
            .unwrap_or_default(),
    };
    let bounds = span.map_or(everything, |span| Bounds {
        from: span.from,
        until: span.until,
    });
    let streams = StreamsSection::default();
    let setting = Setting {
        resolution_ms,
        ..Setting::default()
    };
    Ok(judge_within(labels, &collected, bounds, settings, (&streams, setting))?.detection)
}

/// The latency distributions of a run in microseconds, by the names of [`LATENCIES`].
///
/// # Errors
/// [`ScoreError`] if the record or a label is not one that a run leaves behind.
pub(crate) fn histograms(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
) -> Result<BTreeMap<String, Histogram<u64>>, ScoreError> {
    check_record(record)?;
    let judged = judge(record, labels, alerts)?;
    Ok(latency::measure(record, labels, alerts, &judged.matching)?)
}

/// Alerts held against labels.
struct Judged<'a> {
    scope: Scope<'a>,
    matching: Matching,
    detection: Detection,
}

fn judge<'a>(
    record: &RunRecord,
    labels: &'a [Label],
    alerts: &'a [CollectedAlert],
) -> Result<Judged<'a>, ScoreError> {
    let (settings, resolution_ms) = read_settings(&record.scoring)?;
    let bounds = Bounds::of(record);
    let setting = Setting {
        timeline: Some((record.timeline, record.started_at)),
        events: Some(record.generator.values().map(|facts| facts.sent).sum()),
        resolution_ms,
    };
    let plan = (&record.plan.streams, setting);
    judge_within(labels, alerts, bounds, settings, plan)
}

fn judge_within<'a>(
    labels: &'a [Label],
    alerts: &'a [CollectedAlert],
    bounds: Bounds,
    settings: Settings,
    (streams, setting): (&StreamsSection, Setting),
) -> Result<Judged<'a>, ScoreError> {
    check_labels(labels)?;
    let scope = Scope::new(labels, alerts, bounds, settings);
    let found = matching::find(&scope, settings);
    let matching = matching::fates(&scope, &found);
    let incident = incident::score(&scope, &found, settings.merge_gap_ms);
    let decoys = decoys::score(&scope, &found);
    let difficulty = difficulty::score(&scope, &incident.detected);
    let space = Space::new(&scope, &found, streams, bounds, settings);
    let ground = Ground::new(&scope, &found, alerts, bounds, settings.merge_gap_ms);
    let accuracy = accuracy::score(&ground, &space, setting);
    let of_kind = |kind: &Kind| (*kind, space.of_kind(*kind));
    let detection = Detection {
        from: bounds.from,
        until: bounds.until,
        random_baseline: space.overall(),
        random_baseline_per_kind: incident.per_kind.keys().map(of_kind).collect(),
        overall: incident.overall,
        per_kind: incident.per_kind,
        decoys: decoys.overall,
        decoys_per_kind: decoys.per_kind,
        difficulty,
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
        accuracy,
        tolerances: settings.tolerances(),
        missed: missed(labels, &matching),
        false_alerts: false_alerts(alerts, &matching),
    };
    Ok(Judged {
        scope,
        matching,
        detection,
    })
}

/// An alert that nobody collected, as one that somebody did.
fn bare(alert: &Alert) -> CollectedAlert {
    CollectedAlert {
        alert: alert.clone(),
        topic: String::new(),
        partition: 0,
        offset: 0,
        appended_at: WallTime(0),
        seen_at: WallTime(0),
        untimed: false,
    }
}

/// How alerts are matched, and the length of a row where one is asked for.
fn read_settings(section: &ScoringSection) -> Result<(Settings, Option<i64>), ScoreError> {
    let settings = Settings::read(section);
    let both = settings.and_then(|settings| Ok((settings, read_resolution(section)?)));
    both.map_err(|problems| ScoreError::Settings { problems })
}

/// Refuses a record that would make nonsense of the figures; gives the seconds in which events were
/// due.
fn check_record(record: &RunRecord) -> Result<f64, ScoreError> {
    let speed = record.timeline.speed;
    if !(speed.is_finite() && speed > 0.0) {
        return Err(ScoreError::Record {
            what: "speed of event time",
            found: speed.to_string(),
        });
    }
    throughput::due_seconds(record).ok_or_else(|| ScoreError::Record {
        what: "duration of the plan",
        found: record.plan.duration.clone(),
    })
}

/// Refuses labels that cannot be matched.
fn check_labels(labels: &[Label]) -> Result<(), ScoreError> {
    let bad = |id: &str, problem| ScoreError::Label {
        id: id.to_owned(),
        problem,
    };
    let mut ids: Vec<&str> = labels.iter().map(|label| label.id.as_str()).collect();
    ids.sort_unstable();
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
    Ok(())
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

/// The harness's verdict, and what gates have against the measurement.
fn validity(record: &RunRecord, gates: &[GateResult]) -> Validity {
    let mut validity = record.validity.clone();
    for gate in gates.iter().filter(|gate| spoils(gate)) {
        let found = gate
            .found
            .map_or_else(|| "nothing".to_owned(), |found| found.to_string());
        validity.status = ValidityStatus::Invalid;
        validity.reasons.push(ValidityReason {
            code: GATE_NOT_MET.to_owned(),
            status: ValidityStatus::Invalid,
            message: format!(
                "the measurement was to meet `{}`, and {found} was found",
                gate.gate.require
            ),
            seconds: Vec::new(),
        });
    }
    validity
}

/// Whether a gate says that the measurement cannot be trusted.
fn spoils(gate: &GateResult) -> bool {
    !gate.passed && gate.gate.otherwise == GateFailure::Invalid
}

fn outcome(record: &RunRecord, gates: &[GateResult]) -> Outcome {
    let fails = |gate: &GateResult| !gate.passed && gate.gate.otherwise == GateFailure::Fail;
    // Records of before knew no other ending than a signal.
    let by_signal = record.ending == Ending::Interrupted
        || record.interrupted && record.ending == Ending::Completed;
    if by_signal {
        Outcome::Interrupted
    } else if record.validity.status == ValidityStatus::Invalid || gates.iter().any(spoils) {
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
