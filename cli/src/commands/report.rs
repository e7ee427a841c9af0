//! `floodmark report`: the report of a scored run, written again.

use std::{fs::File, io::BufWriter, path::Path};

use floodmark_contracts::{alert::CollectedAlert, label::Label, result::RunResult};
use floodmark_harness::run::{read_alerts, read_labels, read_series};
use floodmark_reports::ReportInput;

use crate::{
    args::ReportArgs,
    commands::say,
    exit::{Exit, Failure},
};

/// Reads `result.json` and writes the report beside it.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let path = args.dir.join("result.json");
    let text = std::fs::read(&path).map_err(|error| {
        let message = format!(
            "cannot read `{}`; name the folder of a run, or score it first with `floodmark score`",
            path.display()
        );
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    let result: RunResult = serde_json::from_slice(&text)?;
    let labels = read_labels(&args.dir.join("labels.ndjson"))?;
    let alerts = read_alerts(&args.dir.join("alerts.ndjson"))?;
    write(&args.dir, &result, &labels, &alerts)?;
    say(&format!(
        "wrote `{}`",
        args.dir.join("report.html").display()
    ));
    Ok(Exit::Pass)
}

/// Writes `report.html`, `summary.md` and the plots into a run's folder.
pub fn write(
    dir: &Path,
    result: &RunResult,
    labels: &[Label],
    alerts: &[CollectedAlert],
) -> Result<(), Failure> {
    let series = read_series(&dir.join("timeseries.ndjson"))?;
    let input = ReportInput {
        result,
        labels,
        alerts,
        series: &series,
    };
    let mut html = BufWriter::new(File::create(dir.join("report.html"))?);
    floodmark_reports::html(&input, &mut html)?;
    let mut summary = BufWriter::new(File::create(dir.join("summary.md"))?);
    floodmark_reports::summary_md(&input, &mut summary)?;
    for (name, bytes) in floodmark_reports::png(&input)? {
        std::fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}
