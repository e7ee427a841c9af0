//! What a run comes to in a sentence, and what to do about it.

use floodmark_contracts::{
    kind::Kind,
    profile::scoring::GateFailure,
    result::{Detection, GateResult, Outcome, RunResult, Scores, ValidityStatus},
};
use floodmark_scoring::gates::Gate;

use crate::format::{metric, plural};

/// The outcome in words, with a sign that does not need colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) sign: &'static str,
    pub(crate) word: &'static str,
    /// `good`, `bad` or `warn`: a class of the style sheet.
    pub(crate) class: &'static str,
}

/// Each outcome differs from the others in sign and word, not in colour alone.
pub(crate) fn badge(outcome: Outcome) -> Badge {
    let (sign, word, class) = match outcome {
        Outcome::Passed => ("✓", "Passed", "good"),
        Outcome::GateFailed => ("✗", "Gate failed", "bad"),
        Outcome::Invalid => ("!", "Invalid", "bad"),
        Outcome::Interrupted => ("‖", "Interrupted", "warn"),
    };
    Badge { sign, word, class }
}

/// The verdict in a sentence or two.
pub(crate) fn sentence(result: &RunResult) -> String {
    let trust = match result.validity.status {
        ValidityStatus::Valid => "The measurement can be trusted.",
        ValidityStatus::Degraded => "The measurement can be trusted less than usual.",
        ValidityStatus::Invalid => "The measurement cannot be trusted.",
    };
    let gates = result.gates.len() as u64;
    let failed = result.gates.iter().filter(|gate| fails(gate)).count() as u64;
    match result.outcome {
        Outcome::Passed if gates == 0 => format!("No gates were set. {trust}"),
        Outcome::Passed if gates == 1 => format!("The one gate holds. {trust}"),
        Outcome::Passed if result.gates.iter().all(|gate| gate.passed) => {
            format!("All {gates} gates hold. {trust}")
        }
        Outcome::Passed => format!("No gate fails the run, some warn. {trust}"),
        Outcome::GateFailed => {
            let verb = if failed == 1 { "fails" } else { "fail" };
            format!("{failed} of {} {verb}. {trust}", plural(gates, "gate"))
        }
        Outcome::Invalid => {
            format!(
                "{trust} The figures below say as much about the harness as about the detector."
            )
        }
        Outcome::Interrupted => {
            "A signal cut the run short. The figures cover what was measured until then.".to_owned()
        }
    }
}

/// How often the detector fell for benign look-alikes, in a sentence; none where there were none.
pub(crate) fn decoys(detection: &Detection) -> Option<String> {
    let all = &detection.decoys;
    if all.decoys == 0 {
        return None;
    }
    let kinds = detection.decoys_per_kind.iter();
    let kinds: Vec<String> = kinds
        .map(|(kind, scores)| format!("{kind} {}/{}", scores.alerted, scores.decoys))
        .collect();
    Some(format!(
        "Alerted on {} of {} ({}), with {}.",
        all.alerted,
        plural(all.decoys, "benign look-alike"),
        kinds.join(", "),
        plural(all.alerts, "false alert")
    ))
}

/// What speaks against the figures, as sentences.
pub(crate) fn reasons(result: &RunResult) -> Vec<String> {
    let reasons = result.validity.reasons.iter();
    reasons.map(|reason| sentence_of(&reason.message)).collect()
}

/// What a reader can do next, most pressing first; reasons against the figures stand by themselves.
pub(crate) fn advice(result: &RunResult) -> Vec<String> {
    let mut advice = Vec::new();
    if result.outcome == Outcome::Interrupted {
        advice.push("Run it again to the end before comparing it with anything.".to_owned());
    }
    let failed: Vec<&GateResult> = result.gates.iter().filter(|gate| !gate.passed).collect();
    let is_about = |prefix: &str| {
        failed
            .iter()
            .any(|g| g.found.is_some() && metrics_of(result, g)[0].starts_with(prefix))
    };
    if is_about("detection.recall") || is_about("detection.f1") {
        advice.extend(most_missed(result));
    }
    if is_about("detection.precision") || is_about("detection.f1") {
        advice.extend(most_false(result));
    }
    if is_about("latency.alert") || is_about("latency.detect") {
        advice.push(
            "Latency: hold `alert` against `acknowledge`. What is above it is the wait for the \
             watermark and the detector's own time; if lag grows in the time line, the detector cannot \
             keep up."
                .to_owned(),
        );
    }
    if is_about("throughput") {
        advice.push(
            "Throughput: see in the time line whether events were sent late (the generator), \
             acknowledged late (the broker) or consumed late (the detector)."
                .to_owned(),
        );
    }
    for gate in failed.iter().filter(|gate| gate.found.is_none()) {
        advice.push(format!(
            "`{}` cannot hold: its figure is undefined in this run, as there was nothing or too \
             little to measure.",
            gate.gate.require
        ));
    }
    if result.gates.is_empty() && result.outcome == Outcome::Passed {
        advice.push(
            "Set `gates` in the profile, such as `detection.recall >= 0.8`, to have the run judged."
                .to_owned(),
        );
    }
    advice
}

