//! `summary.md`: the run on one page of Markdown, for a pull request or a job summary.
//!
//! GitHub and GitLab show it alike. Texts of others (names, commands, ids) go through [`prose`](crate::prose).

use std::io::Write;

use floodmark_contracts::{
    label::Label,
    result::{Direction, Outcome, RunResult, ValidityStatus},
};

use crate::{
    ReportError, ReportInput,
    format::{event_time, metric, number, plural, ratio, wall_time},
    prose::{block, code, markdown},
    table::Table,
    terminal::{faults, latency, scores, throughput},
    troubles::said,
    verdict::{Standing, advice, badge, decoys, fails, found, sentence, sentence_of},
};

/// Missed incidents that the summary names.
const MISSED_LISTED: usize = 5;

/// Metrics of the first table: what most gates are about. `result.json` has all.
const MAIN_METRICS: [&str; 12] = [
    "detection.recall",
    "detection.precision",
    "detection.f1",
    "detection.false_alerts",
    "detection.delay",
    "throughput.offered",
    "throughput.consumed",
    "latency.alert.p50",
    "latency.alert.p99",
    "latency.detect.p50",
    "cpu.subject.per_million_events",
    "memory.subject.peak",
];

/// Writes the summary: the verdict with what to do in the first line, then what it rests on.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn summary_md(input: &ReportInput<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let result = input.result;
    verdict(result, out)?;
    gates(result, out)?;
    writeln!(out, "## Main figures\n\n{}", figures(result).to_markdown())?;
    missed(input, out)?;
    troubles(result, out)?;
    writeln!(
        out,
        "## Again\n\n{}\nSeed {}, broker {}, detector {}, {}, floodmark {}.\n",
        block(&result.reproduce),
        result.seed,
        code(&result.broker),
        code(&result.subject),
        wall_time(result.started_at),
        markdown(&result.floodmark_version)
    )?;
    details(result, out)
}

/// What the run comes to, what to do, and what speaks against its figures.
fn verdict(result: &RunResult, out: &mut dyn Write) -> Result<(), ReportError> {
    let badge = badge(result.outcome);
    let profile = markdown(&result.profile);
    let step = next_step(result);
    writeln!(out, "# {} {}: {profile}. {step}\n", badge.sign, badge.word)?;
    writeln!(out, "{}\n", sentence(result))?;
    let mut lines = Vec::new();
    for reason in &result.validity.reasons {
        let weight = match reason.status {
            ValidityStatus::Valid => "noted",
            ValidityStatus::Degraded => "degraded",
            ValidityStatus::Invalid => "invalid",
        };
        let message = markdown(&sentence_of(&reason.message));
        lines.push(format!("{} ({weight}): {message}", code(&reason.code)));
    }
    lines.extend(advice(result).iter().map(|line| markdown(line)));
    for line in &lines {
        writeln!(out, "- {line}")?;
    }
    if !lines.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// The first thing to do, in a sentence.
fn next_step(result: &RunResult) -> String {
    match result.outcome {
        Outcome::Interrupted => "Run it again to the end.".to_owned(),
        Outcome::Invalid => "Do not use its figures: mend the cause and measure again.".to_owned(),
        Outcome::GateFailed => result.gates.iter().find(|gate| fails(gate)).map_or_else(
            || "Look at its gates.".to_owned(),
            |gate| {
                let found = found(result, gate);
                format!("Look first at {}: found {found}.", code(&gate.gate.require))
            },
        ),
        Outcome::Passed if result.gates.is_empty() => "Nothing was asked of it.".to_owned(),
        Outcome::Passed if result.gates.iter().any(|gate| !gate.passed) => {
            "Look at what warns.".to_owned()
        }
        Outcome::Passed if result.validity.status != ValidityStatus::Valid => {
            "Read its figures with the reasons below.".to_owned()
        }
        Outcome::Passed => "Nothing to do.".to_owned(),
    }
}

/// One row for each gate, with what it was held against.
fn gates(result: &RunResult, out: &mut dyn Write) -> Result<(), ReportError> {
    if result.gates.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["gate", "found", "result"]);
    for gate in &result.gates {
        let standing = Standing::of(gate);
        let word = match standing {
            Standing::Holds => "holds",
            Standing::Warns => "warns",
            Standing::Fails => "**fails**",
            Standing::Invalidates => "**invalid**",
        };
        table.row([
            code(&gate.gate.require),
            found(result, gate),
            format!("{} {word}", standing.sign()),
        ]);
    }
    Ok(writeln!(out, "## Gates\n\n{}", table.to_markdown())?)
}

