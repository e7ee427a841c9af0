//! The verdict on a load by itself.

use std::path::Path;

use floodmark_contracts::{record::GeneratorFacts, result::ValidityStatus};
use floodmark_harness::{run::read_series, validity::judge_load};

use crate::{args::Global, colour, exit::Failure};

/// Judges the load, writes the verdict beside the figures and tells it, where only the result is wanted only
/// a bad one. True if the load is what was asked for. A run that was cut short is judged as far as it went.
pub(in crate::commands) fn give(
    facts: &GeneratorFacts,
    out: &Path,
    global: &Global,
) -> Result<bool, Failure> {
    let series = read_series(&out.join("generator-series.ndjson"))?;
    let validity = judge_load(&facts.streams, &series, None);
    let text = serde_json::to_vec_pretty(&validity)?;
    let path = out.join("verdict.json");
    std::fs::write(&path, text).map_err(|error| {
        let message = format!("cannot write `{}`", path.display());
        anyhow::Error::new(error).context(message)
    })?;
    let valid = validity.status != ValidityStatus::Invalid;
    if valid && global.quiet {
        return Ok(true);
    }
    for reason in &validity.reasons {
        let status = format!("{:?}", reason.status).to_lowercase();
        report(&format!("{status} [{}]: {}", reason.code, reason.message));
        if !reason.seconds.is_empty() {
            report(&format!(
                "  in the seconds that end at {}",
                spans(&reason.seconds)
            ));
        }
    }
    report(match validity.status {
        ValidityStatus::Valid => "verdict: VALID",
        ValidityStatus::Degraded => "verdict: DEGRADED",
        ValidityStatus::Invalid => "verdict: INVALID: this is not the load that was asked for",
    });
    Ok(valid)
}

/// The verdict is the command's result, but standard output may hold the events.
#[expect(
    clippy::print_stderr,
    reason = "the command line is what talks to people"
)]
fn report(line: &str) {
    match colour::on_stderr() {
        true => eprintln!("{}", colour::painted(line)),
        false => eprintln!("{line}"),
    }
}

/// Numbers with runs of them drawn together: `3, 7-9 s`.
fn spans(seconds: &[i64]) -> String {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for &second in seconds {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == second => *last = second,
            _ => spans.push((second, second)),
        }
    }
    let texts: Vec<String> = spans
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    format!("{} s", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_seconds_are_drawn_together() {
        assert_eq!(spans(&[3, 7, 8, 9, 11]), "3, 7-9, 11 s");
    }
}
