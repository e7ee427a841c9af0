//! `floodmark score`: facts into figures.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use floodmark_contracts::{record::RunRecord, result::RunResult};
use floodmark_harness::run::{read_alerts, read_labels, read_record};

use crate::{
    args::ScoreArgs,
    commands::say,
    exit::{Exit, Failure},
};

/// Scores a run's folder again.
pub fn run(args: &ScoreArgs) -> Result<Exit, Failure> {
    let dir = &args.dir;
    let record = read_record(&dir.join("record.json")).map_err(|error| {
        Failure::new(Exit::Usage, anyhow::Error::new(error).context("this is no folder of a run"))
    })?;
    let result = score(dir, &record)?;
    say(&serde_json::to_string_pretty(&result.detection.overall)?);
    Ok(result.outcome.into())
}

/// Scores the facts in a run's folder, and writes `result.json`.
fn score(dir: &Path, record: &RunRecord) -> Result<RunResult, Failure> {
    let labels = read_labels(&dir.join("labels.ndjson"))?;
    let alerts = read_alerts(&dir.join("alerts.ndjson"))?;
    let result = floodmark_scoring::score(record, &labels, &alerts)?;
    let mut file = BufWriter::new(File::create(dir.join("result.json"))?);
    serde_json::to_writer_pretty(&mut file, &result)?;
    file.flush()?;
    Ok(result)
}
