//! `floodmark score`: facts into figures.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use floodmark_contracts::{
    alert::Alert,
    label::Label,
    profile::ScoringSection,
    record::{EventSpan, RunRecord},
    result::{Detection, Outcome, RunResult},
};
use floodmark_harness::run::{
    read_bare_alerts, read_generator_facts, read_labels, read_record, read_scored_rows,
};
use floodmark_reports::{detection_table, detectors_text, row_scores_text};
use floodmark_scoring::{
    compare::{
        Plan,
        detectors::{Outcomes, compare_detectors, outcome_of_files},
    },
    rows::RowRules,
    score_files,
};

use crate::{
    args::ScoreArgs,
    commands::{
        report::{self, Facts},
        say,
    },
    exit::{Exit, Failure},
    output,
};

/// Scores a run's folder again, or files that other tools wrote.
pub fn run(args: &ScoreArgs) -> Result<Exit, Failure> {
    if let (Some(alerts), Some(truth)) = (&args.alerts, &args.truth) {
        return files(args, alerts, truth);
    }
    if let (Some(scores), Some(truth)) = (&args.scores, &args.truth) {
        return rows(args, scores, truth);
    }
    let Some(dir) = &args.dir else {
        return Err(Failure::usage(
            "name the folder of a run, or `--alerts` and `--truth`",
        ));
    };
    let record = read_record(&dir.join("record.json")).map_err(|error| {
        Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("this is no folder of a run"),
        )
    })?;
    let result = score_and_report(dir, &record)?;
    if args.json {
        say(&serde_json::to_string_pretty(&result)?);
    } else {
        output::summary(dir, &result);
    }
    Ok(match result.outcome {
        // The run was interrupted, the scoring was not.
        Outcome::Interrupted => Exit::Pass,
        other => other.into(),
    })
}

/// Scores alerts that other tools wrote; against those of another detector, if there are any.
fn files(args: &ScoreArgs, alerts: &Path, truth: &Path) -> Result<Exit, Failure> {
    let (labels, span) = read_truth(truth)?;
    let score = |alerts: &[Alert]| -> Result<Detection, Failure> {
        let section = ScoringSection::default();
        Ok(score_files(&labels, alerts, &section, span)?)
    };
    let alerts = read_bare_alerts(alerts)?;
    let detection = score(&alerts)?;
    let Some(against) = &args.against else {
        if args.json {
            say(&serde_json::to_string_pretty(&detection)?);
        } else {
            say(detection_table(&detection).trim_end());
        }
        return Ok(Exit::Pass);
    };
    let others = read_bare_alerts(against)?;
    let base = outcome_of_files(&detection, &labels, &alerts);
    let cand = outcome_of_files(&score(&others)?, &labels, &others);
    let outcomes = Outcomes::paired(&base, &cand).ok_or_else(|| {
        anyhow::anyhow!("the same labels count differently for two files of alerts")
    })?;
    let compared = compare_detectors(&outcomes, &Plan::default());
    if args.json {
        say(&serde_json::to_string_pretty(&compared)?);
    } else {
        say(detectors_text(&compared).trim_end());
    }
    Ok(Exit::Pass)
}

/// Scores what a detector says of every event, not of some alone.
fn rows(args: &ScoreArgs, scores: &Path, truth: &Path) -> Result<Exit, Failure> {
    let (labels, span) = read_truth(truth)?;
    let mut rows = read_scored_rows(scores)?;
    let mut n_outside = rows.len();
    if let Some(span) = span {
        rows.retain(|row| row.time >= span.from && row.time < span.until);
    }
    n_outside -= rows.len();
    let found = floodmark_scoring::rows::score(&rows, &labels, RowRules::default());
    if args.json {
        say(&serde_json::to_string_pretty(&found)?);
        return Ok(Exit::Pass);
    }
    say(row_scores_text(&found).trim_end());
    if n_outside > 0 {
        say(&format!(
            "{n_outside} rows lie in the warm-up or behind the end, and count nowhere"
        ));
    }
    Ok(Exit::Pass)
}

/// Labels from a file of them, or from a folder that `generate` left: there it also stands which part of
/// event time can be scored.
fn read_truth(truth: &Path) -> Result<(Vec<Label>, Option<EventSpan>), Failure> {
    if !truth.is_dir() {
        return Ok((read_labels(truth)?, None));
    }
    let facts = read_generator_facts(&truth.join("generator.json"))?;
    Ok((
        read_labels(&truth.join("labels.ndjson"))?,
        Some(facts.scored),
    ))
}

/// Scores the facts in a run's folder, and writes `result.json`, `latency.hlog` and the report.
pub fn score_and_report(dir: &Path, record: &RunRecord) -> Result<RunResult, Failure> {
    let facts = Facts::read(dir)?;
    let (labels, alerts) = (&facts.labels, &facts.alerts);
    let result = floodmark_scoring::score(record, labels, alerts, &facts.series)?;
    let mut file = BufWriter::new(File::create(dir.join("result.json"))?);
    serde_json::to_writer_pretty(&mut file, &result)?;
    file.flush()?;
    let mut hlog = BufWriter::new(File::create(dir.join("latency.hlog"))?);
    floodmark_scoring::hlog::write(record, labels, alerts, &mut hlog)?;
    hlog.flush()?;
    report::write(dir, &facts, &result)?;
    Ok(result)
}
