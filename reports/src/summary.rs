//! `summary.md`: the run on one page of Markdown, for a pull request or a job summary.

use std::io::Write;

use crate::{
    ReportError, ReportInput,
    format::{event_time, plural, wall_time},
    prose::markdown,
    terminal::{faults, latency, scores, throughput},
    verdict::{advice, badge, decoys, fails, found, reasons, sentence, sentence_of},
};

/// Missed incidents that the summary names.
const MISSED_LISTED: usize = 10;

/// Writes the summary.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn summary_md(input: &ReportInput<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let result = input.result;
    let badge = badge(result.outcome);
    let profile = markdown(&result.profile);
    writeln!(out, "# {} {}: {profile}\n", badge.sign, badge.word)?;
    writeln!(out, "{}\n", sentence(result))?;
    for line in reasons(result).into_iter().chain(advice(result)) {
        writeln!(out, "- {}", markdown(&line))?;
    }
    writeln!(
        out,
        "\nSeed {}, broker `{}`, detector `{}`, {}. Again: `{}`\n",
        result.seed,
        result.broker,
        result.subject,
        wall_time(result.started_at),
        result.reproduce
    )?;
    gates(input, out)?;
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
    missed(input, out)?;
    if !result.warnings.is_empty() {
        writeln!(out, "## Warnings\n")?;
        for warning in &result.warnings {
            writeln!(out, "- {}", markdown(&sentence_of(warning)))?;
        }
    }
    Ok(())
}

/// One line for each gate, with what it was held against.
fn gates(input: &ReportInput<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    if input.result.gates.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Gates\n")?;
    for gate in &input.result.gates {
        let (sign, word) = match (gate.passed, fails(gate)) {
            (true, _) => ("✓", "holds"),
            (false, true) => ("✗", "**fails**"),
            (false, false) => ("!", "warns"),
        };
        let found = found(input.result, gate);
        writeln!(out, "- {sign} `{}` {word}: {found}", gate.gate.require)?;
    }
    Ok(writeln!(out)?)
}

/// The first missed incidents, so that a pull request shows where to look.
fn missed(input: &ReportInput<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let missed = &input.result.detection.missed;
    if missed.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "## Missed: {}\n",
        plural(missed.len() as u64, "incident")
    )?;
    for id in missed.iter().take(MISSED_LISTED) {
        match input.labels.iter().find(|label| label.id == *id) {
            Some(label) => {
                let keys = label.keys.iter().map(|key| format!("`{}`", key.id));
                let keys = markdown(&keys.collect::<Vec<_>>().join(", "));
                let (kind, start) = (label.kind, event_time(label.start));
                writeln!(out, "- `{id}` {kind} on {keys} at {start}")?;
            }
            None => writeln!(out, "- `{id}`")?,
        }
    }
    if missed.len() > MISSED_LISTED {
        writeln!(out, "- and {} more", missed.len() - MISSED_LISTED)?;
    }
    Ok(writeln!(out)?)
}
