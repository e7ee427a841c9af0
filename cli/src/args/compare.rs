//! Arguments of `compare`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark compare runs/main runs/branch                      six or more runs in each of two folders
  floodmark compare runs/main/a runs/branch/b                  one run each: advice only
  floodmark compare runs/main runs/branch --gate latency.alert.p99 --gate detection.f1 --min-effect 0.05
  floodmark compare runs/main runs/branch --out comparison     comparison.json, .md, .xml and Bencher's format

Ends with 100 if a gated metric regressed. docs/compare.md says how that is decided.")]
pub struct CompareArgs {
    /// What to compare with: the folder of a run, or one with folders of runs
    pub base: PathBuf,
    /// What is compared: the same
    pub cand: PathBuf,
    /// A metric that counts for the verdict; several may be given [default: those of docs/compare.md that both sides have]
    #[arg(long, value_name = "METRIC")]
    pub gate: Vec<String>,
    /// The least relative change that matters
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub min_effect: f64,
    /// Write `comparison.json`, `comparison.md`, `junit.xml` and `bmf.json` into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}