/// What a gate comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Holds,
    Warns,
    Fails,
    /// The measurement cannot be trusted without it.
    Invalidates,
}

impl Standing {
    /// Of a gate as it was evaluated.
    pub(crate) fn of(gate: &GateResult) -> Self {
        match gate.gate.otherwise {
            _ if gate.passed => Self::Holds,
            GateFailure::Warn => Self::Warns,
            GateFailure::Fail => Self::Fails,
            GateFailure::Invalid => Self::Invalidates,
        }
    }

    /// A sign that does not need colour.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Holds => "✓",
            Self::Warns | Self::Invalidates => "!",
            Self::Fails => "✗",
        }
    }
}

/// The metrics that a gate names, the one that it judges first. Of a gate that this version cannot read, as of
/// another version's result, what stands on its left.
pub(crate) fn metrics_of(result: &RunResult, gate: &GateResult) -> Vec<String> {
    let require = &gate.gate.require;
    match Gate::parse(require, result.speed) {
        Ok(gate) => gate.metrics().map(str::to_owned).collect(),
        Err(_) => {
            let left = require.split(['<', '>', '=']).next().unwrap_or_default();
            vec![left.trim().to_owned()]
        }
    }
}

/// Those of them that the run has no figure for; of a gate that this version cannot read, only what it judges is known.
pub(crate) fn undefined(result: &RunResult, gate: &GateResult) -> Vec<String> {
    let has = |name: &String| {
        let metric = result.metrics.get(name);
        metric.is_some_and(|metric| metric.value.is_some())
    };
    let mut names = metrics_of(result, gate);
    match gate.found {
        Some(_) if Gate::parse(&gate.gate.require, result.speed).is_err() => Vec::new(),
        _ => {
            names.retain(|name| !has(name));
            names
        }
    }
}

/// The figure that a gate was held against, with its unit.
pub(crate) fn found(result: &RunResult, gate: &GateResult) -> String {
    let names = metrics_of(result, gate);
    let judged = names.first().and_then(|name| result.metrics.get(name));
    metric(gate.found, judged.map_or("", |metric| &metric.unit))
}

/// Whether the gate fails the run.
pub(crate) fn fails(gate: &GateResult) -> bool {
    Standing::of(gate) == Standing::Fails
}

/// A text as a sentence: with a capital and a full stop.
pub(crate) fn sentence_of(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", chars.as_str())
}

/// Where recall is lost: the kind to look at first.
fn most_missed(result: &RunResult) -> Option<String> {
    let missed = |scores: &Scores| scores.labels - scores.detected;
    let (kind, scores) = most(result, missed)?;
    Some(format!(
        "Recall: `{kind}` is missed most, {} of {}. The missed incidents are listed under “Incidents \
         and alerts”.",
        missed(scores),
        plural(scores.labels, "incident")
    ))
}

/// Where precision is lost.
fn most_false(result: &RunResult) -> Option<String> {
    let (kind, scores) = most(result, |scores| scores.false_merged)?;
    Some(format!(
        "Precision: `{kind}` has the most false alerts, {} after merging. They are listed under \
         “Incidents and alerts”.",
        scores.false_merged
    ))
}

/// The kind with the most of something; none if no kind has any.
fn most(result: &RunResult, of: impl Fn(&Scores) -> u64) -> Option<(&Kind, &Scores)> {
    let kinds = result.detection.per_kind.iter();
    kinds
        .max_by_key(|(_, scores)| of(scores))
        .filter(|(_, scores)| of(scores) > 0)
}
