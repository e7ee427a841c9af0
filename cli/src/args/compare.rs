//! Arguments of `compare` and `history`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark compare runs/main runs/branch                      six or more runs in each of two folders
  floodmark compare runs/main/a runs/branch/b                  one run each: advice only, and which labels only one found
  floodmark compare runs/main runs/branch --gate latency.alert.p99 --gate detection.f1 --min-effect 0.05
  floodmark compare runs/main runs/branch --out comparison     comparison.json, .html, .md, .png, .svg and what CI reads

Ends with 100 if a gated metric regressed. docs/compare.md says how that is decided.")]
pub struct CompareArgs {
    /// What to compare with: the folder of a run, or one with folders of runs
    pub base: PathBuf,
    /// What is compared: the same
    pub cand: PathBuf,
    /// Which metrics count, and from which change on
    #[command(flatten)]
    pub margin: MarginArgs,
    /// Write the comparison into this folder, as `comparison.json` and in every other format
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which metrics count for the verdict, and from which change on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Verdict")]
pub struct MarginArgs {
    /// A metric that counts for the verdict; several may be given [default: those of docs/compare.md that both sides have]
    #[arg(long, value_name = "METRIC")]
    pub gate: Vec<String>,
    /// The least relative change that matters
    #[arg(long, value_name = "SHARE", default_value_t = LEAST_EFFECT)]
    pub min_effect: f64,
}

impl Default for MarginArgs {
    fn default() -> Self {
        Self {
            gate: Vec::new(),
            min_effect: LEAST_EFFECT,
        }
    }
}

/// Changes below it matter to nobody who asks for no other.
const LEAST_EFFECT: f64 = 0.02;

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark history runs                                       every run in folders below `runs`
  floodmark history runs/main --metric latency.alert.p99 --metric detection.f1
  floodmark history runs/2025 runs/2026 --profile smoke --out history

Changes are shown, never judged: who looks after every commit tests again and again, so that no exit code depends on them.")]
pub struct HistoryArgs {
    /// Folders of runs, or with folders of runs at any depth
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,
    /// Only runs of this profile, where there are several
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// A metric to show; several may be given [default: what people watch, of those that there are]
    #[arg(long, value_name = "METRIC")]
    pub metric: Vec<String>,
    /// Write `history.json` and `history.html` into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the history as JSON
    #[arg(long)]
    pub json: bool,
}
