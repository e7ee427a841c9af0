//! A run as a test suite: its validity and each of its gates.

use std::io::Write;

use floodmark_contracts::result::{GateResult, Outcome, RunResult, ValidityStatus};

use super::{Case, Suite, Verdict};
use crate::{
    ReportError,
    format::metric,
    verdict::{Standing, advice, found, metrics_of, reasons, sentence, undefined},
};

/// Writes the run as one test suite: its validity and each gate are test cases. A gate that fails the run is a failure;
/// one that only warns passes and says so; a figure that is undefined, and a measurement that cannot be trusted,
/// are errors.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn junit(result: &RunResult, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut cases = vec![validity(result)];
    cases.extend(result.gates.iter().map(|gate| {
        let verdict = judged(result, gate);
        Case::new(&gate.gate.require, verdict)
    }));
    let mut lines = vec![sentence(result)];
    lines.extend(reasons(result));
    lines.extend(advice(result));
    let suite = Suite {
        name: format!("{}/{}", result.profile, result.subject),
        started_at: Some(result.started_at),
        properties: vec![
            ("profile", result.profile.clone()),
            ("seed", result.seed.to_string()),
            ("subject", result.subject.clone()),
            ("broker", result.broker.clone()),
            ("floodmark.version", result.floodmark_version.clone()),
            ("reproduce", result.reproduce.clone()),
        ],
        cases,
        out: lines.join("\n"),
        err: result.subject_lines.join("\n"),
        made_by: format!("again: {}", result.reproduce),
    };
    Ok(suite.write(out)?)
}

/// Whether the figures can be trusted. It takes all the time of the run: gates cost nothing.
fn validity(result: &RunResult) -> Case {
    let lines: Vec<String> = result
        .validity
        .reasons
        .iter()
        .map(|reason| format!("[{}] {}", reason.code, reason.message))
        .collect();
    let verdict = match (result.outcome, result.validity.status) {
        (_, ValidityStatus::Invalid) | (Outcome::Invalid, _) => {
            let message = format!("the measurement cannot be trusted: {}", lines.join("; "));
            Verdict::Error("invalid", message)
        }
        (Outcome::Interrupted, _) => {
            let message = "a signal cut the run short; run it again to the end";
            Verdict::Error("interrupted", message.to_owned())
        }
        (_, ValidityStatus::Degraded) => {
            let note = "the measurement can be trusted less than usual";
            Verdict::Passed(format!("{note}\n{}", lines.join("\n")))
        }
        (_, ValidityStatus::Valid) => Verdict::Passed(lines.join("\n")),
    };
    Case {
        seconds: seconds(result),
        ..Case::new("validity", verdict)
    }
}

/// What a gate comes to, with what was found.
fn judged(result: &RunResult, gate: &GateResult) -> Verdict {
    let undefined = undefined(result, gate);
    match Standing::of(gate) {
        Standing::Holds => Verdict::Passed(String::new()),
        Standing::Warns => {
            let message = message(result, gate, &undefined);
            Verdict::Passed(format!("warning: {message}"))
        }
        Standing::Invalidates => Verdict::Error("invalid", message(result, gate, &undefined)),
        Standing::Fails if undefined.is_empty() => {
            Verdict::Failure("gate-failed", message(result, gate, &undefined))
        }
        Standing::Fails => Verdict::Error("undefined", message(result, gate, &undefined)),
    }
}

/// What was found, and what the gate wants.
fn message(result: &RunResult, gate: &GateResult, undefined: &[String]) -> String {
    let wants = format!("the gate wants `{}`", gate.gate.require);
    if undefined.is_empty() {
        let name = metrics_of(result, gate).swap_remove(0);
        let interval = interval(result, &name);
        return format!("`{name}` is {}{interval}; {wants}", found(result, gate));
    }
    let names = undefined.join("` and `");
    let verb = if undefined.len() == 1 { "is" } else { "are" };
    format!(
        "`{names}` {verb} undefined in this run, as there was nothing or too little to measure; {wants}"
    )
}

/// The interval of a metric in brackets, where it has one.
fn interval(result: &RunResult, name: &str) -> String {
    let Some(found) = result.metrics.get(name) else {
        return String::new();
    };
    found.interval.map_or_else(String::new, |interval| {
        let [low, high] = interval.map(|end| metric(Some(end), &found.unit));
        format!(" (95 %: {low} to {high})")
    })
}

/// Seconds of wall time that the run took, from its setup to the end of its drain.
fn seconds(result: &RunResult) -> f64 {
    let from = result.phases.iter().map(|phase| phase.from.0).min();
    let to = result.phases.iter().map(|phase| phase.to.0).max();
    let length = from.zip(to).map_or(0, |(from, to)| to.saturating_sub(from));
    length.max(0) as f64 / 1e6
}