/// The main metrics that the run has, with units and intervals.
fn figures(result: &RunResult) -> Table {
    let mut table = Table::new(["metric", "value", "95 %", "better"]);
    for name in MAIN_METRICS {
        let Some(found) = result.metrics.get(name) else {
            continue;
        };
        let interval = found.interval.map_or_else(String::new, |[low, high]| {
            let end = |value| match found.unit.as_str() {
                "ratio" => ratio(Some(value)),
                _ => number(value),
            };
            format!("{}–{}", end(low), end(high))
        });
        let better = match found.direction {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
            Direction::Neutral => "",
        };
        table.row([
            code(name),
            metric(found.value, &found.unit),
            interval,
            better.to_owned(),
        ]);
    }
    table
}

/// The tables of the terminal, folded: what explains the figures above.
fn details(result: &RunResult, out: &mut dyn Write) -> Result<(), ReportError> {
    writeln!(
        out,
        "<details><summary>Detection, latency and throughput in full</summary>\n"
    )?;
    writeln!(
        out,
        "## Detection\n\n{}",
        scores(&result.detection).to_markdown()
    )?;
    writeln!(
        out,
        "Recall and precision with 95 % Wilson intervals; precision counts repeated alerts once. “random” \
         is what alerts placed at random at the same rate would score.\n"
    )?;
    if let Some(line) = decoys(&result.detection) {
        writeln!(out, "{line}\n")?;
    }
    writeln!(out, "## Latency\n\n{}", latency(result).to_markdown())?;
    if !result.throughput.is_empty() {
        writeln!(out, "## Throughput\n\n{}", throughput(result).to_markdown())?;
    }
    if !result.faults.is_empty() {
        writeln!(out, "## Faults\n\n{}", faults(result).to_markdown())?;
    }
    writeln!(out, "</details>")?;
    if !result.warnings.is_empty() {
        writeln!(out, "\n## Warnings\n")?;
        for warning in &result.warnings {
            writeln!(out, "- {}", markdown(&sentence_of(warning)))?;
        }
    }
    Ok(())
}

/// What went wrong, if anything did.
fn troubles(result: &RunResult, out: &mut dyn Write) -> Result<(), ReportError> {
    let said = said(result);
    if said.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Errors and dead letters\n")?;
    for line in said {
        writeln!(out, "- {}", markdown(&sentence_of(&line)))?;
    }
    Ok(writeln!(out)?)
}

/// The worst of the missed incidents, so that a pull request shows where to look: those that stand out most from
/// what is ordinary, then those with the most events.
fn missed(input: &ReportInput<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let ids = &input.result.detection.missed;
    if ids.is_empty() {
        return Ok(());
    }
    let label = |id: &String| input.labels.iter().find(|label| label.id == *id);
    let mut missed: Vec<(&String, Option<&Label>)> = ids.iter().map(|id| (id, label(id))).collect();
    let weight = |label: Option<&Label>| {
        label.map_or((-2.0, 0), |label| {
            (label.snr.unwrap_or(-1.0), label.event_ids.len())
        })
    };
    missed.sort_by(|(_, a), (_, b)| {
        let (a, b) = (weight(*a), weight(*b));
        b.0.total_cmp(&a.0).then(b.1.cmp(&a.1))
    });
    writeln!(
        out,
        "## Missed: {}\n",
        plural(missed.len() as u64, "incident")
    )?;
    for (id, label) in missed.iter().take(MISSED_LISTED) {
        match label {
            Some(label) => writeln!(out, "- {} {}", code(id), incident(label))?,
            None => writeln!(out, "- {}", code(id))?,
        }
    }
    if missed.len() > MISSED_LISTED {
        writeln!(out, "- and {} more", missed.len() - MISSED_LISTED)?;
    }
    Ok(writeln!(out)?)
}

/// What was missed, on what, when, and how much it stood out.
fn incident(label: &Label) -> String {
    let keys: Vec<String> = label.keys.iter().map(|key| code(&key.id)).collect();
    let mut facts = Vec::new();
    // Silence is an incident without events.
    if !label.event_ids.is_empty() {
        facts.push(plural(label.event_ids.len() as u64, "event"));
    }
    facts.extend(
        label
            .snr
            .map(|snr| format!("signal to noise {}", number(snr))),
    );
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!(": {}", facts.join(", "))
    };
    format!(
        "{} on {} at {}{facts}",
        label.kind,
        keys.join(", "),
        event_time(label.start)
    )
}
