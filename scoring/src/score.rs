//! From a run's record, labels and alerts to its result.

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    histogram::HistogramError,
    label::Label,
    problem::Problem,
    profile::{ScoringSection, StreamsSection, scoring::GateFailure},
    record::{Ending, EventSpan, RunRecord, SeriesRow},
    result::{
        Detection, GATE_NOT_MET, GateResult, Outcome, RunResult, SCHEMA_VERSION, Validity,
        ValidityReason, ValidityStatus,
    },
};
use hdrhistogram::Histogram;

use crate::{
    accuracy::Setting,
    alerts::Alerts,
    disorder, faults,
    gates::{self, GateError},
    judged::{Judged, judge_within},
    latency, memory, metrics,
    parts::Watcher,
    phases,
    scope::Bounds,
    settings::{Settings, read_resolution},
    throughput, troubles, warnings, waterfall,
};

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
    let matching = judged.matching();
    let histograms = latency::measure(record, labels, alerts, &matching)?;
    let latency = latency::summaries(&histograms);
    let throughput = throughput::per_stream(record, seconds);
    let steady = phases::steady(record, series);
    let phase_figures = phases::figures(record, alerts, series, &steady)?;
    let faults = faults::score(record, labels, alerts, &matching, seconds);
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
    warnings.extend(latency::negative_warning(record, alerts, &matching));
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
        event_time_origin: Some(record.timeline.origin),
        phases: record.phases.clone(),
        outcome: outcome(record, &gates),
        validity: validity(record, &gates),
        warnings,
        metrics,
        detection: judged.detection,
        throughput,
        disorder: disorder::per_stream(record)?,
        latency,
        waterfall: waterfall::collect(record, alerts, &matching),
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
        troubles: Some(troubles::collect(record)),
        settings: record.settings.clone(),
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
    score_files_watched(labels, alerts, section, span, &|_| {})
}

/// [`score_files`], with a watcher that is told when each part ends.
///
/// # Errors
/// [`ScoreError`] if a label or the section makes no sense.
pub fn score_files_watched(
    labels: &[Label],
    alerts: &[Alert],
    section: &ScoringSection,
    span: Option<EventSpan>,
    watcher: Watcher<'_>,
) -> Result<Detection, ScoreError> {
    let (settings, resolution_ms) = read_settings(section)?;
    let windows = labels.iter().map(|label| {
        let from = label.start.plus_ms(-settings.early_ms);
        (from, label.end.plus_ms(label.kind.late_ms()))
    });
    // Once through the alerts: they are large.
    let instants = windows.chain(alerts.iter().map(|alert| (alert.end, alert.end)));
    let both = instants.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
    let (from, until) = both.unwrap_or_default();
    let everything = Bounds { from, until };
    let bounds = span.map_or(everything, |span| Bounds {
        from: span.from,
        until: span.until,
    });
    let streams = StreamsSection::default();
    let setting = Setting {
        resolution_ms,
        ..Setting::default()
    };
    let plan = (&streams, setting);
    let judged = judge_within(
        labels,
        Alerts::Bare(alerts),
        bounds,
        settings,
        plan,
        watcher,
    )?;
    Ok(judged.detection)
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
    Ok(latency::measure(
        record,
        labels,
        alerts,
        &judged.matching(),
    )?)
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
        bound_ms: disorder::bound_ms(record),
        resolution_ms,
    };
    let plan = (&record.plan.streams, setting);
    let alerts = Alerts::Collected(alerts);
    judge_within(labels, alerts, bounds, settings, plan, &|_| {})
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
