//! Arguments of `ab` and `aa`.

use std::path::PathBuf;

use clap::Args;

use super::{CalibrationArgs, MarginArgs, ProfileArgs};

/// Arguments of `ab`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark ab profiles/smoke.yaml --cand detector.watermark_bound=8s       a setting
  floodmark ab profiles/sensors.yaml --base 'subject:./old' --cand 'subject:./new --fast'
  floodmark ab profiles/smoke.yaml --base binary:../main/floodmark --cand binary:target/release/floodmark
  floodmark ab profiles/smoke.yaml --cand tuned.yaml --rounds 20
  floodmark ab profiles/smoke.yaml --cand detector.watermark_bound=9s --gate cpu.subject.per_million_events --min-effect 0.05

A side is the profile as it stands, changed by what is said of it: PATH=VALUE sets a value of the profile, a file ending in
.yaml is a profile of its own, `subject:COMMAND` is a detector, `binary:FILE` is another floodmark. Several may be given.

Ends with 100 if a gated metric regressed, with 98 if too many rounds were void. docs/compare.md says how that is decided.")]
pub struct AbArgs {
    /// The profile of both sides and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// What is compared with [default: the profile as it stands]
    #[arg(long, value_name = "SIDE", help_heading = "Sides")]
    pub base: Vec<String>,
    /// What is compared
    #[arg(long, value_name = "SIDE", required = true, help_heading = "Sides")]
    pub cand: Vec<String>,
    /// How many rounds
    #[command(flatten)]
    pub rounds: RoundsArgs,
    /// Rounds of the one further look, if the first does not tell; 0 for none [default: as many as `--rounds`]
    #[arg(long, value_name = "N", help_heading = "Rounds")]
    pub further_rounds: Option<u32>,
    /// Fresh rounds that must find a change again [default: as many as `--rounds`]
    #[arg(long, value_name = "N", help_heading = "Rounds")]
    pub confirming_rounds: Option<u32>,
    /// Which metrics count, and from which change on
    #[command(flatten)]
    pub margin: MarginArgs,
    /// The detectors' alerts do not depend on the order in which records reach them, so that accuracy is compared exactly
    #[arg(long)]
    pub order_free: bool,
    /// The noise of this machine, from `floodmark aa` [default: what it kept for profile, broker and subject of the base]
    #[arg(long, value_name = "FILE")]
    pub noise_floor: Option<PathBuf>,
}

/// Arguments of `aa`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark aa profiles/smoke.yaml                      ten rounds, kept for `ab` with this profile
  floodmark aa profiles/sensors.yaml --rounds 20 --broker kafka-home:target/parts/kafka-4.3.1

Prints how much each metric differs between runs of the same, and the smallest change that `ab` would find in nine of ten
comparisons with as many rounds. Ends with 98 if too many rounds were void, or if a regression was found where there is none.")]
pub struct AaArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// How many rounds
    #[command(flatten)]
    pub rounds: RoundsArgs,
    /// Which metrics count, and from which change on
    #[command(flatten)]
    pub margin: MarginArgs,
}

/// Rounds, and where what they leave goes.
#[derive(Debug, Args)]
pub struct RoundsArgs {
    /// Rounds, each a run of both sides; at least 6
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Rounds")]
    pub rounds: u32,
    /// Where the results go [default: runs/PROFILE-TIME]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_OUT")]
    pub out: Option<PathBuf>,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Processes that generate the events, each with whole partitions
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        env = "FLOODMARK_WORKERS",
        help_heading = "Load"
    )]
    pub workers: u32,
    /// How the load is held against what this machine can send
    #[command(flatten)]
    pub calibration: CalibrationArgs,
}
