//! Arguments of `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark report runs/smoke                        report.html, summary.md and the plots once more
  floodmark report runs/smoke --format junit,md      junit.xml and summary.md, for CI
  floodmark report runs/smoke --format gha --out ci  both files for github-action-benchmark, into `ci`
  floodmark report --index runs                      index.html: every run in folders below `runs`, with trends

docs/ci.md has whole workflows for GitHub and GitLab.")]
pub struct ReportArgs {
    /// The folder of a run; with `--index`, one that holds folders of runs at any depth
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Write `index.html`: a page that links the reports of all runs in the folder, with their figures and trends
    #[arg(long, conflicts_with = "format")]
    pub index: bool,
    /// What to write, one or several with commas between
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "FORMAT,…",
        default_values_t = ReportFormat::OF_EVERY_RUN
    )]
    pub format: Vec<ReportFormat>,
    /// Where to write it, in place of the run's folder; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// What a report is written as. All say what `result.json` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// `report.html`: everything for people, in one file that works offline
    Html,
    /// `throughput.png`, `latency.png`, `detection.png`
    Png,
    /// `timeline.svg`, `latency.svg`, `accuracy.svg`, and `difficulty.svg` where labels say how hard they are
    Svg,
    /// `summary.md`: one page of Markdown for a job summary or a merge request
    Md,
    /// `junit.xml`: the validity and each gate as a test case
    Junit,
    /// `bmf.json`: the Bencher Metric Format, one benchmark with a measure for each metric
    Bmf,
    /// `gha-smaller.json` and `gha-bigger.json` for github-action-benchmark. Always both, since its input `tool` says of
    /// a whole file which way is better (`customSmallerIsBetter`, `customBiggerIsBetter`), and a run has metrics of
    /// either way: each file is one step of the workflow
    Gha,
    /// `result.json` itself, as it stands; of use with `--out`
    Json,
}

impl ReportFormat {
    /// What `bench` and `score` write as well.
    pub const OF_EVERY_RUN: [Self; 3] = [Self::Html, Self::Md, Self::Png];

    /// Whether it shows labels, alerts and time series beside the result.
    pub fn needs_the_run(self) -> bool {
        matches!(self, Self::Html | Self::Png | Self::Svg | Self::Md)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::Cli;

    #[test]
    fn a_format_that_there_is_not_is_refused() {
        assert!(Cli::try_parse_from(["floodmark", "report", "run", "--format", "md,svg"]).is_ok());
        assert!(Cli::try_parse_from(["floodmark", "report", "run", "--format", "pdf"]).is_err());
    }
}
